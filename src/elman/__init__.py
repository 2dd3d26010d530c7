"""Recurrent networks trained by the written-out equations of back-propagation through time."""

from __future__ import annotations

__version__ = "0.1.0"

# typing.TYPE_CHECKING without importing typing, which takes longer than all of this file: the command
# line begins here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from elman.check import check_gradients
    from elman.displays import (
        ConfusionOverTimeDisplay,
        ForwardDisplay,
        GatesDisplay,
        GradientFlowDisplay,
        JacobianSpectrumDisplay,
        LearningCurveDisplay,
        PermutationImportanceDisplay,
        SoftmaxJacobianDisplay,
        TermLadderDisplay,
    )
    from elman.engines import Carry
    from elman.equations import Cell
    from elman.equations.dropout import Dropout
    from elman.equations.losses import Loss
    from elman.errors import DataError, DivergenceError, ElmanError, ModelFileError
    from elman.estimators import (
        Checkpoint,
        RNNClassifier,
        RNNRegressor,
        RNNStepRegressor,
        RNNTagger,
    )
    from elman.explanation import Explanation, GradientFlow, explain, gradient_flow
    from elman.models import load
    from elman.network import Network
    from elman.parameters import Architecture, Parameters
    from elman.reading import read_sequences
    from elman.training import Progress
    from elman.tuning import suggest

_HOMES = {
    "Architecture": "elman.parameters",
    "Carry": "elman.engines",
    "Cell": "elman.equations",
    "Checkpoint": "elman.estimators",
    "ConfusionOverTimeDisplay": "elman.displays",
    "DataError": "elman.errors",
    "DivergenceError": "elman.errors",
    "Dropout": "elman.equations.dropout",
    "ElmanError": "elman.errors",
    "Explanation": "elman.explanation",
    "ForwardDisplay": "elman.displays",
    "GatesDisplay": "elman.displays",
    "GradientFlow": "elman.explanation",
    "GradientFlowDisplay": "elman.displays",
    "JacobianSpectrumDisplay": "elman.displays",
    "LearningCurveDisplay": "elman.displays",
    "Loss": "elman.equations.losses",
    "ModelFileError": "elman.errors",
    "Network": "elman.network",
    "Parameters": "elman.parameters",
    "PermutationImportanceDisplay": "elman.displays",
    "Progress": "elman.training",
    "RNNClassifier": "elman.estimators",
    "RNNRegressor": "elman.estimators",
    "RNNStepRegressor": "elman.estimators",
    "RNNTagger": "elman.estimators",
    "SoftmaxJacobianDisplay": "elman.displays",
    "TermLadderDisplay": "elman.displays",
    "check_gradients": "elman.check",
    "explain": "elman.explanation",
    "gradient_flow": "elman.explanation",
    "load": "elman.models",
    "read_sequences": "elman.reading",
    "suggest": "elman.tuning",
}

__all__ = [
    "Architecture",
    "Carry",
    "Cell",
    "Checkpoint",
    "ConfusionOverTimeDisplay",
    "DataError",
    "DivergenceError",
    "Dropout",
    "ElmanError",
    "Explanation",
    "ForwardDisplay",
    "GatesDisplay",
    "GradientFlow",
    "GradientFlowDisplay",
    "JacobianSpectrumDisplay",
    "LearningCurveDisplay",
    "Loss",
    "ModelFileError",
    "Network",
    "Parameters",
    "PermutationImportanceDisplay",
    "Progress",
    "RNNClassifier",
    "RNNRegressor",
    "RNNStepRegressor",
    "RNNTagger",
    "SoftmaxJacobianDisplay",
    "TermLadderDisplay",
    "check_gradients",
    "explain",
    "gradient_flow",
    "load",
    "read_sequences",
    "suggest",
]


# The command line answers `--help` at once because nothing is imported before it is asked for.
def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(globals() | _HOMES)
