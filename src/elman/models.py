"""Reading a model file as whatever it holds."""

from __future__ import annotations

import os

from elman.errors import ModelFileError
from elman.estimators import RNNClassifier, RNNTagger
from elman.network import Network
from elman.persistence import read_model

_KINDS = {kind.__name__: kind for kind in (Network, RNNClassifier, RNNTagger)}


def load(path: str | os.PathLike[str]) -> Network | RNNClassifier | RNNTagger:
    """Read a network or a fitted estimator from a model file. No code runs.

    Raises
    ------
    ModelFileError
        If the file is damaged, altered, or not one of elman's.
    OSError
        If there is no such file, or it cannot be read.
    """
    kind = read_model(path).kind
    if kind not in _KINDS:
        raise ModelFileError(
            f"{path} holds a {kind!r}; this elman knows {', '.join(_KINDS)}. "
            "Use the version of elman that wrote it."
        )
    return _KINDS[kind].load(path)
