"""Data files: IDX, the format of MNIST (LeCun et al. 1998), and NumPy's .npz."""

from __future__ import annotations

import gzip
import pickle
import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import IO, Any

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
        Read as gzip if it ends in ``.gz``.

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
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
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
    if len(content) < header_size:
        raise DataError(f"{path} is cut short: it ends inside its header. Fetch the file again.")
    shape = tuple(int(n) for n in np.frombuffer(content, ">i4", n_axes, offset=4))
    expected = header_size + prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise DataError(
            f"{path} is damaged: an array of shape {shape} needs {expected} bytes, the file has "
            f"{len(content)}. Fetch the file again."
        )
    numbers = np.frombuffer(content, dtype, offset=header_size).reshape(shape)
    return numbers.astype(dtype.newbyteorder("="))


def read_npz(path: Path | str, *names: str) -> list[Array]:
    """Read arrays from an .npz file, ragged ones (object arrays of arrays) too, running no code.

    NumPy stores object arrays as pickles, and a pickle can run anything. Here only the few functions
    that rebuild an array are let through.

    Parameters
    ----------
    path : path
    *names : str
        The arrays to read.

    Returns
    -------
    list of arrays, in the order of ``names``

    Raises
    ------
    DataError
        If the file is no .npz, is damaged, lacks a name, or holds objects other than arrays.
    OSError
        If there is no such file, or it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            stored = {name.removesuffix(".npy") for name in archive.namelist()}
            for name in names:
                if name not in stored:
                    raise DataError(
                        f"{path} has no array {name!r}, only {', '.join(sorted(stored)) or 'none'}. "
                        "Write it with numpy.savez(path, X=..., y=...)."
                    )
            return [_read_npy(archive, f"{name}.npy") for name in names]
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{path} is not an .npz file, or is damaged ({error}). "
            "Write it with numpy.savez(path, X=..., y=...)."
        ) from None
    except (ValueError, pickle.UnpicklingError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} cannot be read as arrays: {error}") from None


def _read_npy(archive: zipfile.ZipFile, member: str) -> Array:
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        if read_header(stream)[-1].hasobject:
            array = _ArrayUnpickler(stream).load()
            if not isinstance(array, np.ndarray):
                raise DataError(f"{member} holds a {type(array).__name__}; expected an array.")
            return array
    with archive.open(member) as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


class _ArrayUnpickler(pickle.Unpickler):
    """Rebuilds arrays and their plain contents, and refuses to name anything else."""

    _allowed = {("numpy", "ndarray"), ("numpy", "dtype")} | {
        (f"numpy.{core}.multiarray", function)
        for core in ("core", "_core")  # before and since NumPy 2
        for function in ("_reconstruct", "scalar")
    }

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._allowed and module != "numpy.dtypes":
            raise pickle.UnpicklingError(
                f"it holds {module}.{name}, and only arrays of numbers and text are read"
            )
        return super().find_class(module, name)
