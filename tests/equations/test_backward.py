"""N6, N7 and N8: each function against the notes' sums, written out."""

import numpy as np
import pytest

from elman.equations import (
    CELLS,
    errors_through_time,
    output_gradients,
    recurrent_gradients,
    recurrent_layer,
)
from tolerances import BY_HAND, ROUNDING, relative_error

D, H, K = 3, 4, 2
COUNTS = [(1,), (4,), (4, 4), (4, 4, 4, 4, 4), (4, 4, 2, 2, 1)]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


class Layer:
    """A layer gone forward, and an error for each of its states."""

    def __init__(self, rng, counts, cell, dtype=np.float64):
        def draw(*shape):
            values = rng.standard_normal(shape)
            if np.dtype(dtype).kind == "c":
                values = values + 1j * rng.standard_normal(shape)
            return values.astype(dtype)

        self.cell = CELLS[cell]
        self.counts = counts
        self.U, self.b = draw(H, D), draw(H)
        self.W = draw(H, H) if self.cell.recurrent else None
        self.x = [draw(D, n_t) for n_t in counts]
        h_0 = draw(H, counts[0])
        self.h = recurrent_layer(self.x, h_0, self.U, self.W, self.b, self.cell)
        self.dh = [draw(H, n_t) for n_t in counts]

    def errors(self):
        return errors_through_time(self.dh, self.slopes(), self.W)

    def slopes(self):
        return [self.cell.derivative(h_t) for h_t in self.h[1:]]

    def expected_error(self, tau):
        """Σ_{t≥τ} dL_t/dh_t Π_{j=τ+1..t} ∂h_j/∂h_{j-1}, with the Jacobians as matrices (N7)."""
        delta = np.zeros_like(self.dh[tau])
        for column in range(self.counts[tau]):
            for t in range(tau, len(self.counts)):
                if column >= self.counts[t]:
                    continue  # this sequence has ended
                row = self.dh[t][:, column]
                for j in range(t, tau, -1):
                    slope = self.cell.derivative(self.h[j + 1][:, column])
                    W = np.zeros((H, H)) if self.W is None else self.W
                    row = row @ (np.diag(slope) @ W)
                delta[:, column] += row * self.cell.derivative(self.h[tau + 1][:, column])
        return delta


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_errors_through_time_are_the_products_of_n7(rng, counts, cell, dtype):
    layer = Layer(rng, counts, cell, dtype)
    for tau, delta in enumerate(layer.errors()):
        assert delta.dtype == dtype
        assert relative_error(delta, layer.expected_error(tau)) <= BY_HAND


@pytest.mark.parametrize("cell", CELLS)
def test_errors_from_above_are_left_as_they_were(rng, cell):
    layer = Layer(rng, (4, 4, 2), cell)
    arrays = [*layer.dh, *layer.h]
    before = [array.copy() for array in arrays]
    layer.errors()
    for array, array_before in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, array_before)


def test_a_layer_without_recurrence_sends_nothing_back(rng):
    layer = Layer(rng, (4, 4, 2), "dense")
    for delta, dh_t, h_t in zip(layer.errors(), layer.dh, layer.h[1:], strict=True):
        np.testing.assert_array_equal(delta, dh_t * (1 - h_t**2))


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_recurrent_gradients_are_sums_of_outer_products(rng, counts):
    layer = Layer(rng, counts, "tanh")
    delta = layer.errors()
    dU, dW, db = np.zeros((H, D)), np.zeros((H, H)), np.zeros(H)
    for t, n_t in enumerate(counts):
        for column in range(n_t):
            dU += np.outer(delta[t][:, column], layer.x[t][:, column])
            dW += np.outer(delta[t][:, column], layer.h[t][:, column])
            db += delta[t][:, column]
    for actual, expected in zip(
        recurrent_gradients(delta, layer.x, layer.h), (dU, dW, db), strict=True
    ):
        assert relative_error(actual, expected) <= BY_HAND


def test_arrays_serve_as_lists_of_blocks(rng):
    layer = Layer(rng, (4, 4, 4), "tanh")
    delta = errors_through_time(np.array(layer.dh), np.array(layer.slopes()), layer.W)
    np.testing.assert_array_equal(delta, layer.errors())
    actual = recurrent_gradients(np.array(delta), np.array(layer.x), np.array(layer.h))
    for gradient, expected in zip(
        actual, recurrent_gradients(delta, layer.x, layer.h), strict=True
    ):
        np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize("m", [1, 6])
def test_output_gradients_are_sums_over_answers(rng, m):
    error, h, V = (rng.standard_normal(shape) for shape in ((K, m), (H, m), (K, H)))
    dV, dc, dh = output_gradients(error, h, V)
    assert relative_error(dV, sum(np.outer(error[:, j], h[:, j]) for j in range(m))) <= ROUNDING
    assert relative_error(dc, sum(error[:, j] for j in range(m))) <= ROUNDING
    for j in range(m):
        assert relative_error(dh[:, j], V.T @ error[:, j]) <= ROUNDING
