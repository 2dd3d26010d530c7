from functools import partial

import numpy as np
import pytest
from sklearn.base import is_classifier
from sklearn.datasets import load_digits
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.inspection import permutation_importance
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from elman import DataError, RNNClassifier
from plain import plain_model
from tolerances import VERSUS_NAIVE, relative_error


def object_array(pieces):
    array = np.empty(len(pieces), object)
    array[:] = pieces
    return array


rng = np.random.default_rng(0)
X = rng.standard_normal((60, 6, 2)).cumsum(axis=1)
Y = np.digitize(X[:, -1, 0], [-1.5, 1.5])
# Which end of a sequence of any length has the larger number.
RAGGED = [rng.standard_normal((rng.integers(1, 9), 2)) for _ in range(60)]
SIDE = np.array(["left" if x[-1, 0] < x[-1, 1] else "right" for x in RAGGED])


def classifier(**params):
    settings = {"hidden_layer_sizes": 6, "max_iter": 3, "random_state": 0}
    return plain_model(RNNClassifier, **settings | params)


# Learning


def digits(n=400):
    images, y = load_digits(return_X_y=True)
    return images[:n].reshape(n, 8, 8), y[:n]


def test_learns_digits_row_by_row():
    images, y = digits()
    fitted = classifier(hidden_layer_sizes=24, max_iter=25, learning_rate_init=0.01)
    fitted.fit(images[:300], y[:300])
    assert fitted.score(images[300:], y[300:]) > 0.85


def test_trains_a_feed_forward_network():
    """The notes' first page: every image one step, and layers without recurrence."""
    images, y = digits()
    flat = images.reshape(400, 1, 64)
    fitted = classifier(
        hidden_layer_sizes=(32, 16), cell="dense", max_iter=25, learning_rate_init=0.01
    ).fit(flat[:300], y[:300])
    assert list(fitted.network_.parameters) == ["U1", "b1", "U2", "b2", "V", "c"]
    assert fitted.score(flat[300:], y[300:]) > 0.85
    rows = images.reshape(400, 64)
    as_rows = classifier(
        hidden_layer_sizes=(32, 16),
        cell="dense",
        max_iter=25,
        learning_rate_init=0.01,
        step_size=64,
    ).fit(rows[:300], y[:300])
    np.testing.assert_array_equal(as_rows.predict_proba(rows), fitted.predict_proba(flat))


@pytest.mark.parametrize("cell", ["tanh", "relu"])
def test_learns_sequences_of_any_lengths(cell):
    fitted = classifier(cell=cell, max_iter=60, learning_rate_init=0.02).fit(RAGGED, SIDE)
    assert fitted.score(RAGGED, SIDE) > 0.95


@pytest.mark.parametrize("solver", ["adam", "sgd", "momentum", "nesterov", "rmsprop"])
def test_every_solver_learns(solver):
    rate = 1.0 if solver == "sgd" else 0.1
    fitted = classifier(solver=solver, max_iter=30, learning_rate_init=rate).fit(X, Y)
    assert fitted.score(X, Y) > 0.8


def test_remembers_the_first_step():
    """The label is a step long ago, and what follows is noise."""
    data = rng.standard_normal((200, 8, 1))
    y = data[:, 0, 0] > 0
    fitted = classifier(hidden_layer_sizes=16, max_iter=60, learning_rate_init=0.01).fit(data, y)
    assert fitted.score(data, y) > 0.9


# Answers


@pytest.mark.parametrize(("data", "labels"), [(X, Y), (RAGGED, SIDE), (X.reshape(60, 12), Y)])
def test_answers_agree(data, labels):
    fitted = classifier(max_iter=8, learning_rate_init=0.02).fit(data, labels)
    proba, predicted = fitted.predict_proba(data), fitted.predict(data)
    assert isinstance(proba, np.ndarray)
    assert proba.shape == (60, len(fitted.classes_))
    assert predicted.shape == (60,)
    assert predicted.dtype == labels.dtype
    assert (proba > 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(data)), proba, rtol=1e-12)
    np.testing.assert_array_equal(predicted, fitted.classes_[proba.argmax(axis=1)])
    assert fitted.score(data, labels) == accuracy_score(labels, predicted)
    weights = np.linspace(0.1, 1, 60)
    assert fitted.score(data, labels, weights) == accuracy_score(
        labels, predicted, sample_weight=weights
    )


@pytest.mark.filterwarnings("error")
def test_probability_that_underflows_is_0_without_a_warning():
    fitted = classifier().fit(X.astype(np.float32), Y)
    fitted.network_.parameters["V"][...] *= 1e4
    assert (fitted.predict_proba(X) == 0).any()
    assert np.isneginf(fitted.predict_log_proba(X)).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_company_makes_no_difference(dtype):
    """Nothing is padded: alone, in a batch, and in another order a sequence has one answer."""
    data = [x.astype(dtype) for x in RAGGED]
    fitted = classifier(max_iter=8).fit(data, SIDE)
    together = fitted.predict_proba(data)
    alone = np.concatenate([fitted.predict_proba([x]) for x in data])
    backwards = fitted.predict_proba(data[::-1])[::-1]
    for other in (alone, backwards):
        assert relative_error(other, together) <= VERSUS_NAIVE[np.dtype(dtype)]


@pytest.mark.parametrize(
    "container", [list, tuple, object_array, lambda x: [a.tolist() for a in x]]
)
def test_container_makes_no_difference(container):
    expected = classifier().fit(RAGGED, SIDE).predict_proba(RAGGED)
    fitted = classifier().fit(container(RAGGED), list(SIDE))
    assert fitted.predict_proba(container(RAGGED)).tobytes() == expected.tobytes()


def test_stack_is_as_good_as_a_list_of_its_sequences():
    stacked, listed = classifier().fit(X, Y), classifier().fit(list(X), Y)
    assert stacked.predict_proba(X).tobytes() == listed.predict_proba(list(X)).tobytes()
    assert stacked.predict_proba(list(X)).tobytes() == stacked.predict_proba(X).tobytes()


# Labels


@pytest.mark.parametrize(
    "classes",
    [
        [0, 1, 2],
        [-7, 3, 100],
        ["a", "bb", "ccc"],
        np.array(["a", "bb", "ccc"], object),
        [0.0, 1.0, 5.0],
        [10, 20],
        [False, True],
        ["no", "yes"],
    ],
    ids=str,
)
def test_labels_of_any_type(classes):
    classes = np.asarray(classes)
    y = classes[Y % len(classes)]
    fitted = classifier(max_iter=40, learning_rate_init=0.05).fit(X, y)
    np.testing.assert_array_equal(fitted.classes_, classes, strict=True)
    assert fitted.predict_proba(X).shape == (60, len(classes))
    assert fitted.predict(X).dtype == classes.dtype
    assert set(fitted.predict(X)) <= set(classes)
    assert fitted.score(X, y) > 0.8
    coded = classifier(max_iter=40, learning_rate_init=0.05).fit(X, Y % len(classes))
    assert coded.predict_proba(X).tobytes() == fitted.predict_proba(X).tobytes()


def test_one_class_is_always_right_and_nothing_to_learn():
    with pytest.warns(
        ConvergenceWarning, match="RNNClassifier saw one class only, 'only': there is"
    ):
        fitted = classifier().fit(X, np.full(60, "only"))
    assert set(fitted.predict(X)) == {"only"}
    np.testing.assert_array_equal(fitted.predict_proba(X), np.ones((60, 1)))


def test_a_first_part_of_one_class_warns_that_others_cannot_come():
    with pytest.warns(
        ConvergenceWarning, match="saw one class only, 'only': .* later calls cannot add"
    ) as caught:
        part = classifier().partial_fit(X, np.full(60, "only"))
    assert [warning.filename for warning in caught] == [__file__]
    part.partial_fit(X, np.full(60, "only"))  # a warning is an error
    classifier().partial_fit(X, np.full(60, "only"), classes=["only", "other"])
    with pytest.raises(DataError, match="labels that are not among the classes"):
        part.partial_fit(X, np.full(60, "other"))


def test_column_of_labels_warns():
    column, model = Y[:, None], classifier().fit(X, Y)
    for of_labels in (model.fit, model.score, partial(cross_val_score, model, cv=2)):
        with pytest.warns(DataConversionWarning) as seen:
            of_labels(X, column)
        assert {warning.filename for warning in seen} == {__file__}  # the line in here


# Weights


def full_batch(**params):
    """Weights mean something exact where every step sees all sequences, in one order."""
    return classifier(batch_size=200, shuffle=False, max_iter=10, standardize=False, **params)


def proba(estimator, *fit_arguments):
    return estimator.fit(*fit_arguments).predict_proba(X)


@pytest.mark.parametrize("standardize", [False, True])
def test_weight_of_zero_is_removal(standardize):
    keep = np.arange(60) % 3 > 0
    weighted = full_batch().set_params(standardize=standardize)
    removed = full_batch().set_params(standardize=standardize)
    np.testing.assert_allclose(
        proba(weighted, X, Y, keep.astype(float)), proba(removed, X[keep], Y[keep]), rtol=1e-7
    )


@pytest.mark.parametrize("standardize", [False, True])
def test_weight_of_two_is_repetition(standardize):
    times = 1 + np.arange(60) % 3
    weighted = full_batch().set_params(standardize=standardize)
    repeated = full_batch().set_params(standardize=standardize)
    np.testing.assert_allclose(
        proba(weighted, X, Y, times),
        proba(repeated, X.repeat(times, 0), Y.repeat(times)),
        rtol=1e-7,
    )


@pytest.mark.parametrize("batch_size", [7, 200])
@pytest.mark.parametrize("factor", [0.25, 1024])
def test_scale_of_the_weights_makes_no_difference(batch_size, factor):
    weights = rng.uniform(0.5, 2, 60)
    scaled, plain = (classifier(batch_size=batch_size) for _ in "ab")
    np.testing.assert_allclose(
        proba(scaled, X, Y, factor * weights), proba(plain, X, Y, weights), rtol=1e-10
    )


def test_weights_of_one_are_none():
    ones, none = (proba(classifier(), X, Y, weights) for weights in (np.ones(60), None))
    assert ones.tobytes() == none.tobytes()


def test_class_weight_multiplies_the_weights():
    class_weight, sample_weight = {0: 2.0, 1: 0.5, 2: 3.0}, rng.uniform(0.5, 2, 60)
    product = sample_weight * [class_weight[label] for label in Y]
    np.testing.assert_allclose(
        proba(classifier(class_weight=class_weight), X, Y, sample_weight),
        proba(classifier(), X, Y, product),
        rtol=1e-10,
    )


def test_classes_left_out_of_class_weight_weigh_one():
    partly, wholly = ({0: 2.0}, {0: 2.0, 1: 1, 2: 1})
    np.testing.assert_array_equal(
        proba(classifier(class_weight=partly), X, Y), proba(classifier(class_weight=wholly), X, Y)
    )


def test_balanced_is_by_frequency():
    weights = {label: 60 / (3 * np.sum(label == Y)) for label in range(3)}
    np.testing.assert_allclose(
        proba(classifier(class_weight="balanced"), X, Y),
        proba(classifier(class_weight=weights), X, Y),
        rtol=1e-10,
    )


def test_class_weight_goes_by_the_labels_names():
    names = np.array(["up", "down", "level"])[Y]
    n_up = []
    for weight in (500.0, 0.002):
        fitted = classifier(class_weight={"up": weight}, max_iter=20, learning_rate_init=0.05)
        n_up.append(np.sum(fitted.fit(X, names).predict(X) == "up"))
    assert n_up[0] > np.sum(names == "up") > n_up[1]


def test_class_weight_holds_in_partial_fit_too():
    weighted = classifier(class_weight={0: 500.0}).partial_fit(X, Y)
    assert (
        weighted.predict_proba(X).tobytes()
        != classifier().partial_fit(X, Y).predict_proba(X).tobytes()
    )


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(59), r"sample_weight.*\(59,\).*\(60,\)"),
        (np.ones((60, 2)), "[Ss]ample.weight"),
        (-np.ones(60), "sample_weight must hold finite numbers, none below zero"),
        (np.full(60, np.nan), "sample_weight must hold finite numbers"),
        (np.full(60, np.inf), "sample_weight must hold finite numbers"),
        (np.zeros(60), "[Ss]ample weights"),
        (["a"] * 60, "sample_weight must hold finite numbers"),
    ],
)
def test_weights_that_are_none_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, Y, weights)


# Labels that are none


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y[:-1], "y has 59 labels for 60 sequences; expected one for each"),
        (None, "requires y to be passed"),
        (np.tile(Y, (6, 1)).T, r"y has labels for steps; .*an array \(60,\).*use RNNTagger"),
        ([[0] * 6] * 60, "y has labels for steps; .*use RNNTagger"),
        (object_array([np.zeros(6)] * 60), "y has labels for steps; .*use RNNTagger"),
        (Y + 0.5, "^Unknown label type: continuous. Expected labels: whole numbers,"),
        (np.where(Y == 1, np.nan, Y), "y contains missing labels"),
        (Y.reshape(60, 1, 1), "y has labels for steps"),
    ],
)
def test_labels_that_are_none_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, y)


# In scikit-learn's company


def test_is_a_classifier():
    assert is_classifier(classifier())
    tags = classifier().__sklearn_tags__()
    assert tags.input_tags.two_d_array
    assert tags.input_tags.three_d_array


DATA = pytest.mark.parametrize(
    "data",
    [X, RAGGED, object_array(RAGGED), X.reshape(60, 12)],
    ids=["3-D", "list", "object", "rows"],
)


@DATA
def test_cross_validates(data):
    scores = cross_val_score(classifier(), data, SIDE, cv=3)
    assert scores.shape == (3,)
    assert np.isfinite(scores).all()
    assert cross_val_predict(classifier(), data, SIDE, cv=3, method="predict_proba").shape == (
        60,
        2,
    )


@DATA
def test_is_searched_over(data):
    grid = {"hidden_layer_sizes": [3, (3, 2)], "learning_rate_init": [1e-9, 0.03]}
    search = GridSearchCV(classifier(max_iter=15), grid, cv=2).fit(data, SIDE)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(data).shape == (60,)


def test_workers_search_too():
    search = GridSearchCV(classifier(), {"hidden_layer_sizes": [2, 3]}, cv=2, n_jobs=2)
    alone = GridSearchCV(classifier(), {"hidden_layer_sizes": [2, 3]}, cv=2)
    for one in (search, alone):
        one.fit(RAGGED, SIDE)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    )


def test_stands_in_a_pipeline():
    rows = X.reshape(60, 12)
    pipeline = make_pipeline(StandardScaler(), classifier(step_size=2, standardize=False))
    pipeline.fit(rows, Y, rnnclassifier__sample_weight=np.ones(60))
    alone = classifier(step_size=2, standardize=False).fit(StandardScaler().fit_transform(rows), Y)
    np.testing.assert_array_equal(
        pipeline.predict_proba(rows), alone.predict_proba(StandardScaler().fit_transform(rows))
    )
    pipeline.set_params(rnnclassifier__step_size=3).fit(rows, Y)
    assert pipeline[-1].network_.architecture.n_features == 3


def test_stands_in_a_bag():
    rows = X.reshape(60, 12)
    bag = BaggingClassifier(classifier(step_size=2), n_estimators=2, random_state=0).fit(rows, Y)
    assert bag.predict_proba(rows).shape == (60, 3)


def test_its_columns_are_ranked():
    data = rng.standard_normal((80, 4))
    y = data[:, 2] > 0
    fitted = classifier(max_iter=40, learning_rate_init=0.03).fit(data, y)
    importance = permutation_importance(fitted, data, y, n_repeats=3, random_state=0)
    assert importance.importances_mean.argmax() == 2


def test_score_of_labels_never_seen_is_0():
    assert classifier().fit(X, Y).score(X, Y + 10) == 0


def test_fit_returns_itself():
    estimator = classifier()
    assert estimator.fit(X, Y) is estimator
    assert estimator.partial_fit(X, Y) is estimator


def test_unseen_label_is_refused_with_its_name():
    with pytest.raises(DataError, match=r"\['left', 'right'\]: \['up'\]"):
        classifier().fit(RAGGED, SIDE).partial_fit(RAGGED, np.where(SIDE == "left", "up", SIDE))
