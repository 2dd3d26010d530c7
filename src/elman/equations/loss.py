"""N3 and N5: the cross-entropy, the softmax derivative, and the two together.

Labels are columns y_t (K, m), one-hot in the notes. A column may be scaled: the weight of a
sequence, of a step, or 1/B for a mean over B sequences multiplies its y_t, and then scales its
loss and its gradients. That Σ_i y_i need not be 1 is already in N5, one line before its end.

Letters: m answers, one a column, K outputs.
"""

import numpy as np

from elman._typing import Array


def cross_entropy(y: Array, y_unactivated: Array) -> Array:
    """L = Σ L_t with L_t = -Σ_k y_k log ŷ_k, a column an L_t (N3).

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
    z = y_unactivated - y_unactivated.real.max(axis=0)
    log_y_hat = z - np.log(np.exp(z).sum(axis=0))
    return np.asarray(-(y * log_y_hat).sum())


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
