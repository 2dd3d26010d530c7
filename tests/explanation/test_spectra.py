"""Singular values and Lyapunov exponents, against what is known of them."""

import numpy as np
import pytest

from elman import Network, explain
from elman.explanation import spectra


@pytest.fixture
def jacobians():
    return np.random.default_rng(0).standard_normal((6, 4, 4))


def test_largest_singular_values_of_products(jacobians):
    expected = []
    for t in range(6):
        product = np.eye(4)
        for jacobian in jacobians[t:]:
            product = jacobian @ product
        expected.append(np.sqrt(np.linalg.eigvalsh(product.T @ product)[-1]))
    assert spectra.largest_of_products(jacobians[::-1]) == pytest.approx(expected, rel=1e-12)
    largest = [np.sqrt(np.linalg.eigvalsh(J.T @ J)[-1]) for J in jacobians]
    assert spectra.largest_singular(jacobians) == pytest.approx(largest, rel=1e-12)


@pytest.mark.parametrize("n", [0, 1, 16, 17, 64, 65, 150])
def test_each_matrix_has_its_own_value_whoever_computes_it(monkeypatch, n):
    monkeypatch.setattr(spectra, "available_threads", lambda: 3)
    matrices = np.random.default_rng(n).standard_normal((n, 3, 3))
    expected = np.linalg.norm(matrices, 2, axis=(1, 2))
    assert spectra.largest_singular(iter(matrices)) == pytest.approx(expected, rel=1e-12)


def test_products_beyond_all_numbers():
    of_products = spectra.largest_of_products(np.tile(1e200 * np.eye(2), (3, 1, 1)))
    assert of_products.tolist() == [np.inf, np.inf, pytest.approx(1e200)]
    assert spectra.largest_of_products(np.zeros((3, 2, 2))).tolist() == [0, 0, 0]
    assert spectra.largest_of_products(np.tile(1e-200 * np.eye(2), (3, 1, 1)))[0] == 0


def test_exponents_add_up_to_the_growth_of_volumes(jacobians):
    volumes = np.log(np.abs(np.linalg.det(jacobians))).mean()
    (exponents,) = spectra.lyapunov(jacobians[:, None], 4)
    assert exponents.sum() == pytest.approx(volumes, rel=1e-12)
    assert (np.diff(exponents) <= 0).all()


def test_exponents_of_one_matrix_are_the_logarithms_of_its_eigenvalues():
    Q, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))
    J = Q @ np.diag([2.0, 1.0, 0.1]) @ Q.T
    (exponents,) = spectra.lyapunov(np.tile(J, (4000, 1, 1, 1)), 3)
    assert exponents == pytest.approx(np.log([2, 1, 0.1]), abs=1e-2)
    assert np.isnan(spectra.lyapunov(np.empty((0, 1, 3, 3)), 2)).all()


def test_jacobians_are_the_derivatives_of_states():
    network = Network(2, (3, 4), 2, cell=("tanh", "relu"), dtype=np.float64, seed=0)
    x = np.random.default_rng(0).standard_normal((5, 2))
    for layer in (1, 2):
        ex = explain(network, x, 1, layer=layer)
        f = [np.tanh, lambda a: np.where(a.real > 0, a, 0)][layer - 1]
        for t in range(2, 6):
            for i in range(ex.H):
                h = ex.h_activated[t - 2].astype(complex)
                h[i] += 1e-30j
                moved = f(ex.U @ ex.inputs[t - 1] + ex.W @ h + ex.b).imag / 1e-30
                assert ex.jacobian(t)[:, i] == pytest.approx(moved, rel=1e-13)
        largest = [np.linalg.norm(ex.jacobian(t), 2) for t in range(2, 6)]
        assert ex.singular[1:] == pytest.approx(largest)
        assert np.isnan(ex.singular[0])
        product = ex.jacobian(5) @ ex.jacobian(4) @ ex.jacobian(3)
        assert ex.product_singular[2] == pytest.approx(np.linalg.norm(product, 2))
        assert len(ex.lyapunov) == ex.H


def test_nothing_times_beyond_all_numbers_is_nothing():
    grown = 1e10 * np.eye(2)
    products = spectra.largest_of_products(np.array([*[grown] * 40, 0 * grown]))
    assert products[0] == 0
    assert products[1] == np.inf
    assert products[-1] == pytest.approx(1e10)
