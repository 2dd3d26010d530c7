"""Dropout in both engines: proved with its masks held fixed, the same bits however it is computed."""

import numpy as np
import pytest

from elman import Dropout, Network, check_gradients
from elman.data import Batch, Targets, as_sequences
from elman.engines import ENGINES
from elman.engines.compiled import engine, panels, threads
from elman.engines.compiled.buffers import Buffers, aligned
from elman.equations.dropout import IN_TIME, UP
from tolerances import VERSUS_NAIVE, relative_error

D, K = 3, 4
KERNELS = {"rows": 1000, "panels": 0}
CELLS = {"tanh": "tanh", "relu-dense": ("relu", "dense"), "lstm-gru": ("lstm", "gru")}
DROPOUTS = {
    "up": Dropout(0.4, 0.0, 3, 7),
    "in time": Dropout(0.0, 0.4, 3, 7),
    "both": Dropout(0.3, 0.5, 2**40, 0),
}
BOTH = DROPOUTS["both"]


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(params=["reference", "rows", "panels"])
def of_engine(request, monkeypatch):
    """Both engines, and both ways to compute of the compiled one, which the batch's size decides."""
    if request.param == "reference":
        return "reference"
    monkeypatch.setattr(engine, "are_few", lambda n, _: n <= KERNELS[request.param])
    return "compiled"


def network_of(dtype=np.float64, **changes):
    settings = {"hidden": [17, 33], "cell": "tanh", "seed": 0} | changes
    network = Network(D, n_outputs=K, dtype=dtype, **settings)
    rng = np.random.default_rng(1)
    for name, array in network.parameters.items():
        if name[0] in "bci":  # they begin as zeros, which would hide an error
            array[...] = rng.uniform(-0.5, 0.5, array.shape)
    return network


def examples(n, every_step=False, longest=12, seed=0):
    rng = np.random.default_rng(seed)
    X = [rng.standard_normal((T, D)) for T in rng.integers(1, longest + 1, n)]
    shapes = [len(x) if every_step else () for x in X]
    y = [rng.integers(K, size=shape) for shape in shapes]
    return X, y, [rng.uniform(0.2, 2, shape) for shape in shapes]


@pytest.mark.parametrize("learn_initial_state", [True, False])
@pytest.mark.parametrize("every_step", [True, False])
@pytest.mark.parametrize("dropout", DROPOUTS.values(), ids=DROPOUTS)
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_gradients_are_those_of_the_complex_step(
    of_engine, cell, dropout, every_step, learn_initial_state
):
    settings = {"cell": cell, "hidden": [4, 5], "learn_initial_state": learn_initial_state}
    network = network_of(engine=of_engine, **settings)
    checks = check_gradients(network, *examples(9, every_step, 6), dropout)
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize("learn_initial_state", [True, False])
@pytest.mark.parametrize("every_step", [True, False])
@pytest.mark.parametrize("dropout", DROPOUTS.values(), ids=DROPOUTS)
@pytest.mark.parametrize("name", ENGINES)
def test_gradients_of_both_directions_are_those_of_the_complex_step(
    name, dropout, every_step, learn_initial_state
):
    settings = {"bidirectional": True, "learn_initial_state": learn_initial_state}
    network = network_of(engine=name, cell=("gru", "lstm"), hidden=[4, 5], **settings)
    checks = check_gradients(network, *examples(9, every_step, 6), dropout)
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize("readout", ["mean", "max"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_what_is_read_of_all_steps_is_masked(of_engine, readout, bidirectional):
    settings = {"readout": readout, "bidirectional": bidirectional}
    network = network_of(engine=of_engine, hidden=[4, 5], cell=("lstm", "gru"), **settings)
    checks = check_gradients(network, *examples(9, longest=6), BOTH)
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize("dropout", DROPOUTS.values(), ids=DROPOUTS)
def test_a_sequence_sees_columns_of_its_own(of_engine, dropout):
    """To multiply a state by a mask is to multiply the columns of what it goes into."""
    network = network_of(engine=of_engine, hidden=[6, 5], cell=("gru", "lstm"))
    X, y, _ = examples(7)
    for i in range(7):  # alone in its batch, but under its own number
        sequences = as_sequences(X)
        targets = Targets(np.array(y), np.ones(7), every_step=False)
        batch = Batch.of(sequences, np.array([i]), every_step=False)
        found = network.engine.loss_and_gradients(
            network.parameters, batch, targets, dropout=dropout
        )
        other = network_of(engine=of_engine, hidden=[6, 5], cell=("gru", "lstm"))
        factors = {}
        for way, layer, name in [
            (UP, 0, "U2"),
            (UP, 1, "V"),
            (IN_TIME, 0, "W1"),
            (IN_TIME, 1, "W2"),
        ]:
            mask = dropout.mask(way, layer, np.array([i]), (6, 5)[layer])
            factors[name] = 1.0 if mask is None else mask[:, 0]
            other.parameters[name][...] *= factors[name]
        loss, gradients = other.loss_and_gradients([X[i]], [y[i]])
        assert found.loss == pytest.approx(loss, rel=1e-12)
        for name, gradient in gradients.items():
            expected = gradient * factors.get(name, 1.0)
            error = relative_error(found.gradients[name], expected)
            assert error <= VERSUS_NAIVE[np.dtype(np.float64)], name


def test_nothing_dropped_keeps_the_bits(of_engine, dtype):
    network, problem = network_of(dtype, engine=of_engine), examples(9)
    loss, gradients = network.loss_and_gradients(*problem)
    nothing, same = network.loss_and_gradients(*problem, Dropout(0.0, 0.0, 1, 1))
    assert loss == nothing
    np.testing.assert_array_equal(gradients.vector, same.vector)
    dropped, others = network.loss_and_gradients(*problem, BOTH)
    assert dropped != loss
    assert not np.array_equal(others.vector, gradients.vector)


@pytest.mark.parametrize("every_step", [True, False])
@pytest.mark.parametrize("n", [3, 90])
@pytest.mark.parametrize("both", [False, True], ids=["onward", "both ways"])
def test_number_of_threads_makes_no_difference(dtype, every_step, n, both, monkeypatch):
    monkeypatch.setattr(engine, "SMALL", 0)
    monkeypatch.setattr(threads, "_idle", [])
    monkeypatch.setattr(threads, "_cores", lambda: 8)
    problem, found = examples(n, every_step), set()
    for n_jobs in (1, 2, 3, 4):
        network = network_of(dtype, n_jobs=n_jobs, cell=("lstm", "gru"), bidirectional=both)
        loss, gradients = network.loss_and_gradients(*problem, BOTH)
        found.add((loss, gradients.vector.tobytes()))
    assert len(found) == 1


@pytest.mark.parametrize("name", ENGINES)
def test_masks_go_by_the_sequence_not_by_its_place_in_a_batch(name):
    network, (X, y, weights) = network_of(engine=name), examples(40)
    targets = Targets(np.array(y), np.array(weights), every_step=False)
    sequences = as_sequences(X)

    def evaluate(indices):
        batch = Batch.of(sequences, np.array(indices), every_step=False)
        evaluation = network.engine.loss_and_gradients(
            network.parameters, batch, targets, dropout=BOTH
        )
        return np.append(evaluation.gradients.vector, evaluation.loss)

    whole = evaluate(range(40))
    order = np.random.default_rng(0).permutation(40)
    parts = sum(evaluate(part) for part in (order[:2], order[2:5], order[5:]))
    assert relative_error(parts, whole) <= VERSUS_NAIVE[np.dtype(np.float64)]


def test_engines_and_kernels_draw_the_same_masks(monkeypatch, dtype):
    problem, found = examples(20), []
    for name, few in [("reference", 0), ("compiled", 0), ("compiled", 1000)]:
        monkeypatch.setattr(engine, "are_few", lambda n, _, few=few: n <= few)
        network = network_of(dtype, engine=name)
        loss, gradients = network.loss_and_gradients(*problem, BOTH)
        found.append(np.append(gradients.vector, loss))
    assert relative_error(found[1], found[0]) <= VERSUS_NAIVE[dtype]
    assert relative_error(found[2], found[0]) <= VERSUS_NAIVE[dtype]


def test_narrow_panels_compute_the_same(dtype, monkeypatch):
    X, y, weights = examples(11, longest=5)
    X[3] = np.random.default_rng(2).standard_normal((90, D))
    network = network_of(dtype, cell=("lstm", "gru"))
    wide = network.loss_and_gradients(X, y, weights, BOTH)
    monkeypatch.setattr(panels.training, "WASTE", 0)
    narrow = network.loss_and_gradients(X, y, weights, BOTH)
    assert narrow[0] == wide[0]
    np.testing.assert_array_equal(narrow[1].vector, wide[1].vector)


@pytest.mark.parametrize("n", [2, 20])
@pytest.mark.parametrize("every_step", [True, False])
@pytest.mark.parametrize("both", [False, True], ids=["onward", "both ways"])
def test_kernels_stay_in_the_room_that_they_say(dtype, n, every_step, both):
    """What stands behind the room is as it was, and nothing in it need be zero."""
    settings = {"learn_initial_state": True, "bidirectional": both}
    network = network_of(dtype, cell=("lstm", "tanh"), **settings)
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
    loss, gradients = network.loss_and_gradients(*examples(n, every_step), BOTH)
    assert np.isfinite(loss)
    assert np.isfinite(gradients.vector).all()
    assert len(rooms) > 2
    assert all((whole[n:] == 7.25).all() for whole, n in rooms)


@pytest.mark.parametrize("rate", [0.2, 0.6])
def test_what_goes_into_the_next_layer_keeps_its_mean(rate):
    """Over many updates, of a network without a bend: z is linear in each mask."""
    network = network_of(hidden=[40], cell="tanh", loss="squared_error")
    X, y = np.random.default_rng(0).standard_normal((1, 5, D)), np.zeros((1, K))
    network.parameters["V"][...] = 1.0
    network.parameters["c"][...] = 0.0
    without = network.forward(X, every_step=False)[0, 0]
    gradients = []
    for update in range(400):
        _, found = network.loss_and_gradients(X, y, None, Dropout(rate, 0.0, 0, update))
        gradients.append(found["c"][0])  # z itself
    deviation = np.std(gradients) / np.sqrt(400)
    assert deviation > 0
    assert abs(np.mean(gradients) - without) < 5 * deviation


def test_what_cannot_be_dropped_is_refused(of_engine):
    network = network_of(engine=of_engine)
    with pytest.raises(ValueError, match=r"dropout.rate must be at least 0 and below 1; got 1"):
        network.loss_and_gradients(*examples(5), Dropout(1, 0, 0, 0))
