"""What ranks compute of a batch and tell each other: without MPI, threads are the ranks."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import numpy as np
import pytest

from elman.data import Examples, Sequences, Targets
from elman.data.rows import offsets_of
from elman.engines import get_engine
from elman.merging import Members
from elman.mpi.job import Ranks
from elman.parameters import Architecture, initialize
from elman.training import Trainer, constant, make_optimizer
from elman.training.windows import windows

K = 3


class Handed:
    """Hands messages from thread to thread: see ``Messages``."""

    def __init__(self, rank, board, turn):
        self.rank, self.size = rank, len(board)
        self.board, self.turn = board, turn

    def release(self):
        pass

    def exchange(self, messages, sizes, tag=None):
        for to, message in enumerate(messages):
            self.board[self.rank][to] = message.copy()
        self.turn.wait(30)
        received = [self.board[other][self.rank] for other in range(self.size)]
        self.turn.wait(30)
        return received


@pytest.fixture
def by_ranks(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def of_all(n, work):
        board, turn = [[None] * n for _ in range(n)], Barrier(n)
        with ThreadPoolExecutor(n) as pool:
            return list(pool.map(lambda rank: work(Ranks(Handed(rank, board, turn))), range(n)))

    return of_all


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_flags_of_any_rank_are_known_to_all(n, by_ranks):
    flags = np.random.default_rng(0).random((n, 21)) < 0.2
    for found in by_ranks(n, lambda ranks: ranks.any(flags[ranks.rank])):
        np.testing.assert_array_equal(found, flags.any(axis=0))


@pytest.mark.parametrize("cuts", [(0, 5), (0, 2, 5), (0, 3, 3, 5), (0, 5, 5, 5)])
def test_rows_of_each_rank_come_to_all(cuts, by_ranks):
    expected = np.random.default_rng(0).standard_normal((5, 3))

    def work(ranks):
        rows = np.full_like(expected, np.nan)
        own = slice(*cuts[ranks.rank : ranks.rank + 2])
        rows[own] = expected[own]
        ranks.share(rows, cuts)
        return rows

    for found in by_ranks(len(cuts) - 1, work):
        np.testing.assert_array_equal(found, expected)


def examples_of(lengths, n_tokens=0, every_step=True):
    rng = np.random.default_rng(len(lengths))
    n = int(np.sum(lengths))
    values = rng.standard_normal((n, 2)) if not n_tokens else rng.integers(n_tokens, size=(n, 1))
    sequences = Sequences.of_rows(values.astype(np.float64), offsets_of(np.asarray(lengths)))
    n_targets = n if every_step else len(lengths)
    return Examples(
        sequences, Targets(rng.integers(K, size=n_targets), rng.random(n_targets), every_step)
    )


def architecture_of(n_tokens):
    # of so many units that several sequences are computed four at a time
    return Architecture.of(n_tokens or 2, (30, 3), "lstm", K, bias=True, tokens=n_tokens > 0)


def evaluations(architecture, examples, n_steps, ranks=None):
    """Loss, gradients and states of each window of one batch, for two networks."""
    engine = get_engine("compiled", 1, "auto", ranks)
    drawn = [initialize(architecture, np.random.default_rng(m), np.float64) for m in range(2)]
    n = len(examples.sequences)
    trainer = Trainer(
        engine, Members.of(drawn), examples, optimizer=make_optimizer("sgd"), rng=None,
        schedule=constant(0.1), batch_size=n, tbptt_steps=n_steps,
    )  # fmt: skip
    states, found = trainer.states_of(n), []
    divide = partial(engine.division, drawn[0])
    for window in windows(examples, np.arange(n), n_steps, states, divide):
        for one, m in zip(trainer._evaluate(window), range(2), strict=True):
            vector = one.gradients.vector.tobytes()
            after = b"" if window.after is None else window.after[m].values.tobytes()
            found.append((one.loss, one.correct, vector, after, window.weight, window.share))
    return found


LENGTHS = {
    "one": [9],
    "few": [9, 1, 4],
    "several": [33, 40, 2, 1, 1, 5, 9, 9, 8, 7, 6],
    "many": [*range(1, 30), 40, 41, 42],
}


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("n_steps", [None, 4])
@pytest.mark.parametrize("n_tokens", [0, 3000])
def test_ranks_come_to_the_bits_of_one_process(lengths, n_steps, n_tokens, by_ranks):
    examples = examples_of(LENGTHS[lengths], n_tokens)
    architecture = architecture_of(n_tokens)
    expected = evaluations(architecture, examples, n_steps)
    for n in (2, 3, 5):
        for found in by_ranks(n, partial(evaluations, architecture, examples, n_steps)):
            assert found == expected
