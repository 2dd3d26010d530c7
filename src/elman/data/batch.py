"""A batch: sequences sorted by length, as the engines take them.

Each engine has its own layout of a batch. All have the same order, longest first: then the sequences
that have a step t are the first n_t, and nothing has to be padded or masked.

Letters: T steps, B sequences, of which n_t have a step t, D features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from elman._typing import Array, IntArray
from elman.data.sequences import Sequences


class Division(NamedTuple):
    """Which processes compute which sequences of a batch, longest first.

    Attributes
    ----------
    cuts : tuple of int
        Process r has the sequences from ``cuts[r]`` up to, but not including, ``cuts[r + 1]``.
    process : int
        The number of this process.
    """

    cuts: tuple[int, ...]
    process: int = 0

    @property
    def n_sequences(self) -> int:
        """The number of sequences of all processes."""
        return self.cuts[-1]

    @property
    def n_processes(self) -> int:
        """The number of processes."""
        return len(self.cuts) - 1

    @property
    def own(self) -> slice:
        """The sequences of this process."""
        return slice(*self.cuts[self.process : self.process + 2])

    def first(self, n: int) -> Division:
        """Keep only the first n sequences, each with its process."""
        return self._replace(cuts=tuple(min(cut, n) for cut in self.cuts))


Divide: TypeAlias = Callable[[IntArray], Division]
"""Divides sequences, given their lengths, longest first, among processes: see ``Engine.division``."""


def longest_first(lengths: IntArray) -> IntArray:
    """Sort sequences by length; equal lengths keep their order."""
    return (-lengths).argsort(kind="stable")


def undivided(lengths: IntArray) -> Division:
    """Give all sequences to this process."""
    return Division((0, len(lengths)))


@dataclass(frozen=True, eq=False)
class Batch:
    """The sequences of a batch that this process computes, longest first.

    Attributes
    ----------
    sequences : Sequences
    members, starts, lengths : arrays (B,)
        The number of each among all sequences, where it starts in ``sequences.values``, and its length.
    every_step : bool
        Whether each step has an answer, or only each sequence's last.
    n_sequences : int
        The number of all sequences: more than ``sequences`` has, if these were made for this batch
        only.
    carried : array (B,)
        The row of a ``Carry`` for each: its number, or in a window its place in the batch.
    division : Division
        Which process computes which sequences of the whole batch.
    """

    sequences: Sequences
    members: IntArray
    starts: IntArray
    lengths: IntArray
    every_step: bool
    n_sequences: int
    carried: IntArray
    division: Division

    @classmethod
    def of(
        cls,
        sequences: Sequences,
        indices: IntArray,
        every_step: bool,
        divide: Divide = undivided,
    ) -> Batch:
        """Sort sequences by length; equal lengths keep the order of ``indices``."""
        starts = sequences.offsets[indices]
        lengths = sequences.offsets[indices + 1] - starts
        order = longest_first(lengths)
        lengths = lengths[order]
        division = divide(lengths)
        own = division.own
        order, lengths = order[own], lengths[own]
        members, n = indices[order], len(sequences)
        return cls(sequences, members, starts[order], lengths, every_step, n, members, division)

    @classmethod
    def all_of(cls, sequences: Sequences, every_step: bool) -> Batch:
        """Make one batch of all sequences."""
        n, starts = len(sequences), sequences.offsets[:-1]
        lengths = sequences.offsets[1:] - starts
        if sequences.stacked:  # all have one length
            members = np.arange(n)
        else:
            members = longest_first(lengths)
            starts, lengths = starts[members], lengths[members]
        return cls(sequences, members, starts, lengths, every_step, n, members, Division((0, n)))

    def __len__(self) -> int:
        return len(self.members)

    @property
    def n_answers(self) -> int:
        """The number of all answers; if steps are answered, of all steps of ``sequences``."""
        return len(self.sequences.values) if self.every_step else self.n_sequences

    def window(self, begin: int, n_steps: int) -> Batch:
        """Keep at most ``n_steps`` steps from ``begin`` on, of the sequences that have any."""
        lengths = np.minimum(self.lengths - begin, n_steps)
        there = lengths > 0  # the first ones: the longest come first
        return replace(
            self,
            members=self.members[there],
            starts=self.starts[there] + begin,
            lengths=lengths[there],
            carried=self.carried[there],
        )

    def shards(self, size: int) -> Iterator[Shard]:
        """Lay the batch out, ``size`` sequences at a time, in blocks (D, n_t)."""
        for start in range(0, len(self), size):
            yield _shard(self, slice(start, start + size))


@dataclass(frozen=True, eq=False)
class Shard:
    """A few sequences of a batch in the notes' orientation: time first, and columns are sequences.

    Attributes
    ----------
    members, carried : arrays (n_1,)
        The numbers of the sequences, longest first, and their rows of a ``Carry``.
    x : list of T arrays (D, n_t)
        Columns are sequences.
    answers_from : array (T,)
        At step t the columns from here on have an answer.
    rows : array (n_answers,)
        Where each answer stands in the caller's flat order, step by step and column by column:
        the number of the sequence, or of the step in ``Sequences.values``. Targets and
        probabilities have that flat order; ``targets.take(shard.rows)`` are the targets of this shard.
    """

    members: IntArray
    carried: IntArray
    x: list[Array]
    answers_from: IntArray
    rows: IntArray


def _shard(batch: Batch, part: slice) -> Shard:
    members, starts, lengths = batch.members[part], batch.starts[part], batch.lengths[part]
    carried = batch.carried[part]
    n_timesteps = int(lengths[0])
    steps = np.arange(n_timesteps)
    # n_t: how many of the descending lengths exceed t (t counted from 0)
    counts = len(members) - np.searchsorted(lengths[::-1], steps, side="right")
    step_of = np.repeat(steps, counts)  # for each (step, column), step by step
    column_of = np.arange(len(step_of)) - np.repeat(np.cumsum(counts) - counts, counts)
    source = starts[column_of] + step_of  # its row in sequences.values

    blocks = np.split(batch.sequences.values[source], np.cumsum(counts)[:-1])
    x = [np.ascontiguousarray(block.T) for block in blocks]  # (n_t, D) → (D, n_t)
    if batch.every_step:
        return Shard(members, carried, x, np.zeros(n_timesteps, np.int64), source)
    answers_from = np.append(counts[1:], 0)
    ends_here = column_of >= answers_from[step_of]
    return Shard(members, carried, x, answers_from, members[column_of[ends_here]])
