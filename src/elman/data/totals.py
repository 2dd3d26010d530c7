"""The largest size and the sum of each feature, found in one pass over all steps, block by block.

Several processes can go through the blocks together: each reads some, and tells the others what it
found. Each adds up all sums in the order of the blocks, so they have the bits of one process.

Letters: n steps, D features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from elman._typing import Array, IntArray

BLOCK = 1 << 18
"""The numbers in a block, so that not all data are copied to float64 at once."""

ROUND = 8
"""The blocks that each process reads before they share their results; Ctrl-C waits until then."""


class Readers(Protocol):
    """Processes that go through the same data together, such as the ranks of an MPI job.

    Attributes
    ----------
    rank, size : int
        The number of this process, from 0 on, and how many there are.
    """

    rank: int
    size: int

    def share(self, rows: Array, cuts: tuple[int, ...]) -> None:
        """Fill in the rows of other processes: process r has ``rows[cuts[r]:cuts[r + 1]]``."""
        ...


def blocks(values: Array) -> Iterator[tuple[slice, Array]]:
    """Read rows (n, D) block by block; yields the slice of each block, and its rows."""
    for rows in _cut(values):
        yield rows, values[rows]


def each_block(
    values: Array,
    find: Callable[[slice, Array], Array],
    shape: tuple[int, ...],
    readers: Readers | None = None,
) -> Iterator[Array]:
    """Apply ``find`` to each block of rows (n, D), and yield the results in the order of the blocks.

    Parameters
    ----------
    values : array (n, D)
    find : callable
        Takes the slice of a block, and its rows; returns float64 of shape ``shape``.
    shape : tuple of int
    readers : Readers, optional
        The processes that do it together; None: this process reads all blocks.
    """
    if readers is None:
        for rows, block in blocks(values):
            yield find(rows, block)
        return
    all_rows = _cut(values)
    for cuts in rounds(len(all_rows), readers.size):
        first, own = cuts[0], slice(cuts[readers.rank], cuts[readers.rank + 1])
        found = np.zeros((cuts[-1] - first, *shape))
        for number, rows in enumerate(all_rows[own], own.start - first):
            found[number] = find(rows, values[rows])
        readers.share(found, tuple(cut - first for cut in cuts))
        yield from found


def rounds(n: int, size: int) -> Iterator[tuple[int, ...]]:
    """Divide n blocks among processes, a few at a time; yields where each process's part begins."""
    for first in range(0, n, ROUND * size):
        n_now = min(ROUND * size, n - first)
        yield tuple(first + n_now * rank // size for rank in range(size + 1))


def gathered(numbers: IntArray, readers: Readers) -> IntArray:
    """Collect the whole numbers of all processes, in ascending order."""
    counts = np.zeros(readers.size, np.int64)
    counts[readers.rank] = len(numbers)
    readers.share(counts, tuple(range(readers.size + 1)))
    cuts = (0, *counts.cumsum().tolist())
    found = np.zeros(cuts[-1], np.int64)
    found[cuts[readers.rank] : cuts[readers.rank + 1]] = numbers
    readers.share(found, cuts)
    return np.sort(found)


def _cut(values: Array) -> list[slice]:
    """The rows of each block."""
    n_rows = -(-BLOCK // values.shape[1])
    return [
        slice(start, min(start + n_rows, len(values))) for start in range(0, len(values), n_rows)
    ]


class Totals:
    """The totals of blocks that follow each other.

    Attributes
    ----------
    largest : array (D,)
        The largest magnitude.
    sums : array (D,), float64
        The sum, each step times its weight.
    """

    def __init__(self, n_features: int, dtype: np.dtype[Any]) -> None:
        self.largest = np.zeros(n_features, dtype)
        self.sums = np.zeros(n_features)

    def add(self, of_block: Array) -> None:
        """Add the totals of the next block, from ``totals_of``."""
        largest, sums = of_block
        np.maximum(self.largest, largest.astype(self.largest.dtype), out=self.largest)
        with np.errstate(over="ignore", invalid="ignore"):  # then the values are checked again
            self.sums += sums


def totals_of(block: Array, weights: Array | None = None) -> Array:
    """Compute the totals (2, D), float64, of a block (n, D), with weights (n,) if not all are 1."""
    largest = np.maximum(block.max(axis=0), -block.min(axis=0))
    with np.errstate(over="ignore", invalid="ignore"):
        return np.stack([largest, weighted(block.astype(np.float64), weights).sum(axis=0)])


def weighted(block: Array, weights: Array | None) -> Array:
    """Multiply each step by its weight, in place; None: all weights are 1."""
    if weights is not None:
        block *= weights[:, None]
    return block
