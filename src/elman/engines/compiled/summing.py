"""Sums over the shards of a batch, in a binary tree whose shape depends on their number alone.

Neighbours are added first, and what has no neighbour goes up as it is. Whoever computes a shard,
another thread or another process, the same two numbers are added at each place of the tree: so the sum
has the same bits.

Letters: n shards.
"""

from __future__ import annotations

from itertools import pairwise
from threading import Lock
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from elman._typing import Array, IntArray
from elman.data.totals import Readers

Place: TypeAlias = tuple[int, int]
"""A place in the tree: (level, i) has the sum of the shards i 2ˡᵉᵛᵉˡ … (i + 1) 2ˡᵉᵛᵉˡ - 1."""


class Sum(NamedTuple):
    """What some shards come to."""

    loss: float
    correct: float
    gradients: Array


class Pool(Protocol):
    """Has flat arrays for gradients, and takes them back."""

    def take(self, n: int, dtype: np.dtype[Any]) -> Array:
        """Return an array of n numbers, with anything in it."""
        ...

    def give(self, array: Array) -> None:
        """Take back an array that has been added to another."""
        ...


class TreeSum:
    """Adds up what shards come to, in whatever order they are done, as ``reference.tree_sum`` does.

    A sum waits at its place in the tree until its neighbour is there, and both go on as one.

    Parameters
    ----------
    n : int
        Shards.
    buffers : Pool
        Where gradients come from and go to.

    Attributes
    ----------
    waiting : dict of Place to Sum
        Once all shards are in, what is at the root, alone.
    """

    def __init__(self, n: int, buffers: Pool) -> None:
        self.n = n
        self.buffers = buffers
        self.waiting: dict[Place, Sum] = {}
        self._lock = Lock()

    @property
    def root(self) -> Sum:
        """The sum of all."""
        (total,) = self.waiting.values()
        return total

    def add(self, i: int, loss: float, correct: float, gradients: Array, level: int = 0) -> None:
        """Add what a shard, or a place on a higher level, comes to; the gradients are the sum's now."""
        n = -(-self.n >> level)
        while n > 1:
            if i ^ 1 < n:
                with self._lock:
                    neighbour = self.waiting.pop((level, i ^ 1), None)
                    if neighbour is None:
                        self.waiting[level, i] = Sum(loss, correct, gradients)
                        return
                loss += neighbour[0]
                correct += neighbour[1]
                with np.errstate(over="ignore", invalid="ignore"):  # it shows in the sum
                    gradients += neighbour[2]
                self.buffers.give(neighbour[2])
            level, i, n = level + 1, i // 2, -(-n // 2)
        self.waiting[level, i] = Sum(loss, correct, gradients)


def places(n: int, block: range) -> list[Place]:
    """Where the sums of a block of n shards wait, once each of its shards is added; lowest first."""
    waiting: set[Place] = set()
    for i in block:
        level, n_here = 0, n
        while n_here > 1:
            if i ^ 1 < n_here:
                if (level, i ^ 1) not in waiting:
                    break
                waiting.remove((level, i ^ 1))
            level, i, n_here = level + 1, i // 2, -(-n_here // 2)
        waiting.add((level, i))
    return sorted(waiting)


def blocks_of(costs: IntArray, n_ranks: int) -> list[range]:
    """Cut shards into blocks, one a rank, of about the same cost; some are empty if there are many.

    Parameters
    ----------
    costs : array (n,) of int
        The steps of each shard.
    n_ranks : int
    """
    until = np.cumsum(costs)
    middles = 2 * until - costs  # twice what lies before the middle of each
    ends = np.arange(1, n_ranks) * 2 * until[-1] // n_ranks
    cuts = [0, *np.searchsorted(middles, ends).tolist(), len(costs)]
    return [range(start, end) for start, end in pairwise(cuts)]


class Reducer(Readers, Protocol):
    """Says which process this is, and brings together what all of them have."""

    def join(self, tree: TreeSum, cuts: list[int], parameters: Array, n: int) -> Sum:
        """Add up what each process has of a tree.

        Parameters
        ----------
        tree : TreeSum
            With the shards of this process.
        cuts : list of int
            Process r has computed the shards from ``cuts[r]`` on, up to ``cuts[r + 1]``.
        parameters : array (n_parameters,)
            What they were computed with: the same in each process.
        n : int
            How many numbers the gradients are.

        Returns
        -------
        Sum
            Of all shards, the same bits in each process.
        """
        ...

    def any(self, flags: Array) -> Array:
        """Say which of some truth values, (n,), hold in any process."""
        ...


class Alone:
    """One process has all. See ``Reducer``."""

    rank, size = 0, 1

    def join(self, tree: TreeSum, cuts: list[int], parameters: Array, n: int) -> Sum:
        """See ``Reducer.join``."""
        return tree.root

    def any(self, flags: Array) -> Array:
        """See ``Reducer.any``."""
        return flags

    def share(self, rows: Array, cuts: tuple[int, ...]) -> None:
        """See ``Readers.share``."""


ALONE = Alone()
