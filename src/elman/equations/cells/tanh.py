"""The notes' own cell (N2): h_t = tanh(U x_t + W h_{t-1} + b)."""

from __future__ import annotations

from typing import ClassVar

from elman.equations.cells.cell import Cell, Values
from elman.equations.functions import tanh, tanh_slope


class Tanh(Cell):
    """h = tanh a, with the slope 1 - h² (N2, N7; Elman 1990)."""

    def forward(self, a: Values, before: Values) -> tuple[Values, Values]:
        """See ``Cell.forward``."""
        return (tanh(a[0]),), ()

    def backward(
        self, d: Values, kept: Values, after: Values, before: Values
    ) -> tuple[Values, Values]:
        """See ``Cell.backward``."""
        (dh,), (h,) = d, after
        return (dh * tanh_slope(h),), (None,)


class Dense(Tanh):
    """A tanh layer without recurrence: the network of the notes' first page (N1)."""

    reads: ClassVar = {"h": "x"}
