import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from elman.data import as_sequences


def ragged(lengths=(3, 1, 4), n_features=2):
    rng = np.random.default_rng(0)
    return [rng.standard_normal((length, n_features)) for length in lengths]


X = np.random.default_rng(1).standard_normal((4, 5, 2))


@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=8),
    n_features=st.integers(1, 3),
    data=st.data(),
)
def test_taking_some_is_as_if_only_they_had_come(lengths, n_features, data):
    pieces = ragged(lengths, n_features)
    indices = np.array(data.draw(st.lists(st.integers(0, len(pieces) - 1), min_size=1, max_size=9)))
    sequences = as_sequences(pieces)
    taken, expected = sequences.take(indices), as_sequences([pieces[i] for i in indices])
    np.testing.assert_array_equal(taken.values, expected.values)
    np.testing.assert_array_equal(taken.offsets, expected.offsets)
    np.testing.assert_array_equal(sequences.values[sequences.rows(indices)], taken.values)


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_each_row_is_located(lengths):
    sequences = as_sequences(ragged(lengths))
    places = [f"sequence {i}, step {t}" for i, n in enumerate(lengths) for t in range(n)]
    assert [sequences.locate(row) for row in range(len(sequences.values))] == places


def test_results_fold_as_the_sequences_came():
    flat = np.arange(1, 9)
    folded = as_sequences(ragged()).fold(flat)
    assert [piece.tolist() for piece in folded] == [[1, 2, 3], [4], [5, 6, 7, 8]]

    rows = np.arange(1, 61).reshape(20, 3)
    np.testing.assert_array_equal(as_sequences(X).fold(rows), rows.reshape(4, 5, 3))


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_folding_the_values_gives_the_sequences(lengths):
    pieces = ragged(lengths)
    sequences = as_sequences(pieces)
    for actual, expected in zip(sequences.fold(sequences.values), pieces, strict=True):
        np.testing.assert_array_equal(actual, expected)
