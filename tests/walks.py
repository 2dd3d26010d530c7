"""Random walks, a class each, and small classifiers of them: what tests of estimators share."""

import numpy as np

from elman import RNNClassifier
from plain import plain_model


def walks(n=60, dtype=np.float64):
    """Random walks; the class is where a walk ends."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 6, 2)).cumsum(axis=1)
    return X.astype(dtype), np.digitize(X[:, -1, 0], [-1.5, 1.5])


def ragged(n=40):
    rng = np.random.default_rng(1)
    X = [rng.standard_normal((rng.integers(1, 8), 2)) for _ in range(n)]
    return X, [np.where(x.cumsum(axis=0)[:, 0] > 0.3, "up", "down") for x in X]


def classifier(**params):
    settings = {"hidden_layer_sizes": 5, "max_iter": 3, "random_state": 0}
    return plain_model(RNNClassifier, **settings | params)


def bits(estimator):
    return estimator.network_.parameters.vector.tobytes()
