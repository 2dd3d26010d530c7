"""Every engine against the naive loop, and what else an engine promises."""

import tracemalloc
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

import naive
from elman.data import Batch, Targets, as_sequences
from elman.engines import ENGINES, get_engine
from elman.engines.interface import Evaluation
from elman.engines.reference import tree_sum
from elman.equations.cells import Leaky
from elman.parameters import Architecture, Parameters
from tolerances import VERSUS_NAIVE, relative_error

RAGGED = (7, 12, 1, 3, 12, 5, 9, 2, 2, 11, 4, 6, 1, 8, 10, 3, 7, 5, 12, 1, 6, 9, 2, 4, 8, 11, 3, 7)


@dataclass
class Case:
    """What varies: no size is a multiple of a vector's, a tile's or a shard's."""

    lengths: tuple[int, ...]
    hidden: tuple[int, ...]
    cells: tuple[str | Leaky, ...]
    bias: bool = True
    n_features: int = 3
    n_outputs: int = 3
    learns_first_states: bool = False
    bidirectional: bool = False


CASES = {
    "one of everything": Case((1,), (1,), ("tanh",), n_features=1, n_outputs=1),
    "two of one unit": Case((2, 2), (1,), ("tanh",), n_outputs=2),
    "notes": Case((5,) * 4, (3,), ("tanh",), bias=False),
    "long": Case((50,) * 2, (17,), ("tanh",), n_features=5, n_outputs=11),
    "long relu": Case((50,) * 2, (17,), ("relu",), n_features=5, n_outputs=11),
    "long ragged": Case((50, 1, 33), (17,), ("tanh",)),
    "wide": Case((2,) * 31, (130,), ("tanh",), n_features=2, n_outputs=10),
    "many": Case((2,) * 129, (3,), ("tanh",), n_features=4),
    "many ragged": Case((2, 1, 3) * 87, (3,), ("relu",), bias=False),
    "feed-forward": Case((1,) * 31, (17, 5), ("dense", "dense"), n_features=9, n_outputs=10),
    "dense, ragged": Case(RAGGED, (5,), ("dense",), bias=False),
    "two layers": Case((6,) * 7, (3, 17), ("tanh", "tanh")),
    "two layers, ragged": Case(RAGGED, (17, 3), ("relu", "relu"), n_features=2),
    "three cells, ragged": Case(RAGGED, (5, 17, 3), ("tanh", "relu", "dense")),
    "three cells, no bias": Case((4,) * 3, (3, 5, 2), ("dense", "tanh", "relu"), bias=False),
    "long and short": Case((1, 50, 2, 50, 17, 8), (17,), ("tanh",), n_outputs=19),
    "one long of one unit": Case((50,), (1,), ("relu",), n_features=17, n_outputs=2),
    "many of one unit": Case((2,) * 129, (1,), ("dense",), n_outputs=2),
    "wide, few": Case((2, 9), (130,), ("tanh",), n_features=70, n_outputs=67),
    "wide layers, few": Case((9,), (65, 130, 18), ("relu", "tanh", "dense"), n_features=2),
    "wide layers, ragged": Case(
        (2, 1, 9, 50, 3), (33, 130, 18), ("tanh", "relu", "tanh"), n_features=19, n_outputs=17
    ),
    "one lstm unit": Case((1,), (1,), ("lstm",), n_features=1, n_outputs=1),
    "two of one gru unit": Case((2, 2), (1,), ("gru",), n_outputs=2),
    "long lstm": Case((50,) * 2, (17,), ("lstm",), n_features=5, n_outputs=11),
    "long gru, ragged": Case((50, 1, 33, 2), (17,), ("gru",), n_features=5),
    "long leaky, no bias": Case((50, 1, 33, 2), (17,), ("leaky",), bias=False),
    "wide lstm": Case((2,) * 31, (66,), ("lstm",), n_features=2, n_outputs=10),
    "wide gru, few": Case((2, 9), (130,), ("gru",), n_features=70, n_outputs=67),
    "many ragged lstm, no bias": Case((2, 1, 3) * 87, (3,), ("lstm",), bias=False),
    "many ragged gru": Case((2, 1, 3) * 87, (5,), ("gru",)),
    "gates, ragged": Case(RAGGED, (5, 17, 3), ("gru", "lstm", "leaky"), n_features=2),
    "gates and none, ragged": Case(RAGGED, (5, 3, 4, 7), ("tanh", "lstm", Leaky(0.2), "gru")),
    "gates, no bias": Case((4,) * 3, (3, 5, 2), ("lstm", "dense", "gru"), bias=False),
    "first states, ragged": Case(
        RAGGED, (5, 17, 3), ("lstm", "tanh", "gru"), n_features=2, learns_first_states=True
    ),
    "first states, few": Case((50, 2), (17, 3), ("relu", "lstm"), learns_first_states=True),
    "wide gates, few": Case((9, 2), (33, 50, 18), ("lstm", "gru", "lstm"), n_features=19),
    "both ways, one": Case((1,), (1,), ("tanh",), n_features=1, n_outputs=1, bidirectional=True),
    "one, wide labels": Case((7,), (5,), ("gru",), n_outputs=70),
    "three, wide labels": Case((3,), (5,), ("lstm",), n_outputs=131, learns_first_states=True),
    "several": Case((9, 2, 5, 7, 7, 1, 3, 8, 8), (70, 65), ("tanh", "relu"), n_features=5),
    "several gates": Case((40, 1, 33, 2, 40, 33), (65, 33), ("lstm", "gru"), n_features=19),
    "several, first states": Case(
        (9, 12, 4, 9, 2) * 3, (70, 3), ("gru", "lstm"), n_outputs=18, learns_first_states=True
    ),
    "both ways, notes": Case((5,) * 4, (3,), ("tanh",), bias=False, bidirectional=True),
    "both ways, ragged": Case(RAGGED, (17, 3), ("tanh", "relu"), bidirectional=True),
    "both ways, gates": Case((50, 1, 33, 2), (17,), ("lstm",), n_features=5, bidirectional=True),
    "both ways, many": Case((2, 1, 3) * 31, (5, 20), ("gru", "leaky"), bidirectional=True),
    "both ways, three": Case(
        (9, 2, 9), (33, 50, 18), ("lstm", "dense", "gru"), n_features=19, bidirectional=True
    ),
    "both ways, first states": Case(
        (9, 1, 4, 9, 2), (17, 5), ("lstm", "gru"), learns_first_states=True, bidirectional=True
    ),
    "both ways, no bias": Case((4,) * 3, (3, 9), ("gru", "lstm"), bias=False, bidirectional=True),
}


class Problem:
    """A case's parameters and sequences, and labels and weights for them."""

    def __init__(self, case, dtype, every_step, seed=0):
        rng = np.random.default_rng(seed)
        self.every_step = every_step
        self.cells = [
            naive.leaky(cell.alpha) if isinstance(cell, Leaky) else cell for cell in case.cells
        ]
        architecture = Architecture(
            case.n_features,
            case.hidden,
            case.cells,
            case.n_outputs,
            case.bias,
            learn_initial_state=case.learns_first_states,
            bidirectional=case.bidirectional,
        )
        self.parameters = Parameters.zeros(architecture, dtype)
        for array in self.parameters.values():  # states neither die out nor saturate
            array[...] = rng.standard_normal(array.shape) / np.sqrt(array.shape[-1])
        self.X = [rng.standard_normal((T, case.n_features)).astype(dtype) for T in case.lengths]
        shapes = case.lengths if every_step else [()] * len(self.X)
        self.y = [rng.integers(case.n_outputs, size=shape) for shape in shapes]
        self.weights = [rng.uniform(0.2, 2.0, shape).astype(dtype) for shape in shapes]

    def permuted(self, order):
        other = object.__new__(Problem)
        vars(other).update(vars(self))
        for name in ("X", "y", "weights"):
            setattr(other, name, [getattr(self, name)[i] for i in order])
        return other

    def batch(self, members=None):
        sequences = as_sequences(self.X)
        members = np.arange(len(self.X)) if members is None else members
        return Batch.of(sequences, members, self.every_step)

    def evaluate(self, engine, members=None):
        join = np.hstack if self.every_step else np.array
        targets = Targets(join(self.y), join(self.weights), self.every_step)
        return engine.loss_and_gradients(self.parameters, self.batch(members), targets)

    def probabilities(self, engine):
        """ŷ in the flat order of labels."""
        n_answers = sum(map(np.size, self.y))
        y_hat = np.full((n_answers, len(self.parameters["V"])), np.nan)
        engine.probabilities(self.parameters, self.batch(), y_hat)
        return y_hat


@pytest.fixture(params=ENGINES)
def engine(request):
    return get_engine(request.param)


@pytest.fixture(params=[np.float64, np.float32], ids=["float64", "float32"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(params=[True, False], ids=["label a step", "label a sequence"])
def every_step(request):
    return request.param


@pytest.fixture(params=CASES.values(), ids=list(CASES))
def problem(request, dtype, every_step):
    return Problem(request.param, dtype, every_step)


def test_loss_and_gradients_are_the_naive_loops(engine, problem, dtype):
    actual = problem.evaluate(engine)
    expected = naive.loss_and_gradients(
        problem.parameters, problem.cells, problem.X, problem.y, problem.weights
    )
    tolerance = VERSUS_NAIVE[dtype]
    assert actual.loss == pytest.approx(expected.loss, rel=tolerance)
    assert actual.correct == pytest.approx(expected.correct, rel=tolerance)
    assert actual.gradients.vector.dtype == dtype
    errors = {
        name: relative_error(gradient, expected.gradients[name])
        for name, gradient in actual.gradients.items()
    }
    assert {name: e for name, e in errors.items() if not e <= tolerance} == {}  # NaN is no success


def test_probabilities_are_the_naive_loops_in_the_order_of_rows(engine, problem, dtype):
    of_sequences = [
        naive.probabilities(problem.parameters, problem.cells, x, problem.every_step)
        for x in problem.X
    ]
    actual = problem.probabilities(engine)
    assert relative_error(actual, np.concatenate(of_sequences)) <= VERSUS_NAIVE[dtype]


def test_parameters_and_sequences_are_left_as_they_were(engine, problem):
    before, X = problem.parameters.copy(), [x.copy() for x in problem.X]
    problem.evaluate(engine)
    problem.probabilities(engine)
    np.testing.assert_array_equal(problem.parameters.vector, before.vector)
    assert all(np.array_equal(x, x_before) for x, x_before in zip(problem.X, X, strict=True))


def test_second_evaluation_gives_the_same_bits(engine, problem):
    once, again = problem.evaluate(engine), problem.evaluate(engine)
    assert once.loss == again.loss
    np.testing.assert_array_equal(once.gradients.vector, again.gradients.vector)


RAGGED_CASE = CASES["three cells, ragged"]


@pytest.mark.parametrize("size", [1, 3, 4, 20])
def test_parts_sum_to_the_batch(engine, dtype, every_step, size):
    problem = Problem(RAGGED_CASE, dtype, every_step)
    whole = problem.evaluate(engine)
    everything = np.arange(len(problem.X))
    parts = [problem.evaluate(engine, part) for part in np.split(everything, [size])]
    assert sum(part.loss for part in parts) == pytest.approx(whole.loss, rel=VERSUS_NAIVE[dtype])
    correct = sum(part.correct for part in parts)
    assert correct == pytest.approx(whole.correct, rel=VERSUS_NAIVE[dtype])
    total = sum(part.gradients.vector for part in parts)
    assert relative_error(total, whole.gradients.vector) <= VERSUS_NAIVE[dtype]


def test_order_of_a_batch_does_not_change_a_sequences_result(engine, dtype, every_step):
    problem = Problem(RAGGED_CASE, dtype, every_step)
    order = np.random.default_rng(1).permutation(len(problem.X))
    other = problem.permuted(order)

    pieces = np.cumsum([np.size(y) for y in problem.y])[:-1]
    expected = np.concatenate([np.split(problem.probabilities(engine), pieces)[i] for i in order])
    assert relative_error(other.probabilities(engine), expected) <= VERSUS_NAIVE[dtype]
    difference = relative_error(
        other.evaluate(engine).gradients.vector, problem.evaluate(engine).gradients.vector
    )
    assert difference <= VERSUS_NAIVE[dtype]


STREAMED = Case((9,) * 20, (5, 17, 3), ("tanh", "relu", "dense"))
STREAMED_GATES = Case((9,) * 20, (5, 17, 3), ("lstm", "gru", "leaky"))


@pytest.mark.parametrize("case", [STREAMED, STREAMED_GATES], ids=["plain", "gates"])
def test_streaming_equals_the_whole_sequence(engine, dtype, case):
    problem = Problem(case, dtype, every_step=True)
    X = np.stack(problem.X)
    mean, scale = np.array([0.7, -1.3, 0.1], dtype), np.array([0.9, 1.7, 0.4], dtype)
    state = begin(engine, problem, len(X), mean, scale)
    answers = []
    for t in range(X.shape[1]):
        y_hat, after = state.step(X[:, t])
        again, _ = state.step(X[:, t])  # the state was left as it was
        np.testing.assert_array_equal(again, y_hat)
        answers.append(y_hat)
        state = after
    streamed = np.stack(answers, axis=1)
    problem.X = list((X - mean) / scale)
    whole = problem.probabilities(engine).reshape(streamed.shape)
    assert relative_error(streamed, whole) <= VERSUS_NAIVE[dtype]


def begin(engine, problem, n, mean=0, scale=1):
    D, dtype = problem.parameters.architecture.n_features, problem.parameters.vector.dtype
    return engine.initial_state(
        problem.parameters, n, np.full(D, mean, dtype), np.full(D, scale, dtype)
    )


def test_stream_keeps_the_weights_it_began_with(engine, dtype):
    problem = Problem(STREAMED, dtype, every_step=True)
    x_t = np.stack(problem.X)[:, 0]
    state = begin(engine, problem, len(x_t))
    before, _ = state.step(x_t)
    problem.parameters.vector[...] = 0
    after, _ = state.step(x_t)
    np.testing.assert_array_equal(after, before)


def test_both_directions_cannot_go_step_by_step(engine, dtype):
    problem = Problem(CASES["both ways, notes"], dtype, every_step=True)
    with pytest.raises(ValueError, match="reverse layers begin at the end of the sequence"):
        begin(engine, problem, None)


@pytest.mark.parametrize("n", [0, -1, 2.5, "a"])
def test_number_of_sequences_side_by_side_is_checked(engine, dtype, n):
    with pytest.raises(ValueError, match="n_sequences must be an integer of at least 1, or None"):
        begin(engine, Problem(STREAMED, dtype, every_step=True), n)


@pytest.mark.parametrize("case", ["two layers", "three cells, no bias"])  # many, and few
def test_confident_answers_stay_finite(engine, case, dtype, every_step):
    problem = Problem(CASES[case], dtype, every_step)
    problem.parameters["V"][...] *= 1e4  # ŷ of all but one class underflows
    assert np.isfinite(problem.probabilities(engine)).all()
    evaluation = problem.evaluate(engine)
    assert np.isfinite(evaluation.loss)
    assert np.isfinite(evaluation.gradients.vector).all()


@pytest.fixture
def traced():
    """A function that says what memory other functions take at most, and what is left of it."""

    def measure(function, *arguments):
        function(*arguments)  # compiled by now
        tracemalloc.start()
        try:
            function(*arguments)
            left, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        return peak, left

    return measure


def test_memory_grows_with_the_steps_there_are(engine, every_step, traced):
    long, short = (5000,), (10,) * 15

    def peaks(lengths):
        problem = Problem(Case(lengths, (32,), ("tanh",)), np.float32, every_step)

        def peak(compute):
            return traced(lambda: (engine.release(), compute(engine)))[0]

        return peak(problem.evaluate), peak(problem.probabilities)

    uneven, even = peaks(long + short), peaks(long * 16)
    assert uneven[0] < even[0] / 4
    assert uneven[1] < max(even[1] / 4, 1e6)


def test_memory_of_buffers_is_given_back_when_they_are_released(engine, dtype, every_step, traced):
    problem = Problem(Case((400,) * 40, (64,), ("tanh",)), dtype, every_step)

    def compute():
        problem.evaluate(engine)
        problem.probabilities(engine)
        engine.release()

    peak, left = traced(compute)
    assert peak > 1e6  # the states of one shard; more, where threads compute at the same time
    assert left < 4e5


def test_unknown_engine_is_refused():
    with pytest.raises(
        ValueError, match=r"engine must be one of compiled, reference; got 'abacus'"
    ):
        get_engine("abacus")


def _evaluation(value):
    gradients = Parameters.zeros(Architecture(1, (1,), ("dense",), 1, False), np.float64)
    gradients.vector[...] = value
    return Evaluation(value, 1, gradients)


@pytest.mark.parametrize("n", range(1, 10))
def test_tree_sum_adds_all_once(n):
    values = 2.0 ** np.arange(n)
    total = tree_sum([_evaluation(value) for value in values])
    assert total.loss == sum(values)
    assert total.correct == n
    np.testing.assert_array_equal(total.gradients.vector, [sum(values)] * 2)


def test_tree_sum_adds_neighbours_first():
    a, b, c, d, e = values = [1e16, 1.0, -1e16, 1.0, 3.0]
    tree = ((a + b) + (c + d)) + e
    assert tree != sum(values)  # the data can tell the orders apart
    total = tree_sum([_evaluation(value) for value in values])
    assert total.loss == tree
    np.testing.assert_array_equal(total.gradients.vector, [tree] * 2)


def test_tree_sum_leaves_its_parts_as_they_were():
    parts = [_evaluation(value) for value in (0.1, 0.2, 0.3)]
    tree_sum(parts)
    assert [part.loss for part in parts] == [0.1, 0.2, 0.3]
    assert all(a.gradients.vector[0] < b.gradients.vector[0] for a, b in pairwise(parts))
