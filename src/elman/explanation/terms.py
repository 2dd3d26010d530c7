"""N7 and N8 taken apart: each loss is carried back to each step separately.

    term(t, τ) = dL_t/dŷ_t · dŷ_t/dh_t · ( Π_{j=τ+1..t} ∂h_j/∂h_{j-1} ) · ∂h_τ/∂W  =  δ_{t,τ} h_{τ-1}ᵀ

Each is an outer product, so the vectors δ_{t,τ} = dL_t/dh_unactivated_τ are enough: ‖term‖ is
‖δ_{t,τ}‖ ‖h_{τ-1}‖, and the inner product of two terms is that of their δ times that of their h.

A cell with gates has a δ for each. A term of W has those of the gates that read h, one under another.

Letters: T steps, A of them answering (with a loss), D inputs of the layer, H units, K outputs, S states
and G gates of a cell, G_h of which read h. Arrays here have a row for each step. δ is (A, T, G H),
for any number of gates: a row for each loss, and column τ - 1 is step τ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elman._typing import Array, IntArray
from elman.equations import Layer, LayerTrace, errors_through_time

NEGLIGIBLE = 1e-3
"""A term counts as zero if δ_{t,τ} is below this share of Vᵀ(ŷ_t - y_t), the error from the output."""

SATURATED = 0.1
"""A unit is saturated if it lets less than this through; a step, if the mean of its units is less.

For a tanh cell that is f' < 0.1, |h| > 0.95.
"""


def exact_error(y: Array, y_hat: Array) -> Array:
    """ŷ - y of one-hot columns (N5) to the last digit: ŷ_k - 1 is -Σ_{i≠k} ŷ_i.

    Parameters
    ----------
    y, y_hat : arrays (K, m)

    Returns
    -------
    array (K, m)
        Zeros in columns whose y is empty.
    """
    others = np.where(y > 0, 0, y_hat)
    return np.asarray(np.where(y > 0, -others.sum(axis=0), y_hat) * y.any(axis=0))


def exact_losses(z: Array, labels: IntArray) -> Array:
    """-log ŷ of the label (N3), from z (A, K, n): (A, n).

    It is log(1 + Σ_{k≠label} exp(z_k - z_label)), which is exact if the answer is almost
    certain. If another class is more probable, it is the reference instead of the label.
    """
    every = np.arange(len(z))[:, None]
    ahead = z.real.argmax(axis=1)  # (A, n)
    columns = np.arange(z.shape[2])
    z_ahead = z[every, ahead, columns]
    powers = np.exp(z - z_ahead[:, None])
    powers[every, ahead, columns] = 0
    return np.asarray(z_ahead - z[every, labels[:, None], columns] + np.log1p(powers.sum(axis=1)))


def size(vectors: Array) -> Array:
    """Norms along the last axis, even if squares overflow or underflow."""
    squares = np.einsum("...i,...i->...", vectors, vectors)
    sizes = np.asarray(np.sqrt(squares))
    beyond = ~((squares > 1e-250) & (squares < 1e250))
    if beyond.any():
        sizes[beyond] = _scaled_size(vectors[beyond])
    return sizes


def _scaled_size(vectors: Array) -> Array:
    """The same for numbers whose squares may overflow or underflow."""
    largest = np.abs(vectors).max(axis=-1, keepdims=True, initial=0)
    scale = np.where(largest > 0, largest, 1)
    return np.asarray(np.linalg.norm(vectors / scale, axis=-1) * scale[..., 0])


def carry_back(
    dh: Array,
    answering: IntArray,
    layers: Sequence[Layer],
    traces: Sequence[LayerTrace],
    reach: int | None = None,
) -> list[Array]:
    """Carry each loss back to each step, through the layers from the top down (N1, N7).

    ``errors_through_time`` takes columns side by side. Here they are losses, not sequences: column a
    has an error only at its own step.

    Parameters
    ----------
    dh : array (H_top, A)
        Vᵀ (ŷ_t - y_t), the error that each answer sends to its state.
    answering : array (A,)
        The steps of these answers, from 0.
    layers : list of Layer
        The layers from one of them up to the top, lowest first.
    traces : for each of them, a LayerTrace of the one sequence
    reach : int, optional
        Carry each loss at most so many steps back: truncated back-propagation through time.

    Returns
    -------
    For each of the layers, an array (T, G H, A)
        δ_{t,τ}: step τ first, a column for each loss.
    """
    T = len(traces[0].steps)
    blocks = [np.zeros_like(dh) for _ in range(T)]
    for a, t in enumerate(answering):
        blocks[t][:, a] = dh[:, a]
    steps_back = answering - np.arange(T)[:, None]  # (T, A)
    return through_layers(blocks, layers, traces, None if reach is None else steps_back <= reach)


def through_layers(
    dh: Sequence[Array],
    layers: Sequence[Layer],
    traces: Sequence[LayerTrace],
    mask: npt.NDArray[np.bool_] | None = None,
) -> list[Array]:
    """Take errors back through some layers, from the top down (N1, N7).

    Parameters
    ----------
    dh : T blocks (H_top, n)
        The errors of the top layer's states from their answers.
    layers, traces
        As in ``carry_back``.
    mask : array (T, n) of bool, optional
        The errors that are let through.

    Returns
    -------
    For each of the layers, an array (T, G H, n)
    """
    deltas = []
    for layer, trace in zip(reversed(layers), reversed(traces), strict=True):
        blocks, _ = errors_through_time(dh, trace, layer)
        delta = np.concatenate(blocks).reshape(len(blocks), *blocks[0].shape)
        if mask is not None:
            delta *= mask[:, None, :]
        deltas.append(delta)
        if len(deltas) < len(layers):  # one more factor dO_k/dO_{k-1} (N1)
            dh = [layer.U.T @ layer.cell.rows_reading("x", delta_t) for delta_t in delta]
    return deltas[::-1]


def term_norms(delta: Array, left: Array, answering: IntArray) -> Array:
    """‖term(t, τ)‖ = ‖δ_{t,τ}‖ ‖h_{τ-1}‖ (Frobenius), of the rank-one terms.

    Parameters
    ----------
    delta : array (A, T, G H)
    left : array (T, H) or (T, D)
        h_{τ-1} for the terms of W, x_τ for those of U.
    answering : array (A,)
        The steps with a loss, from 0.

    Returns
    -------
    array (A, T)
        NaN where there is no term: τ > t.
    """
    norms = np.full(delta.shape[:2], np.nan)
    sizes = size(left)
    for row, of_loss, t in zip(norms, delta, answering, strict=True):
        row[: t + 1] = size(of_loss[: t + 1]) * sizes[: t + 1]
    return norms


def term_kinds(
    delta: Array,
    entering: Array,
    left: Array,
    slopes: Array,
    answering: IntArray,
    structural: npt.NDArray[np.bool_],
) -> npt.NDArray[np.str_]:
    """Find out why terms are zero or almost zero.

    Parameters
    ----------
    delta : array (A, T, G H)
    entering : array (A, T)
        ‖dL_t/dh_j‖ of each answer directly from the output: ‖Vᵀ (ŷ_t - y_t)‖ at its own step, or at the
        steps that it reads.
    left : array (T, H) or (T, D)
        h_{τ-1} for the terms of W, x_τ for those of U.
    slopes : array (T,)
        How open each step is, the mean f' of tanh; with layers above, the smallest of theirs and the
        layer's own.
    answering : array (A,)
    structural : array (A, T) of bool
        The terms that are zero by construction, whatever the parameters.

    Returns
    -------
    array (A, T) of str
        ``""`` if there is no term; ``"structural"``; ``"unread"`` if the answer reads no unit at step τ
        or later. Other terms below ``NEGLIGIBLE`` times the largest error that enters are
        ``"saturated"`` if a step from τ to the next one that is read is saturated, or h_{τ-1} = 0
        because all units are off, or ŷ_t is y_t to the last digit; otherwise they are ``"vanished"``:
        the product shrank little by little. All others are ``"live"``.
    """
    kinds = np.full(delta.shape[:2], "", dtype="<U10")
    of_losses = zip(kinds, delta, answering, entering, structural, strict=True)
    for of_loss, delta_t, t, enters, is_structural in of_losses:
        output_signal, enters = enters.max(), enters[: t + 1] > 0
        shut = _least_until(enters, slopes[: t + 1]) < SATURATED
        off = ~left[: t + 1].any(axis=1)
        nothing = size(delta_t[: t + 1]) <= NEGLIGIBLE * output_signal
        row = of_loss[: t + 1]
        row[...] = np.where(nothing, "vanished", "live")
        row[off | (nothing & shut) | (output_signal == 0)] = "saturated"
        if output_signal > 0:
            row[~np.logical_or.accumulate(enters[::-1])[::-1]] = "unread"
        row[is_structural[: t + 1]] = "structural"
    return kinds


def _least_until(marked: npt.NDArray[np.bool_], values: Array) -> Array:
    """Return the least value from each place to the next marked place, or to the end."""
    found = values.copy()
    for i in range(len(values) - 2, -1, -1):
        if not marked[i]:
            found[i] = min(values[i], found[i + 1])
    return found


def explicit(part: Array, h_previous: Array) -> Array:
    """∂(states of t)/∂W with h_{t-1} held constant (N7): a third-order tensor.

    Parameters
    ----------
    part : array (S H, G_h H)
        Of step t, from ``slopes.explicit_parts``: diag(f') for a cell of one gate.
    h_previous : array (H,)
        h_{t-1}.

    Returns
    -------
    array (S H, G_h H, H)
        [i, j, k] = ∂(state i of t)/∂W[j, k]; for a cell of one gate f'_i h_{t-1}[k] if i = j, else 0.
    """
    return part[:, :, None] * h_previous


def shares(delta_t: Array, h_previous: Array) -> Array:
    """The part each term has in its loss's gradient: ⟨term(t, τ), dL_t/dW⟩ / ‖dL_t/dW‖².

    Parameters
    ----------
    delta_t : array (t, G H)
        δ_{t,1} … δ_{t,t}.
    h_previous : array (t, H)

    Returns
    -------
    array (t,)
        Their sum is 1; a term that works against the others is negative. NaN if dL_t/dW = 0.
    """
    delta_t, h_previous = _near_one(delta_t), _near_one(h_previous)
    whole = delta_t.T @ h_previous  # dL_t/dW
    with np.errstate(invalid="ignore"):
        products = np.einsum("ti,ti->t", delta_t @ whole, h_previous)
        return np.asarray(products / products.sum())


def _near_one(array: Array) -> Array:
    """Divide by the largest magnitude, so that squares do not overflow or underflow."""
    return np.asarray(array / (np.abs(array).max(initial=0) or 1.0))


def sums_by_lag(delta: Array, left: Array, answering: IntArray) -> Iterator[Array]:
    """Σ_t term(t, t - k): the terms k steps back from their loss, summed.

    Parameters
    ----------
    delta : array (n, T, G H)
        A row for each step in ``answering``: the part of δ that entered there.
    left, answering
        As in ``term_norms``.

    Yields
    ------
    array (G H, H) or (G H, D)
        For k = 0 … T - 1. The sum up to k is dW cut k steps back; the sum of all is dW.
    """
    for k in range(len(left)):
        rows = np.flatnonzero(answering >= k)  # the losses that have a step k back
        steps = answering[rows] - k
        yield delta[rows, steps].T @ left[steps]


class Difference(NamedTuple):
    """How far one gradient is from another; NaN where one is zero, and has no direction."""

    relative_error: float
    angle_degrees: float


def difference(cut: Array, whole: Array) -> Difference:
    """Compare a part of a gradient with all of it, as vectors."""
    (found,) = differences([cut], whole)
    return found


def differences(cuts: Iterable[Array], whole: Array) -> list[Difference]:
    """Compare parts of a gradient, one after another, with all of it."""
    found, scale = [], np.abs(whole).max() or 1.0
    whole = whole / scale
    with np.errstate(invalid="ignore", divide="ignore"):
        size_of_whole = np.linalg.norm(whole)
        b = whole / size_of_whole
        for cut in cuts:
            cut = cut / scale
            a = cut / np.linalg.norm(cut)
            # By half angles: the arc cosine of a number near 1 loses half the digits (Kahan 2006).
            angle = 2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b))
            relative_error = np.linalg.norm(cut - whole) / size_of_whole
            found.append(Difference(float(relative_error), float(np.degrees(angle))))
    return found


def truncation(by_lag: Iterable[Array], whole: Array) -> list[dict[str, float]]:
    """How far the gradient cut k steps back is from the whole, for each k.

    Parameters
    ----------
    by_lag : T arrays (H, H)
        From ``sums_by_lag``.
    whole : array (H, H)
        Their sum.

    Returns
    -------
    list of {"k", "relative_error", "angle_degrees"}
        For k = 0 … T - 1.
    """
    found = differences(accumulate(by_lag), whole)
    return [{"k": k, **of_cut._asdict()} for k, of_cut in enumerate(found)]
