"""Losses of numbers in compiled functions: their own lines, run once on vectors, as those of cells.

ŷ of z is to ``pointwise`` a cell without states. A loss with its error becomes a function of its own,
so that kernels are compiled once for all losses, and those of classes have nothing to do with it. It
stands one panel behind another: z, y, the weights, what differs from output to output, and L.

Letters: K outputs, L lanes. In ``panels`` a lane is an answer and a row an output; in ``rows`` there is
one answer, and the lanes are outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from elman.engines.compiled.machine.compiling import entry
from elman.engines.compiled.machine.memory import INDEX
from elman.engines.compiled.machine.pointwise import KEPT, ROWS_AT_ONCE, Rows, check_place
from elman.engines.compiled.machine.tiles import VECTOR_BITS
from elman.equations import LOSSES, Cell
from elman.equations.losses import Loss


@dataclass(frozen=True)
class Activation(Cell):
    """z → ŷ."""

    loss: Loss

    states = ()

    @property
    def is_ours(self) -> bool:
        """Whether the loss is one of elman's."""
        return type(self.loss) in LOSSES.values()

    def forward(self, a: tuple[Any, ...], before: tuple[Any, ...]) -> Any:
        """See ``Loss.activate``."""
        return (), (self.loss.activate(*a),)

    def backward(self, d: Any, kept: Any, after: Any, before: Any) -> Any:
        """A loss has its error instead."""
        raise NotImplementedError


N_PANELS = 4
"""z, y, the weights, and L; more for what differs from output to output."""

PLACES = 10
"""Of ``call_loss``, after the arrays."""


@cache
def compiled_loss(loss: Loss, of_panels: bool, dtype: np.dtype[Any]) -> int:
    """Compile a loss for one of the kernels, or load it from disk; return the function's address."""
    number = types.float32 if dtype == np.float32 else types.float64
    make, n_constants = _of_panels if of_panels else _of_rows, len(loss.constants(1))
    function = make(loss, n_constants, VECTOR_BITS // number.bitwidth)
    function.__qualname__ = f"{type(loss).__qualname__}.{'panels' if of_panels else 'rows'}"
    made = entry(function, key=repr(loss), on_disk=type(loss) in LOSSES.values())
    pointers = [types.CPointer(kind) for kind in (*[number] * 4, types.int64)]
    signature = (*pointers, *[types.intp] * PLACES)
    made.compile(signature)
    result = made.overloads[signature]
    KEPT.append(made)
    address: int = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
    return address


def _evaluate(loss: Loss, n_constants: int, L: int) -> Any:
    """Make a function that turns rows of z, y, … into w dL/dz, written to ``error``, and w L."""

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        work, place, apart, error = args
        rows = Rows(builder, L)
        z, y, w, *constants = rows.load(work, place, apart, INDEX(L), 3 + n_constants)
        found = w * loss.error(loss.activate(z), y, *constants)
        rows.store([found], work, error, INDEX(0), INDEX(L))
        value = builder.add(place, builder.mul(apart, INDEX(3 + n_constants)))
        rows.store([w * loss.value(z, y, *constants)], work, value, INDEX(0), INDEX(L))
        return context.get_dummy_value()

    @intrinsic
    def evaluate(_, work, place, apart, error):  # type: ignore[no-untyped-def]
        return types.void(work, *[types.intp] * 3), codegen

    return evaluate


def _of_panels(loss: Loss, n_constants: int, L: int) -> Callable[..., float]:
    evaluate = _evaluate(loss, n_constants, L)

    def panels(  # type: ignore[no-untyped-def]
        work, numbers, weights, constants, places, first, n, z, scratch, K, rows, n_numbers,
        outputs_a_number, n_constants, n_panels,
    ):  # fmt: skip
        apart = rows * L
        for k in range(rows):
            of_k = scratch + k * L
            for j in range(L):
                for panel in range(3 + n_constants):
                    work[of_k + panel * apart + j] = 0.0
            if k < K:
                for j in range(L):
                    work[of_k + j] = work[z + k * L + j]
                    for c in range(n_constants):
                        work[of_k + (3 + c) * apart + j] = constants[c * K + k]
                for j in range(n):
                    place = places[j] + first
                    number = place * n_numbers + k // outputs_a_number
                    work[of_k + apart + j] = numbers[number]
                    work[of_k + 2 * apart + j] = weights[place]
        for k in range(0, rows, ROWS_AT_ONCE):
            evaluate(work, scratch + k * L, apart, z + k * L)
        total, values = 0.0, scratch + (3 + n_constants) * apart
        for k in range(K):
            for j in range(L):
                if j < n:
                    total += np.float64(work[values + k * L + j])
                else:
                    work[z + k * L + j] = 0.0
        return total

    return panels


def _of_rows(loss: Loss, n_constants: int, L: int) -> Callable[..., float]:
    evaluate = _evaluate(loss, n_constants, L)

    def rows(  # type: ignore[no-untyped-def]
        work, numbers, weights, constants, places, place, n, z, scratch, K, rows, n_numbers,
        outputs_a_number, n_constants, n_panels,
    ):  # fmt: skip
        for k in range(rows):
            for panel in range(3 + n_constants):
                work[scratch + panel * rows + k] = 0.0
            if k < K:
                work[scratch + k] = work[z + k]
                number = place * n_numbers + k // outputs_a_number
                work[scratch + rows + k] = numbers[number]
                work[scratch + 2 * rows + k] = weights[place]
                for c in range(n_constants):
                    work[scratch + (3 + c) * rows + k] = constants[c * K + k]
        for k in range(0, rows, ROWS_AT_ONCE * L):
            evaluate(work, scratch + k, rows, z + k)
        total = 0.0
        for k in range(K):
            total += np.float64(work[scratch + (3 + n_constants) * rows + k])
        return total

    return rows


@intrinsic
def call_loss(  # type: ignore[no-untyped-def]
    _, address, work, numbers, weights, constants, places, first, n, z, scratch, K, rows, n_numbers,
    outputs_a_number, n_constants, n_panels,
):  # fmt: skip
    """Have a loss turn z into w dL/dz; return Σ w L.

    Parameters
    ----------
    address
        Of the function.
    work : array
        z stands in it at ``z``, and at ``scratch`` there is room for ``n_panels`` panels.
    numbers, weights, constants, places : arrays
        Those of ``layout.Targets``, and where the n answers stand in them.
    first : int
        Added to ``places``; in ``rows``, where the one answer stands.
    K, rows : int
        The outputs, and the rows of a panel.
    n_numbers, outputs_a_number, n_constants, n_panels : int
    """

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        address, arrays, given = args[0], args[1:6], args[6:]
        kinds = types_of.args[1:6]
        _first, _n, z, scratch, K, rows, *_, n_panels = given
        check_place(context, builder, (kinds[0], arrays[0]), "loss, z,", z, (K, INDEX(1)))
        check_place(
            context, builder, (kinds[0], arrays[0]), "loss, scratch,", scratch, (n_panels, rows)
        )
        pointers = [types.CPointer(kind.dtype) for kind in kinds]
        function_type = context.call_conv.get_function_type(
            types.float64, [*pointers, *[types.intp] * PLACES]
        )
        function = builder.inttoptr(address, function_type.as_pointer())
        result, error = (
            cgutils.alloca_once(builder, kind.pointee) for kind in function_type.args[:2]
        )
        data = [
            context.make_array(kind)(context, builder, array).data
            for kind, array in zip(kinds, arrays, strict=True)
        ]
        builder.call(function, [result, error, *data, *given])
        return builder.load(result)

    signature = types.float64(
        types.intp, work, numbers, weights, constants, places, *[types.intp] * PLACES
    )
    return signature, codegen
