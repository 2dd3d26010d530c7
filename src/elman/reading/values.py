"""Columns of a table as numbers, or as labels. Errors name the column and the row.

Letters: N rows, D features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import narwhals as nw
import numpy as np

from elman._typing import Array
from elman.errors import DataError
from elman.reading.frames import Frame

Series = nw.Series[Any]
Place = Callable[[int], str]
"""Says in words where a row of a frame is in its source."""

MAX_CATEGORIES = 20
MAX_CLASSES = 100  # more are accepted only if each has two sequences on average
_BLOCK = 1 << 12  # rows at a time, so that what is written stays in the cache


def matrix(
    frame: Frame,
    names: tuple[str, ...],
    place: Place,
    categories: Mapping[str, list[str]] | None = None,
) -> tuple[Array, tuple[str, ...], dict[str, list[str]]]:
    """Lay columns out as numbers, row by row.

    A column of text becomes several columns of 0 and 1, one for each category.

    Parameters
    ----------
    frame : narwhals.DataFrame
    names : tuple of str
        Its columns.
    place : callable
        Says in messages where a row is.
    categories : mapping of str to list of str, optional
        The categories that each column of text may have; if left out, those that it has.

    Returns
    -------
    values : array (N, D)
        float32 if all columns are float32, else float64; NaN where there is no value.
    features : tuple of str
        The names of the columns of ``values``.
    categories : dict of str to list of str

    Raises
    ------
    DataError
        If a column is neither numbers nor a few categories.
    """
    pieces: list[Any] = []
    features: list[str] = []
    found: dict[str, list[str]] = {}
    schema = frame.schema
    for name in names:
        column, dtype = frame[name], schema[name]
        known = None if categories is None else categories.get(name)
        if known is None and (dtype.is_numeric() or dtype == nw.Boolean):
            pieces.append(numbers(column))
            features.append(name)
            continue
        if dtype.is_temporal():
            raise DataError(
                f"column {name!r} holds {dtype}: neither numbers nor text. Name it as time, or leave "
                "it out of the features."
            )
        text = _as_text(column)
        if known is None:
            parsed = _numbers_in_text(name, text, place)
            if parsed is not None:
                pieces.append(parsed)
                features.append(name)
                continue
            known = _categories(name, text)
        found[name] = known
        features += [f"{name}={category}" for category in known]
        pieces += _one_hot(name, text, known, place)
    joined: Any = np.result_type(*{piece.dtype for piece in pieces})
    values = np.empty((len(frame), len(pieces)), joined)
    side_by_side(pieces, values)
    return values, tuple(features), found


def numbers(column: Series) -> Array:
    """A column of numbers or truth values as float32 or float64; NaN where there is no value."""
    if column.null_count():
        column = column.cast(nw.Float64)
    values = np.asarray(column.to_numpy())
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def side_by_side(columns: list[Array], out: Array) -> None:
    """Put columns (N,) beside each other into ``out`` (N, D), in blocks that the cache holds."""
    for start in range(0, len(out), _BLOCK):
        part = slice(start, start + _BLOCK)
        for j, column in enumerate(columns):
            out[part, j] = column[part]


def _as_text(column: Series) -> Series:
    """A column as text: also one of categories, or of other values that Python can write."""
    if column.dtype in (nw.String, nw.Categorical) or isinstance(column.dtype, nw.Enum):
        text = column.cast(nw.String)  # pandas before 3 turns None into the text 'None'
        if text.null_count() == column.null_count():
            return text
    values = [None if _is_missing(v) else str(v) for v in column.to_list()]
    return nw.new_series(column.name, values, nw.String, backend=nw.get_native_namespace(column))


def _is_missing(value: Any) -> bool:
    return value is None or value != value or type(value).__name__ in ("NAType", "NaTType")


def _distinct(text: Series) -> list[str]:
    return sorted(value for value in text.unique().to_list() if not _is_missing(value))


def as_number(text: str) -> float | None:
    """The number in a text, or None; ``1_1`` is not a number here, although Python reads it."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _numbers_in_text(name: str, text: Series, place: Place) -> Array | None:
    """The numbers in a column of text; None if it is not a column of numbers.

    Raises
    ------
    DataError
        If most values are numbers, and one is not.
    """
    distinct = _distinct(text)
    parsed = {value: as_number(value) for value in distinct}
    wrong = [value for value in distinct if parsed[value] is None]
    if wrong and len(wrong) > len(distinct) / 2:
        return None
    if wrong:
        row = int(np.argmax(is_in(text, wrong)))
        value = text[row]
        hint = " Its decimal separator is a comma." if value.replace(",", "").isdigit() else ""
        raise DataError(
            f"column {name!r} holds numbers and, in {place(row)}, the text {value!r}.{hint} Correct "
            "it, or leave the cell empty if there is no value."
        )
    if not distinct:
        return np.full(len(text), np.nan)
    return numbers(text.replace_strict(distinct, list(parsed.values()), return_dtype=nw.Float64))


def is_in(column: Series, values: list[Any]) -> Array:
    """Which rows hold one of the values, (N,)."""
    return np.asarray(column.is_in(values).fill_null(False).to_numpy(), bool)


def _categories(name: str, text: Series) -> list[str]:
    distinct = _distinct(text)
    if len(distinct) > MAX_CATEGORIES:
        raise DataError(
            f"column {name!r} holds text with {len(distinct):,} different values, such as "
            f"{', '.join(map(repr, distinct[:3]))}; a feature is numbers, or at most {MAX_CATEGORIES} "
            "categories. Leave it out: name the features (--features). If it says to which sequence a "
            "row belongs, name it as id (--id)."
        )
    if not distinct:
        raise DataError(f"column {name!r} is empty. Leave it out: name the features (--features).")
    return distinct


def _one_hot(name: str, text: Series, known: list[str], place: Place) -> list[Array]:
    other = ~is_in(text, known) & ~np.asarray(text.is_null().to_numpy(), bool)
    if other.any():
        row = int(np.argmax(other))
        raise DataError(
            f"column {name!r} holds {text[row]!r} in {place(row)}; the categories are "
            f"{', '.join(map(repr, known))}. Correct it, or train again with it."
        )
    absent = np.asarray(text.is_null().to_numpy(), bool)
    columns = [is_in(text, [category]).astype(np.float64) for category in known]
    for column in columns:
        column[absent] = np.nan
    return columns


# Labels


def labels(column: Series, place: Place) -> Array:
    """The labels in a column; ``place`` says where each is.

    Raises
    ------
    DataError
        If a label is missing, or is a number that is not whole.
    """
    if column.null_count():
        row = int(np.argmax(column.is_null().to_numpy()))
        raise DataError(
            f"label {column.name!r} is missing in {place(row)}. Write it, or leave the sequence out."
        )
    if column.dtype.is_numeric() or column.dtype == nw.Boolean:
        values = np.asarray(column.to_numpy())
        if values.dtype.kind == "f" and (broken := values != np.floor(values)).any():
            row = int(np.argmax(broken))
            raise DataError(
                f"label {column.name!r} is {values[row]:g} in {place(row)}; expected whole numbers, "
                "True and False, or text. If numbers are to be predicted: task='regression' "
                "(--task regression)."
            )
        return values
    distinct = _distinct(text := _as_text(column))
    codes = text.replace_strict(distinct, list(range(len(distinct))), return_dtype=nw.Int64)
    return np.asarray(np.array(distinct)[codes.to_numpy()])


def refuse_ids_as_labels(name: str, values: Array, n_answers: int) -> None:
    """Refuse labels with so many different values that they cannot be classes."""
    n = len(np.unique(values))
    if n > MAX_CLASSES and n > n_answers / 2:
        number = " If it is a number, say so: task='regression' (--task regression)."
        raise DataError(
            f"label {name!r} has {n:,} classes for {n_answers:,} answers: is it an id? The label is "
            "the column to predict (--label)." + number * (values.dtype.kind in "iuf")
        )
