"""The notes' own cell (N2): h_t = tanh(U x_t + W h_{t-1} + b)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from elman.equations.cells.cell import FIRST_RECURRENCES, Cell, Values
from elman.equations.functions import tanh, tanh_slope


@dataclass(frozen=True, eq=False)
class Tanh(Cell):
    """h = tanh a, with the slope 1 - h² (N2, N7; Elman 1990).

    Parameters
    ----------
    first_recurrence : {"orthogonal", "identity", "rotations"}
        The initial W. ``"rotations"`` suits sequences of several hundred steps of one number.

    Raises
    ------
    ValueError
        If ``first_recurrence`` is none of these.
    """

    first_recurrence: str = "orthogonal"

    def __post_init__(self) -> None:
        if self.first_recurrence not in FIRST_RECURRENCES:
            expected = ", ".join(FIRST_RECURRENCES)
            raise ValueError(
                f"first_recurrence must be one of {expected}; got {self.first_recurrence!r}"
            )

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
