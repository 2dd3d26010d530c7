"""scikit-learn's metrics, for the answers of steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer
from sklearn.pipeline import Pipeline

from elman._typing import Array
from elman.estimators import RNNStepRegressor, RNNTagger

__all__ = ["StepScorer"]


class StepScorer:
    """Score a tagger or step regressor by a metric of scikit-learn, over the steps of all sequences.

    scikit-learn's metrics take one label for each sample, not an array. With the name of a metric,
    ``scoring="f1_macro"``, a search over taggers scores nan for every candidate. If all sequences have
    one length and the labels are 0 and 1, it computes something else: each sequence then counts as one
    sample with several labels.

    Parameters
    ----------
    scoring : str or callable
        A name that ``sklearn.metrics.get_scorer`` knows, or a scorer made by ``make_scorer``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from elman import RNNTagger
    >>> from elman.metrics import StepScorer
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.choice([-1.0, 1.0], (n, 1)) for n in rng.integers(5, 15, 60)]
    >>> y = [np.where(np.cumsum(x) > 0, "up", "down") for x in X]
    >>> tagger = RNNTagger(8, max_iter=10, random_state=0)
    >>> grid = {"learning_rate_init": [1e-6, 0.03]}
    >>> search = GridSearchCV(tagger, grid, scoring=StepScorer("f1_macro"), cv=2).fit(X, y)
    >>> search.best_params_
    {'learning_rate_init': 0.03}
    """

    def __init__(self, scoring: Any) -> None:
        self.scoring = scoring
        if get_scorer(scoring) is None:  # an unknown name is an error here, not nan later
            raise ValueError(
                "scoring is None; expected a name, such as 'f1_macro', or a scorer. Without a metric "
                "a search takes the tagger's own score, the accuracy of its steps."
            )

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score a fitted estimator; steps of weight 0 are left out.

        Parameters
        ----------
        estimator : RNNTagger or RNNStepRegressor, a Pipeline that ends in one, or a search over them
        X, y, sample_weight
            As in its ``fit``.

        Returns
        -------
        float

        Raises
        ------
        TypeError
            If the estimator does not answer each step.
        DataError, ValueError
            If X, y or the weights are not as in ``fit``.
        """
        estimator = getattr(estimator, "best_estimator_", estimator)  # of a search
        if isinstance(estimator, Pipeline):
            for _, transformer in estimator.steps[:-1]:
                X = X if transformer in (None, "passthrough") else transformer.transform(X)
            estimator = estimator.steps[-1][1]
        if not isinstance(estimator, RNNTagger | RNNStepRegressor):
            raise TypeError(
                "StepScorer scores an RNNTagger or RNNStepRegressor, a Pipeline that ends in one, or a "
                f"search over them; got a {type(estimator).__name__}."
            )
        fitted, sequences = estimator._checked(X)
        examples = estimator._examples(y, sequences, sample_weight, fitted.answers)
        y_hat = estimator._y_hat(fitted, examples.sequences)
        targets = examples.targets
        y_hat, answers = y_hat[targets.present], fitted.answers
        flat: BaseEstimator
        if isinstance(estimator, RNNTagger):
            flat = _Labelled(estimator.classes_, y_hat)
        else:
            flat = _Numbered(answers.decoded(y_hat))
        values, weights = targets.values[targets.present], targets.weights[targets.present]
        options = {} if sample_weight is None else {"sample_weight": weights}
        return float(get_scorer(self.scoring)(flat, None, values, **options))

    def __repr__(self) -> str:
        return f"StepScorer({self.scoring!r})"


class _Numbered(RegressorMixin, BaseEstimator):
    """A regressor with given answers, which a scorer can ask for."""

    def __init__(self, answers: Array) -> None:
        self.answers = answers

    def predict(self, X: None) -> Array:
        return self.answers


class _Labelled(ClassifierMixin, BaseEstimator):
    """A classifier with given answers."""

    def __init__(self, classes: Array, probabilities: Array) -> None:
        self.classes_ = classes
        self.probabilities = probabilities

    def predict(self, X: None) -> Array:
        return np.asarray(self.classes_[self.probabilities.argmax(axis=1)])

    def predict_proba(self, X: None) -> Array:
        return self.probabilities
