"""A label for every step."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array

from elman._typing import Array
from elman.data import Sequences
from elman.data.sequences import check_weights, flat_steps, is_per_step
from elman.estimators.base import BaseRNN
from elman.estimators.classifier import check_sequence_weights


class RNNTagger(BaseRNN):
    """A recurrent network that gives every step a label, from the steps up to it.

    Minimises the notes' own loss, the sum of the cross-entropies of all steps, L = Σ L_t (N3), in
    the mean over sequences. Parameters and attributes are those of ``RNNClassifier``; y is a list of
    (n_timesteps,) arrays, or an array (n_samples, n_timesteps) where X is one.

    Labels of steps are more than scikit-learn's metrics take: in ``GridSearchCV`` and
    ``cross_val_score`` leave ``scoring`` out, which then is ``score``, and do not stratify.

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

    def predict_proba(self, X: Any) -> Array | list[Array]:
        """Compute each step's probabilities.

        Returns
        -------
        array (n_samples, n_timesteps, n_classes), or a list of (n_timesteps, n_classes)
            A list where X is one.
        """
        y_hat, sequences = self._probabilities(X)
        return sequences.fold(y_hat)

    def predict_log_proba(self, X: Any) -> Array | list[Array]:
        """Compute the logarithms of ``predict_proba``."""
        y_hat, sequences = self._probabilities(X)
        with np.errstate(divide="ignore"):  # a probability may have underflowed to 0
            return sequences.fold(np.log(y_hat))

    def predict(self, X: Any) -> Array | list[Array]:
        """Compute each step's most probable label.

        Returns
        -------
        array (n_samples, n_timesteps), or a list of (n_timesteps,) where X is a list
        """
        y_hat, sequences = self._probabilities(X)
        return sequences.fold(self.classes_[y_hat.argmax(axis=1)])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compute the share of steps whose label is right.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``. A sequence's weight is that of each of its steps.

        Returns
        -------
        float
        """
        y_hat, sequences = self._probabilities(X)
        right = self.classes_[y_hat.argmax(axis=1)] == self._check_labels(y, sequences)
        return float(np.average(right, weights=self._check_weights(sample_weight, sequences)))

    def _check_labels(self, y: Any, sequences: Sequences) -> Array:
        labels = flat_steps(y, sequences)
        check_array(labels, ensure_2d=False, dtype=None, input_name="y")  # no NaN
        check_classification_targets(labels)
        return labels

    def _check_weights(self, sample_weight: Any, sequences: Sequences) -> Array:
        if not is_per_step(sample_weight):
            weights = check_sequence_weights(sample_weight, sequences)
            return np.repeat(weights, sequences.lengths)
        return check_weights(flat_steps(sample_weight, sequences, "sample_weight"))
