"""A cell's equations, written down instead of computed.

``Cell.forward`` and ``Loss.activate`` are written with + - * / and ``elman.equations.functions``. Given
symbols instead of arrays, they give expressions, which an exporter writes in its own language: so
cells are exported by the same lines that train them, also a user's own cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from elman.equations import Cell, functions
from elman.equations.losses import CrossEntropy, Loss
from elman.errors import ElmanError

Operand: TypeAlias = "Symbol | float"


class Symbol:
    """A value, and how to compute it.

    Attributes
    ----------
    operation : str
        ``"+"``, ``"-"``, ``"*"``, ``"/"``, ``"negative"``, ``"tanh"``, ``"exp"``, ``"positive"`` (a
        truth value), ``"where"``; or ``"given"``, a value that exists already.
    operands : tuple of Symbol or float
    name : str
        The name of a given value.
    """

    __slots__ = ("name", "operands", "operation")
    __array_ufunc__ = None  # so that NumPy's functions refuse symbols

    def __init__(self, operation: str, *operands: Operand, name: str = "") -> None:
        self.operation, self.operands, self.name = operation, operands, name

    def __add__(self, other: Operand) -> Symbol:
        return Symbol("+", self, other)

    def __radd__(self, other: Operand) -> Symbol:
        return Symbol("+", other, self)

    def __sub__(self, other: Operand) -> Symbol:
        return Symbol("-", self, other)

    def __rsub__(self, other: Operand) -> Symbol:
        return Symbol("-", other, self)

    def __mul__(self, other: Operand) -> Symbol:
        return Symbol("*", self, other)

    def __rmul__(self, other: Operand) -> Symbol:
        return Symbol("*", other, self)

    def __truediv__(self, other: Operand) -> Symbol:
        return Symbol("/", self, other)

    def __rtruediv__(self, other: Operand) -> Symbol:
        return Symbol("/", other, self)

    def __neg__(self) -> Symbol:
        return Symbol("negative", self)

    def __bool__(self) -> bool:
        raise TypeError("the truth of a symbol is not known")


@functions.tanh.register
def _tanh(x: Symbol) -> Symbol:
    return Symbol("tanh", x)


@functions.exp.register
def _exp(x: Symbol) -> Symbol:
    return Symbol("exp", x)


@functions.fma.register
def _fma(a: Symbol, b: Operand, c: Operand) -> Symbol:
    return a * b + c


@functions.positive.register
def _positive(x: Symbol) -> Symbol:
    return Symbol("positive", x)


@functions.where.register
def _where(condition: Symbol, yes: Operand, no: Operand) -> Symbol:
    return Symbol("where", condition, yes, no)


def given(names: Sequence[str]) -> tuple[Symbol, ...]:
    """Symbols of values that exist already."""
    return tuple(Symbol("given", name=name) for name in names)


def of_cell(cell: Cell) -> tuple[Operand, ...]:
    """Write down the states after a step of a cell.

    They are expressions of ``a_GATE``, the pre-activation of each gate, and ``before_STATE``.

    Raises
    ------
    ElmanError
        If the cell's ``forward`` does anything but compute with its arguments.
    """
    a = given([f"a_{gate}" for gate in cell.gates])
    before = given([f"before_{state}" for state in cell.states])
    try:
        after, _ = cell.forward(a, before)
        return tuple(_checked(value) for value in after)
    except (TypeError, AttributeError, ValueError) as error:
        raise _foreign(f"the cell {type(cell).__name__}: its forward", error) from error


def of_loss(loss: Loss) -> Operand:
    """Write down ŷ of a loss, an expression of ``z``; a softmax cannot be written so.

    Raises
    ------
    ElmanError
        If the loss's ``activate`` does anything but compute with its argument.
    """
    (z,) = given(["z"])
    try:
        return _checked(loss.activate(z))
    except (TypeError, AttributeError, ValueError) as error:
        raise _foreign(f"the loss {type(loss).__name__}: its activate", error) from error


def is_softmax(loss: Loss) -> bool:
    """Whether ŷ is the softmax of z."""
    return type(loss).activate is CrossEntropy.activate


def _checked(value: Any) -> Operand:
    """Refuse what is neither a symbol nor a number."""
    return value if isinstance(value, Symbol) else float(value)


def _foreign(what: str, error: Exception) -> ElmanError:
    return ElmanError(
        f"cannot export {what} does more than + - * / and elman.equations.functions ({error}). Write "
        "it in these, and it can be exported."
    )


def in_order(values: Sequence[Operand]) -> list[Symbol]:
    """All symbols that some values depend on, each once, its operands before it."""
    found: dict[int, Symbol] = {}

    def visit(value: Operand) -> None:
        if isinstance(value, Symbol) and id(value) not in found:
            for operand in value.operands:
                visit(operand)
            found[id(value)] = value

    for value in values:
        visit(value)
    return list(found.values())


def reads_states(after: Sequence[Operand]) -> bool:
    """Whether states after a step depend on those before it without W."""
    return any(symbol.name.startswith("before_") for symbol in in_order(after))
