"""What scikit-learn has for sequences: forests and logistic regression on features of fixed number.

T steps, D features.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.learn.contenders import WINDOW
from benchmarks.learn.problems import pad

Predict = Callable[[list[np.ndarray]], Any]


def summary(X: list[np.ndarray]) -> np.ndarray:
    """Summarise each feature of each sequence, (n, 9 D).

    By mean, deviation, minimum, quartiles, maximum, and mean and deviation of the differences'
    sizes from step to step.
    """
    return np.stack([_summary(x.astype(np.float64)) for x in X])


def _summary(x: np.ndarray) -> np.ndarray:
    jumps = np.abs(np.diff(x, axis=0)) if len(x) > 1 else np.zeros_like(x)
    quantiles = np.quantile(x, [0, 0.25, 0.5, 0.75, 1], axis=0)
    return np.vstack([x.mean(0), x.std(0), quantiles, jumps.mean(0), jumps.std(0)]).ravel()


def windows(X: list[np.ndarray]) -> np.ndarray:
    """Give each step itself and those before it, (steps of all, WINDOW D); zeros before the first."""
    return np.concatenate(
        [
            sliding_window_view(np.pad(x, ((WINDOW - 1, 0), (0, 0))), WINDOW, axis=0).reshape(
                len(x), -1
            )
            for x in X
        ]
    )


def forest_flat(X: list[np.ndarray], y: Any, seed: int, n_threads: int) -> Predict:
    """Fit a forest on all values, one behind another."""
    T = max(map(len, X))
    model = RandomForestClassifier(random_state=seed, n_jobs=n_threads).fit(_flat(X, T), y)
    return lambda X: model.predict(_flat(X, T))


def forest_summary(X: list[np.ndarray], y: Any, seed: int, n_threads: int) -> Predict:
    """Fit a forest on the summary of each sequence."""
    model = _forest(y)(random_state=seed, n_jobs=n_threads).fit(summary(X), y)
    return lambda X: model.predict(summary(X))


def forest_window(X: list[np.ndarray], y: Any, seed: int, n_threads: int) -> Predict:
    """Fit a forest that answers each step from the last few."""
    model = _forest(y[0])(random_state=seed, n_jobs=n_threads)
    model.fit(windows(X), np.concatenate(y))

    def predict(X: list[np.ndarray]) -> list[np.ndarray]:
        return np.split(model.predict(windows(X)), np.cumsum([len(x) for x in X])[:-1])

    return predict


def logistic(X: list[np.ndarray], y: Any, seed: int, n_threads: int) -> Predict:
    """Fit logistic regression on all values, each brought to mean 0 and deviation 1."""
    T = max(map(len, X))
    classifier = LogisticRegression(max_iter=1000, random_state=seed)
    model = make_pipeline(StandardScaler(), classifier).fit(_flat(X, T), y)
    return lambda X: model.predict(_flat(X, T))


def _flat(X: list[np.ndarray], T: int) -> np.ndarray:
    return pad(X, T).reshape(len(X), -1)


def _forest(y: np.ndarray) -> Any:
    return RandomForestRegressor if y.dtype.kind == "f" else RandomForestClassifier
