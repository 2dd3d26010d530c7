"""The functions that losses are written in; the other operations are + - * / alone.

One and the same line runs on NumPy's arrays, and on complex arrays for the proof by complex step.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np


@singledispatch
def exp(x: Any) -> Any:
    """eˣ."""
    return np.exp(x)


@singledispatch
def positive(x: Any) -> Any:
    """Where x > 0, or its real part, as complex numbers have no order: for ``where``."""
    return np.real(x) > 0


@singledispatch
def where(condition: Any, yes: Any, no: Any) -> Any:
    """``yes`` where a condition is true, else ``no``."""
    return np.where(condition, yes, no)
