"""A column with long runs of equal values, such as ids, stored as the rows in which it changes.

All questions about such a column are answered from its runs, however many rows it has.

Letters: N rows, R runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw
import numpy as np

from elman._typing import IntArray
from elman.reading.values import Series


@dataclass(frozen=True, eq=False)
class Runs:
    """The values of a column, each stored once for a run of rows that have it.

    Attributes
    ----------
    starts : array (R,)
        The row in which each run begins.
    values : narwhals.Series (R,)
        The value of each run. Each row with a missing value is a run.
    n_rows : int
        N.
    """

    starts: IntArray
    values: Series
    n_rows: int

    @classmethod
    def of(cls, column: Series) -> Runs:
        """Find the runs of a column."""
        n_rows = len(column)
        if column.null_count():
            return cls(np.arange(n_rows), column, n_rows)
        if column.dtype.is_numeric():
            rows = column.to_numpy()
            changed = np.flatnonzero(rows[1:] != rows[:-1])
        else:
            changed = np.asarray((column[1:] != column[:-1]).arg_true().to_numpy())
        starts = np.append(0, changed + 1)[:n_rows]  # no rows have no runs
        return cls(starts, column[starts], n_rows)

    @classmethod
    def joined(cls, parts: list[Runs]) -> Runs:
        """Put parts of a column one below another."""
        before = np.cumsum([0, *(part.n_rows for part in parts)])
        starts = np.concatenate(
            [part.starts + n for part, n in zip(parts, before[:-1], strict=True)]
        )
        frames = [part.values.to_frame() for part in parts]
        again = cls.of(nw.concat(frames)[parts[0].values.name])
        return cls(starts[again.starts], again.values, int(before[-1]))

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def lengths(self) -> IntArray:
        """The rows of each run, (R,)."""
        return np.diff(self.starts, append=self.n_rows)

    @property
    def missing(self) -> int | None:
        """The first row that has no value; None if all have one."""
        if not self.values.null_count():
            return None
        return int(self.starts[np.argmax(self.values.is_null().to_numpy())])

    def firsts(self) -> IntArray:
        """For each run, the number of the first run with the same value, (R,)."""
        name = self.values.name
        number = self.values.to_frame().with_row_index("elman row")
        first = number.select(nw.col("elman row").min().over(name).alias("first"))["first"]
        return np.asarray(first.to_numpy()).astype(np.int64)

    def at(self, rows: IntArray) -> Series:
        """The values in some rows."""
        return self.values[np.searchsorted(self.starts, rows, side="right") - 1]

    def reordered(self, order: IntArray) -> Runs:
        """Put the rows into another order, given by their numbers."""
        of = np.repeat(self.firsts(), self.lengths)[order]  # (N,)
        starts = np.append(0, np.flatnonzero(of[1:] != of[:-1]) + 1)
        return Runs(starts, self.values[of[starts]], self.n_rows)
