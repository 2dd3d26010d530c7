"""Functions of single numbers, made functions of tiles."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

from elman.engines.compiled.machine import functions
from elman.engines.compiled.machine.tiles import make_tile, vectors_of
from elman.engines.compiled.machine.vectors import Vector, where


def elementwise(function: Callable[..., Vector]) -> Any:
    """Make a function of one to four vectors one of tiles, for use in compiled functions."""

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        operands = zip(*(vectors_of(builder, tile) for tile in args), strict=True)
        results = [
            function(*(Vector(builder, vector) for vector in vectors)).value for vectors in operands
        ]
        return make_tile(builder, args[0].type, results)

    def of_one(_: Any, tile: Any) -> Any:
        return tile(tile), codegen

    def of_two(_: Any, tile: Any, other: Any) -> Any:
        return tile(tile, other), codegen

    def of_three(_: Any, tile: Any, other: Any, third: Any) -> Any:
        return tile(tile, other, third), codegen

    def of_four(_: Any, tile: Any, other: Any, third: Any, fourth: Any) -> Any:
        return tile(tile, other, third, fourth), codegen

    n_operands = len(signature(function).parameters)
    operation: Any = (of_one, of_two, of_three, of_four)[n_operands - 1]
    operation.__name__ = function.__name__
    operation.__doc__ = function.__doc__
    return intrinsic(operation)


exp = elementwise(functions.exp)
log = elementwise(functions.log)


@elementwise
def add(a: Vector, b: Vector) -> Vector:
    """A + b."""
    return a + b


@elementwise
def subtract(a: Vector, b: Vector) -> Vector:
    """A - b."""
    return a - b


@elementwise
def multiply(a: Vector, b: Vector) -> Vector:
    """A b."""
    return a * b


@elementwise
def divide(a: Vector, b: Vector) -> Vector:
    """A / b."""
    return a / b


@elementwise
def maximum(a: Vector, b: Vector) -> Vector:
    """The larger of a and b; b where one is NaN."""
    return where(">", a, b, a, b)


@elementwise
def where_larger(a: Vector, b: Vector, yes: Vector, no: Vector) -> Vector:
    """``yes`` where a > b, else ``no``."""
    return where(">", a, b, yes, no)


@elementwise
def where_equal(a: Vector, b: Vector, yes: Vector) -> Vector:
    """``yes`` where a = b, else 0."""
    return where("==", a, b, yes, a.constant(0.0))
