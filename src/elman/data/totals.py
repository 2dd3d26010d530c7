"""What one pass over all steps finds of each feature, block by block: its largest size, and its sum.

Letters: n steps, D features.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from elman._typing import Array

BLOCK = 1 << 18
"""Numbers at a time: there is never a copy of all in float64."""


def blocks(values: Array) -> Iterator[tuple[slice, Array]]:
    """Read rows (n, D) block by block; yields which, and the rows."""
    n_rows = -(-BLOCK // values.shape[1])
    for start in range(0, len(values), n_rows):
        rows = slice(start, min(start + n_rows, len(values)))
        yield rows, values[rows]


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

    def add(self, block: Array, weights: Array | None = None) -> None:
        """Add a block (n, D), with weights (n,) if they are not all 1."""
        largest = np.maximum(block.max(axis=0), -block.min(axis=0))
        np.maximum(self.largest, largest, out=self.largest)
        with np.errstate(over="ignore", invalid="ignore"):  # then there is another look
            self.sums += weighted(block.astype(np.float64), weights).sum(axis=0)


def weighted(block: Array, weights: Array | None) -> Array:
    """Multiply each step by its weight, in place; None is 1 for each."""
    if weights is not None:
        block *= weights[:, None]
    return block
