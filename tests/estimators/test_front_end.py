"""Estimators behind a front end: the same as on sequences that went through it beforehand."""

import hashlib

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import elman
from elman import (
    DataError,
    RNNClassifier,
    RNNRegressor,
    RNNStepRegressor,
    RNNTagger,
    explain,
    gradient_flow,
)
from elman.data import Frame, FrontEnd, as_sequences
from elman.displays import GradientFlowDisplay, TermLadderDisplay
from elman.estimators import saving
from plain import plain_model

rng = np.random.default_rng(0)
LENGTHS = rng.integers(3, 22, 40)
X = [rng.normal(rng.normal(), rng.uniform(0.5, 2), (T, 2)).cumsum(axis=0) for T in LENGTHS]
LAST = np.array([int(x[-1, 0] > x[0, 0]) for x in X])
STEPS = [(x[:, 0] > x[:, 1]).astype(int) for x in X]

SETTINGS = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0, "batch_size": 10}
ALL = {"standardize": "sequence", "differences": True}
FRONT_ENDS = [
    {"frame": (6, 2)},
    {"frame": "auto", "differences": True, "standardize": False},
    {"frame": (4, 3), **ALL},
    ALL,
]
ESTIMATORS = {
    RNNClassifier: LAST,
    RNNTagger: STEPS,
    RNNRegressor: [x[-1, 0] for x in X],
    RNNStepRegressor: [x[:, 0] for x in X],
}


@pytest.fixture(params=FRONT_ENDS, ids=str)
def front_end(request):
    return request.param


@pytest.fixture(params=ESTIMATORS.items(), ids=lambda item: item[0].__name__)
def task(request):
    """An estimator and its targets."""
    return request.param


def as_it_can(estimator, front_end):
    """Stride 1 where each step is answered."""
    given = front_end.get("frame")
    strides = isinstance(given, tuple) and estimator in (RNNTagger, RNNStepRegressor)
    return front_end | ({"frame": (given[0], 1)} if strides else {})


def beforehand(model, X):
    """Sequences as the network of a model sees them."""
    sequences = as_sequences([x.copy() for x in X])
    return list(model._fitted.front_end.apply(sequences))


def bits(model):
    return model.network_.parameters.vector.tobytes()


def some(values, chosen):
    return [values[i] for i in chosen]


def history(model):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in model.history_]


def test_fitting_is_that_of_what_went_through_beforehand(task, front_end):
    """With weights, some of them 0, and sequences to watch."""
    estimator, y = task
    front_end = as_it_can(estimator, front_end)
    weights = np.random.default_rng(1).integers(0, 3, len(X)).astype(float)
    train, watched = np.arange(30), np.arange(30, 40)

    def fitted(X, **parameters):
        return plain_model(estimator, **SETTINGS | parameters).fit(
            some(X, train),
            some(y, train),
            weights[train],
            validation_data=(some(X, watched), some(y, watched), weights[watched]),
        )

    model = fitted(X, **front_end)
    other = fitted(beforehand(model, X), standardize=False)
    assert model.network_.architecture == other.network_.architecture
    assert bits(model) == bits(other)
    assert history(model) == history(other)
    assert model.score(X, y, weights) == other.score(beforehand(model, X), y, weights)
    for actual, expected in zip(model.predict(X), other.predict(beforehand(model, X)), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_sequences_kept_aside_go_through_too(front_end):
    parameters = SETTINGS | {"early_stopping": True, "validation_fraction": 0.3}
    model = plain_model(RNNClassifier, **parameters, **front_end).fit(X, LAST)
    other = plain_model(RNNClassifier, **parameters, standardize=False).fit(
        beforehand(model, X), LAST
    )
    assert bits(model) == bits(other)
    assert history(model) == history(other)


def test_steps_of_weight_0_are_still_seen():
    """They have no target; those at the end are not there."""
    weights = [np.ones(len(x)) for x in X]
    for w in weights:
        w[1] = w[-1] = 0
    parameters = SETTINGS | ALL | {"frame": (3, 1)}
    given = plain_model(RNNTagger, **parameters).fit(X, STEPS, weights)
    cut = plain_model(RNNTagger, **parameters).fit(
        [x[:-1] for x in X], [y[:-1] for y in STEPS], [w[:-1] for w in weights]
    )
    assert bits(given) == bits(cut)
    other = plain_model(RNNTagger, **parameters | {"standardize": False}).fit(X, STEPS)
    assert bits(given) != bits(other)


@pytest.mark.parametrize("how", ["partial_fit", "warm_start"])
def test_front_end_is_that_of_the_first_fit(how, front_end):
    model = plain_model(RNNClassifier, **SETTINGS, **front_end).fit(X, LAST)
    before, inputs = model._fitted.front_end, beforehand(model, X)
    other = plain_model(RNNClassifier, **SETTINGS, standardize=False).fit(inputs, LAST)
    longer = [np.repeat(x, 9, axis=0) * 3 for x in X]  # "auto" would be another frame
    inputs = beforehand(model, longer)
    model.set_params(warm_start=True), other.set_params(warm_start=True)
    fit = "partial_fit" if how == "partial_fit" else "fit"
    getattr(model, fit)(longer, LAST)
    getattr(other, fit)(inputs, LAST)
    assert model._fitted.front_end is before
    assert bits(model) == bits(other)


def test_steps_have_an_answer_each(front_end):
    for estimator in (RNNTagger, RNNStepRegressor):
        y = ESTIMATORS[estimator]
        model = plain_model(estimator, **SETTINGS | as_it_can(estimator, front_end)).fit(X, y)
        assert [len(answers) for answers in model.predict(X)] == LENGTHS.tolist()


@pytest.mark.parametrize("estimator", [RNNTagger, RNNStepRegressor])
def test_frames_that_skip_steps_to_be_answered_are_refused(estimator):
    with pytest.raises(ValueError, match=r"its stride must be 1\. Set frame=\(4, 1\)\."):
        plain_model(estimator, frame=(4, 2)).fit(X, ESTIMATORS[estimator])


@pytest.mark.parametrize("frame", [(4,), (0, 1), (4, 2.5), "long", 4])
def test_frames_that_make_no_sense_are_refused(frame):
    with pytest.raises(ValueError, match="frame"):
        plain_model(RNNClassifier, frame=frame).fit(X, LAST)
    with pytest.raises(ValueError, match="standardize"):
        plain_model(RNNClassifier, standardize="each").fit(X, LAST)


def test_rows_are_sequences_too():
    rows = np.random.default_rng(0).standard_normal((30, 24)).cumsum(axis=1)
    y = rows[:, -1] > 0
    model = plain_model(RNNClassifier, **SETTINGS, step_size=2, frame=(4, 2), **ALL).fit(rows, y)
    other = plain_model(RNNClassifier, **SETTINGS, frame=(4, 2), **ALL).fit(
        rows.reshape(30, 12, 2), y
    )
    assert bits(model) == bits(other)
    assert model.n_features_in_ == 24
    np.testing.assert_array_equal(model.predict(rows), other.predict(rows.reshape(30, 12, 2)))


def test_states_that_are_given_are_the_networks(front_end):
    model = plain_model(RNNClassifier, **SETTINGS, **front_end).fit(X, LAST)
    states = [np.random.default_rng(0).standard_normal((len(X), 5))]
    other = plain_model(RNNClassifier, **SETTINGS, standardize=False).fit(
        beforehand(model, X), LAST
    )
    found = model.predict_proba(X, states)
    np.testing.assert_array_equal(found, other.predict_proba(beforehand(model, X), states))
    assert not np.array_equal(found, model.predict_proba(X))


def test_searches_go_over_front_ends():
    grid = {"frame": [None, (4, 2), "auto"], "standardize": [True, "sequence"]}
    search = GridSearchCV(plain_model(RNNClassifier, 3, max_iter=1, random_state=0), grid, cv=2)
    assert np.isfinite(search.fit(X, LAST).cv_results_["mean_test_score"]).all()
    assert clone(plain_model(RNNClassifier, frame=(4, 2))).frame == (4, 2)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [(None, None), ([6, 2], (6, 2)), (np.array([3, 1]), (3, 1)), ("auto", (3, 1))],
)
def test_what_frames_have_come_to(frame, expected):
    assert plain_model(RNNClassifier, **SETTINGS, frame=frame).fit(X, LAST).frame_ == expected
    assert plain_model(RNNTagger, **SETTINGS, frame="auto").fit(X, STEPS).frame_ is None


# Explanations


@pytest.mark.parametrize("estimator", [RNNClassifier, RNNTagger, RNNRegressor, RNNStepRegressor])
def test_gradient_through_a_front_end_is_proved(estimator, front_end):
    y = ESTIMATORS[estimator]
    front_end = as_it_can(estimator, front_end)
    model = plain_model(estimator, **SETTINGS | {"cell": "gru"}, **front_end).fit(X, y)
    explanation = explain(model, X[3], y[3])
    assert explanation.passed
    (steps,) = beforehand(model, X[3:4])
    np.testing.assert_allclose(explanation.x, steps, rtol=1e-12, atol=1e-12)
    assert len(explanation.to_dict()["features"]) == explanation.x.shape[1]
    flow = gradient_flow(model, X, y)
    assert len(flow.saturated) == max(map(len, beforehand(model, X)))


def test_features_have_names_on_the_page(tmp_path):
    pd = pytest.importorskip("pandas")
    frames = [pd.DataFrame(x, columns=["temp", "wind"]) for x in X]
    model = plain_model(RNNClassifier, **SETTINGS, frame=(3, 2), **ALL).fit(frames, LAST)
    explanation = explain(model, frames[0], LAST[0])
    assert explanation.features[:6] == [
        "temp[-2]", "wind[-2]", "z temp[-2]", "z wind[-2]", "Δ temp[-2]", "Δ wind[-2]",
    ]  # fmt: skip
    assert explanation.features[-1] == "level wind"
    explanation.save_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "temp[-2], wind[-2], z temp[-2]" in page
    assert "…, level wind" in page
    plain = plain_model(RNNClassifier, **SETTINGS).fit(X, LAST)
    explain(plain, X[0], LAST[0]).save_html(tmp_path / "page.html")
    assert ">Features <" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_displays_take_framed_models():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    model = plain_model(RNNClassifier, **SETTINGS, frame=(6, 2), **ALL).fit(X, LAST)
    TermLadderDisplay.from_estimator(model, X[0], LAST[0])
    GradientFlowDisplay.from_estimator(model, X, LAST)
    matplotlib.pyplot.close("all")


# Files


def test_front_end_comes_back_from_a_file(task, front_end, tmp_path):
    estimator, y = task
    model = plain_model(estimator, **SETTINGS | as_it_can(estimator, front_end)).fit(X, y)
    model.save(tmp_path / "model")
    loaded = elman.load(tmp_path / "model")
    for name in ("frame", "differences", "standardize"):
        assert getattr(loaded, name) == getattr(model, name)
        assert type(getattr(loaded, name)) is type(getattr(model, name))
    for actual, expected in zip(loaded.predict(X), model.predict(X), strict=True):
        np.testing.assert_array_equal(actual, expected)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()
    loaded.partial_fit(X, y)


def test_files_from_before_have_no_front_end_but_standardising(tmp_path, monkeypatch):
    model = plain_model(RNNClassifier, **SETTINGS).fit(X, LAST)
    write = saving.write_model

    def written_before(path, kind, settings, arrays):
        settings.pop("front_end")
        for name in ("frame", "differences", "readout", "recurrent_rate"):
            settings["params"].pop(name)
        write(path, kind, settings, arrays)

    monkeypatch.setattr(saving, "write_model", written_before)
    model.save(tmp_path / "model")
    loaded = elman.load(tmp_path / "model")
    kept = loaded.frame, loaded.differences, loaded.readout, loaded.recurrent_rate
    assert kept == (None, False, "last", 1.0)
    assert loaded._fitted.front_end.standardizes_alone
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.set_params(warm_start=True).fit(X, LAST).n_iter_ == 6


def test_front_end_that_does_not_fit_the_network_is_not_saved(tmp_path):
    model = plain_model(RNNClassifier, **SETTINGS, frame=(4, 2)).fit(X, LAST)
    other = plain_model(RNNClassifier, **SETTINGS, frame=(5, 2)).fit(X, LAST)
    model._fitted.front_end = other._fitted.front_end
    with pytest.raises(
        ValueError, match="makes 10 features of the 2 of a step; the network takes 8"
    ):
        model.save(tmp_path / "model")


# What is refused


def test_differences_that_overflow_are_refused_in_words():
    model = plain_model(RNNClassifier, **SETTINGS, differences=True, standardize=False).fit(X, LAST)
    with pytest.raises(DataError, match="sequence 0, step 1 of X and the step before are too far"):
        model.predict([np.array([[1e308, 0], [-1e308, 0]])])
    state = model.initial_state()
    _, state = model.step([1e308, 0], state)
    with pytest.raises(DataError, match="x_t and the step before are too far apart"):
        model.step([-1e308, 0], state)


# Bits


def test_bits_are_the_same_on_every_processor():
    """`make test-widths` goes through this at each width of vectors."""
    draws = np.random.default_rng(0)
    digest = hashlib.sha256()
    for dtype in (np.float32, np.float64):
        # Fractions, exact in both dtypes, so that a difference is the front end's.
        X = [
            (draws.integers(-(2**20), 2**20, (T, 3)) / 2.0 ** draws.integers(2, 20)).astype(dtype)
            for T in draws.integers(1, 500, 40)
        ]
        front_end = FrontEnd.measured(
            as_sequences(X),
            np.ones(sum(map(len, X))),
            standardize="sequence",
            differences=True,
            frame=Frame(7, 3),
        )
        digest.update(front_end.apply(as_sequences(X)).values.tobytes())
        for array in front_end.arrays.values():
            digest.update(array.tobytes())
    assert digest.hexdigest()[:16] == "c6ec1422bc72fd65"
