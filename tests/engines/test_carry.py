"""States before the first step: given, learned, and carried from one part of a sequence to the next."""

import numpy as np
import pytest

from elman import Carry, DataError, Network, check_gradients
from elman.data import Batch
from elman.engines import ENGINES, get_engine
from elman.engines.compiled import engine as compiled
from elman.engines.reference import loss as reference_loss
from naive import complex_step
from tolerances import BY_HAND, ROUNDING, relative_error

D, K = 3, 4
CELLS = ["tanh", "dense", "leaky", "gru", "lstm", ("lstm", "gru")]

cells = pytest.mark.parametrize("cell", CELLS, ids=str)


@pytest.fixture(params=[*ENGINES, "compiled, rows"])
def engine(request, monkeypatch):
    """Each, and the compiled one where few sequences are all that there are."""
    name, _, rows = request.param.partition(", ")
    if rows:
        monkeypatch.setattr(compiled, "are_few", lambda *_: True)
    return name


def network_of(cell, engine, **settings):
    network = Network(D, (5, 9), K, cell=cell, dtype=np.float64, engine=engine, **settings)
    rng = np.random.default_rng(1)
    network.parameters.vector[...] = 0.5 * rng.standard_normal(len(network.parameters.vector))
    return network


def sequences(n, longest=9):
    rng = np.random.default_rng(n)
    return [rng.standard_normal((T, D)) for T in rng.integers(1, longest + 1, n)]


def states_of(network, n):
    rng = np.random.default_rng(2)
    sizes = zip(network.architecture.hidden, network.architecture.layer_cells, strict=True)
    return [{s: rng.uniform(-1, 1, (n, H)) for s in cell.states} for H, cell in sizes]


@cells
@pytest.mark.parametrize("n", [2, 5, 20])
@pytest.mark.parametrize("every_step", [True, False], ids=["label a step", "label a sequence"])
def test_learned_states_have_a_gradient(cell, engine, n, every_step):
    network, X = network_of(cell, engine, learn_initial_state=True), sequences(n)
    rng = np.random.default_rng(3)
    y = [rng.integers(K, size=len(x)) if every_step else rng.integers(K) for x in X]
    checks = check_gradients(network, X, y)
    assert {"initial1", "initial2"} <= {check.name for check in checks}
    assert max(check.error for check in checks) <= 1e-13
    if cell != "dense":
        assert min(check.largest for check in checks) > 0


@cells
@pytest.mark.parametrize("n", [2, 20])
def test_gradients_from_given_states_are_proved(cell, n):
    """Also of a network that learns its own, which then have no part."""
    network, X = network_of(cell, "reference", learn_initial_state=True), sequences(n)
    y = np.random.default_rng(3).integers(K, size=n)
    batch, targets = network.batch(X, y)
    carry = Carry.of(network.architecture, states_of(network, n), n, np.float64)
    moving = network.astype(np.complex128)
    (shard,) = Batch.all_of(batch.sequences, False).shards(n)

    def expected_loss():
        return reference_loss(moving.parameters, shard, targets, carry)

    expected = complex_step(expected_loss, moving.parameters.vector)
    for engine in map(get_engine, ENGINES):
        found = engine.loss_and_gradients(network.parameters, batch, targets, carry)
        assert found.loss == pytest.approx(expected_loss().real, rel=1e-14)
        assert relative_error(found.gradients.vector, expected) <= 1e-13
        assert not found.gradients["initial1"].any()


@cells
def test_a_sequence_goes_on_where_it_was_cut(cell, engine):
    network = network_of(cell, engine)
    X = sequences(20)
    given = states_of(network, 20)
    whole = network.forward(X, initial_state=given)
    for i, x in enumerate(X):
        state = network.initial_state(1, [{s: h[i : i + 1] for s, h in of.items()} for of in given])
        cut = len(x) // 2
        for x_t in x[:cut]:
            _, state = network.step(x_t[None], state)
        rest = network.forward([x[cut:]], initial_state=state.carry)[0]
        if engine == "compiled":
            np.testing.assert_array_equal(rest, whole[i][cut:])
        else:
            assert relative_error(rest, whole[i][cut:]) <= ROUNDING


@cells
def test_zeros_are_what_is_left_out(cell, engine):
    network, X = network_of(cell, engine), sequences(6)
    zeros = [np.zeros((6, H)) for H in network.architecture.hidden]
    for given, left_out in zip(
        network.forward(X, initial_state=zeros), network.forward(X), strict=True
    ):
        assert relative_error(given, left_out) <= BY_HAND


def test_trace_begins_with_the_states_that_are_given():
    network = network_of("lstm", "reference")
    X, given = np.ones((2, 3, D)), states_of(network, 2)
    trace = network.trace(X, given)
    np.testing.assert_array_equal(trace.y_activated, network.forward(X, initial_state=given))


def test_a_carry_names_its_states():
    network = network_of(("lstm", "gru"), "compiled")
    given = states_of(network, 3)
    carry = Carry.of(network.architecture, given, 3, np.float64)
    assert len(carry) == 3
    for found, expected in zip(carry.states, given, strict=True):
        assert list(found) == list(expected)
        for name, state in found.items():
            np.testing.assert_array_equal(state, expected[name])
    again = network.initial_state(3, carry).carry
    np.testing.assert_array_equal(again.values, carry.values)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            np.zeros((2, 5)),
            "initial_state is of type ndarray; expected a Carry, or a list of 2 entries",
        ),
        (7, "initial_state is of type int; expected"),
        ([np.zeros((2, 5))], "initial_state has 1 entries; expected"),
        ([np.zeros((2, 5)), np.zeros((2, 5))], r"layer 2, h, has shape \(2, 5\) and dtype float64"),
        ([{"c": np.zeros((2, 5))}, np.zeros((2, 9))], "layer 1 has 'c'; its states are h, s"),
        ([np.zeros((2, 5)), np.full((2, 9), np.nan)], "contains NaN or infinity"),
        ([np.array([["a"] * 5] * 2), np.zeros((2, 9))], "dtype <U1; expected numbers"),
    ],
)
def test_states_that_are_none_are_refused(given, message):
    network = network_of("lstm", "compiled")
    with pytest.raises(DataError, match=message):
        network.forward(np.ones((2, 3, D)), initial_state=given)


def test_a_carry_of_another_network_is_refused():
    carry = network_of("gru", "compiled").initial_state(2).carry
    with pytest.raises(DataError, match=r"another network, of cells=\(.gru., .gru.\), not"):
        network_of("lstm", "compiled").forward(np.ones((2, 3, D)), initial_state=carry)
    with pytest.raises(DataError, match="is of 2 sequence"):
        network_of("gru", "compiled").forward(np.ones((3, 3, D)), initial_state=carry)


@pytest.mark.parametrize("values", [np.zeros((3, 1)), np.zeros((3, 29)), np.zeros(3)])
def test_the_compiled_engine_reads_no_states_that_are_not_there(values):
    network = network_of("lstm", "compiled")
    batch, targets = network.batch(np.ones((3, 2, D)), [0, 1, 0])
    carry = Carry(network.architecture, values)
    with pytest.raises(ValueError, match=r"states of shape .*; expected 28 a sequence"):
        network.engine.loss_and_gradients(network.parameters, batch, targets, carry)
