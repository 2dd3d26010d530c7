"""The targets of one sequence, and the errors and losses of its answers (N3, N5).

Letters: T steps, A of them answering (with a loss), K outputs, n passes side by side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elman._typing import Array, IntArray
from elman.equations.losses import CrossEntropy, Loss
from elman.explanation import terms

_STEP = 1e-20


class Wanted(NamedTuple):
    """The targets of a sequence, and their loss.

    Attributes
    ----------
    loss : Loss
    y : array (K, T)
        In the form that the loss takes; zeros if a step has no target.
    present : array (T,) of bool
        Which steps have a target.
    """

    loss: Loss
    y: Array
    present: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, loss: Loss, values: Array, n_outputs: int, T: int, every_step: bool) -> Wanted:
        """Lay out targets: one for the last step, or one for each step."""
        present = np.full(T, every_step)
        present[-1] = True
        y = np.zeros((n_outputs, T))
        y[:, present] = loss.columns(values, n_outputs)
        return cls(loss, y, present)

    @property
    def answering(self) -> IntArray:
        """The steps with a loss, from 0."""
        return np.flatnonzero(self.present)

    @property
    def labels(self) -> IntArray | None:
        """The true classes, (T,), -1 if a step has none; None if targets are numbers."""
        if not self.loss.takes_classes:
            return None
        return np.where(self.present, self.y.argmax(axis=0), -1)

    @property
    def _constants(self) -> tuple[Array, ...]:
        return self.loss.constants(len(self.y))

    def error(self, z: Array) -> Array:
        """dL_t/dz_t, (K, T), for y_unactivated (K, T): ŷ - y of most losses."""
        y_hat = self.loss.activate(z)
        if isinstance(self.loss, CrossEntropy):  # to the last digit
            return terms.exact_error(self.y * self.present, y_hat)
        return np.where(self.present, self.loss.error(y_hat, self.y, *self._constants), 0)

    def losses(self, z: Array) -> Array:
        """L_t of the steps that answer, (A, n), for y_unactivated (A, K, n), of any dtype."""
        y = self.y[:, self.answering]
        if isinstance(self.loss, CrossEntropy):  # to the last digit
            return terms.exact_losses(z, y.argmax(axis=0))
        return np.asarray(self.loss.value(z, y.T[:, :, None], *self._constants).sum(axis=1))

    def rounded(self, z: Array, size: Array) -> Array:
        """Return the numbers to which the rounding of dL_t/dz_t is relative, (K, T).

        ŷ - y of numbers has few digits left if the two are almost equal; ŷ - y of classes has all
        digits.

        Parameters
        ----------
        z : array (K, T)
            y_unactivated.
        size : array (K, T)
            |V| |h| + |c|, to which the rounding of z is relative.
        """
        error = np.abs(self.error(z))
        if isinstance(self.loss, CrossEntropy):
            return error
        moved = self.loss.error(self.loss.activate(z + _STEP * 1j), self.y, *self._constants)
        slope = np.abs(np.imag(moved)) / _STEP
        return np.where(self.present, error + slope * (size + np.abs(self.y)), 0)
