"""What is searched: the settings that made a difference on real sets of sequences, by task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid, ParameterSampler

from elman._typing import IntArray
from elman.estimators import RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
from elman.estimators.inputs import planned_front_end


class Steps(NamedTuple):
    """A frame that makes about n steps of a sequence of median length; a sample is in four frames."""

    n: int

    def frame(self, lengths: IntArray) -> tuple[int, int]:
        """Give (length, stride) for sequences of these lengths."""
        stride = max(1, round(float(np.median(lengths)) / self.n))
        return 4 * stride, stride


_OF_A_STEP: dict[str, list[Any]] = {
    "cell": ["gru", "lstm", "relu", "tanh"],
    "learning_rate_init": [0.001, 0.003, 0.01],
    "hidden_layer_sizes": [(32,), (64,), (128,)],
    "frame": [(8, 1), None],
    "dropout": [0.0, 0.3],
}
_OF_A_SEQUENCE: dict[str, list[Any]] = {
    **_OF_A_STEP,
    "readout": ["max", "mean", "last"],
    "frame": [Steps(64), Steps(128), (8, 1), None],
    "standardize": ["sequence", True],
    "bidirectional": [False, True],
}

_OF_FEATURES = ("frame", "standardize")

# A network that answers each step may see only the steps up to it. If it were bidirectional, or
# standardised by the whole sequence, it would forecast a value that it has seen.
SPACES: dict[type, dict[str, list[Any]]] = {
    RNNClassifier: _OF_A_SEQUENCE,
    RNNRegressor: _OF_A_SEQUENCE,
    RNNTagger: _OF_A_STEP,
    RNNStepRegressor: _OF_A_STEP,
}

GATES = {"gru": 3, "lstm": 4}
"""The number of matrix products in a step of a cell; 1 for all others."""

MOST = 1_000
"""The largest number of candidates that are drawn."""


def candidates(
    estimator: Any, lengths: IntArray, n_features: int, random_state: int
) -> Iterator[dict[str, Any]]:
    """Draw settings that differ from an estimator's own, and from each other.

    Each parameter stays as it is with a chance of one half or more: a candidate that changes all of
    them is seldom better, and does not show why.

    Parameters
    ----------
    estimator : BaseRNN
    lengths : array (n_sequences,)
        The lengths of the sequences, for frames.
    n_features : int
        D of a sample, also for frames; 0 if steps are tokens, which have no front end.
    random_state : int

    Yields
    ------
    dict
        The parameters that differ.
    """
    own = estimator.get_params(deep=False)
    own["hidden_layer_sizes"] = tuple(np.atleast_1d(own["hidden_layer_sizes"]).tolist())
    alternatives: dict[str, list[Any]] = {}
    for kind, space in SPACES.items():
        if isinstance(estimator, kind):
            alternatives = dict(space)
    own_frame = None
    if n_features:
        own_frame = planned_front_end(estimator, lengths, n_features).frame
    else:
        for name in _OF_FEATURES:
            alternatives.pop(name, None)
    if not isinstance(own["cell"], str) and np.iterable(own["cell"]):  # one for each layer
        alternatives.pop("hidden_layer_sizes", None)
    choices = {}
    for name, values in alternatives.items():
        others = [value.frame(lengths) if isinstance(value, Steps) else value for value in values]
        if name == "frame" and own_frame is not None:
            others = [other for other in others if other != own_frame[:2]]
        choices[name] = [own[name]] * len(others) + list(dict.fromkeys(others))
    n = min(MOST, len(ParameterGrid(choices)))
    seen: list[dict[str, Any]] = [{}]
    for drawn in ParameterSampler(choices, n, random_state=random_state):
        settings = {name: value for name, value in drawn.items() if value != own[name]}
        if settings not in seen:
            seen.append(settings)
            yield {name: settings[name] for name in choices if name in settings}


def work(estimator: Any, settings: dict[str, Any], lengths: IntArray, n_features: int) -> float:
    """Estimate what a training takes, as the number of multiplications for a sequence.

    Parameters
    ----------
    estimator : BaseRNN
    settings : dict
        Parameters that replace its own.
    lengths : array (n_sequences,)
        The lengths of the sequences.
    n_features : int
        D of a sample; 0 if steps are tokens.
    """
    estimator = clone(estimator).set_params(**settings)
    params = estimator.get_params(deep=False)
    below, products, n_steps = 1, 0, lengths  # a token adds one column
    if n_features:
        front_end = planned_front_end(estimator, lengths, n_features)
        below, n_steps = front_end.n_inputs, front_end.lengths(lengths)
    for H in np.atleast_1d(params["hidden_layer_sizes"]).tolist():
        products += H * (H + below)
        below = H
    cell = params["cell"]
    gates = GATES.get(cell, 1) if isinstance(cell, str) else 1
    return float(np.mean(n_steps)) * gates * products * (2 if params["bidirectional"] else 1)
