"""N2: one step, one layer, the output, under the notes' names."""

import numpy as np
import pytest

from elman.equations import CELLS, output, recurrent_layer, recurrent_step, softmax
from tolerances import BY_HAND, ROUNDING, relative_error

D, H, K, n = 3, 4, 2, 5


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_a_step_has_every_intermediate_of_the_notes(rng, cell, bias):
    x_t, h_previous = rng.standard_normal((D, n)), rng.standard_normal((H, n))
    U, W = rng.standard_normal((H, D)), rng.standard_normal((H, H))
    b = rng.standard_normal(H) if bias else None
    W = W if CELLS[cell].recurrent else None
    step = recurrent_step(x_t, h_previous, U, W, b, CELLS[cell])
    for j in range(n):
        for i in range(H):
            U_frd = sum(U[i, d] * x_t[d, j] for d in range(D))
            W_frd = 0 if W is None else sum(W[i, k] * h_previous[k, j] for k in range(H))
            h_unactivated = U_frd + W_frd + (b[i] if bias else 0)
            h_activated = max(h_unactivated, 0) if cell == "relu" else np.tanh(h_unactivated)
            expected = (U_frd, W_frd, h_unactivated, h_activated)
            actual = [values[i, j] for values in step]
            np.testing.assert_allclose(actual, expected, rtol=BY_HAND, atol=ROUNDING)


@pytest.mark.parametrize("counts", [(4, 4, 4), (4, 4, 2, 1, 1), (1,)])
def test_a_layer_is_its_steps_one_after_another(rng, counts):
    U, W, b = rng.standard_normal((H, D)), rng.standard_normal((H, H)), rng.standard_normal(H)
    x = [rng.standard_normal((D, n_t)) for n_t in counts]
    h_0 = rng.standard_normal((H, counts[0]))
    h = recurrent_layer(x, h_0, U, W, b, CELLS["tanh"])
    np.testing.assert_array_equal(h[0], h_0)
    assert [h_t.shape for h_t in h[1:]] == [(H, n_t) for n_t in counts]
    for x_t, h_previous, h_t in zip(x, h[:-1], h[1:], strict=True):
        for j in range(h_t.shape[1]):
            expected = np.tanh(U @ x_t[:, j] + W @ h_previous[:, j] + b)
            assert relative_error(h_t[:, j], expected) <= ROUNDING


@pytest.mark.parametrize("bias", [True, False])
def test_output_is_softmax_of_v_h(rng, bias):
    h, V = rng.standard_normal((H, n)), rng.standard_normal((K, H))
    c = rng.standard_normal(K) if bias else None
    y_unactivated, y_activated = output(h, V, c)
    for j in range(n):
        expected = V @ h[:, j] + (c if bias else 0)
        assert relative_error(y_unactivated[:, j], expected) <= ROUNDING
    np.testing.assert_array_equal(y_activated, softmax(y_unactivated))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtype_is_kept(rng, dtype):
    U, W, b = rng.standard_normal((H, D)), rng.standard_normal((H, H)), rng.standard_normal(H)
    V, c, x = rng.standard_normal((K, H)), rng.standard_normal(K), rng.standard_normal((2, D, n))
    U, W, b, V, c, x = (array.astype(dtype) for array in (U, W, b, V, c, x))
    h = recurrent_layer(x, np.zeros((H, n), dtype), U, W, b, CELLS["relu"])
    assert {h_t.dtype for h_t in h} == {np.dtype(dtype)}
    assert {y.dtype for y in output(h[-1], V, c)} == {np.dtype(dtype)}
