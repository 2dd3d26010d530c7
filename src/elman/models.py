"""Reading a model file as whatever it holds."""

from __future__ import annotations

import os

from elman.errors import ModelFileError
from elman.estimators import RNNClassifier, RNNTagger
from elman.network import Network, parameters_from
from elman.persistence import fitting_together, read_model

_ESTIMATORS = {kind.__name__: kind for kind in (RNNClassifier, RNNTagger)}


def load(path: str | os.PathLike[str]) -> Network | RNNClassifier | RNNTagger:
    """Read a network or a fitted estimator from a model file. No code runs.

    Raises
    ------
    ModelFileError
        If the file is damaged, altered, or not one of elman's.
    OSError
        If there is no such file, or it cannot be read.
    """
    model = read_model(path)
    with fitting_together(path):
        if model.kind == "Network":
            return Network.from_parameters(parameters_from(model.settings, model.arrays))
        if model.kind in _ESTIMATORS:
            return _ESTIMATORS[model.kind]._of_model(model)
    raise ModelFileError(
        f"{path} holds a {model.kind!r:.100}; this elman knows Network, {', '.join(_ESTIMATORS)}. "
        "Use the version of elman that wrote it."
    )
