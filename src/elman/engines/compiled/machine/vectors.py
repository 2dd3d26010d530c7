"""Arithmetic on vectors of the program being written.

What is done to single numbers (``functions``) is written with these classes and functions as it would
be for arrays. Each operation computes nothing, but appends an instruction of LLVM's to the program.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir
from numba.core import cgutils

from elman.equations import functions as of_cells


class Vector:
    """A vector of the program being written: arithmetic on it appends instructions.

    Numbers turn into vectors of equal lanes. What is written with it reads as it would for arrays.
    """

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder = builder
        self.value = value

    @property
    def bits(self) -> int:
        """The bits of a lane, 32 or 64."""
        return 32 if isinstance(self.value.type.element, ir.FloatType) else 64

    def constant(self, number: float) -> Vector:
        """Make a vector of equal lanes like this one."""
        return Vector(self.builder, ir.Constant(self.value.type, [number] * self.value.type.count))

    def call(self, name: str, *others: Vector | float) -> Vector:
        """Apply one of LLVM's own functions of vectors, such as ``llvm.fabs``."""
        operands = [self.value, *(self._operand(other) for other in others)]
        kind = self.value.type
        function_type = ir.FunctionType(kind, [kind] * len(operands))
        full_name = f"{name}.v{kind.count}f{self.bits}"
        function = cgutils.get_or_insert_function(self.builder.module, function_type, full_name)
        return Vector(self.builder, self.builder.call(function, operands))

    @property
    def integers(self) -> tuple[ir.Value, Callable[[int], ir.Constant]]:
        """The bits of the lanes as integers, and what makes constants of their kind."""
        kind = ir.VectorType(ir.IntType(self.bits), self.value.type.count)
        bits = self.builder.bitcast(self.value, kind)
        return bits, lambda number: ir.Constant(kind, [number] * kind.count)

    def of_bits(self, integers: ir.Value) -> Vector:
        """Make a vector like this one of bits."""
        return Vector(self.builder, self.builder.bitcast(integers, self.value.type))

    def _operand(self, other: Vector | float) -> ir.Value:
        return other.value if isinstance(other, Vector) else self.constant(other).value

    def __add__(self, other: Vector | float) -> Vector:
        return Vector(self.builder, self.builder.fadd(self.value, self._operand(other)))

    def __sub__(self, other: Vector | float) -> Vector:
        return Vector(self.builder, self.builder.fsub(self.value, self._operand(other)))

    def __mul__(self, other: Vector | float) -> Vector:
        return Vector(self.builder, self.builder.fmul(self.value, self._operand(other)))

    def __truediv__(self, other: Vector | float) -> Vector:
        return Vector(self.builder, self.builder.fdiv(self.value, self._operand(other)))

    def __radd__(self, other: float) -> Vector:
        return self.constant(other) + self

    def __rsub__(self, other: float) -> Vector:
        return self.constant(other) - self

    def __rmul__(self, other: float) -> Vector:
        return self.constant(other) * self

    def __rtruediv__(self, other: float) -> Vector:
        return self.constant(other) / self

    def __neg__(self) -> Vector:
        return Vector(self.builder, self.builder.fneg(self.value))

    def __abs__(self) -> Vector:
        return self.call("llvm.fabs")


def fma(a: Vector, b: Vector | float, c: Vector | float) -> Vector:
    """A b + c, rounded once."""
    return a.call("llvm.fma", b, c)


def where(comparison: str, a: Vector, b: Vector | float, yes: Vector | float, no: Vector) -> Vector:
    """``yes`` in lanes where ``a comparison b``, such as a < b, is true, else ``no``."""
    # "ordered": false where one of them is NaN
    condition = a.builder.fcmp_ordered(comparison, a.value, a._operand(b))
    return Vector(a.builder, a.builder.select(condition, no._operand(yes), no.value))


class Condition:
    """Something that is true or false in each lane of a vector."""

    def __init__(self, like: Vector, value: ir.Value) -> None:
        self.like = like
        self.value = value


def positive(x: Vector) -> Condition:
    """Where x > 0; false for NaN."""
    return Condition(x, x.builder.fcmp_ordered(">", x.value, x.constant(0.0).value))


def choose(condition: Condition, yes: Vector | float, no: Vector | float) -> Vector:
    """``yes`` where a condition is true, else ``no``."""
    like = condition.like
    picked = like.builder.select(condition.value, like._operand(yes), like._operand(no))
    return Vector(like.builder, picked)


of_cells.fma.register(Vector, fma)
of_cells.positive.register(Vector, positive)
of_cells.where.register(Condition, choose)
