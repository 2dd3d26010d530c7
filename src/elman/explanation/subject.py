"""A model and labelled sequences, as the equations take them: float64, standardised, as codes."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from elman._typing import Array, IntArray
from elman.data import Sequences
from elman.errors import DataError
from elman.estimators import RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
from elman.network import Network
from elman.parameters import Parameters


class Subject(NamedTuple):
    """What is to be explained.

    Attributes
    ----------
    name : str
        Of the model's class.
    parameters : Parameters
        A copy.
    sequences : Sequences
        As the network sees them: standardised.
    labels : array (n_sequences,) or (n_steps_in_all,), or None
        As ``every_step`` says; codes 0 … K - 1.
    every_step : bool
        Whether each step has a label.
    classes : list of str
        The labels by code.
    learning_rate, max_norm, seed : number or None
        Those of the estimator.
    """

    name: str
    parameters: Parameters
    sequences: Sequences
    labels: IntArray | None
    every_step: bool
    classes: list[str]
    learning_rate: float | None = None
    max_norm: float | None = None
    seed: int | None = None

    def layer(self, number: int) -> int:
        """Check the number of a layer, which counts from 1."""
        n_layers = len(self.parameters.architecture.hidden)
        if number not in range(1, n_layers + 1):
            raise ValueError(
                f"layer must be a whole number from 1 (the lowest) to {n_layers}; got {number!r}"
            )
        return int(number)


def subject(model: Any, X: Any, y: Any, *, exact: bool = True) -> Subject:
    """Check a model and sequences against each other.

    Parameters
    ----------
    model : RNNClassifier, RNNTagger or Network
        An estimator has to be fitted.
    X : array (n_samples, n_timesteps, n_features), or list of (n_timesteps, n_features)
        As the model takes them: not standardised.
    y : labels as the model takes them, or None
    exact : bool
        Whether all is float64; else it has the model's dtype.

    Returns
    -------
    Subject

    Raises
    ------
    DataError, ValueError, NotFittedError, TypeError
        If one of them is not that.
    """
    if isinstance(model, Network):
        if model.dtype.kind == "c":
            raise ValueError("a complex network has no gradients; explain the real one")
        if not model.architecture.loss_function.takes_classes:
            raise ValueError(
                "only networks under a softmax can be explained yet; this one predicts numbers, with "
                f"the loss {model.architecture.loss!r}"
            )
        _check_finite(model.parameters)
        network = model.astype(np.float64 if exact else model.dtype)
        sequences, every_step, labels = network._check(X), False, None
        if y is not None:
            examples = network._examples(X, y)
            every_step, labels = examples.targets.every_step, examples.targets.values
        classes = [str(k) for k in range(model.architecture.n_outputs)]
        return Subject("Network", network.parameters, sequences, labels, every_step, classes)
    if isinstance(model, RNNRegressor | RNNStepRegressor):
        raise ValueError(
            f"only networks under a softmax can be explained yet; an {type(model).__name__} predicts "
            "numbers"
        )
    if not isinstance(model, RNNClassifier | RNNTagger):
        raise TypeError(
            f"model is a {type(model).__name__}; expected a fitted RNNClassifier or RNNTagger, or a "
            "Network."
        )
    with warnings.catch_warnings():  # an array is as good as the table that had the names
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        fitted, sequences = model._checked(X)
    _check_finite(fitted.network.parameters)
    labels = None
    if y is not None:
        labels = model._examples(y, sequences, None, fitted.answers).targets.values
        labels = _codes(model.classes_, labels)
    sequences = fitted.scaled(sequences)
    dtype = np.dtype(np.float64) if exact else fitted.network.dtype
    values = sequences.values.astype(dtype, copy=False)
    return Subject(
        type(model).__name__,
        fitted.network.parameters.astype(dtype),
        Sequences(values, sequences.offsets, sequences.stacked),
        labels,
        model._every_step,
        [str(label) for label in model.classes_],
        float(model.learning_rate_init),
        model.clip_norm and float(model.clip_norm),
        int(model.random_state) if isinstance(model.random_state, int | np.integer) else None,
    )


def _check_finite(parameters: Parameters) -> None:
    for name, values in parameters.items():
        if not np.isfinite(values).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
            raise DataError(
                f"the model's {name} holds {values[place]} at {list(place)}; expected finite numbers. "
                "It was trained beyond its limits: train it again with a lower learning rate."
            )


def _codes(classes: Array, labels: Array) -> IntArray:
    unknown = [label for label in np.unique(labels).tolist() if label not in classes.tolist()]
    if unknown:
        raise DataError(
            f"y has labels that the model does not know: {unknown}; it was fitted on "
            f"{classes.tolist()}."
        )
    return np.searchsorted(classes, labels)
