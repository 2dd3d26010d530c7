import copy
import re
from collections import deque

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from elman import (
    DataError,
    Network,
    RNNClassifier,
    RNNRegressor,
    RNNStepRegressor,
    RNNTagger,
    explain,
    gradient_flow,
    read_sequences,
)
from elman.estimators.inputs import are_rows
from plain import plain_model

rng = np.random.default_rng(0)
X = rng.standard_normal((12, 6, 2))
RAGGED = [rng.standard_normal((n, 2)) for n in (3, 1, 4, 2, 6, 5, 3, 1, 4, 2, 6, 5)]
Y = np.arange(12) % 3


def object_array(pieces):
    array = np.empty(len(pieces), object)
    array[:] = pieces
    return array


def classifier(**params):
    settings = {"hidden_layer_sizes": 3, "max_iter": 2, "random_state": 0}
    return plain_model(RNNClassifier, **settings | params)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (np.ones((3, 4)), True),
        (np.ones(4), True),  # for scikit-learn's own message
        (np.ones((3, 4), object), True),
        ([[1.0, 2.0], [3.0, 4.0]], True),
        (X, False),
        (X.tolist(), False),
        (list(X), False),
        (tuple(RAGGED), False),
        (RAGGED, False),
        (object_array(RAGGED), False),
        (RAGGED[:1], False),
        ([x.tolist() for x in RAGGED], False),
        (np.ones((2, 2, 2, 2)), False),
        ([], False),
    ],
)
def test_rows_are_told_from_sequences(data, expected):
    assert are_rows(data) is expected


# Rows


@pytest.mark.parametrize("step_size", [1, 2, 3, 4, 6, 12])
def test_row_is_a_sequence_of_steps(step_size):
    rows = X.reshape(12, 12)
    fitted = classifier(step_size=step_size).fit(rows, Y)
    unfolded = rows.reshape(12, -1, step_size)
    assert fitted.n_features_in_ == 12
    assert fitted.network_.architecture.n_features == step_size
    np.testing.assert_array_equal(
        fitted.predict_proba(rows), classifier().fit(unfolded, Y).predict_proba(unfolded)
    )
    # Fitted on rows, it takes the sequences they unfold to.
    np.testing.assert_array_equal(fitted.predict_proba(unfolded), fitted.predict_proba(rows))


@pytest.mark.parametrize("step_size", [5, 7, 24])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_step_size_has_to_divide_the_columns(step_size, method):
    with pytest.raises(DataError, match=f"X has 12 columns, which step_size={step_size} does not"):
        getattr(classifier(step_size=step_size), method)(X.reshape(12, 12), Y)


def test_rows_may_be_lists():
    rows = X.reshape(12, 12)
    listed = classifier().fit(rows.tolist(), Y.tolist())
    np.testing.assert_array_equal(
        listed.predict_proba(rows.tolist()), classifier().fit(rows, Y).predict_proba(rows)
    )


def test_nan_in_a_row_is_placed_in_its_step():
    rows = X.reshape(12, 12).copy()
    rows[7, 9] = np.nan
    with pytest.raises(DataError, match="NaN at sequence 7, step 4, feature 1"):
        classifier(step_size=2).fit(rows, Y)


# What was fitted decides


def test_number_of_features_is_that_of_a_step():
    assert classifier().fit(X, Y).n_features_in_ == 2
    assert classifier().fit(RAGGED, Y).n_features_in_ == 2
    assert classifier().fit(X.reshape(12, 12), Y).fit(X[:, :, :1], Y).n_features_in_ == 1


def test_lengths_may_be_others_than_in_fit():
    fitted = classifier().fit(X, Y)
    assert fitted.predict_proba(X[:, :2]).shape == (12, 3)
    assert fitted.predict_proba(RAGGED).shape == (12, 3)


@pytest.mark.parametrize(
    ("fit_on", "bad", "message"),
    [
        (X, X[0], r"X has 2 dimensions?(\(s\))?, shape \(6, 2\).*pass \[X\]"),
        (X, X[0, 0], r"X has 1 dimension(\(s\))?, shape \(2,\)"),
        (X, np.float64(3), r"X has 0 dimension"),
        (X, X[None], r"X has 4 dimension\(s\).*expected 3"),
        (X, X[:, :, :1], "X has 1 features, but RNNClassifier is expecting 2 features"),
        (RAGGED, np.ones((4, 5, 3)), "X has 3 features, but .* is expecting 2.*axes are"),
        (X, [], "X holds no sequences"),
        (X, X[:0], "X holds no sequences"),
        (X, [X[0], X[1][:0]], "sequence 1 of X has no steps"),
        (X.reshape(12, 12), X.reshape(12, 12)[:, :11], "X has 11 features, but .* expecting 12"),
        (X.reshape(12, 12), X, "X has 2 features, but .* expecting 1 features"),
        (X.reshape(12, 12), X[0, 0], "Reshape your data"),
    ],
)
@pytest.mark.parametrize("method", ["predict", "predict_proba", "partial_fit"])
def test_what_does_not_fit_the_model_is_refused_in_words(fit_on, bad, message, method):
    fitted = classifier().fit(fit_on, Y)
    n_samples = len(bad) if isinstance(bad, list) or np.ndim(bad) else 1
    arguments = (Y[:n_samples],) if method == "partial_fit" else ()
    with pytest.raises(ValueError, match=message):
        getattr(fitted, method)(bad, *arguments)


def nan_at(data, value=np.nan):
    data = [x.copy() for x in data]
    data[4][3, 1] = value
    return data


BAD = [
    (np.ones(12), "1D array"),
    (np.float64(3), "scalar array"),
    (np.ones((12, 3, 2, 1)), r"X has 4 dimension\(s\), shape \(12, 3, 2, 1\); expected 3"),
    ([], "X holds no sequences; expected at least one"),
    (X[:0], "X holds no sequences; expected at least one"),
    (np.empty((0, 3)), "0 sample"),
    (np.empty((12, 0)), "0 feature"),
    (np.empty((12, 0, 2)), "sequence 0 of X has no steps"),
    (np.empty((12, 2, 0)), "X has 0 features a step"),
    ([x[:0] if i == 4 else x for i, x in enumerate(RAGGED)], "sequence 4 of X has no steps"),
    (
        nan_at(RAGGED),
        "X contains NaN at sequence 4, step 3, feature 1.*np.asarray.x, float., .* for x in X",
    ),
    (nan_at(RAGGED, np.inf), "X contains infinity at sequence 4, step 3, feature 1"),
    (np.array(nan_at(X)), "X contains NaN at sequence 4, step 3, feature 1"),
    (np.array(nan_at(X, -np.inf)), "X contains infinity at sequence 4, step 3, feature 1"),
    (object_array(nan_at(RAGGED)), "X contains NaN at sequence 4, step 3, feature 1"),
    (X[:-1], "y has 12 labels for 11 sequences|y has 12 entries for 11 sequences"),
    (X.astype(str), "X has dtype <U.*expected real numbers. Encode text"),
    ([x.astype(str) for x in X], r"X\[0\] has dtype <U.*expected real numbers"),
    (X * 1j, "[Cc]omplex"),
    (X.reshape(12, 12) * 1j, "Complex data not supported"),
    (np.full((12, 3), "a"), "text in two axes; expected numbers"),
    (
        [x[:, :1] if i == 4 else x for i, x in enumerate(RAGGED)],
        r"X\[4\] has 1 feature\(s\) a step, X\[0\] has 2; all sequences must have the same",
    ),
    ([x[:, 0] if i == 4 else x for i, x in enumerate(RAGGED)], r"X\[4\] has 1 dimension"),
    ([[[1.0, 2.0], [3.0]]] * 12, r"X\[0\] is not a rectangular array"),
    (sparse.csr_matrix(np.eye(12)), "Sparse data was passed.*toarray"),
    (sparse.csr_array(np.eye(12)), "Sparse data was passed.*toarray"),
    ([sparse.csr_matrix(np.eye(2))] * 12, r"X\[0\].*(csr_matrix|[Ss]parse)"),
]


@pytest.mark.parametrize(("bad", "message"), BAD)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("kind", [RNNClassifier, RNNTagger])
def test_what_is_no_input_is_refused_in_words(kind, method, bad, message):
    y = Y if kind is RNNClassifier else [np.arange(len(x)) % 2 for x in RAGGED]
    with pytest.raises((ValueError, TypeError), match=message):
        getattr(plain_model(kind, 3, max_iter=2), method)(bad, y)


@pytest.mark.parametrize("bad", [None, {"a": 1}])
def test_what_is_no_data_at_all_is_refused_by_its_type(bad):
    with pytest.raises(
        (ValueError, TypeError), match=f"X is of type {type(bad).__name__}; expected"
    ):
        classifier().fit(bad, Y)
    with pytest.raises(
        (ValueError, TypeError), match=f"X is of type {type(bad).__name__}; expected"
    ):
        classifier().fit(X, Y).predict(bad)


def test_one_text_is_no_list_of_texts():
    for call in (classifier().fit, lambda X, y: classifier().fit(["ab"] * len(y), y).predict(X)):
        with pytest.raises(
            DataError, match=r"X is one text; expected a list of texts. Pass \[X\]\."
        ):
            call("abc", Y)


# Masks


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 2)])
def test_masks_are_refused_rather_than_ignored(shape):
    X = np.ma.masked_greater(np.random.default_rng(0).standard_normal(shape), 1)
    with pytest.raises(DataError, match=r"mask.*list of 2-D arrays"):
        RNNClassifier().fit(X, [0, 1] * 3)


# Columns have names


def frames(columns=("a", "b"), of=RAGGED):
    return [pd.DataFrame(x, columns=list(columns)) for x in of]


def reversed_columns(data):
    return [frame[["b", "a"]] for frame in data]


TAGS = [np.arange(len(x)) % 2 for x in RAGGED]
NUMBERS = [x.sum(axis=1) for x in RAGGED]
FITTED = {
    "classifier": classifier().fit(frames(), Y),
    "tagger": RNNTagger(3, max_iter=2, random_state=0).fit(frames(), TAGS),
    "regressor": plain_model(RNNRegressor, 3, max_iter=2).fit(frames(), [x[-1] for x in NUMBERS]),
    "step regressor": plain_model(RNNStepRegressor, 3, max_iter=2).fit(frames(), NUMBERS),
}
ANSWERS = {"classifier": Y, "tagger": TAGS, "regressor": Y, "step regressor": NUMBERS}


def entry_points(data):
    """All ways in which sequences with names reach a fitted model."""
    one = data[4]
    for kind, fitted in FITTED.items():
        y = ANSWERS[kind]
        yield f"{kind}.predict", lambda f=fitted: f.predict(data)
        if hasattr(fitted, "predict_proba"):
            yield f"{kind}.predict_proba", lambda f=fitted: f.predict_proba(data)
            yield f"{kind}.predict_log_proba", lambda f=fitted: f.predict_log_proba(data)
        yield f"{kind}.score", lambda f=fitted, y=y: f.score(data, y)
        yield f"{kind}.partial_fit", lambda f=fitted, y=y: copy.deepcopy(f).partial_fit(data, y)
        yield (
            f"{kind}.fit, warm",
            lambda f=fitted, y=y: copy.deepcopy(f).set_params(warm_start=True).fit(data, y),
        )
        yield f"{kind}.step", lambda f=fitted: f.step(one.iloc[0], f.initial_state())
        yield f"{kind}.state.step", lambda f=fitted: f.initial_state().step(one.iloc[0])
        yield f"{kind}.step of several", lambda f=fitted: f.step(one, f.initial_state(len(one)))
        yield f"{kind} explained", lambda f=fitted, y=y: explain(f, one, y[4], check=False)
        yield f"{kind}'s gradient flow", lambda f=fitted, y=y: gradient_flow(f, data, y)


NAMES = [name for name, _ in entry_points(frames())]


@pytest.mark.parametrize("name", NAMES)
def test_columns_in_another_order_are_refused_everywhere(name):
    right, wrong = (dict(entry_points(data)) for data in (frames(), reversed_columns(frames())))
    right[name]()
    with pytest.raises(ValueError, match=r"in the same order as they were in fit|in this order"):
        wrong[name]()


@pytest.mark.parametrize("name", NAMES)
def test_columns_of_other_names_are_refused_everywhere(name):
    with pytest.raises(ValueError, match=r"(unseen at fit time:\n- c|features a, c; .* on a, b)"):
        dict(entry_points(frames(["a", "c"])))[name]()


@pytest.mark.parametrize(
    "container", [list, object_array, lambda x: pd.Series(x, index=range(9, 21))]
)
@pytest.mark.parametrize("kind", [RNNClassifier, RNNTagger])
def test_frames_of_one_list_have_the_same_columns(kind, container):
    mixed = frames()
    mixed[5] = mixed[5][["b", "a"]]
    y = Y if kind is RNNClassifier else [np.arange(len(x)) % 2 for x in RAGGED]
    message = (
        r"X\[5\] has the columns b, a, X\[0\] has the columns a, b; .* "
        r"Reorder them: X\[5\]\[list\(X\[0\].columns\)\]"
    )
    with pytest.raises(DataError, match=message):
        plain_model(kind, 3, max_iter=1).fit(container(mixed), y)
    with pytest.raises(DataError, match=message):
        Network(2, 3, 3).forward(container(mixed))
    mixed[5] = mixed[5][list(mixed[0].columns)]  # as advised
    plain_model(kind, 3, max_iter=1).fit(container(mixed), y)


def test_names_of_rows_of_one_step_are_those_of_steps():
    rows = pd.DataFrame(X[:, 0], columns=["a", "b"])
    fitted = classifier(step_size=2).fit(rows, Y)
    fitted.predict(frames())
    with pytest.raises(ValueError, match="must be in the same order"):
        fitted.predict(reversed_columns(frames()))


@pytest.mark.parametrize("kind", ["classifier", "tagger"])
def test_names_of_each_of_several_steps_are_looked_at(kind):
    fitted, one = FITTED[kind], frames()[4]
    steps = [one.iloc[0], one.iloc[1]]
    fitted.step(steps, fitted.initial_state(2))
    with pytest.raises(DataError, match=r"x_t has the features b, a; .* on a, b"):
        fitted.step([steps[0], steps[1][["b", "a"]]], fitted.initial_state(2))


@pytest.mark.parametrize("make", [pa.Table.from_pandas, pa.RecordBatch.from_pandas])
def test_columns_of_pyarrow_are_held_to_their_order(make):
    frames = [pd.DataFrame({"p": [0.0, 1], "q": [1.0, 2]})] * 4
    model = RNNClassifier(2, max_iter=1, n_members=1).fit([*map(make, frames)], [0, 1, 0, 1])
    model.predict([*map(make, frames)])
    with pytest.raises(ValueError, match="order"):
        model.predict([make(frame[["q", "p"]]) for frame in frames])


@pytest.mark.parametrize("make", [list, np.array, pd.Series, pl.Series, pa.array])
def test_words_in_any_library(make):
    X = [make(["a", "b"]), make(["b", "b", "a"])] * 3
    model = RNNClassifier(2, max_iter=1, n_members=1).fit(X, [0, 1] * 3)
    assert model.predict(X).shape == (6,)


@pytest.mark.parametrize("make", [pd.Series, pl.Series])
def test_series_of_numbers_are_refused_with_what_to_do(make):
    with pytest.raises(DataError, match=r"pass np\.asarray"):
        RNNClassifier(2).fit([make([1.0, 2.0])] * 4, [0, 1] * 2)


def test_times_beside_numbers_are_refused_in_each_library():
    frame = pd.DataFrame({"p": [0.0, 1], "when": pd.date_range("2020", periods=2)})
    for make in (pd.DataFrame, pl.from_pandas, pa.Table.from_pandas, pa.RecordBatch.from_pandas):
        with pytest.raises(DataError, match="holds times in column 'when'"):
            RNNClassifier(2).fit([make(frame)] * 4, [0, 1] * 2)


def test_what_a_step_holds_beside_numbers_is_named():
    frames = [pd.DataFrame({"p": [0.0, 1], "q": [1.0, 2]})] * 4
    plain = {"n_members": 1, "standardize": True, "frame": None}
    model = RNNClassifier(2, max_iter=1, **plain).fit(frames, [0, 1, 0, 1])
    for value, message in [
        ("x", "text in column 'q'"),
        (pd.Timestamp("2020"), "times in column 'q'"),
    ]:
        with pytest.raises(DataError, match=message):
            model.step(pd.Series({"p": 1.0, "q": value}), model.initial_state())


def test_a_column_too_many_is_named():
    frames = [pd.DataFrame({"p": [0.0, 1], "q": [1.0, 2]})] * 4
    model = RNNClassifier(2, max_iter=1, n_members=1).fit(frames, [0, 1, 0, 1])
    with pytest.raises(ValueError, match="unseen at fit time:\n- r\n"):
        model.predict([frame.assign(r=0.0) for frame in frames])


def test_names_that_are_text_in_part_are_refused():
    mixed = [pd.DataFrame(x, columns=["a", 1]) for x in RAGGED]
    with pytest.raises(
        DataError, match=r"not all text: 'a', 1.*x.columns = x.columns.astype\(str\)"
    ):
        classifier().fit(mixed, Y)
    for frame in mixed:
        frame.columns = frame.columns.astype(str)
    classifier().fit(mixed, Y)


def test_frames_beside_arrays_are_refused():
    mixed = [*frames()[:3], *RAGGED[3:]]
    with pytest.raises(DataError, match=r"X\[3\] has no column names, X\[0\] has the columns a, b"):
        classifier().fit(mixed, Y)


def test_names_are_remembered_as_sklearn_does(tmp_path):
    fitted = classifier().fit(frames(), Y)
    assert fitted.feature_names_in_.tolist() == ["a", "b"]
    assert fitted.feature_names_in_.dtype == object
    fitted.save(tmp_path / "model")
    loaded = RNNClassifier.load(tmp_path / "model")
    with pytest.raises(ValueError, match="must be in the same order"):
        loaded.predict(reversed_columns(frames()))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        loaded.predict(RAGGED)
    with pytest.warns(
        UserWarning, match="X has feature names, but RNNClassifier was fitted without"
    ):
        classifier().fit(RAGGED, Y).predict(frames())
    assert not hasattr(fitted.fit(RAGGED, Y), "feature_names_in_")


def test_a_sequence_out_of_sequences_has_no_names_to_warn_of():
    table = pd.DataFrame({"id": np.repeat(np.arange(8), 3), "a": np.arange(24.0), "b": 1.0})
    table["label"] = table["id"] % 2
    X, y, _ = read_sequences(table, id="id", label="label")
    fitted = classifier().fit(X, y)
    assert fitted.predict([X[0], X[1]]).tolist() == fitted.predict(X[:2]).tolist()
    frame = table.loc[table["id"] == 0, ["b", "a"]]
    with pytest.raises(ValueError, match="must be in the same order"):
        fitted.predict([frame])


def test_columns_without_names_are_counted_alone():
    numbered = [pd.DataFrame(x) for x in RAGGED]
    assert not hasattr(classifier().fit(numbered, Y), "feature_names_in_")


def test_names_of_rows_are_not_those_of_steps():
    rows = pd.DataFrame(X.reshape(12, 12), columns=list("abcdefghijkl"))
    fitted = classifier(step_size=2).fit(rows, Y)
    fitted.step(pd.Series([1.0, 2.0], index=["x", "y"]), fitted.initial_state())
    with pytest.raises(ValueError, match="must be in the same order"):
        explain(fitted, rows.iloc[0][::-1], 0)


# Padding


def nan_padded(value=np.nan):
    stack = np.full((12, 8, 2), value)
    for i, x in enumerate(RAGGED):
        stack[i, : len(x)] = x
    return stack


def test_steps_at_the_end_that_are_nan_are_padding():
    tags = [np.arange(len(x)) % 3 for x in RAGGED]
    padded_tags = np.full((12, 8), -1)
    for i, y in enumerate(tags):
        padded_tags[i, : len(y)] = y
    padded_numbers = np.full((12, 8), np.nan)
    for i, y in enumerate(NUMBERS):
        padded_numbers[i, : len(y)] = y
    for kind, y, padded_y in [
        (RNNRegressor, Y, Y),
        (RNNStepRegressor, NUMBERS, padded_numbers),
    ]:
        ragged, padded = (
            plain_model(kind, 3, max_iter=2, random_state=0).fit(*data)
            for data in [(RAGGED, y), (nan_padded(), padded_y)]
        )
        np.testing.assert_array_equal(
            padded.network_.parameters.vector, ragged.network_.parameters.vector
        )
        assert padded.score(nan_padded(), padded_y) == ragged.score(RAGGED, y)
    for kind, y, padded_y in [(RNNClassifier, Y, Y), (RNNTagger, tags, padded_tags)]:
        ragged, padded = (plain_model(kind, 3, max_iter=2, random_state=0) for _ in "ab")
        ragged.fit(RAGGED, y)
        padded.fit(nan_padded(), padded_y)
        vectors = [f.network_.parameters.vector.tobytes() for f in (ragged, padded)]
        assert vectors[0] == vectors[1]
        assert padded.score(nan_padded(), padded_y) == ragged.score(RAGGED, y)
        for found, expected in zip(
            padded.predict_proba(nan_padded()), ragged.predict_proba(RAGGED), strict=True
        ):
            np.testing.assert_array_equal(found, expected)
        weights = np.where(padded_tags < 0, 9.0, 1.0) if kind is RNNTagger else None
        assert padded.score(nan_padded(), padded_y, weights) == ragged.score(RAGGED, y)
        found = gradient_flow(padded, nan_padded(), padded_y)
        np.testing.assert_array_equal(found.counts, gradient_flow(ragged, RAGGED, y).counts)
        assert explain(padded, nan_padded()[0], padded_y[0], check=False).T == 3


def test_other_nan_is_refused_with_its_place_and_advice_that_works():
    within = nan_padded()
    within[4, 2] = np.nan
    with pytest.raises(
        DataError,
        match=r"NaN at sequence 4, step 2, feature 0.*padding. Fill this one without filling those",
    ):
        classifier().fit(within, Y)
    the_list = [within[i, :n] for i, n in enumerate(map(len, RAGGED))]
    classifier().fit([np.where(np.isnan(x), 0, x) for x in the_list], Y)
    whole = np.zeros((len(Y), 4, 2))
    whole[4, 2] = np.nan
    advice = "np.nan_to_num(np.asarray(X, float), posinf=np.inf, neginf=-np.inf)"
    for kind in (float, object):
        with pytest.raises(DataError, match=re.escape(f"{advice} puts 0 for it.")):
            classifier().fit(whole.astype(kind), Y)
        classifier().fit(eval(advice, {"np": np, "X": whole.astype(kind)}), Y)
        whole[5, 0, 1] = np.inf  # it is not made a number
        with pytest.raises(DataError, match="infinity at sequence 5, step 0, feature 1"):
            classifier().fit(eval(advice, {"np": np, "X": whole}), Y)
        whole[5, 0, 1] = 0
    partly = nan_padded()
    partly[4, 5, 1] = np.nan
    with pytest.raises(DataError, match="NaN at sequence 4, step 5, feature 1"):
        classifier().fit(partly, Y)
    gone = nan_padded()
    gone[7] = np.nan
    with pytest.raises(DataError, match="sequence 7 of X has no steps, only NaN"):
        classifier().fit(gone, Y)
    listed = list(nan_padded())
    with pytest.raises(
        DataError,
        match=r"NaN at sequence 0, step 3.*"
        + re.escape(f"[{advice.replace('X', 'x')} for x in X]"),
    ):
        classifier().fit(listed, Y)
    for kind in (float, object):
        X = [x.astype(kind) for x in listed]
        classifier().fit([eval(advice.replace("X", "x"), {"np": np, "x": x}) for x in X], Y)
    framed = frames(of=listed)
    with pytest.raises(DataError, match=r"\[x.fillna\(0\) for x in X\] in data frames of pandas"):
        classifier().fit(framed, Y)
    assert hasattr(classifier().fit([x.fillna(0) for x in framed], Y), "feature_names_in_")


def test_padding_of_an_array_of_objects_is_padding():
    fitted = classifier().fit(nan_padded().astype(object), Y)
    expected = classifier().fit(nan_padded(), Y)
    np.testing.assert_array_equal(
        fitted.network_.parameters.vector, expected.network_.parameters.vector
    )


def test_nan_in_rows_is_refused_with_advice_that_works():
    rows = nan_padded().reshape(12, 16)
    with pytest.raises(
        DataError, match=r"NaN at sequence 0, step 3, feature 0.*reshape\(len\(X\), -1, 2\)"
    ):
        classifier(step_size=2).fit(rows, Y)
    classifier(step_size=2).fit(np.asarray(rows).reshape(len(rows), -1, 2), Y)


def test_rows_of_another_length_are_refused_with_advice_that_works():
    rows = X.reshape(12, 12)
    fitted = classifier(step_size=2).fit(rows, Y)
    longer = np.hstack([rows, rows])
    with pytest.raises(
        DataError, match=r"rows of 6 steps.*np.asarray\(X\).reshape\(len\(X\), -1, 2\)"
    ):
        fitted.predict(longer)
    assert fitted.predict(np.asarray(longer).reshape(len(longer), -1, 2)).shape == (12,)


# Tables and lists that hold no arrays


TABLE = pd.DataFrame({"id": np.repeat(np.arange(12), 3), "a": np.arange(36.0), "b": 1.0})
PANEL = TABLE.assign(t=np.tile(np.arange(3), 12)).set_index(["id", "t"])
NESTED = pd.DataFrame({c: [pd.Series(x[:, k]) for x in RAGGED] for k, c in enumerate("ab")})
REFUSED = {
    "groups of a column": (TABLE.groupby("id")["a"], r"X is a SeriesGroupBy.*part.to_frame\(\)"),
    "list of groups": (list(TABLE.groupby("id")), r"X\[0\] is a pair of a key and a DataFrame"),
    "groups": (TABLE.groupby("id"), "X is a DataFrameGroupBy"),
    "panel": (PANEL, "X is a DataFrame whose index has several levels"),
    "series of a panel": (PANEL["a"], "X is a Series whose index has several levels"),
    "nested": (NESTED, "X is of type DataFrame, with sequences in its cells"),
    "nested, its first None": (
        NESTED.map(lambda cell: None if cell is NESTED.iloc[0, 0] else cell),
        "X is of type DataFrame, with sequences in its cells",
    ),
    "nested beside an id": (
        pd.DataFrame({"id": list("abcdefghijkl"), "x": [x[:, 0].tolist() for x in RAGGED]}),
        "X is of type DataFrame, with sequences in its cells",
    ),
    "numbers that are missing": (
        [pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": [1.0, 2.0]})] * 12,
        r"X\[0\] holds missing values \(NAType\).*x.astype\(float\)",
    ),
    "complex objects": ([np.array([[np.complex128(1j), 1]], object)] * 12, "holds complex128 obj"),
    "text of digits": ([np.array([["1", 2]], object)] * 12, "holds text; expected numbers. Encode"),
    "deque": (deque(RAGGED), "X is of type deque; expected an array, or a list"),
    "nested array": (NESTED.to_numpy(), "X is of type ndarray, with sequences in its cells"),
    "list of Series": (
        [pd.Series(x[:, 0]) for x in X],
        r"X\[0\] has 1 dim.*np.asarray\(x\)\[:, None\]",
    ),
    "list of sparse": (
        [sparse.csr_array(x) for x in X],
        r"X\[0\] is a sparse csr_array; .*x.toarray",
    ),
    "list of empty lists": ([[] for _ in X], "sequence 0 of X has no steps"),
    "list with None": ([*RAGGED[:3], None, *RAGGED[4:]], r"X\[3\] is None; expected an array"),
}


@pytest.mark.parametrize(("bad", "message"), REFUSED.values(), ids=list(REFUSED))
@pytest.mark.parametrize(
    "enter",
    [
        lambda bad: classifier().fit(bad, Y),
        lambda bad: classifier().partial_fit(bad, Y),
        lambda bad: RNNTagger(3).fit(bad, [[0, 1, 2]] * 12),
        FITTED["classifier"].predict,
        FITTED["tagger"].predict,
        lambda bad: FITTED["classifier"].score(bad, Y),
        lambda bad: gradient_flow(FITTED["classifier"], bad),
        Network(2, 3, 3).forward,
        lambda bad: Network(2, 3, 3).loss_and_gradients(bad, Y),
    ],
)
def test_tables_and_lists_that_hold_no_arrays_are_refused_everywhere(bad, message, enter):
    with pytest.raises(DataError, match=message):
        enter(bad)


def test_what_messages_advise_works():
    columns = ["a", "b"]
    for good in (
        [frame[columns] for _, frame in TABLE.groupby("id")],
        [part.to_frame() for _, part in TABLE.groupby("id")["a"]],
        [part for _, part in list(TABLE.groupby("id"))],
        [part for _, part in PANEL.groupby(level=0)],
        PANEL.iloc[:12].reset_index(drop=True),
        [part.to_frame() for _, part in PANEL["a"].groupby(level=0)],
        [np.stack([*row], axis=1) for row in np.asarray(NESTED)],
        [np.stack([*row], axis=1) for row in np.asarray(NESTED.to_numpy())],
        [np.asarray(x)[:, None] for x in [pd.Series(x[:, 0]) for x in X]],
        [pd.DataFrame({"a": pd.array([1, 2], "Int64"), "b": 1.0}).astype(float)] * 12,
        [x.toarray() for x in [sparse.csr_array(x) for x in X]],
    ):
        assert classifier().fit(good, Y).score(good, Y) >= 0


def test_a_series_of_arrays_is_a_list_of_them():
    index = np.arange(12)[::-1]
    tags = [np.arange(len(x)) % 2 for x in RAGGED]
    for kind, y in [(RNNClassifier, Y), (RNNTagger, tags)]:
        listed, series = (plain_model(kind, 3, max_iter=2, random_state=0) for _ in "ab")
        listed.fit(RAGGED, y)
        series.fit(pd.Series(RAGGED, index=index), pd.Series(y, index=index))
        for a, b in zip(
            series.predict_proba(pd.Series(RAGGED)), listed.predict_proba(RAGGED), strict=True
        ):
            np.testing.assert_array_equal(a, b)


def test_one_long_recording_is_a_list_of_one():
    recording, tags = X[0], np.arange(6) % 2
    with pytest.raises(DataError, match=r"for one long recording pass \[X\], \[y\]"):
        RNNTagger(3).fit(recording, tags)
    tagger = RNNTagger(3, max_iter=2).fit([recording], [tags])
    with pytest.raises(DataError, match=r"For one sequence pass \[X\]"):
        tagger.predict(recording)
    assert len(tagger.predict([recording])[0]) == 6
    with pytest.raises(
        DataError, match=r"One recording of many steps is \[X\], and its labels \[y\]"
    ):
        Network(2, 3, 2).loss_and_gradients(recording, tags)
    with pytest.raises(
        DataError, match=r"y has 6 labels for 1 sequences.*For one recording pass \[y\]"
    ):
        Network(2, 3, 2).loss_and_gradients([recording], tags)
    Network(2, 3, 2).loss_and_gradients([recording], [tags])


@pytest.mark.parametrize(
    "bad", [None, np.nan, "a", [1.0, None], {}, [1.0], [1.0, [2.0]], sparse.csr_array([[1.0, 2.0]])]
)
def test_steps_that_are_none_are_refused_in_words(bad):
    for state in (FITTED["tagger"].initial_state(), Network(2, 3, 3).initial_state()):
        with pytest.raises(DataError, match=r"x_t (is None; expected|has|holds|contains|is )"):
            state.step(bad)


@pytest.mark.parametrize("no_state", [None, (np.zeros(3), "a state"), range(3), classifier()])
@pytest.mark.parametrize("model", [*FITTED.values(), Network(2, 3, 3)])
def test_what_is_no_state_is_refused_in_words(model, no_state):
    with pytest.raises(TypeError, match=r"of type .*; expected the State of initial_state\(\)"):
        model.step([1.0, 2.0], no_state)


# Weight 0


@pytest.mark.parametrize("missing", [None, np.nan, "?"])
def test_what_has_weight_zero_needs_no_label(missing):
    y = np.array([*Y[:-1], missing], object)
    weights = np.array([1.0] * 11 + [0.0])
    fitted = classifier().fit(X, y, weights)
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.score(X, y, weights) == fitted.score(X[:-1], Y[:-1])
    tags = [np.array([t % 2 for t in range(6)], object) for _ in X]
    tags[3][5] = missing
    step_weights = [np.ones(6) for _ in X]
    step_weights[3][5] = 0
    assert RNNTagger(3, max_iter=1).fit(X, tags, step_weights).classes_.tolist() == [0, 1]
    loss, _ = Network(2, 3, 3, seed=0).loss_and_gradients(X, y, weights)
    assert loss == Network(2, 3, 3, seed=0).loss_and_gradients(X[:-1], Y[:-1])[0]


@pytest.mark.parametrize(
    "enter",
    [
        lambda fitted, y: fitted.score(X, y),
        lambda fitted, y: fitted.partial_fit(X, y),
        lambda fitted, y: fitted.set_params(warm_start=True).fit(X, y),
        lambda fitted, y: gradient_flow(fitted, X, y),
        lambda fitted, y: explain(fitted, X[0], y[0], check=False),
        lambda fitted, y: classifier().partial_fit(X, Y, classes=y),
    ],
)
def test_text_is_not_compared_with_numbers(enter):
    with pytest.raises(DataError, match="expected both text, or both numbers"):
        enter(classifier().fit(X, Y), Y.astype(str))


def test_balanced_weights_go_on_without_a_class():
    fitted = classifier(class_weight="balanced", warm_start=True).fit(X, Y)
    assert fitted.fit(X[Y < 2], Y[Y < 2]).classes_.tolist() == [0, 1, 2]


# Numbers that are too large, and lists that are too deep


def nested(depth):
    inner = 1.0
    for _ in range(depth):
        inner = [inner]
    return inner


HUGE = np.where(np.arange(24).reshape(12, 2) == 5, 10**400, np.ones((12, 2), object))


@pytest.mark.parametrize(
    ("enter", "message"),
    [
        (lambda: classifier().fit(HUGE, Y), "X holds a whole number too large for float64"),
        (lambda: classifier().fit([HUGE] * 12, Y), r"X\[0\] holds a whole number too large"),
        (lambda: classifier().fit(X, HUGE[:, 1]), "y has whole numbers too large for 64 bits"),
        (lambda: classifier().fit(X, Y, HUGE[:, 1]), "sample_weight must hold finite numbers"),
        (lambda: Network(2, 3, 3).loss_and_gradients(X, HUGE[:, 1]), "y has whole numbers too"),
        (lambda: FITTED["tagger"].step(HUGE[2], FITTED["tagger"].initial_state()), "x_t holds a"),
        (lambda: classifier().fit(X, [0, 1, nested(100)] * 4), "y is nested too deeply"),
        (lambda: classifier().fit(X, Y, [1, nested(100)] * 6), "sample_weight is nested too"),
        (lambda: RNNTagger(3).fit(X, [[0, [1, 2]], [1]] * 6), "y is nested too deeply"),
        (lambda: classifier().partial_fit(X, Y, classes=[0, [1]]), "classes is a list of lists"),
    ],
)
def test_what_no_array_can_hold_is_refused_in_words(enter, message):
    with pytest.raises(DataError, match=message):
        enter()


@pytest.mark.parametrize("kind", [RNNClassifier, RNNTagger])
def test_answers_that_are_no_numbers_are_refused(kind):
    y = Y if kind is RNNClassifier else [np.arange(6) % 2 for _ in X]
    fitted = plain_model(kind, 3, cell="relu", max_iter=1, random_state=0).fit(X, y)
    fitted.network_.parameters["U1"][...] = np.finfo(float).max
    for answer in (fitted.predict, fitted.predict_proba, lambda X: fitted.score(X, y)):
        with pytest.raises(
            DataError, match=r"overflow float64 at sequence \d+.*lower learning rate"
        ):
            answer(X)
    large = np.full((2, 2), 100.0)
    for n, x_t in ((None, large[0]), (2, large)):
        with pytest.raises(DataError, match="overflow float64: there is no answer"):
            fitted.step(x_t, fitted.initial_state(n))


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_a_column_of_text_is_named(library):
    columns = {"machine": np.repeat(np.arange(12), 3), "temp": np.arange(36.0)}
    frame = library({**columns, "note": ["a", "b", "b"] * 12, "failed": np.repeat([0, 1] * 6, 3)})
    message = "holds text in column 'note'; expected numbers. .*elman.read_sequences"
    with pytest.raises(DataError, match="^X " + message):
        classifier().fit(frame, np.arange(36) % 2)
    with pytest.raises(DataError, match=r"^X\[0\] " + message):
        classifier().fit([frame] * 12, Y)
    sequences, y, _ = read_sequences(frame, id="machine", label="failed")  # as the message says
    assert classifier().fit(sequences, y).score(sequences, y) >= 0


def test_text_in_other_tables_is_refused_in_words():
    table = pa.table({"u": [1.0, 2.0], "v": ["a", "b"]})
    doubled = pd.DataFrame([[1.0, "a", 2.0]] * 2, columns=["u", "v", "u"])
    for given, message in (
        ([table] * 12, r"^X\[0\] holds text in column 'v'; expected numbers"),
        ([doubled] * 12, r"^X\[0\] holds text; expected numbers"),
    ):
        with pytest.raises(DataError, match=message):
            classifier().fit(given, Y)


@pytest.mark.parametrize("frame", [7, 2.5, "no", True])
def test_a_frame_that_is_none_is_refused_in_words(frame):
    message = (
        rf"^frame={frame!r}; expected \(length, stride\), two whole numbers of steps, as in fr"
    )
    with pytest.raises(ValueError, match=message):
        classifier(frame=frame).fit(X, Y)
    assert classifier(frame=(16, 4)).fit(X, Y).score(X, Y) >= 0
