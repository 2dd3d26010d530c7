"""The call: what it takes, what it leaves alone, and what it refuses."""

import math

import numpy as np
import pytest
from sklearn.model_selection import KFold

import elman
from elman import RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
from elman.metrics import StepScorer
from elman.tuning import seconds_in
from elman.tuning.space import SPACES
from elman.tuning.suggesting import estimator_for

TINY = {"hidden_layer_sizes": 4, "max_iter": 4, "cell": "tanh", "n_members": 1}


def test_estimator_follows_from_y():
    X = [np.zeros((n, 1)) for n in (3, 4)]
    kinds = [
        (["a", "b"], RNNClassifier),
        (np.array([1.0, 2.0]), RNNClassifier),
        (np.array([1.5, 2.0]), RNNRegressor),
        ([np.array([0, 1, 1]), np.array([0, 1, 1, 1])], RNNTagger),
        ([np.array([0.5, 1, 1]), np.array([0, 1, 1.0, 1])], RNNStepRegressor),
    ]
    for y, kind in kinds:
        assert type(estimator_for(X, y)) is kind


def test_given_estimator_is_left_alone(walks, small_space):
    estimator = RNNClassifier(**TINY)
    elman.suggest(*walks, estimator, n_trials=2)
    assert not hasattr(estimator, "history_")
    assert estimator.random_state is None


def test_tagger_and_its_scorer(monkeypatch):
    monkeypatch.setitem(SPACES, RNNTagger, {"learning_rate_init": [0.05]})
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 1)) for n in rng.integers(4, 8, 20)]
    y = [np.where(x[:, 0] > 0, "up", "down") for x in X]
    found = elman.suggest(
        X, y, RNNTagger(**TINY), n_trials=2, cv=2, scoring=StepScorer("f1_macro"), random_state=0
    )
    assert isinstance(found.estimator, RNNTagger)
    assert len(found.table) == 2


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2m", 120), (" 1.5 h", 5400), (".5m", 30), (7, 7)]
)
def test_times(text, seconds):
    assert seconds_in(text) == seconds


@pytest.mark.parametrize("text", ["60", "s", "-3s", "0s", "2d", "nan", "", math.inf, -1])
def test_what_is_no_time(text):
    with pytest.raises(ValueError, match="expected a time: 60s, 2m or 1h"):
        seconds_in(text)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"n_trials": 1}, "at least 2"),
        ({"budget": "soon"}, "expected a time"),
        ({"cv": 1}, "two folds at least"),
        ({"cv": 99}, "take fewer folds"),
        ({"cv": [(np.arange(20), np.arange(20, 36))]}, "two at least"),
        ({"estimator": KFold()}, "estimator is of type KFold; expected one of RNNClassifier"),
        ({"scoring": "f2"}, "f2"),
    ],
)
def test_what_is_refused(walks, keywords, message):
    arguments = {"estimator": RNNClassifier(**TINY)} | keywords
    with pytest.raises((ValueError, TypeError), match=message):
        elman.suggest(*walks, **arguments)


def test_input_is_refused_as_by_fit(walks):
    X, y = walks
    with pytest.raises(ValueError, match="35 labels"):
        elman.suggest(X, y[:-1], RNNClassifier(**TINY), n_trials=2)
