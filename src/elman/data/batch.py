"""A batch: sequences sorted by length and laid out for an engine, time first, columns sequences.

Here the API's orientation (samples, steps, features) turns into the notes' (steps, features,
columns), and nowhere else. Nothing is padded: a step's block has just the columns still alive.

Letters: T steps, B sequences of a shard, n_t of them alive at step t, D features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from elman._typing import Array, IntArray
from elman.data.sequences import Sequences


class Steps(Sequence[Array]):
    """T blocks (n_rows, n_t), each contiguous, one behind another in one flat buffer.

    Attributes
    ----------
    buffer : array (n_rows · Σ n_t,)
        All blocks, each row-major: vector instructions run along the sequences.
    n_rows : int
    counts : array (T,)
        n_t, never rising.
    """

    def __init__(self, buffer: Array, n_rows: int, counts: IntArray) -> None:
        self.buffer = buffer
        self.n_rows = n_rows
        self.counts = counts
        self._blocks = [
            block.reshape(n_rows, n_t)
            for block, n_t in zip(np.split(buffer, n_rows * np.cumsum(counts)[:-1]), counts)
        ]

    def __len__(self) -> int:
        return len(self._blocks)

    def __getitem__(self, t: int) -> Array:  # type: ignore[override]
        return self._blocks[t]

    def __iter__(self) -> Iterator[Array]:
        return iter(self._blocks)


@dataclass(frozen=True, eq=False)
class Shard:
    """A few sequences of a batch, which an engine computes in one piece, from first step to last.

    Attributes
    ----------
    x : Steps
        T blocks (D, n_t). Columns are sequences, longest first.
    answers_from : array (T,)
        At step t the columns from here on have an answer.
    rows : array (n_answers,)
        Where each answer stands in the caller's flat order, step by step and column by column:
        the number of the sequence, or of the step in ``Sequences.values``. Labels, weights and
        probabilities are arrays in that flat order; ``labels[shard.rows]`` are this shard's.
    """

    x: Steps
    answers_from: IntArray
    rows: IntArray


def pack(
    sequences: Sequences, indices: IntArray, *, every_step: bool, shard_size: int
) -> Iterator[Shard]:
    """Cut a batch into shards and lay each out for an engine.

    Parameters
    ----------
    sequences : Sequences
    indices : array (n_batch,)
        Which of them make up the batch.
    every_step : bool
        Whether each step has an answer, or only each sequence's last.
    shard_size : int
        How many sequences make a shard. It never depends on the number of threads, so that sums
        over shards do not either.

    Yields
    ------
    Shard
        Longest sequences first. Equal lengths keep the order of ``indices``.
    """
    lengths = sequences.lengths[indices]
    by_length = indices[np.argsort(-lengths, kind="stable")]
    for start in range(0, len(by_length), shard_size):
        yield _shard(sequences, by_length[start : start + shard_size], every_step)


def _shard(sequences: Sequences, members: IntArray, every_step: bool) -> Shard:
    starts, lengths = sequences.offsets[members], sequences.lengths[members]
    n_timesteps = int(lengths[0])
    steps = np.arange(n_timesteps)
    # n_t: how many of the descending lengths exceed t (t counted from 0)
    counts = len(members) - np.searchsorted(lengths[::-1], steps, side="right")
    step_of = np.repeat(steps, counts)  # of each (step, column), step by step
    column_of = np.arange(len(step_of)) - np.repeat(np.cumsum(counts) - counts, counts)
    source = starts[column_of] + step_of  # its row in sequences.values

    D = sequences.n_features
    x = Steps(np.empty(D * len(source), sequences.values.dtype), D, counts)
    for block, rows in zip(x, np.split(source, np.cumsum(counts)[:-1])):
        block[...] = sequences.values[rows].T  # (n_t, D) → (D, n_t)

    if every_step:
        return Shard(x, np.zeros(n_timesteps, np.int64), source)
    answers_from = np.append(counts[1:], 0)
    ends_here = column_of >= answers_from[step_of]
    return Shard(x, answers_from, members[column_of[ends_here]])
