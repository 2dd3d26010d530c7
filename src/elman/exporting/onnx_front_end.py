"""The front end as nodes of ONNX, in front of the network: ``FrontEnd.apply`` on padded batches.

Measures of a sequence are computed in float64, as in ``data/frontend.py``.

Letters: B sequences, T samples of D features, F numbers a sample, L samples a frame, T' steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from elman.data import FrontEnd
from elman.data.frame import Frame
from elman.data.frontend import CONSTANT, FLOOR
from elman.exporting.onnx_graph import Graph

if TYPE_CHECKING:
    from elman.reading.missing import Filling

_FLOAT64 = np.dtype(np.float64)


def front_end_nodes(
    graph: Graph, front_end: FrontEnd, dtype: np.dtype[Any], x: str, lengths: str, T: str
) -> tuple[str, str, str]:
    """Add the nodes that make the network's steps.

    Parameters
    ----------
    graph : Graph
    front_end : FrontEnd
    dtype : dtype
        Of x and of the network.
    x, lengths, T : str
        Names of (B, T, D), (B,) and (1,).

    Returns
    -------
    x, lengths, T : str
        Names of (B, T', n_inputs), (B,) and (1,).
    """
    if front_end.mean.any() or (front_end.scale != 1).any():
        scaled = graph.add("Sub", x, graph.constant("mean", front_end.mean))
        scaled = graph.add("Div", scaled, graph.constant("scale", front_end.scale))
    else:
        scaled = x
    blocks, levels = [scaled], None
    if front_end.level is not None:
        z, levels = _by_itself(graph, front_end, dtype, x, lengths, T)
        blocks.append(z)
    if front_end.differences:
        first = graph.add("Slice", blocks[-1], *graph.integers([0], [1], [1]))
        rest = graph.add("Slice", blocks[-1], *graph.integers([0], [-1], [1]))
        before = graph.add("Concat", first, rest, axis=1)  # the first difference is 0
        blocks.append(graph.add("Sub", blocks[-1], before))
    x = blocks[0] if len(blocks) == 1 else graph.add("Concat", *blocks, axis=2)
    if front_end.frame is not None:
        x, lengths, T = _framed(graph, front_end.frame, front_end.n_numbers, x, lengths, T)
    if levels is not None:
        n = graph.add("Shape", lengths)
        shape = graph.add("Concat", n, T, *graph.integers([front_end.n_features]), axis=0)
        x = graph.add("Concat", x, graph.add("Expand", levels, shape), axis=2)
    return x, lengths, T


def filled(graph: Graph, filling: Filling, dtype: np.dtype[Any], x: str, n: str) -> str:
    """Fill NaN of x (B, T, ·) as ``Filling.fill`` does: (B, T, D); n is B, (1,)."""
    absent = graph.add("IsNaN", x)
    means = graph.constant("fill", np.array(filling.means, dtype))
    if filling.policy == "forward":
        shape = graph.add("Concat", n, *graph.integers([len(filling.means)]), axis=0)
        body = graph.body("fill")
        names = [body.input(name, dtype, None) for name in ("last", "x_t")]
        held = body.add("Where", body.add("IsNaN", names[1]), *names)
        outputs = [body.output(None, held, dtype, None) for _ in range(2)]
        _, x = graph.several(
            "Scan",
            [graph.add("Expand", means, shape), x],
            2,
            body=body.made("fill", outputs, order=names),
            num_scan_inputs=1,
            scan_input_axes=[1],
            scan_output_axes=[1],
        )
    else:
        x = graph.add("Where", absent, means, x)
    if filling.indicated:
        numbers = graph.add("Cast", absent, to=graph.type_of(dtype))
        numbers = graph.add("Gather", numbers, *graph.integers(filling.indicated), axis=2)
        x = graph.add("Concat", x, numbers, axis=2)
    return x


def counted(graph: Graph, T: str) -> str:
    """0 … T - 1."""
    zero, one = graph.constant("zero", np.array(0)), graph.constant("one", np.array(1))
    return graph.add("Range", zero, graph.add("Squeeze", T), one)


def _by_itself(
    graph: Graph, front_end: FrontEnd, dtype: np.dtype[Any], x: str, lengths: str, T: str
) -> tuple[str, str]:
    """Standardise each sequence by itself: z (B, T, D), and levels (B, 1, D)."""

    def number(value: float) -> str:
        return graph.constant("number", np.array(value))

    def mean_of(values: str) -> str:
        return graph.add("Div", graph.add("ReduceSum", values, *graph.integers([1]), keepdims=1), n)

    column = graph.add("Unsqueeze", lengths, *graph.integers([1]))  # (B, 1)
    there = graph.add("Less", counted(graph, T), column)
    there = graph.add("Unsqueeze", there, *graph.integers([2]))  # (B, T, 1)
    n = graph.add("Cast", column, to=graph.type_of(_FLOAT64))
    n = graph.add("Unsqueeze", n, *graph.integers([2]))  # (B, 1, 1)
    zero = number(0.0)
    x = graph.add("Where", there, graph.add("Cast", x, to=graph.type_of(_FLOAT64)), zero)
    factor = None
    if dtype == _FLOAT64:  # squares may overflow: scale by a power of two, which is exact
        largest = graph.add("ReduceMax", graph.add("Abs", x), axes=[1], keepdims=1)
        small = graph.add("Less", largest, number(1e-100))
        factor = graph.add("Where", small, number(2.0**600), number(1.0))
        huge = graph.add("Greater", largest, number(1e100))
        factor = graph.add("Where", huge, number(2.0**-600), factor)
        x = graph.add("Mul", x, factor)
    mean = mean_of(x)
    x = graph.add("Where", there, graph.add("Sub", x, mean), zero)
    variance = mean_of(graph.add("Mul", x, x))
    size = graph.add("Abs", mean)
    rounding = graph.add("Mul", graph.add("Mul", n, number(np.finfo(_FLOAT64).eps)), size)
    none = graph.add("LessOrEqual", variance, graph.add("Mul", rounding, rounding))
    deviation = graph.add("Where", none, zero, graph.add("Sqrt", variance))

    constant = graph.add("LessOrEqual", deviation, graph.add("Mul", size, number(CONSTANT)))
    divisor = graph.add("Where", constant, number(np.inf), deviation)
    z = graph.add("Div", x, divisor)

    if factor is not None:
        deviation = graph.add("Div", deviation, factor)
    scale = graph.constant("scale", front_end.scale.astype(_FLOAT64))
    share = graph.add("Min", graph.add("Div", deviation, scale), number(1e300))
    level = graph.add("Log", graph.add("Add", share, number(FLOOR)))
    assert front_end.level is not None
    level = graph.add("Sub", level, graph.constant("level", front_end.level))
    to = graph.type_of(dtype)
    return graph.add("Cast", z, to=to), graph.add("Cast", level, to=to)


def _framed(
    graph: Graph, frame: Frame, F: int, x: str, lengths: str, T: str
) -> tuple[str, str, str]:
    """Put the samples of each frame side by side: (B, T, F) to (B, T', L F)."""
    L, stride, aligned = frame

    def integer(value: int) -> str:
        return graph.integers([value])[0]

    last = graph.add("Unsqueeze", graph.add("Sub", lengths, integer(1)), *graph.integers([1]))
    if not aligned:

        def steps(n: str) -> str:
            whole = graph.add("Div", graph.add("Sub", n, integer(L)), integer(stride))
            return graph.add("Max", graph.add("Add", whole, integer(1)), integer(1))

        lengths, T = steps(lengths), steps(T)
    first = graph.add("Mul", counted(graph, T), integer(stride))
    first = graph.add("Unsqueeze", first, *graph.integers([1]))  # (T', 1)
    within = np.arange(L) - (L - 1) * aligned
    rows = graph.add("Add", first, graph.constant("within", within.astype(np.int64)))  # (T', L)
    rows = graph.add("Reshape", rows, *graph.integers([1, -1]))
    # The sequence's first or last sample is repeated.
    rows = graph.add("Max", graph.add("Min", rows, last), integer(0))  # (B, T' L)
    rows = graph.add("Unsqueeze", rows, *graph.integers([2]))
    x = graph.add("GatherND", x, rows, batch_dims=1)  # (B, T' L, F)
    return graph.add("Reshape", x, *graph.integers([0, -1, L * F])), lengths, T
