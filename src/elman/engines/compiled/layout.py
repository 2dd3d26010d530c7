"""Where everything stands in the flat arrays that compiled functions work in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from elman._typing import Array
from elman.engines.compiled.machine.losses import Activation, compiled_loss
from elman.engines.compiled.machine.pointwise import compiled, shape_of
from elman.engines.compiled.machine.tiles import VECTOR_BITS
from elman.equations import Cell
from elman.equations.losses import Loss
from elman.equations.readouts import READOUTS
from elman.parameters import Architecture

READOUT_CODES = {name: code for code, name in enumerate(READOUTS)}  # "last" is 0

LAYER = np.dtype(
    [
        (name, np.int64)
        for name in (
            # sizes; rows are the units (or inputs) rounded up to whole vectors
            "n_inputs", "input_rows", "n_units", "rows",
            # whether x_t is the number of a column of U, and the rows of dUᵀ
            "reads_tokens", "U_rows",
            # rows of the panel that its h of a step is part of, and whether it is the lower part, of a
            # layer that goes from the last step to the first
            "panel_rows", "reverse",
            # what it is; what is stored of a step are the states, and what the cell keeps
            "first_gate", "n_gates", "n_states", "n_stored", "n_straight", "has_layer_below",
            "straight",  # which states get an error straight from the step after: bit by bit
            "readout",
            # where, of a step, stands what goes up and what W reads: the states, or what masks leave of
            # them; where the masks stand among themselves, or -1; and what W reads at first
            "up_place", "in_time_place", "up_mask", "in_time_mask", "initial_in_time",
            # where the cell's compiled functions are in memory
            "cell_forward", "cell_backward",
            # of the output: whether answers are classes, under a softmax, and else those of the loss
            # (0 for a ŷ that is z), and what differs from output to output
            "is_softmax", "activation", "loss", "n_constants",
            # of a step, what comes before its inputs, what is stored, and its errors
            "inputs_place", "place", "error_place",
            # of the states before the first step: in a row of ``Data.initial``, in their panels; if
            # they are learned in the vector of parameters, else -1, and in the array of gradients
            "initial_column", "initial_place", "initial", "initial_gradient",
        )
    ]
)  # fmt: skip
"""A layer's entry in the table that compiled functions get; the last one is the output's.

Places count rows in ``panels``, and numbers in ``rows``. What is stored of a layer, its states first,
is ``panel_rows`` apart from one to the next: ``rows``, and more only in both directions, whose layers
share a panel for each value. Its errors are ``rows`` apart: those of the gates, then those that go
straight to each state before. ``readout`` is the output's alone.
"""

GATE = np.dtype(
    [
        (name, np.int64)
        for name in (
            "reads_x", "reads_h", "n_forward",
            # in the vector of parameters, -1 for what there is not
            "U", "W", "b",
            # in the array of copied weights: forward, (b, U, W)ᵀ; back to what is below, U; in time, W
            "forward", "back_down", "back_in_time",
            # in the array of gradients: (db, dU, dW)ᵀ
            "gradient", "gradient_rows",
            # of its panels of units, which of all is the first
            "first_panel",
        )
    ]
)  # fmt: skip
"""A gate's entry in a table like that; the output has one gate."""


SPAN = np.dtype([(name, np.int64) for name in ("first_x", "n_x", "first_h", "n_h")])
"""Of a panel of units, the inputs x_t that it reads, and the h_{t-1}: the first, and how many."""


class Net(NamedTuple):
    """A network as compiled functions take it."""

    layers: Array  # (n_layers + 1,) of LAYER
    gates: Array  # of GATE
    weights: Array  # the parameters, copied
    spans: Array  # (n_panels,) of SPAN
    state_rows: int  # as in Layout
    error_rows: int
    initial_rows: int
    mask_rows: int
    widest: int
    has_readout: bool  # that reads more than the last step


class Data(NamedTuple):
    """The sequences of a batch, longest first, as compiled functions take them."""

    values: Array  # (n_steps_in_all, D)
    starts: Array  # (B,), where each begins in values
    lengths: Array  # (B,)
    members: Array  # (B,), their numbers: the places of their answers
    initial: Array  # (B, states) before the first step, (1, states) of all, (0, …) zeros
    after: Array  # (B, states), to write those after the last step to; (0, …): nowhere
    learns_initial: bool  # whether those before the first step are parameters
    every_step: bool  # or answers stand at the steps' places in values


class Targets(NamedTuple):
    """What a batch ought to answer."""

    labels: Array  # (n_answers_in_all,), where answers are classes
    numbers: Array  # (n_answers_in_all, n_numbers), where they are numbers
    weights: Array  # (n_answers_in_all,)
    outputs_a_number: int
    constants: Array  # (n_constants, K), what differs from output to output


@dataclass(frozen=True, eq=False)
class Layout:
    """How a network's weights, gradients and states are laid out.

    Attributes
    ----------
    architecture : Architecture
    unit : int
        To multiples of this numbers of rows are rounded up: the lanes of a vector, or of several.
    dtype : dtype
    layers : array (n_layers + 1,) of LAYER
        The output, which has V and c for U and b, is the last.
    gates : array of GATE
    n_weights, n_panels, n_gradients : int
        Lengths of the arrays of copied weights, of their panels, and of gradients.
    state_rows, error_rows, initial_rows, mask_rows : int
        Rows of the panels of x and of what is stored of all layers, for one step; of all errors; of
        the states before the first step; of the masks of dropout.
    widest : int
        Rows of the highest panel, all gates of a layer together.
    masked : (bool, bool)
        Whether states are masked on their way up, and on their way into W.
    """

    architecture: Architecture
    unit: int
    dtype: np.dtype[Any]
    layers: Array
    gates: Array
    n_weights: int
    n_panels: int
    n_gradients: int
    state_rows: int
    error_rows: int
    initial_rows: int
    mask_rows: int
    widest: int
    masked: tuple[bool, bool]

    def __reduce__(self) -> tuple[Any, ...]:
        # in another process the cells' functions are elsewhere
        return layout_of, (self.architecture, self.unit, self.dtype, self.masked)

    @property
    def states(self) -> Iterator[tuple[int, int, int]]:
        """For each state, lowest layer first: its place (of ``rows``), units, and column in all."""
        for layer in self.layers[:-1]:
            H = int(layer["n_units"])
            for s in range(int(layer["n_states"])):
                place = int(layer["place"]) + s * int(layer["rows"])
                yield place, H, int(layer["initial_column"]) + s * H

    def net(self, weights: Array, spans: Array) -> Net:
        """The network, with its parameters as ``packing`` copies them."""
        return Net(self.layers, self.gates, weights, spans, *self._numbers)

    @cached_property  # small networks have no time to lose on it
    def _numbers(self) -> tuple[int, int, int, int, int, bool]:
        """The last fields of a ``Net``."""
        has_readout = self.architecture.readout != "last"
        rows = self.state_rows, self.error_rows, self.initial_rows, self.mask_rows
        return *rows, self.widest, has_readout

    @cached_property
    def all_inputs(self) -> Array:
        """``Net.spans`` of panels that read all inputs."""
        spans = np.zeros(self.n_panels, SPAN)
        for layer in self.layers:
            n_gates, first = int(layer["n_gates"]), int(layer["first_gate"])
            for gate in self.gates[first : first + n_gates]:
                of_gate = spans[gate["first_panel"] :]  # later gates write over the rest
                of_gate["n_x"] = gate["reads_x"] * layer["n_inputs"]
                of_gate["n_h"] = gate["reads_h"] * layer["n_units"]
        return spans

    @cached_property
    def to_train(self) -> Layout:
        """Itself, with what only training needs: the cells' backward functions, and the loss."""
        cells = [spec.cell for spec in self.architecture.stack]
        for layer, cell in zip(self.layers[:-1], cells, strict=True):
            if not layer["cell_backward"]:
                layer["cell_backward"] = compiled(cell, "backward", self.dtype)
        loss, out = self.architecture.loss_function, self.layers[-1]
        if not (out["is_softmax"] or out["loss"]):
            of_panels = self.unit == lanes_of(self.dtype)
            out["loss"] = compiled_loss(loss, of_panels, self.dtype)
        return self

    @classmethod
    def of(
        cls,
        architecture: Architecture,
        unit: int,
        dtype: np.dtype[Any],
        masked: tuple[bool, bool] = (False, False),
    ) -> Layout:
        """Lay a network out."""
        if dtype not in (np.float32, np.float64):
            raise TypeError(f"the compiled engine takes float32 and float64; got {dtype}")

        def up(n: int) -> int:
            return -(-n // unit) * unit

        starts = _starts(architecture)
        stack, n_directions = architecture.stack, len(architecture.directions)
        table = np.zeros(len(stack) + 1, LAYER)
        gates: list[Array] = []
        place = input_rows = up(architecture.n_inputs)
        n_weights = n_panels = n_gradients = error_place = initial_column = initial_place = 0
        mask_rows, lanes = 0, lanes_of(dtype)
        for k, layer in enumerate(table):
            key, cell, n_units, reverse = (
                stack[k] if k < len(stack) else ("", None, architecture.n_outputs, False)
            )
            level = k // n_directions
            if level == 0:
                n_inputs, layer["reads_tokens"] = architecture.n_features, architecture.tokens
            else:
                below = table[(level - 1) * n_directions]
                n_inputs = int(below["n_units"]) * n_directions
                input_rows, layer["inputs_place"] = below["panel_rows"], below["up_place"]
            layer["n_inputs"], layer["n_units"] = n_inputs, n_units
            layer["input_rows"], layer["rows"] = input_rows, up(n_units)
            layer["U_rows"] = up(n_inputs) if level == 0 else input_rows
            # rounded up, the lower part still fits in
            layer["panel_rows"] = up((n_directions - 1) * n_units + up(n_units))
            layer["reverse"] = reverse
            layer["has_layer_below"] = level > 0
            layer["first_gate"], layer["n_gates"] = len(gates), 1
            n_errors = 0
            if cell is not None:
                n_kept, straight = shape_of(cell)
                layer["n_gates"], layer["n_states"] = len(cell.gates), len(cell.states)
                layer["n_stored"] = len(cell.states) + n_kept
                layer["cell_forward"] = compiled(cell, "forward", dtype)
                layer["n_straight"] = len(straight)
                layer["straight"] = sum(1 << s for s in straight)
                layer["initial_column"], layer["initial_place"] = initial_column, initial_place
                initial_column += n_units * len(cell.states)
                initial_place += up(n_units) * len(cell.states)
                n_errors = len(cell.gates) + len(straight)
            layer["place"], layer["error_place"] = place, error_place
            if reverse:
                layer["place"] = table[k - 1]["place"]
            else:
                place += int(layer["panel_rows"]) * int(layer["n_stored"])
            layer["up_place"] = layer["in_time_place"] = layer["place"]
            layer["up_mask"] = layer["in_time_mask"] = -1
            layer["initial_in_time"] = layer["initial_place"]
            for way, has_mask in zip(("up", "in_time"), masked, strict=True):
                if cell is not None and has_mask and (way == "up" or cell.recurrent):
                    layer[f"{way}_place"], layer[f"{way}_mask"] = place, mask_rows
                    mask_rows += up(n_units)
                    if reverse:
                        layer[f"{way}_place"] = table[k - 1][f"{way}_place"]
                    else:
                        place += int(layer["panel_rows"])
                    if way == "in_time":
                        layer["initial_in_time"] = initial_place
                        initial_place += up(n_units)
            error_place += up(n_units) * n_errors
            for g in range(int(layer["n_gates"])):
                gate = np.zeros((), GATE)
                _place_in_parameters(gate, starts, key, g, n_inputs, n_units, cell)
                gate["n_forward"] = 1 + gate["reads_x"] * n_inputs + gate["reads_h"] * n_units
                gate["forward"] = n_weights
                n_weights += up(n_units) * int(gate["n_forward"])
                gate["back_down"] = n_weights  # no error goes down to x
                n_weights += up(n_inputs) * n_units * int(gate["reads_x"]) * (level > 0)
                gate["back_in_time"] = n_weights
                n_weights += up(n_units) * n_units * int(gate["reads_h"])
                gate["gradient"] = n_gradients
                gate["gradient_rows"] = (
                    1 + gate["reads_x"] * layer["U_rows"] + gate["reads_h"] * up(n_units)
                )
                n_gradients += up(n_units) * int(gate["gradient_rows"])
                gate["first_panel"] = n_panels
                n_panels += up(n_units) // lanes
                gates.append(gate)
            layer["initial"] = starts.get(f"initial{key}", -1)
            layer["initial_gradient"] = n_gradients
            if layer["initial"] >= 0:
                n_gradients += up(n_units) * int(layer["n_states"])
        _set_loss(table[-1], architecture, dtype)
        table["readout"][-1] = READOUT_CODES[architecture.readout]
        # Records of ``rows``: the same place of many, in which sums go, would be in a few lines of the
        # cache if their length were a power of two.
        beside = lanes if unit > lanes else 0
        widest = int(max(up(architecture.n_inputs), (table["rows"] * table["n_gates"]).max()))
        return cls(
            architecture, unit, dtype, table, np.array(gates, GATE), n_weights, n_panels, n_gradients,
            place + beside, error_place + beside, initial_place, mask_rows, widest, masked,
        )  # fmt: skip


def _set_loss(out: Array, architecture: Architecture, dtype: np.dtype[Any]) -> None:
    """Say what the output is: a softmax, or what a loss of numbers makes of z."""
    loss = architecture.loss_function
    out["is_softmax"] = loss.takes_classes
    if not loss.takes_classes:
        out["n_constants"] = len(loss.constants(architecture.n_outputs))
        if type(loss).activate is not Loss.activate:
            out["activation"] = compiled(Activation(loss), "forward", dtype)


def lanes_of(dtype: np.dtype[Any]) -> int:
    """How many numbers a vector has."""
    return VECTOR_BITS // (8 * dtype.itemsize)


def layout_of(
    architecture: Architecture,
    unit: int,
    dtype: np.dtype[Any],
    masked: tuple[bool, bool] = (False, False),
) -> Layout:
    """Lay a network out, once."""
    return _laid_out(architecture, unit, dtype, masked)


_laid_out = lru_cache(Layout.of)


def _starts(architecture: Architecture) -> dict[str, int]:
    """Where each parameter begins in the vector of all."""
    starts: dict[str, int] = {}
    start = 0
    for name, shape in architecture.shapes.items():
        starts[name] = start
        start += prod(shape)
    return starts


def _place_in_parameters(
    gate: Array, starts: dict[str, int], key: str, g: int, D: int, H: int, cell: Cell | None
) -> None:
    """Say where the rows of a layer's gate g begin; without a cell it is the output."""
    if cell is None:
        gate["U"], gate["W"], gate["b"], gate["reads_x"] = starts["V"], -1, starts.get("c", -1), 1
        return
    of_x, of_h = cell.gates_reading("x"), cell.gates_reading("h")
    gate["reads_x"], gate["reads_h"] = g in of_x, g in of_h
    gate["U"] = starts[f"U{key}"] + of_x.index(g) * H * D if g in of_x else -1
    gate["W"] = starts[f"W{key}"] + of_h.index(g) * H * H if g in of_h else -1
    gate["b"] = starts[f"b{key}"] + g * H if f"b{key}" in starts else -1
