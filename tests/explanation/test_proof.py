"""The proof: what is right passes, whatever is planted does not."""

import numpy as np
import pytest

from elman import Network, explain
from elman.equations import network as equations_network
from elman.errors import DataError
from elman.explanation import proof, terms
from elman.explanation.proof import check_terms
from elman.parameters import Parameters
from unrolled import losses

T, D, H, K = 6, 3, 4, 3


def make(cells=("tanh",), seed=0):
    rng = np.random.default_rng(seed)
    network = Network(D, [H] * len(cells), K, cell=cells, dtype=np.float64)
    network.parameters.vector[...] = 0.7 * rng.standard_normal(len(network.parameters.vector))
    return network, rng.standard_normal((T, D)), rng.integers(K, size=T)


def test_every_check_is_the_derivative_along_R():
    network, x, y = make(("tanh", "tanh"))
    ex = explain(network, x, y)
    R = np.random.default_rng(0).standard_normal((H, H))
    W = network.parameters["W1"] + 1e-30j * R
    for check in ex.checks_:
        own = {("W1", check.tau - 1): W}
        derivative = (
            losses(network.parameters, ("tanh", "tanh"), x, y, own)[check.t - 1].imag / 1e-30
        )
        assert check.found == pytest.approx(derivative, rel=1e-11, abs=1e-14)
        assert check.expected == pytest.approx((ex.term(check.t, check.tau) * R).sum(), rel=1e-11)
        assert check.error == abs(check.expected - check.found) <= check.bound
        norm = np.linalg.norm(ex.term(check.t, check.tau))
        assert check.bound >= 1e-10 * norm * np.linalg.norm(R)
        assert check.bound <= 1.001e-10 * norm * np.linalg.norm(R) + 1e-14 * check.summed + 1e-287
        assert check.summed >= abs(check.expected) * (1 - 1e-14)
    assert [(check.t, check.tau) for check in ex.checks_] == [
        (t, tau) for t in range(1, T + 1) for tau in range(1, t + 1)
    ]


def test_vanished_terms_are_proved_too():
    """A term of 1e-60, which no difference of losses can see."""
    network, _, _ = make()
    network.parameters["W1"][...] *= 1e-3
    x = np.random.default_rng(0).standard_normal((30, D))
    ex = explain(network, x, 1)
    assert 0 < ex.norms[-1, 1] < 1e-60
    check = ex.checks_[1]
    assert check.passed
    assert check.found == pytest.approx(check.expected, rel=1e-12)
    assert all(row["unseen"] >= 15 for row in ex.central)


def test_terms_below_all_numbers_pass():
    network, _, _ = make()
    network.parameters["W1"][...] *= 1e-12
    ex = explain(network, np.random.default_rng(0).standard_normal((60, D)), 1)
    assert ex.norms[-1, 1] == 0
    assert ex.passed


@pytest.mark.parametrize("certainty", [1, 10, 30, 100, 1000])
def test_certain_answers_are_proved(certainty):
    """ŷ - y is then the difference of two numbers near 1, or 0."""
    network, x, y = make()
    network.parameters["V"][...] *= certainty
    z = explain(network, x, y, check=False).y_unactivated
    ex = explain(network, x, z.argmax(axis=1))
    assert ex.passed
    assert ex.worst_error < 1e-12
    if certainty <= 100:  # else most terms are below all numbers
        assert_none_is_vacuous(ex)


def assert_none_is_vacuous(ex):
    """A term that was zero, or of the other sign, would fail."""
    for check in ex.checks_:
        assert check.bound < abs(check.expected) or check.tau == 1


@pytest.mark.parametrize("scale", [20, 50, 100])
def test_saturated_units_are_proved(scale):
    """1 - h² has no digits there; 1 / cosh² has all of them."""
    for seed in range(5):
        network, x, y = make(seed=seed)
        network.parameters["U1"][...] *= scale
        ex = explain(network, x, y)
        assert ex.saturated > 0.5
        assert ex.passed
        assert ex.worst_error < 1e-12
        assert ex.sum_error < 1e-13


@pytest.mark.parametrize("seed", range(8))
def test_gradients_that_have_no_square_are_proved(seed):
    """Of answers so certain that they leave less than 1e-162 of an error."""
    network, x, _ = make(("tanh", "relu"), seed)
    network.parameters["V"][...] *= 1000
    certain = explain(network, x, 0, check=False).y_unactivated[-1].argmax()
    ex = explain(network, x, int(certain))
    assert ex.passed
    assert np.isfinite(ex.residual_n5)
    assert ex.loss >= 0


def test_losses_of_certain_answers_have_digits():
    network, x, _ = make()
    network.parameters["V"][...] = 0
    network.parameters["c"][...] = [0, 0, 45]
    assert explain(network, x, 2).loss == pytest.approx(2 * np.exp(-45), rel=1e-14)
    assert explain(network, x, 0).loss == pytest.approx(45, rel=1e-14)


# Planted errors


def corrupt_one(t, tau, factor):
    right = terms.carry_back

    def wrong(*arguments, **named):
        carried = right(*arguments, **named)
        carried[0][tau - 1, :, t - 1] *= factor
        return carried

    return wrong


def test_a_gradient_beyond_all_numbers_is_one_error(monkeypatch):
    monkeypatch.setattr(terms, "carry_back", corrupt_one(2, 2, np.inf))
    with pytest.raises(DataError, match="the gradient overflows on its way back"):
        explain(*make())


@pytest.mark.parametrize("factor", [0, -1, 1 + 1e-6])
@pytest.mark.parametrize(("t", "tau"), [(2, 2), (6, 2), (6, 6)])
def test_corrupted_term_is_shown_as_failed(monkeypatch, t, tau, factor):
    monkeypatch.setattr(terms, "carry_back", corrupt_one(t, tau, factor))
    ex = explain(*make())
    assert [(check.t, check.tau) for check in ex.checks_ if not check.passed] == [(t, tau)]
    assert ex.n_proved == ex.n_terms - 1
    assert not ex.passed


def test_corrupted_first_column_shows_in_the_sum(monkeypatch):
    """term(t, 1) of W is zero whatever δ is, because h_0 is; those of U are not."""
    monkeypatch.setattr(terms, "carry_back", corrupt_one(3, 1, 2.0))
    ex = explain(*make())
    assert ex.n_proved == ex.n_terms
    assert not ex.passed


def test_missing_transpose_is_found(monkeypatch):
    """W for Wᵀ in both the terms and the gradients: they add up, and are wrong."""
    right = terms.errors_through_time

    def wrong(dh, slopes, W):
        return right(dh, slopes, None if W is None else W.T)

    monkeypatch.setattr(terms, "errors_through_time", wrong)
    monkeypatch.setattr(equations_network, "errors_through_time", wrong)
    ex = explain(*make())
    assert ex.sum_error < 1e-14
    failed = {(check.t, check.tau) for check in ex.checks_ if not check.passed}
    assert failed == {(t, tau) for t in range(1, T + 1) for tau in range(2, t)}
    assert {check.name for check in ex.totals_ if not check.passed} == {"U1", "W1", "b1"}
    assert not ex.passed


def test_layer_above_left_out_is_found(monkeypatch):
    right = terms.carry_back
    monkeypatch.setattr(
        terms,
        "carry_back",
        lambda dh, answering, layers, slopes, reach=None: right(
            dh, answering, layers[:1], slopes[:1], reach
        ),
    )
    ex = explain(*make(("tanh", "tanh")))
    assert ex.n_proved == T  # those of step 1, which are zero
    assert not ex.passed


@pytest.mark.parametrize("name", ["U1", "W1", "b1", "V", "c"])
def test_corrupted_gradient_is_shown_as_failed(monkeypatch, name):
    right = Parameters.of_gradients

    def wrong(*arguments):
        gradients = right(*arguments)
        gradients[name].flat[1] += 1e-6
        return gradients

    monkeypatch.setattr(Parameters, "of_gradients", wrong)
    ex = explain(*make())
    assert [check.name for check in ex.totals_ if not check.passed] == [name]
    assert not ex.passed


# Side by side, and for contrast


@pytest.mark.parametrize("cell", ["tanh", "relu", "dense"])
def test_many_passes_side_by_side_are_as_few(monkeypatch, cell):
    network, x, y = make((cell, "tanh"))
    together = explain(network, x, y).checks_
    monkeypatch.setattr(proof, "SIDE", 2)
    for one, other in zip(together, explain(network, x, y).checks_, strict=True):
        assert one.found == pytest.approx(other.found, rel=1e-12, abs=1e-15)


def test_central_differences_lose_half_the_digits():
    ex = explain(*make())
    errors = {row["step"]: row["relative_error"] for row in ex.central}
    assert len(errors) == 8
    assert 1e-13 < min(errors.values()) < 1e-7
    assert errors[max(errors)] > 1e-4
    assert errors[min(errors)] > min(errors.values())


def test_nothing_is_checked_unless_asked():
    ex = explain(*make(), check=False)
    assert ex.checks_ is ex.totals_ is ex.central is ex.n_proved is ex.worst_error is None
    assert ex.passed  # the terms add up


def test_check_terms_sees_what_it_is_given():
    network, x, y = make()
    ex = explain(network, x, y)
    of_layer = (ex.parameters, 1, ex.inputs, ex.labels)
    checks = check_terms(*of_layer, "W", 2 * ex.delta, ex.h_previous, ex.output_error)
    assert sum(check.passed for check in checks) == T
    assert all(
        check.passed for check in check_terms(*of_layer, "U", ex.delta, ex.inputs, ex.output_error)
    )
