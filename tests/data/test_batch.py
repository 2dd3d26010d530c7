import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data import as_sequences, pack
from elman.data.batch import Steps

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
    return list(pack(sequences, indices, every_step=every_step, shard_size=shard_size))


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
    n_numbers = sum(shard.x.buffer.size for shard in cut(batch, every_step))
    assert n_numbers == sequences.lengths[indices].sum() * sequences.n_features


@given(batch=batches(), every_step=st.booleans())
def test_counts_never_rise_and_are_the_widths(batch, every_step):
    for shard in cut(batch, every_step):
        assert (np.diff(shard.x.counts) <= 0).all()
        assert shard.x.counts[-1] >= 1
        assert [block.shape for block in shard.x] == [
            (batch[0].n_features, n_t) for n_t in shard.x.counts
        ]


@given(batch=batches())
def test_shards_are_full_but_for_the_last(batch):
    _, indices, shard_size = batch
    widths = [int(shard.x.counts[0]) for shard in cut(batch, every_step=False)]
    assert sum(widths) == len(indices)
    assert all(width == shard_size for width in widths[:-1])
    assert 1 <= widths[-1] <= shard_size


@given(batch=batches())
def test_each_sequence_answers_at_its_last_step_alone(batch):
    sequences, indices, _ = batch
    answered = []
    for shard in cut(batch, every_step=False):
        rows = iter(shard.rows)
        for t, (block, first) in enumerate(zip(shard.x, shard.answers_from)):
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
        columns = np.concatenate(list(shard.x), axis=1)
        np.testing.assert_array_equal(columns.T, sequences.values[shard.rows])
        answered += shard.rows.tolist()
    assert sorted(answered) == sorted(sequences.rows(indices))


@given(batch=batches())
def test_steps_go_back_to_where_they_came_from(batch):
    sequences, indices, _ = batch
    returned = np.full_like(sequences.values, np.nan)
    for shard in cut(batch, every_step=True):
        returned[shard.rows] = np.concatenate(list(shard.x), axis=1).T
    for i in range(len(sequences)):
        steps = returned[sequences.offsets[i] : sequences.offsets[i + 1]]
        if i in indices:
            np.testing.assert_array_equal(steps, sequences[i])
        else:
            assert np.isnan(steps).all()


def test_equal_lengths_keep_the_order_of_the_batch():
    sequences = sequences_of([2, 3, 2, 3, 2])
    (shard,) = pack(sequences, np.array([4, 1, 0, 3, 2]), every_step=False, shard_size=9)
    np.testing.assert_array_equal(shard.x[0][0], [200.1, 400.1, 500.1, 100.1, 300.1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_keep_the_dtype_and_are_contiguous_in_one_buffer(dtype):
    sequences = sequences_of([2, 5, 3], dtype=dtype)
    (shard,) = pack(sequences, np.arange(3), every_step=True, shard_size=3)
    for block in shard.x:
        assert block.dtype == dtype
        assert block.flags.c_contiguous
        assert np.shares_memory(block, shard.x.buffer)


def test_packing_leaves_the_sequences_as_they_were():
    sequences = sequences_of([2, 5, 3])
    before = sequences.values.copy()
    (shard,) = pack(sequences, np.arange(3), every_step=True, shard_size=3)
    shard.x.buffer[...] = -1
    np.testing.assert_array_equal(sequences.values, before)


def test_steps_are_a_sequence_of_blocks():
    steps = Steps(np.arange(1.0, 13.0), n_rows=2, counts=np.array([3, 2, 1]))
    assert len(steps) == 3
    np.testing.assert_array_equal(steps[1], [[7, 8], [9, 10]])
    np.testing.assert_array_equal(steps[-1], [[11], [12]])
    assert [block.shape for block in reversed(steps)] == [(2, 1), (2, 2), (2, 3)]
