"""N6, N7 and N8: the gradients, through the output and back through time.

δ_t stands for dL/dh_unactivated at step t, with all that later steps send back.
G gates have G pre-activations, and so G δ_t, one under another.

Letters: T steps, n sequences alive at a step, m answers, D features, H units, K outputs.
"""

from collections.abc import Sequence

import numpy as np

from elman._typing import Array
from elman.equations.forward import Layer, LayerTrace, States, columns_of, order_of


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
        Vᵀ (ŷ_t - y_t), the error of each answer's state (the first factor of N8).
    """
    return error @ h.T, error.sum(axis=1), V.T @ error


def errors_through_time(
    dh: Sequence[Array], trace: LayerTrace, layer: Layer
) -> tuple[list[Array], States]:
    """Carry the error back, from the last step that the layer took to its first one (N7).

    N7 carries the error δ_{t,τ} of each loss L_t back separately, multiplied at each step by

        ∂h_j/∂h_{j-1} = diag(1 - h_j²) W

    All losses take the same way back, so their sum δ_τ = Σ_{t≥τ} δ_{t,τ} is carried back once:

        δ_t = [ dL/dh_t from above + Wᵀ δ_{t+1} ] ⊙ [1 - tanh²(h_unactivated)]

    The last factor depends on the cell; a cell with gates has a δ for each. What a cell sends to its
    states before without W is added. In a reverse layer, δ_{t-1} takes the place of δ_{t+1}.

    Parameters
    ----------
    dh : T blocks (H, n_t)
        dL/dh_t by way of step t alone: from its answer, or from the layer above.
    trace : LayerTrace
    layer : Layer

    Returns
    -------
    delta : T blocks (G H, n_t)
        δ_1 … δ_T, gate under gate.
    d_initial : one array (H, n_1) a state
        dL/d(state before the first step that the layer takes).
    """
    cell, T = layer.cell, len(dh)
    delta: list[Array] = []  # in the order of computing; put into the order of steps at the end
    d_before: list[Array | None] = [None] * len(cell.states)
    d_initial = tuple(np.zeros_like(dh[0]) for _ in cell.states)
    for t in order_of(T, not layer.reverse):
        step = trace.steps[t]
        d = [dh[t].copy(), *(np.zeros_like(dh[t]) for _ in cell.states[1:])]
        for d_state, later in zip(d, d_before, strict=True):
            if later is not None:  # sequences that end at t have no later step
                n_both = min(d_state.shape[1], later.shape[1])
                d_state[:, :n_both] += later[:, :n_both]
        da, straight = cell.backward(tuple(d), step.kept, step.states, trace.before(t))
        delta.append(np.concatenate(da) if len(da) > 1 else da[0])
        d_before = list(straight)
        if layer.W is not None:
            through_W = layer.into_W(layer.W.T @ cell.rows_reading("h", delta[-1]))
            d_before[0] = through_W if d_before[0] is None else d_before[0] + through_W
        previous = t + 1 if layer.reverse else t - 1
        n_going_on = dh[previous].shape[1] if 0 <= previous < T else 0
        for d_first, before in zip(d_initial, d_before, strict=True):
            if before is not None:  # the other sequences begin with this step
                d_first[:, n_going_on : before.shape[1]] = before[:, n_going_on:]
    return delta if layer.reverse else delta[::-1], d_initial


def recurrent_gradients(
    delta: Sequence[Array], x: Sequence[Array], trace: LayerTrace, layer: Layer
) -> tuple[Array, Array, Array]:
    """Sum the explicit part of each step, an outer product (N8).

        dU = Σ_t δ_t · 1 · x_tᵀ        dW = Σ_t δ_t · 1 · h_{t-1}ᵀ        db = Σ_t δ_t · 1

    The factor 1 is dh_unactivated/dU_frd (and /dW_frd, /db). The steps' columns are put side by
    side, so that one product sums over sequences and over steps.

    Parameters
    ----------
    delta : T blocks (G H, n_t)
    x : T blocks (D, n_t), or of tokens (1, n_t)
    trace : LayerTrace
    layer : Layer

    Returns
    -------
    dU : array (G_x H, D)
    dW : array (G_h H, H)
    db : array (G H,)
    """
    h_previous = [layer.into_W(trace.before(t)[0]) for t in range(len(delta))]
    deltas = np.concatenate(delta, axis=1)  # (G H, Σ n_t)
    of_x, of_h = (layer.cell.rows_reading(what, deltas) for what in "xh")
    dU = input_gradient(of_x, np.concatenate(list(x), axis=1), layer)
    dW = of_h @ np.concatenate(h_previous, axis=1).T
    return dU, dW, deltas.sum(axis=1)


def input_gradient(delta: Array, x: Array, layer: Layer) -> Array:
    """Sum dU = Σ δ xᵀ, (G_x H, D); for tokens, each δ is added to the column of its token.

    Parameters
    ----------
    delta : array (G_x H, n)
    x : array (D, n), or (1, n) tokens
    layer : Layer
    """
    if not layer.tokens:
        return delta @ x.T
    dU = np.zeros(layer.U.shape, delta.dtype)
    np.add.at(dU.T, columns_of(x), delta.T)
    return dU
