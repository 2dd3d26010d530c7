"""N6, N7 and N8: each function against the notes' sums, written out."""

import numpy as np
import pytest

from elman.equations import (
    CELLS,
    Layer,
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


class Drawn:
    """A layer gone forward, and an error for each of its states."""

    def __init__(self, rng, counts, cell, dtype=np.float64):
        def draw(*shape):
            values = rng.standard_normal(shape)
            if np.dtype(dtype).kind == "c":
                values = values + 1j * rng.standard_normal(shape)
            return values.astype(dtype)

        self.cell = CELLS[cell]
        self.counts = counts
        G_x, G_h = (len(self.cell.gates_reading(what)) for what in "xh")
        U, b = draw(G_x * H, D), draw(len(self.cell.gates) * H)
        self.layer = Layer(self.cell, U, draw(G_h * H, H) if G_h else None, b)
        self.x = [draw(D, n_t) for n_t in counts]
        initial = tuple(draw(H, counts[0]) for _ in self.cell.states)
        self.trace = recurrent_layer(self.x, initial, self.layer)
        self.h = [initial[0], *self.trace.h]
        self.dh = [draw(H, n_t) for n_t in counts]

    def errors(self):
        return errors_through_time(self.dh, self.trace, self.layer)[0]

    def slope(self, t, column):
        """f' of a cell with one gate, (H,), from its own backward."""
        step = self.trace.steps[t]
        ones = (np.ones_like(step.states[0]),)
        da, _ = self.cell.backward(ones, step.kept, step.states, self.trace.before(t))
        return da[0][:, column]

    def expected_error(self, tau):
        """Σ_{t≥τ} dL_t/dh_t Π_{j=τ+1..t} ∂h_j/∂h_{j-1}, with the Jacobians as matrices (N7)."""
        W = np.zeros((H, H)) if self.layer.W is None else self.layer.W
        delta = np.zeros_like(self.dh[tau])
        for column in range(self.counts[tau]):
            for t in range(tau, len(self.counts)):
                if column >= self.counts[t]:
                    continue  # this sequence has ended
                row = self.dh[t][:, column]
                for j in range(t, tau, -1):
                    row = row @ (np.diag(self.slope(j, column)) @ W)
                delta[:, column] += row * self.slope(tau, column)
        return delta


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("cell", ["tanh", "relu", "dense"])
@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_errors_through_time_are_the_products_of_n7(rng, counts, cell, dtype):
    layer = Drawn(rng, counts, cell, dtype)
    for tau, delta in enumerate(layer.errors()):
        assert delta.dtype == dtype
        assert relative_error(delta, layer.expected_error(tau)) <= BY_HAND


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_errors_reach_what_enters_and_what_was_before(rng, counts, cell):
    """δ is dL/db, step by step, and the initial states' errors are their derivatives."""
    drawn = Drawn(rng, counts, cell)
    layer, cell = drawn.layer, drawn.cell
    deltas, d_initial = errors_through_time(drawn.dh, drawn.trace, layer)

    def loss(layer, initial):
        h = recurrent_layer([x_t + 0j for x_t in drawn.x], initial, layer).h
        return sum((dh_t * h_t).sum() for dh_t, h_t in zip(drawn.dh, h, strict=True))

    initial = tuple(state + 0j for state in drawn.trace.initial)
    db = sum(delta.sum(axis=1) for delta in deltas)
    for i in range(len(db)):
        b = layer.b + 0j
        b[i] += 1e-20j
        assert (
            abs(loss(layer._replace(b=b), initial).imag / 1e-20 - db[i]) <= BY_HAND * abs(db).max()
        )
    for s, d_state in enumerate(d_initial):
        scale = max(abs(d_state).max(), 1e-300)
        for place in np.ndindex(d_state.shape):
            states = [state.copy() for state in initial]
            states[s][place] += 1e-20j
            expected = loss(layer, tuple(states)).imag / 1e-20
            assert abs(expected - d_state[place]) <= BY_HAND * scale


@pytest.mark.parametrize("cell", CELLS)
def test_errors_from_above_are_left_as_they_were(rng, cell):
    layer = Drawn(rng, (4, 4, 2), cell)
    arrays = [*layer.dh, *layer.h]
    before = [array.copy() for array in arrays]
    layer.errors()
    for array, array_before in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, array_before)


def test_a_layer_without_recurrence_sends_nothing_back(rng):
    layer = Drawn(rng, (4, 4, 2), "dense")
    for delta, dh_t, h_t in zip(layer.errors(), layer.dh, layer.h[1:], strict=True):
        np.testing.assert_array_equal(delta, dh_t * (1 - h_t**2))


@pytest.mark.parametrize("cell", ["tanh", "gru"])
@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_recurrent_gradients_are_sums_of_outer_products(rng, counts, cell):
    drawn = Drawn(rng, counts, cell)
    layer, cell, delta = drawn.layer, drawn.cell, drawn.errors()
    dU, dW, db = np.zeros_like(layer.U), np.zeros_like(layer.W), np.zeros_like(layer.b)
    for t, n_t in enumerate(counts):
        for column in range(n_t):
            of_column = delta[t][:, column]
            dU += np.outer(cell.rows_reading("x", of_column), drawn.x[t][:, column])
            dW += np.outer(cell.rows_reading("h", of_column), drawn.h[t][:, column])
            db += of_column
    found = recurrent_gradients(delta, drawn.x, drawn.trace, layer)
    for actual, expected in zip(found, (dU, dW, db), strict=True):
        assert relative_error(actual, expected) <= BY_HAND


@pytest.mark.parametrize("m", [1, 6])
def test_output_gradients_are_sums_over_answers(rng, m):
    error, h, V = (rng.standard_normal(shape) for shape in ((K, m), (H, m), (K, H)))
    dV, dc, dh = output_gradients(error, h, V)
    assert relative_error(dV, sum(np.outer(error[:, j], h[:, j]) for j in range(m))) <= ROUNDING
    assert relative_error(dc, sum(error[:, j] for j in range(m))) <= ROUNDING
    for j in range(m):
        assert relative_error(dh[:, j], V.T @ error[:, j]) <= ROUNDING
