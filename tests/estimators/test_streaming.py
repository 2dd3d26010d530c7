"""Step by step: to the bit what the whole sequences give."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from elman import DataError, RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
from elman.data import Frame
from plain import plain_model
from tolerances import VERSUS_NAIVE, relative_error

rng = np.random.default_rng(0)
X = rng.standard_normal((30, 9, 2)) * [1, 3] + [0, 5]
STEPS = (X.cumsum(axis=1)[:, :, 0] > 0).astype(int) + (X[:, :, 1] > 6)
LAST = STEPS[:, -1]

SETTINGS = {"hidden_layer_sizes": (17, 5), "max_iter": 2, "random_state": 0, "batch_size": 10}


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def data(request):
    return X.astype(request.param)


@pytest.fixture(params=[True, False], ids=["standardized", "as it is"])
def standardize(request):
    return request.param


@pytest.fixture(params=["tanh", "relu", ("dense", "tanh"), "dense"], ids=str)
def settings(request, standardize):
    return SETTINGS | {"cell": request.param, "standardize": standardize}


def go_through(estimator, data, n=None):
    """The answers to all steps of a sequence, or of n side by side."""
    state, answers = estimator.initial_state(n), []
    for x_t in data if n is None else data.swapaxes(0, 1):
        y_hat, state = estimator.step(x_t, state)
        answers.append(y_hat)
    return np.stack(answers, axis=0 if n is None else 1)


def bits(estimator):
    return estimator.network_.parameters.vector.tobytes()


def test_steps_of_a_tagger_are_those_of_the_whole_sequence(settings, data):
    fitted = plain_model(RNNTagger, **settings).fit(data, STEPS)
    whole = fitted.predict_proba(data)
    for n in (1, 2, 30):
        streamed = go_through(fitted, data[:n], n)
        np.testing.assert_array_equal(streamed, whole[:n], strict=True)
    np.testing.assert_array_equal(go_through(fitted, data[4]), whole[4], strict=True)


def test_steps_of_a_classifier_are_those_of_its_beginnings(settings, data):
    fitted = plain_model(RNNClassifier, **settings).fit(data, LAST)
    streamed = go_through(fitted, data, 30)
    for t in range(9):
        beginnings = data[:, : t + 1]
        np.testing.assert_array_equal(streamed[:, t], fitted.predict_proba(beginnings), strict=True)
    np.testing.assert_array_equal(go_through(fitted, data[7]), streamed[7], strict=True)


def test_reference_engine_streams_too(data, standardize):
    settings = SETTINGS | {"engine": "reference", "standardize": standardize}
    fitted = plain_model(RNNTagger, **settings).fit(data, STEPS)
    whole = fitted.predict_proba(data)
    tolerance = VERSUS_NAIVE[data.dtype]
    assert relative_error(go_through(fitted, data, 30), whole) <= tolerance
    assert relative_error(go_through(fitted, data[3]), whole[3]) <= tolerance


@pytest.fixture(params=["compiled", "reference"])
def fitted(request):
    return plain_model(RNNClassifier, engine=request.param, **SETTINGS).fit(X, LAST)


def test_state_is_left_as_it_was(fitted):
    state = fitted.initial_state()
    first, after = fitted.step(X[0, 0], state)
    second, _ = fitted.step(X[0, 1], after)
    fitted.step(X[1, 5], state)
    fitted.step(X[1, 5], after)
    np.testing.assert_array_equal(fitted.step(X[0, 1], after)[0], second)
    np.testing.assert_array_equal(fitted.step(X[0, 0], state)[0], first)
    assert not np.array_equal(fitted.step(X[0, 0], after)[0], first)


def test_streams_of_one_estimator_do_not_meet(fitted):
    states = [fitted.initial_state() for _ in range(3)]
    for t in range(5):
        for i in range(3):
            y_hat, states[i] = fitted.step(X[i, t], states[i])
    np.testing.assert_array_equal(y_hat, go_through(fitted, X[2, :5])[-1])


def test_input_is_left_as_it_was(fitted):
    x_t = X[0, 0].copy()
    x_t.setflags(write=False)
    before = x_t.copy()
    fitted.step(x_t, fitted.initial_state())
    np.testing.assert_array_equal(x_t, before)


@pytest.mark.parametrize(
    "refit",
    [
        lambda model: model.fit(X[::-1] * 2, STEPS[:, 0]),
        lambda model: model.partial_fit(X, LAST),
        lambda model: model.set_params(warm_start=True, max_iter=1).fit(X, LAST),
        lambda model: model.set_params(hidden_layer_sizes=3).fit(X[:, :, :1], LAST),
    ],
    ids=["fit", "partial_fit", "warm start", "another network"],
)
def test_running_stream_goes_on_as_it_began(fitted, refit):
    expected = go_through(fitted, X[0])
    begun = fitted.initial_state()
    _, between = fitted.step(X[0, 0], begun)
    before = bits(fitted)
    refit(fitted)
    assert bits(fitted) != before
    fitted.initial_state()
    fitted.predict_proba(X[:2, :, : fitted.n_features_in_])
    np.testing.assert_array_equal(fitted.step(X[0, 0], begun)[0], expected[0])
    np.testing.assert_array_equal(fitted.step(X[0, 1], between)[0], expected[1])


def test_new_stream_knows_the_new_weights(fitted):
    fitted.fit(X[::-1] * 2, STEPS[:, 0])
    streamed = go_through(fitted, X[0])[-1]
    tolerance = VERSUS_NAIVE[np.dtype(np.float64)]
    assert relative_error(streamed, fitted.predict_proba(X[:1])[0]) <= tolerance


@pytest.mark.parametrize("n", [None, 3])
def test_stream_goes_on_after_pickling(fitted, n):
    state = fitted.initial_state(n)
    x_t = X[0, 0] if n is None else X[:n, 0]
    _, state = fitted.step(x_t, state)
    copy = pickle.loads(pickle.dumps(state))
    np.testing.assert_array_equal(fitted.step(x_t, copy)[0], fitted.step(x_t, state)[0])


@pytest.mark.parametrize(
    "given",
    [lambda x: x.tolist(), lambda x: x.astype(object), lambda x: x.repeat(2, axis=1)[:, ::2]],
    ids=["list", "object", "strided"],
)
def test_container_of_a_step_makes_no_difference(fitted, given):
    state = fitted.initial_state(4)
    expected, _ = fitted.step(X[:4, 0].copy(), state)
    np.testing.assert_array_equal(fitted.step(given(X[:4, 0]), state)[0], expected)


@pytest.mark.parametrize(
    ("n", "x_t", "message"),
    [
        (None, np.zeros(3), r"x_t has shape \(3,\); expected \(2,\): the features of one step\."),
        (None, np.zeros((1, 2)), r"x_t has shape \(1, 2\); expected \(2,\)"),
        (None, 1.0, r"x_t has shape \(\); expected \(2,\)"),
        (1, np.zeros(2), r"shape \(2,\); expected \(1, 2\).*each of the sequences side by side"),
        (4, np.zeros((3, 2)), r"x_t has shape \(3, 2\); expected \(4, 2\)"),
        (4, np.zeros((2, 4)), r"x_t has shape \(2, 4\); expected \(4, 2\)"),
        (None, [0.0, np.nan], "x_t contains NaN, feature 1; expected finite numbers"),
        (
            2,
            [[0.0, 1.0], [-np.inf, 0.0]],
            "x_t contains infinity, feature 0 of sequence 1; expected",
        ),
    ],
    ids=str,
)
def test_step_that_does_not_fit_is_refused_in_words(fitted, n, x_t, message):
    with pytest.raises(DataError, match=message):
        fitted.step(x_t, fitted.initial_state(n))


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("n", [None, 3])
def test_step_that_overflows_on_standardising_is_refused_in_words(data, engine, n):
    fitted = plain_model(RNNTagger, engine=engine, **SETTINGS).fit(
        data * data.dtype.type(1e-9), STEPS
    )
    state, x_t = fitted.initial_state(n), np.zeros((n or 1, 2), data.dtype)
    x_t[-1, 1] = np.finfo(data.dtype).max
    x_t = x_t.reshape(-1, 2) if n else x_t[0]
    message = f"feature 1, which is too large to be standardised in {data.dtype}: .*deviation"
    with pytest.raises(DataError, match=message):
        fitted.step(x_t, state)
    with pytest.raises(DataError, match="x_t contains NaN, feature 0"):
        fitted.step(x_t * np.nan, state)
    as_it_is = fitted.set_params(standardize=False).fit(data, STEPS)
    assert np.isfinite(as_it_is.step(x_t, as_it_is.initial_state(n))[0]).all()


@pytest.mark.parametrize("estimator", [RNNClassifier(), RNNTagger()], ids=["classifier", "tagger"])
def test_unfitted_estimator_has_no_state(estimator):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        estimator.initial_state()


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_state_of_another_estimator_is_refused(engine):
    fitted = plain_model(RNNClassifier, engine=engine, **SETTINGS).fit(X, LAST)
    other = plain_model(RNNClassifier, engine=engine, **SETTINGS | {"random_state": 1}).fit(X, LAST)
    scaled = plain_model(RNNClassifier, engine=engine, **SETTINGS).fit(
        X * 2, LAST
    )  # the same weights
    for state in (other.initial_state(), scaled.initial_state()):
        with pytest.raises(ValueError, match=r"state is that of another network.*standardisation"):
            fitted.step(X[0, 0], state)
    equal = plain_model(RNNClassifier, engine=engine, **SETTINGS).fit(X, LAST)
    expected, _ = fitted.step(X[0, 0], fitted.initial_state())
    np.testing.assert_array_equal(fitted.step(X[0, 0], equal.initial_state())[0], expected)


def test_state_of_another_regressor_is_refused():
    fitted, other = (
        plain_model(RNNRegressor, **SETTINGS | {"random_state": seed}).fit(X, X[:, 0, 0])
        for seed in (0, 1)
    )
    fitted.step(X[0, 0], fitted.initial_state())
    with pytest.raises(ValueError, match="state is that of another network"):
        fitted.step(X[0, 0], other.initial_state())


# Behind a front end

FRONT_ENDS = [
    {"differences": True},
    {"frame": (3, 2)},
    {"frame": (4, 1), "differences": True},
    {"frame": (2, 3), "differences": True, "standardize": False},
    {"frame": (9, 5)},
]


@pytest.mark.parametrize("readout", ["last", "mean"])
@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=str)
def test_answers_are_those_of_the_frames_so_far(data, front_end, readout):
    settings = SETTINGS | {"cell": ("gru", "tanh"), "readout": readout} | front_end
    fitted = plain_model(RNNClassifier, **settings).fit(data, LAST)
    length, stride = front_end.get("frame", (1, 1))
    streamed = go_through(fitted, data, 30)
    assert np.isnan(streamed[:, : length - 1]).all()
    for t in range(length - 1, 9):
        beginnings = data[:, : t + 1]
        np.testing.assert_array_equal(streamed[:, t], fitted.predict_proba(beginnings), strict=True)
        if (t + 1 - length) % stride:
            np.testing.assert_array_equal(streamed[:, t], streamed[:, t - 1])
    np.testing.assert_array_equal(go_through(fitted, data[7]), streamed[7], strict=True)
    np.testing.assert_array_equal(go_through(fitted, data[:1], 1), streamed[:1], strict=True)


@pytest.mark.parametrize("differences", [False, True])
def test_every_step_of_frames_is_answered(data, differences):
    front_end = {"frame": (4, 1), "differences": differences}
    fitted = plain_model(RNNTagger, **SETTINGS | front_end).fit(data, STEPS)
    np.testing.assert_array_equal(go_through(fitted, data, 30), fitted.predict_proba(data))
    numbers = plain_model(RNNStepRegressor, **SETTINGS | front_end).fit(data, STEPS * 10.0)
    np.testing.assert_array_equal(go_through(numbers, data, 30), numbers.predict(data))
    np.testing.assert_array_equal(go_through(numbers, data[2]), numbers.predict(data)[2])


def test_numbers_are_not_there_before_the_first_frame(data):
    fitted = plain_model(RNNRegressor, **SETTINGS, frame=(4, 2)).fit(data, data[:, -1])
    streamed = go_through(fitted, data, 30)
    assert np.isnan(streamed[:, :3]).all()
    np.testing.assert_array_equal(streamed[:, -1], fitted.predict(data[:, :8]))


def test_reference_engine_streams_frames_too(data):
    fitted = plain_model(
        RNNClassifier, **SETTINGS, engine="reference", frame=(3, 2), differences=True
    )
    streamed = go_through(fitted.fit(data, LAST), data, 30)
    tolerance = VERSUS_NAIVE[data.dtype]
    assert relative_error(streamed[:, -1], fitted.predict_proba(data)) <= tolerance


def test_stream_of_frames_begins_with_given_states_and_carries_them(data):
    fitted = plain_model(RNNClassifier, **SETTINGS, frame=(3, 3)).fit(data, LAST)
    state = fitted.initial_state(30)
    for t in range(3):
        _, state = fitted.step(data[:, t], state)
    whole = go_through(fitted, data[:, :6], 30)[:, -1]
    np.testing.assert_array_equal(fitted.predict_proba(data[:, 3:6], state.carry), whole)
    state = fitted.initial_state(30, state.carry)
    for t in range(3, 6):
        y_hat, state = fitted.step(data[:, t], state)
    np.testing.assert_array_equal(y_hat, whole)


def test_state_of_frames_is_left_as_it_was():
    fitted = plain_model(RNNClassifier, **SETTINGS, frame=(2, 1), differences=True).fit(X, LAST)
    _, after = fitted.step(X[0, 0], fitted.initial_state())
    expected, _ = fitted.step(X[0, 1], after)
    first, later = fitted.step(X[0, 1], after)
    first[...] = 0  # belongs to the caller
    fitted.step(X[1, 5], after)
    np.testing.assert_array_equal(fitted.step(X[0, 1], after)[0], expected)
    np.testing.assert_array_equal(later.y_hat, expected)
    copy = pickle.loads(pickle.dumps(later))
    np.testing.assert_array_equal(fitted.step(X[0, 2], copy)[0], fitted.step(X[0, 2], later)[0])


def test_state_of_another_front_end_is_refused():
    fitted, other, scaled = (
        plain_model(RNNClassifier, **SETTINGS, frame=frame).fit(X * factor, LAST)
        for frame, factor in [((2, 1), 1), ((2, 2), 1), ((2, 1), 2)]
    )
    same_weights = plain_model(RNNClassifier, **SETTINGS, frame=(2, 1)).fit(X, LAST)
    front_end = replace(same_weights._fitted.front_end, frame=Frame(2, 2))
    same_weights._fitted.front_end = front_end
    for model in (other, scaled, same_weights):
        with pytest.raises(ValueError, match="state is that of another network"):
            fitted.step(X[0, 0], model.initial_state())
    equal = plain_model(RNNClassifier, **SETTINGS, frame=(2, 1)).fit(X, LAST)
    fitted.step(X[0, 0], equal.initial_state())


@pytest.mark.parametrize("front_end", FRONT_ENDS[:3], ids=str)
@pytest.mark.parametrize(
    ("n", "x_t", "message"),
    [
        (None, np.zeros(3), r"x_t has shape \(3,\); expected \(2,\): the features of one step"),
        (4, np.zeros((3, 2)), r"x_t has shape \(3, 2\); expected \(4, 2\)"),
        (None, [0.0, np.nan], "x_t contains NaN, feature 1"),
    ],
    ids=str,
)
def test_step_behind_a_front_end_that_does_not_fit_is_refused(front_end, n, x_t, message):
    fitted = plain_model(RNNClassifier, **SETTINGS | front_end).fit(X, LAST)
    with pytest.raises(DataError, match=message):
        fitted.step(x_t, fitted.initial_state(n))
    with pytest.raises(ValueError, match="n_sequences must be an integer of at least 1"):
        fitted.initial_state(0)


def test_what_needs_whole_sequences_refuses_steps():
    fitted = plain_model(RNNClassifier, **SETTINGS, standardize="sequence").fit(X, LAST)
    with pytest.raises(ValueError, match=r"cannot answer step by step.*'sequence' needs .*=True"):
        fitted.initial_state()
    fitted = RNNClassifier(**SETTINGS).fit(X, LAST)
    with pytest.raises(
        ValueError,
        match=r"standardize='sequence', which 'auto' is here, needs .* Train one with "
        r"standardize=True and frame=None: it answers from the first step on",
    ):
        fitted.initial_state()
    advised = RNNClassifier(**SETTINGS, standardize=True, frame=None).fit(X, LAST)
    state = advised.initial_state()
    for x_t in X[0]:
        answer, state = advised.step(x_t, state)
        assert np.isfinite(answer).all()
    np.testing.assert_array_equal(answer, advised.predict_proba(X[:1])[0])
    fitted = plain_model(RNNClassifier, **SETTINGS, bidirectional=True, frame=(2, 1)).fit(X, LAST)
    with pytest.raises(ValueError, match="a bidirectional network cannot answer step by step"):
        fitted.initial_state()
