"""Candidates on folds: scores, and candidates that have none."""

import threading
import time

import pytest
from sklearn.model_selection import KFold

import elman
from elman import RNNClassifier
from elman.tuning.space import SPACES

TINY = {"hidden_layer_sizes": 4, "max_iter": 4, "cell": "tanh", "n_members": 1}


def test_scores_are_those_of_cross_validation(walks, small_space):
    from sklearn.model_selection import cross_val_score

    X, y = walks
    cv = KFold(2, shuffle=True, random_state=5)
    estimator = RNNClassifier(**TINY, random_state=3)
    found = elman.suggest(X, y, estimator, n_trials=2, cv=cv, scoring="f1_macro")
    (own,) = (row["scores"] for row in found.table if not row["settings"])
    assert own == cross_val_score(estimator, X, y, cv=cv, scoring="f1_macro").tolist()


def test_one_network_is_compared_and_several_are_fitted(walks, small_space):
    X, y = walks
    one, several = (
        elman.suggest(
            X, y, RNNClassifier(**TINY | {"n_members": n_members}), n_trials=2, random_state=1
        )
        for n_members in (1, "auto")
    )
    assert [row["scores"] for row in one.table] == [row["scores"] for row in several.table]
    assert (one.estimator.n_members_, several.estimator.n_members_) == (1, 4)
    assert several.estimator.n_members == "auto"


def test_class_that_a_fold_lacks_counts_as_wrong(walks, small_space):
    X, y = walks
    y = y.astype(object)
    y[0] = "alone"
    found = elman.suggest(X, y, RNNClassifier(**TINY), n_trials=2, random_state=0)
    assert "alone" in found.estimator.classes_
    assert all(len(row["scores"]) == 3 for row in found.table)


def test_candidate_that_diverges_is_out(walks, small_space, monkeypatch):
    fit = RNNClassifier.fit

    def diverging(self, *arguments, **keywords):
        if self.learning_rate_init == 0.05:
            raise elman.DivergenceError("training diverged")
        return fit(self, *arguments, **keywords)

    monkeypatch.setattr(RNNClassifier, "fit", diverging)
    found = elman.suggest(*walks, RNNClassifier(**TINY), n_trials=4, random_state=0)
    (out,) = (row for row in found.table if row["problem"])
    assert out["settings"] == {"learning_rate_init": 0.05}
    assert out["rank"] == 4
    assert "(diverged)" in found.text


def test_candidate_that_cannot_be_built_is_out(walks, monkeypatch):
    monkeypatch.setitem(SPACES, RNNClassifier, {"cell": [("tanh", "tanh")]})
    found = elman.suggest(*walks, RNNClassifier(**TINY), n_trials=2, random_state=0)
    assert found.settings == {}
    assert [row["problem"] for row in found.table] == ["", "cannot be built"]


def test_defaults_that_cannot_be_built_are_refused(walks, small_space):
    own = RNNClassifier((4, 4), cell=["tanh"], max_iter=4)
    with pytest.raises(ValueError, match="hidden_layer_sizes and cell"):
        elman.suggest(*walks, own, n_trials=2)


def test_candidate_that_cannot_be_ended_is_not_waited_for(walks, small_space, monkeypatch):
    """Compiling cannot be; what is kept for the last training is not touched."""
    fit, waiting = RNNClassifier.fit, threading.Event()

    def compiling(self, *arguments, **keywords):
        if self.learning_rate_init != 0.003:
            waiting.wait(20)
        return fit(self, *arguments, **keywords)

    monkeypatch.setattr(RNNClassifier, "fit", compiling)
    own = RNNClassifier(**TINY, learning_rate_init=0.003)
    began = time.monotonic()
    found = elman.suggest(*walks, own, budget=3, random_state=0)
    assert time.monotonic() - began < 6
    waiting.set()
    assert found.settings == {}
    assert found.estimator.n_iter_ == 4
    assert [row["problem"] for row in found.table].count("out of time") >= 1
