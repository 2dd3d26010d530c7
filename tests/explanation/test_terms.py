"""The pure functions on terms, against the products and sums of N7 written out."""

from decimal import Decimal

import numpy as np
import pytest

from elman.equations import CELLS, Layer
from elman.explanation import terms
from tolerances import BY_HAND, ROUNDING, relative_error

T, D, H = 6, 3, 4


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def a_layer(rng, cell, n_inputs):
    W = rng.standard_normal((H, H)) if CELLS[cell].recurrent else None
    return Layer(CELLS[cell], rng.standard_normal((H, n_inputs)), W, None)


@pytest.mark.parametrize("reach", [None, 0, 2])
@pytest.mark.parametrize("cell", ["tanh", "relu", "dense"])
def test_errors_are_products_of_jacobians(rng, cell, reach):
    layer = a_layer(rng, cell, D)
    h = list(rng.uniform(-1, 1, (T + 1, H, 1)))
    answering = np.array([1, 2, 5])
    dh = rng.standard_normal((H, 3))
    slopes = [layer.cell.derivative(h_t) for h_t in h[1:]]
    (delta,) = terms.carry_back(dh, answering, [layer], [slopes], reach)
    W = np.zeros((H, H)) if layer.W is None else layer.W
    slope = [np.diag(layer.cell.derivative(h_t[:, 0])) for h_t in h]
    expected = np.zeros((T, H, 3))
    for a, t in enumerate(answering):
        for tau in range(t + 1):
            if reach is None or t - tau <= reach:
                row = dh[:, a]
                for j in range(t, tau, -1):
                    row = row @ (slope[j + 1] @ W)  # ∂h_j/∂h_{j-1}
                expected[tau, :, a] = row @ slope[tau + 1]
    assert relative_error(delta, expected) < BY_HAND


def test_errors_of_a_layer_below_go_through_every_path(rng):
    below, above = a_layer(rng, "tanh", D), a_layer(rng, "tanh", H)
    h = rng.uniform(-1, 1, (2, T + 1, H, 1))
    dh = rng.standard_normal((H, 1))
    delta = terms.carry_back(dh, np.array([T - 1]), [below, above], 1 - h[:, 1:] ** 2)
    slope = 1 - h[:, 1:, :, 0] ** 2
    from_above = delta[1][:, :, 0] @ above.U
    for tau in range(T):
        expected = np.zeros(H)
        for t in range(tau, T):  # it comes down at t, and goes back to τ
            row = from_above[t]
            for j in range(t, tau, -1):
                row = row @ (np.diag(slope[0, j]) @ below.W)
            expected += row * slope[0, tau]
        assert relative_error(delta[0][tau, :, 0], expected) < BY_HAND


def test_sizes_of_what_has_no_square():
    vectors = np.array([[3e-300, 4e-300], [3e300, -4e300], [0, 0], [3, 4]])
    np.testing.assert_allclose(terms.size(vectors), [5e-300, 5e300, 0, 5], rtol=1e-15)
    tiny = terms.shares(vectors[:2] * [[1], [1e-320]], np.array([[1e-200], [1e-200]]))
    assert tiny.sum() == pytest.approx(1)


def test_slopes_and_errors_keep_their_digits():
    """Where 1 - tanh² and ŷ - 1 have none."""
    a = np.array([[0.1, 3.0, 20.0, -30.0, 1000.0]])
    exact = [float(4 / (Decimal(v).exp() + Decimal(-v).exp()) ** 2) for v in a[0].tolist()]
    np.testing.assert_allclose(terms.exact_slope(CELLS["tanh"], a)[0], exact, rtol=1e-14)
    assert terms.exact_slope(CELLS["relu"], a).tolist() == [[1, 1, 1, 0, 1]]
    y = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]])
    y_hat = np.array([[1.0, 0.25, 0.5], [3e-30, 0.25, 0.25], [1e-30, 0.5, 0.25]])
    error = terms.exact_error(y, y_hat)
    np.testing.assert_allclose(error[:, 0], [-4e-30, 3e-30, 1e-30], rtol=1e-15)
    np.testing.assert_allclose(error[:, 1], [0.25, -0.75, 0.5], rtol=1e-15)
    assert not error[:, 2].any()


def test_explicit_derivative(rng):
    slope, h_previous = rng.standard_normal((2, H))
    expected = np.einsum("i,ij,k->ijk", slope, np.eye(H), h_previous)
    assert (terms.explicit(slope, h_previous) == expected).all()


def test_shares_and_sums(rng):
    delta = np.tril(np.ones((T, T)))[:, :, None] * rng.standard_normal((T, T, H))
    left = rng.standard_normal((T, D))
    answering = np.array([0, 3, 5])
    by_lag = list(terms.sums_by_lag(delta, left, answering))
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
