"""Leaky units: the network of neuroscience, in discrete time."""

from __future__ import annotations

from dataclasses import dataclass

from elman.equations.cells.cell import Cell, Values
from elman.equations.functions import tanh, tanh_slope


@dataclass(frozen=True, eq=False)
class Leaky(Cell):
    """h = (1 - α) h_{t-1} + α tanh a (Jaeger et al. 2007).

    It is Euler's step of the continuous-time network τ dh/dt = -h + tanh(U x + W h + b), with
    α = Δt/τ (Yang and Wang 2020).

    Parameters
    ----------
    alpha : float
        α, in (0, 1]: 1 is a tanh cell; with a smaller α the state lasts for about 1/α steps.

    Raises
    ------
    ValueError
        If α is outside (0, 1].
    """

    alpha: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 1:
            raise ValueError(f"alpha must be above 0 and at most 1; got {self.alpha!r}")

    def forward(self, a: Values, before: Values) -> tuple[Values, Values]:
        """See ``Cell.forward``."""
        h = tanh(a[0])
        return (before[0] * (1.0 - self.alpha) + h * self.alpha,), (h,)

    def backward(
        self, d: Values, kept: Values, after: Values, before: Values
    ) -> tuple[Values, Values]:
        """See ``Cell.backward``."""
        (dh,), (h,) = d, kept
        return (dh * self.alpha * tanh_slope(h),), (dh * (1.0 - self.alpha),)
