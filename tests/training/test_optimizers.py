"""Each optimizer against its formula, written out for every entry by itself."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from elman.training import OPTIMIZERS, clip_norm, make_optimizer
from tolerances import ROUNDING, relative_error

SETTINGS = {"momentum": 0.8, "beta_1": 0.7, "beta_2": 0.95, "epsilon": 1e-3}
RATES = (0.1, 0.05, 0.2, 0.01)  # schedules change the learning rate between steps


def sgd(theta, gradients):
    for g, rate in zip(gradients, RATES, strict=True):
        theta -= rate * g
    return theta


def momentum(theta, gradients):
    v = 0.0
    for g, rate in zip(gradients, RATES, strict=True):
        v = 0.8 * v + g
        theta -= rate * v
    return theta


def nesterov(theta, gradients):
    v = 0.0
    for g, rate in zip(gradients, RATES, strict=True):
        v = 0.8 * v + g
        theta -= rate * (g + 0.8 * v)
    return theta


def rmsprop(theta, gradients):
    s = 0.0
    for g, rate in zip(gradients, RATES, strict=True):
        s = 0.95 * s + 0.05 * g**2
        theta -= rate * g / (math.sqrt(s) + 1e-3)
    return theta


def adam(theta, gradients):
    m = s = 0.0
    for t, (g, rate) in enumerate(zip(gradients, RATES, strict=True), start=1):
        m = 0.7 * m + 0.3 * g
        s = 0.95 * s + 0.05 * g**2
        theta -= rate * (m / (1 - 0.7**t)) / (math.sqrt(s / (1 - 0.95**t)) + 1e-3)
    return theta


FORMULAS = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "rmsprop": rmsprop,
    "adam": adam,
}


@pytest.fixture(autouse=True)
def in_small_blocks(monkeypatch):
    monkeypatch.setattr("elman.training.optimizers._BLOCK", 2)


@pytest.fixture
def gradients():
    return np.random.default_rng(2).standard_normal((len(RATES), 5))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_the_formulas(name, gradients):
    start = np.array([0.3, -1.2, 2.5, -0.4, 0.9])
    theta = start.copy()
    optimizer = make_optimizer(name, **SETTINGS)
    for gradient, rate in zip(gradients, RATES, strict=True):
        optimizer.apply(theta, gradient, rate)
    expected = [FORMULAS[name](*entry) for entry in zip(start, gradients.T, strict=True)]
    assert relative_error(theta, expected) <= ROUNDING


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradient_is_left_as_it_was_and_parameters_keep_their_dtype(name, dtype, gradients):
    theta, optimizer = np.ones(5, dtype), make_optimizer(name)
    for gradient in gradients.astype(dtype):
        before = gradient.copy()
        optimizer.apply(theta, gradient, 0.1)
        np.testing.assert_array_equal(gradient, before)
    assert theta.dtype == dtype
    state = [value for value in vars(optimizer).values() if isinstance(value, np.ndarray)]
    assert {array.dtype for array in state} <= {np.dtype(dtype)}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_gradient_written_over_does_not_reach_the_state(name, gradients):
    """The loop may give its buffer to the next batch."""
    kept, reused = np.ones(5), np.ones(5)
    one, other = make_optimizer(name), make_optimizer(name)
    buffer = np.empty(5)
    for gradient in gradients:
        one.apply(kept, gradient, 0.1)
        buffer[...] = gradient
        other.apply(reused, buffer, 0.1)
        buffer[...] = np.nan
    np.testing.assert_array_equal(reused, kept)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_goes_down_a_bowl(name):
    theta, optimizer = np.array([3.0, -2.0]), make_optimizer(name)
    for _ in range(1500):
        optimizer.apply(theta, theta * [1.0, 4.0], 0.01)
    assert np.abs(theta).max() < 0.05


def test_first_step_of_adam_is_the_learning_rate():
    theta = np.zeros(3)
    make_optimizer("adam").apply(theta, np.array([1e-3, -7.0, 400.0]), 0.25)
    np.testing.assert_allclose(theta, [-0.25, 0.25, -0.25], rtol=1e-4)  # ε holds back the first


def test_numbers_of_numpy_make_no_difference(gradients):
    """As a grid of settings has them."""
    found = []
    for number in (float, np.float64):
        adam = make_optimizer("adam", beta_1=number(0.9), beta_2=number(0.999))
        parameters = np.zeros(5, np.float32)
        for gradient in gradients.astype(np.float32):
            adam.apply(parameters, gradient, 0.1)
        found.append(parameters)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_reset_forgets_what_was(name, gradients):
    fresh, used = make_optimizer(name, **SETTINGS), make_optimizer(name, **SETTINGS)
    used.apply(np.ones(5), gradients[0], 0.1)
    used.reset()
    expected, found = np.ones(5), np.ones(5)
    for gradient in gradients[1:]:
        fresh.apply(expected, gradient, 0.1)
        used.apply(found, gradient, 0.1)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_rate_for_each_is_its_own(name, gradients):
    rates = np.array([0.1, 0.0, 0.3, 0.1, 0.02])
    one, found = make_optimizer(name), np.ones(5)
    for gradient in gradients:
        one.apply(found, gradient, rates)
    for i, rate in enumerate(rates):
        alone, other = np.ones(5), make_optimizer(name)
        for gradient in gradients:
            other.apply(alone, gradient, float(rate))
        assert found[i] == alone[i]


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"solver must be one of sgd, .*adam; got 'newton'"):
        make_optimizer("newton")


vectors = arrays(np.float64, st.integers(1, 8), elements=st.floats(-1e3, 1e3, width=32))
norms = st.floats(0.1, 100)


@given(vectors, norms)
def test_clipped_norm_is_at_most_the_limit(gradient, max_norm):
    before = gradient.copy()
    norm = clip_norm(gradient, max_norm)
    assert norm == pytest.approx(math.sqrt((before**2).sum()))
    assert np.linalg.norm(gradient) <= max_norm * (1 + ROUNDING)
    if norm > max_norm:  # shorter, in the same direction
        np.testing.assert_allclose(gradient * norm, before * max_norm, rtol=ROUNDING)
    else:
        np.testing.assert_array_equal(gradient, before)


@given(vectors)
def test_no_limit_clips_nothing(gradient):
    before = gradient.copy()
    # NumPy's norm is BLAS's: the order of its sum is the processor's.
    assert clip_norm(gradient, None) == pytest.approx(np.linalg.norm(before), rel=ROUNDING)
    np.testing.assert_array_equal(gradient, before)


def test_zero_gradient_stays_zero():
    gradient = np.zeros(3)
    assert clip_norm(gradient, 1.0) == 0
    np.testing.assert_array_equal(gradient, 0)
