"""Two shards side by side are what each is alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman import Carry, Network
from elman.engines import get_engine, n_states
from elman.engines.compiled import engine as compiled
from elman.engines.compiled import panels
from elman.equations.dropout import Dropout

D, K = 3, 4


def evaluations(network, *problem, after, checkpoint_steps=None):
    """What an engine finds, bit by bit, of shards side by side and of each alone; and the pairs."""
    engine = get_engine("compiled", 1, checkpoint_steps)
    found, n_pairs, train = [], 0, panels.train

    def counted(*arguments):
        nonlocal n_pairs
        n_pairs += len(arguments[7]) == 2
        return train(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panels, "train", counted)
        for are_paired in (True, False):
            patch.setattr(panels, "PAIRS", are_paired)
            states = after and Carry(network.architecture, np.zeros_like(after.values))
            loss, correct, gradients = engine.loss_and_gradients(
                network.parameters, *problem, after=states
            )
            found.append((loss, correct, gradients.vector.tobytes()))
            if after:
                found[-1] += (states.values.tobytes(),)
    return found, n_pairs


# What is compiled for each kind is kept small: ``kernels.py`` has the list.
ways = given(
    cell=st.sampled_from(["tanh", "relu", "lstm", "gru"]),
    hidden=st.sampled_from([5, (33, 20)]),
    n=st.integers(25, 67),
    longest=st.integers(1, 20),
    data=st.data(),
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@ways
def test_shards_side_by_side_come_to_the_bits_of_each_alone(dtype, cell, hidden, n, longest, data):
    settings = {"dtype": dtype, "cell": cell, "hidden": hidden}
    network, batch, targets, _ = drawn(n, longest, data.draw(st.booleans()), **settings)
    (pair, alone), n_pairs = evaluations(network, batch, targets, after=None)
    assert n_pairs > 0
    assert pair == alone


@ways
def test_with_states_tokens_segments_and_what_is_read_of_all_steps(cell, hidden, n, longest, data):
    network, batch, targets, carry = drawn(
        n, longest, every_step=False, cell=cell, hidden=hidden,
        readout=data.draw(st.sampled_from(["mean", "max"])), tokens=data.draw(st.booleans()),
        learn_initial_state=data.draw(st.booleans()),
    )  # fmt: skip
    begin = None if network.architecture.learn_initial_state else carry
    steps = data.draw(st.sampled_from([None, 1]))
    (pair, alone), n_pairs = evaluations(
        network, batch, targets, begin, after=carry, checkpoint_steps=steps
    )
    assert n_pairs > 0
    assert pair == alone


@ways
def test_with_dropout(cell, hidden, n, longest, data):
    every_step = data.draw(st.booleans())
    network, batch, targets, carry = drawn(n, longest, every_step, cell=cell, hidden=hidden)
    dropout = Dropout(0.3, 0.4, seed=1, update=2)
    (pair, alone), n_pairs = evaluations(network, batch, targets, carry, dropout, after=carry)
    assert n_pairs > 0
    assert pair == alone


def drawn(n, longest, every_step, dtype=np.float32, **settings):
    """A network, sequences of which all but a few are as long as the longest, targets, states."""
    network = Network(D, n_outputs=K, dtype=dtype, seed=0, **settings)
    rng = np.random.default_rng(n)
    network.parameters.vector[...] = rng.normal(0, 0.3, len(network.parameters.vector))
    lengths = [longest] * (n - 5) + list(rng.integers(1, longest + 1, 5))
    if network.architecture.tokens:
        X = [rng.integers(D, size=(T, 1)) for T in lengths]
    else:
        X = [rng.standard_normal((T, D)) for T in lengths]
    y = [rng.integers(K, size=T) if every_step else rng.integers(K) for T in lengths]
    states = rng.uniform(-1, 1, (n, n_states(network.architecture))).astype(dtype)
    return network, *network.batch(X, y, None), Carry(network.architecture, states)


@pytest.mark.parametrize(
    ("n_members", "n_threads", "steps", "expected"),
    [
        (1, 1, [7, 7], [(0, 0, 2)]),
        (1, 2, [7, 7], [(0, 0, 1), (0, 1, 1)]),  # else a thread had nothing to do
        (1, 2, [7] * 5, [(0, 0, 2), (0, 2, 2), (0, 4, 1)]),
        (1, 2, [7] * 6, [(0, 0, 2), (0, 2, 2), (0, 4, 1), (0, 5, 1)]),
        (3, 2, [7, 7], [(0, 0, 2), (1, 0, 2), (2, 0, 1), (2, 1, 1)]),
        (1, 1, [9, 9, 8, 7], [(0, 0, 2), (0, 2, 1), (0, 3, 1)]),
        (1, 1, [9, 8, 8, 8, 8], [(0, 0, 1), (0, 1, 1), (0, 2, 2), (0, 4, 1)]),
        (1, 1, [7, 7, 6, 6], [(0, 0, 2), (0, 2, 1), (0, 3, 1)]),  # 6 does not fit
    ],
)
def test_each_thread_has_as_many_pairs_of_equal_steps(n_members, n_threads, steps, expected):
    alone = [(m, i, 1) for i in range(len(steps)) for m in range(n_members)]
    fits = {T: T > 6 for T in steps}
    assert compiled.side_by_side(alone, steps, n_threads, fits) == expected


def test_no_thread_keeps_more_in_a_pair_than_it_may_alone(monkeypatch):
    """Sequences of 400 steps need more than those of 3000, of which few steps are kept."""
    monkeypatch.setattr(panels, "PAIRS", True)
    monkeypatch.setattr(compiled, "ENOUGH", 1 << 20)
    n_bytes, train = [], panels.train

    def counted(*arguments):
        n_bytes.append((len(arguments[7]), arguments[6].nbytes))
        return train(*arguments)

    monkeypatch.setattr(panels, "train", counted)
    network = Network(D, 5, K, seed=0, n_jobs=1)
    X = [np.ones((T, D)) for T in [3000] * 32 + [400] * 32]
    network.loss_and_gradients(X, np.zeros(len(X), int))
    assert [n for n, _ in n_bytes] == [2, 1, 1]
    assert max(size for _, size in n_bytes) <= 1 << 20


@pytest.mark.parametrize("kernel", ["panels", "rows", "bidirectional"])
def test_pairs_are_made_where_the_kernel_takes_them(kernel, monkeypatch):
    made = []
    monkeypatch.setattr(panels, "PAIRS", True)
    monkeypatch.setattr(compiled, "side_by_side", lambda tasks, *_: made.append(1) or tasks)
    network = Network(D, 5, K, seed=0, n_jobs=1, bidirectional=kernel == "bidirectional")
    n = 2 if kernel == "rows" else 32
    network.loss_and_gradients(np.ones((n, 6, D)), np.zeros(n, int))
    assert len(made) == (kernel == "panels")


@pytest.mark.parametrize(("small", "expected"), [(1e7, 1), (0, 0)])
def test_what_one_thread_computes_is_paired_however_many_there_are(small, expected, monkeypatch):
    made = []
    monkeypatch.setattr(panels, "PAIRS", True)
    monkeypatch.setattr(compiled, "SMALL", small)
    monkeypatch.setattr(compiled, "available_threads", lambda _: 2)
    monkeypatch.setattr(compiled, "side_by_side", lambda tasks, *_: made.append(1) or tasks)
    Network(D, 5, K, seed=0).loss_and_gradients(np.ones((32, 6, D)), np.zeros(32, int))
    assert len(made) == expected
