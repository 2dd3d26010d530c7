"""Model files: one safetensors file, its settings as JSON in the header. Reading one runs no code.

The header's ``__metadata__`` has one entry, ``elman``: JSON with ``format_version``, ``kind`` (what the
file holds), ``settings``, and ``sha256``, a digest of all that and the arrays, so that a file that was
altered is known for it. (One entry, because safetensors writes several in no fixed order, and the same
model is to be the same bytes.)
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from elman._typing import Array
from elman.errors import ModelFileError

FORMAT_VERSION = 1


class Model(NamedTuple):
    """What a model file holds."""

    kind: str
    settings: dict[str, Any]
    arrays: dict[str, Array]


def write_model(
    path: str | os.PathLike[str],
    kind: str,
    settings: Mapping[str, Any],
    arrays: Mapping[str, Array],
) -> None:
    """Write a model file. A file already there is replaced at once and whole, or not at all.

    Parameters
    ----------
    path : path
    kind : str
        Names the class that can read it.
    settings : mapping
        Plain numbers, text, lists and mappings of text.
    arrays : mapping of str to array

    Raises
    ------
    OSError
        If the file cannot be written; what was there is as it was.
    """
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header = {"format_version": FORMAT_VERSION, "kind": kind, "settings": settings}
    header["sha256"] = _digest(_dump(header), contiguous)
    replace_file(path, save(contiguous, {"elman": _dump(header)}))


def _dump(header: Mapping[str, Any]) -> str:
    return json.dumps(header, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    """Turn NumPy's numbers and arrays into Python's, for JSON."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} cannot be written to a model file: {value!r}")


def replace_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that at every moment the old content or the new is there, whole."""
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such directory", str(path.parent))
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:  # it would name the temporary file
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)  # mkstemp's own mode hides the file from others
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_model(path: str | os.PathLike[str], kind: str | None = None) -> Model:
    """Read a model file.

    Parameters
    ----------
    path : path
    kind : str, optional
        What it has to hold.

    Returns
    -------
    Model

    Raises
    ------
    ModelFileError
        If the file is cut short, altered, not elman's, of another format version, or of another
        kind.
    OSError
        If there is no such file, or it cannot be read.
    """
    with Path(path).open("rb"):  # a missing or unreadable file speaks for itself
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, AttributeError, TypeError) as error:  # or a dtype NumPy lacks
        raise ModelFileError(
            f"{path} is not a model file, or is damaged: expected safetensors, found: {error}. "
            "Save the model again."
        ) from None
    if "elman" not in metadata:
        raise ModelFileError(
            f"{path} is a safetensors file, but not one of elman's: its header has no entry 'elman'. "
            "Expected a file written by save() or `elman train`."
        )
    try:
        header = json.loads(metadata["elman"])
        version, digest = header["format_version"], header.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        version = digest = None
    if version is not None and version != FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format version {version}; this elman reads version {FORMAT_VERSION}. "
            "Use the version of elman that wrote it, or train again."
        )
    if digest is None or digest != _digest(_dump(header), arrays):
        raise ModelFileError(
            f"{path} was altered after it was saved: its content does not match its SHA-256. "
            "Save the model again, or take an intact copy."
        )
    with fitting_together(path):
        model = Model(header["kind"], header["settings"], arrays)
    if kind not in (None, model.kind):
        raise ModelFileError(f"{path} holds a {model.kind}, not a {kind}. Read it with elman.load.")
    return model


@contextmanager
def fitting_together(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what a file's content makes building a model raise into one error.

    A whole file gets here only if another program wrote it, with a digest of its own.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(
            f"{path} is whole, but its parts do not make a model: {error!r}. "
            "Save the model again, with elman."
        ) from None


def _digest(header: str, arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256(header.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name} {array.dtype.str} {array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
