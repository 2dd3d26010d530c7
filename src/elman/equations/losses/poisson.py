"""Poisson's likelihood, for counts and other numbers that are not below zero."""

from typing import Any

import numpy as np

from elman._typing import Array
from elman.equations.functions import exp
from elman.equations.losses.loss import Loss


class Poisson(Loss):
    """L = ŷ - y log ŷ with ŷ = exp z, so that ŷ > 0.

    It is -log of Poisson's probability, without the term that depends only on y, as in
    scikit-learn's ``PoissonRegressor`` and PyTorch's ``poisson_nll_loss``; so it may be below zero.
    """

    name = "poisson"
    standardizes = False

    def activate(self, z: Any) -> Any:
        """Exp z."""
        return exp(z)

    def link(self, y_hat: Array) -> Array:
        """Log ŷ; a large negative number where ŷ is 0."""
        return np.asarray(np.log(np.maximum(y_hat, 1e-6)))

    def value(self, z: Any, y: Any) -> Any:
        """Exp z - y z."""
        return exp(z) - y * z

    def error(self, y_hat: Any, y: Any) -> Any:
        """ŷ - y."""
        return y_hat - y

    def check(self, y: Array) -> str:
        """Say that a count is below zero."""
        if np.any(y < 0):
            return f"numbers below zero, such as {y.min():g}; expected counts, 0 or more"
        return ""
