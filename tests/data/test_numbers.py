import numpy as np
import pandas as pd
import pytest

from elman.data import Targets, as_sequences
from elman.data.numbers import checked_numbers, has_step_numbers, sequence_numbers, step_numbers
from elman.errors import DataError

LENGTHS = (3, 1, 4)
RAGGED = as_sequences([np.ones((n, 2)) * n for n in LENGTHS])


@pytest.mark.parametrize("container", [list, tuple, np.array, pd.Series])
def test_numbers_of_sequences_have_an_axis(container):
    assert sequence_numbers(container([1.5, 2, 3]), RAGGED).tolist() == [[1.5], [2], [3]]


def test_several_numbers_stay_together():
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [4.0, 5, 6]})
    assert sequence_numbers(frame, RAGGED).tolist() == [[1, 4], [2, 5], [3, 6]]
    of_steps = [np.arange(2 * n).reshape(n, 2) for n in LENGTHS]
    assert step_numbers(of_steps, RAGGED).tolist() == np.concatenate(of_steps).tolist()


def test_numbers_of_steps_lie_flat():
    y = [np.arange(n) for n in LENGTHS]
    assert step_numbers(y, RAGGED)[:, 0].tolist() == [0, 1, 2, 0, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("y", "n_numbers", "of_steps"),
    [
        ([1.0, 2.0], 1, False),
        ([[1.0], [2.0]], 1, False),
        ([np.ones(1), np.ones(1)], 1, True),
        ([np.ones(3), np.ones(2)], 1, True),
        ([[0, 1], [1, 0]], 1, True),  # which of labels would look one-hot
        ([[0, 1], [1, 0]], 2, False),
        ([np.ones((3, 2)), np.ones((1, 2))], 2, True),
    ],
)
def test_steps_and_numbers_are_told_apart(y, n_numbers, of_steps):
    assert has_step_numbers(y, n_numbers) == of_steps


def test_what_has_no_weight_has_no_number():
    values = np.array([[1], [None], ["3"], [np.nan]], object)
    targets = checked_numbers(Targets(values, np.array([1.0, 0, 1, 0]), every_step=False))
    assert targets.values.tolist() == [[1], [0], [3], [0]]
    assert targets.values.dtype == np.float64
    with pytest.raises(DataError, match=r"y has values such as 1, of type object|contains NaN"):
        checked_numbers(Targets(values, np.ones(4), every_step=False))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([["a"]]), "of type <U1"),
        (np.array([["2020-01-01"]], "M8[D]"), "of type datetime64"),
        (np.array([[10**400]], object), "of type object"),
        (np.array([[1j]]), "Complex data not supported"),
        (np.array([[np.inf]]), "infinity"),
    ],
)
def test_what_are_no_numbers_is_refused(values, message):
    with pytest.raises(DataError, match=message):
        checked_numbers(Targets(values, np.ones(1), every_step=False))


def test_a_loss_may_refuse_numbers():
    with pytest.raises(DataError, match=r"y has nothing but ones\."):
        checked_numbers(
            Targets(np.ones((2, 1)), np.ones(2), every_step=False), lambda _: "nothing but ones"
        )
