"""Proof of each term: complex-step differentiation, a step's own W_τ at a time.

Give step τ a W_τ of its own, and it an imaginary part: W_τ = W + i·1e-20·R for a random direction R.
The imaginary part of L_t over 1e-20 is then the derivative of L_t along R by W_τ alone, which is
⟨term(t, τ), R⟩, with no subtraction and so no loss of digits (Squire and Trapp 1998). One pass
forward proves the terms of all losses t ≥ τ; the T passes go side by side, as columns. Only forward
equations take part, and the loss is written anew here, so an error in the backward ones shows.

What the comparison allows is 1e-10 ‖term‖ ‖R‖, and beside it what rounding can do:

    |error| ≤ 1e-10 ‖δ_{t,τ}‖ ‖h_{τ-1}‖ ‖R‖  +  16 eps Σ_k |ŷ_{t,k} - y_{t,k}| |z'_{t,k}|  +  1e-287

z'_t is by how much y_unactivated moves along R, so that the product is a sum of these numbers over
k: where they all but cancel, the digits that are left are few. Below 1e-287 numbers times 1e-20 have
no digits left. Answers that are all but certain and units that are all but saturated cost no digits:
the loss here, the errors of ``terms`` and the slopes of ``slopes`` are computed without a difference of
numbers near 1.

Letters: T steps, n of their passes side by side, D inputs of the layer, H units, K outputs,
S states and G gates of a cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from elman._typing import Array, IntArray
from elman.equations import (
    Cell,
    LayerTrace,
    States,
    network,
    output,
    recurrent_layer,
    recurrent_step,
)
from elman.explanation import terms
from elman.explanation.slopes import slopes, slopes_of_backward
from elman.parameters import Parameters

STEP = 1e-20
TOLERANCE = 1e-10
_ROUNDING = 16 * float(np.finfo(np.float64).eps)
SMALLEST = 1e-287
AGREEMENT = 1e-13  # of backward with forward, relative to the largest slope of the kind
N_POINTS = 256  # drawn at random, at which that is looked at too
SIDE = 64  # passes: enough columns for the products, few enough to keep their states


class Check(NamedTuple):
    """One term against the complex step.

    Attributes
    ----------
    t, tau : int
        The loss and the step, counted from 1.
    expected, found : float
        ⟨term(t, τ), R⟩ by the equations, and by the complex step.
    error : float
        |expected - found|.
    bound : float
        What is allowed.
    size : float
        ‖term‖ ‖R‖ / √(entries of R): what such a product comes to in the mean over R.
    summed : float
        Σ_k |ŷ_k - y_k| |z'_k|: the product is Σ_k (ŷ_k - y_k) z'_k, and may be a difference of
        larger numbers.
    """

    t: int
    tau: int
    expected: float
    found: float
    error: float
    bound: float
    size: float
    summed: float

    @property
    def passed(self) -> bool:
        """Whether the error is within the bound."""
        return self.error <= self.bound  # False for NaN


class TotalCheck(NamedTuple):
    """Two numbers that have to agree, one of them by the complex step.

    Attributes
    ----------
    name : str
        A parameter, whose whole gradient is looked at along one random direction R; or a layer, whose
        cell is.
    expected, found : float
        ⟨gradient, R⟩ by the equations, and by the complex step; or the slope where these two are
        furthest apart.
    error, bound : float
    """

    name: str
    expected: float
    found: float
    error: float
    bound: float

    @property
    def passed(self) -> bool:
        """Whether the error is within the bound."""
        return self.error <= self.bound


class Moved(NamedTuple):
    """The A losses of n passes, and y_unactivated behind them."""

    losses: Array  # (A, n)
    z: Array  # (A, K, n)

    def summed(self, error: Array) -> Array:
        """Σ_k |ŷ_k - y_k| |z'_k|, (A, n), for ŷ - y (A, K)."""
        return np.asarray(np.einsum("ak,akn->an", np.abs(error), np.abs(self.z.imag)) / STEP)


def pass_forward(
    parameters: Parameters,
    layer: int,
    inputs: Array,
    labels: IntArray,
    traces: Sequence[LayerTrace],
    own: Mapping[str, Array],
    taus: IntArray,
) -> Moved:
    """Go forward n times side by side; in pass i, step taus[i] has parameters of its own.

    A pass begins at its step, with the states that the sequence has there. So passes are sequences
    of different lengths, longest first, as ``recurrent_layer`` takes them.

    Parameters
    ----------
    parameters : Parameters
    layer : int
        The one with a step of its own, counted from 1.
    inputs : array (T, D)
        The layer's inputs.
    labels : array (T,)
        Codes; -1 where a step has no label.
    traces : list of LayerTrace
        Of all layers, of this one sequence.
    own : {"U" or "W": array}
        The parameters of the step; the others are the layer's.
    taus : array (n,)
        Steps, from 0, in ascending order.

    Returns
    -------
    Moved
    """
    dtype = np.result_type(*own.values())
    layers = parameters.astype(dtype).layers
    here = layers[layer - 1]
    there = here._replace(U=own.get("U", here.U), W=own.get("W", here.W))
    T, n = len(inputs), len(taus)

    def states_at(trace: LayerTrace) -> States:  # before each pass begins, each (H, n)
        before = zip(*(trace.before(t) for t in taus), strict=True)
        return tuple(np.concatenate(state, axis=1).astype(dtype) for state in before)

    x = inputs.T.astype(dtype)  # (D, T)
    first = recurrent_step(x[:, taus], states_at(traces[layer - 1]), there)
    later = [x[:, taus[:n_k] + k] for k in range(1, T - taus[0]) if (n_k := _running(taus + k, T))]
    on = recurrent_layer(later, first.states, here)
    h = [first.h_activated, *on.h]  # block k: k steps after the passes began
    for up, trace in zip(layers[layer:], traces[layer:], strict=True):
        h = recurrent_layer(h, states_at(trace), up).h

    answering = np.flatnonzero(labels >= 0)
    V, c = parameters["V"].astype(dtype), parameters.get("c")
    plain = np.concatenate([traces[-1].h[t] for t in answering], axis=1).astype(dtype)  # (H, A)
    z = np.repeat(output(plain, V, c)[0].T[:, :, None], n, axis=2)  # (A, K, n)
    for k, h_k in enumerate(h):
        z_k = output(h_k, V, c)[0]
        for i, tau in enumerate(taus[: h_k.shape[1]]):
            if labels[tau + k] >= 0:
                z[np.searchsorted(answering, tau + k), :, i] = z_k[:, i]
    return Moved(terms.exact_losses(z, labels[answering]), z)


def _running(steps: IntArray, T: int) -> int:
    """How many of the passes have such a step; those that began first do."""
    return int((steps < T).sum())


def _of_every_step(
    parameters: Parameters,
    layer: int,
    inputs: Array,
    labels: IntArray,
    traces: Sequence[LayerTrace],
    own: Mapping[str, Array],
) -> Moved:
    """Go forward once for each step, as many passes side by side as is good."""
    taus = np.arange(len(inputs))
    parts = [
        pass_forward(parameters, layer, inputs, labels, traces, own, taus[first:][:SIDE])
        for first in range(0, len(inputs), SIDE)
    ]
    losses, z = zip(*parts, strict=True)
    return Moved(np.concatenate(losses, axis=-1), np.concatenate(z, axis=-1))


def check_terms(
    parameters: Parameters,
    layer: int,
    inputs: Array,
    labels: IntArray,
    traces: Sequence[LayerTrace],
    name: str,
    delta: Array,
    left: Array,
    error: Array,
    seed: int = 0,
) -> list[Check]:
    """Prove every term of a layer's W (or U), for each loss t and each step τ ≤ t.

    Parameters
    ----------
    parameters, layer, inputs, labels, traces
        As in ``pass_forward``.
    name : {"W", "U"}
    delta : array (T, T, G H)
        δ_{t,τ}, of the gates that the parameter feeds.
    left : array (T, H) or (T, D)
        h_{τ-1} for W, x_τ for U.
    error : array (T, K)
        ŷ_t - y_t.
    seed : int
        For R.

    Returns
    -------
    list of Check
        By loss, then by step.
    """
    matrix = parameters[f"{name}{layer}"]
    R = np.random.default_rng(seed).standard_normal(matrix.shape)
    answering = np.flatnonzero(labels >= 0)
    own = {name: matrix + 1j * STEP * R}
    moves = _of_every_step(parameters, layer, inputs, labels, traces, own)
    found = moves.losses.imag / STEP  # (A, T)
    summed = moves.summed(error[answering])

    delta = delta[answering]
    expected = np.einsum("ath,th->at", delta, left @ R.T)
    size = terms.size(delta) * terms.size(left) * np.linalg.norm(R)  # ‖term‖ ‖R‖, (A, T)
    errors = np.abs(expected - found)
    bound = TOLERANCE * size + _ROUNDING * summed + SMALLEST
    columns = [
        array.tolist() for array in (expected, found, errors, bound, size / np.sqrt(R.size), summed)
    ]
    return [
        Check(int(t) + 1, tau + 1, *(column[a][tau] for column in columns))
        for a, t in enumerate(answering)
        for tau in range(t + 1)
    ]


def check_totals(
    parameters: Parameters,
    x: Array,
    labels: IntArray,
    gradients: Parameters,
    error: Array,
    seed: int = 0,
) -> list[TotalCheck]:
    """Prove each parameter's whole gradient along a random direction.

    Parameters
    ----------
    parameters : Parameters
    x : array (T, D)
        The network's inputs.
    labels : array (T,)
    gradients : Parameters
    error : array (T, K)
        ŷ_t - y_t.
    seed : int

    Returns
    -------
    list of TotalCheck
        One for each parameter.
    """
    rng = np.random.default_rng(seed)
    answering = np.flatnonzero(labels >= 0)
    moving = parameters.astype(np.complex128)
    blocks = list(x[:, :, None].astype(np.complex128))
    checks = []
    for name, gradient in gradients.items():
        R = rng.standard_normal(gradient.shape)
        moving[name].imag[...] = STEP * R
        trace = network.forward(blocks, moving.layers, moving["V"], moving.get("c"), [0] * len(x))
        moving[name].imag[...] = 0
        z = trace.y_unactivated.T[answering, :, None]
        moved = Moved(terms.exact_losses(z, labels[answering]), z)
        found = float(moved.losses.sum().imag) / STEP
        expected = float((gradient * R).sum())
        size = float(terms.size(gradient.ravel()) * np.linalg.norm(R))
        summed = float(moved.summed(error[answering]).sum())
        bound = TOLERANCE * size + _ROUNDING * summed + SMALLEST
        checks.append(TotalCheck(name, expected, found, abs(expected - found), bound))
    return checks


def check_backward(name: str, cell: Cell, trace: LayerTrace, seed: int = 0) -> TotalCheck:
    """Compare the slopes by which a cell's ``backward`` goes with those of its ``forward``.

    The terms are carried back by the slopes of ``forward``, which are exact; what learns, by
    ``backward``. It is rounded relative to numbers that may cancel, as 1 and h² do in a saturated
    unit; so an error is measured by the largest slope of its kind, [s, i]. To have one that is not
    small, some random points are looked at beside those of the sequence.

    Parameters
    ----------
    name : str
        What to call it.
    cell : Cell
    trace : LayerTrace
    seed : int
        For the random points.

    Returns
    -------
    TotalCheck
    """
    rng = np.random.default_rng(seed)
    G, S = len(cell.gates), len(cell.states)
    of_trace = np.array(
        [[*np.split(s.h_unactivated, G), *trace.before(t)] for t, s in enumerate(trace.steps)]
    ).swapaxes(0, 1)  # (G + S, T, H, 1)
    of_trace = of_trace.reshape(G + S, -1)
    far = np.maximum(np.abs(of_trace[G:]).max(axis=1, keepdims=True), 1)
    drawn = rng.standard_normal((G + S, N_POINTS)) * np.concatenate([np.ones((G, 1)), far])
    points = np.concatenate([of_trace, drawn], axis=1)
    a, before = tuple(points[:G]), tuple(points[G:])
    after, kept = cell.forward(a, before)
    expected = slopes_of_backward(cell, kept, after, before)  # (S, G + S, n)
    found = slopes(cell, a, before)
    error = np.abs(expected - found)
    bound = np.broadcast_to(
        AGREEMENT * np.abs(found).max(axis=2, keepdims=True) + SMALLEST, error.shape
    )
    worst = np.unravel_index(np.argmax(np.nan_to_num(error / bound, nan=np.inf)), error.shape)
    return TotalCheck(name, *(float(of[worst]) for of in (expected, found, error, bound)))


def central_differences(
    parameters: Parameters,
    layer: int,
    inputs: Array,
    labels: IntArray,
    traces: Sequence[LayerTrace],
    name: str,
    checks: list[Check],
    seed: int = 0,
) -> list[dict[str, float]]:
    """For contrast: what the usual gradient check finds, [L(W_τ + εR) - L(W_τ - εR)] / 2ε.

    It looks at 64 steps τ at most, evenly chosen.

    Parameters
    ----------
    parameters, layer, inputs, labels, traces, name, seed
        As in ``check_terms``.
    checks : list of Check
        What that returned, with the same R.

    Returns
    -------
    list of {"step", "relative_error", "unseen"}
        For ε = 1e-1 … 1e-8: the error of all terms together, ‖found - exact‖ / ‖exact‖, and how many
        of those that are not zero are lost altogether, off by their own value or more.
    """
    matrix = parameters[f"{name}{layer}"]
    R = np.random.default_rng(seed).standard_normal(matrix.shape)
    answering = np.flatnonzero(labels >= 0)
    # A contrast, not a proof: of a long sequence some steps are enough.
    taus = np.unique(np.linspace(0, len(inputs) - 1, SIDE).round().astype(np.int64))
    checks = [check for check in checks if check.tau - 1 in taus]
    rows_of = np.searchsorted(answering, [check.t - 1 for check in checks])
    columns_of = np.searchsorted(taus, [check.tau - 1 for check in checks])
    exact = np.array([check.found for check in checks])
    rows = []
    for step in 10.0 ** -np.arange(1, 9):
        up, down = (
            pass_forward(
                parameters, layer, inputs, labels, traces, {name: matrix + e * R}, taus
            ).losses
            for e in (step, -step)
        )
        error = np.abs(((up - down) / (2 * step))[rows_of, columns_of] - exact)
        with np.errstate(invalid="ignore", divide="ignore"):  # all terms may be zero
            relative = float(np.linalg.norm(error) / np.linalg.norm(exact))
        unseen = int(((error >= np.abs(exact)) & (exact != 0)).sum())
        rows.append({"step": float(step), "relative_error": relative, "unseen": unseen})
    return rows
