"""N4, learning: a step against the gradient."""

from elman._typing import Array


def descend(parameter: Array, gradient: Array, learning_rate: float | Array) -> None:
    """W ← W - α dL/dW, in place; the same for V and U (N4). α may differ entry by entry."""
    parameter -= learning_rate * gradient
