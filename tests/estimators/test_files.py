"""A fitted estimator as a model file, and back. (Damage is test_persistence's and test_models'.)"""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from elman import RNNClassifier, RNNTagger
from elman.estimators.hyperparameters import generator
from plain import plain_model

rng = np.random.default_rng(0)
X = rng.standard_normal((30, 6, 2))
Y = np.arange(30) % 3

PARAMS = [
    {},
    {"hidden_layer_sizes": (3, 4), "cell": ("tanh", "relu")},
    {"hidden_layer_sizes": [4]},
    {"hidden_layer_sizes": np.int64(4), "learning_rate_init": np.float32(0.01)},
    {"class_weight": {0: 2.0, 1: 0.5, 2: 1}},
    {"class_weight": "balanced"},
    {"solver": "nesterov", "alpha": 0.1, "batch_size": 7, "clip_norm": None, "bias": False},
    {"random_state": None, "shuffle": False, "tol": 0.0, "warm_start": True},
    {"standardize": False, "early_stopping": True, "validation_fraction": 0.2},
]


def classifier(**params):
    settings = {"hidden_layer_sizes": 3, "max_iter": 2, "random_state": 0}
    return plain_model(RNNClassifier, **settings | params)


def roundtrip(estimator, tmp_path):
    estimator.save(tmp_path / "model")
    return type(estimator).load(tmp_path / "model")


def plain(value):
    """What tuples, lists and NumPy's numbers have in common."""
    return tuple(np.asarray(value).tolist()) if np.ndim(value) else value


@pytest.mark.parametrize("params", PARAMS, ids=str)
def test_parameters_come_back(tmp_path, params):
    estimator = classifier(**params).fit(X, Y)
    loaded = roundtrip(estimator, tmp_path)
    for name, value in estimator.get_params().items():
        found = loaded.get_params()[name]
        assert plain(found) == plain(value)
        assert type(found) is type(value) or isinstance(value, np.generic | list)
    assert loaded.fit(X, Y)  # and are valid


@pytest.mark.parametrize("random_state", [np.random.RandomState(0)])
def test_generator_is_not_stored(tmp_path, random_state):
    assert roundtrip(classifier(random_state=random_state).fit(X, Y), tmp_path).random_state is None


@pytest.mark.parametrize(
    "classes",
    [
        [0, 1, 2],
        [-7, 3, 100],
        np.array([1, 2, 3], np.uint8),
        ["a", "bb", "ccc"],
        ["ß", "é", "☃"],
        np.array(["a", "bb", "ccc"], object),
        [0.0, 1.0, 5.0],
        np.array([0, 1, 5], np.float32),
        [False, True],
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_classes_of_any_type_come_back(tmp_path, classes, weighted):
    classes = np.asarray(classes)
    class_weight = dict.fromkeys(classes.tolist(), 1.5) if weighted else None
    estimator = classifier(class_weight=class_weight).fit(X, classes[Y % len(classes)])
    loaded = roundtrip(estimator, tmp_path)
    np.testing.assert_array_equal(loaded.classes_, classes, strict=True)
    np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X), strict=True)
    assert loaded.class_weight == class_weight
    loaded.partial_fit(X, classes[Y % len(classes)])


def test_class_weight_keyed_by_numpy_comes_back(tmp_path):
    estimator = classifier(class_weight=dict.fromkeys(np.unique(Y), 2.0)).fit(X, Y)
    assert roundtrip(estimator, tmp_path).class_weight == {0: 2.0, 1: 2.0, 2: 2.0}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_answers_are_the_same_bits(tmp_path, dtype):
    data = X.astype(dtype)
    estimator = classifier().fit(data, Y)
    loaded = roundtrip(estimator, tmp_path)
    assert loaded.predict_proba(data).tobytes() == estimator.predict_proba(data).tobytes()
    assert loaded.network_.dtype == dtype
    assert loaded.mean_.tobytes() == estimator.mean_.tobytes()
    assert loaded.scale_.tobytes() == estimator.scale_.tobytes()


def test_tagger_comes_back(tmp_path):
    data = [rng.standard_normal((n, 2)) for n in (3, 1, 4)]
    estimator = RNNTagger(3, max_iter=2, random_state=0).fit(data, [["a"] * 3, ["b"], ["a"] * 4])
    loaded = roundtrip(estimator, tmp_path)
    for actual, expected in zip(
        loaded.predict_proba(data), estimator.predict_proba(data), strict=True
    ):
        assert actual.tobytes() == expected.tobytes()


def test_rows_come_back_as_rows(tmp_path):
    rows = X.reshape(30, 12)
    estimator = classifier(step_size=2).fit(rows, Y)
    loaded = roundtrip(estimator, tmp_path)
    assert loaded.n_features_in_ == 12
    assert loaded.predict_proba(rows).tobytes() == estimator.predict_proba(rows).tobytes()
    with pytest.raises(ValueError, match="X has 11 features, but RNNClassifier is expecting 12"):
        loaded.predict(rows[:, :11])


def test_names_of_the_columns_come_back(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X.reshape(30, 12), columns=[f"column {i}" for i in range(12)])
    estimator = classifier().fit(frame, Y)
    loaded = roundtrip(estimator, tmp_path)
    np.testing.assert_array_equal(
        loaded.feature_names_in_, estimator.feature_names_in_, strict=True
    )
    np.testing.assert_array_equal(loaded.predict(frame), estimator.predict(frame))


def test_history_comes_back(tmp_path):
    estimator = classifier(early_stopping=True, max_iter=4).fit(X, Y)
    loaded = roundtrip(estimator, tmp_path)
    assert loaded.history_ == estimator.history_
    assert loaded.n_iter_ == 4
    assert loaded.validation_scores_ == estimator.validation_scores_


def test_training_goes_on_after_loading(tmp_path):
    loaded = roundtrip(classifier().fit(X, Y), tmp_path)
    before = loaded.network_.parameters.vector.copy()
    loaded.partial_fit(X, Y)
    assert loaded.n_iter_ == 3
    assert not np.array_equal(loaded.network_.parameters.vector, before)
    again = RNNClassifier.load(tmp_path / "model").partial_fit(X, Y)
    assert again.network_.parameters.vector.tobytes() == loaded.network_.parameters.vector.tobytes()


def test_warm_start_goes_on_after_loading(tmp_path):
    loaded = roundtrip(classifier(warm_start=True).fit(X, Y), tmp_path)
    assert loaded.fit(X, Y).n_iter_ == 4


def test_fit_after_loading_is_as_if_nothing_had_been(tmp_path):
    loaded = roundtrip(classifier().fit(X, Y), tmp_path)
    loaded.fit(X, Y)
    expected = classifier().fit(X, Y)
    assert loaded.predict_proba(X).tobytes() == expected.predict_proba(X).tobytes()


def test_nothing_to_save_before_fitting(tmp_path):
    with pytest.raises(NotFittedError):
        classifier().save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_failed_load_makes_nothing(tmp_path):
    classifier().fit(X, Y).save(tmp_path / "model")
    with pytest.raises(ValueError, match="holds a RNNClassifier, not a RNNTagger"):
        RNNTagger.load(tmp_path / "model")


def test_subclass_is_saved_under_its_own_name(tmp_path):
    class Special(RNNClassifier):
        pass

    estimator = Special(3, max_iter=1, random_state=0).fit(X, Y)
    estimator.save(tmp_path / "model")
    assert isinstance(Special.load(tmp_path / "model"), Special)


def test_generators_of_one_seed_are_alike():
    first, second, third = (generator(seed).random(3) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


@pytest.mark.parametrize("sizes", [range(3, 5), np.array([3, 4]), [3, 4]])
def test_sizes_may_be_any_sequence(tmp_path, sizes):
    fitted = RNNClassifier(sizes, max_iter=1, random_state=0).fit(X, Y)
    fitted.save(tmp_path / "model")
    assert RNNClassifier.load(tmp_path / "model").hidden_layer_sizes == (3, 4)
