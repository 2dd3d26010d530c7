"""Parts of sequences: segments, of which states are kept, and windows, with states in and out."""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman import Carry, Network
from elman.data import undivided
from elman.engines import ENGINES, get_engine, n_states
from elman.engines.compiled import engine as compiled
from elman.engines.compiled import panels, rows
from elman.engines.compiled.layout import layout_of
from elman.engines.reference import loss as reference_loss
from elman.equations.dropout import Dropout
from naive import complex_step
from tolerances import BY_HAND, relative_error

D, K = 3, 4
CELLS = ["tanh", "relu", "leaky", "gru", "lstm", ("lstm", "gru")]
DROPOUT = Dropout(0.3, 0.4, seed=1, update=2)


@pytest.fixture(params=[3, 1000], ids=["panels", "rows"])
def few(request, monkeypatch):
    """More sequences than that go to panels; of small networks more than three do."""
    monkeypatch.setattr(compiled, "are_few", lambda n, _: n <= request.param)


def drawn(cell, lengths, every_step=True, **network):
    """A network, and a batch with targets of it."""
    network = Network(D, (5, 9), K, cell=cell, dtype=np.float64, **network)
    rng = np.random.default_rng(len(lengths))
    scale = 0.15 if cell == "relu" else 0.5  # else it overflows
    network.parameters.vector[...] = scale * rng.standard_normal(len(network.parameters.vector))
    X = [rng.standard_normal((T, D)) for T in lengths]
    y = [rng.integers(K, size=T) if every_step else rng.integers(K) for T in lengths]
    batch, targets = network.batch(X, y, None)
    return network, batch, targets


def carry_of(network, n, seed=0):
    values = np.random.default_rng(seed).uniform(-1, 1, (n, n_states(network.architecture)))
    return Carry(network.architecture, values)


@given(
    cell=st.sampled_from(CELLS),
    n=st.sampled_from([1, 3, 9, 20]),
    longest=st.integers(1, 300),
    steps=st.integers(1, 300),
    answers=st.sampled_from(["each step", "last", "mean", "max"]),
    begin=st.sampled_from(["zeros", "given", "learned"]),
    dropout=st.sampled_from([None, DROPOUT]),
    few=st.sampled_from([3, 1000]),
)
def test_segments_change_no_bit(cell, n, longest, steps, answers, begin, dropout, few):
    lengths = np.random.default_rng(longest).integers(1, longest + 1, n)
    every_step = answers == "each step"
    network, batch, targets = drawn(
        cell,
        lengths,
        every_step,
        readout="last" if every_step else answers,
        learn_initial_state=begin == "learned",
    )
    carry = carry_of(network, n) if begin == "given" else None
    found = []
    for checkpoint_steps in (None, steps):
        engine = get_engine("compiled", 1, checkpoint_steps)
        after = carry_of(network, n)
        with patch.object(compiled, "are_few", lambda n, _: n <= few):
            loss, correct, gradients = engine.loss_and_gradients(
                network.parameters, batch, targets, carry, dropout, after
            )
        found.append((loss, correct, gradients.vector.tobytes(), after.values.tobytes()))
    assert found[0] == found[1]


@pytest.mark.parametrize("n", [1, 5])
def test_auto_keeps_all_of_little_and_the_root_of_much(n):
    kernel, T = (rows, 1_000_000) if n == 1 else (panels, 100_000)
    dtype = np.dtype(np.float32)
    layout = layout_of(drawn("gru", [1])[0].architecture, kernel.unit(16), dtype)

    def room(lengths, steps="auto"):
        return compiled.steps_kept(steps, kernel, layout, lengths)

    assert room([100] * n)[0] == 100
    many = [T] * n
    assert room(many, None)[0] == T
    segment, n_numbers = room(many)
    assert 0 <= segment - int(T**0.5) < kernel.BLOCK
    assert segment % kernel.BLOCK == 0
    assert n_numbers * 50 < room(many, None)[1]


def test_one_sequence_keeps_errors_of_a_block_alone():
    layout = layout_of(drawn("gru", [1])[0].architecture, rows.unit(16), np.dtype(np.float32))
    short, long = (rows.room_to_train(layout, [T], T) for T in (1000, 2000))
    assert long - short == 1000 * layout.state_rows


def as_window(batch, begin, end):
    """The steps begin … end - 1 of a batch's sequences."""
    window = batch.window(begin, end - begin)
    return replace(window, division=undivided(window.lengths))


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("lengths", [[7], [9, 2, 11, 5, 8, 1], [*range(3, 23)]], ids=len)
def test_windows_end_where_the_whole_does(engine, cell, lengths):
    network, batch, targets = drawn(cell, lengths)
    of = get_engine(engine)
    whole, states = carry_of(network, len(lengths)), carry_of(network, len(lengths))
    loss = of.loss_and_gradients(network.parameters, batch, targets, after=whole).loss
    losses = []
    for begin in range(0, max(lengths), 3):
        window = as_window(batch, begin, begin + 3)
        carry = states if begin else None
        losses.append(
            of.loss_and_gradients(network.parameters, window, targets, carry, None, states).loss
        )
    np.testing.assert_array_equal(states.values, whole.values)
    assert sum(losses) == pytest.approx(loss, rel=1e-14)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_windows_gradient_is_exact_with_what_it_begins_with_a_constant(cell):
    lengths = [30, 25, 30, 12, 9]
    network, batch, targets = drawn(cell, lengths)
    carry = carry_of(network, len(lengths))
    window = as_window(batch, 10, 30)

    moved = network.astype(np.complex128)
    y = np.split(targets.values, batch.sequences.offsets[1:-1])
    whole, _ = moved.batch(list(batch.sequences), y, None)
    (shard,) = as_window(whole, 10, 30).shards(len(lengths))
    constant = Carry(carry.architecture, carry.values.astype(complex))
    expected = complex_step(
        lambda: reference_loss(moved.parameters, shard, targets, constant), moved.parameters.vector
    )
    for engine, steps in product(ENGINES, [None, 8]):
        of = get_engine(engine, 1, steps)
        _, _, gradients = of.loss_and_gradients(network.parameters, window, targets, carry)
        assert relative_error(gradients.vector, expected) < BY_HAND, (engine, steps)


@pytest.mark.parametrize("engine", ENGINES)
def test_states_to_write_to_must_fit(engine):
    network, batch, targets = drawn("gru", [4, 3])
    of, n = get_engine(engine), n_states(network.architecture)
    for values in (np.zeros((1, n)), np.zeros((2, n - 1)), np.zeros((2, n), np.float32)):
        after = Carry(network.architecture, values)
        with pytest.raises(ValueError, match="to be written to; expected"):
            of.loss_and_gradients(network.parameters, batch, targets, after=after)
    network, batch, targets = drawn("gru", [4, 3], bidirectional=True)
    with pytest.raises(ValueError, match="bidirectional network has no states to go on from"):
        of.loss_and_gradients(
            network.parameters, batch, targets, after=SimpleNamespace(values=None)
        )


@pytest.mark.parametrize("steps", [0, -1, 1.5, "all"])
def test_steps_that_are_none_are_refused(steps):
    with pytest.raises(ValueError, match="checkpoint_steps must be"):
        get_engine("compiled", None, steps)
