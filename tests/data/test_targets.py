import numpy as np
import pytest

from elman.data import as_sequences
from elman.data.targets import (
    step_labels,
)
from elman.errors import DataError


def object_array(pieces):
    array = np.empty(len(pieces), object)
    array[:] = pieces
    return array


X = np.random.default_rng(1).standard_normal((4, 5, 2))
STACK = as_sequences(X)
RAGGED = as_sequences([np.ones((n, 2)) * n for n in (3, 1, 4)])


# What belongs to each step


@pytest.mark.parametrize("container", [list, tuple, object_array])
def test_steps_lie_flat_as_the_values_do(container):
    y = container([np.array([1, 2, 3]), np.array([4]), np.array([5, 6, 7, 8])])
    assert step_labels(y, RAGGED).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_steps_of_a_stack_may_be_an_array():
    y = np.arange(1, 21).reshape(4, 5)
    assert step_labels(y, STACK).tolist() == list(range(1, 21))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[1, 2, 3], [4]], "y has 2 entries for 3 sequences"),
        ([[1, 2, 3], [4, 5], [5, 6, 7, 8]], r"y\[1\] has 2 entries, but sequence 1 has 1 step"),
        ([1, 2, 3], r"y\[0\] has 0 dimension.*For one label a sequence use RNNClassifier"),
        (
            [[1, 2, 3], [[4]], [5, 6, 7, 8]],
            r"y\[1\] has 2 dimension\(s\), shape \(1, 1\); expected 1: a value for each of the 1 step",
        ),
        ("abc", "y is a str; expected an array"),
        (None, "y is a NoneType"),
    ],
)
def test_what_does_not_belong_to_steps_is_refused_in_words(y, message):
    with pytest.raises(DataError, match=message):
        step_labels(y, RAGGED)
