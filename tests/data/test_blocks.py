"""Rows in files: which files these are, that they stay as they are, and the order they are read in."""

import os

import numpy as np
import pytest

from elman.data import as_sequences, blocks
from elman.data.blocks import Files, place_in_file
from elman.data.rows import Rows
from elman.errors import DataError
from sources import D, small_blocks, two_files


@pytest.fixture(autouse=True)
def in_small_blocks(monkeypatch):
    small_blocks(monkeypatch)


@pytest.fixture
def values():
    return np.random.default_rng(0).standard_normal((72, D)).astype(np.float32)


@pytest.mark.parametrize("lay_out", [list, np.array], ids=["list of views", "array"])
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_mapped_arrays_are_read_from_their_file(tmp_path, mode, lay_out):
    X = np.random.default_rng(0).standard_normal((20, 4, D))
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode=mode)
    part = mapped[3:15]
    given = list(part) if lay_out is list else part
    sequences = as_sequences(given)
    assert isinstance(getattr(sequences.unread, "source", None), Files) == (mode != "c")
    np.testing.assert_array_equal(np.asarray(sequences.values), X[3:15].reshape(-1, D))
    assert place_in_file(mapped[:, ::2]) is place_in_file(X) is None
    if mode == "r+":
        part[0] = 7  # before anything was flushed
        np.testing.assert_array_equal(as_sequences(given).values[:4], 7)


# What happens to files


@pytest.fixture
def files(values, tmp_path):
    return two_files(values, tmp_path)


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
    monkeypatch.setattr(blocks._State, "of", lambda file: before)
    with pytest.raises(DataError, match=r"ends after 100 bytes"):
        rows[40:50]


# Shuffling


def ordered(lengths, some, seed=0):
    files = Files.__new__(Files)
    files.n_features, files.dtype = D, np.dtype(np.float32)
    starts = np.cumsum(lengths) - lengths
    return files.order(starts[some], lengths[some], np.random.default_rng(seed))


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
    source = two_files(values, tmp_path)
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


def test_neighbours_in_one_batch_cost_no_blocks(tmp_path, monkeypatch):
    """Read as one they are longer than any sequence, and need more rows behind a block."""
    monkeypatch.setattr(blocks, "BLOCK", 400 * D * 4)
    monkeypatch.setattr(blocks, "WINDOW", 4 * 400 * D * 4)
    X = np.random.default_rng(0).standard_normal((3000, 4, D)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    sequences = as_sequences(np.load(tmp_path / "X.npy", mmap_mode="r"))
    read = []
    fill = Files._fill
    monkeypatch.setattr(
        Files, "_fill", lambda *given: read.append(given[-1].nbytes) or fill(*given)
    )
    order = sequences.unread.order(np.random.default_rng(0))
    for start in range(0, len(order), 32):
        batch = order[start : start + 32]
        np.testing.assert_array_equal(
            sequences.take(batch).loaded().values.reshape(-1, 4, D), X[batch]
        )
    assert sum(read) < 1.1 * X.nbytes
