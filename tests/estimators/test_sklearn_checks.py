"""scikit-learn's own suite, over rows, and mirrored over three-dimensional and ragged input."""

from unittest import SkipTest

import numpy as np
import pytest
from sklearn.utils.estimator_checks import (
    _NotAnArray,
    estimator_checks_generator,
    parametrize_with_checks,
)

from elman import RNNClassifier, RNNRegressor


def as_stack(X):
    """Make each row a sequence of three steps: itself, turned down, turned up."""
    return np.stack([X, X * X.dtype.type(0.5), X * X.dtype.type(1.5)], axis=1)


def as_ragged(X):
    """Repeat each row as often as its content says, so that it is the same alone and in company."""
    n_steps = 2 + np.nan_to_num(np.abs(X).sum(axis=1), posinf=0).astype(int) % 3
    ragged = np.empty(len(X), object)
    ragged[:] = [np.repeat(row[None], n, axis=0) for row, n in zip(X, n_steps, strict=True)]
    return ragged


class Mirrored:
    """Turns rows into sequences of as many features, in a container of the same kind."""

    def _sequences(self, X):
        rows = np.asarray(X)
        if rows.ndim != 2 or rows.dtype.kind not in "biuf" or rows.size == 0:
            return X  # malformed on purpose
        sequences = self._convert(rows)
        if isinstance(X, list):
            return [sequence.tolist() for sequence in sequences]
        return _NotAnArray(sequences) if isinstance(X, _NotAnArray) else sequences

    def fit(self, X, y, sample_weight=None):
        return super().fit(self._sequences(X), y, sample_weight)

    def score(self, X, y, sample_weight=None):
        return super().score(self._sequences(X), y, sample_weight)

    def predict(self, X, initial_state=None):
        return super().predict(self._sequences(X), initial_state)


class MirroredClassifier(Mirrored, RNNClassifier):
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        return super().partial_fit(self._sequences(X), y, classes, sample_weight)

    # predict_log_proba goes through it.
    def predict_proba(self, X, initial_state=None):
        return super().predict_proba(self._sequences(X), initial_state)


class MirroredRegressor(Mirrored, RNNRegressor):
    def partial_fit(self, X, y, sample_weight=None):
        return super().partial_fit(self._sequences(X), y, sample_weight)


class StackClassifier(MirroredClassifier):
    _convert = staticmethod(as_stack)


class RaggedClassifier(MirroredClassifier):
    _convert = staticmethod(as_ragged)


class StackRegressor(MirroredRegressor):
    _convert = staticmethod(as_stack)


class RaggedRegressor(MirroredRegressor):
    _convert = staticmethod(as_ragged)


SEQUENCES = [StackClassifier, RaggedClassifier, StackRegressor, RaggedRegressor]


def made(kind, **params):
    max_iter = 20 if issubclass(kind, RNNClassifier) else 200  # one asks for an R² above 0.5
    settings = {"max_iter": max_iter, "batch_size": 64, "learning_rate_init": 0.01}
    return kind(16, **settings, random_state=0, **params)


def run(check, estimator):
    try:
        check(estimator)
    except SkipTest as skipped:
        pytest.fail(f"a check is silently lost: {skipped}")


# Some checks take noise or one class for y, where that is so.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*has learned next to nothing"),
    pytest.mark.filterwarnings("ignore:.*saw one class only"),
]


@parametrize_with_checks([made(RNNClassifier), made(RNNRegressor)])
def test_rows(estimator, check):
    run(check, estimator)


@parametrize_with_checks([made(kind, n_members=1) for kind in SEQUENCES])
def test_sequences(estimator, check):
    run(check, estimator)


@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor, *SEQUENCES])
def test_that_the_suite_is_all_there(kind):
    n_checks = len(list(estimator_checks_generator(made(kind))))
    assert n_checks >= (60 if issubclass(kind, RNNClassifier) else 50)
