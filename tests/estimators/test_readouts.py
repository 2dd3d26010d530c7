"""Estimators that answer a sequence from all of its steps."""

import numpy as np
import pytest
from sklearn.base import clone

import elman
from elman import RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
from elman.engines import ENGINES
from elman.equations.readouts import READOUTS
from plain import plain_model

rng = np.random.default_rng(0)
X = rng.standard_normal((60, 9, 2))
LABELS = np.arange(60) % 2
for i in np.flatnonzero(LABELS):  # at some steps, of which none is the last
    X[i, rng.choice(8, 3, replace=False), 0] += 5
SETTINGS = {"hidden_layer_sizes": 8, "random_state": 0, "max_iter": 60, "batch_size": 10}
SETTINGS |= {"learning_rate_init": 0.03}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("readout", ["mean", "max"])
def test_dense_layer_learns_what_any_step_may_say(readout, engine):
    """Without recurrence and a readout, only the last step is seen."""
    of_all = plain_model(RNNClassifier, readout=readout, cell="dense", engine=engine, **SETTINGS)
    of_last = clone(of_all).set_params(readout="last")
    assert of_all.fit(X, LABELS).score(X, LABELS) > 0.95
    assert of_last.fit(X, LABELS).score(X, LABELS) < 0.8


@pytest.mark.parametrize("readout", ["mean", "max"])
def test_classifier_streams_and_is_saved(readout, tmp_path):
    fitted = plain_model(RNNClassifier, readout=readout, **SETTINGS).fit(X, LABELS)
    expected = fitted.predict_proba(X)
    fitted.save(tmp_path / "model.safetensors")
    loaded = elman.load(tmp_path / "model.safetensors")
    assert loaded.readout == readout
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    state = fitted.initial_state(60)
    for x_t in X.swapaxes(0, 1):
        y_hat, state = fitted.step(x_t, state)
    np.testing.assert_array_equal(y_hat, expected)


def test_regressor_learns_a_mean():
    y = 100 + 30 * np.tanh(X[:, :, 1]).mean(axis=1)
    model = plain_model(RNNRegressor, readout="mean", cell="dense", **SETTINGS)
    assert model.fit(X, y).score(X, y) > 0.9
    state, whole = model.initial_state(60), model.predict(X)
    for x_t in X.swapaxes(0, 1):
        y_hat, state = model.step(x_t, state)
    np.testing.assert_allclose(y_hat, whole, rtol=1e-6)


@pytest.mark.parametrize("readout", ["mean", "max"])
def test_estimators_of_steps_refuse(readout):
    y = np.tile(LABELS[:, None], 9)
    for estimator, targets in ((RNNTagger, y), (RNNStepRegressor, y.astype(float))):
        message = f"readout='{readout}' answers a sequence once, .* each step; leave it at 'auto'"
        with pytest.raises(ValueError, match=message):
            plain_model(estimator, readout=readout).fit(X, targets)


def test_what_auto_is():
    """Largest or mean states of each sequence by itself; steps are answered from what was before."""
    steps, numbers = np.tile(LABELS[:, None], 9), LABELS.astype(float)
    for estimator, y in (
        (RNNClassifier, LABELS), (RNNRegressor, numbers),
        (RNNTagger, steps), (RNNStepRegressor, steps.astype(float)),
    ):  # fmt: skip
        one = estimator in (RNNClassifier, RNNRegressor)
        readout = "max" if estimator is RNNClassifier else "mean"
        said = {"readout": readout, "standardize": "sequence"}
        said = said if one else {"readout": "last", "standardize": True, "frame": None}
        auto, spelt = (
            estimator(3, max_iter=1, random_state=0, **params).fit(X, y) for params in ({}, said)
        )
        assert auto.get_params()["readout"] == auto.get_params()["standardize"] == "auto"
        assert auto.network_.architecture.readout == said["readout"]
        assert auto.network_.architecture.cells == ("gru",)
        assert (auto._fitted.front_end.level is not None) == one
        assert auto._fitted.front_end.differences
        assert auto.frame_ == ((2, 1) if one else None)  # of 9 steps
        for found, expected in zip(auto.predict(X), spelt.predict(X), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_readout_cannot_change_once_training_has_begun():
    fitted = plain_model(RNNClassifier, warm_start=True, **SETTINGS | {"max_iter": 1}).fit(
        X, LABELS
    )
    with pytest.raises(ValueError, match="readout, bias and loss cannot change"):
        fitted.set_params(readout="mean").fit(X, LABELS)


def test_unknown_readout_is_refused():
    with pytest.raises(ValueError, match="The 'readout' parameter"):
        plain_model(RNNClassifier, readout="first").fit(X, LABELS)


@pytest.mark.parametrize("readout", READOUTS)
def test_estimators_are_explained_as_they_predict(readout):
    fitted = RNNClassifier(readout=readout, **SETTINGS | {"max_iter": 1}).fit(X, LABELS)
    explanation = elman.explain(fitted, X[0], LABELS[0])
    assert explanation.passed
    expected = fitted.predict_proba(X[:1])[0]
    np.testing.assert_allclose(explanation.y_activated[-1], expected, rtol=1e-5)
    assert elman.gradient_flow(fitted, X, LABELS).n_sequences == len(X)
