import numpy as np
import pytest

from elman.data import as_sequences
from elman.data.weights import cast_weights, target_weights
from elman.errors import DataError

RAGGED = as_sequences([np.ones((n, 2)) * n for n in (3, 1, 4)])


def test_a_number_is_the_weight_of_all():
    assert target_weights(2, RAGGED, every_step=False).tolist() == [2, 2, 2]
    assert target_weights(None, RAGGED, every_step=True).tolist() == [1] * 8


def test_weight_of_a_sequence_is_that_of_its_steps():
    assert target_weights([3, 0, 5], RAGGED, every_step=True).tolist() == [3, 3, 3, 0, 5, 5, 5, 5]
    of_steps = [[1, 2, 3], [4], [5, 6, 7, 8]]
    assert target_weights(of_steps, RAGGED, every_step=True).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("every_step", [False, True])
def test_a_column_of_weights_is_a_weight_a_sequence(every_step):
    expected = target_weights([1, 2, 3], RAGGED, every_step)
    column = np.array([[1], [2], [3]], object)
    np.testing.assert_array_equal(target_weights(column, RAGGED, every_step), expected)


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, None, 2], "must hold finite numbers"),
        ([1, "a", 2], "must hold finite numbers"),
        ([1, -1, 2], "none below zero"),
        (np.ma.masked_equal([1, 2, 3], 2), "sample_weight is an array with a mask"),
        ([1, 2], r"shape \(2,\); expected \(3,\)"),
        (np.ones((3, 2, 1)), r"sample_weight(\[0\])? has"),
    ],
    ids=str,
)
def test_what_are_no_weights_is_refused_in_words(weights, message, every_step):
    with pytest.raises(DataError, match=message):
        target_weights(weights, RAGGED, every_step)


@pytest.mark.parametrize(
    ("weights", "found"),
    [([[1, 2, 3], [4], [5, 6, 7, 8]], "weights for steps"), (np.ones((3, 2)), r"shape \(3, 2\)")],
)
def test_weights_of_steps_are_not_those_of_sequences(weights, found):
    with pytest.raises(DataError, match=rf"has {found}; expected \(3,\)"):
        target_weights(weights, RAGGED, every_step=False)


def test_weights_too_small_for_the_dtype_are_the_smallest_there_are():
    cast = cast_weights(np.array([0.0, 1e-60, 1.0]), np.dtype(np.float32))
    assert cast.tolist() == [0, np.finfo(np.float32).tiny, 1]


@pytest.mark.parametrize("largest", [3e19, 3e38, 1e39])
def test_weights_too_large_for_the_dtype_are_refused(largest):
    with pytest.raises(DataError, match=r"too large for dtype float32. Divide all"):
        cast_weights(np.array([1.0, largest]), np.dtype(np.float32))
    assert cast_weights(np.array([1.0, largest]), np.dtype(np.float64)).max() == largest
