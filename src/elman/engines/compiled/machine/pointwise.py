"""Cells in compiled functions: their own lines, run once on vectors, make the instructions.

A cell becomes two functions, forward and backward, of vectors in memory. The kernels (``panels``,
``rows``) are compiled once for all cells, and call them by their addresses. They lie in memory as

    forward   a, and the states before       → the states after, then what is kept
    backward  dL/dh, what comes straight from step t + 1, states, kept  → δ, then what goes straight

each a number of vectors, one row of each array at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from elman.engines.compiled.machine import functions as f
from elman.engines.compiled.machine.compiling import entry
from elman.engines.compiled.machine.memory import CHECKED, INDEX, check
from elman.engines.compiled.machine.tiles import INT32, IS_WIDE, VECTOR_BITS
from elman.engines.compiled.machine.vectors import Vector
from elman.equations import CELLS, Cell

ROWS_AT_ONCE = 4 if IS_WIDE else 1
"""As many vectors as hide how long each instruction takes, and leave registers for what is constant.

With half of the registers one row is enough: its 16 lanes are two vectors, and an LSTM has five
functions of them side by side.
"""


def shape_of(cell: Cell) -> tuple[int, list[int]]:
    """How many values a cell keeps, and which states get an error straight from the step after.

    Raises
    ------
    ValueError
        If it returns too much or too little, for which there is no room, or what is no array.
    """
    one = np.ones((1, 1))
    states, gates = (one,) * len(cell.states), (one,) * len(cell.gates)
    after, kept = _pair(cell, "forward", "(after, kept)", cell.forward(gates, states))
    check_values(cell, "states after a step", after, len(states))
    check_values(cell, "values to keep", kept, len(kept))
    da, straight = _pair(
        cell, "backward", "(da, d_before)", cell.backward(states, kept, after, states)
    )
    check_values(cell, "da, errors of gates", da, len(gates))
    some = [one if d is None else d for d in straight]
    check_values(cell, "d_before, errors of states", some, len(states))
    return len(kept), [s for s, d in enumerate(straight) if d is not None]


def _pair(cell: Cell, method: str, expected: str, found: Any) -> tuple[Any, Any]:
    """Refuse what a method of a cell returns if it is not a pair."""
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise ValueError(
            f"{method}() of {cell!r} returns a {type(found).__name__}; expected a pair, {expected}"
        )
    return found[0], found[1]


@contextmanager
def written_for_vectors(cell: Cell) -> Iterator[None]:
    """Say what a cell may be written with, where its lines ask of a vector what it cannot do."""
    try:
        yield
    except TypeError as error:
        raise TypeError(
            f"{cell!r} cannot be compiled ({error}). Write its equations in + - * / and the functions "
            "of elman.equations.functions: where(positive(a), b, c) for an if, a * a for a ** 2, their "
            "tanh for NumPy's"
        ) from error


def check_values(cell: Cell, what: str, found: Any, n: int) -> None:
    """Refuse what a cell returns if it is not n arrays."""
    if not isinstance(found, tuple | list):
        raise ValueError(f"{cell!r} returns {what}, as a {type(found).__name__}; expected a tuple")
    if len(found) != n:
        raise ValueError(f"{cell!r} returns {len(found)} {what}; expected {n}")
    for value in found:
        if not isinstance(value, np.ndarray):
            raise ValueError(
                f"{cell!r} returns {value!r} among {what}; expected what is computed from its arguments"
            )


# Places are counted in numbers. ``…_step`` goes from one state, gate or value to the next, ``…_row``
# from one row to the next, and there are n rows.

FORWARD_PLACES = 9
BACKWARD_PLACES = 14


@cache
def compiled(cell: Cell, direction: str, dtype: np.dtype[Any]) -> int:
    """Compile a cell, or load it from disk; return the address of the function.

    Parameters
    ----------
    cell : Cell
        One of elman's is kept on disk. Of one's own nobody knows all that its lines depend on.
    direction : {"forward", "backward"}
    dtype : dtype
    """
    number = types.float32 if dtype == np.float32 else types.float64
    make, n_places = {
        "forward": (_forward, FORWARD_PLACES),
        "backward": (_backward, BACKWARD_PLACES),
    }[direction]
    function = make(cell, VECTOR_BITS // number.bitwidth)
    function.__qualname__ = f"{type(cell).__qualname__}.{direction}"
    on_disk = type(cell) in {type(ours) for ours in CELLS.values()} or getattr(
        cell, "is_ours", False
    )
    made = entry(function, key=repr(cell), on_disk=on_disk)
    signature = (*[types.CPointer(number)] * 2, *[types.intp] * n_places)
    made.compile(signature)
    result = made.overloads[signature]
    KEPT.append(made)
    address: int = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
    return address


KEPT: list[Any] = []
"""The compiled functions, whose code must not go."""


def _forward(cell: Cell, L: int) -> Callable[..., None]:
    n_gates, n_states = len(cell.gates), len(cell.states)

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        source, work, before, before_step, before_row, a, a_step, after, after_step, after_row = (
            args
        )
        rows = Rows(builder, L)
        states = rows.load(source, before, before_step, before_row, n_states)
        gates = rows.load(work, a, a_step, INDEX(L), n_gates)
        with written_for_vectors(cell):
            results, kept = cell.forward(gates, states)
        rows.store((*results, *kept), work, after, after_step, after_row)
        return context.get_dummy_value()

    @intrinsic
    def of_rows(  # type: ignore[no-untyped-def]
        _, source, work, before, before_step, before_row, a, a_step, after, after_step, after_row
    ):
        return types.void(source, work, *[types.intp] * 8), codegen

    def forward(  # type: ignore[no-untyped-def]
        source, work, before, before_step, before_row, a, a_step, after, after_step, after_row, n
    ):
        for row in range(0, n, ROWS_AT_ONCE):
            of_rows(
                source, work, before + row * before_row, before_step, before_row, a + row * L,
                a_step, after + row * after_row, after_step, after_row,
            )  # fmt: skip

    return forward


def _backward(cell: Cell, L: int) -> Callable[..., None]:
    n_states = len(cell.states)
    n_kept, straight = shape_of(cell)

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        (source, work, before, before_step, before_row, dh, later, later_step, later_row, after,
         after_step, after_row, error, error_step, error_row) = args  # fmt: skip
        rows = Rows(builder, L)
        states_before = rows.load(source, before, before_step, before_row, n_states)
        stored = rows.load(work, after, after_step, after_row, n_states + n_kept)
        (dh_rows,) = rows.load(work, dh, INDEX(0), INDEX(L), 1)
        d = [dh_rows, *[dh_rows.constant(0.0)] * (n_states - 1)]
        from_later = rows.load(work, later, later_step, later_row, len(straight))
        for s, vector in zip(straight, from_later, strict=True):
            d[s] = d[s] + vector if s == 0 else vector
        with written_for_vectors(cell):
            da, d_before = cell.backward(
                tuple(d), stored[n_states:], stored[:n_states], states_before
            )
        errors = [f.without_tiny(x) for x in (*da, *(d_before[s] for s in straight))]
        rows.store(errors, work, error, error_step, error_row)
        return context.get_dummy_value()

    @intrinsic
    def of_rows(  # type: ignore[no-untyped-def]
        _, source, work, before, before_step, before_row, dh, later, later_step, later_row, after,
        after_step, after_row, error, error_step, error_row,
    ):  # fmt: skip
        return types.void(source, work, *[types.intp] * 13), codegen

    def backward(  # type: ignore[no-untyped-def]
        source, work, before, before_step, before_row, dh, later, later_step, later_row, after,
        after_step, after_row, error, error_step, error_row, n,
    ):  # fmt: skip
        for row in range(0, n, ROWS_AT_ONCE):
            of_rows(
                source, work, before + row * before_row, before_step, before_row, dh + row * L,
                later + row * later_row, later_step, later_row, after + row * after_row,
                after_step, after_row, error + row * error_row, error_step, error_row,
            )  # fmt: skip

    return backward


class Rows:
    """``ROWS_AT_ONCE`` rows of L lanes as one long vector, so that their instructions interleave."""

    def __init__(self, builder: ir.IRBuilder, L: int) -> None:
        self.builder = builder
        self.L = L

    def load(self, array: Any, place: Any, step: Any, row_step: Any, n: int) -> tuple[Vector, ...]:
        """Load n long vectors, ``step`` apart."""
        found = []
        for i in range(n):
            parts = [
                self.builder.load(
                    self._at(array, place, step, i, row_step, row), align=_align(array)
                )
                for row in range(ROWS_AT_ONCE)
            ]
            while len(parts) > 1:
                parts = [self._joined(*parts[k : k + 2]) for k in range(0, len(parts), 2)]
            found.append(Vector(self.builder, parts[0]))
        return tuple(found)

    def store(
        self, vectors: Sequence[Vector], array: Any, place: Any, step: Any, row_step: Any
    ) -> None:
        """Write such vectors, of each the rows in ascending order."""
        for i, vector in enumerate(vectors):
            for row in range(ROWS_AT_ONCE):
                lanes = ir.Constant(
                    ir.VectorType(INT32, self.L), [row * self.L + j for j in range(self.L)]
                )
                part = self.builder.shuffle_vector(
                    vector.value, ir.Constant(vector.value.type, ir.Undefined), lanes
                )
                target = self._at(array, place, step, i, row_step, row)
                self.builder.store(part, target, align=_align(array))

    def _at(self, array: Any, place: Any, step: Any, i: int, row_step: Any, row: int) -> Any:
        builder = self.builder
        offset = builder.add(place, builder.mul(step, INDEX(i)))
        offset = builder.add(offset, builder.mul(row_step, INDEX(row)))
        kind = ir.VectorType(array.type.pointee, self.L)
        return builder.bitcast(builder.gep(array, [offset]), kind.as_pointer())

    def _joined(self, first: Any, second: Any) -> Any:
        n = 2 * first.type.count
        picks = ir.Constant(ir.VectorType(INT32, n), list(range(n)))
        return self.builder.shuffle_vector(first, second, picks)


def _align(array: Any) -> int:
    return 4 if isinstance(array.type.pointee, ir.FloatType) else 8


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


def check_place(
    context: Any, builder: ir.IRBuilder, array: Any, name: str, place: Any, *axes: Any
) -> None:
    """See in checked mode that vectors at a place, and along axes, lie within an array."""
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
        check_place(
            context,
            builder,
            arrays[0],
            "cell, before,",
            before,
            (n, before_row),
            (n_states, before_step),
        )
        check_place(context, builder, arrays[1], "cell, a,", a, (n, L), (n_gates, a_step))
        check_place(
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
    n,
):  # fmt: skip
    """Have a cell take the errors of n rows of vectors back through a step."""

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        address, n_errors, n_straight, n_states, n_stored = args[:5]
        arrays = list(zip(types_of.args[5:7], args[5:7], strict=True))
        places = args[7:]
        (before, before_step, before_row, dh, later, later_step, later_row, after, after_step,
         after_row, error, error_step, error_row, n) = places  # fmt: skip
        L = VECTOR_BITS // arrays[0][0].dtype.bitwidth
        source, work = arrays
        check_place(
            context,
            builder,
            source,
            "cell, before,",
            before,
            (n, before_row),
            (n_states, before_step),
        )
        check_place(context, builder, work, "cell, dh,", dh, (n, L))
        check_place(
            context, builder, work, "cell, later,", later, (n, later_row), (n_straight, later_step)
        )
        check_place(
            context, builder, work, "cell, after,", after, (n, after_row), (n_stored, after_step)
        )
        check_place(
            context, builder, work, "cell, error,", error, (n, error_row), (n_errors, error_step)
        )
        return _call(context, builder, address, arrays, places)

    return types.void(*[types.intp] * 5, source, work, *[types.intp] * BACKWARD_PLACES), codegen
