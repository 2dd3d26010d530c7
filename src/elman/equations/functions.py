"""The functions that cells and losses may use, beside + - * /.

The same line runs on NumPy's arrays, on complex arrays for the proof by complex step, and on
the vectors of the compiled engine, which registers its own versions of these.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np


@singledispatch
def tanh(x: Any) -> Any:
    """Tanh x."""
    return _tanh_of_complex(x) if np.iscomplexobj(x) else np.tanh(x)


def _tanh_of_complex(z: Any) -> Any:
    """(tanh x + i tan y) / (1 + i tanh x tan y) for z = x + iy, by functions of real numbers.

    NumPy's tanh takes several times as long. 1 - tanh² x is computed as 1 / cosh² x, which loses no
    digits.
    """
    x, y = _parts(z)
    h, power = np.tanh(x), np.exp(-2.0 * np.abs(x))
    slope = 4.0 * power / (1.0 + power) ** 2  # 1 / cosh² x
    if _is_tiny(y):
        return _complex(h, y * slope)
    t = np.tan(y)
    below = 1.0 + (h * t) ** 2
    return _complex(h * (1.0 + t * t) / below, t * slope / below)


@singledispatch
def exp(x: Any) -> Any:
    """eˣ."""
    return _exp_of_complex(x) if np.iscomplexobj(x) else np.exp(x)


def _exp_of_complex(z: Any) -> Any:
    """eˣ (cos y + i sin y) for z = x + iy."""
    x, y = _parts(z)
    if not _is_tiny(y):
        return np.exp(z)
    power = np.exp(x)
    if not np.isfinite(power).all():  # NumPy's exp handles infinity times y
        return np.exp(z)
    return _complex(power, power * y)


def _parts(z: Any) -> tuple[Any, Any]:
    """The real and the imaginary part, each contiguous, because NumPy is fast on such arrays."""
    return np.asarray(np.real(z), order="C"), np.asarray(np.imag(z), order="C")


def _is_tiny(y: Any) -> bool:
    """Whether 1 + y² is 1 for all y, as in a complex step: then sin y = tan y = y, cos y = 1."""
    return bool(np.abs(y).max(initial=0.0) < 1e-8)


def _complex(x: Any, y: Any) -> Any:
    found = np.empty(np.shape(x), np.result_type(x, np.complex64))
    found.real, found.imag = x, y
    return found[()]


@singledispatch
def fma(a: Any, b: Any, c: Any) -> Any:
    """A b + c; the compiled engine rounds it once (fused multiply-add)."""
    return a * b + c


@singledispatch
def positive(x: Any) -> Any:
    """Whether x > 0, for ``where``; of complex numbers, which have no order, the real part."""
    return np.real(x) > 0


@singledispatch
def where(condition: Any, yes: Any, no: Any) -> Any:
    """``yes`` where a condition is true, else ``no``."""
    return np.where(condition, yes, no)


def sigmoid(x: Any) -> Any:
    """σ(x) = 1 / (1 + e⁻ˣ), computed from e to the power of -|x|, which cannot overflow."""
    is_positive = positive(x)
    power = exp(where(is_positive, -x, x))
    return where(is_positive, 1.0, power) / (power + 1.0)


def sigmoid_slope(s: Any) -> Any:
    """σ'(a) = s (1 - s), from s = σ(a)."""
    return s * (1.0 - s)


def tanh_slope(h: Any) -> Any:
    """tanh'(a) = 1 - h², from h = tanh a, the notes' 1 - tanh²(h_unactivated)."""
    return fma(-h, h, 1.0)
