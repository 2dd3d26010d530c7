"""N6, N7 and N8: the gradients, through the output and back through time.

δ_t stands for dL/dh_unactivated at step t, all that later steps send back included.

Letters: T steps, n sequences alive at a step, m answers, D features, H units, K outputs.
"""

from collections.abc import Sequence

import numpy as np

from elman._typing import Array


def output_gradients(error: Array, h: Array, V: Array) -> tuple[Array, Array, Array]:
    """Gradients of the answers (N6).

    Parameters
    ----------
    error : array (K, m)
        ŷ - y of each answer, from ``output_error``.
    h : array (H, m)
        The states that answered.
    V : array (K, H)

    Returns
    -------
    dV : array (K, H)
        Σ (ŷ_t - y_t) h_tᵀ: the product sums over the answers.
    dc : array (K,)
    dh : array (H, m)
        Vᵀ (ŷ_t - y_t), what each answer tells its state (the first factor of N8).
    """
    return error @ h.T, error.sum(axis=1), V.T @ error


def errors_through_time(
    dh: Sequence[Array], slopes: Sequence[Array], W: Array | None
) -> list[Array]:
    """Carry the error back from the last step to the first (N7).

    N7 carries each loss L_t back to each step τ on its own, δ_{t,τ}, by one factor of its product

        ∂h_j/∂h_{j-1} = diag(1 - h_j²) W

    a step. All losses take the same way, so that their sum δ_τ = Σ_{t≥τ} δ_{t,τ} takes it once:

        δ_t = [ dL/dh_t from above + Wᵀ δ_{t+1} ] ⊙ [1 - tanh²(h_unactivated)]

    Parameters
    ----------
    dh : T blocks (H, n_t)
        dL/dh_t by way of step t alone: from its answer, or from the layer above.
    slopes : T blocks (H, n_t)
        f'(h_unactivated), the notes' 1 - tanh²(h_unactivated) = 1 - h_t².
    W : array (H, H), or None for a layer without recurrence

    Returns
    -------
    T blocks (H, n_t)
        δ_1 … δ_T.
    """
    delta: list[Array] = []  # last step first, turned round at the end
    for dh_t, slope in zip(reversed(dh), reversed(slopes), strict=True):
        dL_dh = dh_t.copy()
        if delta and W is not None:
            n_next = delta[-1].shape[1]  # sequences that ended at t have no later step
            dL_dh[:, :n_next] += W.T @ delta[-1]
        delta.append(dL_dh * slope)
    return delta[::-1]


def recurrent_gradients(
    delta: Sequence[Array], x: Sequence[Array], h_activated: Sequence[Array]
) -> tuple[Array, Array, Array]:
    """Sum the explicit part of each step, an outer product (N8).

        dU = Σ_t δ_t · 1 · x_tᵀ        dW = Σ_t δ_t · 1 · h_{t-1}ᵀ        db = Σ_t δ_t · 1

    The factor 1 is dh_unactivated/dU_frd (and /dW_frd, /db). The steps' columns are put side by
    side, so that one product sums over sequences and over steps.

    Parameters
    ----------
    delta : T blocks (H, n_t)
    x : T blocks (D, n_t)
    h_activated : T + 1 blocks (H, n_t), h_0 first

    Returns
    -------
    dU : array (H, D)
    dW : array (H, H)
    db : array (H,)
    """
    h_previous = [
        h[:, : delta_t.shape[1]] for h, delta_t in zip(h_activated[:-1], delta, strict=True)
    ]
    deltas = np.concatenate(delta, axis=1)  # (H, Σ n_t)
    dU = deltas @ np.concatenate(list(x), axis=1).T
    dW = deltas @ np.concatenate(h_previous, axis=1).T
    return dU, dW, deltas.sum(axis=1)
