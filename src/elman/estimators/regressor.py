"""A number for a sequence, or several."""

from __future__ import annotations

from typing import Any

from sklearn.base import RegressorMixin
from sklearn.utils._tags import Tags

from elman._typing import Array
from elman.data import Sequences
from elman.data.numbers import sequence_numbers
from elman.estimators.regression import Regression


class RNNRegressor(RegressorMixin, Regression):
    """A recurrent network that predicts a number for each sequence, or several.

    Parameters are those of ``RNNClassifier`` without ``class_weight``, and the two below. y is
    standardised for training (except for ``"poisson"``); predictions are in the units of y, in
    float64. ``score`` is R², or for quantiles D²; ``early_stopping`` watches it.

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "quantile", "poisson"} or Loss
        What to minimise. It decides what is predicted: the mean, the median, quantiles, or the mean of
        counts (the exponential of the network's output). A ``Loss`` of your own sees standardised
        numbers, unless it has ``standardizes = False``.
    quantile : float or sequence of float
        Between 0 and 1. Any but 0.5 needs ``loss="quantile"``. With several, predictions have one more
        axis.

    Attributes
    ----------
    target_mean_, target_scale_ : arrays (n_numbers,)
        What standardised y: a prediction is the network's output times scale, plus mean.
    history_ : list of dict
        A row for each epoch: loss (of standardised numbers), validation_score, learning_rate,
        gradient_norm.
    network_, mean_, scale_, n_features_in_, …
        As in ``RNNClassifier``.

    Examples
    --------
    >>> import numpy as np
    >>> from elman import RNNRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 10, 2))
    >>> y = 1000 + 50 * X[:, :, 0].sum(axis=1)
    >>> RNNRegressor(32, max_iter=60, random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    _every_step = False
    _auto_readout = "mean"

    score = Regression.score  # not RegressorMixin's, which does not know sequences

    def predict(self, X: Any, initial_state: Any = None) -> Array:
        """Predict the number, or numbers, of each sequence.

        Parameters
        ----------
        X
            As in ``fit``.
        initial_state : Carry, or list with an entry a layer, optional
            The states before the first steps: ``state.carry`` of a state from ``step``; or for each
            layer h, (n_samples, H), or a mapping from names of states. If left out, zeros, or what was
            learned.

        Returns
        -------
        array (n_samples,)
            ``(n_samples, n_numbers)`` if y had several for each; then an axis for quantiles, if
            ``quantile`` is a sequence of them.
        """
        fitted, y_hat, _ = self._outputs(X, initial_state)
        return fitted.answers.decoded(y_hat)

    def _values(self, y: Any, sequences: Sequences) -> Array:
        return sequence_numbers(y, sequences)

    def __sklearn_tags__(self) -> Tags:
        """Declare that y may have several numbers."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
