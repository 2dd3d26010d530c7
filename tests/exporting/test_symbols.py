"""A cell written down computes what the cell computes."""

import numpy as np
import pytest

from elman import ElmanError
from elman.equations import CELLS, LOSSES
from elman.equations import functions as of_cells
from elman.equations.losses import CrossEntropy
from elman.exporting import symbols
from leaving import Loses, Peeping

FUNCTIONS = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "negative": np.negative,
    "tanh": np.tanh,
    "exp": np.exp,
    "positive": lambda x: x > 0,
    "where": np.where,
}


def computed(values, named):
    found = {}

    def of(value):
        return found[id(value)] if isinstance(value, symbols.Symbol) else value

    for symbol in symbols.in_order(values):
        operands = [of(operand) for operand in symbol.operands]
        is_given = symbol.operation == "given"
        found[id(symbol)] = (
            named[symbol.name] if is_given else FUNCTIONS[symbol.operation](*operands)
        )
    return [of(value) for value in values]


@pytest.mark.parametrize("cell", [*CELLS.values(), Peeping()], ids=str)
def test_cells(cell):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((len(cell.gates), 4, 5))
    before = rng.standard_normal((len(cell.states), 4, 5))
    named = {f"a_{gate}": x for gate, x in zip(cell.gates, a, strict=True)}
    named |= {f"before_{state}": x for state, x in zip(cell.states, before, strict=True)}
    found = computed(symbols.of_cell(cell), named)
    expected, _ = cell.forward(tuple(a), tuple(before))
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("loss", [L() for L in LOSSES.values() if L is not CrossEntropy], ids=repr)
def test_losses(loss):
    z = np.random.default_rng(0).standard_normal((3, 4))
    np.testing.assert_array_equal(computed([symbols.of_loss(loss)], {"z": z})[0], loss.activate(z))
    assert not symbols.is_softmax(loss)


def test_a_softmax_is_known():
    assert symbols.is_softmax(CrossEntropy())


def test_each_symbol_stands_once_and_after_its_operands():
    x, y = symbols.given(["x", "y"])
    s = x + y
    product = s * s
    assert symbols.in_order([product, s]) == [x, y, s, product]


def test_every_operation_is_written_down():
    (x,) = symbols.given(["x"])
    values = [1 - x, 1 + x, 2 * x, 2 / x, x / 2, -x, of_cells.fma(x, 2.0, 1.0)]
    np.testing.assert_array_equal(
        computed(values, {"x": 4.0}), [-3.0, 5.0, 8.0, 0.5, 2.0, -4.0, 9.0]
    )


def test_states_are_found():
    assert not symbols.reads_states(symbols.of_cell(CELLS["dense"]))
    assert symbols.reads_states(symbols.of_cell(CELLS["leaky"]))


def test_what_cannot_be_written_down_is_refused():
    with pytest.raises(ElmanError, match=r"the cell Loses: its forward does more than \+ - \* /"):
        symbols.of_cell(Loses())

    class Asks(Loses):
        def forward(self, a, before):
            return (a[0] if a[0] else before[0],), ()

    with pytest.raises(ElmanError, match="the truth of a symbol"):
        symbols.of_cell(Asks())
