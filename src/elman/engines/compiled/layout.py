"""Where everything stands in the flat arrays that compiled functions work in."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np

from elman._typing import Array
from elman.parameters import Architecture

LAYER = np.dtype(
    [
        (name, np.int64)
        for name in (
            # sizes; rows are the units (or inputs) rounded up to whole vectors
            "n_inputs", "input_rows", "n_units", "rows", "n_forward",
            # what it is
            "recurrent", "relu", "has_layer_below",
            # in the vector of parameters, -1 for what there is not
            "U", "W", "b",
            # in the array of copied weights: forward, (b, U, W)ᵀ; back to what is below, U; in time, W
            "forward", "back_down", "back_in_time",
            # in the array of gradients: (db, dU, dW)ᵀ
            "gradient", "gradient_rows",
            # what of a step comes before its own
            "inputs_place", "place",
        )
    ]
)  # fmt: skip
"""A layer's entry in the table that compiled functions get; the last one is the output's.

Places of inputs and states count rows in ``panels``, and numbers in ``rows``.
"""


class Net(NamedTuple):
    """A network as compiled functions take it."""

    layers: Array  # (n_layers + 1,) of LAYER
    weights: Array  # the parameters, copied
    state_rows: int  # as in Layout
    widest: int


class Data(NamedTuple):
    """The sequences of a batch, longest first, as compiled functions take them."""

    values: Array  # (n_steps_in_all, D)
    starts: Array  # (B,), where each begins in values
    lengths: Array  # (B,)
    members: Array  # (B,), their numbers: the places of their answers
    every_step: bool  # or answers stand at the steps' places in values


class Targets(NamedTuple):
    """What a batch ought to answer."""

    labels: Array  # (n_answers_in_all,)
    weights: Array  # (n_answers_in_all,)


@dataclass(frozen=True, eq=False)
class Layout:
    """How a network's weights, gradients and states are laid out.

    Attributes
    ----------
    unit : int
        To multiples of this numbers of rows are rounded up: the lanes of a vector, or of several.
    layers : array (n_layers + 1,) of LAYER
        The output, which has V and c for U and b, is the last.
    n_weights, n_gradients : int
        Lengths of the arrays of copied weights and of gradients.
    state_rows : int
        Rows of the panels of x and of all layers' states, for one step.
    widest : int
        Rows of the highest panel.
    """

    unit: int
    layers: Array
    n_weights: int
    n_gradients: int
    state_rows: int
    widest: int

    @classmethod
    def of(cls, architecture: Architecture, unit: int) -> Layout:
        """Lay a network out."""
        starts: dict[str, int] = {}
        start = 0
        for name, shape in architecture.shapes.items():
            starts[name] = start
            start += prod(shape)

        def up(n: int) -> int:
            return -(-n // unit) * unit

        n_layers = len(architecture.hidden)
        table = np.zeros(n_layers + 1, LAYER)
        sizes = (architecture.n_features, *architecture.hidden, architecture.n_outputs)
        n_weights = n_gradients = place = 0
        for k, layer in enumerate(table):
            is_output = k == n_layers
            names = ("V", "", "c") if is_output else (f"U{k + 1}", f"W{k + 1}", f"b{k + 1}")
            layer["U"], layer["W"], layer["b"] = (starts.get(name, -1) for name in names)
            layer["n_inputs"], layer["n_units"] = n_inputs, n_units = sizes[k], sizes[k + 1]
            layer["input_rows"], layer["rows"] = up(n_inputs), up(n_units)
            layer["recurrent"] = recurrent = int(layer["W"] >= 0)
            layer["has_layer_below"] = k > 0
            layer["relu"] = not is_output and architecture.cells[k] == "relu"

            layer["n_forward"] = 1 + n_inputs + recurrent * n_units
            layer["forward"] = n_weights
            n_weights += up(n_units) * int(layer["n_forward"])
            layer["back_down"] = n_weights
            n_weights += up(n_inputs) * n_units if k else 0  # no error goes down to x
            layer["back_in_time"] = n_weights
            n_weights += up(n_units) * n_units * recurrent

            layer["gradient"] = n_gradients
            layer["gradient_rows"] = 1 + up(n_inputs) + recurrent * up(n_units)
            n_gradients += up(n_units) * int(layer["gradient_rows"])

            layer["inputs_place"] = place
            place += up(n_inputs)
            layer["place"] = place
        return cls(unit, table, n_weights, n_gradients, place, up(max(sizes)))
