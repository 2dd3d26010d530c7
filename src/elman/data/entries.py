"""What belongs to each sequence, as it came: one array, or a list with an entry a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from elman._typing import Array
from elman.errors import DataError


def listed_entries(y: Any, name: str = "y") -> Array | Sequence[Any]:
    """Y as an array, if it can be one, or a list of what belongs to each sequence."""
    if isinstance(y, list | tuple | range):
        if any(isinstance(entry, np.ma.MaskedArray) for entry in y):
            return list(y)  # one array would be without the masks
        try:
            return _as_array(y)
        except ValueError:  # entries differ in length
            return as_arrays(y, name)
    if hasattr(y, "__array__") and np.ndim(array := np.asarray(y)) > 0:
        return array
    kind = type(y).__name__
    raise DataError(
        f"{name} is a {kind}; expected an array, or a list of arrays, one a sequence."
        + (f" Pass [part for _, part in {name}]." if kind.endswith("GroupBy") else "")
    )


def _as_array(y: Any) -> Array:
    """Make an array; numbers among text, of which NumPy makes text, stay numbers."""
    array = np.asarray(y)
    if array.dtype.kind == "U" and isinstance(y, list | tuple):
        objects = np.array(y, object)
        if not all(isinstance(entry, str) for entry in objects.flat):
            return objects
    return array


def as_arrays(entries: Any, name: str) -> list[Array]:
    """Make an array of each entry."""
    try:
        return [_as_array(entry) for entry in entries]
    except ValueError:  # of one, entries differ in length too; or lists lie 65 deep
        raise DataError(_NESTED.format(name)) from None


def has_arrays(listed: Array | Sequence[Any], name: str) -> bool:
    """Whether an entry is more than one value: what belongs to the steps of a sequence."""
    try:
        return any(np.ndim(entry) > 0 for entry in listed)
    except ValueError:
        raise DataError(_NESTED.format(name)) from None


_NESTED = "{} is nested too deeply; expected an array, or a list of 1-D arrays, one a sequence."


def by_level(y: Any, name: str) -> str:
    """What to do with a Series whose index has levels."""
    if getattr(getattr(y, "index", None), "nlevels", 1) == 1:
        return ""
    return (
        " If the first level of its index is the sequence, pass "
        f"[part for _, part in {name}.groupby(level=0)]."
    )


def shape_of(listed: Array | Sequence[Any]) -> tuple[int, ...]:
    """The shape of what ``listed_entries`` returns; of a list, whose entries differ, its length."""
    return listed.shape if isinstance(listed, np.ndarray) else (len(listed),)
