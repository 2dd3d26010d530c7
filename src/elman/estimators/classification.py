"""What the two estimators of labels have in common: classes, their weights, probabilities."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from elman._typing import Array
from elman.data import Examples, Targets
from elman.data.labels import as_classes, checked_labels, refuse_other_kind
from elman.data.weights import check_weights
from elman.errors import DataError, warn
from elman.estimators.answers import Answers, Classes
from elman.estimators.base import BaseRNN
from elman.estimators.hyperparameters import ClassifierParameters
from elman.mpi import rank
from elman.training import Run, Trainer


class Classification(BaseRNN, ClassifierParameters):
    """Fits a network under a softmax to labels."""

    _answers = Classes

    @property
    def classes_(self) -> Array:
        """The labels in ascending order, (n_classes,)."""
        return self._classes(self._state.answers)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch, continuing from the last call.

        The learning rate is constant, ``learning_rate_init``. The mean and deviation that standardise,
        and frames, are those of the first call. Weights are not divided by their mean.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array (n_classes,)
            All labels of this and later calls. The first call needs it if y lacks some.

        Returns
        -------
        self

        Raises
        ------
        DataError, ValueError, DivergenceError
            As ``fit`` does; also if y has labels that are not in ``classes``.

        Warns
        -----
        ConvergenceWarning
            If the first call has one class only.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all labels at once, and partial_fit sees a part. "
                "Give the weights as a dict, or as sample_weight."
            )
        begins = self._begun is None
        self._fit_part(X, y, sample_weight, classes=classes)
        if begins and len(self.classes_) == 1 and rank() == 0:
            warn(
                f"{type(self).__name__} saw one class only, {self.classes_.tolist()[0]!r}: there is "
                "nothing to tell apart, and later calls cannot add a class. Name all of them at the "
                "first partial_fit: classes=[...].",
                ConvergenceWarning,
            )
        return self

    def _loss(self) -> str:
        return "cross_entropy"

    def _strata(self, examples: Examples) -> Array | None:
        return None if self._every_step else examples.targets.values

    def _checked_values(self, targets: Targets, known: Answers | None) -> Targets:
        targets = checked_labels(targets)
        labels = targets.values[targets.present]
        if known is not None:
            refuse_other_kind(labels, self._classes(known))
        try:
            check_classification_targets(labels)
        except ValueError as error:
            found = str(error).split(". ")[0]  # the rest of the message guesses the mistake
            raise DataError(
                f"{found}. Expected labels: whole numbers, True and False, or text. For numbers use "
                "RNNRegressor or RNNStepRegressor (elman train --task regression)."
            ) from None
        return targets

    def _known(self, targets: Targets, before: Answers | None, classes: Any = None) -> Classes:
        """Find all labels, in ascending order. The labels of y have to be among them."""
        present = np.unique(targets.values[targets.present])
        known = present if before is None else self._classes(before)
        if classes is not None:
            given = np.unique(as_classes(classes, "classes"))
            refuse_other_kind(present, given)
            if before is not None and not np.array_equal(given, known):
                raise ValueError(f"classes={classes} are not those of the first call: {known}")
            known = given
        unseen = np.setdiff1d(present, known)
        if len(unseen):
            raise DataError(
                f"y has labels that are not among the classes {known.tolist()}: "
                f"{unseen.tolist()}. Name all classes at the first partial_fit, fit anew with "
                "warm_start=False, or leave these labels out."
            )
        return Classes(known)

    def _complaint(self, trainer: Trainer, run: Run) -> str:
        if len(classes := self.classes_) == 1:
            return (
                f"saw one class only, {classes.tolist()[0]!r}: there is nothing to tell apart, and it "
                "answers nothing else. Train it on at least two classes."
            )
        return super()._complaint(trainer, run)

    def _encoded(self, examples: Examples, answers: Answers) -> Examples:
        """Turn labels into codes 0 … K - 1, and multiply their weights by those of the classes."""
        given, targets = examples.targets, answers.encoded(examples.targets)
        if self.class_weight is not None:
            has_label = given.present
            labels, weights = given.values[has_label], given.weights.copy()
            # Some of the classes that are known from before may have no examples now.
            balanced = self.class_weight == "balanced"
            among = np.unique(labels) if balanced else self._classes(answers)
            of_classes = compute_class_weight(
                self.class_weight, classes=among, y=labels, sample_weight=weights[has_label]
            )
            of_classes = check_weights(of_classes, "class_weight")
            weights[has_label] *= of_classes[np.searchsorted(among, labels)]
            targets = replace(targets, weights=weights)
        return examples.with_targets(targets).present()

    def _classes(self, answers: Answers) -> Array:
        assert isinstance(answers, Classes)
        return answers.classes
