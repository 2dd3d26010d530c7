"""Digests of the data, so that a training is not continued on other data."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from elman._typing import Array
from elman.data.examples import Examples
from elman.data.sequences import Sequences

WHOLE = 1 << 28
"""An array of at most so many bytes is read whole; of a larger one, so many bytes are read."""

_BLOCKS = 1 << 12  # so many blocks of a larger one, evenly spread, with its beginning and end


def storage(examples: Examples) -> str:
    """Say how sequences are stored, because the order of epochs depends on it (``Examples.order``)."""
    if not examples.sequences.in_files:
        return "in memory"
    return _digest(examples.order(np.random.default_rng(0)))


def digests(examples: Examples) -> dict[str, str]:
    """Compute a digest of the sequences, one of the targets, and one of the weights.

    Of more than 256 MB, 256 MB are read, in evenly spread blocks: to read all of a large file would
    take long, and data that differ are usually different data or differ throughout.

    Parameters
    ----------
    examples : Examples
        Encoded, before validation data are kept aside.

    Returns
    -------
    dict
        ``"X"``, ``"y"`` and ``"sample_weight"``.
    """
    sequences, targets = examples.sequences, examples.targets
    return {
        "X": _digest(sequences.offsets, sequences.values),
        "y": _digest(targets.values),
        "sample_weight": _digest(targets.weights),
    }


def digest_of_test(X: Any, y: Any) -> str:
    """Compute one digest of the test's sequences and targets as they were read.

    Parameters
    ----------
    X : array, list of arrays, or Sequences
    y : array, or list of arrays
    """
    sequences = [X.offsets, X.values] if isinstance(X, Sequences) else _each(X)
    return _digest(*sequences, *_each(y))


def _each(of: Any) -> list[Array]:
    arrays = [of] if isinstance(of, np.ndarray) else [np.atleast_1d(one) for one in of]
    return [array.astype(str) if array.dtype == object else array for array in arrays]


def _digest(*arrays: Array) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}\0".encode())
        rows = len(array)
        n_rows = max(1, rows * WHOLE // max(array.nbytes, 1) // _BLOCKS)  # in each block
        whole = array.nbytes <= WHOLE
        n_blocks = -(-rows // n_rows) if whole else _BLOCKS
        for block in range(n_blocks):
            start = block * n_rows if whole else block * (rows - n_rows) // (n_blocks - 1)
            digest.update(np.ascontiguousarray(array[start : start + n_rows]).data)
    return digest.hexdigest()
