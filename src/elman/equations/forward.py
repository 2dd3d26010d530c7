"""N2, forward propagation, under the names of the notes' implementation page.

    h_t = tanh(U x_t + W h_{t-1} + b)        ŷ_t = softmax(V h_t + c)

Letters: T steps, n sequences alive at a step, m answers, D features, H units, K outputs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from elman._typing import Array
from elman.equations.cells import Cell


class StepTrace(NamedTuple):
    """Every intermediate of one step of one layer, each (H, n)."""

    U_frd: Array
    W_frd: Array
    h_unactivated: Array
    h_activated: Array


def recurrent_step(
    x_t: Array, h_previous: Array, U: Array, W: Array | None, b: Array | None, cell: Cell
) -> StepTrace:
    """Take one step of one layer (N2).

    Parameters
    ----------
    x_t : array (D, n)
    h_previous : array (H, n)
        h_{t-1}
    U : array (H, D)
    W : array (H, H), or None for a layer without recurrence
    b : array (H,), or None for a layer without bias
    cell : Cell
        The activation f; tanh in the notes.

    Returns
    -------
    StepTrace
    """
    U_frd = U @ x_t
    W_frd = np.zeros_like(U_frd) if W is None else W @ h_previous
    h_unactivated = U_frd + W_frd
    if b is not None:
        h_unactivated = h_unactivated + b[:, None]
    return StepTrace(U_frd, W_frd, h_unactivated, cell.activation(h_unactivated))


def recurrent_layer(
    x: Sequence[Array], h_0: Array, U: Array, W: Array | None, b: Array | None, cell: Cell
) -> list[Array]:
    """Run one layer through all steps (N2).

    Parameters
    ----------
    x : T blocks (D, n_t)
        The inputs, x_1 … x_T.
    h_0 : array (H, n_1)
        The state before the first step.
    U, W, b, cell
        As in ``recurrent_step``.

    Returns
    -------
    T + 1 blocks (H, n_t)
        h_activated: block 0 is h_0, and block t is the state after step t.
    """
    h_activated = [h_0]
    for x_t in x:
        h_previous = h_activated[-1][:, : x_t.shape[1]]  # those whose sequences have a step t
        h_activated.append(recurrent_step(x_t, h_previous, U, W, b, cell).h_activated)
    return h_activated


def output(h: Array, V: Array, c: Array | None) -> tuple[Array, Array]:
    """Answer from states (N2): y_unactivated = V h_t + c, y_activated = softmax of it.

    Parameters
    ----------
    h : array (H, m)
    V : array (K, H)
    c : array (K,), or None for no bias

    Returns
    -------
    y_unactivated, y_activated : arrays (K, m)
    """
    y_unactivated = V @ h
    if c is not None:
        y_unactivated = y_unactivated + c[:, None]
    return y_unactivated, softmax(y_unactivated)


def softmax(z: Array) -> Array:
    """ŷ_k = exp z_k / Σ_i exp z_i, for each column of z (K, m).

    The largest z of a column is taken off first: the quotient is the same, and nothing overflows.
    """
    exp_z = np.exp(z - z.real.max(axis=0))
    return np.asarray(exp_z / exp_z.sum(axis=0))
