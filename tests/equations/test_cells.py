"""The cells: forward and backward belong together, in every dtype."""

import numpy as np
import pytest

from elman.equations import CELLS, Cell
from elman.equations.cells import Leaky
from elman.equations.functions import sigmoid
from tolerances import BY_HAND, ROUNDING, relative_error

H, n = 3, 4

cells = pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))


def draw(cell, dtype=np.float64):
    rng = np.random.default_rng(5)
    a = tuple(rng.standard_normal((H, n)).astype(dtype) for _ in cell.gates)
    before = tuple(rng.standard_normal((H, n)).astype(dtype) for _ in cell.states)
    d = tuple(rng.standard_normal((H, n)).astype(dtype) for _ in cell.states)
    return a, before, d


def moved(arrays, i):
    """The arrays, with an imaginary part in the i-th."""
    return tuple(x + 1e-20j if j == i else x + 0j for j, x in enumerate(arrays))


@cells
def test_backward_is_the_derivative_of_forward(cell):
    """Pointwise, Σ_s d_s s is moved by gate g by as much as backward says."""
    a, before, d = draw(cell)
    after, kept = cell.forward(a, before)
    da, d_before = cell.backward(d, kept, after, before)
    assert (len(after), len(da), len(d_before)) == (
        len(cell.states),
        len(cell.gates),
        len(cell.states),
    )

    def derivative(a, before):
        states, _ = cell.forward(a, before)
        return sum(d_s * s.imag for d_s, s in zip(d, states, strict=True)) / 1e-20

    for g, of_gate in enumerate(da):
        expected = derivative(moved(a, g), tuple(x + 0j for x in before))
        assert relative_error(of_gate, expected) <= BY_HAND
    for s, of_state in enumerate(d_before):
        expected = derivative(tuple(x + 0j for x in a), moved(before, s))
        found = np.zeros((H, n)) if of_state is None else of_state
        np.testing.assert_allclose(found, expected, rtol=BY_HAND, atol=0)


@cells
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtype_is_kept(cell, dtype):
    a, before, d = draw(cell, dtype)
    after, kept = cell.forward(a, before)
    da, d_before = cell.backward(d, kept, after, before)
    arrays = [*after, *kept, *da, *(x for x in d_before if x is not None)]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}


@cells
def test_arguments_are_left_as_they_were(cell):
    a, before, d = draw(cell)
    after, kept = cell.forward(a, before)
    arguments = (*a, *before, *d, *kept, *after)
    copies = [array.copy() for array in arguments]
    cell.backward(d, kept, after, before)
    for array, copy in zip(arguments, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@cells
def test_errors_of_several_losses_go_back_side_by_side(cell):
    """(H, A) errors against one column of what is kept, as explanations take it."""
    a, before, d = draw(cell)
    a, before = (tuple(x[:, :1] for x in arrays) for arrays in (a, before))
    after, kept = cell.forward(a, before)
    for found, one in zip(
        cell.backward(d, kept, after, before)[0],
        cell.backward(tuple(x[:, 2:3] for x in d), kept, after, before)[0],
        strict=True,
    ):
        np.testing.assert_array_equal(found[:, 2:3], one)


def test_tanh_is_the_notes():
    cell, (a,) = CELLS["tanh"], draw(CELLS["tanh"])[0]
    ((h,), kept) = cell.forward((a,), (a,))
    np.testing.assert_array_equal(h, np.tanh(a))
    ((delta,), _) = cell.backward((np.ones_like(h),), kept, (h,), (a,))
    np.testing.assert_array_equal(delta, 1 - np.tanh(a) ** 2)


def test_relu_holds_back_what_is_below_zero():
    a = np.array([[-3.1, -0.7, -0.02, -np.inf], [0.3, 1.1, 2.9, np.inf]])
    ((h,), _) = CELLS["relu"].forward((a,), (a,))
    np.testing.assert_array_equal(h, [[0] * 4, a[1]])
    ((delta,), _) = CELLS["relu"].backward((a,), (), (h,), (a,))
    np.testing.assert_array_equal(delta, [[0] * 4, a[1]])


def test_lstm_is_its_equations():
    cell = CELLS["lstm"]
    a, (h, s), _ = draw(cell)
    i, f, _, o = (1 / (1 + np.exp(-x)) for x in a)
    s = f * s + i * np.tanh(a[2])
    for found, expected in zip(
        cell.forward(a, (h, draw(cell)[1][1]))[0], (o * np.tanh(s), s), strict=True
    ):
        assert relative_error(found, expected) <= ROUNDING


def test_gru_is_its_equations():
    cell = CELLS["gru"]
    (a_r, a_z, a_n, a_m), (h,), _ = draw(cell)
    r, z = (1 / (1 + np.exp(-x)) for x in (a_r, a_z))
    n_t = np.tanh(a_n + r * a_m)
    ((found,), _) = cell.forward((a_r, a_z, a_n, a_m), (h,))
    assert relative_error(found, (1 - z) * n_t + z * h) <= ROUNDING


@pytest.mark.parametrize("alpha", [0, -0.1, 1.5, np.nan])
def test_leaky_refuses_an_alpha_that_is_no_share(alpha):
    with pytest.raises(ValueError, match="alpha must be above 0 and at most 1; got"):
        Leaky(alpha)


def test_leaky_with_alpha_1_is_tanh():
    a, before, d = draw(CELLS["tanh"])
    leaky, tanh = (cell.forward(a, before) for cell in (Leaky(1.0), CELLS["tanh"]))
    np.testing.assert_array_equal(leaky[0], tanh[0])
    ours = Leaky(1.0).backward(d, leaky[1], leaky[0], before)[0]
    np.testing.assert_array_equal(ours, CELLS["tanh"].backward(d, (), tanh[0], before)[0])


def test_cells_are_the_same_where_their_numbers_are():
    assert Leaky(0.2) == Leaky(0.2) != Leaky(0.3)
    assert hash(Leaky(0.2)) == hash(Leaky(0.2))
    assert CELLS["tanh"] != CELLS["dense"] != Leaky(0.2)


def test_what_enters_the_gates():
    assert {name for name, cell in CELLS.items() if not cell.recurrent} == {"dense"}
    gru = CELLS["gru"]
    assert (gru.gates_reading("x"), gru.gates_reading("h")) == ([0, 1, 2], [0, 1, 3])
    stacked = np.arange(8)[:, None]
    np.testing.assert_array_equal(gru.rows_reading("h", stacked).ravel(), [0, 1, 2, 3, 6, 7])
    assert CELLS["lstm"].rows_reading("x", stacked) is stacked
    assert len(CELLS["dense"].rows_reading("h", stacked)) == 0


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"reads": {"g": "x"}}, "Odd.reads names 'g'; the gates are h"),
        ({"first_bias": {"f": 1.0}}, "Odd.first_bias names 'f'; the gates are h"),
        ({"reads": {"h": "y"}}, 'must say "xh", "x" or "h"'),
        ({"reads": {"h": "h"}}, "Odd: some gate must read x"),
    ],
)
def test_a_cell_whose_gates_make_no_sense_is_refused(attributes, message):
    with pytest.raises(TypeError, match=message):
        type("Odd", (Cell,), attributes)


def test_a_cell_without_equations_cannot_be_made():
    class Nothing(Cell):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Nothing()


def test_sigmoid_keeps_its_digits_far_out():
    x = np.array([-745.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0])
    with np.errstate(over="raise"):
        found = sigmoid(x)
    exact = [5e-324, np.exp(-40.0), 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1.0, 1.0]
    np.testing.assert_allclose(found, exact, rtol=BY_HAND)
    slope = sigmoid(np.array([-600.0, 3.0]) + 1e-20j).imag / 1e-20
    np.testing.assert_allclose(slope, [np.exp(-600.0), 0.045176659730912], rtol=1e-12)
