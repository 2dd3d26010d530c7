"""Cells in compiled functions: their own lines, run once on vectors, make the instructions.

A cell becomes two functions, forward and backward, of vectors in memory. The kernels (``panels``,
``rows``) are compiled once for all cells, and call them by their addresses. They lie in memory as

    forward   a, and the states before       → the states after, then what is kept
    backward  dL/dh, what comes straight from step t + 1, states, kept  → δ, then what goes straight

each a number of vectors, one row of each array at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from elman.engines.compiled import functions as f
from elman.engines.compiled.compiling import entry
from elman.engines.compiled.memory import CHECKED, INDEX, check
from elman.engines.compiled.tiles import VECTOR_BITS, keep_lanes
from elman.engines.compiled.vectors import Vector
from elman.equations import CELLS, Cell


class CompiledCell(NamedTuple):
    """Where a cell's functions are in memory, and what they keep.

    Attributes
    ----------
    forward, backward : int
        Addresses.
    n_kept : int
        Values that ``Cell.forward`` keeps.
    n_straight : int
        States that get an error straight from the step after.
    """

    forward: int
    backward: int
    n_kept: int
    n_straight: int


@cache
def compiled_cell(cell: Cell, dtype: np.dtype[Any]) -> CompiledCell:
    """Compile a cell, or load it from disk; once in a process."""
    kept, straight = shape_of(cell)
    number = types.float32 if dtype == np.float32 else types.float64
    L = VECTOR_BITS // number.bitwidth
    forward = _address(_forward(cell, L), number, cell, FORWARD_PLACES)
    backward = _address(_backward(cell, straight, kept, L), number, cell, BACKWARD_PLACES)
    return CompiledCell(forward, backward, kept, len(straight))


def shape_of(cell: Cell) -> tuple[int, list[int]]:
    """How many values a cell keeps, and which states get an error straight from the step after."""
    one = np.ones((1, 1))
    states, gates = (one,) * len(cell.states), (one,) * len(cell.gates)
    after, kept = cell.forward(gates, states)
    _, straight = cell.backward(states, kept, after, states)
    return len(kept), [s for s, d in enumerate(straight) if d is not None]


# Places are counted in numbers. ``…_step`` goes from one state, gate or value to the next, ``…_row``
# from one row to the next, and there are n rows.

FORWARD_PLACES = 9
BACKWARD_PLACES = 15


def _address(function: Callable[..., None], number: Any, cell: Cell, n_places: int) -> int:
    """Compile a function of the arrays' beginnings and places, and return its address."""
    function.__qualname__ = f"{type(cell).__qualname__}.{function.__name__}"
    own = any(cell == ours for ours in CELLS.values())
    made = entry(
        function, key=repr(cell), on_disk=own or type(cell).__module__.startswith("elman.")
    )
    pointer = types.CPointer(number)
    signature = (pointer, pointer, *[types.intp] * n_places)
    made.compile(signature)
    compiled = made.overloads[signature]
    address: int = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    KEPT.append(made)
    return address


KEPT: list[Any] = []
"""The compiled functions, whose code must not go."""


def _forward(cell: Cell, L: int) -> Callable[..., None]:
    n_gates, n_states = len(cell.gates), len(cell.states)

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        source, work, before, before_step, a, a_step, after, after_step = args
        states = _load(builder, source, before, before_step, n_states, L)
        gates = _load(builder, work, a, a_step, n_gates, L)
        results, kept = cell.forward(gates, states)
        _store(builder, (*results, *kept), work, after, after_step)
        return context.get_dummy_value()

    @intrinsic
    def of_row(_, source, work, before, before_step, a, a_step, after, after_step):  # type: ignore[no-untyped-def]
        return types.void(source, work, *[types.intp] * 6), codegen

    def forward(
        source, work, before, before_step, before_row, a, a_step, after, after_step, after_row, n
    ):  # type: ignore[no-untyped-def]
        for row in range(n):
            of_row(
                source, work, before + row * before_row, before_step, a + row * L, a_step,
                after + row * after_row, after_step,
            )  # fmt: skip

    return forward


def _backward(cell: Cell, straight: list[int], n_kept: int, L: int) -> Callable[..., None]:
    n_states = len(cell.states)

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        (source, work, before, before_step, dh, later, later_step, after, after_step, error,
         error_step, alive) = args  # fmt: skip
        states_before = _load(builder, source, before, before_step, n_states, L)
        stored = _load(builder, work, after, after_step, n_states + n_kept, L)
        (dh_vector,) = _load(builder, work, dh, INDEX(0), 1, L)
        d = [dh_vector, *[dh_vector.constant(0.0)] * (n_states - 1)]
        from_later = _load(builder, work, later, later_step, len(straight), L)
        for s, vector in zip(straight, from_later, strict=True):
            d[s] = d[s] + vector if s == 0 else vector
        da, d_before = cell.backward(tuple(d), stored[n_states:], stored[:n_states], states_before)
        errors = (*da, *(d_before[s] for s in straight))
        kept = [
            f.without_tiny(Vector(builder, keep_lanes(builder, error.value, INDEX(0), alive)))
            for error in errors
        ]
        _store(builder, kept, work, error, error_step)
        return context.get_dummy_value()

    @intrinsic
    def of_row(  # type: ignore[no-untyped-def]
        _, source, work, before, before_step, dh, later, later_step, after, after_step, error,
        error_step, alive,
    ):  # fmt: skip
        return types.void(source, work, *[types.intp] * 10), codegen

    def backward(  # type: ignore[no-untyped-def]
        source, work, before, before_step, before_row, dh, later, later_step, later_row, after,
        after_step, after_row, error, error_step, error_row, n, alive,
    ):  # fmt: skip
        for row in range(n):
            of_row(
                source, work, before + row * before_row, before_step, dh + row * L,
                later + row * later_row, later_step, after + row * after_row, after_step,
                error + row * error_row, error_step, alive,
            )  # fmt: skip

    return backward


def _vector_at(builder: ir.IRBuilder, array: Any, place: Any, step: Any, i: int, L: int) -> Any:
    offset = builder.add(place, builder.mul(step, INDEX(i)))
    kind = ir.VectorType(array.type.pointee, L)
    return builder.bitcast(builder.gep(array, [offset]), kind.as_pointer())


def _align(array: Any) -> int:
    return 4 if isinstance(array.type.pointee, ir.FloatType) else 8


def _load(
    builder: ir.IRBuilder, array: Any, place: Any, step: Any, n: int, L: int
) -> tuple[Vector, ...]:
    return tuple(
        Vector(
            builder,
            builder.load(_vector_at(builder, array, place, step, i, L), align=_align(array)),
        )
        for i in range(n)
    )


def _store(
    builder: ir.IRBuilder, vectors: Sequence[Vector], array: Any, place: Any, step: Any
) -> None:
    for i, vector in enumerate(vectors):
        L = vector.value.type.count
        target = _vector_at(builder, array, place, step, i, L)
        builder.store(vector.value, target, align=_align(array))


# Calling them


def _call(context: Any, builder: ir.IRBuilder, address: Any, arrays: Any, places: Any) -> Any:
    """Append a call of such a function at an address. They raise nothing, so that no status counts."""
    number = arrays[0][0].dtype
    kinds = [types.CPointer(number)] * 2 + [types.intp] * len(places)
    function_type = context.call_conv.get_function_type(types.none, kinds)
    function = builder.inttoptr(address, function_type.as_pointer())
    result, error = (cgutils.alloca_once(builder, kind.pointee) for kind in function_type.args[:2])
    data = [context.make_array(kind)(context, builder, array).data for kind, array in arrays]
    builder.call(function, [result, error, *data, *places])
    return context.get_dummy_value()


def _check(
    context: Any, builder: ir.IRBuilder, array: Any, name: str, place: Any, *axes: Any
) -> None:
    if CHECKED:
        kind, value = array
        length = context.make_array(kind)(context, builder, value).nitems
        L = VECTOR_BITS // kind.dtype.bitwidth
        check(name, context, builder, length, place, *axes, (L, 1))


@intrinsic
def call_forward(  # type: ignore[no-untyped-def]
    _, address, n_gates, n_states, n_stored, source, work, before, before_step, before_row,
    a, a_step, after, after_step, after_row, n,
):  # fmt: skip
    """Have a cell take n rows of vectors a step further."""

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        address, n_gates, n_states, n_stored = args[:4]
        arrays = list(zip(types_of.args[4:6], args[4:6], strict=True))
        places = args[6:]
        before, before_step, before_row, a, a_step, after, after_step, after_row, n = places
        L = VECTOR_BITS // arrays[0][0].dtype.bitwidth
        _check(
            context,
            builder,
            arrays[0],
            "cell, before,",
            before,
            (n, before_row),
            (n_states, before_step),
        )
        _check(context, builder, arrays[1], "cell, a,", a, (n, L), (n_gates, a_step))
        _check(
            context,
            builder,
            arrays[1],
            "cell, after,",
            after,
            (n, after_row),
            (n_stored, after_step),
        )
        return _call(context, builder, address, arrays, places)

    return types.void(*[types.intp] * 4, source, work, *[types.intp] * FORWARD_PLACES), codegen


@intrinsic
def call_backward(  # type: ignore[no-untyped-def]
    _, address, n_errors, n_straight, n_states, n_stored, source, work, before, before_step, before_row,
    dh, later, later_step, later_row, after, after_step, after_row, error, error_step, error_row,
    n, alive,
):  # fmt: skip
    """Have a cell take the errors of n rows of vectors back through a step."""

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        address, n_errors, n_straight, n_states, n_stored = args[:5]
        arrays = list(zip(types_of.args[5:7], args[5:7], strict=True))
        places = args[7:]
        (before, before_step, before_row, dh, later, later_step, later_row, after, after_step,
         after_row, error, error_step, error_row, n, _) = places  # fmt: skip
        L = VECTOR_BITS // arrays[0][0].dtype.bitwidth
        source, work = arrays
        _check(
            context,
            builder,
            source,
            "cell, before,",
            before,
            (n, before_row),
            (n_states, before_step),
        )
        _check(context, builder, work, "cell, dh,", dh, (n, L))
        _check(
            context, builder, work, "cell, later,", later, (n, later_row), (n_straight, later_step)
        )
        _check(
            context, builder, work, "cell, after,", after, (n, after_row), (n_stored, after_step)
        )
        _check(
            context, builder, work, "cell, error,", error, (n, error_row), (n_errors, error_step)
        )
        return _call(context, builder, address, arrays, places)

    return types.void(*[types.intp] * 5, source, work, *[types.intp] * BACKWARD_PLACES), codegen
