"""What the two estimators of numbers have in common: the loss, and the units of y."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import _fit_context
from sklearn.utils._param_validation import InvalidParameterError

from elman._typing import Array
from elman.data import Targets
from elman.data.numbers import checked_numbers
from elman.engines import Carry, State
from elman.equations.losses import Loss, Quantile, as_loss
from elman.errors import DataError
from elman.estimators.answers import Answers, Numbers
from elman.estimators.base import BaseRNN
from elman.estimators.hyperparameters import RegressorParameters
from elman.estimators.predicting import overflow


@dataclass(frozen=True, eq=False)
class NumberState(State):
    """A state whose steps give numbers in the units of y."""

    state: State
    answers: Numbers

    def step(self, x_t: npt.ArrayLike) -> tuple[Array, NumberState]:
        """See ``State.step``."""
        y_hat, after = self.state.step(x_t)
        if not (after.waits or np.isfinite(y_hat).all()):
            raise overflow("", y_hat.dtype)
        return self.answers.decoded(y_hat), NumberState(after, self.answers)

    @property
    def carry(self) -> Carry:
        """See ``State.carry``."""
        return self.state.carry

    @property
    def origin(self) -> bytes:
        """See ``State.origin``."""
        return self.state.origin

    @property
    def waits(self) -> bool:
        """See ``State.waits``."""
        return self.state.waits


class Regression(BaseRNN, RegressorParameters):
    """Fits a network to numbers."""

    _answers = Numbers

    @property
    def target_mean_(self) -> Array:
        """The prediction, in the units of y, if the network's output is 0, (n_numbers,)."""
        return self._numbers(self._state.answers).mean

    @property
    def target_scale_(self) -> Array:
        """How much 1 in the network's output is in the units of y, (n_numbers,)."""
        return self._numbers(self._state.answers).scale

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch, continuing from the last call.

        The learning rate is constant, ``learning_rate_init``. The mean and deviation that standardise
        X and y, and frames, are those of the first call. Weights are not divided by their mean.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.

        Returns
        -------
        self

        Raises
        ------
        DataError, ValueError, DivergenceError
            As ``fit`` does.
        """
        return self._fit_part(X, y, sample_weight)

    def _loss(self) -> str | Loss:
        loss: str | Loss = self.loss
        if loss == "quantile":
            try:
                return Quantile(self.quantile)
            except (TypeError, ValueError) as error:
                raise InvalidParameterError(f"quantile: {error}") from None
        if np.any(np.asarray(self.quantile) != 0.5):  # the default
            raise InvalidParameterError(
                f"quantile={self.quantile!r} needs loss='quantile'; got loss={loss!r}."
            )
        if as_loss(loss).takes_classes:
            raise InvalidParameterError(
                f"loss={loss!r} takes classes; a regressor needs one of numbers."
            )
        return loss

    def _checked_values(self, targets: Targets, known: Answers | None) -> Targets:
        targets = checked_numbers(targets, as_loss(self._loss()).check)
        n = targets.values.shape[1]
        if known is not None and n != len(self._numbers(known).mean):
            raise DataError(
                f"y has {n} number(s) for each answer; expected {len(self._numbers(known).mean)}, as "
                "before."
            )
        return targets

    def _fewest_to_score(self) -> int:
        return 1 if self._every_step else 2  # R² compares with the mean

    def _known(self, targets: Targets, before: Answers | None, classes: Any = None) -> Numbers:
        if before is not None:
            return self._numbers(before)
        loss = as_loss(self._loss())
        by_quantile = isinstance(loss, Quantile) and (
            self.loss != "quantile" or bool(np.iterable(self.quantile))
        )
        return Numbers.of(loss, targets.values.shape[1], by_quantile)

    def initial_state(self, n_sequences: int | None = None, states: Any = None) -> State:
        """Begin to go through sequences step by step, as their steps come in.

        Parameters
        ----------
        n_sequences : int, optional
            How many sequences to go through at the same time. If left out, one, and steps and
            predictions have no axis for it.
        states : Carry, or list with an entry a layer, optional
            The states to begin with, as ``initial_state`` of ``predict``.

        Returns
        -------
        State
            For ``step``. It keeps the present model, also if the estimator is fitted again.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        answers = self._numbers(self._state.answers)
        return NumberState(super().initial_state(n_sequences, states), answers)

    def _numbers(self, answers: Answers) -> Numbers:
        assert isinstance(answers, Numbers)
        return answers
