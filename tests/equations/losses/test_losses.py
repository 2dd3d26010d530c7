"""Losses of numbers: values against scikit-learn's, errors against complex steps."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import mean_pinball_loss

from elman.equations import cross_entropy, output_error, softmax
from elman.equations.losses import (
    LOSSES,
    AbsoluteError,
    CrossEntropy,
    Loss,
    Poisson,
    Quantile,
    SquaredError,
    as_loss,
    decode_loss,
    encode_loss,
)
from tolerances import BY_HAND, ROUNDING, relative_error

K = 6
OF_NUMBERS = [SquaredError(), AbsoluteError(), Poisson(), Quantile((0.1, 0.5, 0.75))]


@pytest.fixture(params=OF_NUMBERS, ids=repr)
def loss(request):
    return request.param


def problem(loss, seed=0):
    """z (K, m), numbers (m, ·) and the columns that ``loss`` makes of them."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((K, 5))
    numbers = rng.poisson(2, (5, K // loss.outputs_a_number)).astype(float)
    return z, numbers, loss.columns(numbers, K)


def test_error_is_the_derivative_of_the_value(loss):
    z, _, y = problem(loss)
    constants = loss.constants(K)
    expected = np.empty_like(z)
    for place in np.ndindex(z.shape):
        stepped = z.astype(complex)
        stepped[place] += 1e-20j
        expected[place] = loss.value(stepped, y, *constants).sum().imag / 1e-20
    assert relative_error(loss.error(loss.activate(z), y, *constants), expected) <= ROUNDING


def test_value_and_error_are_real_of_real_numbers(loss):
    z, _, y = problem(loss)
    for dtype in (np.float32, np.float64):
        constants = [constant.astype(dtype) for constant in loss.constants(K)]
        found = loss.value(z.astype(dtype), y.astype(dtype), *constants)
        assert (found.dtype, found.shape) == (dtype, z.shape)
        assert loss.activate(z.astype(dtype)).dtype == dtype


def test_values_are_scikit_learns():
    from sklearn._loss import loss as theirs

    for loss, their in [
        (SquaredError(), theirs.HalfSquaredError()),
        (AbsoluteError(), theirs.AbsoluteError()),
        (Poisson(), theirs.HalfPoissonLoss()),
        (Quantile((0.3,)), theirs.PinballLoss(quantile=0.3)),
    ]:
        z, _, y = problem(loss)
        given = {"y_true": y.ravel(), "raw_prediction": z.ravel()}
        expected, slope = their.loss_gradient(**given)
        constants = loss.constants(K)
        assert relative_error(loss.value(z, y, *constants).ravel(), expected) <= ROUNDING
        found = loss.error(loss.activate(z), y, *constants).ravel()
        assert relative_error(found, slope) <= ROUNDING
        y_hat = their.link.inverse(z.ravel())
        assert relative_error(loss.activate(z).ravel(), y_hat) <= ROUNDING


def test_each_number_has_its_quantiles_one_after_another():
    loss = Quantile((0.1, 0.5, 0.75))
    z, numbers, y = problem(loss)
    value = loss.value(z, y, *loss.constants(K))
    for k in range(K):
        tau, of_number = loss.quantiles[k % 3], numbers[:, k // 3]
        np.testing.assert_array_equal(y[k], of_number)
        assert value[k].mean() == pytest.approx(
            mean_pinball_loss(of_number, z[k], alpha=tau), rel=BY_HAND
        )


def test_half_the_absolute_error_is_the_medians():
    z, _, y = problem(AbsoluteError())
    half = Quantile().value(z, y, *Quantile().constants(K))
    assert relative_error(2 * half, AbsoluteError().value(z, y)) <= ROUNDING


@given(arrays(np.float64, 9, elements=st.floats(-5, 5)), st.floats(0.1, 0.9))
def test_the_best_constant_is_the_quantile(y, tau):
    loss = Quantile((tau,))
    total = [
        loss.value(np.full((1, 9), z), y[None], *loss.constants(1)).sum()
        for z in (*y, np.quantile(y, tau, method="inverted_cdf"))
    ]
    assert total[-1] <= min(total) + 1e-12


@pytest.mark.parametrize("loss", [AbsoluteError(), Quantile((0.3,))], ids=repr)
def test_where_there_is_no_derivative_value_and_error_take_one_side(loss):
    same, constants = np.ones((2, 3)), loss.constants(2)
    slope = loss.value(same + 1e-20j, same, *constants).imag / 1e-20
    np.testing.assert_allclose(loss.error(same, same, *constants), slope)


def test_cross_entropy_is_that_of_n3_and_n5():
    rng = np.random.default_rng(0)
    z, loss = rng.standard_normal((4, 7)), CrossEntropy()
    y = loss.columns(rng.integers(4, size=7), 4)
    assert (y.sum(axis=0) == 1).all()
    assert loss.value(z, y).sum() == cross_entropy(y, z)
    np.testing.assert_array_equal(loss.activate(z), softmax(z))
    np.testing.assert_array_equal(loss.error(softmax(z), y), output_error(y, softmax(z)))


# Names, settings, files


@dataclass(frozen=True)
class Robust(Loss):
    """Squared near 0, absolute beyond."""

    threshold: float = 1.0

    def value(self, z, y):
        raise NotImplementedError

    error = value


def test_table_has_them_by_their_names():
    assert list(LOSSES) == [
        "cross_entropy", "squared_error", "absolute_error", "quantile", "poisson",
    ]  # fmt: skip
    assert as_loss("poisson") == Poisson()
    assert as_loss(Robust(2.0)) == Robust(2.0) != Robust()
    assert encode_loss(Robust()) == {"name": "Robust", "threshold": 1.0}
    assert encode_loss(Poisson()) == {"name": "poisson"}


@pytest.mark.parametrize("wrong", ["mse", SquaredError, 3, None])
def test_what_is_no_loss_is_refused_in_words(wrong):
    with pytest.raises(ValueError, match=r"loss must be one of cross_entropy, .*elman.Loss; got"):
        as_loss(wrong)


def test_loss_that_could_change_is_refused():
    @dataclass
    class Changing(Poisson):
        threshold: float = 1.0

    with pytest.raises(ValueError, match=r"cannot be hashed; make its class a dataclass\(frozen"):
        as_loss(Changing())


@pytest.mark.parametrize("given", ["poisson", Quantile((0.2, 0.7)), Robust(0.5), SquaredError()])
def test_files_hold_losses(given):
    assert decode_loss(encode_loss(given)) == given
    assert hash(decode_loss(encode_loss(given))) == hash(given)


def test_loss_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"the loss 'Unheard', which is not elman's. Import"):
        decode_loss({"name": "Unheard"})


@pytest.mark.parametrize("quantiles", [(), (0.0,), (0.5, 1.0), ("a",), (np.nan,)])
def test_quantiles_lie_between_0_and_1(quantiles):
    with pytest.raises(ValueError, match="quantile"):
        Quantile(quantiles)


def test_quantile_may_be_one_number():
    assert Quantile(0.3) == Quantile((0.3,)) == Quantile([0.3])


def test_poisson_takes_no_numbers_below_zero():
    assert "below zero, such as -1" in Poisson().check(np.array([3, -1.0]))
    assert Poisson().check(np.array([3, 0.0])) == ""
