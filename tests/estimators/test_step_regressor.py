"""RNNStepRegressor: numbers for every step, ragged or not."""

import numpy as np
import pytest
from sklearn.metrics import get_scorer, mean_absolute_error, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_predict

import elman
from elman import DataError, RNNRegressor, RNNStepRegressor
from elman.metrics import StepScorer
from plain import plain_model

rng = np.random.default_rng(0)
X = [rng.standard_normal((n, 2)) for n in rng.integers(1, 12, 60)]
Y = [100 + 10 * np.cumsum(x[:, 0]) for x in X]
TWO = [np.column_stack([y, x[:, 1]]) for x, y in zip(X, Y, strict=True)]
STACK = rng.standard_normal((40, 6, 2))
OF_STACK = STACK[:, :, 0].cumsum(axis=1)


def regressor(**params):
    settings = {"max_iter": 30, "random_state": 0, "learning_rate_init": 0.02, "batch_size": 20}
    return plain_model(RNNStepRegressor, 8, **settings | params)


def bits(estimator):
    return estimator.network_.parameters.vector.tobytes()


def test_learns_every_step_of_ragged_sequences():
    model = regressor().fit(X, Y)
    answers = model.predict(X)
    assert [answer.shape for answer in answers] == [y.shape for y in Y]
    flat = np.concatenate(list(answers))
    assert model.score(X, Y) == pytest.approx(r2_score(np.concatenate(Y), flat), rel=1e-12)
    assert model.score(X, Y) > 0.9


def test_arrays_give_arrays():
    model = regressor().fit(STACK, OF_STACK)
    assert model.predict(STACK).shape == OF_STACK.shape
    np.testing.assert_array_equal(
        regressor().fit(STACK, OF_STACK[:, :, None]).predict(STACK), model.predict(STACK)
    )
    assert bits(regressor().fit(list(STACK), list(OF_STACK))) == bits(model)


def test_several_numbers_a_step_and_their_quantiles():
    model = regressor(max_iter=2).fit(X, TWO)
    assert [answer.shape for answer in model.predict(X)] == [(len(x), 2) for x in X]
    model = regressor(max_iter=2, loss="quantile", quantile=[0.1, 0.5, 0.9]).fit(X, TWO)
    assert [answer.shape for answer in model.predict(X)] == [(len(x), 2, 3) for x in X]
    model = regressor(max_iter=2, loss="quantile", quantile=[0.1, 0.9]).fit(STACK, OF_STACK)
    assert model.predict(STACK).shape == (40, 6, 2)


def test_streaming_is_predict():
    model = regressor(max_iter=2).fit(X, TWO)
    state, longest = model.initial_state(), max(range(60), key=lambda i: len(X[i]))
    for x_t, expected in zip(X[longest], model.predict(X)[longest], strict=True):
        answer, state = model.step(x_t, state)
        np.testing.assert_array_equal(answer, expected)


def test_steps_without_a_weight_have_no_number():
    weights = [np.where(np.arange(len(y)) % 3 == 1, 0.0, 1.0) for y in Y]
    spoilt = [np.where(w > 0, y, np.nan) for y, w in zip(Y, weights, strict=True)]
    other = [np.where(w > 0, y, 1e9) for y, w in zip(Y, weights, strict=True)]
    model = regressor(max_iter=2).fit(X, spoilt, weights)
    assert bits(model) == bits(regressor(max_iter=2).fit(X, other, weights))
    assert model.score(X, spoilt, weights) == model.score(X, other, weights)
    seen = np.concatenate(weights) > 0
    assert model.target_mean_ == pytest.approx(np.concatenate(Y)[seen].mean(), rel=1e-12)


def test_a_weight_a_sequence_is_that_of_its_steps():
    weights = rng.uniform(0.5, 2, 60)
    of_steps = [np.full(len(y), w) for y, w in zip(Y, weights, strict=True)]
    one, other = (regressor(max_iter=2).fit(X, Y, w) for w in (weights, of_steps))
    assert bits(one) == bits(other)


def test_poisson_a_step():
    counts = [rng.poisson(np.exp(x[:, 0])) for x in X]
    model = regressor(loss="poisson").fit(X, counts)
    assert min(map(np.min, model.predict(X))) > 0
    assert model.score(X, counts) > 0.3


def test_files_and_early_stopping(tmp_path):
    model = regressor(early_stopping=True).fit(X, TWO)
    assert model.validation_scores_
    model.save(tmp_path / "model")
    loaded = elman.load(tmp_path / "model")
    for actual, expected in zip(loaded.predict(X), model.predict(X), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_scikit_learns_search_and_prediction():
    search = GridSearchCV(
        regressor(max_iter=5),
        {"learning_rate_init": [1e-9, 0.02]},
        cv=2,
        scoring=StepScorer("neg_mean_absolute_error"),
    )
    search.fit(X, Y)
    assert search.best_params_ == {"learning_rate_init": 0.02}
    model = search.best_estimator_
    expected = -mean_absolute_error(np.concatenate(Y), np.concatenate(list(model.predict(X))))
    assert StepScorer("neg_mean_absolute_error")(model, X, Y) == pytest.approx(expected)
    assert get_scorer("r2") is not None
    assert StepScorer("r2")(model, X, Y) == pytest.approx(model.score(X, Y))
    assert len(cross_val_predict(model, X, Y, cv=2)) == 60


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([y[0] for y in Y], "For one number a sequence use RNNRegressor"),
        ([y[:-1] if len(y) > 1 else y for y in Y], "expected one for each step"),
        ([TWO[0], *Y[1:]], "y has from 1 to 2 numbers a step"),
        ([np.where(y > 100, y, np.nan) for y in Y], "y contains NaN"),
        (Y[:-1], "y has 59 entries for 60 sequences"),
    ],
    ids=["of sequences", "too short", "mixed", "NaN", "too few"],
)
def test_what_are_no_numbers_of_steps_is_refused_in_words(y, message):
    with pytest.raises(DataError, match=message):
        regressor().fit(X, y)


def test_numbers_of_steps_are_not_for_sequences():
    with pytest.raises(DataError, match="use RNNStepRegressor"):
        RNNRegressor(3).fit(X, Y)
