"""A number for every step, or several."""

from __future__ import annotations

from typing import Any

from elman._typing import Array
from elman.data import Sequences
from elman.data.numbers import step_numbers
from elman.estimators.predicting import folded
from elman.estimators.regression import Regression


class RNNStepRegressor(Regression):
    """A recurrent network that predicts a number for every step, from the steps up to it.

    ``fit`` minimises the sum of the losses of all steps, as a mean over sequences; so ``loss_curve_``
    is larger for longer sequences. Parameters and attributes are those of ``RNNRegressor``;
    ``RNNTagger`` says what ``"auto"`` means. y is a list of (n_timesteps,) or (n_timesteps, n_numbers)
    arrays, or one array if X is one. The number of a step of weight 0 is ignored, and may be NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from elman import RNNStepRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.standard_normal((n, 1)) for n in rng.integers(5, 15, 200)]
    >>> y = [np.cumsum(x) for x in X]
    >>> model = RNNStepRegressor(16, max_iter=40, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    """

    _every_step = True
    _auto_readout = "last"

    def predict(self, X: Any, initial_state: Any = None) -> Array:
        """Predict the number, or numbers, of each step.

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
        array (n_samples, n_timesteps)
            Then an axis for numbers, if y had several for each step, and one for quantiles, if
            ``quantile`` is a sequence of them. If X is a list or has padding, an object array with such
            an array for each sequence.
        """
        fitted, y_hat, sequences = self._outputs(X, initial_state)
        return folded(fitted.answers.decoded(y_hat), sequences)

    def _values(self, y: Any, sequences: Sequences) -> Array:
        return step_numbers(y, sequences)
