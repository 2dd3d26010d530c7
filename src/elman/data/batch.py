"""A batch: sequences sorted by length, as the engines take them.

Each engine lays a batch out as it needs it. What they share is the order, longest first: then the
sequences alive at step t are the first n_t, and nothing has to be padded or masked.

Letters: T steps, B sequences, n_t of them alive at step t, D features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from elman._typing import Array, IntArray
from elman.data.sequences import Sequences


@dataclass(frozen=True, eq=False)
class Batch:
    """Some of the sequences, longest first.

    Attributes
    ----------
    sequences : Sequences
    members, starts, lengths : arrays (B,)
        Their numbers among all, where each starts in ``sequences.values``, how long it is.
    every_step : bool
        Whether each step has an answer, or only each sequence's last.
    n_sequences : int
        How many there are in all: more than ``sequences``, where these were made for the batch alone.
    """

    sequences: Sequences
    members: IntArray
    starts: IntArray
    lengths: IntArray
    every_step: bool
    n_sequences: int

    @classmethod
    def of(cls, sequences: Sequences, indices: IntArray, every_step: bool) -> Batch:
        """Sort sequences by length; equal lengths keep the order of ``indices``."""
        starts = sequences.offsets[indices]
        lengths = sequences.offsets[indices + 1] - starts
        order = np.argsort(-lengths, kind="stable")
        members, n = indices[order], len(sequences)
        return cls(sequences, members, starts[order], lengths[order], every_step, n)

    @classmethod
    def all_of(cls, sequences: Sequences, every_step: bool) -> Batch:
        """Make one batch of all sequences."""
        return cls.of(sequences, np.arange(len(sequences)), every_step)

    def __len__(self) -> int:
        return len(self.members)

    @property
    def n_answers(self) -> int:
        """How many answers there are in all: those of steps, of ``sequences``."""
        return len(self.sequences.values) if self.every_step else self.n_sequences

    def shards(self, size: int) -> Iterator[Shard]:
        """Lay the batch out, ``size`` sequences at a time, in blocks (D, n_t)."""
        for start in range(0, len(self), size):
            yield _shard(self, slice(start, start + size))


@dataclass(frozen=True, eq=False)
class Shard:
    """A few sequences of a batch in the notes' orientation: time first, columns sequences.

    Attributes
    ----------
    members : array (n_1,)
        The numbers of the sequences, longest first.
    x : list of T arrays (D, n_t)
        Columns are sequences.
    answers_from : array (T,)
        At step t the columns from here on have an answer.
    rows : array (n_answers,)
        Where each answer stands in the caller's flat order, step by step and column by column:
        the number of the sequence, or of the step in ``Sequences.values``. Targets and
        probabilities are in that flat order; ``targets.take(shard.rows)`` are this shard's.
    """

    members: IntArray
    x: list[Array]
    answers_from: IntArray
    rows: IntArray


def _shard(batch: Batch, part: slice) -> Shard:
    members, starts, lengths = batch.members[part], batch.starts[part], batch.lengths[part]
    n_timesteps = int(lengths[0])
    steps = np.arange(n_timesteps)
    # n_t: how many of the descending lengths exceed t (t counted from 0)
    counts = len(members) - np.searchsorted(lengths[::-1], steps, side="right")
    step_of = np.repeat(steps, counts)  # of each (step, column), step by step
    column_of = np.arange(len(step_of)) - np.repeat(np.cumsum(counts) - counts, counts)
    source = starts[column_of] + step_of  # its row in sequences.values

    blocks = np.split(batch.sequences.values[source], np.cumsum(counts)[:-1])
    x = [np.ascontiguousarray(block.T) for block in blocks]  # (n_t, D) → (D, n_t)
    if batch.every_step:
        return Shard(members, x, np.zeros(n_timesteps, np.int64), source)
    answers_from = np.append(counts[1:], 0)
    ends_here = column_of >= answers_from[step_of]
    return Shard(members, x, answers_from, members[column_of[ends_here]])
