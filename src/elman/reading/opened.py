"""A table whose columns are known. Numbers are laid out row by row while the file is read.

Each batch is copied while it is still in the processor's cache, and then freed: to touch new memory
costs as much as to write to it. For ids and labels, only the rows in which they change are kept.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np

from elman._typing import Array, IntArray
from elman.errors import DataError
from elman.reading.cells import Cells, is_nested, of_cells
from elman.reading.columns import Columns
from elman.reading.frames import Batches, Frame
from elman.reading.runs import Runs
from elman.reading.text import Dialect
from elman.reading.values import Place, numbers, side_by_side

Plan: TypeAlias = Callable[[Frame], Columns]
"""Takes the first rows of a table, and returns what its columns are."""

Progress: TypeAlias = Callable[[float], None]
"""Called again and again with the share that has been read, from 0 to 1."""


def row_of_table(row: int, before: int = 0) -> str:
    """Say which row it is, counted from 1, in a table that is not text; ``before`` rows come first."""
    return f"row {before + row + 1:,}"


@dataclass(frozen=True, eq=False)
class Opened:
    """A table, and what its columns are.

    Attributes
    ----------
    frame : narwhals.DataFrame
        All columns; or, with ``values`` or ``cells``, the other columns that are needed row by row.
    columns : Columns
    names : tuple of str
        The names of all columns.
    schema : mapping of str to type
        The types of all columns.
    values : array (n_rows, n_features) or None
        The features, if all of them are numbers and they have been laid out already.
    repeated : mapping of str to Runs
        The columns whose runs are known already: with ``values``, ids and labels of sequences.
    cells : Cells or None
        The features, if cells hold whole sequences and these have been taken out already.
    dialect : Dialect
    place : callable
        Says in words where a row of the frame is in its source.
    short : callable
        Says in words which line of a text file has too few columns; "" if none has.
    """

    frame: Frame
    columns: Columns
    names: tuple[str, ...]
    schema: Mapping[str, Any]
    values: Array | None = None
    repeated: Mapping[str, Runs] = field(default_factory=dict)
    cells: Cells | None = None
    dialect: Dialect = field(default_factory=Dialect)
    place: Place = row_of_table
    short: Callable[[], str] = str

    @classmethod
    def of_frame(cls, frame: Frame, columns: Columns, **more: Any) -> Opened:
        """Make one from a whole table."""
        return cls(frame, columns, tuple(frame.columns), frame.schema, **more)

    def __len__(self) -> int:
        if self.cells is not None:
            return len(self.cells.lengths)
        return len(self.frame if self.values is None else self.values)

    def runs(self, name: str) -> Runs:
        """Where the values of a column change, and what they are."""
        return self.repeated.get(name) or Runs.of(self.frame[name])


def lay_out(batches: Batches, plan: Plan, progress: Progress | None = None) -> Opened:
    """Lay out batches while they are read.

    Parameters
    ----------
    batches : Batches
    plan : callable
    progress : callable, optional
    """
    head = next(batches.frames)
    columns, schema = plan(head), head.schema
    features, frames = columns.features, chain([head], batches)
    if columns.layout == "wide" and is_nested(head, features):
        return _lay_out_cells(frames, columns, head, batches.n_rows, progress)
    are_numbers = columns.layout not in ("wide", "text") and all(
        schema[n].is_numeric() for n in features
    )
    if not are_numbers:
        rest, n_read = [head], len(head)
        for frame in batches:
            batches.check(frame)
            rest.append(frame)
            n_read += len(frame)
            _tell(progress, n_read, batches.n_rows)
        return Opened.of_frame(nw.concat(rest) if len(rest) > 1 else head, columns)
    repeated = [columns.id] if columns.id is not None else []
    kept = [columns.time] if columns.time is not None else []
    (repeated if columns.task == "classification" else kept).extend(columns.label)
    is_single = all(schema[n] == nw.Float32 for n in features)
    n_rows = max(len(head), int((batches.n_rows or 0) * 1.02))  # n_rows may be a guess
    values = _Growing(n_rows, len(features), np.float32 if is_single else np.float64)
    runs: dict[str, list[Runs]] = {name: [] for name in repeated}
    rest, n_read = [], 0
    for frame in frames:
        side_by_side([numbers(frame.get_column(n)) for n in features], values.more(len(frame)))
        for name, parts in runs.items():
            parts.append(Runs.of(frame.get_column(name)))
            batches.check(parts[-1].values.to_frame())
        if kept:
            rest.append(frame.select(kept))
            batches.check(rest[-1])
        n_read += len(frame)
        _tell(progress, n_read, batches.n_rows)
    frame = nw.concat(rest) if rest else head.select()
    found = {name: Runs.joined(parts) for name, parts in runs.items()}
    return Opened(frame, columns, tuple(head.columns), schema, values.written, found)


def _lay_out_cells(
    frames: Iterable[Frame],
    columns: Columns,
    head: Frame,
    n_rows: int | None,
    progress: Progress | None,
) -> Opened:
    """Take sequences out of cells, batch by batch."""
    kept = [name for name in (columns.id, *columns.label) if name is not None]
    rest: list[Frame] = []
    lengths: list[IntArray] = []
    values: _Growing | None = None
    features: tuple[str, ...] = ()
    n_read = 0
    for frame in frames:
        found = of_cells(frame, columns.features, partial(row_of_table, before=n_read))
        if values is None:
            features = found.features
            steps_of_row = len(found.values) / len(frame)  # the mean in the first batch
            n_steps = int(1.1 * steps_of_row * max(n_rows or 0, len(frame)))
            values = _Growing(n_steps, len(features), found.values.dtype)
        if found.features != features:
            raise DataError(
                f"steps have {len(found.features)} features from {row_of_table(n_read)} on, and "
                f"{len(features)} before; expected as many for each step."
            )
        values.more(len(found.values))[:] = found.values
        lengths.append(found.lengths)
        rest.append(frame.select(kept))
        n_read += len(frame)
        _tell(progress, n_read, n_rows)
    assert values is not None
    cells = Cells(values.written, np.concatenate(lengths), features)
    return Opened(nw.concat(rest), columns, tuple(head.columns), head.schema, cells=cells)


class _Growing:
    """Rows of numbers (n, n_features), written one behind another."""

    def __init__(self, n_rows: int, n_features: int, dtype: Any) -> None:
        self._values = _fresh(n_rows, n_features, dtype)
        self._n = 0

    def more(self, n: int) -> Array:
        """The next n rows, to be written to."""
        start, self._n = self._n, self._n + n
        if self._n > len(self._values):
            values = _fresh(self._n + self._n // 4, self._values.shape[1], self._values.dtype)
            values[:start] = self._values[:start]
            self._values = values
        return self._values[start : self._n]

    @property
    def written(self) -> Array:
        """The rows that were written; the memory behind them was never touched, so it takes none."""
        return self._values[: self._n]


def _fresh(n_rows: int, n_features: int, dtype: Any) -> Array:
    """Memory in pages of the usual size, as an array (n_rows, n_features).

    NumPy asks the system for huge pages. If a virtual machine has given those back to its host, the
    host has to clear each again: 200 MB took 0.3 to 0.4 s, the next time 0.04 s, and in usual pages
    always 0.1 s.
    """
    n_bytes = n_rows * n_features * np.dtype(dtype).itemsize
    private = (
        {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    )
    return np.frombuffer(mmap.mmap(-1, n_bytes, **private), dtype).reshape(n_rows, n_features)


def _tell(progress: Progress | None, n_read: int, n_rows: int | None) -> None:
    if progress is not None and n_rows:
        progress(min(n_read / n_rows, 1.0))
