"""The pure functions on terms, against the products and sums of N7 written out."""

from decimal import Decimal

import numpy as np
import pytest

from elman.equations import CELLS, Layer, recurrent_layer
from elman.explanation import terms
from elman.explanation.slopes import Exact, explicit_parts, jacobians, slopes
from tolerances import BY_HAND, ROUNDING, relative_error

T, D, H = 6, 3, 4


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def a_layer(rng, cell, n_inputs):
    cell = CELLS[cell]
    n_x, n_h = (len(cell.gates_reading(what)) for what in "xh")
    W = rng.standard_normal((n_h * H, H)) if n_h else None
    return Layer(cell, rng.standard_normal((n_x * H, n_inputs)), W, None)


def traced(rng, layer, inputs=None):
    """A sequence forward through a layer whose cell keeps its slopes."""
    exact = layer._replace(cell=Exact(layer.cell))
    x = rng.standard_normal((T, D, 1)) if inputs is None else inputs
    return exact, recurrent_layer(list(x), layer.initial_states(1), exact)


@pytest.mark.parametrize("reach", [None, 0, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_errors_are_products_of_jacobians(rng, cell, reach):
    layer, trace = traced(rng, a_layer(rng, cell, D))
    answering = np.array([1, 2, 5])
    dh = rng.standard_normal((H, 3))
    (delta,) = terms.carry_back(dh, answering, [layer], [trace], reach)
    partials = np.array([step.kept[0][..., 0] for step in trace.steps])  # (T, S, G + S, H)
    J = jacobians(layer.cell.cell, partials, layer.W)
    n_gates, S = len(layer.cell.gates), len(layer.cell.states)
    expected = np.zeros((T, n_gates * H, 3))
    for a, t in enumerate(answering):
        for tau in range(t + 1):
            if reach is None or t - tau <= reach:
                row = np.concatenate([dh[:, a], np.zeros((S - 1) * H)])
                for j in range(t, tau, -1):
                    row = row @ J[j]  # ∂(states of j)/∂(states of j - 1)
                slopes_of_gates = partials[tau, :, :n_gates]  # (S, G, H)
                expected[tau, :, a] = (row.reshape(S, 1, H) * slopes_of_gates).sum(axis=0).ravel()
    assert relative_error(delta, expected) < BY_HAND


@pytest.mark.parametrize("cells", [("tanh", "tanh"), ("gru", "lstm"), ("lstm", "gru")])
def test_errors_of_a_layer_below_go_through_every_path(rng, cells):
    below, of_below = traced(rng, a_layer(rng, cells[0], D))
    above, of_above = traced(rng, a_layer(rng, cells[1], H), of_below.h)
    dh = rng.standard_normal((H, 1))
    answering, layers = np.array([T - 1]), [below, above]
    delta = terms.carry_back(dh, answering, layers, [of_below, of_above])
    of_x = above.cell.rows_reading("x", delta[1].transpose(1, 0, 2)).transpose(1, 0, 2)
    from_above = np.einsum("gh,tga->tha", above.U, of_x)
    expected = 0
    for t in range(T):  # it comes down at t, and goes back from there
        expected += terms.carry_back(from_above[t], np.array([t]), [below], [of_below])[0]
    assert relative_error(delta[0], expected) < BY_HAND


def test_sizes_of_what_has_no_square():
    vectors = np.array([[3e-300, 4e-300], [3e300, -4e300], [0, 0], [3, 4]])
    np.testing.assert_allclose(terms.size(vectors), [5e-300, 5e300, 0, 5], rtol=1e-15)
    tiny = terms.shares(vectors[:2] * [[1], [1e-320]], np.array([[1e-200], [1e-200]]))
    assert tiny.sum() == pytest.approx(1)


def test_slopes_and_errors_keep_their_digits():
    """Where 1 - tanh² and ŷ - 1 have none."""
    a = np.array([[0.1, 3.0, 20.0, -30.0, 1000.0]])
    exact = [float(4 / (Decimal(v).exp() + Decimal(-v).exp()) ** 2) for v in a[0].tolist()]
    for cell, factor in (("tanh", 1), ("leaky", 0.5)):
        slope = slopes(CELLS[cell], (a,), (np.zeros_like(a),)).states[0, 0, 0]
        np.testing.assert_allclose(slope[:4], factor * np.array(exact[:4]), rtol=1e-14)
        assert slope[4] == exact[4] == 0
    relu = slopes(CELLS["relu"], (a,), (np.zeros_like(a),)).states[0, 0]
    assert relu.tolist() == [[1, 1, 1, 0, 1]]
    y = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]])
    y_hat = np.array([[1.0, 0.25, 0.5], [3e-30, 0.25, 0.25], [1e-30, 0.5, 0.25]])
    error = terms.exact_error(y, y_hat)
    np.testing.assert_allclose(error[:, 0], [-4e-30, 3e-30, 1e-30], rtol=1e-15)
    np.testing.assert_allclose(error[:, 1], [0.25, -0.75, 0.5], rtol=1e-15)
    assert not error[:, 2].any()


def test_explicit_derivative(rng):
    slope, h_previous = rng.standard_normal((2, H))
    expected = np.einsum("i,ij,k->ijk", slope, np.eye(H), h_previous)
    part = explicit_parts(CELLS["tanh"], np.array([slope, 0 * slope])[None, None])[0]
    assert (terms.explicit(part, h_previous) == expected).all()


def test_shares_and_sums(rng):
    delta = np.tril(np.ones((T, T)))[:, :, None] * rng.standard_normal((T, T, H))
    left = rng.standard_normal((T, D))
    answering = np.array([0, 3, 5])
    by_lag = list(terms.sums_by_lag(delta[answering], left, answering))
    assert len(by_lag) == T
    for k in range(T):
        expected = sum(
            (np.outer(delta[t, t - k], left[t - k]) for t in answering if t >= k), np.zeros((H, D))
        )
        assert relative_error(by_lag[k], expected) < ROUNDING
    each = np.array([np.outer(d, x) for d, x in zip(delta[5], left, strict=True)])
    whole = each.sum(axis=0)
    expected = (each * whole).sum(axis=(1, 2)) / (whole**2).sum()
    assert relative_error(terms.shares(delta[5], left), expected) < BY_HAND
    assert np.isnan(terms.shares(np.zeros((2, H)), left[:2])).all()


def test_small_angles_keep_their_digits():
    by_lag = np.zeros((2, 1, 2))
    by_lag[0], by_lag[1] = [[1, 0]], [[0, 1e-9]]
    first, second = terms.truncation(by_lag, by_lag.sum(axis=0))
    assert first["angle_degrees"] == pytest.approx(np.degrees(1e-9), rel=1e-6)
    assert first["relative_error"] == pytest.approx(1e-9)
    assert second == {"k": 1, "relative_error": 0, "angle_degrees": 0}
    nothing = terms.truncation(np.zeros((1, 2, 2)), np.zeros((2, 2)))[0]
    assert np.isnan([nothing["relative_error"], nothing["angle_degrees"]]).all()
