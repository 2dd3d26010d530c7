"""One array or table as users pass it: its numbers and column names, or an error that says why not."""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from elman._typing import Array
from elman.errors import DataError

MISSING = ("NoneType", "NAType", "NaTType")
"""The names of the types that libraries use for a missing value."""


def refuse_mask(X: Any, name: str) -> None:
    """Refuse a masked array, because values that its mask hides would be taken for data."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise DataError(
            f"{name} is an array with a mask, and masks are not used. Leave masked steps out: pass a "
            "list of 2-D arrays, each as long as its sequence (of labels, a list of 1-D arrays)."
        )


def refuse_table(X: Any, name: str) -> None:
    """Refuse tables and groups that hold sequences in a way that arrays cannot, and say what to do."""
    kind = type(X).__name__
    if kind.endswith("GroupBy"):
        raise DataError(
            f"{name} is a {kind}; expected a list of sequences. "
            + (
                f"Pass [part.to_frame() for _, part in {name}]."
                if kind == "SeriesGroupBy"
                else "With `columns` a list of the features: "
                f"[frame[columns] for _, frame in {name}]."
            )
        )
    first = X[0] if isinstance(X, list | tuple) and X else None
    if isinstance(first, tuple) and len(first) == 2 and hasattr(first[1], "iloc"):
        raise DataError(
            f"{name}[0] is a pair of a key and a {type(first[1]).__name__}; expected a sequence. Pass "
            f"[part for _, part in {name}]."
        )
    if getattr(getattr(X, "index", None), "nlevels", 1) > 1:
        part = "part" if hasattr(X, "columns") else "part.to_frame()"
        raise DataError(
            f"{name} is a {kind} whose index has several levels; expected a list of sequences. If "
            f"the first level is the sequence: [{part} for _, part in {name}.groupby(level=0)]. If "
            f"each row is one: {name}.reset_index(drop=True)."
        )
    table = np.asarray(X) if hasattr(X, "columns") else X
    if (
        isinstance(table, np.ndarray)
        and table.dtype == object
        and table.ndim == 2
        and table.size
        and any(isinstance(cell, list | tuple) or getattr(cell, "ndim", 0) for cell in table.flat)
    ):
        raise DataError(
            f"{name} is of type {kind}, with sequences in its cells; expected a list of 2-D arrays. If "
            "the columns are the features (leave others out): "
            f"[np.stack([*row], axis=1) for row in np.asarray({name})]."
        )


def column_names(frame: Any) -> tuple[str, ...] | None:
    """The names of a data frame's columns, or of a Series' index, if they are text; else None.

    Raises
    ------
    DataError
        If some are text and some are not.
    """
    if isinstance(frame, np.ndarray):
        return None
    names = getattr(frame, "column_names", None)  # in pyarrow, .columns are the data
    if names is None:
        names = getattr(frame, "columns", None)
    if names is None and hasattr(frame, "iloc"):  # a Series of pandas
        names = frame.index
    names = () if names is None else tuple(names)
    are_text = [isinstance(name, str) for name in names]
    if any(are_text) and not all(are_text):
        index = "columns" if hasattr(frame, "columns") else "index"
        raise DataError(
            f"a {type(frame).__name__} has names that are not all text: "
            f"{', '.join(map(repr, names))}. Make them text: x.{index} = x.{index}.astype(str)."
        )
    return names if any(are_text) else None


def numeric(X: Any, name: str, expected: str = "an array (n_timesteps, n_features)") -> Array:
    """Make an array of real numbers of any shape; ``expected`` is for messages."""
    if type(X) is np.ndarray and X.dtype.kind in "biuf":
        return X
    refuse_mask(X, name)
    if X is None:
        raise DataError(f"{name} is None; expected {expected}.")
    if hasattr(X, "toarray"):  # a sparse matrix
        raise DataError(
            f"{name} is a sparse {type(X).__name__}; expected a dense array. Pass x.toarray()."
        )
    schema = getattr(X, "schema", None)  # polars turns times into microseconds without a word
    if isinstance(schema, dict) and any(kind.is_temporal() for kind in schema.values()):
        raise times_in(X, name)
    try:
        array = np.asarray(X)
    except ValueError:  # rows of different lengths
        raise DataError(
            f"{name} is not a rectangular array: its rows differ in length; expected {expected}."
        ) from None
    except np.exceptions.DTypePromotionError:  # numbers and times have no type in common
        raise times_in(X, name) from None
    if array.dtype == object:
        for kind in {type(x) for x in array.flat}:
            if kind.__name__ in MISSING:
                raise DataError(
                    f"{name} holds missing values ({kind.__name__}); expected numbers. Fill them, or "
                    "make them NaN, as x.astype(float) does in a data frame of pandas."
                )
            if issubclass(kind, str):
                raise text_in(X, name)
            if issubclass(kind, date | time | timedelta):
                raise times_in(X, name)
            if not issubclass(kind, Real | Decimal | np.bool_):
                raise DataError(f"{name} holds {kind.__name__} objects; expected numbers.")
        try:
            array = array.astype(np.float64)
        except OverflowError:
            raise DataError(f"{name} holds a whole number too large for float64.") from None
    if array.dtype.kind in "mM":
        raise times_in(X, name)
    if array.dtype.kind not in "biuf":
        advice = (
            " Encode text and categories as numbers first (one-hot, for instance). Numbers that are "
            "written as text become numbers by np.asarray(x, float)."
        )
        raise DataError(
            f"{name} has dtype {array.dtype}; expected real numbers."
            + (advice if array.dtype.kind in "US" else "")
        )
    return array


def all_true(flags: Array) -> bool:
    """``flags.all()`` for one truth value or more; it takes a third of the time if they are few."""
    return bool(flags.item(flags.argmin()))


def all_finite(array: Array) -> bool:
    """Whether an array, which is not empty, has no NaN and no infinity."""
    return all_true(np.isfinite(array))


def text_in(X: Any, name: str) -> DataError:
    """Say that X holds text, and in a data frame, in which column."""
    found = _first_column_of(X, str)
    if found is None:
        return DataError(f"{name} holds text; expected numbers. Encode it as numbers (one-hot).")
    return DataError(
        f"{name} holds text in column {found!r}; expected numbers. Encode the column as numbers, or "
        "leave it out. elman.read_sequences(frame, id=..., label=...) makes sequences of a table, and "
        "numbers of its text."
    )


def times_in(X: Any, name: str) -> DataError:
    """Say that X holds times, and in a data frame, in which column."""
    found = _first_column_of(X, date | time | timedelta | np.datetime64 | np.timedelta64)
    column = "" if found is None else f" in column {found!r}"
    return DataError(
        f"{name} holds times{column}; expected numbers. Leave them out, or make numbers of them, such "
        "as seconds since the first. elman.read_sequences(frame, id=..., label=..., time=...) sorts "
        "the steps of a table by a column of times."
    )


def _first_column_of(X: Any, kinds: Any) -> str | None:
    """The first column of a data frame that holds values of some types; None if that is not known."""
    columns = () if isinstance(X, list | tuple) else column_names(X) or ()
    if len(set(columns)) < len(columns):
        return None
    return next(
        (c for c in columns if any(isinstance(v, kinds) for v in np.atleast_1d(X[c]))), None
    )
