"""What guessing comes to, against the formulas."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import d2_pinball_score, r2_score

from elman.data import Targets
from elman.equations.losses import AbsoluteError, CrossEntropy, Poisson, Quantile, SquaredError
from elman.training.guessing import guessing
from learners import LENGTHS, K, examples_of
from tolerances import BY_HAND


def numbers(values, weights):
    """Sequences with these targets."""
    examples = examples_of((2,) * len(values), False)
    targets = Targets(np.array(values, float)[:, None], np.array(weights, float), False)
    return replace(examples, targets=targets)


def test_of_classes_it_is_the_entropy_of_their_weighted_frequencies(every_step):
    weights = np.arange(1.0, 8)
    examples = examples_of(LENGTHS, every_step, weights)
    labels, weights = examples.targets.values, examples.targets.weights
    total = 0.0
    for k in range(K):
        share = weights[labels == k].sum() / weights.sum()
        total -= weights[labels == k].sum() * np.log(share)
    found = guessing(examples, CrossEntropy(), K)
    assert found.loss == pytest.approx(total / len(LENGTHS), rel=BY_HAND)
    assert found.a_target == pytest.approx(total / weights.sum(), rel=BY_HAND)
    assert found.perfect == 0


def test_what_has_weight_zero_is_not_there():
    some = examples_of(LENGTHS, True, [1, 0, 1, 2, 0, 1, 1])
    there = examples_of(LENGTHS, True, [1, 0, 1, 2, 0, 1, 1]).present()
    found, expected = (guessing(e, CrossEntropy(), K) for e in (some, there))
    assert found.loss * 7 == pytest.approx(expected.loss * 5, rel=BY_HAND)


Y, WEIGHTS = [3.0, 1.0, 7.0, 7.5, 0.0, 2.0, 2.5], [1.0, 2.0, 1.0, 1.0, 3.0, 0.5, 0.5]
MEAN = np.average(Y, weights=WEIGHTS)
BEST = {
    "squared": (SquaredError(), MEAN, lambda y, c: (y - c) ** 2 / 2),
    "absolute": (AbsoluteError(), 1.0, lambda y, c: abs(y - c)),
    "quantile": (Quantile((0.9,)), 7.5, lambda y, c: max(0.9 * (y - c), 0.1 * (c - y))),
    "poisson": (Poisson(), MEAN, lambda y, c: c - y * np.log(c)),
}


@pytest.mark.parametrize(("loss", "best", "value"), BEST.values(), ids=list(BEST))
def test_of_numbers_it_is_the_loss_of_the_best_constant(loss, best, value):
    found = guessing(numbers(Y, WEIGHTS), loss, 1)
    expected = sum(w * value(y, best) for y, w in zip(Y, WEIGHTS, strict=True)) / len(Y)
    assert found.loss == pytest.approx(expected, rel=1e-9)  # the constant is found by halving


def test_explained_is_r2_and_d2():
    y, y_hat = np.array(Y), np.array(Y) * 0.8 + 0.1
    for loss, value, expected in [
        (SquaredError(), lambda d: d**2 / 2, r2_score(y, y_hat, sample_weight=WEIGHTS)),
        (
            Quantile((0.7,)),
            lambda d: np.maximum(0.7 * d, -0.3 * d),
            d2_pinball_score(y, y_hat, alpha=0.7, sample_weight=WEIGHTS),
        ),
    ]:
        found = guessing(numbers(Y, WEIGHTS), loss, 1)
        mean = (np.array(WEIGHTS) * value(y - y_hat)).sum() / len(y)
        assert found.explained(mean) == pytest.approx(expected, rel=1e-6)
        assert found.explained(found.loss) == 0


@pytest.mark.parametrize("value", [0.0, 2.5])
def test_targets_that_are_all_alike_leave_nothing_to_explain(value):
    for loss in (SquaredError(), Poisson(), AbsoluteError()):
        assert guessing(numbers([value] * 5, [1.0] * 5), loss, 1).explained(9.0) == 1
    alike = examples_of(LENGTHS, False)
    alike.targets.values[...] = 1
    assert guessing(alike, CrossEntropy(), K).explained(9.0) == 1
