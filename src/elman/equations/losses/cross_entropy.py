"""N3 and N5: softmax, its derivative, the cross-entropy, and the two together.

Labels are columns y_t (K, m), one-hot in the notes. A column may be multiplied by a weight: that of
a sequence or a step, or 1/B for a mean over B sequences. Then the loss and the gradients are
multiplied, too: the last but one line of N5 does not need Σ_i y_i = 1.

Letters: m answers, one a column, K outputs.
"""

import numpy as np

from elman._typing import Array
from elman.equations.forward import softmax
from elman.equations.losses.loss import Loss


class CrossEntropy(Loss):
    """L = -Σ_k y_k log ŷ_k (N3) with ŷ = softmax z; its error is ŷ - y (N5).

    The one loss whose outputs depend on each other, within a column.
    """

    name = "cross_entropy"
    takes_classes = True

    def activate(self, z: Array) -> Array:
        """Softmax z."""
        return softmax(z)

    def value(self, z: Array, y: Array) -> Array:
        """-y_k log ŷ_k."""
        return -(y * log_softmax(z))

    def error(self, y_hat: Array, y: Array) -> Array:
        """ŷ_k Σ_i y_i - y_k."""
        return output_error(y, y_hat)

    def columns(self, values: Array, n_outputs: int) -> Array:
        """One-hot columns (K, m) of classes (m,)."""
        y = np.zeros((n_outputs, len(values)))
        y[values, np.arange(len(values))] = 1
        return y


def cross_entropy(y: Array, y_unactivated: Array) -> Array:
    """L = Σ L_t with L_t = -Σ_k y_k log ŷ_k; each column is one L_t (N3).

    It takes z = ``y_unactivated`` rather than ŷ: log ŷ_k = z_k - log Σ_i exp z_i stays finite
    where ŷ_k itself has underflowed to 0.

    Parameters
    ----------
    y : array (K, m)
        One-hot columns, each times its weight.
    y_unactivated : array (K, m)

    Returns
    -------
    0-d array
        The loss, real or complex as ``y_unactivated`` is.
    """
    return np.asarray(-(y * log_softmax(y_unactivated)).sum())


def log_softmax(z: Array) -> Array:
    """Log ŷ_k = z_k - log Σ_i exp z_i, of each column of z (K, m)."""
    z = z - z.real.max(axis=0)
    return np.asarray(z - np.log(np.exp(z).sum(axis=0)))


def softmax_jacobian(y_hat: Array) -> Array:
    """dŷ_i/dz_k (N5): ŷ_i (1 - ŷ_i) if i = k, and -ŷ_i ŷ_k if i ≠ k.

    Parameters
    ----------
    y_hat : array (K,) or (K, m)
        ŷ, the softmax of z.

    Returns
    -------
    array (K, K) or (m, K, K)
        Row i, column k is dŷ_i/dz_k.
    """
    y_hat = np.moveaxis(np.asarray(y_hat), 0, -1)  # (..., K)
    case_different = -y_hat[..., :, None] * y_hat[..., None, :]
    case_same = y_hat * (1 - y_hat)
    diagonal = np.eye(y_hat.shape[-1], dtype=bool)
    return np.where(diagonal, case_same[..., :, None], case_different)


def output_error(y: Array, y_hat: Array) -> Array:
    """dL/dz_k = ŷ_k Σ_i y_i - y_k (N5), which is ŷ - y for one-hot y.

    Parameters
    ----------
    y : array (K, m)
        One-hot columns, each times its weight.
    y_hat : array (K, m)

    Returns
    -------
    array (K, m)
    """
    return np.asarray(y_hat * y.sum(axis=0) - y)
