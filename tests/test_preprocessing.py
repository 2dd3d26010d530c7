"""scikit-learn's transformers on ragged sequences, alone and in pipelines that travel."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from elman import DataError, RNNClassifier, RNNRegressor, RNNTagger
from elman.metrics import StepScorer
from elman.preprocessing import StepTransformer

rng = np.random.default_rng(0)
X = [rng.normal(5, 3, (n, 3)) for n in rng.integers(2, 9, 60)]
y = np.array([x[:, 0].sum() > 5 * len(x) for x in X])
labels = [np.where(x[:, 1] > 5, "up", "down") for x in X]
frames = [pd.DataFrame(x, columns=["temp", "rest", "flow"]) for x in X]


def test_steps_are_transformed_as_rows():
    scaled = StepTransformer(StandardScaler()).fit_transform(X)
    expected = StandardScaler().fit_transform(np.concatenate(X))
    assert [len(x) for x in scaled] == [len(x) for x in X]
    np.testing.assert_array_equal(np.concatenate(scaled), expected)


def test_arrays_stay_arrays_and_padding_stays_padding():
    x = rng.standard_normal((4, 6, 3))
    reduced = StepTransformer(PCA(2)).fit(x).transform(x)
    assert reduced.shape == (4, 6, 2)
    x[2, 4:] = np.nan
    reduced = StepTransformer(PCA(2)).fit(x).transform(x)
    assert reduced.shape == (4, 6, 2)
    assert np.isnan(reduced[2, 4:]).all()
    assert np.isnan(reduced).sum() == 4


def test_columns_are_chosen_by_name():
    transformer = ColumnTransformer(
        [("scale", StandardScaler(), ["temp", "flow"])], remainder="passthrough"
    )
    steps = StepTransformer(transformer).fit(frames)
    found = np.concatenate(steps.transform(frames))
    np.testing.assert_allclose(found[:, :2].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_array_equal(found[:, 2], np.concatenate(X)[:, 1])
    assert steps.get_feature_names_out().tolist() == [
        "scale__temp",
        "scale__flow",
        "remainder__rest",
    ]


def test_names_go_on_where_the_transformer_gives_frames():
    scaler = StandardScaler().set_output(transform="pandas")
    out = StepTransformer(scaler).fit_transform(frames)
    assert list(out[3].columns) == ["temp", "rest", "flow"]
    assert len(out[3]) == len(X[3])
    model = make_pipeline(StepTransformer(scaler), RNNClassifier(4, max_iter=2)).fit(frames, y)
    assert model[-1].feature_names_in_.tolist() == ["temp", "rest", "flow"]


def test_what_is_sparse_becomes_dense():
    whole = [x.round().clip(0, 3)[:, :1] for x in X]
    out = StepTransformer(OneHotEncoder()).fit_transform(whole)
    assert out[0].shape == (len(X[0]), 4)
    assert (np.concatenate(out).sum(axis=1) == 1).all()


def test_another_number_of_features_is_refused():
    with pytest.raises(DataError, match="X has 2 features a step; StepTransformer was fitted on 3"):
        StepTransformer(StandardScaler()).fit(X).transform([x[:, :2] for x in X])
    with pytest.raises(NotFittedError):
        StepTransformer(StandardScaler()).transform(X)


# Pipelines with ragged input


def pipeline(estimator):
    return Pipeline([("scale", StepTransformer(StandardScaler())), ("rnn", estimator)])


def test_a_pipeline_is_searched_and_cross_validated():
    model = pipeline(RNNClassifier(6, max_iter=10, random_state=0, standardize=False))
    search = GridSearchCV(model, {"rnn__learning_rate_init": [1e-6, 0.03]}, cv=2).fit(X, y)
    assert search.best_params_ == {"rnn__learning_rate_init": 0.03}
    scores = cross_val_score(pipeline(RNNTagger(6, max_iter=2)), X, labels, cv=2)
    assert scores.shape == (2,)
    assert np.isfinite(scores).all()
    tagger = pipeline(RNNTagger(6, max_iter=2, random_state=0)).fit(X, labels)
    assert 0 <= StepScorer("f1_macro")(tagger, X, labels) <= 1


def test_a_pipeline_is_scaled_by_training_sequences_alone():
    model = pipeline(RNNClassifier(6, max_iter=1, random_state=0)).fit(X[:30], y[:30])
    expected = StandardScaler().fit(np.concatenate(X[:30])).mean_
    np.testing.assert_array_equal(model["scale"].transformer_.mean_, expected)


PIPELINES = {
    "classifier": (RNNClassifier((5, 4), cell=("gru", "tanh"), bidirectional=True), y),
    "tagger": (RNNTagger(5, cell="lstm", learn_initial_state=True), labels),
    "regressor": (RNNRegressor(5, loss="quantile", quantile=[0.1, 0.9]), X[0].sum() + y),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_travels_by_pickle(name):
    estimator, targets = PIPELINES[name]
    model = pipeline(estimator.set_params(max_iter=2, random_state=0)).fit(X, targets)
    _assert_alike(pickle.loads(pickle.dumps(model)), model)


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_travels_by_skops(name):
    io = pytest.importorskip("skops.io")
    estimator, targets = PIPELINES[name]
    model = pipeline(estimator.set_params(max_iter=2, random_state=0)).fit(X, targets)
    data = io.dumps(model)
    untrusted = io.get_untrusted_types(data=data)
    assert all(name.startswith(("elman.", "numpy.")) for name in untrusted), untrusted
    _assert_alike(io.loads(data, trusted=untrusted), model)


def _assert_alike(back, model):
    for mine, theirs in zip(back.predict(X), model.predict(X), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    back.fit(X, PIPELINES["tagger"][1] if isinstance(back[-1], RNNTagger) else y.astype(int))
