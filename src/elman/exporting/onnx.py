"""An ONNX file (opset 17): RNN, GRU and LSTM if ONNX has the cell, otherwise Scan.

    inputs   x (batch, length, D)          for tokens (batch, length, 1), the numbers of their columns
             lengths (batch,), int64        if left out, all sequences have as many steps as x
             state (batch, S)               if left out, zeros, or the learned initial states
    outputs  probabilities or predictions   (batch, K), or (batch, length, K), zeros past the end
             state_after (batch, S)         pass it as ``state`` in the next call

A row of ``state`` has what ``Carry`` has, the states of all layers, lowest first, and then what a
readout of all steps has read so far. Bidirectional networks have neither ``state`` nor
``state_after``, because their reverse layers begin at a sequence's end. Networks also have neither if
their front end does more than standardise, or if missing values are filled forward: what these need
from earlier steps is not in the states of layers.

ONNX puts the gates of an LSTM in the order i, o, f, g, and those of a GRU in the order z, r, n; each
has two biases, of which elman has the sum, except for the candidate of a GRU
(``linear_before_reset=1``). The layers of ONNX Runtime do not support float64, so in float64 all cells
are written as Scan.

Letters: T steps, B sequences, D features, H units, K outputs, G gates.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from elman._typing import Array
from elman.equations import Layer
from elman.equations.cells import GRU, LSTM, Cell, Relu, Tanh
from elman.exporting import symbols
from elman.exporting.extras import require
from elman.exporting.onnx_front_end import counted, filled, front_end_nodes
from elman.exporting.onnx_graph import Graph
from elman.exporting.portable import Portable

OPSET, IR_VERSION = 17, 8
ALL = np.iinfo(np.int64).max

# ONNX's name of a cell's layer, its activations in one direction, and the order of its gates.
_LAYERS: dict[type[Cell], tuple[str, list[str], tuple[str, ...]]] = {
    Tanh: ("RNN", ["Tanh"], ("h",)),
    Relu: ("RNN", ["Relu"], ("h",)),
    GRU: ("GRU", ["Sigmoid", "Tanh"], ("z", "r", "n")),
    LSTM: ("LSTM", ["Sigmoid", "Tanh", "Tanh"], ("i", "o", "f", "g")),
}


def to_onnx(model: Portable) -> bytes:
    """Write a model as ONNX.

    Raises
    ------
    ElmanError
        If onnx is not installed, or a cell or loss of the user's own cannot be written down.
    """
    onnx = require("onnx", "onnx", "exporting to ONNX")
    return bytes(_Writer(model, onnx).model().SerializeToString())


class _Writer:
    """Writes one model; the graph grows from the input to the answers."""

    def __init__(self, model: Portable, onnx: Any) -> None:
        self.onnx, self.portable = onnx, model
        self.architecture, self.dtype = model.architecture, model.dtype
        self.graph = Graph(onnx, self.dtype)
        alone = model.front_end.standardizes_alone
        if model.filling is not None and model.filling.policy == "forward":
            alone = False
        self.streams = alone and not self.architecture.bidirectional

    def model(self) -> Any:
        """The whole file."""
        portable, graph, helper = self.portable, self.graph, self.onnx.helper
        K = self.architecture.n_outputs
        x = self._input()
        states, carried = self._states()
        above = graph.add("Transpose", x, perm=[1, 0, 2])  # (T, B, D)
        if self.architecture.tokens:
            above = self._one_hot(above)
        layers = portable.parameters.layers
        n_directions = len(self.architecture.directions)
        after: list[str] = []
        for k in range(0, len(layers), n_directions):
            level, before = layers[k : k + n_directions], states[k : k + n_directions]
            above, finals = self._level(above, level, before)
            after += [name for of_layer in finals for name in of_layer]
        h = [of_layer[0] for of_layer in finals]
        read, carried = self._read(above, h, carried)
        answers = self._answers(read)
        outputs = [graph.output(portable.kind, answers, self._answer_dtype, self._shape(K))]
        if self.streams:
            joined = graph.add("Concat", *after, *carried, axis=1)
            outputs.append(
                graph.output("state_after", joined, self.dtype, ["batch", self.n_states])
            )
        made = helper.make_model(
            graph.made("elman", outputs),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="elman",
            doc_string=f"A recurrent network written by elman: {portable.summary}.",
        )
        helper.set_model_props(made, {name: json.dumps(v) for name, v in portable.about.items()})
        self.onnx.checker.check_model(made, full_check=True)
        return made

    @property
    def _answer_dtype(self) -> Any:
        return self.dtype if self.portable.target_scale is None else np.dtype(np.float64)

    def _shape(self, K: int) -> list[Any]:
        return ["batch", "length", K] if self.portable.every_step else ["batch", K]

    def _input(self) -> str:
        """Inputs, the front end's output for them, and the numbers of steps."""
        graph, int64, front_end = self.graph, np.dtype(np.int64), self.portable.front_end
        graph.input("x", self.dtype, ["batch", "length", self.portable.n_columns])
        graph.input("lengths", int64, ["batch_or_1"], default=np.array([ALL], int64))
        shape = graph.add("Shape", "x")
        self.n = graph.add("Slice", shape, *graph.integers([0], [1]))  # (1,), B
        T = graph.add("Slice", shape, *graph.integers([1], [2]))
        lengths = graph.add("Expand", graph.add("Min", "lengths", T), self.n)
        x, filling = "x", self.portable.filling
        if filling is not None:
            x = filled(graph, filling, self.dtype, x, self.n)
        x, self.lengths, T = front_end_nodes(graph, front_end, self.dtype, x, lengths, T)
        self.steps = graph.add("Unsqueeze", counted(graph, T), *graph.integers([-1]))  # (T, 1)
        return x

    def _one_hot(self, x: str) -> str:
        """The one-hot input that ONNX's layers need, (T, B, D), from numbers of tokens, (T, B, 1)."""
        graph = self.graph
        columns = graph.add("Cast", self._squeezed(x, 2), to=graph.type_of(np.dtype(np.int64)))
        values = graph.constant(
            "values", np.array([0, 1], np.float32)
        )  # ONNX Runtime supports no other type
        depth = graph.integers([self.architecture.n_features])
        made = graph.add("OneHot", columns, *depth, values, axis=-1)
        if self.dtype == np.float32:
            return made
        return graph.add("Cast", made, to=graph.type_of(self.dtype))

    @cached_property
    def there(self) -> str:
        """Which steps exist, (T, B, 1)."""
        there = self.graph.add("Less", self.steps, self.lengths)
        return self.graph.add("Unsqueeze", there, *self.graph.integers([-1]))

    @cached_property
    def zero(self) -> str:
        """The value at steps that do not exist."""
        return self.graph.constant("none", np.zeros((), self.dtype))

    def _squeezed(self, value: str, axis: int) -> str:
        return self.graph.add("Squeeze", value, *self.graph.integers([axis]))

    def _states(self) -> tuple[list[list[str]], list[str]]:
        """The states that layers begin with, (B, H) each; and what the readout begins with."""
        graph, layers = self.graph, self.portable.parameters.layers
        rows = [row for layer in layers for row in layer.initial_states(1)]
        H, readout = self.architecture.hidden[-1], self.architecture.readout
        if not self.streams:
            names = iter(
                [self._expanded(graph.constant("initial", row.T), row.size) for row in rows]
            )
            return [[next(names) for _ in layer.cell.states] for layer in layers], []
        if readout == "mean":  # the sum, and its number of steps
            rows += [np.zeros((H, 1)), np.zeros((1, 1))]
        elif readout == "max":
            rows.append(np.full((H, 1), np.finfo(self.dtype).min))
        default = np.concatenate(rows).T.astype(self.dtype)  # (1, S)
        self.n_states = default.shape[1]
        graph.input("state", self.dtype, ["batch_or_1", self.n_states], default=default)
        parts = iter(
            graph.split(self._expanded("state", self.n_states), [len(row) for row in rows])
        )
        states = [[next(parts) for _ in layer.cell.states] for layer in layers]
        return states, list(parts)

    def _expanded(self, row: str, width: int) -> str:
        """Repeat a row for each sequence, if there is only one row: (B, width)."""
        shape = self.graph.add("Concat", self.n, *self.graph.integers([width]), axis=0)
        return self.graph.add("Expand", row, shape)

    # Layers

    def _level(
        self, x: str, level: Sequence[Layer], before: Sequence[list[str]]
    ) -> tuple[str, list[list[str]]]:
        """One layer, or two side by side: all states (T, B, ·), and the last of each layer, (B, H)."""
        if self.dtype == np.float32 and type(level[0].cell) in _LAYERS:
            return self._native(x, level, before)
        found = [self._written_down(x, *pair) for pair in zip(level, before, strict=True)]
        hs = [h for h, _ in found]
        above = hs[0] if len(hs) == 1 else self.graph.add("Concat", *hs, axis=2)
        return above, [finals for _, finals in found]

    def _native(
        self, x: str, level: Sequence[Layer], before: Sequence[list[str]]
    ) -> tuple[str, list[list[str]]]:
        """A layer that ONNX has."""
        graph, n = self.graph, len(level)
        operator, activations, order = _LAYERS[type(level[0].cell)]
        blocks = [_blocks(layer, order) for layer in level]
        U, W, b = (np.stack(arrays) for arrays in zip(*blocks, strict=True))
        weights = [graph.constant(name, a) for name, a in zip("UWb", (U, W, b), strict=True)]
        n_states = len(level[0].cell.states)
        initial = []
        for i in range(n_states):
            parts = [
                graph.add("Unsqueeze", of_layer[i], *graph.integers([0])) for of_layer in before
            ]  # (1, B, H) each
            initial.append(parts[0] if n == 1 else graph.add("Concat", *parts, axis=0))
        lengths = graph.add("Cast", self.lengths, to=graph.type_of(np.dtype(np.int32)))
        options = {"linear_before_reset": 1} if operator == "GRU" else {}
        h, *finals = graph.several(
            operator,
            [x, *weights, lengths, *initial],
            1 + n_states,
            hidden_size=level[0].n_units,
            direction="bidirectional" if n == 2 else "forward",
            activations=activations * n,
            **options,
        )  # (T, n, B, H), (n, B, H)
        if n == 1:
            squeezed = [self._squeezed(final, 0) for final in finals]
            return self._squeezed(h, 1), [squeezed]
        h = graph.add("Transpose", h, perm=[0, 2, 1, 3])
        above = graph.add("Reshape", h, *graph.integers([0, 0, n * level[0].n_units]))
        of_states = [graph.several("Split", [final], n, axis=0) for final in finals]
        return above, [[self._squeezed(of_state[d], 0) for of_state in of_states] for d in range(n)]

    def _written_down(self, x: str, layer: Layer, before: list[str]) -> tuple[str, list[str]]:
        """A layer by the lines of its cell's ``forward``: h (T, B, H), and the last states."""
        graph, cell, H = self.graph, layer.cell, layer.n_units
        after = symbols.of_cell(cell)
        from_x = graph.add("MatMul", x, graph.constant("U", layer.U.T))  # (T, B, G_x H)
        of_x, of_h = cell.gates_reading("x"), cell.gates_reading("h")
        b = np.zeros(len(cell.gates) * H, self.dtype) if layer.b is None else layer.b
        from_x = graph.add("Add", from_x, graph.constant("b", cell.rows_reading("x", b)))
        if layer.W is None and not symbols.reads_states(after):
            parts = dict(zip(of_x, graph.split(from_x, [H] * len(of_x)), strict=True))
            values = graph.written(after, {f"a_{cell.gates[g]}": a for g, a in parts.items()})
            return self._without_scan(values, layer.reverse)

        body = graph.body("step")
        x_t = body.input("x_t", self.dtype, None)
        there_t = body.input("there_t", np.dtype(bool), None)
        names = [body.input(f"before_{state}", self.dtype, None) for state in cell.states]
        entering = dict(zip(of_x, body.split(x_t, [H] * len(of_x)), strict=True))
        if layer.W is not None:
            from_h = body.add("MatMul", names[0], graph.constant("W", layer.W.T))
            if rest := [g for g in of_h if g not in of_x]:  # their bias is not in x_t's product
                biases = np.concatenate([np.split(b, len(cell.gates))[g] for g in rest])
                full = np.zeros((len(of_h), H), self.dtype)
                full[[of_h.index(g) for g in rest]] = biases.reshape(len(rest), H)
                from_h = body.add("Add", from_h, graph.constant("b", full.ravel()))
            for g, part in zip(of_h, body.split(from_h, [H] * len(of_h)), strict=True):
                entering[g] = body.add("Add", entering[g], part) if g in entering else part
        inputs = {f"a_{cell.gates[g]}": a for g, a in entering.items()}
        inputs |= {f"before_{s}": name for s, name in zip(cell.states, names, strict=True)}
        values = body.written(after, inputs)
        held = [
            body.add("Where", there_t, *pair) for pair in zip(values, names, strict=True)
        ]  # past the end the states do not change
        up = body.add("Where", there_t, values[0], self.zero)
        inputs_of_body = [*names, x_t, there_t]
        outputs = [body.output(None, value, self.dtype, None) for value in (*held, up)]
        *finals, h = graph.several(
            "Scan",
            [*before, from_x, self.there],
            len(names) + 1,
            body=body.made("step", outputs, order=inputs_of_body),
            num_scan_inputs=2,
            scan_input_directions=[int(layer.reverse)] * 2,
            scan_output_directions=[int(layer.reverse)],
        )
        return h, finals

    def _without_scan(self, values: list[str], reverse: bool) -> tuple[str, list[str]]:
        """Steps that do not depend on each other: all at once, (T, B, H)."""
        graph = self.graph
        h = graph.add("Where", self.there, values[0], self.zero)
        finals = []
        n = graph.add("Sub", self.lengths, graph.constant("one", np.array(1)))
        last = graph.add("Equal", self.steps, n)
        is_last = graph.add("Unsqueeze", last, *graph.integers([-1]))
        for value in values:
            if reverse:
                final = graph.add("Slice", value, *graph.integers([0], [1], [0]))
                finals.append(self._squeezed(final, 0))
            else:
                finals.append(self._summed(graph.add("Where", is_last, value, self.zero)))
        return h, finals

    def _summed(self, blocks: str) -> str:
        """Add up (T, B, ·) over the steps."""
        return self.graph.add("ReduceSum", blocks, *self.graph.integers([0]), keepdims=0)

    # The answer

    def _read(self, above: str, h: list[str], carried: list[str]) -> tuple[str, list[str]]:
        """What V multiplies, and the value that a readout carries on."""
        graph, readout = self.graph, self.architecture.readout
        if self.portable.every_step:
            return graph.add("Transpose", above, perm=[1, 0, 2]), []
        if readout == "last":
            return (h[0] if len(h) == 1 else graph.add("Concat", *h, axis=1)), []
        if readout == "mean":
            total = self._summed(above)
            steps = graph.add("Cast", self.lengths, to=graph.type_of(self.dtype))
            steps = graph.add("Unsqueeze", steps, *graph.integers([-1]))
            if carried:
                total = graph.add("Add", carried[0], total)
                steps = graph.add("Add", carried[1], steps)
            return graph.add("Div", total, steps), [total, steps]
        lowest = graph.constant("lowest", np.array(np.finfo(self.dtype).min, self.dtype))
        alive = graph.add("Where", self.there, above, lowest)
        largest = graph.add("ReduceMax", alive, axes=[0], keepdims=0)
        if carried:
            largest = graph.add("Max", carried[0], largest)
        return largest, [largest]

    def _answers(self, read: str) -> str:
        """The answer: ŷ, in the units of y."""
        graph, portable = self.graph, self.portable
        parameters, loss = portable.parameters, self.architecture.loss_function
        z = graph.add("MatMul", read, graph.constant("V", parameters["V"].T))
        if "c" in parameters:
            z = graph.add("Add", z, graph.constant("c", parameters["c"]))
        if symbols.is_softmax(loss):
            y = graph.add("Softmax", z, axis=-1)
        else:
            (y,) = graph.written([symbols.of_loss(loss)], {"z": z})
        if portable.target_scale is not None and portable.target_mean is not None:
            y = graph.add("Cast", y, to=graph.type_of(self._answer_dtype))
            y = graph.add("Mul", y, graph.constant("target_scale", portable.target_scale))
            y = graph.add("Add", y, graph.constant("target_mean", portable.target_mean))
        if portable.every_step:
            there = graph.add("Transpose", self.there, perm=[1, 0, 2])
            zero = graph.constant("none", np.zeros((), self._answer_dtype))
            y = graph.add("Where", there, y, zero)
        return y


def _blocks(layer: Layer, order: tuple[str, ...]) -> tuple[Array, Array, Array]:
    """U, W and the two biases of a layer, gate under gate in ONNX's order."""
    cell, H = layer.cell, layer.n_units
    zeros = np.zeros(H, layer.U.dtype)
    biases = [zeros] * len(cell.gates) if layer.b is None else np.split(layer.b, len(cell.gates))

    def rows(stacked: Any, what: str) -> list[Array]:
        """Split U or W; for n of a GRU, the part of h is the gate m."""
        gates = [cell.gates[g] for g in cell.gates_reading(what)]
        parts = dict(zip(gates, np.split(stacked, len(gates)), strict=True))
        return [parts["m" if gate == "n" and "m" in parts else gate] for gate in order]

    of = dict(zip(cell.gates, biases, strict=True))
    second = [of["m"] if gate == "n" and "m" in of else zeros for gate in order]
    b = [*(of[gate] for gate in order), *second]
    return (
        np.concatenate(rows(layer.U, "x")),
        np.concatenate(rows(layer.W, "h")),
        np.concatenate(b),
    )
