"""What a network's outputs mean: classes, or numbers in the units of y."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.metrics import d2_pinball_score, r2_score

from elman._typing import Array
from elman.data import Targets
from elman.data.labels import as_classes
from elman.equations.losses import Loss, Quantile
from elman.errors import DataError
from elman.parameters import Architecture, Parameters


class Answers(ABC):
    """What an estimator knows about its targets."""

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """K, the number of the network's outputs."""

    @abstractmethod
    def encoded(self, targets: Targets) -> Targets:
        """Turn checked values into what ``score`` and ``scaled`` take."""

    def measured(self, targets: Targets) -> Answers:
        """Learn from encoded targets what is needed before training."""
        return self

    def begin(self, parameters: Parameters, targets: Targets) -> None:
        """Change a new network's parameters so that it begins with the mean of encoded targets."""
        return  # classes need no change

    def scaled(self, targets: Targets, dtype: np.dtype[Any]) -> Targets:
        """Turn encoded targets into what the network is trained on."""
        return targets

    def reduced(self, y_hat: Array) -> Array:
        """Reduce ŷ (n, K) to what ``decoded`` and ``score`` need; these take both forms."""
        return y_hat

    @abstractmethod
    def decoded(self, y_hat: Array) -> Array:
        """Turn the network's ŷ (n, K) into answers."""

    @abstractmethod
    def score(self, targets: Targets, y_hat: Array) -> float:
        """Compare ŷ (n, K) with encoded targets; higher is better, and 1 is best."""

    def require_score(self, targets: Targets) -> None:
        """Refuse, by a DataError, targets that are too few for ``score``."""
        return  # classes need only one target

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The settings for a model file, beside ``arrays``."""

    @property
    def arrays(self) -> dict[str, Array]:
        """The arrays for a model file, beside ``settings``."""
        return {}

    @abstractmethod
    def check(self, architecture: Architecture) -> None:
        """Raise a ValueError for values that do not fit a network or would give wrong answers."""


@dataclass(frozen=True, eq=False)
class Classes(Answers):
    """The labels in ascending order, (n_classes,). The place of each is its code."""

    classes: Array

    @property
    def n_outputs(self) -> int:
        """An output for each class."""
        return len(self.classes)

    def encoded(self, targets: Targets) -> Targets:
        """Turn labels into codes 0 … K - 1; a label that is not a class gets -1."""
        labels = targets.values[targets.present]
        codes = np.searchsorted(self.classes, labels)
        known = self.classes[np.minimum(codes, len(self.classes) - 1)] == labels
        return targets.with_values(np.where(known, codes, -1))

    def reduced(self, y_hat: Array) -> Array:
        """Return the codes of the most probable labels, (n,)."""
        return y_hat if y_hat.ndim == 1 else y_hat.argmax(axis=1)

    def decoded(self, y_hat: Array) -> Array:
        """Return the most probable labels, (n,)."""
        return np.asarray(self.classes[self.reduced(y_hat)])

    def score(self, targets: Targets, y_hat: Array) -> float:
        """Return the share of right answers, each by its weight."""
        return targets.mean(self.reduced(y_hat) == targets.values)

    @property
    def settings(self) -> dict[str, Any]:
        """The classes, and their dtype."""
        classes = self.classes
        if classes.dtype.kind == "U":  # as wide as the longest, as in ``from_model``
            classes = np.array(classes.tolist())
        return {"classes": classes.tolist(), "classes_dtype": classes.dtype.str}

    @classmethod
    def from_model(
        cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], loss: Loss
    ) -> Classes:
        """Make the array of classes that was written.

        Text gets the width of the longest label, because a dtype in a file could claim any amount of
        memory.
        """
        classes, dtype = settings["classes"], settings["classes_dtype"]
        expected = np.dtype(dtype) if isinstance(dtype, str) else None
        numbers_or_objects = expected is not None and expected.kind in "biufO"
        decoded = np.array(classes, expected if numbers_or_objects else None)
        if decoded.dtype != expected or decoded.tolist() != classes:
            raise ValueError(f"the classes are not of their dtype, {dtype!r:.50}")
        return cls(decoded)

    def check(self, architecture: Architecture) -> None:
        """See ``Answers.check``."""
        K = architecture.n_outputs
        as_classes(self.classes, "classes_")
        if not architecture.loss_function.takes_classes:
            raise ValueError(f"the network has {architecture.loss!r}, which is no loss of classes")
        if self.classes.shape != (K,):
            raise ValueError(
                f"classes_ has shape {self.classes.shape}; the network has {K} outputs"
            )
        if not np.array_equal(self.classes, np.unique(self.classes)):
            raise ValueError("classes_ must be sorted, with each class once")


@dataclass(frozen=True, eq=False)
class Numbers(Answers):
    """Numbers: the network's, times ``scale``, plus ``mean``, are in the units of y.

    Attributes
    ----------
    loss : Loss
    mean, scale : arrays (n_numbers,), float64
        0 and 1 if the loss needs y itself.
    by_quantile : bool
        Whether answers have an axis for quantiles.
    """

    loss: Loss
    mean: Array
    scale: Array
    by_quantile: bool = False

    @classmethod
    def of(cls, loss: Loss, n_numbers: int, by_quantile: bool) -> Numbers:
        """Make ``Numbers`` with mean 0 and scale 1."""
        return cls(loss, np.zeros(n_numbers), np.ones(n_numbers), by_quantile)

    @property
    def n_outputs(self) -> int:
        """An output for each number, or for each quantile of each."""
        return len(self.mean) * self.loss.outputs_a_number

    def encoded(self, targets: Targets) -> Targets:
        """Return numbers as they are."""
        return targets

    def measured(self, targets: Targets) -> Numbers:
        """Learn the mean and the deviation of each number, if the loss allows it."""
        if not self.loss.standardizes:
            return self
        values = targets.values[targets.present]
        weights = targets.weights[targets.present]
        weights = weights / weights.max()  # sums of large numbers would overflow
        largest = np.maximum(np.abs(values).max(axis=0), np.finfo(np.float64).tiny)
        values = values / largest  # squares of huge values would overflow
        mean = np.average(values, axis=0, weights=weights)
        variance = np.average((values - mean) ** 2, axis=0, weights=weights)
        # Rounding errors in a constant are no variation (Chan, Golub and LeVeque 1983, eq. 3.2).
        n, eps = len(values), np.finfo(np.float64).eps
        constant = variance <= n * eps * variance + (n * mean * eps) ** 2
        scale = np.where(constant, 1.0, np.sqrt(variance) * largest)
        return replace(self, mean=mean * largest, scale=scale)

    def begin(self, parameters: Parameters, targets: Targets) -> None:
        """Let c predict the mean of numbers that are not standardised."""
        if "c" in parameters and not self.loss.standardizes:
            values, weights = targets.values[targets.present], targets.weights[targets.present]
            mean = np.average(values, axis=0, weights=weights / weights.max())
            parameters["c"][...] = np.repeat(self.loss.link(mean), self.loss.outputs_a_number)

    def scaled(self, targets: Targets, dtype: np.dtype[Any]) -> Targets:
        """Standardise numbers to mean 0 and deviation 1.

        Raises
        ------
        DataError
            If one is too large for the dtype.
        """
        values = (targets.values - self.mean) / self.scale
        with np.errstate(over="ignore"):  # an infinity is reported
            cast = values.astype(dtype)
        if not np.isfinite(cast).all():
            raise DataError(
                f"y contains {np.abs(targets.values).max():g}, too large for dtype {dtype}. Divide y "
                "by a number, or pass X in float64."
            )
        return replace(targets, values=cast)

    def decoded(self, y_hat: Array) -> Array:
        """Return numbers in the units of y, float64.

        Parameters
        ----------
        y_hat : array (…, K)

        Returns
        -------
        array (…,), with an axis for numbers if there are several, and one for quantiles.
        """
        answers = self._by_number(y_hat) * self.scale[:, None] + self.mean[:, None]
        if not self.by_quantile:
            answers = answers[..., 0]
        return answers if len(self.mean) > 1 else np.take(answers, 0, axis=y_hat.ndim - 1)

    def score(self, targets: Targets, y_hat: Array) -> float:
        """Return R²; for quantiles the mean of their D², its counterpart for the pinball loss."""
        present = targets.present
        y, weights = targets.values[present], targets.weights[present]
        weights = weights / weights.max()  # sums of large numbers would overflow
        y_hat = self._by_number(y_hat[present]) * self.scale[:, None] + self.mean[:, None]
        if isinstance(self.loss, Quantile):
            scores = [
                d2_pinball_score(y, y_hat[..., q], alpha=tau, sample_weight=weights)
                for q, tau in enumerate(self.loss.quantiles)
            ]
            return float(np.mean(scores))
        return float(r2_score(y, y_hat[..., 0], sample_weight=weights))

    def require_score(self, targets: Targets) -> None:
        """Refuse, by a DataError, a single number: R² compares with the mean."""
        if targets.present.sum() < 2:
            raise DataError(
                "a score of numbers needs two answers or more; there is one to validate with. Raise "
                "validation_fraction, or pass more as validation_data."
            )

    def _by_number(self, y_hat: Array) -> Array:
        """Give ŷ an axis for numbers, and one for quantiles: (…, K) → (…, n_numbers, ·)."""
        return y_hat.reshape(*y_hat.shape[:-1], len(self.mean), -1).astype(np.float64)

    @property
    def settings(self) -> dict[str, Any]:
        """Whether answers have an axis for quantiles."""
        return {"by_quantile": self.by_quantile}

    @property
    def arrays(self) -> dict[str, Array]:
        """Mean and deviation."""
        return {"target_mean": self.mean, "target_scale": self.scale}

    @classmethod
    def from_model(
        cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], loss: Loss
    ) -> Numbers:
        """Make them again from a model file's settings and arrays."""
        return cls(loss, arrays["target_mean"], arrays["target_scale"], settings["by_quantile"])

    def check(self, architecture: Architecture) -> None:
        """See ``Answers.check``."""
        mean, scale, n = self.mean, self.scale, architecture.n_numbers
        if architecture.loss_function.takes_classes:
            raise ValueError(f"the network has {architecture.loss!r}, which is no loss of numbers")
        if {(mean.shape, mean.dtype), (scale.shape, scale.dtype)} != {((n,), np.dtype(float))}:
            raise ValueError(
                f"target_mean_ and target_scale_ are {mean.dtype} {mean.shape} and {scale.dtype} "
                f"{scale.shape}; expected float64 of shape ({n},), one for each number"
            )
        if not (np.isfinite(mean).all() and np.isfinite(scale).all() and (scale > 0).all()):
            raise ValueError("target_mean_ and target_scale_ must be finite, and scales above 0")
        if not isinstance(self.by_quantile, bool):
            raise ValueError(f"by_quantile must be True or False; got {self.by_quantile!r}")
        if not self.by_quantile and architecture.loss_function.outputs_a_number > 1:
            raise ValueError("the network has several quantiles, and by_quantile is False")
