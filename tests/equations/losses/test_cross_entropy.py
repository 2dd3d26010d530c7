"""N3 and N5: softmax, its derivative, the cross-entropy, and the two together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from elman.equations import cross_entropy, output_error, softmax, softmax_jacobian
from tolerances import BY_HAND, ROUNDING, relative_error


def columns(low, high):
    shapes = st.tuples(st.integers(1, 6), st.integers(1, 4))
    return shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=st.floats(low, high)))


@st.composite
def answers(draw):
    """z (K, m), the labels of its columns, and their weights."""
    z = draw(columns(-20, 20))
    K, m = z.shape
    labels = np.array(draw(st.lists(st.integers(0, K - 1), min_size=m, max_size=m)))
    weights = draw(arrays(np.float64, m, elements=st.floats(0.1, 3)))
    return z, labels, weights


def one_hot(z, labels, weights):
    y = np.zeros_like(z)
    y[labels, np.arange(len(labels))] = weights
    return y


def derivative(function, z):
    """Differentiate by each entry of z, by complex steps; the axes of z come last."""
    steps = []
    for k in np.ndindex(z.shape):
        stepped = z.astype(np.complex128)
        stepped[k] += 1e-20j
        steps.append(np.asarray(function(stepped)).imag / 1e-20)
    return np.moveaxis(
        np.array(steps).reshape(z.shape + steps[0].shape), range(z.ndim), range(-z.ndim, 0)
    )


@given(columns(-1e4, 1e4))
def test_softmax_is_a_distribution(z):
    y_hat = softmax(z)
    assert (y_hat >= 0).all()
    np.testing.assert_allclose(y_hat.sum(axis=0), 1, rtol=ROUNDING)


@given(columns(-50, 50), st.floats(-50, 50))
def test_softmax_does_not_change_with_a_shift(z, shift):
    np.testing.assert_allclose(softmax(z + shift), softmax(z), rtol=BY_HAND)


def test_softmax_of_known_numbers():
    z = np.log([[1.0, 5.0], [2.0, 3.0], [5.0, 2.0]])
    assert relative_error(softmax(z), [[1 / 8, 0.5], [0.25, 0.3], [5 / 8, 0.2]]) <= ROUNDING


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_of_large_numbers(dtype):
    z = np.array([[1e4, -1e4], [-1e4, 1e4], [0, 1e4]], dtype)
    np.testing.assert_array_equal(softmax(z), np.array([[1, 0], [0, 0.5], [0, 0.5]], dtype))


@given(columns(-20, 20))
def test_softmax_jacobian_is_the_derivative(z):
    for column, jacobian in zip(z.T, softmax_jacobian(softmax(z)), strict=True):
        # 1 - ŷ has the last bit of 1, however small it is.
        np.testing.assert_allclose(jacobian, derivative(softmax, column), rtol=0, atol=ROUNDING)


def test_softmax_jacobian_has_both_cases():
    y_hat = np.array([0.2, 0.3, 0.5])
    expected = [[0.16, -0.06, -0.1], [-0.06, 0.21, -0.15], [-0.1, -0.15, 0.25]]
    assert relative_error(softmax_jacobian(y_hat), expected) <= ROUNDING


@given(columns(-20, 20))
def test_softmax_jacobian_has_rows_and_columns_that_sum_to_zero(z):
    jacobian = softmax_jacobian(softmax(z))
    assert jacobian.shape == (z.shape[1], len(z), len(z))
    for axis in (1, 2):
        np.testing.assert_allclose(jacobian.sum(axis=axis), 0, atol=ROUNDING)


@given(answers())
def test_cross_entropy_is_minus_log_of_the_labels_probability(answer):
    z, labels, weights = answer
    expected = -(weights * np.log(softmax(z)[labels, np.arange(len(labels))])).sum()
    actual = cross_entropy(one_hot(*answer), z)
    assert actual.shape == ()
    np.testing.assert_allclose(actual, expected, rtol=BY_HAND, atol=ROUNDING)


@given(columns(-20, 20))
def test_cross_entropy_of_any_distribution(z):
    y = softmax(z[::-1] + 0.3)  # not one-hot: the sum over k of N3
    np.testing.assert_allclose(
        cross_entropy(y, z), -(y * np.log(softmax(z))).sum(), rtol=BY_HAND, atol=ROUNDING
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_is_finite_where_probability_underflows(dtype):
    z = np.array([[1e4], [-1e4], [17]], dtype)
    y = np.array([[0], [1], [0]], dtype)
    assert softmax(z)[1, 0] == 0
    assert cross_entropy(y, z) == 2e4


@given(answers())
def test_output_error_is_the_chain_rule_of_n5(answer):
    z, labels, weights = answer
    y, y_hat = one_hot(*answer), softmax(z)
    expected = np.empty_like(z)
    for j, jacobian in enumerate(softmax_jacobian(y_hat)):
        dL_dy_hat = np.zeros(len(z))
        dL_dy_hat[labels[j]] = -weights[j] / y_hat[labels[j], j]
        expected[:, j] = jacobian.T @ dL_dy_hat
    np.testing.assert_allclose(output_error(y, y_hat), expected, rtol=BY_HAND, atol=ROUNDING)


@given(answers())
def test_output_error_is_the_derivative_of_cross_entropy(answer):
    z, y = answer[0], one_hot(*answer)
    expected = derivative(lambda stepped: cross_entropy(y, stepped), z)
    np.testing.assert_allclose(output_error(y, softmax(z)), expected, rtol=BY_HAND, atol=ROUNDING)


@given(columns(-20, 20))
def test_output_error_of_one_hot_labels_is_the_difference(z):
    y = one_hot(z, np.arange(z.shape[1]) % len(z), 1)
    np.testing.assert_array_equal(output_error(y, softmax(z)), softmax(z) - y)


@given(answers())
def test_output_error_sums_to_zero_over_classes(answer):
    error = output_error(one_hot(*answer), softmax(answer[0]))
    np.testing.assert_allclose(error.sum(axis=0), 0, atol=ROUNDING)
