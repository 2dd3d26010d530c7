"""Data files: IDX, the format of MNIST (LeCun et al. 1998), and NumPy's .npz."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from math import prod
from pathlib import Path

import numpy as np

from elman._typing import Array
from elman.errors import DataError

_IDX_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path | str) -> Array:
    """Read an IDX file, plain or compressed with gzip.

    The format: two zero bytes, a byte for the type, a byte for the number of axes, each axis as a
    big-endian 32-bit integer, then the numbers.

    Parameters
    ----------
    path : path
        Whatever its name: what is gzip is known by its first two bytes.

    Returns
    -------
    array

    Raises
    ------
    DataError
        If the file is not IDX, is cut short, has bytes too many, or fails gzip's checksum.
    OSError
        If there is no such file, or it cannot be read.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":  # gzip (RFC 1952, section 2.3.1)
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path} is damaged: gzip cannot unpack it ({error}). Fetch the file again."
        ) from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_DTYPES:
        raise DataError(
            f"{path} is not an IDX file: expected it to begin with two zero bytes and a known type, "
            f"found {content[:4].hex(' ') or 'nothing'}."
        )
    dtype, n_axes = np.dtype(_IDX_DTYPES[content[2]]), content[3]
    header_size = 4 + 4 * n_axes
    if n_axes > 64 or len(content) < header_size:  # 64 is NumPy's limit
        raise DataError(
            f"{path} is damaged: its header is to have {n_axes} axes, and the file {len(content)} "
            "bytes. Fetch the file again."
        )
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", n_axes, offset=4))
    expected = header_size + prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise DataError(
            f"{path} is damaged: an array of shape {shape} needs {expected} bytes, the file has "
            f"{len(content)}. Fetch the file again."
        )
    numbers = np.frombuffer(content, dtype, offset=header_size).reshape(shape)
    return numbers.astype(dtype.newbyteorder("="))


def read_npz(path: Path | str) -> tuple[Array | list[Array], Array | list[Array] | None]:
    """Read sequences, and labels if there are any, from an .npz file. No code runs.

    Sequences of different lengths are not an object array, which NumPy stores as a pickle, but lie
    behind one another, their lengths beside them:

    >>> sequences = [np.ones((4, 2)), np.zeros((7, 2))]
    >>> np.savez(  # doctest: +SKIP
    ...     path, X=np.concatenate(sequences), lengths=[len(x) for x in sequences], y=[1, 0]
    ... )

    Parameters
    ----------
    path : path
        With ``X``: as an estimator takes it, or (n_steps_in_all, n_features) and ``lengths``
        (n_sequences,). And ``y``: a label a sequence, or a label a step; with ``lengths`` the steps'
        labels lie behind one another too (as many labels as sequences are the sequences').

    Returns
    -------
    X : array, or list of arrays (n_timesteps, n_features) where there are ``lengths``
    y : array, or list of arrays (n_timesteps,), or None where there are no labels

    Raises
    ------
    DataError
        If the file is no .npz, is damaged, holds no X, or holds pickles; or if lengths and steps do
        not agree.
    OSError
        If there is no such file, or it cannot be read.
    """
    how = (
        "Write it with numpy.savez(path, X=..., y=...); sequences of different lengths as "
        "X=numpy.concatenate(sequences), lengths=[len(x) for x in sequences]."
    )
    with Path(path).open("rb") as stream:
        if not zipfile.is_zipfile(stream):
            raise DataError(f"{path} is not an .npz file, or is damaged. {how}")
        stream.seek(0)
        try:
            with np.load(stream, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            if not all(isinstance(array, np.ndarray) for array in arrays.values()):
                raise ValueError("not all it holds is arrays")
        # What damage makes zipfile, zlib and NumPy raise has no common base.
        except Exception as error:  # noqa: BLE001
            raise DataError(
                f"{path} is not an .npz file of plain arrays, or is damaged ({error}). {how}"
            ) from None
    if "X" not in arrays:
        raise DataError(f"{path} has no array 'X', only {', '.join(arrays) or 'nothing'}. {how}")
    X, y, lengths = arrays["X"], arrays.get("y"), arrays.get("lengths")
    shapes = f"X of shape {X.shape}" + ("" if y is None else f" and y of shape {y.shape}")
    if X.ndim == 0 or (y is not None and y.ndim == 0):
        raise DataError(f"{path} has {shapes}; expected arrays. {how}")
    if lengths is None:
        return X, y
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (lengths < 0).any():
        raise DataError(f"{path} has lengths that are no list of numbers of steps. {how}")
    n_steps = sum(lengths.tolist())  # Python's integers do not overflow
    if len(X) != n_steps or (y is not None and y.shape not in ((n_steps,), lengths.shape)):
        raise DataError(
            f"{path} has {len(lengths)} lengths, {n_steps} steps in all, but {shapes}. {how}"
        )
    ends = np.cumsum(lengths)[:-1]
    if y is None or y.shape == lengths.shape:
        return np.split(X, ends), y
    return np.split(X, ends), np.split(y, ends)
