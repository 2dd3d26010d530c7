"""Permutation importance finds what an estimator reads, of any form of sequences."""

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance as of_sklearn
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from elman import DataError, RNNClassifier, RNNTagger
from elman.data import as_sequences
from elman.inspection import _exchanged, permutation_importance
from elman.metrics import StepScorer
from elman.preprocessing import StepTransformer
from plain import plain_model

rng = np.random.default_rng(0)
X = [rng.standard_normal((n, 3)) for n in rng.integers(4, 12, 150)]
y = np.array([x[:, 1].sum() > 0 for x in X])
model = plain_model(RNNClassifier, 8, max_iter=30, learning_rate_init=0.02, random_state=0).fit(
    X, y
)


def test_the_feature_that_counts_is_found():
    found = permutation_importance(model, X, y, random_state=0)
    mean = found.importances_mean
    assert found.names == ("feature 0", "feature 1", "feature 2")
    assert found.score == model.score(X, y)
    assert found.importances.shape == (3, 5)
    assert mean[1] > 0.3 > 5 * max(abs(mean[0]), abs(mean[2]))
    np.testing.assert_array_equal(found.importances_std, found.importances.std(axis=1))


def test_the_steps_that_count_are_found():
    end = np.array([x[-1, 0] > 0 for x in X])
    last = plain_model(RNNClassifier, 8, max_iter=30, random_state=0).fit(X, end)
    found = permutation_importance(
        last, X, end, over="steps", align="end", random_state=0, n_repeats=2
    )
    assert found.names[:2] == ("1", "2")
    assert found.importances_mean[0] > 0.25 > 3 * found.importances_mean[1:].max()
    found = permutation_importance(
        last, X, end, over="steps", align="end", width=4, random_state=0, n_repeats=2
    )
    assert found.names == ("1–4", "5–8", "9–11")
    np.testing.assert_array_equal(found.last, [4, 8, 11])
    assert found.importances_mean.argmax() == 0


def test_of_one_step_it_is_that_of_scikit_learn():
    rows = rng.standard_normal((400, 4))
    labels = rows[:, 2] + 0.5 * rows[:, 0] > 0
    dense = plain_model(RNNClassifier, 8, cell="dense", step_size=4, max_iter=20, random_state=0)
    dense.fit(rows, labels)
    theirs = of_sklearn(dense, rows, labels, random_state=0, n_repeats=10)
    ours = permutation_importance(dense, rows[:, None, :], labels, random_state=0, n_repeats=10)
    np.testing.assert_allclose(ours.importances_mean, theirs.importances_mean, atol=0.03)


@pytest.mark.parametrize("align", ["start", "end"])
def test_each_step_exchanges_with_the_same_step_of_another(align):
    sequences = as_sequences(X)
    source = _exchanged(sequences, rng.permutation(len(X)), align)
    assert sorted(source) == list(range(len(sequences.values)))
    of = np.repeat(np.arange(len(X)), sequences.lengths)
    step = np.concatenate([np.arange(len(x)) for x in X])
    if align == "end":
        step = np.concatenate([np.arange(len(x))[::-1] for x in X])
    np.testing.assert_array_equal(step[source], step)
    many = np.bincount(step)[step] > 1
    assert (of[source] != of)[many].all()


def test_of_equal_lengths_a_feature_keeps_its_course():
    sequences = as_sequences(rng.standard_normal((9, 5, 2)))
    source = _exchanged(sequences, rng.permutation(9), "start").reshape(9, 5)
    np.testing.assert_array_equal(source - source[:, :1], np.tile(np.arange(5), (9, 1)))


def test_frames_arrays_and_padding_come_to_the_same():
    expected = permutation_importance(model, X, y, random_state=0, n_repeats=2).importances
    frames = [pd.DataFrame(x, columns=["a", "b", "c"], index=range(7, 7 + len(x))) for x in X]
    named = plain_model(RNNClassifier, 8, max_iter=30, learning_rate_init=0.02, random_state=0).fit(
        frames, y
    )
    found = permutation_importance(named, frames, y, random_state=0, n_repeats=2)
    assert found.names == ("a", "b", "c")
    np.testing.assert_array_equal(found.importances, expected)
    padded = np.full((len(X), max(map(len, X)), 3), np.nan)
    for row, x in zip(padded, X, strict=True):
        row[: len(x)] = x
    found = permutation_importance(model, padded, y, random_state=0, n_repeats=2)
    np.testing.assert_array_equal(found.importances, expected)


def test_pipelines_searches_and_labels_of_steps():
    pipeline = make_pipeline(
        StepTransformer(StandardScaler()),
        plain_model(RNNClassifier, 8, max_iter=20, learning_rate_init=0.02),
    )
    search = GridSearchCV(pipeline, {"rnnclassifier__random_state": [0]}, cv=2).fit(X, y)
    found = permutation_importance(search, X, y, random_state=0, scoring="neg_log_loss")
    assert found.importances_mean.argmax() == 1
    labels = [np.where(x[:, 2] > 0, "up", "down") for x in X]
    tagger = plain_model(RNNTagger, 8, max_iter=30, learning_rate_init=0.02, random_state=0).fit(
        X, labels
    )
    options = {"scoring": StepScorer("f1_macro"), "random_state": 0}
    found = permutation_importance(tagger, X, labels, **options)
    assert found.importances_mean.argmax() == 2
    assert found.score > 0.9


def test_weights_count():
    weights = np.where(np.arange(len(X)) < 10, 1.0, 0.0)
    found = permutation_importance(model, X, y, sample_weight=weights, n_repeats=1)
    assert found.score == model.score(X[:10], y[:10])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"over": "units"}, "over must be one of features, steps; got 'units'"),
        ({"align": "middle"}, "align must be one of start, end"),
        ({"over": "steps", "width": 0}, "width must be an integer of at least 1"),
        ({"n_repeats": 1.5}, "n_repeats must be an integer"),
        ({"width": 3}, "width and align are of steps"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        permutation_importance(model, X, y, **options)


def test_one_sequence_is_refused():
    with pytest.raises(DataError, match="pass two or more"):
        permutation_importance(model, X[:1], y[:1])


def test_sequences_keep_names_and_all():
    sequences = as_sequences([pd.DataFrame(x, columns=["a", "b", "c"]) for x in X])
    fitted = plain_model(RNNClassifier, 4, max_iter=2, random_state=0).fit(sequences, y)
    found = permutation_importance(fitted, sequences, y, random_state=0, n_repeats=1)
    assert found.names == ("a", "b", "c")
