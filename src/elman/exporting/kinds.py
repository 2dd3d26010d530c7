"""The kinds of files to which models are exported, by suffix."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from elman._files import replace_file, require_ours_or_nothing
from elman.exporting.c import to_c
from elman.exporting.onnx import to_onnx
from elman.exporting.portable import Portable
from elman.exporting.torch import to_state_file

KINDS: dict[str, str] = {"onnx": ".onnx", "torch": ".pt", "c": ".c"}
"""The suffix of each kind of file."""

_WRITERS: dict[str, Callable[[Portable, str], bytes]] = {
    ".onnx": lambda model, stem: to_onnx(model),
    ".pt": lambda model, stem: to_state_file(model),
    ".c": lambda model, stem: to_c(model, stem).encode(),
}


def export(model: Portable, path: str | os.PathLike[str]) -> None:
    """Write a model to a file of another kind, replacing one that elman wrote at once.

    Parameters
    ----------
    model : Portable
    path : path
        Its suffix says the kind: ``.onnx``, ``.pt`` (PyTorch) or ``.c``.

    Raises
    ------
    ValueError
        If the suffix is none of these.
    ElmanError
        If the model has something that this kind of file cannot express, or a package is missing.
    FileExistsError
        If there is a file already that elman did not write.
    OSError
        If the file cannot be written; what was there is as it was.
    """
    content = exported(model, path)
    require_ours_or_nothing(path, Path(path).suffix.lower())
    replace_file(path, content)


def exported(model: Portable, path: str | os.PathLike[str]) -> bytes:
    """Return what ``export`` writes; see there."""
    path = Path(path)
    if path.suffix.lower() not in _WRITERS:
        raise ValueError(
            f"{path} ends in {path.suffix or 'no suffix'!r}; expected one that says what to write: "
            ".onnx, .pt (PyTorch) or .c. An elman model file is written by save()."
        )
    return _WRITERS[path.suffix.lower()](model, path.stem)
