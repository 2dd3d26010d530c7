"""Model files: one safetensors file, its settings as JSON in the header. Reading one runs no code.

The header's ``__metadata__`` has one entry, ``elman``: JSON with ``format_version``, ``kind`` (what the
file holds), ``settings``, and ``sha256``, a digest of all this and the arrays, which shows whether the
file was altered. (One entry, because safetensors writes several in no fixed order, and the same model
has to give the same bytes.)
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from elman._files import is_model, read_file, replace_file
from elman._memory import require_memory
from elman._typing import Array
from elman.equations.naming import NotHereError
from elman.errors import ModelFileError
from elman.parameters import Architecture, Parameters

FORMAT_VERSION = 1


class NotFiniteError(ValueError):
    """Numbers that are to be written are NaN or infinite."""


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
    NotFiniteError
        If not all numbers are finite.
    OSError
        If the file cannot be written; what was there is as it was.
    """
    _require_finite(arrays)
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header = {"format_version": FORMAT_VERSION, "kind": kind, "settings": settings}
    header["sha256"] = _digest(_dump(header), contiguous)
    replace_file(path, save(contiguous, {"elman": _dump(header)}))


def _dump(header: Mapping[str, Any]) -> str:
    return json.dumps(header, sort_keys=True, default=plain)


def plain(value: Any) -> Any:
    """Turn NumPy's numbers and arrays into Python's, for JSON."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} cannot be written to a model file: {value!r}")


def _require_finite(arrays: Mapping[str, Array]) -> None:
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise NotFiniteError(
                f"{name} has values that are NaN or infinite, which no network learns or computes "
                "with. Train again."
            )


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
        If there is no such file, it cannot be read, or it is a pipe or a device.
    MemoryError
        If there is too little memory for it.
    """
    content = read_file(path, copies=2)
    try:
        entry, arrays = _unpack(content)
    # Not safetensors, or not consistent, or of a dtype or size that NumPy lacks
    except (
        SafetensorError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError,
        RecursionError,
    ):  # fmt: skip
        if content[8:9] != b"{":  # where safetensors' header begins, behind its length
            raise ModelFileError(
                f"{path} is not a model file or a checkpoint. Expected a file written by save() or "
                "`elman train`."
            ) from None
        raise ModelFileError(
            f"{path} is damaged: it was cut short, or bytes of it were changed. Save the model again, "
            "or take an intact copy."
        ) from None
    if entry is None:
        raise ModelFileError(
            f"{path} is a safetensors file, but not a model of elman's: its header has no entry "
            "'elman'. Expected a file written by save() or `elman train`."
        )
    version = expected = found = None
    try:
        header = json.loads(entry)
        version, expected = header["format_version"], header.pop("sha256")
        found = _digest(_dump(header), arrays)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    if version is not None and version != FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format version {version!s:.20}; this elman reads version {FORMAT_VERSION}. "
            "Use the version of elman that wrote it, or train again."
        )
    if found is None or found != expected:
        raise ModelFileError(
            f"{path} was altered after it was saved: its content does not match its SHA-256. "
            "Save the model again, or take an intact copy."
        )
    with fitting_together(path):
        model = Model(header["kind"], header["settings"], arrays)
        _require_finite(arrays)
    if kind not in (None, model.kind):
        raise ModelFileError(
            f"{path} holds a {model.kind!s:.100}, not a {kind}. Read it with elman.load."
        )
    return model


def _unpack(content: bytes) -> tuple[str | None, dict[str, Array]]:
    """Take a file apart: elman's entry of its header (None if it is not elman's), and the arrays."""
    end = 8 + int.from_bytes(content[:8], "little")
    require_memory(_JSON_IN_MEMORY * min(end, len(content)), "the header of a model file")
    header = content[8:end]
    of_file = json.loads(header)
    if not is_model(header):
        return None, {}
    arrays = load(content)  # sizes are checked against the file's before they are taken
    return of_file["__metadata__"]["elman"], arrays


_JSON_IN_MEMORY = 30  # times the size of its text, in the worst case: "[[],[],…]"


@contextmanager
def fitting_together(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn all errors in making a model of a file's content into one.

    With an undamaged file this happens only if a cell or a loss of the user's own is not imported, or
    if another program wrote the file, with a digest of its own.
    """
    try:
        yield
    except NotHereError as error:
        raise ModelFileError(f"{path} cannot be loaded yet: {error}.") from None
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        missing = isinstance(error, KeyError) and len(error.args) == 1
        why = f"{error.args[0]!r} is missing" if missing else str(error)
        raise ModelFileError(
            f"{path} is whole, but its parts do not make a model: {why:.500}. "
            "Save the model again, with elman."
        ) from None


def _digest(header: str, arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256(header.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name} {array.dtype.str} {array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def parameters_from(settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Parameters:
    """Make parameters from the settings and the arrays of a model file."""
    architecture = Architecture.from_settings(settings)
    shapes = {name: arrays[name].shape for name in architecture.shapes}
    dtype = arrays["V"].dtype
    if shapes != architecture.shapes or dtype not in (np.float32, np.float64):
        raise ValueError(f"{dtype} parameters of shapes {shapes} for {architecture}")
    vector = np.concatenate([arrays[name].ravel() for name in architecture.shapes])
    return Parameters(architecture, vector.astype(dtype))
