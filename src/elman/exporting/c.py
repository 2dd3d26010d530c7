"""One C99 file: weights as constants, a struct of states, and a function that takes a step.

    NAME_state state;
    NAME_begin(&state);
    for each step:  NAME_step(&state, x, y);      y is the answer if the sequence ended here

If a front end needs whole sequences, there is NAME_predict(x, T, y) instead (``c_front_end``).

The file needs only <math.h>. It allocates no memory and has no globals that change, so any number of
sequences can run at the same time. Only for networks that are not bidirectional.

Letters: D features, H units, K outputs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import indent
from typing import Any

import numpy as np

from elman._typing import Array
from elman.equations import Layer
from elman.errors import ElmanError
from elman.exporting import symbols
from elman.exporting.c_front_end import CFrontEnd
from elman.exporting.portable import Portable
from elman.exporting.symbols import Operand, Symbol

_PER_LINE = 6


def to_c(model: Portable, stem: str = "model") -> str:
    """Write a model as C99.

    Parameters
    ----------
    model : Portable
    stem : str
        The beginning of the names of types and functions.

    Raises
    ------
    ElmanError
        If the network is bidirectional, if missing values are filled and whole sequences are taken, or
        if a cell or loss of the user's own cannot be written down.
    """
    if model.architecture.bidirectional:
        raise ElmanError(
            "a bidirectional network cannot be exported as C, which takes a step at a time: its "
            "reverse layers begin at the end of the sequence. Export it to .onnx, or train one with "
            "bidirectional=False."
        )
    file = _File(model, identifier(stem))
    if model.filling is not None and file.front.whole:
        raise ElmanError(
            f"a model that fills missing values (missing={model.filling.policy!r}) and takes frames or "
            "whole sequences cannot be exported as C. Export it to .onnx or .pt; or export its "
            "network_, and give that what network_input makes of X."
        )
    return file.text()


def identifier(stem: str) -> str:
    """Turn the name of a file into an identifier of C."""
    name = re.sub(r"\W+", "_", stem, flags=re.ASCII).strip("_")
    return name if name[:1].isalpha() else f"model_{name}".rstrip("_")


class _File:
    """One file; ``real`` is the type of all numbers but answers in the units of y."""

    def __init__(self, model: Portable, name: str) -> None:
        self.model, self.name = model, name
        self.architecture = model.architecture
        self.single = model.dtype == np.float32
        self.real = "float" if self.single else "double"
        self.answer = self.real if model.target_scale is None else "double"
        self.front = CFrontEnd(model, name, self.real, self.answer)

    def text(self) -> str:
        """The whole file."""
        name = self.name
        return "\n".join(
            [
                self._head(),
                f"#ifndef {name.upper()}_H",
                f"#define {name.upper()}_H",
                "",
                self._declarations(),
                "#endif",
                "",
                f"#ifndef {name.upper()}_DECLARATIONS",
                "",
                "#include <math.h>",
                "",
                *self._arrays(),
                self._multiply(),
                *([] if self.front.steps else [self._state()]),
                self._begin(),
                self._network(),
                *([] if self.front.alone else self.front.functions()),
                *self._filling(),
                "#endif",
                "",
            ]
        )

    def _head(self) -> str:
        lines = [
            "A recurrent network, written by elman: C99, which needs <math.h> alone.",
            self.model.summary[0].upper() + self.model.summary[1:] + ".",
            "",
            *self.front.usage(),
        ]
        about = dict(self.model.about)
        if "tokens" in about:  # they may be spaces and commas
            about["tokens"] = [repr(token) for token in about["tokens"]]
        lines += [f"{key}: {_comment(value)}" for key, value in about.items()]
        lines += ["", f"Define {self.name.upper()}_DECLARATIONS to include the declarations alone."]
        text = "\n".join(f"   {line}".rstrip() for line in lines)
        return f"/* {text.lstrip()} */\n"

    # Declarations

    @property
    def _fields(self) -> dict[str, int]:
        """The arrays in the struct, and their lengths."""
        stack = self.architecture.stack
        found = {f"{s}{key}": H for key, cell, H, _ in stack for s in cell.states}
        if self.architecture.readout != "last":
            found["read"] = stack[-1].n_units  # what the readout carries
        filling = self.model.filling
        if filling is not None and filling.policy == "forward":
            found["last"] = len(filling.means)  # the last value of each feature
        return found

    def _declarations(self) -> str:
        declared = []
        if self.front.steps:
            begin = f"void {self.name}_begin({self.name}_state *state);"
            declared += [self._state(), begin, f"{self.front.step_signature};"]
        if self.front.whole:
            declared.append(f"{self.front.predict_signature};")
        return "\n".join([*declared, ""])

    def _state(self) -> str:
        """The struct."""
        fields = [f"    {self.real} {field}[{n}];" for field, n in self._fields.items()]
        if self.architecture.readout != "last":
            fields.append("    unsigned long n_steps;")
        fields += [f"    {field}" for field in self.front.fields()]
        return "\n".join(["typedef struct {", *fields, f"}} {self.name}_state;", ""])

    def _arrays(self) -> Iterator[str]:
        """Weights, means and scales."""
        model = self.model
        if model.standardizes or not self.front.alone:
            yield self._array("mean", model.mean)
            yield self._array("scale", model.scale)
        if model.filling is not None:
            yield self._array("fill", np.array(model.filling.means, model.dtype))
        if model.front_end.level is not None:
            yield self._array("level", model.front_end.level)
        for name, array in model.parameters.items():
            yield self._array(name, array)
        if model.target_mean is not None and model.target_scale is not None:
            yield self._array("target_mean", model.target_mean)
            yield self._array("target_scale", model.target_scale)

    def _array(self, name: str, array: Array) -> str:
        literals = [_literal(x, array.dtype == np.float32) for x in array.ravel()]
        rows = [", ".join(literals[i : i + _PER_LINE]) for i in range(0, len(literals), _PER_LINE)]
        kind = "float" if array.dtype == np.float32 else "double"
        shape = " by ".join(map(str, array.shape))
        body = ",\n    ".join(rows)
        return f"/* {shape} */\nstatic const {kind} {name}[{array.size}] = {{\n    {body}\n}};\n"

    def _multiply(self) -> str:
        real = self.real
        return f"""/* out = M v, or out = M v + b */
static void multiply(const {real} *M, const {real} *v, const {real} *b, {real} *out,
                     int rows, int columns)
{{
    for (int i = 0; i < rows; i++) {{
        {real} sum = b ? b[i] : {_literal(0, self.single)};
        for (int j = 0; j < columns; j++)
            sum += M[i * columns + j] * v[j];
        out[i] = sum;
    }}
}}
"""

    # Functions

    def _begin(self) -> str:
        """The function that sets the states before the first step."""
        lines = []
        for (key, cell, H, _), layer in zip(
            self.architecture.stack, self.model.parameters.layers, strict=True
        ):
            for i, s in enumerate(cell.states):
                first = _literal(0, self.single)
                if layer.initial is not None:
                    first = f"initial{key}[{i * H} + i]"
                lines += [f"for (int i = 0; i < {H}; i++)", f"    state->{s}{key}[i] = {first};"]
        if self.architecture.readout != "last":
            H = self.architecture.hidden[-1]
            lines += [f"for (int i = 0; i < {H}; i++)"]
            lines += [f"    state->read[i] = {_literal(0, self.single)};", "state->n_steps = 0;"]
        if "last" in self._fields:
            D = self._fields["last"]
            lines += [f"for (int d = 0; d < {D}; d++)", "    state->last[d] = fill[d];"]
        lines += self.front.begin()
        body = indent("\n".join(lines), "    ")
        static = "" if self.front.steps else "static "
        return f"{static}void {self.name}_begin({self.name}_state *state)\n{{\n{body}\n}}\n"

    def _network(self) -> str:
        """The function that takes a step; with a front end, a step of the network."""
        a, model = self.architecture, self.model
        lines, below = [], "x" if self.front.alone else "input"
        if self.front.alone and model.standardizes:
            lines += [
                f"{self.real} input[{a.n_features}];",
                f"for (int i = 0; i < {a.n_features}; i++)",
                "    input[i] = (x[i] - mean[i]) / scale[i];",
            ]
            below = "input"
        D = a.n_features
        for (key, cell, H, _), layer in zip(a.stack, model.parameters.layers, strict=True):
            kind = type(cell).__name__.lower()
            lines += ["", f"/* layer {key}: {H} {kind} */", "{"]
            lines += ["    " + line for line in self._layer(layer, key, below, D)]
            lines.append("}")
            below, D = f"state->h{key}", H
        lines += ["", *self._read(below, D)]
        lines += self._answer("read" if a.readout == "mean" else self._top(below), D)
        body = "\n".join(f"    {line}".rstrip() for line in lines)
        signature = self.front.inner_signature
        if not self.front.alone:
            signature = (
                f"static void network({self.name}_state *state, const {self.real} *input, "
                f"{self.answer} *y)"
            )
        return f"{signature}\n{{\n{body}\n}}\n"

    def _filling(self) -> Iterator[str]:
        """The function that takes a step with missing values, if they are filled."""
        filling, front = self.model.filling, self.front
        if filling is None:
            return
        D, n = len(filling.means), self.model.front_end.n_features
        known = "state->last[d]" if filling.policy == "forward" else "fill[d]"
        lines = [f"{self.real} filled[{n}];", f"for (int d = 0; d < {D}; d++) {{"]
        lines.append(f"    filled[d] = isnan(x[d]) ? {known} : x[d];")
        if filling.policy == "forward":
            lines.append("    state->last[d] = filled[d];")
        lines.append("}")
        lines += [f"filled[{D + j}] = isnan(x[{i}]) != 0;" for j, i in enumerate(filling.indicated)]
        lines.append(f"{self.name}_filled_step(state, filled, y);")
        yield f"{front.step_signature}\n{{\n{indent(chr(10).join(lines), '    ')}\n}}\n"

    def _layer(self, layer: Layer, key: str, below: str, D: int) -> list[str]:
        """The lines of one layer: products first, then unit by unit."""
        cell, H = layer.cell, layer.n_units
        of_x, of_h = cell.gates_reading("x"), cell.gates_reading("h")
        n = len(of_x) * H
        lines = [f"{self.real} from_x[{n}];"]
        if layer.tokens:  # a number that is not a column means unknown, the last column
            lines += [
                f"const int column = *{below} >= 0 && *{below} < {D} ? (int)*{below} : {D - 1};",
                f"for (int i = 0; i < {n}; i++)",
                f"    from_x[i] = U{key}[i * {D} + column];",
            ]
        else:
            lines.append(f"multiply(U{key}, {below}, 0, from_x, {n}, {D});")
        if layer.W is not None:
            lines += [
                f"{self.real} from_h[{len(of_h) * H}];",
                f"multiply(W{key}, state->h{key}, 0, from_h, {len(of_h) * H}, {H});",
            ]
        entering = {}
        for g, gate in enumerate(cell.gates):
            parts = [f"from_x[{of_x.index(g) * H} + i]"] if g in of_x else []
            parts += [f"from_h[{of_h.index(g) * H} + i]"] if g in of_h else []
            parts += [f"b{key}[{g * H} + i]"] if layer.b is not None else []
            entering[f"a_{gate}"] = f"({' + '.join(parts)})"
        entering |= {f"before_{s}": f"state->{s}{key}[i]" for s in cell.states}
        written, values = self._written(symbols.of_cell(cell), entering)
        lines += [f"for (int i = 0; i < {H}; i++) {{"]
        lines += [f"    {line}" for line in written]
        lines += [
            f"    state->{s}{key}[i] = {v};" for s, v in zip(cell.states, values, strict=True)
        ]
        return [*lines, "}"]

    def _written(
        self, values: Sequence[Operand], named: Mapping[str, str]
    ) -> tuple[list[str], list[str]]:
        """Lines that compute expressions, and the names of the results."""
        names: dict[int, str] = {}
        lines: list[str] = []

        def of(operand: Operand) -> str:
            if isinstance(operand, Symbol):
                return names[id(operand)]
            return _literal(operand, self.single)

        f = "f" if self.single else ""
        for symbol in symbols.in_order(values):
            operands = [of(operand) for operand in symbol.operands]
            kind = self.real
            match symbol.operation:
                case "given":
                    text = named[symbol.name]
                case "negative":
                    text = f"-{operands[0]}"
                case "tanh" | "exp":
                    text = f"{symbol.operation}{f}({operands[0]})"
                case "positive":
                    kind, text = "int", f"{operands[0]} > {_literal(0, self.single)}"
                case "where":
                    text = "{} ? {} : {}".format(*operands)
                case _:
                    text = f"{operands[0]} {symbol.operation} {operands[1]}"
            names[id(symbol)] = name = f"v{len(names) + 1}"
            lines.append(f"const {kind} {name} = {text};")
        return lines, [of(value) for value in values]

    def _top(self, below: str) -> str:
        """What V multiplies."""
        return below if self.architecture.readout == "last" else "state->read"

    def _read(self, below: str, H: int) -> list[str]:
        """The lines of a readout of all steps."""
        match self.architecture.readout:
            case "mean":
                return [
                    f"{self.real} read[{H}];",
                    "state->n_steps++;",
                    f"for (int i = 0; i < {H}; i++) {{",
                    f"    state->read[i] += {below}[i];",
                    f"    read[i] = state->read[i] / ({self.real})state->n_steps;",
                    "}",
                ]
            case "max":
                return [
                    f"for (int i = 0; i < {H}; i++)",
                    f"    if (state->n_steps == 0 || {below}[i] > state->read[i])",
                    f"        state->read[i] = {below}[i];",
                    "state->n_steps = 1;",
                ]
        return []

    def _answer(self, top: str, H: int) -> list[str]:
        """The lines that compute the answer: z, ŷ, and ŷ in the units of y."""
        K, loss = self.architecture.n_outputs, self.architecture.loss_function
        c = "c" if "c" in self.model.parameters else "0"
        f = "f" if self.single else ""
        if symbols.is_softmax(loss):
            return [
                f"multiply(V, {top}, {c}, y, {K}, {H});",
                f"{self.real} largest = y[0], total = {_literal(0, self.single)};",
                f"for (int k = 1; k < {K}; k++)",
                "    if (y[k] > largest)",
                "        largest = y[k];",
                f"for (int k = 0; k < {K}; k++)",
                f"    total += y[k] = exp{f}(y[k] - largest);",
                f"for (int k = 0; k < {K}; k++)",
                "    y[k] /= total;",
            ]
        lines, (value,) = self._written([symbols.of_loss(loss)], {"z": "z[k]"})
        if self.model.target_scale is not None:
            value = f"{value} * target_scale[k] + target_mean[k]"
        return [
            f"{self.real} z[{K}];",
            f"multiply(V, {top}, {c}, z, {K}, {H});",
            f"for (int k = 0; k < {K}; k++) {{",
            *(f"    {line}" for line in lines),
            f"    y[k] = {value};",
            "}",
        ]


def _literal(value: Any, single: bool) -> str:
    """Write a number so that a compiler reads the same bits."""
    text = f"{float(value):.9g}" if single else f"{float(value):.17g}"
    if not any(c in text for c in ".e"):
        text += ".0"
    return text + "f" * single


def _comment(value: Any) -> str:
    """Write a value in ASCII, so that it cannot end the comment."""
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return ascii(text)[1:-1].replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")
