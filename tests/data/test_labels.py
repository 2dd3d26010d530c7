import numpy as np
import pandas as pd
import pytest

from elman.data import as_sequences
from elman.data.labels import as_classes, has_step_labels, sequence_labels, step_labels
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
            [[1, 2, 3], [[4, 4]], [5, 6, 7, 8]],
            r"y\[1\] has 2 dimension\(s\), shape \(1, 2\); expected 1: a value for each of the 1 step",
        ),
        ([np.ma.masked_equal([1, 2, 3], 3), [4], [5, 6, 7, 8]], r"y\[0\] is an array with a mask"),
        (
            pd.Series(
                range(8), pd.MultiIndex.from_tuples([(i, t) for i in "ab" for t in range(4)])
            ),
            r"y has 8 entries for 3.*\[part for _, part in y.groupby\(level=0\)\]",
        ),
        (
            pd.DataFrame({"y": [1, 2], "i": [0, 1]}).groupby("i")["y"],
            r"y is of type SeriesGroupBy; .*\[part for _, part in y\]",
        ),
        ("abc", "y is of type str; expected an array"),
        (None, "y is of type NoneType"),
    ],
)
def test_what_does_not_belong_to_steps_is_refused_in_words(y, message):
    with pytest.raises(DataError, match=message):
        step_labels(y, RAGGED)


def test_last_axis_of_one_is_left_out():
    y = np.arange(20).reshape(4, 5)
    assert step_labels(y[:, :, None], STACK).tolist() == list(range(20))
    assert step_labels([[[1], [2], [3]], [[4]], np.ones((4, 1))], RAGGED).tolist() == [
        *[1, 2, 3, 4],
        *[1.0] * 4,
    ]


@pytest.mark.parametrize(
    "y",
    [
        [["a", "b", "c"], [1], ["a", "b", "c", "d"]],
        [np.array(["a", "b", "c"]), np.array([1]), np.array(["a", "b", "c", "d"])],
        [["a", "b", 1], ["a"], ["a", "b", "c", "d"]],
    ],
)
def test_numbers_beside_text_stay_numbers_and_are_refused(y):
    labels = step_labels(y, RAGGED)
    assert 1 in labels.tolist()
    with pytest.raises(DataError, match="labels of type int, str"):
        as_classes(labels)


# What y is


STEPS = np.array([[0, 1, 1], [1, 1, 0]])
ONE_HOT = np.eye(3, dtype=int)[[0, 2, 1, 0]]


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([0, 1, 2], False),
        (["a", "b"], False),
        (np.array([[0], [1]]), False),
        ([[0], [1]], False),
        (pd.Series(["a", "b"]), False),
        (pd.DataFrame({"y": [0, 1]}), False),
        (STEPS, True),
        (STEPS.tolist(), True),
        ([[0, 1], [1]], True),
        (object_array([np.array([0, 1]), np.array([1])]), True),
        (pd.Series([np.array([0, 1]), np.array([1])]), True),
        ([np.array([0, 1]), np.array([1, 0])], True),  # a list of arrays says so
        ([np.array([0]), np.array([1, 0])], True),
        ([np.array([0]), np.array([1])], True),
    ],
    ids=str,
)
def test_labels_of_steps_are_told_from_labels_of_sequences(y, expected):
    assert has_step_labels(y) is expected


@pytest.mark.parametrize(
    "y",
    [ONE_HOT, ONE_HOT.astype(float), ONE_HOT.astype(bool), pd.get_dummies(pd.Series(list("abca")))],
)
def test_one_hot_is_refused_with_advice_that_works(y):
    with pytest.raises(DataError, match=r"looks one-hot.*np.argmax\(y, axis=1\).*pass list\(y\)"):
        has_step_labels(y)
    with pytest.raises(DataError, match=r"looks one-hot. Pass np.argmax.*use RNNTagger"):
        sequence_labels(y, 4)
    assert sequence_labels(np.argmax(y, axis=1), 4).shape == (4,)
    assert has_step_labels(list(np.asarray(y)))


@pytest.mark.parametrize("y", [ONE_HOT.tolist(), list(ONE_HOT), ONE_HOT.astype(object)])
def test_one_hot_lists_are_no_labels_of_sequences(y):
    with pytest.raises(DataError, match=r"one-hot. Pass np.argmax\("):
        sequence_labels(y, 4)
    assert sequence_labels(np.argmax(np.asarray(y, float), axis=1), 4).tolist() == [0, 2, 1, 0]


def test_one_hot_steps_are_refused_with_advice_that_works():
    y = np.eye(3)[np.zeros((4, 5), int)]
    with pytest.raises(DataError, match=r"\[np.argmax\(labels, axis=1\) for labels in y\]"):
        step_labels(y, STACK)
    assert step_labels([np.argmax(labels, axis=1) for labels in y], STACK).tolist() == [0] * 20


@pytest.mark.parametrize("y", [[[0], [1]], np.array([[0], [1]]), pd.DataFrame([0, 1])])
def test_a_column_is_a_label_a_sequence(y):
    assert sequence_labels(y, 2).tolist() == [0, 1]


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 1]),
        np.array([0, 1], np.uint8),
        np.array([True, False]),
        np.array([0.0, 1.0]),
        np.array(["a", "b"]),
        np.array(["a", "b"], object),
        np.array([1, 2], object),
    ],
    ids=str,
)
def test_whole_numbers_truth_and_text_are_classes(labels):
    assert as_classes(labels).tolist() == labels.tolist()


@pytest.mark.parametrize("labels", [[1, 2], [True, False], [0.0, 1.0]])
def test_numbers_that_came_as_objects_are_numbers(labels):
    assert as_classes(np.array(labels, object)).dtype == np.array(labels).dtype


def test_range_is_labels():
    assert sequence_labels(range(3), 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array(["2020-01-01"], "M8[D]"), r"labels of type datetime64\[D\].*astype\(str\)"),
        (np.array([3], "m8[s]"), r"labels of type timedelta64\[s\]"),
        (np.array([b"a"]), r"labels of type \|S1"),
        (np.array([1], np.longdouble), "labels of type (float128|longdouble)"),
        (np.array([1j]), "labels of type complex128"),
        (np.array([(1, 2)], "i4,i4"), "labels of type "),
        (np.array([b"a"], "V1"), r"labels of type \|V1"),
        (np.array(["a", 1], object), "labels of type int, str; expected .* all of one kind"),
        (np.array(["a", None], object), "missing labels"),
        (np.array([np.nan, 1.0]), "missing labels"),
        (np.array([np.inf, 1.0]), "missing labels"),
        (np.array(["NaT"], "M8[D]"), "missing labels"),
        (np.array([1, float("nan")], object), "missing labels"),
        (np.array(["a", pd.NA], object), "missing labels"),
        (np.array([b"a", b"b"], object), "labels of type bytes"),
    ],
    ids=str,
)
def test_what_no_model_file_can_hold_is_no_class(labels, message):
    with pytest.raises(DataError, match=message):
        as_classes(labels)


def test_missing_labels_of_pandas_are_called_missing():
    with pytest.raises(DataError, match="missing labels"):
        as_classes(sequence_labels(pd.array([1, None], "Int64"), 2))


@pytest.mark.parametrize("y", [["bcd", "f"], ["abcde", "fgh"]])
def test_texts_that_are_a_character_too_short_or_too_long(y):
    X = as_sequences([np.zeros((len(text), 1)) for text in ("abcd", "ef")])
    with pytest.raises(DataError, match=r"y\[0\] is a text of \d characters, but sequence 0 has 4"):
        step_labels(y, X)
