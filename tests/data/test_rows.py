"""Steps that stay where they are: read as they were written, in any order, or refused in words."""

import os
import pickle

import numpy as np
import pytest

from elman.data import Sequences, as_sequences
from elman.data import rows as stored
from elman.data.rows import Files, Part, Pieces, Rows, Stack, place_in_file
from elman.errors import DataError

LENGTHS = np.array([3, 1, 4, 1, 5, 9, 2, 6, 40, 1])
D = 3


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of 5 rows in float32, of which 6 are kept, and nothing so small that it is read whole."""
    monkeypatch.setattr(stored, "LARGE", 0)
    monkeypatch.setattr(stored, "BLOCK", 5 * D * 4)
    monkeypatch.setattr(stored, "WINDOW", 4 * 5 * D * 4)


@pytest.fixture
def values():
    return np.random.default_rng(0).standard_normal((LENGTHS.sum(), D)).astype(np.float32)


def source_of(kind, values, folder):
    if kind == "array":
        return Stack(values)
    if kind == "arrays":
        return Pieces([values[:10], values[10:11], values[11:]])
    (folder / "a").write_bytes(b"head" + values[:31].tobytes())
    (folder / "b").write_bytes(values[31:].tobytes())
    parts = [Part(str(folder / "a"), 4, 31), Part(str(folder / "b"), 0, len(values) - 31)]
    return Files(parts, np.float32, D)


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


@pytest.mark.parametrize("long", [0, stored.LONG], ids=["read by itself", "read with its block"])
def test_some_sequences_are_read_in_any_order(rows, values, long, monkeypatch):
    monkeypatch.setattr(stored, "LONG", long)
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


@pytest.mark.parametrize("lay_out", [list, np.array], ids=["list of views", "array"])
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_mapped_arrays_are_read_from_their_file(tmp_path, mode, lay_out):
    X = np.random.default_rng(0).standard_normal((20, 4, D))
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode=mode)
    part = mapped[3:15]
    given = list(part) if lay_out is list else part
    sequences = as_sequences(given)
    assert (sequences.unread is not None and sequences.unread.files is not None) == (mode != "c")
    np.testing.assert_array_equal(np.asarray(sequences.values), X[3:15].reshape(-1, D))
    assert place_in_file(mapped[:, ::2]) is place_in_file(X) is None
    if mode == "r+":
        part[0] = 7  # before anything was flushed
        np.testing.assert_array_equal(as_sequences(given).values[:4], 7)


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


# What happens to files


@pytest.fixture
def files(values, tmp_path):
    return source_of("files", values, tmp_path)


def test_file_too_short_is_refused_at_once(files, tmp_path):
    os.truncate(tmp_path / "b", 100)
    with pytest.raises(DataError, match=r"b ends after 100 bytes; 492 were expected"):
        Files(files.parts, np.float32, D)


def test_file_that_changes_is_refused(files, tmp_path):
    rows = Rows(files, np.arange(70), np.ones(70, int), np.float32)
    rows[40:50]
    os.truncate(tmp_path / "b", 100)
    with pytest.raises(
        DataError, match=r"b changed while it was read: it had 492 bytes, and has 100"
    ):
        rows[40:50]


def test_file_cut_short_between_looking_and_reading(files, tmp_path, monkeypatch):
    rows = Rows(files, np.arange(70), np.ones(70, int), np.float32)
    rows[40:50]
    os.truncate(tmp_path / "b", 100)
    before = files._states[str(tmp_path / "b")]
    monkeypatch.setattr(stored._State, "of", lambda file: before)
    with pytest.raises(DataError, match=r"ends after 100 bytes"):
        rows[40:50]


# Shuffling


def ordered(lengths, blocks, seed=0):
    files = Files.__new__(Files)
    files.n_features, files.dtype = D, np.dtype(np.float32)
    starts = np.cumsum(lengths) - lengths
    return files.order(starts[blocks], lengths[blocks], np.random.default_rng(seed))


def test_order_is_one_of_all_sequences_and_of_the_seed():
    lengths = np.random.default_rng(0).integers(1, 4, 500)
    some = np.random.default_rng(1).permutation(500)[:400]
    order = ordered(lengths, some)
    assert sorted(order) == list(range(400))
    np.testing.assert_array_equal(order, ordered(lengths, some))
    assert (order != ordered(lengths, some, seed=1)).any()


def test_few_blocks_are_wanted_at_a_time():
    lengths = np.ones(500, int)  # 5 to a block, 4 blocks to a window
    order = ordered(lengths, np.arange(500))
    windows = (order // 5).reshape(-1, 20)
    assert all(len(set(window)) == 4 for window in windows.tolist())
    assert len(set(np.ravel(windows[:, 0]))) > 20  # blocks in no order
    assert any((np.diff(window) < 0).any() for window in windows)  # and mixed


def test_order_of_an_epoch_reads_each_block_about_once(values, tmp_path, monkeypatch):
    lengths = np.ones(len(values), int)
    source = source_of("files", values, tmp_path)
    rows = Rows(source, np.arange(len(values)), lengths, np.float32)
    order = source.order(rows.starts, lengths, np.random.default_rng(0))
    read = []
    fill = Files._fill
    monkeypatch.setattr(
        Files, "_fill", lambda *given: read.append(given[-1].nbytes) or fill(*given)
    )
    for start in range(0, len(order), 4):
        batch = order[start : start + 4]
        np.testing.assert_array_equal(rows.take(batch)[:], values[batch])
    assert sum(read) < 1.6 * values.nbytes  # a block and a fifth of the next


def test_of_rows_keeps_arrays_in_memory(values):
    sequences = Sequences.of_rows(values, LENGTHS)
    assert sequences.values is values
    np.testing.assert_array_equal(sequences[4], values[9:14])
