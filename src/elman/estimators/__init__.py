"""scikit-learn's estimators over sequences."""

from elman.estimators.classifier import RNNClassifier
from elman.estimators.tagger import RNNTagger

__all__ = ["RNNClassifier", "RNNTagger"]
