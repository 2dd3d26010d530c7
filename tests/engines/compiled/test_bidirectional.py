"""What the compiled engine promises of networks in both directions."""

import tracemalloc

import numpy as np
import pytest

from elman import Network
from elman.engines.compiled import engine, threads
from elman.engines.compiled.buffers import Buffers

D, K = 3, 4

stacks = pytest.mark.parametrize(
    ("hidden", "cell"),
    [((17, 5), ("tanh", "relu")), ((9, 33), ("lstm", "gru")), ((4,), ("leaky",))],
    ids=str,
)


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(params=[True, False], ids=["label a step", "label a sequence"])
def every_step(request):
    return request.param


def network_of(dtype, hidden, cell, n_jobs=None, n_features=D, n_outputs=K):
    network = Network(
        n_features, hidden, n_outputs, cell=cell, dtype=dtype, bidirectional=True, n_jobs=n_jobs
    )
    vector = network.parameters.vector  # no zeros, which would hide an error
    vector[...] = np.random.default_rng(1).uniform(-0.5, 0.5, len(vector))
    return network


def examples(n, every_step=False, longest=20):
    """Ragged sequences with labels and weights."""
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((T, D)) for T in rng.integers(1, longest + 1, n)]
    shapes = [len(x) if every_step else () for x in X]
    return X, [rng.integers(K, size=s) for s in shapes], [rng.uniform(0.2, 2, s) for s in shapes]


def bits(network, X, y, weights):
    """The loss, all gradients, and the answers."""
    loss, gradients = network.loss_and_gradients(X, y, weights)
    answers = [network.forward(X, every_step=every_step) for every_step in (True, False)]
    return loss, gradients.vector.tobytes(), *(np.concatenate(y_hat).tobytes() for y_hat in answers)


@stacks
@pytest.mark.parametrize("n", [1, 3, 17, 130])
def test_number_of_threads_makes_no_difference(monkeypatch, dtype, every_step, n, hidden, cell):
    monkeypatch.setattr(engine, "SMALL", 0)
    monkeypatch.setattr(threads, "_cores", lambda: 8)
    problem = examples(n, every_step)
    one, *more = [bits(network_of(dtype, hidden, cell, m), *problem) for m in (1, 2, 3, 4)]
    assert more == [one] * 3


@stacks
@pytest.mark.parametrize("size", [1, 2, 3, 17, 40])
def test_company_makes_no_difference_to_the_bit(dtype, size, hidden, cell):
    network = network_of(dtype, hidden, cell)
    X, *_ = examples(40)
    of_steps, of_sequences = network.forward(X), network.forward(X, every_step=False)
    order = np.random.default_rng(size).permutation(40)
    for start in range(0, 40, size):
        part = order[start : start + size]
        alone = [X[i] for i in part]
        for i, y_hat in zip(part, network.forward(alone), strict=True):
            np.testing.assert_array_equal(y_hat, of_steps[i])
        last = network.forward(alone, every_step=False)
        np.testing.assert_array_equal(last, of_sequences[part])


class Fenced(Buffers):
    """Buffers that nobody may write beside, and that hold a number."""

    def __init__(self, number):
        super().__init__()
        self.number, self.fences = number, []

    def take(self, n, dtype):
        whole = super().take(n + 256, dtype)
        whole[:] = 7.25
        whole[128 : n + 128] = self.number
        self.fences += [whole[:128], whole[n + 128 :]]
        return whole[128 : n + 128]

    def give(self, array):
        pass

    take_room, give_room = take, give


@pytest.mark.parametrize("n", [1, 4, 33])
@pytest.mark.parametrize("T", [1, 2, 8, 23])
@pytest.mark.parametrize("sizes", [(3, (17, 5), 4), (1, (1,), 1), (70, (16, 64), 33)], ids=str)
@pytest.mark.parametrize("gated", [False, True], ids=["tanh", "gates"])
def test_kernels_stay_in_the_room_that_they_ask_for(dtype, every_step, n, T, sizes, gated):
    cell = ("lstm", "gru")[: len(sizes[1])] if gated else "tanh"
    network = network_of(dtype, sizes[1], cell, n_features=sizes[0], n_outputs=sizes[2])
    network.engine._buffers = buffers = Fenced(0)
    X = np.random.default_rng(0).standard_normal((n, T, sizes[0]))
    network.loss_and_gradients(X, np.zeros((n, T) if every_step else n, int))
    network.forward(X, every_step=every_step)
    assert len(buffers.fences) > 0
    assert all((fence == 7.25).all() for fence in buffers.fences)


@stacks
@pytest.mark.parametrize("n", [2, 20])
def test_results_do_not_depend_on_what_buffers_hold(dtype, every_step, n, hidden, cell):
    found = []
    for number in (0, np.nan):
        network = network_of(dtype, hidden, cell)
        network.engine._buffers = Fenced(number)
        found.append(bits(network, *examples(n, every_step)))
    assert found[0] == found[1]


@pytest.mark.parametrize("n", [2, 40])
def test_sequence_that_overflows_leaves_the_others_alone(dtype, n):
    network = network_of(dtype, (5, 9), "relu")
    for name in ("W1", "W1_reverse"):
        network.parameters[name][...] = 3 * np.eye(5)
    X, *_ = examples(n, longest=6)
    X[1] = np.full((150, D), np.finfo(dtype).max / 1e3)
    answers = network.forward(X)
    assert np.isnan(answers[1]).any()
    del X[1], answers[1]
    for answer, alone in zip(answers, network.forward(X), strict=True):
        assert np.isfinite(answer).all()
        np.testing.assert_array_equal(answer, alone)


def test_memory_is_given_back(dtype, every_step):
    network = network_of(dtype, (64,), "lstm")
    problem = examples(40, every_step, longest=300)

    def left():
        bits(network, *problem)
        return tracemalloc.get_traced_memory()[0]

    bits(network, *problem)
    tracemalloc.start()
    try:
        assert left() < 4e5
        assert tracemalloc.get_traced_memory()[1] > 3e6
    finally:
        tracemalloc.stop()
