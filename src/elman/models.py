"""Reading a model file, whichever kind of model it holds."""

from __future__ import annotations

import os
from typing import Any

from elman.errors import ModelFileError
from elman.estimators import RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
from elman.network import Network
from elman.persistence import fitting_together, parameters_from, read_model

_ESTIMATORS: dict[str, Any] = {
    kind.__name__: kind for kind in (RNNClassifier, RNNTagger, RNNRegressor, RNNStepRegressor)
}


def load(
    path: str | os.PathLike[str],
) -> Network | RNNClassifier | RNNTagger | RNNRegressor | RNNStepRegressor:
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
            estimator: RNNClassifier | RNNTagger | RNNRegressor | RNNStepRegressor
            estimator = _ESTIMATORS[model.kind]._of_model(model)
            return estimator
    raise ModelFileError(
        f"{path} holds a {model.kind!r:.100}; this elman knows Network, {', '.join(_ESTIMATORS)}. "
        "Use the version of elman that wrote it."
    )
