import numpy as np
import pytest

from elman import RNNClassifier
from elman.tuning.space import SPACES


@pytest.fixture(scope="module")
def walks():
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 1)).cumsum(axis=0) for n in rng.integers(6, 12, 36)]
    return X, np.array(["up" if x[-1, 0] > 0 else "down" for x in X])


@pytest.fixture
def small_space(monkeypatch):
    """Two parameters that compile nothing new."""
    monkeypatch.setitem(SPACES, RNNClassifier, {"learning_rate_init": [1e-9, 0.001, 0.05]})
