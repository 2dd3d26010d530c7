from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data import Examples, Targets, as_sequences
from elman.data.labels import checked_labels, refuse_other_kind
from elman.errors import DataError
from learners import LENGTHS, examples_of

RAGGED = as_sequences([np.ones((n, 2)) * n for n in (3, 1, 4)])


def test_huge_weights_have_a_mean():
    assert example([1e308, 3e307] * 4).targets.mean(np.array([1, 0] * 4)) == pytest.approx(1 / 1.3)


def example(weights, every_step=True):
    weights = np.array(weights, float)
    return Examples(RAGGED, Targets(np.arange(len(weights)), weights, every_step))


def test_what_has_weight_zero_is_left_out():
    present = example([0, 1, 0, 0, 1, 0, 2, 0]).present()
    assert present.sequences.lengths.tolist() == [2, 3]
    assert present.targets.values.tolist() == [0, 1, 4, 5, 6]
    assert present.targets.weights.tolist() == [0, 1, 1, 0, 2]
    assert present.sequences.locate(2) == "sequence 2, step 0"
    np.testing.assert_array_equal(present.sequences.values[:, 0], [3, 3, 4, 4, 4])
    assert present.mean_weight == (1 + 1.5) / 2
    present = example([1, 0, 2], every_step=False).present()
    assert present.sequences.lengths.tolist() == [3, 4]
    assert present.targets.values.tolist() == [0, 2]
    assert present.mean_weight == 1.5


def test_what_has_no_weight_has_no_label():
    labels = np.array([1, None, 2, "a"] * 2, object)
    checked = checked_labels(replace(example([1, 0, 1, 0] * 2).targets, values=labels))
    assert checked.values.dtype.kind == "i"
    assert checked.values[::2].tolist() == [1, 2] * 2
    with pytest.raises(DataError, match="missing labels"):
        checked_labels(replace(example([1] * 8).targets, values=labels))


def test_labels_are_of_the_kind_of_those_known():
    with pytest.raises(DataError, match=r"\[0, 1, 2\], the model's are \['a', 'b'\]; .*both text"):
        refuse_other_kind(np.arange(8), np.array(["a", "b"]))
    refuse_other_kind(np.arange(8), np.array([0.0]))
    assert checked_labels(example([1] * 8).targets).values.tolist() == list(range(8))


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
    given_examples = Examples(sequences, Targets(np.arange(n), weights, every_step=True))
    present = given_examples.present()
    kept = present.targets.weights > 0
    np.testing.assert_array_equal(present.targets.values[kept], np.flatnonzero(weights))
    np.testing.assert_array_equal(present.targets.weights[kept], weights[weights > 0])
    ends = present.sequences.offsets[1:] - 1
    assert (present.targets.weights[ends] > 0).all()
    np.testing.assert_array_equal(
        present.sequences.values, sequences.values[present.targets.values]
    )


@pytest.mark.parametrize("every_step", [True, False])
def test_taking_examples_takes_what_belongs_to_them(every_step):
    examples = examples_of(LENGTHS, every_step, weights=np.arange(1, 8))
    sequences, offsets = examples.sequences, examples.sequences.offsets
    indices = np.array([5, 0, 6, 0])
    taken = examples.take(indices)
    rows = [np.arange(offsets[i], offsets[i + 1]) if every_step else [i] for i in indices]
    found, given = taken.targets, examples.targets
    np.testing.assert_array_equal(found.values, given.values[np.concatenate(rows)])
    np.testing.assert_array_equal(found.weights, given.weights[np.concatenate(rows)])
    assert found.every_step == every_step
    for x, i in zip(taken.sequences, indices, strict=True):
        np.testing.assert_array_equal(x, sequences[i])


@pytest.mark.parametrize("every_step", [True, False])
def test_mean_weight_is_over_sequences_however_long(every_step):
    examples = examples_of((4, 1, 2), every_step, weights=(1, 5, 3))
    assert examples.mean_weight == 3


def test_mean_weight_of_steps_is_their_mean_in_each_sequence():
    examples = examples_of((2, 1), every_step=True)
    examples.targets.weights[...] = [1, 2, 7]
    assert examples.mean_weight == (1.5 + 7) / 2
