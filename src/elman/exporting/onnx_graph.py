"""Building an ONNX graph: names, constants, nodes, and expressions of ``symbols``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elman._typing import Array
from elman.exporting.symbols import Operand, Symbol, in_order

_OPERATORS = {
    "+": "Add",
    "-": "Sub",
    "*": "Mul",
    "/": "Div",
    "negative": "Neg",
    "tanh": "Tanh",
    "exp": "Exp",
    "where": "Where",
}


class Graph:
    """A graph that grows node by node.

    Parameters
    ----------
    onnx : module
    dtype : dtype
        The dtype of numbers.
    prefix : str
        The prefix of all names, so that names in the body of a Scan differ from those around it.
    """

    def __init__(self, onnx: Any, dtype: np.dtype[Any], prefix: str = "") -> None:
        self._onnx, self._dtype, self._prefix = onnx, dtype, prefix
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._constants: list[Any] = []
        self._taken: dict[str, int] = {}
        self._integers: dict[tuple[int, ...], str] = {}

    def name(self, stem: str) -> str:
        """Make a new name."""
        self._taken[stem] = number = self._taken.get(stem, 0) + 1
        return f"{self._prefix}{stem}_{number}"

    def body(self, stem: str) -> Graph:
        """Make a graph for the body of a Scan."""
        return Graph(self._onnx, self._dtype, prefix=f"{self.name(stem)}_")

    def type_of(self, dtype: np.dtype[Any]) -> int:
        """Return ONNX's number for a dtype."""
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(dtype))

    def input(
        self, name: str, dtype: np.dtype[Any], shape: Sequence[Any] | None, default: Any = None
    ) -> str:
        """Declare an input; with a default it may be left out."""
        name = f"{self._prefix}{name}"
        info = self._onnx.helper.make_tensor_value_info(name, self.type_of(dtype), shape)
        self._inputs.append(info)
        if default is not None:
            self._constants.append(self._onnx.numpy_helper.from_array(default, name))
        return name

    def output(
        self, name: str | None, value: str, dtype: np.dtype[Any], shape: Sequence[Any] | None
    ) -> Any:
        """Declare an output with this name, or with the name of the value."""
        name = self.name("out") if name is None else name
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        return self._onnx.helper.make_tensor_value_info(name, self.type_of(dtype), shape)

    def constant(self, stem: str, array: Array) -> str:
        """Store an array."""
        name = self.name(stem)
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def integers(self, *values: Sequence[int]) -> list[str]:
        """Store lists of integers, each once: axes, sizes, starts."""
        for of in values:
            if tuple(of) not in self._integers:
                self._integers[tuple(of)] = self.constant("integers", np.array(of, np.int64))
        return [self._integers[tuple(of)] for of in values]

    def several(self, operator: str, inputs: Sequence[str], n: int, **attributes: Any) -> list[str]:
        """Add a node with n outputs."""
        outputs = [self.name(operator.lower()) for _ in range(n)]
        self._nodes.append(
            self._onnx.helper.make_node(operator, list(inputs), outputs, **attributes)
        )
        return outputs

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output."""
        return self.several(operator, inputs, 1, **attributes)[0]

    def split(self, value: str, sizes: Sequence[int]) -> list[str]:
        """Split along the last axis."""
        if len(sizes) == 1:
            return [value]
        return self.several("Split", [value, *self.integers(sizes)], len(sizes), axis=-1)

    def written(self, values: Sequence[Operand], named: Mapping[str, str]) -> list[str]:
        """Add the nodes that compute expressions of values that have a name in this graph."""
        names: dict[int, str] = {}

        def of(operand: Operand) -> str:
            if isinstance(operand, Symbol):
                return names[id(operand)]
            return self.constant("number", np.array(operand, self._dtype))

        for symbol in in_order(values):
            operands = [of(operand) for operand in symbol.operands]
            if symbol.operation == "given":
                names[id(symbol)] = named[symbol.name]
            elif symbol.operation == "positive":
                zero = self.constant("number", np.zeros((), self._dtype))
                names[id(symbol)] = self.add("Greater", *operands, zero)
            else:
                names[id(symbol)] = self.add(_OPERATORS[symbol.operation], *operands)
        return [of(value) for value in values]

    def made(self, name: str, outputs: Sequence[Any], order: Sequence[str] | None = None) -> Any:
        """Make the graph; its inputs in the order of their names in ``order``, if that is given."""
        inputs = self._inputs
        if order is not None:
            inputs = sorted(inputs, key=lambda info: order.index(info.name))
        return self._onnx.helper.make_graph(
            self._nodes, name, inputs, list(outputs), initializer=self._constants
        )
