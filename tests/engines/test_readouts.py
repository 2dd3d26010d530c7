"""Readouts in both engines: the same values, streams, and the same bits however they are computed."""

from dataclasses import replace

import numpy as np
import pytest

from elman import DataError, Network, check_gradients
from elman.data import Batch, Targets, as_sequences
from elman.engines import ENGINES
from elman.engines.compiled import engine, panels, readouts, rows, threads
from elman.engines.compiled.buffers import Buffers, aligned
from tolerances import BY_HAND, VERSUS_NAIVE, relative_error

D, K = 3, 4
KERNELS = {"rows": 1000, "panels": 0}
CELLS = {"tanh": "tanh", "relu-dense": ("relu", "dense"), "lstm-gru": ("lstm", "gru")}


@pytest.fixture(params=["mean", "max"])
def readout(request):
    return request.param


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(params=KERNELS)
def kernel(request, monkeypatch):
    """Both ways to compute of the compiled engine, which the batch's size decides."""
    monkeypatch.setattr(engine, "are_few", lambda n, _: n <= KERNELS[request.param])


def network_of(readout, dtype=np.float64, **changes):
    settings = {"hidden": [17, 33], "cell": "tanh", "seed": 0} | changes
    network = Network(D, n_outputs=K, dtype=dtype, readout=readout, **settings)
    rng = np.random.default_rng(1)
    for name, array in network.parameters.items():
        if name[0] in "bc":  # they begin as zeros, which would hide an error
            array[...] = rng.uniform(-0.5, 0.5, array.shape)
    return network


def examples(n, longest=20, seed=0):
    rng = np.random.default_rng(seed)
    X = [rng.standard_normal((T, D)) for T in rng.integers(1, longest + 1, n)]
    return X, rng.integers(K, size=n), rng.uniform(0.2, 2, n)


@pytest.mark.parametrize("n", [1, 9, 40])
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("both", [False, True], ids=["onward", "both ways"])
def test_kernels_compute_what_the_equations_say(kernel, readout, cell, n, both):
    X, y, weights = examples(n)
    network = network_of(readout, cell=cell, bidirectional=both)
    loss, gradients = network.loss_and_gradients(X, y, weights)
    answers = network.forward(X, every_step=False)
    reference = network_of(readout, cell=cell, engine="reference", bidirectional=both)
    expected, of_reference = reference.loss_and_gradients(X, y, weights)
    assert loss == pytest.approx(expected, rel=1e-12)
    for name, gradient in gradients.items():
        assert relative_error(gradient, of_reference[name]) <= VERSUS_NAIVE[np.dtype(np.float64)]
    expected = reference.forward(X, every_step=False)
    assert relative_error(answers, expected) <= VERSUS_NAIVE[np.dtype(np.float64)]


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_gradients_are_those_of_the_complex_step(kernel, readout, cell):
    network = network_of(readout, cell=cell, hidden=[5, 9][: 1 if cell == "tanh" else 2])
    checks = check_gradients(network, *examples(11))
    assert [check for check in checks if not check.passed] == []


def test_narrow_panels_compute_the_same(readout, dtype, monkeypatch):
    X, y, weights = examples(11, longest=5)
    X[3] = np.random.default_rng(2).standard_normal((90, D))
    network = network_of(readout, dtype)
    wide = network.loss_and_gradients(X, y, weights)
    monkeypatch.setattr(panels.training, "WASTE", 0)
    assert panels.training.are_narrow(100, [90, 5], 8)
    narrow = network.loss_and_gradients(X, y, weights)
    assert narrow[0] == wide[0]
    np.testing.assert_array_equal(narrow[1].vector, wide[1].vector)


def test_number_of_threads_makes_no_difference(readout, dtype, monkeypatch):
    monkeypatch.setattr(engine, "SMALL", 0)
    monkeypatch.setattr(threads, "_idle", [])
    monkeypatch.setattr(threads, "_cores", lambda: 8)
    X, y, weights = examples(90)
    found = set()
    for n_jobs in (1, 2, 3, 4):
        network = network_of(readout, dtype, n_jobs=n_jobs)
        loss, gradients = network.loss_and_gradients(X, y, weights)
        answers = network.forward(X, every_step=False)
        found.add((loss, gradients.vector.tobytes(), answers.tobytes()))
    assert len(found) == 1


@pytest.mark.parametrize("size", [1, 2, 3, 17])
def test_batch_composition_does_not_change_predictions(readout, dtype, size):
    network = network_of(readout, dtype, cell=("lstm", "gru"))
    X, *_ = examples(40)
    expected = network.forward(X, every_step=False)
    of_steps = network.forward(X)
    order = np.random.default_rng(size).permutation(40)
    for start in range(0, 40, size):
        part = order[start : start + size]
        answers = network.forward([X[i] for i in part], every_step=False)
        np.testing.assert_array_equal(answers, expected[part])
    np.testing.assert_array_equal([y_hat[-1] for y_hat in of_steps], expected)


@pytest.mark.parametrize("of_engine", ENGINES)
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_stream_is_answered_by_the_steps_so_far(of_engine, readout, dtype, cell):
    network = network_of(readout, dtype, cell=cell, engine=of_engine)
    X = np.random.default_rng(0).standard_normal((5, 12, D)).astype(dtype)
    whole, state = network.forward(X), network.initial_state(5)
    alone = network.initial_state()
    for t in range(12):
        y_hat, after = network.step(X[:, t], state)
        again, _ = network.step(X[:, t], state)  # the state was left as it was
        np.testing.assert_array_equal(again, y_hat)
        one, alone = network.step(X[2, t], alone)
        if of_engine == "compiled":
            np.testing.assert_array_equal(y_hat, whole[:, t])
            np.testing.assert_array_equal(one, whole[2, t])
        assert relative_error(y_hat, whole[:, t]) <= VERSUS_NAIVE[dtype]
        begun = network.forward(X[:, : t + 1], every_step=False)
        assert relative_error(y_hat, begun) <= VERSUS_NAIVE[dtype]
        state = after


def test_error_of_equal_steps_goes_to_the_first(kernel):
    """Inputs that a layer does not look at tell the steps apart, not their states."""
    network = network_of("max", cell="dense", hidden=[9])
    network.parameters["U1"][:, 0] = 0
    X = np.random.default_rng(0).standard_normal((20, 6, D))
    X[:, 1:, 1:] = X[:, :1, 1:]
    y = np.arange(20) % K
    _, gradients = network.loss_and_gradients(X, y)
    _, of_first = network.loss_and_gradients(X[:, :1], y)
    assert relative_error(gradients["U1"], of_first["U1"]) <= BY_HAND


@pytest.mark.parametrize("of_engine", ENGINES)
def test_targets_of_steps_are_refused(of_engine, readout):
    network = network_of(readout, engine=of_engine)
    with pytest.raises(DataError, match=f"y has a target for each step, and readout='{readout}'"):
        network.loss_and_gradients(np.ones((2, 3, D)), [[0, 1, 2], [0, 1, 2]])


def test_compiled_functions_are_not_given_what_they_cannot_do(readout, monkeypatch):
    network, sequences = (
        network_of(readout, np.float32),
        as_sequences(np.ones((2, 5, D)), np.float32),
    )

    def compute(every_step):
        n = 10 if every_step else 2
        targets = Targets(np.zeros(n, np.int64), np.ones(n, np.float32), every_step)
        batch = Batch.all_of(sequences, every_step)
        network.engine.loss_and_gradients(network.parameters, batch, targets)

    compute(False)
    with pytest.raises(
        ValueError, match="one target a sequence, of at most 16,777,216 steps in float"
    ):
        compute(True)
    monkeypatch.setitem(readouts.LONGEST, 4, 4)
    with pytest.raises(ValueError, match="of at most 4 steps in float32; got 5 steps"):
        compute(False)


@pytest.mark.parametrize("n", [2, 20])
@pytest.mark.parametrize("both", [False, True], ids=["onward", "both ways"])
def test_kernels_stay_in_the_room_that_they_say(readout, dtype, n, both):
    """What stands behind the room is as it was, and nothing in it need be zero."""
    network = network_of(readout, dtype, cell=("lstm", "tanh"), bidirectional=both)
    X, y, _ = examples(n)
    rooms = []

    class Fenced(Buffers):
        def take(self, n, dtype):
            return self.take_room(n, dtype)

        def take_room(self, n, dtype):
            whole = aligned(n + 1000, dtype)
            whole[:n], whole[n:] = np.nan, 7.25
            rooms.append((whole, n))
            return whole[:n]

        def give(self, array):
            pass

        give_room = give

    network.engine._buffers = Fenced()
    loss, gradients = network.loss_and_gradients(X, y)
    answers = network.forward(X, every_step=False)
    assert all(np.isfinite(numbers).all() for numbers in (loss, gradients.vector, answers))
    assert len(rooms) > 3
    assert all((whole[n:] == 7.25).all() for whole, n in rooms)


def test_memory_of_training_does_not_grow_with_what_is_read(dtype):
    layouts = {
        name: engine.layout_of(network_of(name, dtype).architecture, 16, dtype)
        for name in ("last", "mean", "max")
    }
    for kernel in (rows, panels):
        short, long = ([1] * 16, [200] * 16) if kernel is panels else ([1], [200])
        growth = {
            kernel.room_to_train(layout, long, 200) - kernel.room_to_train(layout, short, 200)
            for layout in layouts.values()
        }
        assert len(growth) == 1


def test_predictions_are_loaded_with_their_readout(readout, tmp_path):
    network, (X, *_) = network_of(readout), examples(5)
    network.save(tmp_path / "model.safetensors")
    loaded = Network.load(tmp_path / "model.safetensors")
    assert loaded.architecture == network.architecture
    assert replace(loaded.architecture, readout="last") != network.architecture
    np.testing.assert_array_equal(
        loaded.forward(X, every_step=False), network.forward(X, every_step=False)
    )
