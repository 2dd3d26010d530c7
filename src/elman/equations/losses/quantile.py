"""The pinball loss. It predicts quantiles (Koenker and Bassett 1978, eq. 3.1)."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from elman._typing import Array
from elman.equations.functions import positive, where
from elman.equations.losses.loss import Loss


@dataclass(frozen=True)
class Quantile(Loss):
    """L = τ (y - ŷ) where y > ŷ, and (1 - τ) (ŷ - y) elsewhere, with ŷ = z.

    Each number of a target has an output for each quantile: those of the first number, then those
    of the second, … Quantiles that are close together may cross.

    Attributes
    ----------
    quantiles : tuple of float
        τ, each between 0 and 1.
    """

    quantiles: tuple[float, ...] = (0.5,)

    name = "quantile"

    def __post_init__(self) -> None:
        given: Any = self.quantiles
        given = tuple(given) if np.iterable(given) else (given,)
        for tau in given:
            if not isinstance(tau, Real) or not 0 < float(tau) < 1:
                raise ValueError(f"every quantile must be a number between 0 and 1; got {tau!r}")
        if not given:
            raise ValueError("there must be at least one quantile; got none")
        object.__setattr__(self, "quantiles", tuple(map(float, given)))

    @property
    def outputs_a_number(self) -> int:
        """One for each quantile."""
        return len(self.quantiles)

    def constants(self, n_outputs: int) -> tuple[Array, ...]:
        """τ of each output, (K, 1)."""
        return (np.resize(self.quantiles, n_outputs)[:, None],)

    def value(self, z: Any, y: Any, tau: Any) -> Any:
        """τ (y - z), or (τ - 1) (y - z)."""
        difference = y - z
        return where(positive(difference), tau * difference, (tau - 1.0) * difference)

    def error(self, y_hat: Any, y: Any, tau: Any) -> Any:
        """-τ, or 1 - τ."""
        return where(positive(y - y_hat), -tau, 1.0 - tau)
