"""The absolute difference. It predicts the median, however far outliers are."""

from typing import Any

from elman.equations.functions import positive, where
from elman.equations.losses.loss import Loss


class AbsoluteError(Loss):
    """L = |ŷ - y| with ŷ = z. At ŷ = y, where it has no derivative, its error is -1."""

    name = "absolute_error"

    def value(self, z: Any, y: Any) -> Any:
        """|z - y|."""
        difference = z - y
        return where(positive(difference), difference, -difference)

    def error(self, y_hat: Any, y: Any) -> Any:
        """1 or -1, the sign of ŷ - y."""
        difference = y_hat - y
        return where(positive(difference), 1.0, 0.0 * difference - 1.0)
