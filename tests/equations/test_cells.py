"""The cells: activation and derivative belong together."""

import numpy as np
import pytest

from elman.equations import CELLS
from tolerances import ROUNDING, relative_error

h_unactivated = np.array([[-3.1, -0.7, -0.02], [0.3, 1.1, 2.9]])


@pytest.mark.parametrize("name", CELLS)
def test_derivative_is_the_activations(name):
    cell = CELLS[name]
    expected = cell.activation(h_unactivated + 1e-20j).imag / 1e-20
    assert relative_error(cell.derivative(cell.activation(h_unactivated)), expected) <= ROUNDING


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtype_is_kept(name, dtype):
    activated = CELLS[name].activation(h_unactivated.astype(dtype))
    assert activated.dtype == CELLS[name].derivative(activated).dtype == dtype


@pytest.mark.parametrize("name", CELLS)
def test_argument_is_left_as_it_was(name):
    argument = h_unactivated.copy()
    CELLS[name].derivative(CELLS[name].activation(argument))
    np.testing.assert_array_equal(argument, h_unactivated)


def test_derivative_of_tanh_is_the_notes():
    h_activated = np.tanh(h_unactivated)
    expected = 1 - np.tanh(h_unactivated) ** 2
    np.testing.assert_array_equal(CELLS["tanh"].derivative(h_activated), expected)


def test_relu_holds_back_what_is_below_zero():
    np.testing.assert_array_equal(
        CELLS["relu"].activation(h_unactivated), [[0, 0, 0], [0.3, 1.1, 2.9]]
    )
    np.testing.assert_array_equal(
        CELLS["relu"].derivative(CELLS["relu"].activation(h_unactivated)), [[0] * 3, [1] * 3]
    )


def test_dense_alone_has_no_recurrence():
    assert [name for name, cell in CELLS.items() if not cell.recurrent] == ["dense"]
