"""RNNRegressor: numbers in their own units, every loss, and what all estimators have."""

import pickle
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import d2_pinball_score, r2_score
from sklearn.model_selection import GridSearchCV

import elman
from elman import DataError, DivergenceError, Loss, ModelFileError, RNNRegressor
from elman.equations.functions import positive, where
from elman.equations.losses import Quantile
from plain import plain_model

rng = np.random.default_rng(0)
X = rng.standard_normal((80, 6, 2))
Y = 1000 + 50 * X[:, :, 0].sum(axis=1)
TWO = np.column_stack([Y, 1e-3 * X[:, -1, 1]])
COUNTS = rng.poisson(np.exp(1 + X[:, -1, 0]))
RAGGED = [x[: 1 + i % 6] for i, x in enumerate(X)]
OF_RAGGED = np.array([x[:, 0].sum() for x in RAGGED])


def regressor(**params):
    settings = {"max_iter": 40, "random_state": 0, "learning_rate_init": 0.02, "batch_size": 20}
    return plain_model(RNNRegressor, 8, **settings | params)


def bits(estimator):
    return estimator.network_.parameters.vector.tobytes()


@dataclass(frozen=True)
class Huber(Loss):
    """Squared near 0, absolute beyond."""

    threshold: float = 1.0

    def value(self, z, y):
        d = z - y
        size = where(positive(d), d, -d)
        beyond = self.threshold * (size - 0.5 * self.threshold)
        return where(positive(size - self.threshold), beyond, 0.5 * d * d)

    def error(self, y_hat, y):
        d = y_hat - y
        high = where(positive(d - self.threshold), self.threshold, d)
        return where(positive(-d - self.threshold), -self.threshold, high)


# Units


@pytest.mark.parametrize("data", [(X, Y), (RAGGED, OF_RAGGED)], ids=["stacked", "ragged"])
def test_learns_numbers_in_their_own_units(data):
    model = regressor().fit(*data)
    answers = model.predict(data[0])
    assert (answers.dtype, answers.shape) == (np.float64, data[1].shape)
    assert model.score(*data) == r2_score(data[1], answers) > 0.9


def test_units_do_not_change_what_is_learnt():
    plain, scaled = regressor().fit(X, Y), regressor().fit(X, 7e9 * Y - 3e12)
    np.testing.assert_allclose(scaled.predict(X), 7e9 * plain.predict(X) - 3e12, rtol=1e-9)
    assert scaled.score(X, 7e9 * Y - 3e12) == pytest.approx(plain.score(X, Y), rel=1e-9)


def test_mean_and_deviation_are_weighted_and_those_of_y():
    weights = rng.uniform(0.5, 2, 80)
    model = regressor(max_iter=1).fit(X, TWO, weights)
    mean = np.average(TWO, axis=0, weights=weights)
    np.testing.assert_allclose(model.target_mean_, mean, rtol=1e-12)
    deviation = np.sqrt(np.average((TWO - mean) ** 2, axis=0, weights=weights))
    np.testing.assert_allclose(model.target_scale_, deviation, rtol=1e-10)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e300, -3])
def test_constants_are_predicted(value):
    model = regressor(max_iter=60).fit(X, np.full(80, value))
    np.testing.assert_allclose(model.predict(X), value, atol=0.2)  # the deviation is taken as 1
    assert model.target_scale_ == 1


def test_answers_are_the_networks_times_scale_plus_mean():
    model = regressor(max_iter=2).fit(X, TWO)
    standardised = (X - model.mean_) / model.scale_
    y_hat = model.network_.forward(standardised, every_step=False)
    expected = y_hat * model.target_scale_ + model.target_mean_
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-12)


def test_several_numbers_at_once():
    model = regressor(max_iter=80).fit(X, TWO)
    assert model.predict(X).shape == TWO.shape
    assert model.score(X, TWO) == pytest.approx(r2_score(TWO, model.predict(X)), rel=1e-9)
    assert model.score(X, TWO) > 0.8


def test_a_column_is_one_number():
    np.testing.assert_array_equal(
        regressor(max_iter=2).fit(X, Y[:, None]).predict(X),
        regressor(max_iter=2).fit(X, Y).predict(X),
    )


# Losses


def test_absolute_error_does_not_mind_outliers():
    spoilt = Y.copy()
    spoilt[::10] += 3000
    clean = np.arange(80) % 10 > 0
    scores = {
        loss: regressor(loss=loss, max_iter=300, n_iter_no_change=10)
        .fit(X, spoilt)
        .score(X[clean], Y[clean])
        for loss in ("absolute_error", "squared_error")
    }
    assert scores["absolute_error"] > 0.5 > scores["squared_error"]


def test_quantiles_are_one_call():
    noisy = X[:, -1, 0] + rng.standard_normal(80)
    model = regressor(loss="quantile", quantile=[0.1, 0.5, 0.9], max_iter=60).fit(X, noisy)
    low, median, high = model.predict(X).T
    assert np.mean((low < median) & (median < high)) > 0.8
    assert 0.6 < np.mean((low < noisy) & (noisy < high)) < 1
    expected = [
        d2_pinball_score(noisy, y_hat, alpha=tau)
        for y_hat, tau in ((low, 0.1), (median, 0.5), (high, 0.9))
    ]
    assert model.score(X, noisy) == pytest.approx(np.mean(expected), rel=1e-9)


@pytest.mark.parametrize(("quantile", "loss"), [(0.9, "squared_error"), ([0.5, 0.9], "poisson")])
def test_quantiles_need_their_loss(quantile, loss):
    with pytest.raises(ValueError, match=r"quantile=.*0\.9\]? needs loss='quantile'; got loss="):
        regressor(loss=loss, quantile=quantile).fit(X, Y)


@pytest.mark.parametrize(
    ("quantile", "y", "shape"),
    [
        (0.3, Y, (80,)),
        ([0.3], Y, (80, 1)),
        ([0.3, 0.7], TWO, (80, 2, 2)),
        (0.3, TWO, (80, 2)),
    ],
)
def test_quantiles_are_the_last_axis(quantile, y, shape):
    model = regressor(loss="quantile", quantile=quantile, max_iter=1).fit(X, y)
    assert model.predict(X).shape == shape
    state = model.initial_state(80)
    for t in range(6):
        answers, state = model.step(X[:, t], state)
    np.testing.assert_array_equal(answers, model.predict(X))
    answer, _ = model.step(X[0, 0], model.initial_state())
    assert answer.shape == shape[1:]


def test_each_number_has_its_own_quantiles():
    model = regressor(loss="quantile", quantile=[0.1, 0.9], max_iter=100).fit(X, TWO)
    answers = model.predict(X)
    assert (answers[:, 0] > 500).all()
    assert (abs(answers[:, 1]) < 0.1).all()
    assert np.mean(answers[..., 0] < answers[..., 1]) > 0.95


def test_poisson_predicts_counts():
    model = regressor(loss="poisson", max_iter=100).fit(X, COUNTS)
    assert (model.predict(X) > 0).all()
    linear = PoissonRegressor(alpha=0).fit(X[:, -1], COUNTS)
    assert model.score(X, COUNTS) > 0.9 * r2_score(COUNTS, linear.predict(X[:, -1]))
    assert (model.target_mean_, model.target_scale_) == (0, 1)


def test_poisson_begins_at_the_mean():
    model = regressor(loss="poisson", max_iter=1, learning_rate_init=1e-9).fit(X, 1000 * COUNTS)
    assert model.network_.parameters["c"] == pytest.approx(np.log(1000 * COUNTS.mean()), rel=1e-6)


def test_loss_of_ones_own():
    model = regressor(loss=Huber(0.5)).fit(X, Y)
    assert model.score(X, Y) > 0.9
    assert bits(regressor(loss=Huber(1e9)).fit(X, Y)) != bits(model)
    np.testing.assert_allclose(
        regressor(loss=Huber(1e9)).fit(X, Y).predict(X), regressor().fit(X, Y).predict(X)
    )


def test_several_quantiles_as_an_instance():
    as_instance = regressor(loss=Quantile((0.2, 0.8)), max_iter=2).fit(X, Y)
    by_name = regressor(loss="quantile", quantile=(0.2, 0.8), max_iter=2).fit(X, Y)
    np.testing.assert_array_equal(as_instance.predict(X), by_name.predict(X))


# Weights


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "quantile", "poisson"])
def test_weight_is_a_number_of_repetitions(loss):
    """In one batch, by plain gradient descent, whose steps show the objective itself."""
    times = np.random.default_rng(1).integers(0, 4, 80)
    settings = {
        "solver": "sgd", "batch_size": 1000, "shuffle": False, "clip_norm": None, "max_iter": 5,
        "learning_rate_init": 1e-3, "learning_rate": "constant",
    }  # fmt: skip
    weighted, copied = (regressor(loss=loss, **settings) for _ in "ab")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        weighted.fit(X, COUNTS, times)
        copied.fit(X.repeat(times, axis=0), COUNTS.repeat(times))
    np.testing.assert_allclose(weighted.predict(X), copied.predict(X), rtol=1e-9)
    score = copied.score(X.repeat(times, axis=0), COUNTS.repeat(times))
    assert weighted.score(X, COUNTS, times) == pytest.approx(score, rel=1e-9)


def test_what_has_weight_zero_may_be_anything():
    weights = np.arange(80) % 4 > 0
    spoilt = np.where(weights, Y, np.nan)
    there = weights.astype(bool)
    expected = regressor(max_iter=2).fit(X[there], Y[there])
    model = regressor(max_iter=2).fit(X, spoilt, weights.astype(float))
    assert bits(model) == bits(expected)
    assert model.score(X, spoilt, weights.astype(float)) == expected.score(X[there], Y[there])


# What all estimators have


def test_history_has_no_accuracy():
    lines = []
    model = regressor(max_iter=2, early_stopping=True)
    model.fit(X, Y, callback=lambda progress: lines.append(str(progress)))
    keys = {"epoch", "loss", "validation_score", "learning_rate", "gradient_norm"}
    assert all(row.keys() == keys for row in model.history_)
    assert not any("accuracy" in line for line in lines)
    assert f"validation {model.history_[-1]['validation_score']:.4f}" in lines[-1]


def test_early_stopping_ends_with_the_best_score():
    model = regressor(early_stopping=True, max_iter=30, n_iter_no_change=3)
    seen = []

    def watch(progress):
        if progress.row is not None:
            seen.append((progress.row["validation_score"], bits(model)))

    model.fit(X, Y, callback=watch)
    assert bits(model) == max(seen, key=lambda scored: scored[0])[1]
    assert model.best_validation_score_ == max(score for score, _ in seen)


def test_validation_data_are_watched_instead():
    model = regressor(max_iter=15).fit(X[:60], Y[:60], validation_data=(X[60:], Y[60:]))
    assert model.score(X[60:], Y[60:]) == pytest.approx(model.best_validation_score_, rel=1e-9)
    same = regressor(max_iter=15, early_stopping=True, n_iter_no_change=99)
    same.fit(X[:60], Y[:60], validation_data=(X[60:], Y[60:]))
    assert same.validation_scores_[: len(model.validation_scores_)] == model.validation_scores_


def test_streaming_is_predict_to_the_number():
    model = regressor(max_iter=2).fit(X, TWO)
    state = model.initial_state()
    for x_t in X[3]:
        answer, state = model.step(x_t, state)
    np.testing.assert_array_equal(answer, model.predict(X[3:4])[0])


def test_a_stream_goes_on_as_it_began():
    model = regressor(max_iter=2).fit(X, Y)
    state, expected = model.initial_state(), model.predict(X[:1, :1])[0]
    model.fit(X, -5 * Y)
    assert model.step(X[0, 0], state)[0] == expected


def test_partial_fit_goes_on_with_the_first_units():
    model = regressor().partial_fit(X[:40], Y[:40])
    mean = model.target_mean_.copy()
    losses = [model.partial_fit(X, Y + 10).loss_ for _ in range(20)]
    assert losses[-1] < losses[0]
    np.testing.assert_array_equal(model.target_mean_, mean)
    with pytest.raises(DataError, match=r"y has 2 number\(s\) for each answer; expected 1"):
        model.partial_fit(X, TWO)


def test_warm_start_goes_on():
    model = regressor(warm_start=True, max_iter=3).fit(X, Y)
    first = model.loss_
    assert model.fit(X, Y).loss_ < first
    assert model.n_iter_ == 6
    with pytest.raises(ValueError, match="bias and loss cannot change once training"):
        model.set_params(loss="absolute_error").fit(X, Y)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_threads_do_not_change_a_bit(n_jobs):
    assert bits(regressor(max_iter=2, n_jobs=n_jobs).fit(X, Y)) == bits(
        regressor(max_iter=2).fit(X, Y)
    )


LOSSES = {
    "squared": {},
    "poisson": {"loss": "poisson"},
    "quantiles": {"loss": "quantile", "quantile": [0.2, 0.7]},
    "an instance": {"loss": Quantile((0.2, 0.7))},
    "one's own": {"loss": Huber(0.5)},
}


@pytest.mark.parametrize("params", LOSSES.values(), ids=list(LOSSES))
def test_model_files_give_the_same_answers(tmp_path, params):
    model = regressor(max_iter=2, **params).fit(X, COUNTS)
    model.save(tmp_path / "model")
    loaded = elman.load(tmp_path / "model")
    assert isinstance(loaded, RNNRegressor)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.network_.architecture == model.network_.architecture
    assert str(loaded.loss) == str(model.loss) or loaded.loss == model.loss
    again = pickle.loads(pickle.dumps(clone(model).fit(X, COUNTS)))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_file_that_needs_a_loss_which_is_not_there_names_it(tmp_path):
    class Passing(Huber):
        pass

    regressor(max_iter=1, loss=Passing()).fit(X, Y).save(tmp_path / "model")
    Passing.__name__ = "Another"
    with pytest.raises(ModelFileError, match="the loss 'Passing', which is not elman's"):
        RNNRegressor.load(tmp_path / "model")


def test_search_by_score():
    search = GridSearchCV(regressor(max_iter=10), {"learning_rate_init": [1e-9, 0.02]}, cv=2)
    assert search.fit(X, Y).best_params_ == {"learning_rate_init": 0.02}


def test_divergence_is_an_error():
    with pytest.raises(DivergenceError):
        regressor(loss="poisson", solver="sgd", learning_rate_init=1e30, clip_norm=None).fit(
            X, 1000 * COUNTS
        )


# What is refused


def test_one_number_has_no_score_to_watch():
    with pytest.raises(DataError, match="two answers or more; there is one to validate with"):
        regressor(early_stopping=True).fit(X[:2], Y[:2])
    with pytest.raises(DataError, match="two answers or more"):
        regressor().fit(X, Y, validation_data=(X[:1], Y[:1]))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.where(np.arange(80) == 3, np.nan, Y), "y contains NaN; expected finite numbers"),
        (np.where(np.arange(80) == 3, np.inf, Y), "y contains infinity"),
        (Y.astype(str), r"y has values such as np.str_\(.*For labels use RNNClassifier"),
        (Y * 1j, "Complex data not supported"),
        (Y[:5], "y has 5 entries for 80 sequences; expected one for each"),
        ([[0.1] * 6] * 40 + [[0.1] * 5] * 40, "lists that differ in length"),
        (np.zeros((80, 6, 2)), "3 dimensions.*use RNNStepRegressor"),
    ],
    ids=["NaN", "infinity", "text", "complex", "too few", "ragged", "3-D"],
)
def test_what_are_no_numbers_is_refused_in_words(y, message):
    with pytest.raises(DataError, match=message):
        regressor().fit(X, y)


def test_counts_below_zero_are_refused():
    with pytest.raises(DataError, match="y has numbers below zero, such as -1; expected counts"):
        regressor(loss="poisson").fit(X, COUNTS - 1)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"loss": "cross_entropy"}, "'loss' parameter"),
        ({"loss": Huber}, "loss is the class Huber; pass an instance"),
        ({"loss": "quantile", "quantile": 1.0}, "'quantile' parameter"),
        ({"loss": "quantile", "quantile": [0.5, 2]}, "every quantile must be a number between"),
    ],
)
def test_what_is_no_loss_is_refused(params, message):
    with pytest.raises(ValueError, match=message):
        regressor(**params).fit(X, Y)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X[:, :, :1], Y), "validation_data: X has 1 features"),
        ((X, Y[:3]), "validation_data: y has 3 entries"),
        ((X, TWO), r"validation_data: y has 2 number\(s\)"),
        (X, r"expected \(X, y\) or \(X, y, sample_weight\)"),
    ],
)
def test_wrong_validation_data_are_refused(data, message):
    with pytest.raises(DataError, match=message):
        regressor().fit(X, Y, validation_data=data)
