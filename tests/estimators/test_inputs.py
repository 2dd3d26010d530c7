import numpy as np
import pytest
from scipy import sparse

from elman import DataError, RNNClassifier, RNNTagger
from elman.data import as_sequences
from elman.estimators.inputs import are_rows, standardization

rng = np.random.default_rng(0)
X = rng.standard_normal((12, 6, 2))
RAGGED = [rng.standard_normal((n, 2)) for n in (3, 1, 4, 2, 6, 5, 3, 1, 4, 2, 6, 5)]
Y = np.arange(12) % 3


def object_array(pieces):
    array = np.empty(len(pieces), object)
    array[:] = pieces
    return array


def classifier(**params):
    return RNNClassifier(**{"hidden_layer_sizes": 3, "max_iter": 2, "random_state": 0} | params)


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
        "X contains NaN at sequence 4, step 3, feature 1.*np.nan_to_num.x. for x in X",
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
    (np.full((12, 3), "a"), "convert|numeric|dtype"),
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
    y = Y if kind is RNNClassifier else [np.zeros(len(x), int) for x in RAGGED]
    with pytest.raises((ValueError, TypeError), match=message):
        getattr(kind(3, max_iter=2), method)(bad, y)


@pytest.mark.parametrize("bad", [None, {"a": 1}, "abc"])
def test_what_is_no_data_at_all_is_refused_by_its_type(bad):
    with pytest.raises((ValueError, TypeError), match=f"X is a {type(bad).__name__}; expected"):
        classifier().fit(bad, Y)
    with pytest.raises((ValueError, TypeError), match=f"X is a {type(bad).__name__}; expected"):
        classifier().fit(X, Y).predict(bad)


# Standardising


def test_mean_and_deviation_are_those_of_all_steps():
    sequences = as_sequences(RAGGED)
    weights = rng.uniform(0.5, 2, len(sequences.values))
    mean, deviation = standardization(sequences, weights)
    expected = np.average(sequences.values, axis=0, weights=weights)
    variance = np.average((sequences.values - expected) ** 2, axis=0, weights=weights)
    np.testing.assert_allclose(mean, expected, rtol=1e-12)
    np.testing.assert_allclose(deviation, np.sqrt(variance), rtol=1e-12)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1 / 3, -1e6, 3.3e-7, 1e-30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 7, 1000])
def test_deviation_of_what_does_not_vary_is_1(constant, dtype, n):
    sequences = as_sequences(np.full((n, 9, 1), constant, dtype))
    mean, deviation = standardization(sequences, np.linspace(0.1, 1, 9 * n).astype(dtype))
    assert deviation == 1
    np.testing.assert_allclose(mean, dtype(constant), rtol=1e-6)


def test_small_variation_about_a_large_mean_is_kept():
    values = 1e6 + rng.standard_normal((50, 9, 1))
    _, deviation = standardization(as_sequences(values), np.ones(450))
    np.testing.assert_allclose(deviation, values.std(), rtol=1e-6)


@pytest.mark.parametrize("power", [-1000, 60, 511, 1000])
def test_mean_and_deviation_are_computed_without_overflow(power):
    values = np.random.default_rng(0).normal([0, 1e3], 1, (50, 9, 2))
    mean, deviation = standardization(as_sequences(values), np.ones(450))
    found = standardization(as_sequences(np.ldexp(values, power)), np.ones(450))
    np.testing.assert_array_equal(found[0], np.ldexp(mean, power))
    if power > 0:  # squares underflow, and so small a variation counts as none
        np.testing.assert_array_equal(found[1], np.ldexp(deviation, power))


def test_mean_and_deviation_of_many_float32_steps_are_exact():
    """Sums of float32 lose digits as they grow."""
    values = rng.uniform(200, 255, (200_000, 1, 2)).astype(np.float32)
    mean, deviation = standardization(as_sequences(values), np.ones(200_000, np.float32))
    flat = values[:, 0].astype(np.float64)
    assert mean.dtype == deviation.dtype == np.float32
    np.testing.assert_allclose(mean, flat.mean(axis=0), rtol=2e-7)
    np.testing.assert_allclose(deviation, flat.std(axis=0), rtol=2e-6)


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 2)])
def test_masks_are_refused_rather_than_ignored(shape):
    X = np.ma.masked_greater(np.random.default_rng(0).standard_normal(shape), 1)
    with pytest.raises(DataError, match=r"mask.*list of 2-D arrays"):
        RNNClassifier().fit(X, [0, 1] * 3)
