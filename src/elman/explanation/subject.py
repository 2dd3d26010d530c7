"""A model and labelled sequences as the equations take them: float64, the network's inputs, codes."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from elman._memory import require_memory
from elman._typing import Array, IntArray
from elman.data import Sequences
from elman.data.frontend import numbered
from elman.equations.losses import Quantile
from elman.errors import DataError
from elman.estimators import RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
from elman.network import Network
from elman.parameters import Architecture, Parameters


class Subject(NamedTuple):
    """The model and the sequences to explain.

    Attributes
    ----------
    name : str
        The name of the model's class.
    parameters : Parameters
        A copy.
    sequences : Sequences
        As the network sees them, behind the model's front end.
    targets : array (n_sequences, …) or (n_steps_in_all, …), or None
        One for each sequence or step (``every_step``): codes 0 … K - 1; or numbers, standardised, with
        one more axis.
    every_step : bool
        Whether each step has a target.
    classes : list of str
        The outputs' names: the labels by code, or those of numbers.
    features : list of str
        The names of the network's inputs.
    takes_frames : bool
        Whether the model's ``frame`` can put steps together, and does not yet.
    learning_rate, max_norm, seed : number or None
        Those of the estimator.
    """

    name: str
    parameters: Parameters
    sequences: Sequences
    targets: Array | None
    every_step: bool
    classes: list[str]
    features: list[str]
    takes_frames: bool = False
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

    def check_reverse(self, reverse: bool) -> None:
        """Refuse ``reverse`` if there is no reverse layer."""
        if reverse and not self.parameters.architecture.bidirectional:
            raise ValueError(
                "reverse=True asks for the reverse layer of a bidirectional network; this one goes "
                "forward alone"
            )


def subject(model: Any, X: Any, y: Any, *, exact: bool = True) -> Subject:
    """Check a model and sequences against each other.

    Parameters
    ----------
    model : RNNClassifier, RNNTagger, RNNRegressor, RNNStepRegressor or Network
        An estimator has to be fitted.
    X : array (n_samples, n_timesteps, n_features), or list of (n_timesteps, n_features)
        As the model takes them: neither standardised nor put into frames.
    y : labels as the model takes them, or None
    exact : bool
        Whether to use float64 for everything; otherwise the model's dtype.

    Returns
    -------
    Subject

    Raises
    ------
    DataError, ValueError, NotFittedError, TypeError
        If an argument is not as above.
    """
    if isinstance(model, Network):
        if model.dtype.kind == "c":
            raise ValueError("a complex network has no gradients; explain the real one")
        _check_finite(model.parameters)
        network = model.astype(np.float64 if exact else model.dtype)
        sequences, every_step, values = network._check(X), False, None
        if y is not None:
            examples = network._examples(X, y)
            every_step, values = examples.targets.every_step, examples.targets.values
        names = output_names(model.architecture)
        parameters, features = network.parameters, list(sequences.names or ())
        if model.architecture.tokens:
            tokens = [str(k) for k in range(model.architecture.n_features)]
            parameters, sequences, features = _one_hot(parameters, sequences, tokens)
        features = features or numbered(sequences.n_features)
        return Subject("Network", parameters, sequences, values, every_step, names, features)
    if not isinstance(model, RNNClassifier | RNNTagger | RNNRegressor | RNNStepRegressor):
        raise TypeError(
            f"model is of type {type(model).__name__}; expected a fitted RNNClassifier, RNNTagger, "
            "RNNRegressor or RNNStepRegressor, or a Network."
        )
    with warnings.catch_warnings():  # also if a table had names
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        fitted, sequences = model._checked(X)
    _check_finite(fitted.network.parameters)
    dtype = np.dtype(np.float64) if exact else fitted.network.dtype
    values, names = None, output_names(fitted.network.architecture)
    if isinstance(model, RNNClassifier | RNNTagger):
        names = [str(label) for label in model.classes_]
    if y is not None:
        targets = model._examples(y, sequences, None, fitted.answers).targets
        if isinstance(model, RNNClassifier | RNNTagger):
            values = _codes(model.classes_, targets.values)
        else:
            values = fitted.answers.scaled(fitted.answers.encoded(targets), dtype).values
    sequences, parameters = fitted.scaled(sequences), fitted.network.parameters.astype(dtype)
    cast = sequences.values.astype(dtype, copy=False)
    sequences = Sequences(cast, sequences.offsets, sequences.stacked)
    features = fitted.front_end.feature_names(fitted.format.step_names)
    if (vocabulary := fitted.format.vocabulary) is not None:
        parameters, sequences, features = _one_hot(parameters, sequences, vocabulary.names)
    return Subject(
        type(model).__name__,
        parameters,
        sequences,
        values,
        model._every_step,
        names,
        features,
        not model._every_step
        and fitted.format.vocabulary is None
        and fitted.front_end.frame is None,
        float(model.learning_rate_init),
        model.clip_norm and float(model.clip_norm),
        int(model.random_state) if isinstance(model.random_state, int | np.integer) else None,
    )


def _one_hot(
    parameters: Parameters, sequences: Sequences, tokens: list[str]
) -> tuple[Parameters, Sequences, list[str]]:
    """Make an equivalent network of features: one for each token that occurs, 1 where it occurs.

    The columns of U for all other tokens have no effect here, and no gradient.

    Returns
    -------
    parameters : Parameters
    sequences : Sequences
    features : list of str
        The tokens' names.
    """
    columns, places = np.unique(sequences.values[:, 0].astype(np.int64), return_inverse=True)
    reduced = parameters.of_tokens(columns)
    features = Parameters(replace(reduced.architecture, tokens=False), reduced.vector)
    require_memory(len(places) * len(columns) * reduced.vector.itemsize, "one-hot steps of tokens")
    values = np.zeros((len(places), len(columns)), reduced.vector.dtype)
    values[np.arange(len(places)), places] = 1
    names = [tokens[column] for column in columns]
    return features, Sequences(values, sequences.offsets, sequences.stacked), names


def output_names(architecture: Architecture) -> list[str]:
    """Name the outputs: classes by their codes, numbers by y, or y₁ …, with their quantiles."""
    loss, K = architecture.loss_function, architecture.n_outputs
    if loss.takes_classes:
        return [str(k) for k in range(K)]
    each = loss.outputs_a_number
    numbers = [f"y{i + 1}" if each < K else "y" for i in range(K // each)]
    if isinstance(loss, Quantile):
        return [f"{name} at {100 * tau:g} %" for name in numbers for tau in loss.quantiles]
    return [f"{name}.{j + 1}" if each > 1 else name for name in numbers for j in range(each)]


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
