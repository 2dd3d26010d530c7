"""A label for every step."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_scalar

from elman._typing import Array
from elman.data import Sequences
from elman.data.labels import step_labels
from elman.data.tokens import Token
from elman.estimators.classification import Classification
from elman.estimators.hyperparameters import generator
from elman.estimators.predicting import folded
from elman.estimators.sampling import sampled


class RNNTagger(Classification):
    """A recurrent network that gives every step a label, from the steps up to it.

    ``fit`` minimises the loss of the notes, the sum of the cross-entropies of all steps, L = Σ L_t
    (N3), as a mean over sequences; so ``loss_curve_`` is larger for longer sequences. Parameters
    and attributes are those of ``RNNClassifier``; y is a list of (n_timesteps,) arrays, or an array
    (n_samples, n_timesteps) if X is one. Predictions do not use later steps: ``"auto"`` means
    ``standardize=True``, ``readout="last"`` and ``frame=None``.
    Fitted on texts, with each text's next characters for y, it predicts the next character, and
    ``sample`` writes text.

    scikit-learn's metrics do not take labels of steps. In ``GridSearchCV`` and ``cross_val_score``
    leave ``scoring`` out (this uses ``score``), or wrap a metric in ``elman.metrics.StepScorer``; and
    do not stratify. ``cross_val_predict`` works.

    Examples
    --------
    >>> import numpy as np
    >>> from elman import RNNTagger
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.choice([-1.0, 1.0], (n, 1)) for n in rng.integers(5, 15, 200)]
    >>> y = [np.where(np.cumsum(x) > 0, "up", "down") for x in X]
    >>> tagger = RNNTagger(16, max_iter=40, random_state=0).fit(X, y)
    >>> tagger.score(X, y) > 0.95
    True
    """

    _every_step = True
    _auto_readout = "last"

    def predict_proba(self, X: Any, initial_state: Any = None) -> Array:
        """Compute each step's probabilities.

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
        array (n_samples, n_timesteps, n_classes)
            If X is a list or has padding, an object array of (n_timesteps, n_classes) arrays.
        """
        _, y_hat, sequences = self._outputs(X, initial_state)
        return folded(y_hat, sequences)

    def predict_log_proba(self, X: Any, initial_state: Any = None) -> Array:
        """Compute the logarithms of ``predict_proba``.

        Parameters
        ----------
        X
            As in ``fit``.
        initial_state : Carry, or list with an entry a layer, optional
            The states before the first steps: ``state.carry`` of a state from ``step``; or for each
            layer h, (n_samples, H), or a mapping from names of states. If left out, zeros, or what was
            learned.
        """
        _, y_hat, sequences = self._outputs(X, initial_state)
        with np.errstate(divide="ignore"):  # a probability may have underflowed to 0
            return folded(np.log(y_hat), sequences)

    def predict(self, X: Any, initial_state: Any = None) -> Array:
        """Compute each step's most probable label.

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
            Where X is a list or has padding, an object array of (n_timesteps,) arrays.
        """
        fitted, y_hat, sequences = self._outputs(X, initial_state, reduced=True)
        return folded(fitted.answers.decoded(y_hat), sequences)

    def sample(
        self, n: int, prompt: Any = "", temperature: float = 1.0, random_state: Any = None
    ) -> str | list[Token]:
        """Draw n tokens one after another, each from the probabilities after those before it.

        Fit the model on sequences of tokens and on the next token of each:
        ``fit([text[:-1]], [text[1:]])``.

        Parameters
        ----------
        n : int
        prompt : str, or list of tokens
            The tokens before the first one. Without a prompt, the text begins as after an unknown
            token.
        temperature : float
            Probabilities are raised to the power of 1 / temperature. Below 1 likely tokens come more
            often; 0 always draws the most probable one.
        random_state : int, RandomState or None
            An int gives the same tokens again.

        Returns
        -------
        str
            Without the prompt; a list if tokens are not characters.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        DataError
            If the labels are not tokens, or the prompt is not a sequence of tokens.
        TypeError, ValueError
            If n or the temperature is not a finite number of at least 0, or n is not whole.

        Examples
        --------
        >>> from elman import RNNTagger
        >>> text = "to be or not to be, " * 20
        >>> model = RNNTagger(16, max_iter=200, tbptt_steps=50, random_state=0)
        >>> model = model.fit([text[:-1]], [text[1:]])
        >>> model.sample(18, prompt="to be ", temperature=0)
        'or not to be, to b'
        """
        check_scalar(n, "n", Integral, min_val=0)
        check_scalar(temperature, "temperature", Real, min_val=0)
        if not np.isfinite(temperature):
            raise ValueError(f"temperature == {temperature}, must be a finite number.")
        fitted, rng = self._state, generator(random_state)
        classes = self._classes(fitted.answers)
        return sampled(fitted, self._make_engine(), classes, n, prompt, float(temperature), rng)

    def _values(self, y: Any, sequences: Sequences) -> Array:
        return step_labels(y, sequences)
