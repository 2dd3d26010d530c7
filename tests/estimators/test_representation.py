"""A fitted estimator shows its network in a notebook, alone and in a pipeline."""

import re
from html import unescape

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_html_repr

from elman import RNNClassifier, RNNRegressor
from plain import plain_model

rng = np.random.default_rng(0)
X = rng.standard_normal((30, 5, 2))
y = X[:, -1, 0] > 0
FAST = {"engine": "reference", "random_state": 0}


def rows(estimator):
    """The rows of the network's table, or none."""
    page = unescape(estimator_html_repr(estimator))
    _, _, table = page.partition("<summary>Network</summary>")
    pairs = re.findall(r'<td class="param">([^<]+)</td><td class="value">([^<]+)</td>', table)
    return dict(pairs)


def test_it_shows_layers_parameters_sequences_and_score():
    model = plain_model(
        RNNClassifier, (4, 3), cell=("gru", "tanh"), max_iter=3, early_stopping=True, **FAST
    )
    model.fit(X, y)
    found = rows(model)
    assert found["features of a step"] == "2"
    assert found["layer 1"] == "4 gru units: U1 12 × 2, W1 12 × 4, b1 16 (88)"
    assert found["layer 2"] == "3 tanh units: U2 3 × 4, W2 3 × 3, b2 3 (24)"
    assert found["output"] == "2 outputs, cross_entropy: V 2 × 3, c 2 (8)"
    assert found["parameters"] == "120, float64"
    assert found["sequences seen"] == "81 in 3 epochs"
    assert found["training accuracy"].startswith(f"{model.history_[-1]['accuracy']:.2%}")
    best = model.best_validation_score_
    epoch = model.validation_scores_.index(best) + 1
    assert found["validation score"] == f"{best:.4f} at best, in epoch {epoch}"


def test_it_shows_it_in_a_pipeline():
    model = plain_model(RNNRegressor, 4, bidirectional=True, readout="mean", max_iter=1, **FAST)
    found = rows(make_pipeline(FunctionTransformer(), model).fit(X, X[:, 0, 0]))
    assert found["layer 1"].startswith("4 tanh units in each direction: U1 4 × 2")
    assert found["output"].startswith("1 output of the mean of all steps, squared_error: V 1 × 8")
    assert "accuracy" not in str(found)


def test_features_are_those_of_the_sequences_whatever_the_network_sees_of_them():
    options = {"standardize": "sequence", "differences": True, "frame": (4, 2)}
    found = rows(RNNClassifier(4, max_iter=1, **FAST, **options).fit(X, y))
    assert found["features of a step"] == "2"
    assert found["frame"] == "4 steps, every 2 steps"
    assert found["the network sees"] == "26 numbers a step: x, z, Δ of 4 steps and the level"
    options = {"standardize": True, "differences": False, "frame": (3, 1)}
    found = rows(RNNClassifier(4, max_iter=1, **FAST, **options).fit(X, y))
    assert found["frame"] == "3 steps, every step"
    assert found["the network sees"] == "6 numbers a step: x of 3 steps"
    found = rows(RNNClassifier(4, max_iter=1, **FAST, **options | {"frame": None}).fit(X, y))
    assert not {"frame", "the network sees"} & found.keys()


def test_before_fitting_there_is_no_network():
    assert rows(RNNClassifier()) == {}
    assert "RNNClassifier" in estimator_html_repr(RNNClassifier())


def test_sequences_are_counted_over_all_fits(tmp_path):
    model = RNNClassifier(3, max_iter=2, warm_start=True, **FAST).fit(X, y)
    assert model.n_sequences_seen_ == 60
    model.fit(X[:10], y[:10])
    assert model.n_sequences_seen_ == 80
    model.partial_fit(X[:7], y[:7])
    assert model.n_sequences_seen_ == 87
    model.save(tmp_path / "m.safetensors")
    assert RNNClassifier.load(tmp_path / "m.safetensors").n_sequences_seen_ == 87
    weights = np.where(np.arange(30) < 5, 0, 1)
    assert model.set_params(warm_start=False).fit(X, y, weights).n_sequences_seen_ == 50
