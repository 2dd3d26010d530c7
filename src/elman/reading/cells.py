"""Whole sequences in the cells of a table: lists of numbers, arrays, or Series."""

from __future__ import annotations

from typing import Any, NamedTuple

import narwhals as nw
import numpy as np

from elman._typing import Array, IntArray
from elman.errors import DataError
from elman.reading.frames import Frame
from elman.reading.values import Place, Series, numbers


class Cells(NamedTuple):
    """The sequences in the cells of some columns.

    Attributes
    ----------
    values : array (n_timesteps of all, n_features)
        One sequence behind another; float32 if all columns are float32, else float64.
    lengths : array (n_sequences,)
        The number of steps of each.
    features : tuple of str
    """

    values: Array
    lengths: IntArray
    features: tuple[str, ...]


def is_nested(frame: Frame, names: tuple[str, ...]) -> bool:
    """Whether cells hold whole sequences."""
    schema = frame.schema
    return any(
        isinstance(schema[name], nw.List | nw.Array)
        or (schema[name] == nw.Object and np.ndim(_cell(frame[name][0])) > 0)
        for name in names
        if name in schema and len(frame)
    )


def of_cells(frame: Frame, names: tuple[str, ...], place: Place) -> Cells:
    """Put the sequences in cells one behind another: numbers (n_timesteps,), or lists of features.

    Raises
    ------
    DataError
        If cells hold something else, or do not agree; the message names column and place.
    """
    columns: list[Array] = []
    lengths: IntArray | None = None
    features: tuple[str, ...] = ()
    for name in names:
        column, found = _of_lists(frame[name]) or _one_by_one(frame[name], place)
        if lengths is not None and (found != lengths).any():
            row = int(np.argmax(found != lengths))
            raise DataError(
                f"{place(row)} has {found[row]} steps in column {name!r} and {lengths[row]} in "
                f"{names[0]!r}; expected as many in each."
            )
        lengths = found
        columns.append(column)
        features += names_of(name, column.shape[1])
    assert lengths is not None
    values = columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)
    return Cells(values, lengths, features)


def names_of(column: str, n: int) -> tuple[str, ...]:
    """Name the features of a column of lists: the column's name, with numbers if there are several."""
    return (column,) if n == 1 else tuple(f"{column} {j}" for j in range(n))


def _of_lists(column: Series) -> tuple[Array, IntArray] | None:
    """The numbers (n_timesteps of all, n_features) of lists, and their lengths.

    The library that read the table copies them from its buffers, so no number becomes a Python object.
    None if it cannot, or if something is wrong, which ``_one_by_one`` then reports.
    """
    inner, lengths = _opened(column)
    if inner is None or lengths is None:
        return None
    n_features = 1
    if isinstance(inner.dtype, nw.List | nw.Array):
        inner, sizes = _opened(inner)
        if inner is None or sizes is None or (sizes != sizes[0]).any():
            return None
        n_features = int(sizes[0])
    if not (inner.dtype.is_numeric() or inner.dtype == nw.Boolean):
        return None
    values = numbers(inner)
    if inner.dtype == nw.Float32:  # also with missing values
        values = values.astype(np.float32, copy=False)
    return values.reshape(-1, n_features), lengths


def _opened(column: Series) -> tuple[Series | None, IntArray | None]:
    """The values of a column's lists, one behind another, and the length of each; none may be empty."""
    dtype, kind = column.dtype, column.implementation
    if not (kind.is_polars() or kind.is_pyarrow()) or not isinstance(dtype, nw.List | nw.Array):
        return None, None
    if isinstance(dtype, nw.Array):
        column = column.cast(nw.List(dtype.inner))
    if not len(column) or column.null_count():
        return None, None
    lengths = column.list.len().to_numpy().astype(np.int64)
    if not lengths.all():
        return None, None
    if kind.is_pyarrow():
        import pyarrow.compute as pc

        flat: Any = pc.list_flatten(column.to_native())
        return nw.from_native(flat, series_only=True), lengths
    return column.to_frame().explode(column.name)[column.name], lengths


def _one_by_one(column: Series, place: Place) -> tuple[Array, IntArray]:
    name, cells = column.name, [_cell(value) for value in column.to_list()]
    for row, cell in enumerate(cells):
        if cell.ndim not in (1, 2) or cell.dtype.kind not in "biuf":
            raise DataError(
                f"column {name!r} holds in {place(row)} an array of shape {cell.shape}, "
                f"{cell.dtype}; expected numbers, one a step or as many for each."
            )
        if cell.ndim != cells[0].ndim or cell.shape[1:] != cells[0].shape[1:]:
            raise DataError(
                f"column {name!r} holds in {place(row)} steps of shape {cell.shape[1:]}, in "
                f"{place(0)} {cells[0].shape[1:]}; expected as many numbers for each step."
            )
    values = np.concatenate(cells)
    if values.dtype != np.float32:
        values = values.astype(np.float64)
    lengths = np.array([len(cell) for cell in cells])
    return values.reshape(len(values), -1), lengths


def _cell(value: Any) -> Array:
    """The list, array or Series in a cell, as an array."""
    return np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value)
