"""What one unit of a layer does with its pre-activation, forward and backward.

A cell is pointwise; the matrix products belong to the layer. ``derivative`` takes the *activated*
state, as the notes' 1 - tanh²(h_unactivated) is 1 - h_activated².
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from elman._typing import Array


class Cell(NamedTuple):
    """A pointwise activation f, its derivative f' written in terms of f, and whether W exists."""

    activation: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    recurrent: bool


def _tanh_derivative(h_activated: Array) -> Array:
    return 1 - h_activated**2


# Complex numbers have no order: the real part decides which side of zero a unit is on.
def _relu(h_unactivated: Array) -> Array:
    return np.where(h_unactivated.real > 0, h_unactivated, 0)


def _relu_derivative(h_activated: Array) -> Array:
    return (h_activated.real > 0).astype(h_activated.dtype)


CELLS = {
    "tanh": Cell(np.tanh, _tanh_derivative, recurrent=True),  # the notes' own (N2)
    "relu": Cell(_relu, _relu_derivative, recurrent=True),
    "dense": Cell(np.tanh, _tanh_derivative, recurrent=False),  # the notes' first page (N1)
}
"""The cells by name. ``dense`` is a tanh layer without recurrence."""
