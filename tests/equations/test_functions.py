"""The functions that cells are written in, of complex numbers: what the complex step goes by."""

import numpy as np
import pytest

from elman.equations.functions import tanh


@pytest.mark.parametrize("y", [0, 1e-300, 1e-20, -1e-3, 0.7, 3.0])
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_tanh_of_complex_numbers(dtype, y):
    """As NumPy's, to the last digits of each part, where units are saturated too."""
    x = np.array([[0, 1e-9, -0.3, 1.0], [-4.0, 17.0, -40.0, 80.0]])
    z = (x + 1j * y).astype(dtype)
    found, expected = tanh(z), np.tanh(z)
    assert found.dtype == dtype
    few = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(found.real, expected.real, rtol=few)
    np.testing.assert_allclose(found.imag, expected.imag, rtol=few)


def test_tanh_of_one_number_and_of_infinity():
    assert tanh(0.5 + 0.25j) == pytest.approx(np.tanh(0.5 + 0.25j), rel=1e-15)
    assert tanh(np.array([np.inf, -np.inf]) + 1e-20j).tolist() == [1, -1]
    assert tanh(0.5) == np.tanh(0.5)
