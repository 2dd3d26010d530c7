"""What one pass over all steps finds is what a pass of its own would, to the bit."""

import numpy as np
import pytest

from elman.data import as_sequences
from elman.data import rows as stored
from elman.data.rows import Rows
from elman.data.standardizing import standardization
from elman.data.totals import Totals, blocks, totals_of

rng = np.random.default_rng(0)
VALUES = (3 + rng.standard_normal((40, 9, 3))).astype(np.float32)


@pytest.fixture(autouse=True)
def in_small_blocks(monkeypatch):
    monkeypatch.setattr("elman.data.totals.BLOCK", 100)
    monkeypatch.setattr(stored, "LARGE", 0)


def mapped(values, tmp_path):
    np.save(tmp_path / "X.npy", values)
    return np.load(tmp_path / "X.npy", mmap_mode="r")


def test_largest_and_sum_are_those_of_all_rows():
    totals = Totals(3, np.dtype(np.float32))
    flat, weights = VALUES.reshape(-1, 3), rng.uniform(0.5, 2, 360)
    for rows, block in blocks(flat):
        assert block.size <= 102
        totals.add(totals_of(block, weights[rows]))
    np.testing.assert_array_equal(totals.largest, np.abs(flat).max(axis=0))
    expected = (flat.astype(np.float64) * weights[:, None]).sum(axis=0)
    np.testing.assert_allclose(totals.sums, expected, rtol=1e-14)


def test_what_was_measured_is_not_read_again(tmp_path, monkeypatch):
    sequences = as_sequences(mapped(VALUES, tmp_path), measure=True)
    expected = standardization(as_sequences(VALUES), np.ones(360))
    n_read, read = 0, Rows.__getitem__

    def counted(self, rows):
        nonlocal n_read
        found = read(self, rows)
        n_read += len(found)
        return found

    monkeypatch.setattr(Rows, "__getitem__", counted)
    found = standardization(sequences, None)
    assert n_read == 360
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(standardization(sequences, np.ones(360)), expected)
    assert n_read == 3 * 360


@pytest.mark.parametrize("part", ["some", "shortened", "padded", "converted"])
def test_totals_are_not_those_of_a_part(part, tmp_path):
    values = VALUES.copy()
    if part == "padded":
        values[::2, 5:] = np.nan
    sequences = as_sequences(mapped(values, tmp_path), measure=True)
    if part == "some":
        sequences = sequences.take(np.arange(7))
    elif part == "shortened":
        sequences = sequences.shortened(np.arange(40) % 9 + 1)
    elif part == "converted":
        sequences = sequences.astype(np.float64)
    assert sequences.unread is not None
    flat = np.asarray(sequences.values)
    mean, deviation = standardization(sequences, None)
    np.testing.assert_allclose(mean, flat.mean(axis=0, dtype=np.float64), rtol=2e-7)
    np.testing.assert_allclose(deviation, flat.std(axis=0, dtype=np.float64), rtol=2e-6)
