"""The contenders: who fits what, in which environment, of which version.

A contender's function takes sequences, answers, a seed and a number of threads, fits, and returns
what predicts. It imports there what it needs, in a process of its own (``worker``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks.learn.problems import pad

Fit = Callable[..., Callable[[list[np.ndarray]], Any]]
WarmUp = Callable[..., Any]
WINDOW = 10
"""Steps that the forests on windows see."""


class Contender(NamedTuple):
    """A name for people, what is in it, and what loads it.

    Attributes
    ----------
    label : str
    package : str
        Whose version counts.
    load : callable
        Of a kind and options; returns what fits, and what makes it compile, or None.
    kinds : tuple of str
        What it can answer.
    environment : str or None
        The folder of its environment, a target of the Makefile; None for this one.
    recipe : int
        Counted up with each change of what it does, so that older results are made anew.
    """

    label: str
    package: str
    load: Callable[[str, Mapping[str, Any]], tuple[Fit, WarmUp | None]]
    kinds: tuple[str, ...] = ("labels",)
    environment: str | None = None
    recipe: int = 1


def _elman(kind: str, options: Mapping[str, Any]) -> tuple[Fit, WarmUp]:
    """Defaults and the seed, nothing else but what is asked for by ``--set``."""
    import warnings

    import elman

    estimators = {
        "labels": elman.RNNClassifier,
        "tags": elman.RNNTagger,
        "value": elman.RNNRegressor,
        "values": elman.RNNStepRegressor,
    }

    def fit(X: list[np.ndarray], y: Any, seed: int, n_threads: int) -> Any:
        return estimators[kind](random_state=seed, **options).fit(X, y).predict

    def warm_up(X: list[np.ndarray], y: Any, seed: int, n_threads: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that so short a training learns nothing
            estimators[kind](random_state=seed, **{**options, "max_iter": 1}).fit(X, y)

    return fit, warm_up


def _sklearn(name: str) -> Callable[[str, Mapping[str, Any]], tuple[Fit, None]]:
    def load(kind: str, options: Mapping[str, Any]) -> tuple[Fit, None]:
        from benchmarks.learn import baselines

        return getattr(baselines, name), None

    return load


def _lstm(variant: str) -> Callable[[str, Mapping[str, Any]], tuple[Fit, None]]:
    def load(kind: str, options: Mapping[str, Any]) -> tuple[Fit, None]:
        from benchmarks.learn import lstm

        return partial(lstm.fit, variant=variant), None

    return load


def _rocket(kind: str, options: Mapping[str, Any]) -> tuple[Fit, WarmUp]:
    """RocketClassifier of aeon as it is, on sequences made equally long as for the forest."""
    from aeon.classification.convolution_based import RocketClassifier

    def channels(X: list[np.ndarray], T: int) -> np.ndarray:
        return pad(X, T).swapaxes(1, 2)  # (n, T, D) → (n, D, T)

    def fit(X: list[np.ndarray], y: Any, seed: int, n_threads: int, **more: Any) -> Any:
        T = max(map(len, X))
        model = RocketClassifier(random_state=seed, n_jobs=n_threads, **more)
        model.fit(channels(X, T), y)
        return lambda X: model.predict(channels(X, T))

    return fit, partial(fit, n_kernels=10)


CONTENDERS = {
    "elman": Contender("elman", "elman", _elman, ("labels", "tags", "value", "values")),
    "forest-flat": Contender("forest, flat", "scikit-learn", _sklearn("forest_flat")),
    "forest-summary": Contender(
        "forest, summary",
        "scikit-learn",
        _sklearn("forest_summary"),
        ("labels", "value"),
    ),
    "forest-window": Contender(
        "forest, window",
        "scikit-learn",
        _sklearn("forest_window"),
        ("tags", "values"),
    ),
    "logistic": Contender("logistic, flat", "scikit-learn", _sklearn("logistic")),
    **{
        f"lstm-{variant}": Contender(
            f"LSTM, {label}", "torch", _lstm(variant), environment=".venv-bench"
        )
        for variant, label in (
            ("last", "last"),
            ("mean", "mean"),
            ("both", "both ways"),
        )
    },
    "rocket": Contender("ROCKET", "aeon", _rocket, environment=".venv-rocket"),
}

LSTMS = tuple(name for name in CONTENDERS if name.startswith("lstm-"))

NOTES = {
    "elman": "the estimator with random_state, and nothing else",
    "forest-flat": "RandomForestClassifier on all values; unequal lengths are filled up with zeros "
    "to the longest of training, longer ones are cut",
    "forest-summary": "RandomForestClassifier or -Regressor on each feature's mean, deviation, "
    "minimum, quartiles, maximum, and the mean and deviation of its differences' sizes from step to "
    "step",
    "forest-window": "RandomForestClassifier or -Regressor, a step answered from itself and the "
    f"{WINDOW - 1} before it",
    "logistic": "LogisticRegression after StandardScaler, on what the forest on flat values sees",
    "lstm": "PyTorch's LSTM, 64 units: 1,500 updates on batches of 16, Adam at 0.001 falling along "
    "half a cosine, gradients clipped at norm 1, inputs standardised, lengths respected",
    "rocket": "RocketClassifier of aeon, 10,000 kernels and ridge regression; unequal lengths as for "
    "the forest on flat values",
}
