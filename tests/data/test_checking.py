import numpy as np
import pytest

from elman.data import as_sequences
from elman.errors import DataError


def ragged(lengths=(3, 1, 4), n_features=2):
    rng = np.random.default_rng(0)
    return [rng.standard_normal((length, n_features)) for length in lengths]


def object_array(pieces):
    array = np.empty(len(pieces), object)
    array[:] = pieces
    return array


X = np.random.default_rng(1).standard_normal((4, 5, 2))


@pytest.mark.parametrize("container", [list, tuple, object_array])
def test_sequences_of_any_lengths_come_back_as_they_were(container):
    sequences = as_sequences(container(ragged()))
    assert len(sequences) == 3
    assert sequences.n_features == 2
    assert not sequences.stacked
    assert sequences.lengths.tolist() == [3, 1, 4]
    for actual, expected in zip(sequences, ragged(), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_stack_comes_back_as_it_was():
    sequences = as_sequences(X)
    assert sequences.stacked
    np.testing.assert_array_equal(list(sequences), X)


class ArrayLike:
    """As tensors of other libraries are: no array, but ready to become one."""

    def __init__(self, array):
        self.array = array
        self.ndim, self.shape = array.ndim, array.shape

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)


@pytest.mark.parametrize("array_like", [ArrayLike(X), list(map(ArrayLike, X)), X.tolist()])
def test_what_can_become_arrays_is_taken(array_like):
    np.testing.assert_array_equal(list(as_sequences(array_like)), X)


@pytest.mark.parametrize("make", [np.asfortranarray, lambda X: X[::-1][::-1], lambda X: X[:, :, :]])
def test_memory_layout_makes_no_difference(make):
    sequences = as_sequences(make(X))
    assert sequences.values.flags.c_contiguous
    np.testing.assert_array_equal(sequences.values, X.reshape(-1, 2))


@pytest.mark.parametrize(
    ("given_dtype", "dtype"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.float16, np.float64),
        (np.int8, np.float64),
        (np.uint64, np.float64),
        (bool, np.float64),
        (object, np.float64),
    ],
)
def test_floats_stay_and_other_numbers_become_doubles(given_dtype, dtype):
    numbers = np.arange(1, 25).reshape(2, 4, 3).astype(given_dtype)
    for given_X in (numbers, list(numbers)):
        values = as_sequences(given_X).values
        assert values.dtype == dtype
        np.testing.assert_array_equal(values, numbers.reshape(-1, 3).astype(dtype))


def test_mixed_dtypes_become_the_wider():
    pieces = ragged()
    assert as_sequences([pieces[0].astype(np.float32), pieces[1]]).values.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtype_is_what_is_asked_for(dtype):
    assert as_sequences(X, dtype).values.dtype == dtype


def altered(step, value, container=list):
    pieces = [piece.copy() for piece in ragged()]
    pieces[2][step, 1] = value
    return container(pieces)


@pytest.mark.parametrize("container", [list, tuple, object_array])
@pytest.mark.parametrize(
    ("value", "what"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")]
)
def test_what_is_not_finite_is_refused_with_its_place(container, value, what):
    with pytest.raises(DataError, match=f"X contains {what} at sequence 2, step 3, feature 1"):
        as_sequences(altered(3, value, container))


def test_first_of_several_is_named():
    bad = X.copy()
    bad[1, 2, 1] = np.nan
    bad[1, 3, 0] = np.inf
    with pytest.raises(DataError, match="NaN at sequence 1, step 2, feature 1"):
        as_sequences(bad)


def test_what_overflows_the_dtype_is_refused():
    with pytest.raises(
        DataError, match=r"X contains 1e\+300 at sequence 2, step 1, feature 1, too"
    ):
        as_sequences(altered(1, 1e300), np.float32)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.ones(4), r"X has 1 dimension\(s\), shape \(4,\); expected 3: \(n_samples"),
        (np.ones((4, 2)), r"X has 2 dimension.*recording of many steps is \[X\].*X\[:, :, None\]"),
        (np.ones((2, 2, 2, 2)), r"X has 4 dimension.*expected 3: .*are a list of 2-D arrays"),
        (np.ones((0, 3, 2)), "X holds no sequences; expected at least one"),
        (np.ones((3, 0, 2)), "sequence 0 of X has no steps.*Leave empty sequences"),
        (np.ones((3, 2, 0)), "X has 0 features a step"),
        ([], "X holds no sequences"),
        ([np.ones((3, 2)), np.ones((0, 2))], "sequence 1 of X has no steps"),
        ([np.ones((3, 2)), np.ones(3)], r"X\[1\] has 1 dimension\(s\), shape \(3,\); expected 2"),
        ([np.ones((3, 2)), np.ones((3, 4))], r"X\[1\] has 4 feature\(s\) a step, X\[0\] has 2"),
        ([[[1.0, 2.0], [3.0]]], r"X\[0\] is not a rectangular array: its rows differ in length"),
        (np.full((2, 3, 1), "a"), "X has dtype <U1; expected real numbers. Encode text"),
        ({"a": 1}, "X is of type dict; expected an array, or a list of arrays"),
        (None, "X is of type NoneType; expected an array"),
        ("abc", "X is of type str; expected an array"),
        (iter([np.ones((3, 2))]), "X is of type list_iterator; expected an array"),
        (np.array(3.0), r"X has 0 dimension\(s\)"),
    ],
)
def test_what_is_no_sequences_is_refused_in_words(bad, message):
    with pytest.raises(DataError, match=message):
        as_sequences(bad)


def test_message_uses_the_name_given():
    with pytest.raises(DataError, match="signal has 1 dimension"):
        as_sequences(np.ones(3), name="signal")
