import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data import Batch, Division, as_sequences

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=12)


def sequences_of(lengths, n_features=3, dtype=np.float64):
    """Sequences in which every number is another: sequence · 100 + step, and a tenth a feature."""
    return as_sequences(
        [
            (100 * i + np.arange(length)[:, None] + np.arange(1, n_features + 1) / 10).astype(dtype)
            for i, length in enumerate(lengths, start=1)
        ]
    )


@st.composite
def batches(draw):
    lengths = draw(LENGTHS)
    indices = draw(st.permutations(range(len(lengths))))
    n_members = draw(st.integers(1, len(lengths)))
    return sequences_of(lengths), np.array(indices[:n_members]), draw(st.integers(1, 6))


def cut(batch, every_step):
    sequences, indices, shard_size = batch
    return list(Batch.of(sequences, indices, every_step).shards(shard_size))


def expected_members(sequences, indices, shard_size):
    """The members of each shard, by Python's own stable sort."""
    ordered = sorted(indices.tolist(), key=lambda i: -sequences.lengths[i])
    return [ordered[start : start + shard_size] for start in range(0, len(ordered), shard_size)]


@given(batch=batches(), every_step=st.booleans())
def test_every_step_lands_once_and_in_its_place(batch, every_step):
    """Step t of a shard's j-th longest sequence is column j of block t; and there is no more."""
    sequences = batch[0]
    shards = cut(batch, every_step)
    for shard, members in zip(shards, expected_members(*batch), strict=True):
        assert len(shard.x) == sequences.lengths[members[0]]
        for t, block in enumerate(shard.x):
            alive = [i for i in members if sequences.lengths[i] > t]
            np.testing.assert_array_equal(block.T, [sequences[i][t] for i in alive])


@given(batch=batches(), every_step=st.booleans())
def test_nothing_is_padded(batch, every_step):
    sequences, indices, _ = batch
    n_numbers = sum(block.size for shard in cut(batch, every_step) for block in shard.x)
    assert n_numbers == sequences.lengths[indices].sum() * sequences.n_features


@given(batch=batches())
def test_members_come_with_their_starts_and_lengths_longest_first(batch):
    sequences, indices, _ = batch
    whole = Batch.of(sequences, indices, every_step=False)
    assert sorted(whole.members) == sorted(indices)
    assert (np.diff(whole.lengths) <= 0).all()
    for i, start, length in zip(whole.members, whole.starts, whole.lengths, strict=True):
        np.testing.assert_array_equal(sequences.values[start : start + length], sequences[i])


@given(batch=batches())
def test_shards_are_full_but_for_the_last(batch):
    _, indices, shard_size = batch
    widths = [shard.x[0].shape[1] for shard in cut(batch, every_step=False)]
    assert sum(widths) == len(indices)
    assert all(width == shard_size for width in widths[:-1])
    assert 1 <= widths[-1] <= shard_size


@given(batch=batches())
def test_each_sequence_answers_at_its_last_step_alone(batch):
    sequences, indices, _ = batch
    answered = []
    for shard in cut(batch, every_step=False):
        rows = iter(shard.rows)
        for t, (block, first) in enumerate(zip(shard.x, shard.answers_from, strict=True)):
            assert 0 <= first <= block.shape[1]
            for column in block[:, first:].T:
                i = next(rows)
                assert t == sequences.lengths[i] - 1
                np.testing.assert_array_equal(column, sequences[i][-1])
                answered.append(i)
        assert next(rows, None) is None
    assert sorted(answered) == sorted(indices)


@given(batch=batches())
def test_each_step_answers_once_where_all_have_labels(batch):
    sequences, indices, _ = batch
    answered = []
    for shard in cut(batch, every_step=True):
        assert not shard.answers_from.any()
        columns = np.concatenate(shard.x, axis=1)
        np.testing.assert_array_equal(columns.T, sequences.values[shard.rows])
        answered += shard.rows.tolist()
    assert sorted(answered) == sorted(sequences.rows(indices))


@given(batch=batches())
def test_steps_go_back_to_where_they_came_from(batch):
    sequences, indices, _ = batch
    returned = np.full_like(sequences.values, np.nan)
    for shard in cut(batch, every_step=True):
        returned[shard.rows] = np.concatenate(shard.x, axis=1).T
    for i in range(len(sequences)):
        steps = returned[sequences.offsets[i] : sequences.offsets[i + 1]]
        if i in indices:
            np.testing.assert_array_equal(steps, sequences[i])
        else:
            assert np.isnan(steps).all()


def test_equal_lengths_keep_the_order_of_the_batch():
    sequences = sequences_of([2, 3, 2, 3, 2])
    (shard,) = Batch.of(sequences, np.array([4, 1, 0, 3, 2]), every_step=False).shards(9)
    np.testing.assert_array_equal(shard.x[0][0], [200.1, 400.1, 500.1, 100.1, 300.1])


@given(lengths=LENGTHS, every_step=st.booleans())
def test_all_of_them_are_a_batch_as_any_others(lengths, every_step):
    stack = as_sequences(np.ones((len(lengths), lengths[0], 3)))  # which needs no sorting
    for sequences in (sequences_of(lengths), stack):
        whole = Batch.all_of(sequences, every_step)
        expected = Batch.of(sequences, np.arange(len(lengths)), every_step)
        for name in ("members", "starts", "lengths", "carried"):
            np.testing.assert_array_equal(getattr(whole, name), getattr(expected, name))
        for name in ("every_step", "n_sequences", "n_answers", "division"):
            assert getattr(whole, name) == getattr(expected, name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_keep_the_dtype_and_are_contiguous(dtype):
    sequences = sequences_of([2, 5, 3], dtype=dtype)
    (shard,) = Batch.all_of(sequences, every_step=True).shards(3)
    for block in shard.x:
        assert block.dtype == dtype
        assert block.flags.c_contiguous


def test_laying_out_leaves_the_sequences_as_they_were():
    sequences = sequences_of([2, 5, 3])
    before = sequences.values.copy()
    (shard,) = Batch.all_of(sequences, every_step=True).shards(3)
    for block in shard.x:
        block[...] = -1
    np.testing.assert_array_equal(sequences.values, before)


@given(batch=batches(), begin=st.integers(0, 9), n_steps=st.integers(1, 9))
def test_a_window_has_some_steps_of_each_sequence_that_has_any(batch, begin, n_steps):
    sequences, indices, _ = batch
    whole = Batch.of(sequences, indices, every_step=True)
    window = whole.window(begin, n_steps)
    found = {}
    for i, start, length in zip(window.members, window.starts, window.lengths, strict=True):
        found[i] = sequences.values[start : start + length].tolist()
    expected = {i: sequences[i][begin : begin + n_steps].tolist() for i in whole.members}
    assert found == {i: steps for i, steps in expected.items() if steps}
    np.testing.assert_array_equal(window.members, whole.members[: len(window)])
    np.testing.assert_array_equal(window.carried, whole.carried[: len(window)])


def test_sequences_keep_their_process_when_others_are_left_out():
    divisions = [Division((0, 3, 3, 8), process).first(5) for process in range(3)]
    assert [division.own for division in divisions] == [slice(0, 3), slice(3, 3), slice(3, 5)]
    assert {(division.n_sequences, division.n_processes) for division in divisions} == {(5, 3)}
