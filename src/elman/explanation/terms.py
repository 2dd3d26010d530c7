"""N7 and N8 taken apart: each loss carried back to each step on its own.

    term(t, τ) = dL_t/dŷ_t · dŷ_t/dh_t · ( Π_{j=τ+1..t} ∂h_j/∂h_{j-1} ) · ∂h_τ/∂W  =  δ_{t,τ} h_{τ-1}ᵀ

Each is an outer product, so that the vectors δ_{t,τ} = dL_t/dh_unactivated_τ say it all: ‖term‖ is
‖δ_{t,τ}‖ ‖h_{τ-1}‖, and the inner product of two terms is that of their δ times that of their h.

Letters: T steps, A of them answering (with a loss), D inputs of the layer, H units, K outputs.
Arrays here have a row for each step, and δ is (T, T, H): row t - 1 the loss, column τ - 1 the step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from elman._typing import Array, IntArray
from elman.equations import Layer, errors_through_time

NEGLIGIBLE = 1e-3
"""A term is nothing if δ_{t,τ} is below this share of Vᵀ(ŷ_t - y_t), what the answer told its state."""

SATURATED = 0.1
"""A unit is saturated where its f' is below this (tanh: |h| > 0.95); a step, where the mean f' is."""


def carry_back(
    dh: Array,
    answering: IntArray,
    layers: Sequence[Layer],
    h_activated: Sequence[Sequence[Array]],
    reach: int | None = None,
) -> list[Array]:
    """Carry each loss back to each step, through the layers from the top down (N1, N7).

    ``errors_through_time`` takes columns that go side by side. Here they are losses, not
    sequences: column a has an error at its own step alone.

    Parameters
    ----------
    dh : array (H_top, A)
        Vᵀ (ŷ_t - y_t), what each answer tells its state.
    answering : array (A,)
        The steps of these answers, from 0.
    layers : list of Layer
        Those from some layer up to the top, lowest first.
    h_activated : for each of them, T + 1 blocks (H, 1)
        h_0 first.
    reach : int, optional
        Carry no loss further back than so many steps: truncated back-propagation through time.

    Returns
    -------
    For each of the layers, an array (T, H, A)
        δ_{t,τ}: step τ first, a column each loss.
    """
    T = len(h_activated[0]) - 1
    blocks = [np.zeros_like(dh) for _ in range(T)]
    for a, t in enumerate(answering):
        blocks[t][:, a] = dh[:, a]
    steps_back = answering - np.arange(T)[:, None]  # (T, A)
    deltas = []
    for layer, h in zip(reversed(layers), reversed(h_activated)):
        delta = np.array(errors_through_time(blocks, h, layer.W, layer.cell))
        if reach is not None:
            delta *= (steps_back <= reach)[:, None, :]
        deltas.append(delta)
        blocks = [layer.U.T @ delta_t for delta_t in delta]  # one factor dO_k/dO_{k-1} more (N1)
    return deltas[::-1]


def term_norms(delta: Array, left: Array, answering: IntArray) -> Array:
    """‖term(t, τ)‖ = ‖δ_{t,τ}‖ ‖h_{τ-1}‖ (Frobenius), of the rank-one terms.

    Parameters
    ----------
    delta : array (T, T, H)
    left : array (T, H) or (T, D)
        h_{τ-1} for the terms of W, x_τ for those of U.
    answering : array (A,)
        The steps with a loss, from 0.

    Returns
    -------
    array (T, T)
        NaN where there is no term: τ > t, or no L_t.
    """
    T = len(left)
    norms = np.full((T, T), np.nan)
    sizes = np.linalg.norm(left, axis=1)
    for t in answering:
        norms[t, : t + 1] = np.linalg.norm(delta[t, : t + 1], axis=1) * sizes[: t + 1]
    return norms


def term_kinds(
    delta: Array,
    dh: Array,
    h_previous: Array,
    slopes: Array,
    answering: IntArray,
    recurrent: bool,
) -> npt.NDArray[np.str_]:
    """Tell three kinds of nothing apart.

    Parameters
    ----------
    delta : array (T, T, H)
    dh : array (H_top, A)
        Vᵀ (ŷ_t - y_t) of each answer.
    h_previous : array (T, H)
        h_{τ-1}.
    slopes : array (T,)
        The mean f' of each step; with layers above, the smallest of theirs and the layer's own.
    answering : array (A,)
    recurrent : bool
        Whether the layer has a W.

    Returns
    -------
    array (T, T) of str
        ``""`` where there is no term; ``"structural"`` where τ = 1 (h_0 = 0) or the layer has no W:
        zero by construction; of the others that are below ``NEGLIGIBLE``, ``"saturated"`` if a step
        from τ to t is, or h_{τ-1} = 0 because all units are off, else ``"vanished"``: the product
        shrank little by little; and ``"live"``.
    """
    T = len(slopes)
    kinds = np.full((T, T), "", dtype="<U10")
    for t, told in zip(answering, np.linalg.norm(dh, axis=0)):
        shut = np.minimum.accumulate(slopes[t::-1])[::-1] < SATURATED  # (t + 1,), some step τ … t
        off = ~h_previous[: t + 1].any(axis=1)
        nothing = np.linalg.norm(delta[t, : t + 1], axis=1) <= NEGLIGIBLE * told
        row = kinds[t, : t + 1]
        row[...] = np.where(nothing, "vanished", "live")
        row[off | (nothing & shut)] = "saturated"
        row[0 if recurrent else slice(None)] = "structural"
    return kinds


def explicit(slope: Array, h_previous: Array) -> Array:
    """∂h_t/∂W with h_{t-1} held constant (N7): a third-order tensor.

    Parameters
    ----------
    slope, h_previous : arrays (H,)
        f'(h_unactivated) at step t, and h_{t-1}.

    Returns
    -------
    array (H, H, H)
        [i, j, k] = ∂h_t[i]/∂W[j, k], which is f'_i h_{t-1}[k] if i = j, and 0 else.
    """
    H = len(slope)
    tensor = np.zeros((H, H, H))
    tensor[np.arange(H), np.arange(H)] = np.outer(slope, h_previous)
    return tensor


def shares(delta_t: Array, h_previous: Array) -> Array:
    """The part each term has in its loss's gradient: ⟨term(t, τ), dL_t/dW⟩ / ‖dL_t/dW‖².

    Parameters
    ----------
    delta_t : array (t, H)
        δ_{t,1} … δ_{t,t}.
    h_previous : array (t, H)

    Returns
    -------
    array (t,)
        Their sum is 1; a term that works against the others is negative. NaN if dL_t/dW = 0.
    """
    products = (delta_t @ delta_t.T) * (h_previous @ h_previous.T)
    with np.errstate(invalid="ignore"):
        return np.asarray(products.sum(axis=1) / products.sum())


def sums_by_lag(delta: Array, left: Array, answering: IntArray) -> Array:
    """Σ_t term(t, t - k): the terms k steps back from their loss, summed.

    Parameters
    ----------
    delta, left, answering
        As in ``term_norms``.

    Returns
    -------
    array (T, H, H) or (T, H, D)
        Row k the sum of those k steps back. Added up to k it is dW cut k steps back; added all, dW.
    """
    T = len(left)
    return np.array(
        [
            delta[t, t - k].T @ left[t - k]
            for k in range(T)
            for t in [answering[answering >= k]]  # the losses that have a step k back
        ]
    )


def truncation(by_lag: Array) -> list[dict[str, float]]:
    """How far the gradient cut k steps back is from the whole, for each k.

    Parameters
    ----------
    by_lag : array (T, H, H)
        From ``sums_by_lag``.

    Returns
    -------
    list of {"k", "relative_error", "angle_degrees"}
        For k = 0 … T - 1. NaN where a gradient is zero, and has no direction.
    """
    whole = by_lag.sum(axis=0)
    size = np.linalg.norm(whole)
    rows = []
    cut = np.zeros_like(whole)
    with np.errstate(invalid="ignore", divide="ignore"):
        for k, more in enumerate(by_lag):
            cut = cut + more
            a, b = cut / np.linalg.norm(cut), whole / size
            # By halves: the arc cosine of a number near 1 loses half the digits (Kahan 2006).
            angle = 2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b))
            rows.append(
                {
                    "k": k,
                    "relative_error": float(np.linalg.norm(cut - whole) / size),
                    "angle_degrees": float(np.degrees(angle)),
                }
            )
    return rows
