"""scikit-learn's estimators over sequences."""

from elman.estimators.checkpoint import Checkpoint
from elman.estimators.classifier import RNNClassifier
from elman.estimators.regressor import RNNRegressor
from elman.estimators.step_regressor import RNNStepRegressor
from elman.estimators.tagger import RNNTagger

__all__ = ["Checkpoint", "RNNClassifier", "RNNRegressor", "RNNStepRegressor", "RNNTagger"]
