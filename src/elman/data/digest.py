"""Which data these are: digests, so that a training is not gone on with on others."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from elman._typing import Array
from elman.data.examples import Examples
from elman.data.sequences import Sequences

WHOLE = 1 << 28
"""Bytes of an array that is read whole; of a larger one, so many."""

_BLOCKS = 1 << 12  # that a larger one is read in, evenly spread, with its beginning and its end


def storage(examples: Examples) -> str:
    """Say where sequences are, as far as the order of epochs depends on it (``Examples.order``)."""
    if not examples.sequences.in_files:
        return "in memory"
    return _digest(examples.order(np.random.default_rng(0)))


def digests(examples: Examples) -> dict[str, str]:
    """Compute a digest each of sequences, targets and weights.

    Of more than 256 MB, 256 MB are read, in blocks evenly spread over them: to read all of a large
    file would take as long as training on it for a while, and data that differ are different data or
    differ throughout.

    Parameters
    ----------
    examples : Examples
        Encoded, before anything is kept aside.

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
    """Compute one digest of sequences and targets as they were read, before a model takes them.

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
        n_rows = max(1, rows * WHOLE // max(array.nbytes, 1) // _BLOCKS)  # of a block
        whole = array.nbytes <= WHOLE
        n_blocks = -(-rows // n_rows) if whole else _BLOCKS
        for block in range(n_blocks):
            start = block * n_rows if whole else block * (rows - n_rows) // (n_blocks - 1)
            digest.update(np.ascontiguousarray(array[start : start + n_rows]).data)
    return digest.hexdigest()
