"""Half the square of the difference, as in scikit-learn. It predicts the mean."""

from typing import Any

from elman.equations.losses.loss import Loss


class SquaredError(Loss):
    """L = ½ (ŷ - y)² with ŷ = z; its error is ŷ - y, as N5's is."""

    name = "squared_error"

    def value(self, z: Any, y: Any) -> Any:
        """½ (z - y)²."""
        difference = z - y
        return 0.5 * difference * difference

    def error(self, y_hat: Any, y: Any) -> Any:
        """ŷ - y."""
        return y_hat - y
