"""Data files: IDX, the format of MNIST (LeCun et al. 1998), and NumPy's .npz.

The unpacked size is known before a file is unpacked, and is compared with the free memory.
"""

from __future__ import annotations

import gzip
import logging
import os
import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.lib import format as npy

from elman._files import open_file
from elman._memory import require_memory
from elman._typing import Array
from elman.errors import DataError

logger = logging.getLogger("elman")

_IDX_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path | str) -> Array:
    """Read an IDX file, plain or compressed with gzip.

    The format: two zero bytes, a byte for the type, a byte for the number of axes, each axis as a
    big-endian 32-bit integer, then the numbers.

    Parameters
    ----------
    path : path
        It may have any name: gzip is recognised by the first two bytes.

    Returns
    -------
    array

    Raises
    ------
    DataError
        If the file is not IDX, is cut short, has bytes too many, or fails gzip's checksum.
    MemoryError
        If there is too little memory for the unpacked data; then nothing is unpacked.
    OSError
        If there is no such file, or it cannot be read.
    """
    with open_file(path) as file:
        is_packed = file.read(2) == b"\x1f\x8b"  # gzip (RFC 1952, section 2.3.1)
        size = None if is_packed else file.seek(0, os.SEEK_END)
        file.seek(0)
        stream = gzip.GzipFile(fileobj=file) if is_packed else file
        try:
            return _read_idx(cast(IO[bytes], stream), size, path)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                f"{path} is damaged: gzip cannot unpack it ({error}). Fetch the file again."
            ) from None


def _read_idx(stream: IO[bytes], size: int | None, path: Path | str) -> Array:
    """Read IDX from a stream of ``size`` bytes; None if the size is known only at its end."""
    start = stream.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _IDX_DTYPES:
        raise DataError(
            f"{path} is not an IDX file: expected it to begin with two zero bytes and a known type, "
            f"found {start.hex(' ') or 'nothing'}."
        )
    dtype, n_axes = np.dtype(_IDX_DTYPES[start[2]]), start[3]
    axes = stream.read(4 * n_axes)
    if n_axes > 64 or len(axes) < 4 * n_axes:  # 64 is NumPy's limit
        raise DataError(
            f"{path} is damaged: its header is to have {n_axes} axes, and it ends after {len(axes)} "
            "bytes of them. Fetch the file again."
        )
    shape = tuple(int(n) for n in np.frombuffer(axes, ">u4"))
    expected = prod(shape) * dtype.itemsize
    n_bytes = expected if size is None else size - 4 - len(axes)
    if n_bytes == expected:
        require_memory(2 * expected, f"reading {path}")
        content = stream.read(expected)
        n_bytes = len(content) + len(stream.read(1))  # to the end, where gzip has its checksum
    if n_bytes != expected:
        raise DataError(
            f"{path} is damaged: an array of shape {shape} needs {expected} bytes, the file has "
            f"{'more' if size is None and n_bytes > expected else n_bytes}. Fetch the file again."
        )
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def read_npz(path: Path | str) -> tuple[Array | list[Array], Array | list[Array] | None]:
    """Read sequences, and labels if there are any, from an .npz file. No code runs.

    Sequences of different lengths are stored one behind another, with their lengths. (NumPy would store
    an object array as a pickle.)

    >>> sequences = [np.ones((4, 2)), np.zeros((7, 2))]
    >>> np.savez(  # doctest: +SKIP
    ...     path, X=np.concatenate(sequences), lengths=[len(x) for x in sequences], y=[1, 0]
    ... )

    Parameters
    ----------
    path : path
        With ``X``: as an estimator takes it, or (n_steps_in_all, n_features) and ``lengths``
        (n_sequences,). And ``y``: a label for each sequence, or for each step. With ``lengths``,
        labels of steps are also one behind another (if there are as many labels as sequences, they are
        the sequences'). Numbers to predict may have one more axis. If there are arrays with other
        names, a warning is logged.

    Returns
    -------
    X : array, or list of arrays (n_timesteps, n_features) if there are ``lengths``
    y : array, or list of arrays (n_timesteps,) or (n_timesteps, n_numbers), or None where there is none

    Raises
    ------
    DataError
        If the file is no .npz, is damaged, holds no X, or holds pickles; or if lengths and steps do
        not agree.
    MemoryError
        If there is not the memory for what it unpacks to; nothing was unpacked.
    OSError
        If there is no such file, or it cannot be read.
    """
    how = (
        "Write it with numpy.savez(path, X=..., y=...); sequences of different lengths as "
        "X=numpy.concatenate(sequences), lengths=[len(x) for x in sequences]."
    )
    with open_file(path) as stream:
        if not zipfile.is_zipfile(stream):
            raise DataError(f"{path} is not an .npz file, or is damaged. {how}")
        try:
            with zipfile.ZipFile(stream) as archive:
                _check_directory(archive, stream)
                names = [name.removesuffix(".npy") for name in archive.namelist()]
                arrays = {
                    name: _read_member(archive, f"{name}.npy", path)
                    for name in ("X", "y", "lengths")
                    if name in names
                }
        except (MemoryError, DataError):
            raise
        # The errors of zipfile, zlib and NumPy on damaged files have no common base.
        except Exception as error:  # noqa: BLE001
            # Only NumPy's ValueErrors say something that a reader can use.
            why = f" ({error!s:.200})" if isinstance(error, ValueError) else ""
            raise DataError(
                f"{path} is not an .npz file of plain arrays, or is damaged{why}. {how}"
            ) from None
    if "X" not in arrays:
        raise DataError(f"{path} has no array 'X', only {', '.join(names) or 'nothing'}. {how}")
    if unused := [name for name in names if name not in ("X", "y", "lengths")]:
        logger.warning("%s: %s not used; X, y and lengths are", path, ", ".join(unused))
    X, y, lengths = arrays["X"], arrays.get("y"), arrays.get("lengths")
    shapes = f"X of shape {X.shape}" + ("" if y is None else f" and y of shape {y.shape}")
    if X.ndim == 0 or (y is not None and y.ndim == 0):
        raise DataError(f"{path} has {shapes}; expected arrays. {how}")
    if lengths is None:
        return X, y
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (lengths < 0).any():
        raise DataError(f"{path} has lengths that are no list of numbers of steps. {how}")
    n_steps = sum(lengths.tolist())  # Python's integers do not overflow
    if y is not None and y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if len(X) != n_steps or (
        y is not None and (len(y) not in (n_steps, len(lengths)) or y.ndim > 2)
    ):
        raise DataError(
            f"{path} has {len(lengths)} lengths, {n_steps} steps in all, but {shapes}. {how}"
        )
    ends = np.cumsum(lengths)[:-1]
    if y is None or len(y) == len(lengths):
        return np.split(X, ends), y
    return np.split(X, ends), np.split(y, ends)


def _check_directory(archive: zipfile.ZipFile, stream: IO[bytes]) -> None:
    """Refuse a damaged directory: labels might be missing without an error."""
    members = archive.infolist()
    for member in members:
        archive.open(member).close()  # compares its name with the one beside the data
    stream.seek(-22 - len(archive.comment), os.SEEK_END)  # the end record (APPNOTE, section 4.3.16)
    n_members = int.from_bytes(stream.read(22)[10:12], "little")
    if n_members not in (len(members), 0xFFFF):  # 0xFFFF: the number is elsewhere
        raise ValueError(f"it is to have {n_members} arrays, and lists {len(members)}")


def _read_member(archive: zipfile.ZipFile, name: str, path: Path | str) -> Array:
    """Read an array of an .npz file to its end, where zipfile compares the checksum; NumPy does not."""
    size = archive.getinfo(name).file_size
    with archive.open(name) as stream:
        dtype, n_bytes = _npy_header(stream)
        if dtype.hasobject:
            raise ValueError(f"{name} holds objects, which are pickles, and a pickle is code")
        if n_bytes != size - stream.tell():
            raise ValueError(f"{name} is to have {n_bytes} bytes, and has {size - stream.tell()}")
    require_memory(n_bytes, f"reading {name} of {path}")
    with archive.open(name) as stream:
        array = np.asarray(npy.read_array(stream, allow_pickle=False))
        stream.read(1)
    return array


def _npy_header(stream: IO[bytes]) -> tuple[np.dtype[Any], int]:
    """Read the header of NumPy's format: the dtype, and how many bytes follow."""
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    return dtype, prod(shape) * dtype.itemsize
