"""The times of a table's rows: reading, writing, and finding missing steps."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from math import isfinite
from typing import Any, cast

import narwhals as nw
import numpy as np

from elman._typing import Array, IntArray
from elman.errors import DataError
from elman.reading.values import Place, Series, as_number

_PLAIN = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d")
_ZONED = re.compile(r".*\d:\d\d.*(Z|[+-]\d\d:?\d\d)\s*")
_REGULAR = 0.9  # gaps are reported if at least this share of the distances is the same
_BLOCK = 1 << 16  # rows at a time, so that results stay in the cache


def as_times(column: Series, place: Place) -> Array:
    """The times of rows: numbers, or datetime64 in microseconds (UTC if they have a zone), (N,).

    Raises
    ------
    DataError
        If a time is missing, or is text that is not a date.
    """
    name, dtype = column.name, column.dtype
    if column.null_count():
        row = int(np.argmax(column.is_null().to_numpy()))
        raise DataError(
            f"time {name!r} is missing in {place(row)}. Write it, or leave the row out."
        )
    numbers = _numbers_in_text(column) if dtype == nw.String else None
    if dtype == nw.String and numbers is None:
        column = _from_text(column, place)
        dtype = column.dtype
    if dtype == nw.Date:
        column = column.cast(nw.Datetime("us"))
        dtype = column.dtype
    if isinstance(dtype, nw.Datetime):
        ticks = column.dt.timestamp("us").to_numpy()
        return np.asarray(ticks, np.int64).view("datetime64[us]")
    values = np.asarray(column.to_numpy()) if numbers is None else numbers
    if values.dtype.kind not in "iuf":
        raise DataError(f"time {name!r} holds {dtype}; expected numbers, dates, or text of dates.")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(f"time {name!r} is {values[row]} in {place(row)}; expected a number.")
    return values


def have_zone(column: Series) -> bool:
    """Whether times have a time zone; ``as_times`` converts these to UTC."""
    if isinstance(column.dtype, nw.Datetime):
        return column.dtype.time_zone is not None
    return column.dtype == nw.String and _ZONED.fullmatch(column[0]) is not None


def time_of(text: str, name: str) -> tuple[datetime | float, str]:
    """Read a time; return it for comparison (a date in UTC), and as ``as_text`` writes it.

    Raises
    ------
    DataError
        If it is neither a number nor a date.
    """
    number = as_number(text)
    if number is not None and isfinite(number):
        return number, text
    try:
        date = datetime.fromisoformat(text)
    except ValueError:  # not ISO 8601; the reader of tables knows other formats
        from elman.reading.frames import library

        column = nw.new_series(name, [text], nw.String, backend=cast(Any, library()))
        date = as_times(column, lambda row: "this line").item()
    if date.tzinfo is not None:
        try:
            date = date.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:
            raise DataError(
                f"the time {text} is before the year 1 or after 9999 in UTC. Correct it."
            ) from None
    if ":" not in text and date.time() == time.min:
        return date, date.date().isoformat()
    whole = date.microsecond % 1000 == 0
    unit = "seconds" if not date.microsecond else "milliseconds" if whole else "microseconds"
    return date, date.isoformat(timespec=unit)


def _numbers_in_text(column: Series) -> Array | None:
    """The numbers in a column of text, (N,); None if an entry is not a number."""
    if as_number(column[0]) is None:  # usually dates: a quick check
        return None
    numbers = [as_number(text) for text in column.to_list()]
    return None if None in numbers else np.array(numbers)


def _from_text(column: Series, place: Place) -> Series:
    if _PLAIN.fullmatch(column[0]):  # with the format given, it takes a fifth of the time
        try:
            return column.str.to_datetime(format=f"%Y-%m-%d{column[0][10]}%H:%M:%S")
        # What libraries raise has no common base.
        except Exception:  # noqa: BLE001
            pass
    try:
        return column.str.to_datetime()
    # What libraries raise has no common base.
    except Exception:  # noqa: BLE001
        row, value = _first_that_fails(column)
        if as_number(column[0]) is not None:  # numbers: find the entry that is none
            values = column.to_list()
            row = next((i for i, text in enumerate(values) if as_number(text) is None), row)
            value = values[row]
        raise DataError(
            f"time {column.name!r} is {value!r} in {place(row)}; expected a number, or a date such as "
            "2026-03-01 12:30:00. If the rows are in order, leave the time out."
        ) from None


def _first_that_fails(column: Series) -> tuple[int, Any]:
    """Find the first text that is not a date, by bisection."""
    good, bad = 0, len(column)  # the first `good` can be read, the first `bad` cannot
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            column.head(middle).str.to_datetime()
        except Exception:  # noqa: BLE001
            bad = middle
        else:
            good = middle
    return good, column[good]


def distances(times: Array, starts: IntArray) -> Array | None:
    """How much later each row is than the one above, (N - 1,); 1 where a sequence begins.

    None in the usual case, which is quick to check: all distances are equal and above 0.
    """
    if times.dtype.kind == "M":
        times = times.view(np.int64)
    elif times.dtype.kind in "iu":
        times = times.astype(np.int64, copy=False)
    if _are_regular(times, starts):
        return None
    distance = np.diff(times)
    distance[starts[1:] - 1] = 1
    return distance


def _are_regular(times: Array, starts: IntArray) -> bool:
    """Whether each step is as long as the first one; checked in blocks that fit into the cache."""
    usual = np.diff(times[:2])
    for start in range(0, len(times) - 1, _BLOCK):
        distance = np.diff(times[start : start + _BLOCK + 1])
        first, last = np.searchsorted(starts, [start + 1, start + 1 + len(distance)])
        distance[starts[first:last] - start - 1] = usual
        if (distance != usual).any():
            return False
    return bool((usual > 0).all())


def gaps(distance: Array, starts: IntArray) -> tuple[IntArray, int]:
    """The rows before which steps are missing, and the number of missing steps; times are in order.

    Steps are missing if nine in ten of the distances are the same, and another is longer.
    """
    inside = np.ones(len(distance), bool)
    inside[starts[1:] - 1] = False
    positive = distance[inside & (distance > 0)]
    if not len(positive):
        return np.empty(0, np.int64), 0
    usual = float(np.median(positive))
    if np.isclose(positive, usual, rtol=1e-6).mean() < _REGULAR:
        return np.empty(0, np.int64), 0
    rows = np.flatnonzero(inside & (distance > 1.5 * usual))
    n_missing = int((np.round(distance[rows] / usual) - 1).sum())
    return rows + 1, n_missing


def as_text(times: Array) -> list[Any]:
    """Write times as people do: dates in the largest unit that loses nothing, numbers as they are."""
    if times.dtype.kind != "M":
        return list(times.tolist())
    ticks = times.view(np.int64)
    units = {"D": 86_400_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}
    unit = next(name for name, n in units.items() if not (ticks % n).any())
    return list(times.astype(f"datetime64[{unit}]").astype(str).tolist())
