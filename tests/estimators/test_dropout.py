"""Estimators that drop units in training."""

import numpy as np
import pytest
from sklearn.base import clone

import elman
from elman import RNNClassifier, RNNRegressor, RNNTagger
from plain import plain_model

rng = np.random.default_rng(0)
X = rng.standard_normal((60, 9, 2))
LABELS = (X.sum(axis=(1, 2)) > 0).astype(int)
STEPS = (X.cumsum(axis=1)[:, :, 0] > 0).astype(int)
SETTINGS = {"hidden_layer_sizes": (9, 8), "random_state": 0, "max_iter": 4, "batch_size": 20}
DROPPED = SETTINGS | {"dropout": 0.3, "recurrent_dropout": 0.2}


def bits(model):
    return model.network_.parameters.vector.tobytes()


def test_training_is_repeated_to_the_bit_and_goes_by_the_random_state():
    first = plain_model(RNNClassifier, **DROPPED).fit(X, LABELS)
    assert bits(clone(first).fit(X, LABELS)) == bits(first)
    assert bits(clone(first).set_params(n_jobs=1).fit(X, LABELS)) == bits(first)
    assert bits(clone(first).set_params(random_state=1).fit(X, LABELS)) != bits(first)
    for change in ({"dropout": 0.0}, {"recurrent_dropout": 0.0}, {"dropout": 0.31}):
        assert bits(clone(first).set_params(**change).fit(X, LABELS)) != bits(first)


def test_engines_drop_the_same_units():
    X64 = X.astype(np.float64)
    compiled = plain_model(RNNClassifier, **DROPPED).fit(X64, LABELS)
    reference = plain_model(RNNClassifier, engine="reference", **DROPPED).fit(X64, LABELS)
    np.testing.assert_allclose(
        reference.network_.parameters.vector, compiled.network_.parameters.vector, rtol=1e-7
    )


def test_answers_drop_nothing(tmp_path):
    fitted = plain_model(RNNClassifier, **DROPPED).fit(X, LABELS)
    expected = fitted.predict_proba(X)
    plain = clone(fitted).set_params(dropout=0.0, recurrent_dropout=0.0)
    plain._fitted = fitted._fitted
    np.testing.assert_array_equal(plain.predict_proba(X), expected)
    state = fitted.initial_state(60)
    for x_t in X.swapaxes(0, 1):
        y_hat, state = fitted.step(x_t, state)
    np.testing.assert_array_equal(y_hat, expected)
    fitted.save(tmp_path / "model.safetensors")
    loaded = elman.load(tmp_path / "model.safetensors")
    assert (loaded.dropout, loaded.recurrent_dropout) == (0.3, 0.2)
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)


def test_all_kinds_train():
    assert plain_model(RNNTagger, **DROPPED).fit(X, STEPS).n_iter_ == 4
    assert plain_model(RNNRegressor, **DROPPED).fit(X, X.sum(axis=(1, 2))).n_iter_ == 4
    model = plain_model(RNNClassifier, **DROPPED)
    once = bits(model.partial_fit(X, LABELS, classes=[0, 1]))
    assert bits(model.partial_fit(X, LABELS)) != once


def test_classes_are_learnt_with_units_dropped():
    settings = DROPPED | {"max_iter": 100, "hidden_layer_sizes": 32, "learning_rate_init": 0.01}
    assert plain_model(RNNClassifier, **settings).fit(X, LABELS).score(X, LABELS) > 0.95


@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
@pytest.mark.parametrize("rate", [-0.1, 1.0, "half"])
def test_rates_are_checked(name, rate):
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        plain_model(RNNClassifier, **{name: rate}).fit(X, LABELS)
