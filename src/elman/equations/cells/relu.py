"""Rectified linear units."""

from __future__ import annotations

from elman.equations.cells.cell import Cell, Values
from elman.equations.functions import positive, where


class Relu(Cell):
    """h = max(0, a). W begins as the identity (Le, Jaitly and Hinton 2015)."""

    first_recurrence = "identity"

    def forward(self, a: Values, before: Values) -> tuple[Values, Values]:
        """See ``Cell.forward``."""
        return (where(positive(a[0]), a[0], 0.0),), ()

    def backward(
        self, d: Values, kept: Values, after: Values, before: Values
    ) -> tuple[Values, Values]:
        """See ``Cell.backward``."""
        (dh,), (h,) = d, after
        return (where(positive(h), dh, 0.0),), (None,)
