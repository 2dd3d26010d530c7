"""JSON as its standard defines it: without NaN and infinity."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def jsonable(value: Any) -> Any:
    """Turn arrays, NumPy's numbers, tuples and mappings into JSON's types; None for NaN, infinity."""
    if hasattr(value, "tolist"):  # NumPy's, which is not imported for this
        value = value.tolist()
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {name: jsonable(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def dumps(value: Any, *, ensure_ascii: bool = True) -> str:
    """Write a value as JSON; see ``jsonable``."""
    return json.dumps(jsonable(value), ensure_ascii=ensure_ascii, allow_nan=False)
