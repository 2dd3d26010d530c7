"""What the compiled engine promises beyond what every engine does."""

import itertools
import pickle
import time
from dataclasses import replace

import numpy as np
import pytest

from elman import Network
from elman.data import Batch, Targets, as_sequences
from elman.engines import ENGINES
from elman.engines.compiled import CompiledEngine, engine, panels, rows, threads
from elman.engines.compiled.buffers import Buffers
from elman.engines.compiled.packing import pack
from elman.engines.compiled.rows.streaming import step
from elman.parameters import Parameters
from tolerances import VERSUS_NAIVE, relative_error

D, K = 3, 4


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(params=[True, False], ids=["label a step", "label a sequence"])
def every_step(request):
    return request.param


@pytest.fixture
def threads_were_used(monkeypatch):
    """Threads are used for small problems too, on any machine, from a pool that is not there yet."""
    monkeypatch.setattr(engine, "SMALL", 0)
    monkeypatch.setattr(threads, "_idle", [])
    monkeypatch.setattr(threads, "_cores", lambda: 8)
    return lambda: len(threads._idle) > 0


@pytest.fixture(params=[3, 1000], ids=["panels", "rows"])
def few(request, monkeypatch):
    """More sequences than that go to panels; of small networks more than three do."""
    monkeypatch.setattr(engine, "are_few", lambda n, _: n <= request.param)
    return request.param


def network_of(dtype=np.float32, n_jobs=None, **changes):
    settings = {"hidden": [17, 5], "cell": ("tanh", "relu"), "seed": 0} | changes
    network = Network(D, n_outputs=K, dtype=dtype, n_jobs=n_jobs, **settings)
    rng = np.random.default_rng(1)
    for name, array in network.parameters.items():
        if name[0] in "bc":  # they begin as zeros, which would hide an error
            array[...] = rng.uniform(-0.5, 0.5, array.shape)
    return network


def examples(n, every_step=False, longest=12, seed=0):
    """Ragged sequences with labels and weights."""
    rng = np.random.default_rng(seed)
    X = [rng.standard_normal((T, D)) for T in rng.integers(1, longest + 1, n)]
    shapes = [len(x) if every_step else () for x in X]
    y = [rng.integers(K, size=shape) for shape in shapes]
    return X, y, [rng.uniform(0.2, 2, shape) for shape in shapes]


def bits(network, *problem):
    """The loss and all gradients."""
    loss, gradients = network.loss_and_gradients(*problem)
    return loss, gradients.vector.tobytes()


# The same bits


stacks = pytest.mark.parametrize("cell", [("tanh", "relu"), ("lstm", "gru")], ids="-".join)


@stacks
@pytest.mark.parametrize("n", [1, 3, 4, 17, 130])
def test_number_of_threads_makes_no_difference(threads_were_used, dtype, every_step, n, cell, few):
    problem = examples(n, every_step)
    networks = [network_of(dtype, n_jobs, cell=cell) for n_jobs in (1, 2, 3, 4)]
    one, *more = [
        (bits(network, *problem), b"".join(y.tobytes() for y in network.forward(problem[0])))
        for network in networks
        for _ in range(3)
    ]
    assert more == [one] * 11
    n_shards = n if n < 4 else -(-n // (4 if n <= few else 64 // dtype.itemsize))
    assert threads_were_used() == (n_shards > 1)


def in_batches(network, X, order, size):
    """What a network says of sequences, ``size`` at a time, in their order."""
    answers = [None] * len(X)
    for start in range(0, len(order), size):
        part = order[start : start + size]
        for i, y_hat in zip(part, network.forward([X[i] for i in part]), strict=True):
            answers[i] = y_hat
    return answers


@pytest.mark.parametrize("cell", ["tanh", ("lstm", "gru")], ids=str)
@pytest.mark.parametrize("size", [1, 2, 3, 17, 40])
@pytest.mark.parametrize("few", [0, 3, 1000])
def test_company_makes_no_difference_to_the_bit(dtype, size, cell, few, monkeypatch):
    network = network_of(dtype, hidden=[17, 70], cell=cell)
    X, *_ = examples(40, longest=20)
    expected = network.forward(X)
    monkeypatch.setattr(engine, "are_few", lambda n, _: n <= few)
    order = np.random.default_rng(size).permutation(40)
    for answer, alone in zip(expected, in_batches(network, X, order, size), strict=True):
        np.testing.assert_array_equal(answer, alone)
    last = network.forward([X[i] for i in order], every_step=False)
    np.testing.assert_array_equal(last, [expected[i][-1] for i in order])


@stacks
def test_few_and_many_have_the_same_loss_and_gradients_but_for_rounding(dtype, every_step, cell):
    network = network_of(dtype, cell=cell)
    X, y, weights = examples(20, every_step)
    loss, gradients = network.loss_and_gradients(X, y, weights)
    parts = [
        network.loss_and_gradients(*(of[i : i + 2] for of in (X, y, weights)))
        for i in range(0, 20, 2)
    ]
    assert np.mean([part[0] for part in parts]) == pytest.approx(loss, rel=VERSUS_NAIVE[dtype])
    mean = np.mean([part[1].vector for part in parts], axis=0)
    assert relative_error(mean, gradients.vector) <= VERSUS_NAIVE[dtype]


@pytest.mark.parametrize("n", [4, 16, 23])
@pytest.mark.parametrize(
    "layers",
    [
        ((17,), "tanh"),
        ((16, 33, 9), ("dense", "tanh", "relu")),
        ((16, 33, 9), ("gru", "lstm", "leaky")),
    ],
    ids=["one", "three", "gates"],
)
def test_narrow_panels_make_no_difference_to_the_bit(monkeypatch, dtype, every_step, n, layers):
    hidden, cell = layers
    problem = examples(n, every_step, longest=24)
    results = []
    for narrow in (False, True):
        monkeypatch.setattr(panels.training, "are_narrow", lambda *_, narrow=narrow: narrow)
        results.append(bits(network_of(dtype, hidden=hidden, cell=cell), *problem))
    assert results[0] == results[1]


# Buffers


class Fenced(Buffers):
    """Buffers that nobody may write beside."""

    def __init__(self):
        super().__init__()
        self.fences = []

    def take(self, n, dtype):
        whole = super().take(n + 256, dtype)
        whole[:] = 7.25
        self.fences += [whole[:128], whole[n + 128 :]]
        return whole[128 : n + 128]

    def give(self, array):
        pass

    take_room, give_room = take, give

    def are_whole(self):
        return len(self.fences) > 0 and all((fence == 7.25).all() for fence in self.fences)


@pytest.fixture(params=[False, True], ids=["full", "narrow"])
def panels_are_narrow(request, monkeypatch):
    """Panels of as many lanes as there are sequences alive, or of all lanes, whatever that saves."""
    monkeypatch.setattr(panels.training, "are_narrow", lambda *_: request.param)


@pytest.mark.usefixtures("panels_are_narrow", "few")
@pytest.mark.parametrize("n", [1, 3, 4, 7, 33])
@pytest.mark.parametrize("T", [1, 2, 8, 16, 23])
@pytest.mark.parametrize("sizes", [(3, (17, 5), 4), (1, (1,), 1), (70, (16, 64), 33)], ids=str)
@pytest.mark.parametrize("gated", [False, True], ids=["tanh", "gates"])
def test_kernels_stay_in_the_room_that_they_ask_for(dtype, every_step, n, T, sizes, gated):
    cell = ("lstm", "gru")[: len(sizes[1])] if gated else "tanh"
    network = Network(sizes[0], sizes[1], sizes[2], cell=cell, dtype=dtype, seed=0)
    network.engine._buffers = buffers = Fenced()
    X = np.random.default_rng(0).standard_normal((n, T, sizes[0]))
    network.loss_and_gradients(X, np.zeros((n, T) if every_step else n, int))
    network.forward(X, every_step=every_step)
    state = network.initial_state(n)
    stream = state.stream
    layout, n_records = stream.layout, stream.n_records
    after = np.full(len(state.records) + 128, 7.25, dtype)
    x_t = X[:, 0].astype(dtype).ravel()
    assert step(
        layout.layers, layout.gates, stream.weights, stream.spans, layout.state_rows, layout.widest,
        stream.scaling, x_t, state.records, after, n_records, state.n_steps, stream.kind[1],
    )  # fmt: skip
    assert (after[-128:] == 7.25).all()
    assert buffers.are_whole()


@pytest.mark.usefixtures("threads_were_used")
@pytest.mark.parametrize("n", [3, 130])
@pytest.mark.parametrize("name", ["train", "predict"])
def test_no_two_threads_work_in_one_buffer(monkeypatch, name, n):
    module = rows if n == 3 else panels
    compute, taken, most = getattr(module, name), set(), []

    def slowly(*arguments):
        # of a prediction, each has its own part of the other, the answers
        writable = [arguments[6], *arguments[7]] if name == "train" else [arguments[4]]
        mine = {array.ctypes.data for array in writable}
        assert not mine & taken
        taken.update(mine)
        most.append(len(taken) // len(mine))
        time.sleep(0.003)
        taken.difference_update(mine)
        return compute(*arguments)

    monkeypatch.setattr(module, name, slowly)
    network = network_of(n_jobs=3)
    for _ in range(3):
        if name == "train":
            bits(network, *examples(n))
        else:
            network.forward(examples(n)[0])
    assert max(most) > 1


# What was computed before makes no difference


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("n", [2, 6, 20])
def test_buffers_used_before_make_no_difference(dtype, every_step, n):
    problem = examples(n, every_step, longest=9, seed=1)
    fresh = network_of(dtype)
    expected = bits(fresh, *problem), fresh.forward(problem[0], every_step=False).tobytes()
    used = network_of(dtype)
    bits(used, *examples(130, every_step, longest=40))
    used.forward(examples(3, longest=16)[0])
    good = used.parameters.vector.copy()
    used.parameters.vector[...] = np.nan
    for size in (2, 20, n):
        bits(used, *examples(size, every_step, longest=9, seed=1))
        used.forward(examples(size, longest=9, seed=1)[0])
    used.parameters.vector[...] = good
    again = bits(used, *problem), used.forward(problem[0], every_step=False).tobytes()
    assert again == expected


class Holding(Buffers):
    """Buffers that have been used before, by whatever left this number everywhere."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def take(self, n, dtype):
        array = super().take(n, dtype)
        array[:] = self.number
        return array

    def take_room(self, n, dtype):
        room = super().take_room(n, dtype)
        room[:] = self.number
        return room


@pytest.fixture
def networks(dtype):
    """The same network twice, with buffers that hold zeros, and NaN."""
    made = [network_of(dtype, hidden=[17, 5, 3], cell=("tanh", "relu", "tanh")) for _ in "ab"]
    for network, number in zip(made, (0, np.nan), strict=True):
        network.engine._buffers = Holding(number)
    return made


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("n", [2, 20])
def test_gradients_do_not_depend_on_what_buffers_hold(networks, every_step, n):
    problem = examples(n, every_step)
    zeros, nan = (bits(network, *problem) for network in networks)
    assert zeros == nan


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("n", [2, 20])
def test_answers_do_not_depend_on_what_buffers_hold(networks, every_step, n):
    X, *_ = examples(n)
    zeros, nan = (network.forward(X, every_step=every_step) for network in networks)
    for answer, expected in zip(nan, zeros, strict=True):
        np.testing.assert_array_equal(answer, expected)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("n", [2, 4, 40])
def test_sequence_that_overflows_leaves_the_others_alone(dtype, n):
    network = network_of(dtype, cell="relu", hidden=[5, 9])
    network.parameters["W1"][...] *= 2
    X, *_ = examples(n, longest=6)
    X[1] = np.full((150, D), np.finfo(dtype).max / 1e3)
    answers = network.forward(X)
    assert np.isnan(answers[1]).any()
    del X[1], answers[1]
    for answer, alone in zip(answers, network.forward(X), strict=True):
        assert np.isfinite(answer).all()
        np.testing.assert_array_equal(answer, alone)


@pytest.mark.usefixtures("few")
def test_lanes_that_have_ended_leave_the_gradients_alone(dtype, every_step):
    """They go on with what their buffers hold: here they overflow, where their sequences did not."""
    network = network_of(dtype, cell="relu", hidden=[5])
    network.parameters["W1"][...] = 1e6 * np.eye(5)
    X, y, weights = examples(14, every_step, longest=2)
    X.append(np.zeros((80, D)))
    y.append(np.zeros(80, int) if every_step else 0)
    weights.append(np.ones(80) if every_step else 1)
    network.parameters["b1"][...] = 0
    loss, gradients = network.loss_and_gradients(X, y, weights)
    assert np.isfinite(loss)
    assert np.isfinite(gradients.vector).all()
    reference = network_of(dtype, cell="relu", hidden=[5], engine="reference")
    reference.parameters.vector[...] = network.parameters.vector
    expected_loss, expected = reference.loss_and_gradients(X, y, weights)
    assert loss == pytest.approx(expected_loss, rel=VERSUS_NAIVE[dtype])
    assert relative_error(gradients.vector, expected.vector) <= VERSUS_NAIVE[dtype]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("n", [2, 5])
def test_tiny_errors_become_zero_before_they_are_denormal(dtype, n):
    tiny = np.finfo(dtype).tiny
    X = np.zeros((n, 5, D))
    X[:, 0, 0] = X[:, 1, 1] = X[:, 2:, 2] = 1  # dL/dU is δ_1, δ_2, and the sum of the others
    found = {}
    for name in ENGINES:
        network = network_of(dtype, engine=name, hidden=[1], cell="relu")
        network.parameters["U1"][...] = network.parameters["b1"][...] = 1
        network.parameters["W1"][...] = tiny**0.25 / 3  # so that δ_1 is below tiny, δ_2 far above
        _, gradients = network.loss_and_gradients(X, [0] * n)
        found[name] = gradients["U1"][0]
    assert 0 < abs(found["reference"][0]) < tiny
    assert found["compiled"][0] == 0
    others = found["reference"][1:]
    assert others.all()
    np.testing.assert_allclose(found["compiled"][1:], others, rtol=VERSUS_NAIVE[dtype])


# Labels and weights


@pytest.mark.parametrize("n", [3, 20])
def test_labels_of_weight_zero_make_no_difference(dtype, n):
    network = network_of(dtype)
    X, y, weights = examples(n, every_step=True)
    for w_i in weights:
        w_i[::2] = 0
    before = bits(network, X, y, weights)
    for y_i in y:
        y_i[::2] = (y_i[::2] + 1) % K
    assert bits(network, X, y, weights) == before


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("n", [4, 20])
def test_sequence_of_weight_zero_is_not_there(dtype, every_step, n):
    network = network_of(dtype)
    X, y, weights = examples(n, every_step)
    weights[1] = np.zeros_like(weights[1])
    weighted = bits(network, X, y, weights)
    del X[1], y[1], weights[1]
    assert bits(network, X, y, weights) == weighted


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("n", [1, 5])
def test_ties_go_to_the_first_class(n):
    found = {}
    for name in ENGINES:
        network = network_of(engine=name)
        network.parameters["V"][...] = network.parameters["c"][...] = 0
        X, _, _ = examples(n)
        for label in range(K):
            batch, targets = network.batch(X, [label] * n)
            targets = replace(targets, weights=np.ones(n, np.float32))
            found[name, label] = network.engine.loss_and_gradients(
                network.parameters, batch, targets
            )
    assert [found["compiled", label].correct for label in range(K)] == [n, 0, 0, 0]
    assert [found["reference", label].correct for label in range(K)] == [n, 0, 0, 0]


# What it takes


@pytest.mark.parametrize("refused", [np.float16, np.complex128, np.longdouble])
def test_other_types_of_parameters_are_refused_in_words(refused):
    network = network_of()
    parameters = network.parameters.astype(refused)
    message = f"the compiled engine takes float32 and float64; got {np.dtype(refused)}"
    batch, targets = network.batch(*examples(3))
    with pytest.raises(TypeError, match=message):
        network.engine.loss_and_gradients(parameters, batch, targets)
    with pytest.raises(TypeError, match=message):
        network.engine.probabilities(parameters, batch, np.empty((3, K)))
    with pytest.raises(TypeError, match=message):
        network.engine.initial_state(parameters, 1, np.zeros(D), np.ones(D))


@pytest.mark.parametrize("n", [2, 9])
def test_answers_are_written_into_any_floating_type(dtype, n):
    network = network_of(dtype)
    batch = Batch.all_of(as_sequences(examples(n)[0], dtype), every_step=False)
    found = [np.empty((n, K), other) for other in (np.float32, np.float64)]
    for y_hat in found:
        network.engine.probabilities(network.parameters, batch, y_hat)
    exact = next(y_hat for y_hat in found if y_hat.dtype == dtype)
    for y_hat in found:
        np.testing.assert_array_equal(y_hat, exact.astype(y_hat.dtype))


@pytest.mark.parametrize("n", [2, 9])
def test_arrays_that_may_not_be_written_to_are_taken_without_compiling_anew(dtype, n):
    X = np.random.default_rng(0).standard_normal((n, 4, D)).astype(dtype)
    y = np.arange(n) % K
    weights = np.ones(n, dtype)
    network = network_of(dtype)
    expected = bits(network, X, y, weights), network.forward(X).tobytes()
    state = network.initial_state(n)
    network.step(X[:, 0].copy(), state)
    entries = [pack, panels.training.train_shards, panels.predicting.predict_shards]
    entries += [rows.training.train_sequences, rows.predicting.predict_sequences, step]
    before = [list(entry.signatures) for entry in entries]
    for array in (X, y, weights, network.parameters.vector):
        array.setflags(write=False)
    assert (bits(network, X, y, weights), network.forward(X).tobytes()) == expected
    x_t = X[:, 0].copy()
    x_t.setflags(write=False)
    network.step(x_t, state)
    network.step(np.asfortranarray(x_t), state)
    network.step(X[:, 0], state)
    assert [list(entry.signatures) for entry in entries] == before


@pytest.mark.parametrize("n", [2, 40])
def test_arrays_in_any_order_and_targets_of_any_type_come_to_the_same(dtype, n):
    """Once a kernel has computed, Numba does not look at the types of arrays again."""
    X, y, _ = examples(n)
    weights = np.random.default_rng(1).uniform(0.2, 2, n).astype(dtype)
    network = network_of(dtype)
    parameters, sequences = network.parameters, as_sequences([x.astype(dtype) for x in X])
    compiled, batch = CompiledEngine(), Batch.all_of(sequences, every_step=False)

    def bits_of(batch, labels, weights):
        targets = Targets(labels, weights, every_step=False)
        loss, correct, gradients = compiled.loss_and_gradients(parameters, batch, targets)
        y_hat = np.empty((n, K), dtype)
        compiled.probabilities(parameters, batch, y_hat)
        return loss, correct, gradients.vector.tobytes(), y_hat.tobytes()

    expected = bits_of(batch, np.array(y), weights)
    in_columns = replace(sequences, values=np.asfortranarray(sequences.values))
    others = replace(batch, sequences=in_columns, members=np.repeat(batch.members, 2)[::2])
    labels = np.repeat(np.array(y, np.int16), 3)[::3]
    assert bits_of(others, labels, np.repeat(weights.astype(np.float64), 2)[::2]) == expected
    in_float64 = replace(sequences, values=sequences.values.astype(np.float64))
    wide = replace(batch, sequences=in_float64, members=batch.members.astype(np.int32))
    assert bits_of(wide, np.array(y), weights) == expected


@pytest.mark.parametrize("given", [np.int32, np.float32, np.float64])
def test_values_of_another_type_are_brought_to_that_of_the_network(dtype, given):
    """Whichever comes first: what a kernel was first called with does not decide for others."""
    whole = np.random.default_rng(0).integers(-3, 4, (20, 5, D))
    network, compiled = network_of(dtype), CompiledEngine()
    targets = Targets(np.arange(20) % K, np.full(20, 0.05, dtype), every_step=False)
    found = []
    for kind in (given, dtype, given):
        sequences = replace(
            as_sequences(whole.astype(dtype)), values=whole.reshape(-1, D).astype(kind)
        )
        batch = Batch.all_of(sequences, every_step=False)
        loss, _, gradients = compiled.loss_and_gradients(network.parameters, batch, targets)
        found.append((loss, gradients.vector.tobytes()))
    assert found[0] == found[1] == found[2]


# Threads, and copies


def test_small_problem_wakes_no_thread(monkeypatch):
    monkeypatch.setattr(threads, "_idle", [])
    network = network_of(n_jobs=4, hidden=[5], cell="tanh")
    bits(network, *examples(130))
    network.forward(examples(130)[0])
    assert threads._idle == []


@pytest.mark.parametrize(("n_jobs", "n_cores"), [(2, 8), (1000, 2)])
def test_large_problem_wakes_as_many_threads_as_it_may(monkeypatch, n_jobs, n_cores):
    monkeypatch.setattr(threads, "_idle", [])
    monkeypatch.setattr(threads, "_cores", lambda: n_cores)
    network = network_of(n_jobs=n_jobs, hidden=[130], cell="tanh")
    X = np.zeros((64, 20, D), np.float32)
    for _ in range(20):
        bits(network, X, [0] * 64)
    network.forward(X)
    assert len(threads._idle) == 1  # beside this one


@pytest.mark.parametrize(("wanted", "expected"), [(None, 5), (3, 3), (5, 5), (6, 5), (1000, 5)])
def test_threads_are_as_many_as_cores_unless_fewer_are_wanted(monkeypatch, wanted, expected):
    monkeypatch.setattr(threads, "_cores", lambda: 5)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert CompiledEngine(wanted).n_threads == expected


@pytest.mark.parametrize("what", ["engine", "network", "state"])
def test_pickled_it_computes_the_same_bits(dtype, what):
    network = network_of(dtype, n_jobs=3)
    problem = examples(20)
    expected = bits(network, *problem)
    x_t = problem[0][0][0]
    state = network.initial_state()
    y_hat, _ = network.step(x_t, state)
    if what == "engine":
        copy = pickle.loads(pickle.dumps(network.engine))
        assert (type(copy), copy._n_threads) == (CompiledEngine, 3)
        assert copy._buffers is not network.engine._buffers
        network = Network.from_parameters(network.parameters, copy)
    elif what == "network":
        network = pickle.loads(pickle.dumps(network))
    else:
        state = pickle.loads(pickle.dumps(state))
    assert bits(network, *problem) == expected
    np.testing.assert_array_equal(network.step(x_t, state)[0], y_hat)


def test_pickled_engine_is_small():
    network = network_of()
    bits(network, *examples(130))
    assert len(pickle.dumps(network.engine)) < 200


def test_all_sizes_of_batches_are_covered_once(dtype):
    """Each sequence's answer is written, whatever thread and shard it falls to."""
    network = network_of(dtype, n_jobs=2)
    for n, stacked in itertools.product([1, 3, 4, 16, 17, 700], [True, False]):
        X = np.ones((n, 1, D)) * np.arange(1, n + 1)[:, None, None]
        batch = Batch.all_of(as_sequences(X if stacked else list(X), dtype), every_step=stacked)
        y_hat = np.full((n, K), np.nan, dtype)
        network.engine.probabilities(network.parameters, batch, y_hat)
        assert np.isfinite(y_hat).all()
        assert relative_error(y_hat.sum(axis=1), np.ones(n)) <= VERSUS_NAIVE[dtype]


# What compiled functions would not notice


@pytest.mark.parametrize("n", [2, 20])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (lambda n: np.full(n, K), f"labels from {K} to {K}; expected 0 … {K - 1}"),
        (lambda n: np.full(n, -1), "labels from -1 to -1"),
        (lambda n: np.zeros(n - 1, np.int64), r"1?\d labels and 2?\d weights for 2?\d answers"),
    ],
)
def test_labels_that_would_lead_out_of_an_array_are_refused(n, labels, message):
    network = network_of()
    batch, targets = network.batch(*examples(n))
    targets = replace(targets, values=labels(n))
    with pytest.raises(ValueError, match=message):
        network.engine.loss_and_gradients(network.parameters, batch, targets)


@pytest.mark.parametrize("n", [2, 20])
@pytest.mark.parametrize("wrong", [K, -1])
def test_every_label_of_a_batch_is_looked_at_and_no_other(every_step, n, wrong):
    network = network_of()
    X, y, weights = examples(2 * n, every_step)
    everything, targets = network.batch(X, y, weights)
    members = np.random.default_rng(0).permutation(2 * n)[:n]
    batch = Batch.of(everything.sequences, members, every_step)
    expected = network.engine.loss_and_gradients(network.parameters, batch, targets)
    own = everything.sequences.rows(members) if every_step else members
    for place in range(len(targets)):
        spoilt = targets.values.copy()
        spoilt[place] = wrong
        arguments = network.parameters, batch, replace(targets, values=spoilt)
        if place in own:
            with pytest.raises(ValueError, match=f"expected 0 … {K - 1}"):
                network.engine.loss_and_gradients(*arguments)
        else:
            found = network.engine.loss_and_gradients(*arguments)
            assert found.loss == expected.loss
            np.testing.assert_array_equal(found.gradients.vector, expected.gradients.vector)


def test_answers_of_another_shape_are_refused():
    network = network_of()
    batch = Batch.all_of(as_sequences(examples(9)[0], np.float32), every_step=False)
    with pytest.raises(ValueError, match=r"the answers are \(9, \d+\), and y_hat \(8, \d+\)"):
        network.engine.probabilities(network.parameters, batch, np.empty((8, K)))


def test_parameters_that_are_not_contiguous_count_as_they_are():
    network = network_of()
    X = examples(9)[0]
    expected = network.forward(X)
    apart = np.zeros(2 * len(network.parameters.vector), np.float32)
    apart[::2] = network.parameters.vector
    parameters = Parameters(network.architecture, apart[::2])
    strided = Network.from_parameters(parameters, network.engine).forward(X)
    for actual, wanted in zip(strided, expected, strict=True):
        np.testing.assert_array_equal(actual, wanted)


@pytest.mark.parametrize("n_jobs", [0, -2, 2.5, "all"])
def test_number_of_threads_is_checked(n_jobs):
    with pytest.raises(ValueError, match="n_jobs must be at least 1, or -1 or None"):
        network_of(n_jobs=n_jobs)


def test_minus_one_means_all_cores():
    assert network_of(n_jobs=-1).engine.n_threads == network_of().engine.n_threads


def test_an_answer_of_a_stream_holds_no_more_than_itself():
    network = network_of()
    y_hat, _ = network.step(np.zeros(D), network.initial_state())
    assert y_hat.base is None
