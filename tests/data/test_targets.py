from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data import Examples, as_sequences
from elman.data.targets import (
    as_classes,
    cast_weights,
    has_step_labels,
    label_weights,
    refuse_other_kind,
    sequence_labels,
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
            r"y is a SeriesGroupBy; .*\[part for _, part in y\]",
        ),
        ("abc", "y is a str; expected an array"),
        (None, "y is a NoneType"),
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


# Weights


def test_a_number_is_the_weight_of_all():
    assert label_weights(2, RAGGED, every_step=False).tolist() == [2, 2, 2]
    assert label_weights(None, RAGGED, every_step=True).tolist() == [1] * 8


def test_weight_of_a_sequence_is_that_of_its_steps():
    assert label_weights([3, 0, 5], RAGGED, every_step=True).tolist() == [3, 3, 3, 0, 5, 5, 5, 5]
    of_steps = [[1, 2, 3], [4], [5, 6, 7, 8]]
    assert label_weights(of_steps, RAGGED, every_step=True).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("every_step", [False, True])
def test_a_column_of_weights_is_a_weight_a_sequence(every_step):
    expected = label_weights([1, 2, 3], RAGGED, every_step)
    column = np.array([[1], [2], [3]], object)
    np.testing.assert_array_equal(label_weights(column, RAGGED, every_step), expected)


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
        label_weights(weights, RAGGED, every_step)


@pytest.mark.parametrize(
    ("weights", "found"),
    [([[1, 2, 3], [4], [5, 6, 7, 8]], "weights for steps"), (np.ones((3, 2)), r"shape \(3, 2\)")],
)
def test_weights_of_steps_are_not_those_of_sequences(weights, found):
    with pytest.raises(DataError, match=rf"has {found}; expected \(3,\)"):
        label_weights(weights, RAGGED, every_step=False)


def test_huge_weights_have_a_mean():
    assert example([1e308, 3e307] * 4).mean(np.array([1, 0] * 4)) == pytest.approx(1 / 1.3)


def example(weights, every_step=True):
    weights = np.array(weights, float)
    return Examples(RAGGED, np.arange(len(weights)), weights, every_step)


def test_what_has_weight_zero_is_left_out():
    present = example([0, 1, 0, 0, 1, 0, 2, 0]).present()
    assert present.sequences.lengths.tolist() == [2, 3]
    assert present.labels.tolist() == [0, 1, 4, 5, 6]
    assert present.weights.tolist() == [0, 1, 1, 0, 2]
    assert present.sequences.locate(2) == "sequence 2, step 0"
    np.testing.assert_array_equal(present.sequences.values[:, 0], [3, 3, 4, 4, 4])
    assert present.mean_weight == (1 + 1.5) / 2
    present = example([1, 0, 2], every_step=False).present()
    assert present.sequences.lengths.tolist() == [3, 4]
    assert present.labels.tolist() == [0, 2]
    assert present.mean_weight == 1.5


def test_what_has_no_weight_has_no_label():
    labels = np.array([1, None, 2, "a"] * 2, object)
    checked = replace(example([1, 0, 1, 0] * 2), labels=labels).with_checked_labels()
    assert checked.labels.dtype.kind == "i"
    assert checked.labels[::2].tolist() == [1, 2] * 2
    with pytest.raises(DataError, match="missing labels"):
        replace(example([1] * 8), labels=labels).with_checked_labels()


def test_labels_are_of_the_kind_of_those_known():
    with pytest.raises(DataError, match=r"\[0, 1, 2\], the model's are \['a', 'b'\]; .*both text"):
        refuse_other_kind(np.arange(8), np.array(["a", "b"]))
    refuse_other_kind(np.arange(8), np.array([0.0]))
    assert example([1] * 8).with_checked_labels().labels.tolist() == list(range(8))


def test_what_has_weight_stays_as_it_is():
    all_there = example([1] * 8)
    assert all_there.present() is all_there


def test_nothing_with_weight_is_refused():
    with pytest.raises(DataError, match="all sample weights are zero"):
        example([0] * 8).present()


@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=6), data=st.data())
def test_leaving_out_weight_zero_keeps_all_other_labels(lengths, data):
    sequences = as_sequences([np.full((n, 1), float(i)) for i, n in enumerate(lengths)])
    n = sum(lengths)
    weights = np.array(
        data.draw(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=n, max_size=n))
    )
    if not weights.any():
        weights[-1] = 1
    given_examples = Examples(sequences, np.arange(n), weights, every_step=True)
    present = given_examples.present()
    kept = present.weights > 0
    np.testing.assert_array_equal(present.labels[kept], np.flatnonzero(weights))
    np.testing.assert_array_equal(present.weights[kept], weights[weights > 0])
    ends = present.sequences.offsets[1:] - 1
    assert (present.weights[ends] > 0).all()
    np.testing.assert_array_equal(present.sequences.values, sequences.values[present.labels])


def test_weights_too_small_for_the_dtype_are_the_smallest_there_are():
    cast = cast_weights(np.array([0.0, 1e-60, 1.0]), np.dtype(np.float32))
    assert cast.tolist() == [0, np.finfo(np.float32).tiny, 1]


def test_missing_labels_of_pandas_are_called_missing():
    with pytest.raises(DataError, match="missing labels"):
        as_classes(sequence_labels(pd.array([1, None], "Int64"), 2))


@pytest.mark.parametrize("largest", [3e19, 3e38, 1e39])
def test_weights_too_large_for_the_dtype_are_refused(largest):
    with pytest.raises(DataError, match=r"too large for dtype float32. Divide all"):
        cast_weights(np.array([1.0, largest]), np.dtype(np.float32))
    assert cast_weights(np.array([1.0, largest]), np.dtype(np.float64)).max() == largest
