"""N2: one step, one layer, the output, under the notes' names."""

import numpy as np
import pytest

from elman.equations import CELLS, Layer, output, recurrent_layer, recurrent_step, softmax
from tolerances import BY_HAND, ROUNDING, relative_error

D, H, K, n = 3, 4, 2, 5


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def draw_layer(rng, cell, bias=True, dtype=np.float64):
    G = len(cell.gates)
    from_x, from_h = (len(cell.gates_reading(what)) for what in "xh")
    U, W, b = (
        rng.standard_normal(shape).astype(dtype)
        for shape in ((from_x * H, D), (from_h * H, H), G * H)
    )
    return Layer(cell, U, W if from_h else None, b if bias else None)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
def test_a_step_has_every_intermediate_of_the_notes(rng, cell, bias):
    """Gate by gate and unit by unit; what the cell makes of them is its own (test_cells)."""
    layer = draw_layer(rng, cell, bias)
    x_t = rng.standard_normal((D, n))
    before = tuple(rng.standard_normal((H, n)) for _ in cell.states)
    step = recurrent_step(x_t, before, layer)
    of_x, of_h = cell.gates_reading("x"), cell.gates_reading("h")
    for g in range(len(cell.gates)):
        for i in range(H):
            for j in range(n):
                expected = layer.b[g * H + i] if bias else 0
                if g in of_x:
                    row = of_x.index(g) * H + i
                    U_frd = sum(layer.U[row, d] * x_t[d, j] for d in range(D))
                    assert abs(step.U_frd[row, j] - U_frd) <= ROUNDING * 10
                    expected += U_frd
                if g in of_h:
                    row = of_h.index(g) * H + i
                    W_frd = sum(layer.W[row, k] * before[0][k, j] for k in range(H))
                    assert abs(step.W_frd[row, j] - W_frd) <= ROUNDING * 10
                    expected += W_frd
                found = step.h_unactivated[g * H + i, j]
                np.testing.assert_allclose(found, expected, rtol=BY_HAND, atol=ROUNDING)
    states, kept = cell.forward(tuple(np.split(step.h_unactivated, len(cell.gates))), before)
    for found, expected in zip((*step.states, *step.kept), (*states, *kept), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert step.h_activated is step.states[0]


@pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
@pytest.mark.parametrize("counts", [(4, 4, 4), (4, 4, 2, 1, 1), (1,)])
def test_a_layer_is_its_steps_one_after_another(rng, counts, cell):
    layer = draw_layer(rng, cell)
    x = [rng.standard_normal((D, n_t)) for n_t in counts]
    initial = tuple(rng.standard_normal((H, counts[0])) for _ in cell.states)
    trace = recurrent_layer(x, initial, layer)
    assert [h_t.shape for h_t in trace.h] == [(H, n_t) for n_t in counts]
    states = initial
    for t, n_t in enumerate(counts):
        before = tuple(state[:, :n_t] for state in states)
        for found, expected in zip(trace.before(t), before, strict=True):
            np.testing.assert_array_equal(found, expected)
        states = recurrent_step(x[t], before, layer).states
        for found, expected in zip(trace.steps[t].states, states, strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("bias", [True, False])
def test_output_is_softmax_of_v_h(rng, bias):
    h, V = rng.standard_normal((H, n)), rng.standard_normal((K, H))
    c = rng.standard_normal(K) if bias else None
    y_unactivated, y_activated = output(h, V, c)
    for j in range(n):
        expected = V @ h[:, j] + (c if bias else 0)
        assert relative_error(y_unactivated[:, j], expected) <= ROUNDING
    np.testing.assert_array_equal(y_activated, softmax(y_unactivated))


@pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtype_is_kept(rng, dtype, cell):
    layer = draw_layer(rng, cell, dtype=dtype)
    V, c, x = rng.standard_normal((K, H)), rng.standard_normal(K), rng.standard_normal((2, D, n))
    V, c, x = (array.astype(dtype) for array in (V, c, x))
    zeros = tuple(np.zeros((H, n), dtype) for _ in cell.states)
    trace = recurrent_layer(x, zeros, layer)
    assert {h_t.dtype for h_t in trace.h} == {np.dtype(dtype)}
    assert {y.dtype for y in output(trace.h[-1], V, c)} == {np.dtype(dtype)}
