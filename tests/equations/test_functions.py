"""The functions that cells are written in, of complex numbers: what the complex step goes by."""

import numpy as np
import pytest

from elman.equations.functions import exp, tanh


@pytest.mark.parametrize(("function", "of_numpy"), [(tanh, np.tanh), (exp, np.exp)])
@pytest.mark.parametrize("y", [0, 1e-300, 1e-20, 9e-9, 9e-8, -1e-3, 0.7, 3.0])
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_functions_of_complex_numbers(dtype, y, function, of_numpy):
    """As NumPy's, to the last digits of each part, where units are saturated too."""
    x = np.array([[0, 1e-9, -0.3, 1.0], [-4.0, 17.0, -40.0, 80.0]])
    z = (x + 1j * y).astype(dtype)
    found, expected = function(z), of_numpy(z)
    assert found.dtype == dtype
    few = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(found.real, expected.real, rtol=few)
    np.testing.assert_allclose(found.imag, expected.imag, rtol=few)


def test_tanh_of_one_number_and_of_infinity():
    assert tanh(0.5 + 0.25j) == pytest.approx(np.tanh(0.5 + 0.25j), rel=1e-15)
    assert tanh(np.array([np.inf, -np.inf]) + 1e-20j).tolist() == [1, -1]
    assert tanh(0.5) == np.tanh(0.5)


@pytest.mark.parametrize("function", [tanh, exp])
@pytest.mark.parametrize("y", [1e-20, 0.5])
def test_functions_keep_the_axes(function, y):
    assert np.ndim(function(0.5 + 1j * y)) == 0
    assert function(np.empty((0, 2)) + 1j * y).shape == (0, 2)
    columns = (np.arange(6.0).reshape(2, 3) + 1j * y).T
    np.testing.assert_array_equal(function(columns), function(columns.copy()))


def test_exp_of_one_number_and_of_minus_infinity():
    assert exp(0.5 + 0.25j) == pytest.approx(np.exp(0.5 + 0.25j), rel=1e-15)
    assert exp(np.array([-np.inf]) + 1e-20j).tolist() == [0]
    assert exp(0.5) == np.exp(0.5)
    with np.errstate(over="ignore", invalid="ignore"):
        for z in (800 + 0j, 800 + 1e-300j, np.inf + 0j, np.nan + 0j):
            np.testing.assert_array_equal(exp(np.array([z, 1 + 1e-20j])), np.exp([z, 1 + 1e-20j]))
