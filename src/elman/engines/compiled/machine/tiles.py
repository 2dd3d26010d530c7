"""Tiles: small blocks of numbers held in vector registers, for compiled functions.

NumPy computes one operation on whole arrays, and each goes through memory. A compiled function that
uses tiles keeps a block of the result in the processor's registers instead, goes through all of a
sum there, applies tanh, and only then writes to memory: that is the difference in speed.

A *vector* is 64 bytes of numbers that the processor handles at once: 16 of float32, 8 of float64,
its *lanes*. A *tile* is ``rows`` × ``vectors`` of them. In Numba's compiled functions a tile is a
value like any other, made and used by the functions below:

    tile = broadcast_rows(bias, 0, tile_rows(bias), 1)              # one bias a row
    tile = multiply_add(tile, A, 0, 1, LANES, B, 0, LANES, n)       # tile += A B
    store(tanh(tile), C, 0, LANES)

Numba does not know vectors, but lets a Python function write instructions of LLVM, the compiler
below it, into the program: ``numba.extending.intrinsic``. The function ``codegen`` inside each of
these runs once, when something is compiled; ``builder.fadd(a, b)`` computes nothing, but appends
"add a and b" to the program. Where such a function has a loop, the program has the instruction many
times.

Lanes never mix, apart from ``transpose``, which only moves numbers; the products and sums are IEEE
754's, fused only where ``fma`` says so. LLVM splits a vector of 64 bytes where a processor's are
shorter, and that changes no bit of a result.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

from elman.engines.compiled.machine.memory import INDEX, address, unchecked_address
from elman.engines.compiled.machine.vectors import Vector, fma

VECTOR_BITS = 512

INT32 = ir.IntType(32)
BYTES = ir.IntType(8).as_pointer()
SCALARS = {32: ir.FloatType(), 64: ir.DoubleType()}


def _has_32_vector_registers() -> bool:
    """Whether the processor compiled for has AVX-512's registers; others have 16, of half the size."""
    features = config.CPU_FEATURES
    if features is None:
        features = binding.get_host_cpu_features().flatten()
    return "+avx512f" in features.split(",")


IS_WIDE = _has_32_vector_registers()

# By the bits of a number: as many rows as accumulators fit into registers beside the operands, a
# divisor of the lanes. It decides only which sums run side by side, not how any is summed.
TILE_ROWS = {32: 16, 64: 8} if IS_WIDE else {32: 4, 64: 4}

# Of two vectors each: as many accumulators, and each number of A that is loaded is used twice.
PAIR_ROWS = {32: 8, 64: 8}

# Vectors of one row: as many sums in flight as an addition takes longer than beginning one.
WIDE = 4

# A product whose A is spread over so many numbers would wait for them: in float32, a matrix of
# 96 × 96 is about what the first cache holds. So they are brought there some terms before they are
# needed.
SPREAD = 96 * 16
AHEAD = 16


class Tile(types.Type):
    """The type of a tile: its dtype (a Numba float), rows, and vectors a row."""

    def __init__(self, dtype: types.Float, rows: int, vectors: int) -> None:
        self.dtype, self.rows, self.vectors = dtype, rows, vectors
        self.lanes = VECTOR_BITS // dtype.bitwidth
        self.vector = ir.VectorType(SCALARS[dtype.bitwidth], self.lanes)
        super().__init__(name=f"Tile({dtype}, {rows}, {vectors})")

    def __len__(self) -> int:
        return self.rows * self.vectors


@register_model(Tile)
class TileModel(models.PrimitiveModel):
    """How LLVM holds a tile: an array of vectors, row by row, which it spreads over registers."""

    def __init__(self, manager: Any, tile: Tile) -> None:
        super().__init__(manager, tile, ir.ArrayType(tile.vector, len(tile)))


# Making tiles, and moving them from and to memory. Arrays are contiguous; places in them are given
# by an offset and a step, counted in elements.


def _further(builder: ir.IRBuilder, place: Any, step: Any, n: int) -> Any:
    """The place n steps further."""
    return builder.gep(place, [builder.mul(step, INDEX(n))]) if n else place


def _place(
    tile: Tile, builder: ir.IRBuilder, pointer: Any, vector: int, apart: Any
) -> tuple[Any, int]:
    """Where a row's vector stands, and the alignment that is certain."""
    start = _further(builder, pointer, apart, vector)
    return builder.bitcast(start, tile.vector.as_pointer()), tile.dtype.bitwidth // 8


def _splat(builder: ir.IRBuilder, number: Any, kind: ir.VectorType) -> Any:
    """A vector of equal lanes."""
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, number, INT32(0))
    return builder.shuffle_vector(
        first, undefined, ir.Constant(ir.VectorType(INT32, kind.count), [0] * kind.count)
    )


def make_tile(builder: ir.IRBuilder, kind: ir.Type, vectors: Sequence[Any]) -> Any:
    """A tile of its vectors."""
    value = ir.Constant(kind, ir.Undefined)
    for i, vector in enumerate(vectors):
        value = builder.insert_value(value, vector, i)
    return value


def vectors_of(builder: ir.IRBuilder, tile: Any) -> list[Any]:
    """The vectors of a tile."""
    return [builder.extract_value(tile, i) for i in range(tile.type.count)]


@intrinsic
def lanes(_: Any, array: Any) -> Any:
    """The lanes of a vector of an array's numbers."""

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        return INDEX(VECTOR_BITS // types_of.args[0].dtype.bitwidth)

    return types.intp(array), codegen


@intrinsic
def tile_rows(_: Any, array: Any, apart: Any = None) -> Any:
    """The rows of a tile of an array's numbers, as a literal, which ``zeros`` and others take.

    Those of two vectors a row, so far ``apart``, have ``PAIR_ROWS``.
    """

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        return INDEX(types_of.return_type.literal_value)

    rows = (PAIR_ROWS if _is_given(apart) else TILE_ROWS)[array.dtype.bitwidth]
    return types.literal(rows)(array, _type_of(apart)), codegen


@intrinsic
def tile_vectors(_: Any, apart: Any) -> Any:
    """The vectors of a row: two where they are so far ``apart``, one if that is None."""

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        return INDEX(types_of.return_type.literal_value)

    return types.literal(1 + _is_given(apart))(_type_of(apart)), codegen


def _is_given(argument: Any) -> bool:
    """Whether an argument's type is a number's, and not None's."""
    return isinstance(argument, types.Integer)


def _type_of(argument: Any) -> Any:
    """The type of an argument that may be left out."""
    if _is_given(argument):
        return types.intp
    return types.Omitted(None) if argument is None else argument


@intrinsic(prefer_literal=True)
def zeros(_: Any, array: Any, rows: Any, vectors: Any) -> Any:
    """A tile of zeros, of the dtype of an array."""

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(types_of.return_type), None)

    tile = Tile(array.dtype, rows.literal_value, vectors.literal_value)
    return tile(array, rows, vectors), codegen


@intrinsic(prefer_literal=True)
def broadcast_rows(_: Any, array: Any, offset: Any, rows: Any, vectors: Any) -> Any:
    """A tile with an array's number in each row: array[offset + row] in all lanes."""
    tile = Tile(array.dtype, rows.literal_value, vectors.literal_value)

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        place = types_of.args[0], args[0], args[1]
        start = address("broadcast_rows", context, builder, place, (tile.rows, 1))
        numbers = [builder.load(builder.gep(start, [INDEX(row)])) for row in range(tile.rows)]
        equal = [_splat(builder, number, tile.vector) for number in numbers]
        equal = [vector for vector in equal for _ in range(tile.vectors)]
        return make_tile(builder, context.get_value_type(tile), equal)

    return tile(array, types.intp, rows, vectors), codegen


@intrinsic(prefer_literal=True)
def load(
    _: Any, array: Any, offset: Any, step: Any, rows: Any, vectors: Any, apart: Any = None
) -> Any:
    """A tile from memory: row r, lane j is array[offset + r step + j].

    Vectors of a row stand side by side, or so far ``apart``, if that is given.
    """
    tile = Tile(array.dtype, rows.literal_value, vectors.literal_value)

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        place = types_of.args[0], args[0], args[1]
        beside = args[5] if _is_given(apart) else INDEX(tile.lanes)
        axes = (tile.rows, args[2]), (tile.vectors, beside), (tile.lanes, 1)
        start = address("load", context, builder, place, *axes)
        found = []
        for row in range(tile.rows):
            row_start = _further(builder, start, args[2], row)
            for vector in range(tile.vectors):
                place, align = _place(tile, builder, row_start, vector, beside)
                found.append(builder.load(place, align=align))
        return make_tile(builder, context.get_value_type(tile), found)

    return tile(array, types.intp, types.intp, rows, vectors, _type_of(apart)), codegen


@intrinsic
def store(_: Any, tile: Any, array: Any, offset: Any, step: Any, apart: Any = None) -> Any:
    """Write a tile to memory: the inverse of ``load``."""

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        place = types_of.args[1], args[1], args[2]
        beside = args[4] if _is_given(apart) else INDEX(tile.lanes)
        axes = (tile.rows, args[3]), (tile.vectors, beside), (tile.lanes, 1)
        start = address("store", context, builder, place, *axes)
        vectors = iter(vectors_of(builder, args[0]))
        for row in range(tile.rows):
            row_start = _further(builder, start, args[3], row)
            for vector in range(tile.vectors):
                place, align = _place(tile, builder, row_start, vector, beside)
                builder.store(next(vectors), place, align=align)
        return context.get_dummy_value()

    return types.void(tile, array, types.intp, types.intp, _type_of(apart)), codegen


@intrinsic
def prefetch(_: Any, array: Any, offset: Any) -> Any:
    """Have a number, and what is beside it, brought to the cache; it may lie beyond the end."""

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        place = unchecked_address(context, builder, (types_of.args[0], args[0], args[1]))
        _bring_near(builder, place)
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


def _bring_near(builder: ir.IRBuilder, place: Any) -> None:
    """Append what has a place, and what is beside it, brought to the cache."""
    place = builder.bitcast(place, BYTES)
    signature = ir.FunctionType(ir.VoidType(), [BYTES, INT32, INT32, INT32])
    function = cgutils.get_or_insert_function(builder.module, signature, "llvm.prefetch.p0")
    builder.call(function, [place, INT32(0), INT32(3), INT32(1)])  # to read, to keep, data


def _apart(builder: ir.IRBuilder, place: Any) -> Any:
    """The same place; but LLVM does not know that it is part of the same array.

    Otherwise it keeps a pointer for each row of a tile, and there are not enough registers.
    """
    name, signature = "llvm.launder.invariant.group.p0", ir.FunctionType(BYTES, [BYTES])
    function = cgutils.get_or_insert_function(builder.module, signature, name)
    apart = builder.call(function, [builder.bitcast(place, BYTES)])
    return builder.bitcast(apart, place.type)


@intrinsic
def multiply_add(
    _: Any, tile: Any, A: Any, a: Any, a_row: Any, a_step: Any, B: Any, b: Any, b_step: Any, n: Any,
    used: Any = None, apart: Any = None,
) -> Any:  # fmt: skip
    """Add a product of matrices to a tile: the one place where the work is done.

    tile[r, j] += Σ_k A[a + r a_row + k a_step] · B[b + k b_step + j],  k = 0 … n - 1, in this order.

    A step k loads one row of B, as wide as the tile, and for each row of the tile one number of A,
    into all lanes. Each product is one instruction with the sum, and the sums stay in registers.
    Where no more than the first ``used`` rows will be, the others may be left as they are. Vectors of
    a row of B stand side by side, or so far ``apart``, if that is given.
    """

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        start, A, a, a_row, a_step, B, b, b_step, n = args[:9]
        beside = args[10] if _is_given(apart) else INDEX(tile.lanes)
        place = types_of.args[1], A, a
        axes = [(tile.rows, a_row), (n, a_step)]
        A_start = address("multiply_add, A,", context, builder, place, *axes)
        place = types_of.args[5], B, b
        axes = [(n, b_step), (tile.vectors, beside), (tile.lanes, INDEX(1))]
        B_start = address("multiply_add, B,", context, builder, place, *axes)
        operands = (A_start, a_row, a_step), (B_start, b_step, beside)
        loop = partial(_add_products, tile, builder, start, *operands, n)
        if not IS_WIDE or tile.rows == 1:
            return loop(tile.rows)
        ahead = _apart(builder, _further(builder, A_start, a_step, AHEAD))
        if tile.vectors > 1:  # there is time enough to bring near what may be near already
            return loop(tile.rows, ahead)
        is_spread = builder.icmp_signed(">=", builder.mul(n, a_step), INDEX(SPREAD))
        ways = [(is_spread, partial(loop, tile.rows, ahead))]
        if _is_given(used):
            is_half = builder.icmp_signed("<=", args[9], INDEX(tile.rows // 2))
            ways.insert(0, (is_half, partial(loop, tile.rows // 2)))
        return _first_way(builder, ways, partial(loop, tile.rows))

    place, others = types.intp, (_type_of(used), _type_of(apart))
    return tile(tile, A, place, place, place, B, place, place, place, *others), codegen


def _first_way(builder: ir.IRBuilder, ways: list[tuple[Any, Any]], otherwise: Any) -> Any:
    """Append several ways to a value, and take the first whose condition holds."""
    if not ways:
        return otherwise()
    (condition, way), *rest = ways
    with builder.if_else(condition) as (then, other):
        with then:
            one, end_of_one = way(), builder.block
        with other:
            two, end_of_two = _first_way(builder, rest, otherwise), builder.block
    value = builder.phi(one.type)
    value.add_incoming(one, end_of_one)
    value.add_incoming(two, end_of_two)
    return value


def _add_products(
    tile: Tile,
    builder: ir.IRBuilder,
    start: Any,
    of_A: tuple[Any, Any, Any],
    of_B: tuple[Any, Any, Any],
    n: Any,
    rows: int,
    ahead: Any = None,
) -> Any:
    """Append the loop of ``multiply_add``, for so many rows; return the tile.

    With ``ahead``, a place in A, what stands there is brought near, too.
    """
    (A, a_row, a_step), (B, b_step, beside) = of_A, of_B
    starts = vectors_of(builder, start)
    before = builder.block
    head = builder.append_basic_block("products")
    body = builder.append_basic_block("product")
    after = builder.append_basic_block("summed")
    builder.branch(head)

    builder.position_at_end(head)
    k = builder.phi(INDEX)
    k.add_incoming(INDEX(0), before)
    sums = [builder.phi(tile.vector) for _ in starts[: rows * tile.vectors]]
    for total, first in zip(sums, starts, strict=False):
        total.add_incoming(first, before)
    builder.cbranch(builder.icmp_signed("<", k, n), body, after)

    builder.position_at_end(body)
    B_row = builder.gep(B, [builder.mul(k, b_step)])
    A_column = builder.gep(A, [builder.mul(k, a_step)])
    if ahead is not None:
        _bring_near(builder, builder.gep(ahead, [builder.mul(k, a_step)]))
    operands = []
    for vector in range(tile.vectors):
        place, align = _place(tile, builder, B_row, vector, beside)
        operands.append(Vector(builder, builder.load(place, align=align)))
    for row in range(rows):
        number = builder.load(_further(builder, A_column, a_row, row))
        factor = Vector(builder, _splat(builder, number, tile.vector))
        for vector, operand in enumerate(operands):
            total = sums[row * tile.vectors + vector]
            total.add_incoming(fma(factor, operand, Vector(builder, total)).value, body)
    k.add_incoming(builder.add(k, INDEX(1)), body)
    builder.branch(head)

    builder.position_at_end(after)
    return make_tile(builder, start.type, [*sums, *starts[len(sums) :]])


@intrinsic
def transpose(
    _: Any, source: Any, offset: Any, step: Any, target: Any, to: Any, to_step: Any
) -> Any:
    """Copy a square of lanes × lanes numbers, transposed: target[to + j to_step + i] = source[… i, j].

    In log₂ lanes rounds; each swaps, in pairs of rows, the blocks beside the diagonal.
    """
    square = Tile(source.dtype, VECTOR_BITS // source.dtype.bitwidth, 1)

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        n = square.lanes
        place = types_of.args[0], args[0], args[1]
        start = address("transpose, source,", context, builder, place, (n, args[2]), (n, 1))
        rows = []
        for row in range(n):
            row_start = _further(builder, start, args[2], row)
            place, align = _place(square, builder, row_start, 0, INDEX(0))
            rows.append(builder.load(place, align=align))
        picks = ir.VectorType(INT32, n)
        block = n // 2
        while block:
            # lanes without bit `block` come from the upper row of a pair, those with it from the lower
            upper = [j if not j & block else n + j - block for j in range(n)]
            lower = [j + block if not j & block else n + j for j in range(n)]
            swapped = list(rows)
            for row in range(n):
                if not row & block:
                    pair = rows[row], rows[row + block]
                    swapped[row] = builder.shuffle_vector(*pair, ir.Constant(picks, upper))
                    swapped[row + block] = builder.shuffle_vector(*pair, ir.Constant(picks, lower))
            rows = swapped
            block //= 2
        place = types_of.args[3], args[3], args[4]
        start = address("transpose, target,", context, builder, place, (n, args[5]), (n, 1))
        for row, vector in enumerate(rows):
            row_start = _further(builder, start, args[5], row)
            place, align = _place(square, builder, row_start, 0, INDEX(0))
            builder.store(vector, place, align=align)
        return context.get_dummy_value()

    place = types.intp
    return types.void(source, place, place, target, place, place), codegen


@intrinsic
def keep(_: Any, tile: Any, first: Any, last: Any) -> Any:
    """The tile in lanes from ``first`` up to, not including, ``last``; zeros elsewhere."""

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        kind = ir.VectorType(INDEX, tile.lanes)
        lane = ir.Constant(kind, list(range(tile.lanes)))
        inside = builder.and_(
            builder.icmp_signed(">=", lane, _splat(builder, args[1], kind)),
            builder.icmp_signed("<", lane, _splat(builder, args[2], kind)),
        )
        zero = ir.Constant(tile.vector, None)
        kept = [builder.select(inside, vector, zero) for vector in vectors_of(builder, args[0])]
        return make_tile(builder, args[0].type, kept)

    return tile(tile, types.intp, types.intp), codegen
