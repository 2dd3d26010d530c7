"""Where elements of an array stand in memory, and in checked mode whether they are there at all.

Compiled functions go by offsets into flat arrays, and the processor reads and writes whatever is
there, within an array or not. In *checked mode*, with Numba's NUMBA_BOUNDSCHECK=1 in the environment,
every access is first compared with the array's length, at both ends. One that leaves the array raises
an IndexError that names the function, the operation and the elements. Only what is brought near, by
``prefetch`` and within ``multiply_add``, may lie beyond.

Which mode it is, is settled on import. Neither mode finds what the other one keeps on disk.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import config, njit, types
from numba.np import arrayobj

CHECKED = bool(config.BOUNDSCHECK)

INDEX = ir.IntType(64)
COMPILED = f"{__package__.rpartition('.')[0]}."


def unchecked_address(context: Any, builder: ir.IRBuilder, place: tuple[Any, Any, Any]) -> Any:
    """Return a pointer to a place, the type of an array, the array and an offset, maybe outside."""
    kind, array, offset = place
    data = context.data_model_manager[kind].get(builder, array, "data")
    return builder.gep(data, [offset])


def address(
    operation: str, context: Any, builder: ir.IRBuilder, place: tuple[Any, Any, Any], *axes: Any
) -> Any:
    """Return a pointer to a place, array[offset], from where an operation goes along ``axes``.

    An axis is a number of places n and the step from one to the next. The operation accesses
    array[offset + Σ i step], with i = 0 … n - 1 for each axis.
    """
    if CHECKED:
        kind, array, offset = place
        length = context.make_array(kind)(context, builder, array).nitems
        check(operation, context, builder, length, offset, *axes)
    return unchecked_address(context, builder, place)


def check(
    operation: str, context: Any, builder: ir.IRBuilder, length: Any, offset: Any, *axes: Any
) -> None:
    """Append a check of such an access to the program."""
    function = f"{context.fndesc.modname}.{context.fndesc.qualname}"
    name = context.get_constant_generic(builder, types.unicode_type, f"{function}: {operation}")
    axis_type = types.UniTuple(types.intp, 2)
    axes_type = types.UniTuple(axis_type, len(axes))

    def value(number: Any) -> Any:
        return INDEX(number) if isinstance(number, int) else number

    packed = [context.make_tuple(builder, axis_type, map(value, axis)) for axis in axes]
    packed = context.make_tuple(builder, axes_type, packed)
    function_type = context.typing_context.resolve_value_type(refuse_outside)
    kinds = types.unicode_type, types.intp, types.intp, axes_type
    signature = function_type.get_call_type(context.typing_context, kinds, {})
    context.get_function(function_type, signature)(builder, (name, length, offset, packed))


class OutOfBoundsError(IndexError):
    """An access leaves an array: what accesses, the first and last element, the array's length."""

    def __str__(self) -> str:
        return "{} of elements {} to {} of an array of length {}".format(*self.args)


@njit
def refuse_outside(name: str, length: int, first: int, axes: tuple[tuple[int, int], ...]) -> None:
    """Raise an error if an access that begins at ``first`` leaves an array."""
    before = after = 0
    for n, step in axes:
        if n <= 0:
            return
        before += min(0, (n - 1) * step)
        after += max(0, (n - 1) * step)
    if first + before < 0 or first + after >= length:
        raise OutOfBoundsError(name, first + before, first + after, length)


count_from_end = arrayobj.fix_integer_index


def own_index(context: Any, builder: ir.IRBuilder, kind: Any, index: Any, length: Any) -> Any:
    """Return an index as NumPy writes it, ``work[i]``, checked in checked mode.

    Numba takes a negative index to count from the end, and asks each index for its sign. In functions
    of this package only one that is written out may be negative, as in ``layers[-1]``. One that is
    computed and turns out negative leaves the array, which checked mode alone notices.
    """
    is_own = context.fndesc.modname.startswith(COMPILED)
    if not is_own:
        return count_from_end(context, builder, kind, index, length)
    if isinstance(index, ir.Constant):
        index = count_from_end(context, builder, kind, index, length)
    else:
        index = context.cast(builder, index, kind, types.intp)
    if CHECKED:
        check("index", context, builder, length, index, (1, 1))
    return index


arrayobj.fix_integer_index = own_index  # Numba has no setting for it
