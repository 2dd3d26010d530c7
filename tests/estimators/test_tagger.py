import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score

from elman import DataError, RNNTagger
from plain import plain_model
from tolerances import VERSUS_NAIVE, relative_error


def object_array(pieces):
    array = np.empty(len(pieces), object)
    array[:] = pieces
    return array


rng = np.random.default_rng(0)
X = rng.standard_normal((40, 6, 2)).cumsum(axis=1)
Y = np.digitize(X[:, :, 0], [-1.0, 1.0])
RAGGED = [rng.standard_normal((rng.integers(1, 9), 2)).cumsum(axis=0) for _ in range(40)]
TAGS = [np.where(x[:, 0] > 0, "up", "down") for x in RAGGED]


def tagger(**params):
    settings = {"hidden_layer_sizes": 6, "max_iter": 3, "random_state": 0}
    return plain_model(RNNTagger, **settings | params)


def parity(n=200):
    """Is the number of ones so far odd? No step can be told without all before it."""
    bits = [rng.integers(0, 2, (length, 1)) for length in rng.integers(2, 7, n)]
    return bits, [x[:, 0].cumsum() % 2 for x in bits]


def test_learns_parity():
    bits, odd = parity()
    fitted = tagger(hidden_layer_sizes=16, max_iter=80, learning_rate_init=0.02, batch_size=20)
    assert fitted.fit(bits, odd).score(bits, odd) > 0.95


def test_the_loss_is_summed_over_steps_and_the_mean_of_sequences():
    fitted = tagger(max_iter=1, batch_size=40, alpha=0, learning_rate_init=1e-12).fit(RAGGED, TAGS)
    log_proba = np.concatenate(list(fitted.predict_log_proba(RAGGED)))
    right = log_proba[np.concatenate(TAGS)[:, None] == fitted.classes_]
    assert fitted.loss_curve_ == pytest.approx([-right.sum() / len(RAGGED)], rel=1e-6)


def test_without_recurrence_parity_is_not_learnt():
    bits, odd = parity()
    fitted = tagger(cell="dense", hidden_layer_sizes=16, max_iter=20, learning_rate_init=0.02)
    assert fitted.fit(bits, odd).score(bits, odd) < 0.75


def test_array_in_array_out():
    fitted = tagger().fit(X, Y)
    proba, predicted = fitted.predict_proba(X), fitted.predict(X)
    assert proba.shape == (40, 6, 3)
    assert predicted.shape == (40, 6)
    assert predicted.dtype == Y.dtype
    np.testing.assert_allclose(proba.sum(axis=2), 1, rtol=1e-12)
    np.testing.assert_array_equal(predicted, proba.argmax(axis=2))
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), proba, rtol=1e-12)
    assert fitted.score(X, Y) == np.mean(predicted == Y)


@pytest.mark.parametrize("container", [list, tuple, object_array])
def test_list_in_list_out(container):
    fitted = tagger().fit(container(RAGGED), container(TAGS))
    proba, predicted = fitted.predict_proba(container(RAGGED)), fitted.predict(container(RAGGED))
    log_proba = fitted.predict_log_proba(container(RAGGED))
    for answers in (proba, predicted, log_proba):
        assert (answers.shape, answers.dtype) == ((40,), object)
    assert [p.shape for p in proba] == [(len(x), 2) for x in RAGGED]
    assert [p.shape for p in predicted] == [(len(x),) for x in RAGGED]
    for p, log_p, labels in zip(proba, log_proba, predicted, strict=True):
        np.testing.assert_allclose(np.exp(log_p), p, rtol=1e-12)
        np.testing.assert_array_equal(labels, fitted.classes_[p.argmax(axis=1)])


def test_score_is_over_steps_not_sequences():
    fitted = tagger(max_iter=1).fit(RAGGED, TAGS)
    right = [p == y for p, y in zip(fitted.predict(RAGGED), TAGS, strict=True)]
    assert fitted.score(RAGGED, TAGS) == np.concatenate(right).mean()
    # A sequence's weight is that of each of its steps; steps may have their own.
    weights = rng.uniform(0.5, 2, 40)
    of_steps = [np.full(len(x), w) for x, w in zip(RAGGED, weights, strict=True)]
    expected = np.average(np.concatenate(right), weights=np.concatenate(of_steps))
    assert fitted.score(RAGGED, TAGS, weights) == pytest.approx(expected, rel=1e-12)
    assert fitted.score(RAGGED, TAGS, of_steps) == pytest.approx(expected, rel=1e-12)


def test_score_of_two_classes_in_an_array_is_over_steps():
    """scikit-learn's accuracy would count whole rows."""
    binary = (Y > 0).astype(int)
    fitted = tagger(max_iter=1).fit(X, binary)
    assert fitted.score(X, binary) == np.mean(fitted.predict(X) == binary)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_company_makes_no_difference(dtype):
    data = [x.astype(dtype) for x in RAGGED]
    fitted = tagger().fit(data, TAGS)
    for x, expected in zip(data, fitted.predict_proba(data), strict=True):
        (alone,) = fitted.predict_proba([x])
        assert relative_error(alone, expected) <= VERSUS_NAIVE[np.dtype(dtype)]


def test_answer_does_not_know_the_future():
    fitted = tagger().fit(X, Y)
    first = fitted.predict_proba(X[:, :4])
    assert relative_error(first, fitted.predict_proba(X)[:, :4]) <= 1e-12


@pytest.mark.parametrize(
    "classes", [["a", "bb", "ccc"], [-7, 3, 100], [0.0, 1.0, 5.0], [False, True]], ids=str
)
def test_labels_of_any_type(classes):
    classes = np.array(classes)
    y = classes[Y % len(classes)]
    fitted = tagger(max_iter=20, learning_rate_init=0.03).fit(X, y)
    np.testing.assert_array_equal(fitted.classes_, classes, strict=True)
    assert fitted.predict(X).dtype == classes.dtype
    assert fitted.score(X, y) > 0.6


def test_labels_may_be_lists():
    expected = tagger().fit(RAGGED, TAGS).network_.parameters.vector
    listed = tagger().fit([x.tolist() for x in RAGGED], [y.tolist() for y in TAGS])
    np.testing.assert_array_equal(listed.network_.parameters.vector, expected)


def test_rows_are_tagged_step_by_step():
    rows, y = X.reshape(40, 12), Y
    fitted = tagger(step_size=2).fit(rows, y)
    np.testing.assert_array_equal(fitted.predict_proba(rows), tagger().fit(X, y).predict_proba(X))


# Weights


def full_batch(**params):
    return tagger(batch_size=200, shuffle=False, max_iter=10, standardize=False, **params)


def vector(estimator, *fit_arguments):
    return estimator.fit(*fit_arguments).network_.parameters.vector


def test_weight_of_a_sequence_is_that_of_its_steps():
    weights = rng.uniform(0.5, 2, 40)
    of_steps = [np.full(len(x), w) for x, w in zip(RAGGED, weights, strict=True)]
    np.testing.assert_array_equal(
        vector(tagger(), RAGGED, TAGS, weights), vector(tagger(), RAGGED, TAGS, of_steps)
    )


def test_steps_may_have_weights_of_their_own():
    weights = rng.uniform(0.5, 2, Y.shape)
    listed = vector(tagger(), X, Y, list(weights))
    np.testing.assert_array_equal(vector(tagger(), X, Y, weights), listed)
    assert not np.array_equal(listed, vector(tagger(), X, Y))


def test_steps_of_weight_zero_teach_nothing():
    """Their labels may be anything."""
    weights = (np.arange(6) % 2 * np.ones((40, 1))).astype(float)
    other = np.where(weights == 0, (Y + 1) % 3, Y)
    np.testing.assert_allclose(
        vector(full_batch(), X, Y, weights), vector(full_batch(), X, other, weights), rtol=1e-10
    )


def test_sequence_of_weight_zero_is_removed():
    keep = np.arange(40) % 3 > 0
    np.testing.assert_allclose(
        vector(full_batch(), X, Y, keep.astype(float)),
        vector(full_batch(), X[keep], Y[keep]),
        rtol=1e-7,
        atol=1e-10,
    )


@pytest.mark.parametrize("factor", [0.25, 1024])
def test_scale_of_the_weights_makes_no_difference(factor):
    weights = [rng.uniform(0.5, 2, len(x)) for x in RAGGED]
    scaled = [factor * w for w in weights]
    np.testing.assert_allclose(
        vector(tagger(), RAGGED, TAGS, scaled), vector(tagger(), RAGGED, TAGS, weights), rtol=1e-10
    )


def test_class_weight_is_that_of_each_step():
    class_weight = {"up": 3.0, "down": 0.5}
    of_steps = [np.array([class_weight[tag] for tag in y]) for y in TAGS]
    np.testing.assert_allclose(
        vector(tagger(class_weight=class_weight, standardize=False), RAGGED, TAGS),
        vector(tagger(standardize=False), RAGGED, TAGS, of_steps),
        rtol=1e-10,
    )


def test_balanced_is_by_the_frequency_of_steps():
    flat = np.concatenate(TAGS)
    weights = {tag: len(flat) / (2 * np.sum(flat == tag)) for tag in ("up", "down")}
    np.testing.assert_allclose(
        vector(tagger(class_weight="balanced"), RAGGED, TAGS),
        vector(tagger(class_weight=weights), RAGGED, TAGS),
        rtol=1e-10,
    )


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(39), r"sample_weight.*\(39,\)"),
        (np.ones((39, 6)), "sample_weight has 39 entries for 40 sequences"),
        (np.ones((40, 5)), r"sample_weight\[0\] has 5 entries, but sequence 0 has 6 step"),
        (-np.ones((40, 6)), "sample_weight must hold finite numbers, none below zero"),
        (np.full((40, 6), np.nan), "sample_weight must hold finite numbers"),
        (np.full((40, 6), np.inf), "sample_weight must hold finite numbers"),
        (np.full((40, 6), "a"), "sample_weight must hold finite numbers"),
        (np.zeros((40, 6)), "weights are zero"),
        ([], "sample"),
    ],
)
def test_weights_that_are_none_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        tagger().fit(X, Y, weights)


# Labels that are none


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y[:-1], "y has 39 entries for 40 sequences"),
        (Y[:, :-1], r"y\[0\] has 5 entries, but sequence 0 has 6 step"),
        (Y[:, 0], r"y\[0\] has 0 dimension.*each of the 6 step.*use RNNClassifier, not RNNTagger"),
        (np.stack([Y, Y], axis=2), r"y\[0\] has 2 dimension\(s\), shape \(6, 2\); expected 1"),
        (Y + 0.5, "Unknown label type: continuous"),
        (np.where(Y == 1, np.nan, Y), "y contains missing labels"),
        (None, "requires y to be passed"),
        (3, "y is of type int; expected an array"),
        ("abc", "y is of type str; expected an array"),
    ],
)
def test_labels_that_are_none_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        tagger().fit(X, y)


def test_one_sequence_whose_labels_are_short_is_named():
    short = [y[:-1] if i == 17 else y for i, y in enumerate(TAGS)]
    with pytest.raises(DataError, match=r"y\[17\] has .* but sequence 17 has"):
        tagger().fit(RAGGED, short)


def test_score_checks_its_labels():
    with pytest.raises(DataError, match="y has 39 entries for 40 sequences"):
        tagger().fit(X, Y).score(X, Y[:-1])


# In scikit-learn's company


@pytest.mark.parametrize(
    ("data", "labels"),
    [(X, Y), (RAGGED, TAGS), (object_array(RAGGED), object_array(TAGS))],
    ids=["3-D", "list", "object"],
)
def test_cross_validates_and_is_searched_over(data, labels):
    assert np.isfinite(cross_val_score(tagger(), data, labels, cv=3)).all()
    search = GridSearchCV(tagger(), {"hidden_layer_sizes": [2, 3]}, cv=2).fit(data, labels)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.predict(data)) == 40


def test_early_stopping_keeps_whole_sequences_aside():
    fitted = tagger(early_stopping=True).fit(RAGGED, TAGS)
    assert len(fitted.validation_scores_) == 3
    assert all(0 <= score <= 1 for score in fitted.validation_scores_)
