"""Steps that stay where they are: read as they were written, in any order, or refused in words."""

import pickle

import numpy as np
import pytest

from elman.data import Sequences, as_sequences, blocks
from elman.data import rows as stored
from elman.data.rows import Pieces, Rows, Stack, offsets_of
from elman.errors import DataError
from sources import D, small_blocks, two_files

LENGTHS = np.array([3, 1, 4, 1, 5, 9, 2, 6, 40, 1])


@pytest.fixture(autouse=True)
def in_small_blocks(monkeypatch):
    small_blocks(monkeypatch)


@pytest.fixture
def values():
    return np.random.default_rng(0).standard_normal((LENGTHS.sum(), D)).astype(np.float32)


def source_of(kind, values, folder):
    if kind == "array":
        return Stack(values)
    if kind == "arrays":
        return Pieces([values[:10], values[10:11], values[11:]])
    return two_files(values, folder)


@pytest.fixture(params=["array", "arrays", "files"])
def rows(request, values, tmp_path):
    starts = np.cumsum(LENGTHS) - LENGTHS
    return Rows(source_of(request.param, values, tmp_path), starts, LENGTHS, np.float32)


def test_reading_is_indexing(rows, values):
    n = len(values)
    rng = np.random.default_rng(1)
    assert (rows.shape, len(rows), rows.nbytes) == (values.shape, n, values.nbytes)
    np.testing.assert_array_equal(np.asarray(rows), values)
    for a, b in [(0, n), (2, 30), (30, 33), (7, 7), (71, 900)]:
        np.testing.assert_array_equal(rows[a:b], values[a:b])
    np.testing.assert_array_equal(rows[5:60:7], values[5:60:7])
    for some in (rng.integers(0, n, 50), np.array([-1, 0]), values[:, 0] > 0, np.int64(4)):
        np.testing.assert_array_equal(rows[some], values[some])


@pytest.mark.parametrize("long", [0, blocks.LONG], ids=["read by itself", "read with its block"])
def test_some_sequences_are_read_in_any_order(rows, values, long, monkeypatch):
    monkeypatch.setattr(blocks, "LONG", long)
    offsets = np.append(0, np.cumsum(LENGTHS))
    rng = np.random.default_rng(2)
    for n in (1, 3, 10):
        for _ in range(20):
            some = rng.permutation(len(LENGTHS))[:n]
            expected = np.concatenate([values[offsets[i] : offsets[i + 1]] for i in some])
            np.testing.assert_array_equal(rows.take(some)[:], expected)
            cut = np.concatenate([values[offsets[i] : offsets[i] + 1] for i in some])
            np.testing.assert_array_equal(rows.take(some).shortened(np.ones(n, int))[:], cut)


def test_what_is_read_is_converted(rows, values):
    assert rows.astype(np.float64)[3:20].dtype == np.float64
    np.testing.assert_array_equal(rows.astype(np.float64)[3:20], values[3:20])
    with pytest.raises(ValueError, match="no array"):
        np.asarray(rows, copy=False)


def test_rows_go_to_other_processes(rows, values):
    rows[3:9]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows))[:], values)


def test_large_data_are_as_small_ones(monkeypatch):
    X = [np.random.default_rng(0).standard_normal((n, D)) for n in LENGTHS]
    padded = np.full((len(X), 40, D), np.nan)
    for row, x in zip(padded, X, strict=True):
        row[: len(x)] = x
    for given in (X, padded, np.stack([x[:1] for x in X])):
        for dtype in (None, np.float32):
            lazy = as_sequences(given, dtype)
            with monkeypatch.context() as m:
                m.setattr(stored, "LARGE", 1 << 26)
                eager = as_sequences(given, dtype)
            assert eager.unread is None
            assert eager.values.dtype == lazy.values.dtype
            np.testing.assert_array_equal(lazy.values, eager.values)
            np.testing.assert_array_equal(lazy.offsets, eager.offsets)
            assert (lazy.stacked, lazy.padded_to) == (eager.stacked, eager.padded_to)
            some = np.array([4, 1, 8])
            np.testing.assert_array_equal(lazy[some].values, eager[some].values)
            np.testing.assert_array_equal(lazy[-2], eager[-2])


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e300])
def test_what_is_not_finite_is_named_as_in_small_data(wrong, monkeypatch):
    X = [np.ones((n, D)) for n in LENGTHS]
    X[5][7, 2] = wrong
    with pytest.raises(DataError) as lazily:
        as_sequences(X, np.float32)
    monkeypatch.setattr(stored, "LARGE", 1 << 26)
    with pytest.raises(DataError) as eagerly:
        as_sequences(X, np.float32)
    assert "sequence 5, step 7, feature 2" in str(lazily.value)
    assert str(lazily.value) == str(eagerly.value)


def test_of_rows_keeps_arrays_in_memory(values):
    sequences = Sequences.of_rows(values, offsets_of(LENGTHS))
    assert sequences.values is values
    np.testing.assert_array_equal(sequences[4], values[9:14])
