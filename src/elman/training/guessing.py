"""The loss without learning: that of the best prediction that is the same for all targets.

Letters: m targets, K outputs.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from elman._typing import Array
from elman.data import Examples
from elman.equations.losses import Loss

_HALVINGS = 40
_SAMPLE = 16_384  # targets, of which the best constant is computed


class Guessing(NamedTuple):
    """Mean losses of a sequence, with which the loss of training is compared.

    Attributes
    ----------
    loss : float
        The loss of the best prediction that is the same for all targets. For classes, this is the
        entropy of the weighted class frequencies; for numbers, the loss of the best constant.
    perfect : float
        The loss if each prediction is the target itself. With ``"poisson"`` it is not 0.
    a_target : float
        ``loss`` for one target of weight 1, rather than for a sequence.
    """

    loss: float
    perfect: float
    a_target: float

    def explained(self, loss: float) -> float:
        """Return the share by which a loss is below that of guessing: R² for squared errors, else D².

        If all targets are equal, it is 1.
        """
        left = self.loss - self.perfect
        tiny = 1e-9 * max(abs(self.loss), abs(self.perfect), 1e-300)
        return 1.0 if left <= tiny else 1 - (loss - self.perfect) / left


def guessing(examples: Examples, loss: Loss, n_outputs: int) -> Guessing:
    """Compute the losses of guessing.

    Parameters
    ----------
    examples : Examples
        With the targets that the network is trained on.
    loss : Loss
    n_outputs : int
        K.
    """
    targets = examples.targets
    values = targets.values[targets.present]
    weights = targets.weights[targets.present].astype(np.float64)
    n, total = len(examples.sequences), float(weights.sum())
    if loss.takes_classes:
        of_classes = np.bincount(values, weights)
        shares = [float(weight) / total for weight in of_classes if weight]
        guessed, perfect = -total * math.fsum(p * math.log(p) for p in shares), 0.0
    else:
        y = loss.columns(values.astype(np.float64), n_outputs)  # (K, m)
        constants = loss.constants(n_outputs)
        every = -(-y.shape[1] // _SAMPLE)
        z = _best_constant(y[:, ::every], weights[::every], loss, constants)
        guessed = float((weights * loss.value(z + np.zeros_like(y), y, *constants)).sum())
        perfect = float((weights * loss.value(loss.link(y), y, *constants)).sum())
    return Guessing(guessed / n, perfect / n, guessed / total)


def _best_constant(y: Array, weights: Array, loss: Loss, constants: tuple[Array, ...]) -> Array:
    """Find the z (K, 1) at which the error of all targets together changes its sign."""
    low, high = (loss.link(end(axis=1, keepdims=True)) for end in (y.min, y.max))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        y_hat = loss.activate(middle + np.zeros_like(y))
        errors = (weights * loss.error(y_hat, y, *constants)).sum(axis=1, keepdims=True)
        low, high = np.where(errors < 0, middle, low), np.where(errors < 0, high, middle)
    return np.asarray((low + high) / 2)
