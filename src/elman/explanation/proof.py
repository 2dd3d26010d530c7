"""Proof of each term: complex-step differentiation, for one step's own W_τ at a time.

Give step τ its own W_τ, with an imaginary part: W_τ = W + i·1e-20·R for a random direction R.
The imaginary part of L_t over 1e-20 is then the derivative of L_t along R by W_τ alone, which is
⟨term(t, τ), R⟩, with no subtraction and so no loss of digits (Squire and Trapp 1998). One pass
forward proves the terms of all losses t ≥ τ; the T passes go side by side, as columns
(``side_by_side``). Only forward equations are used, and the loss is written again here, so an error
in the backward ones shows.

If h_{τ-1} is 0, as it mostly is before the first step, the term of W is 0 whatever δ_{t,τ} is. There
U_τ moves, and the term of U is proved: it has the same δ_{t,τ}.

The comparison allows an error of 1e-10 ‖term‖ ‖R‖, plus what rounding can cause:

    |error| ≤ 1e-10 ‖δ_{t,τ}‖ ‖h_{τ-1}‖ ‖R‖  +  16 eps ( Σ_k |ŷ_{t,k} - y_{t,k}| |z'_{t,k}|
                                                  +  Σ_j Σ_i |dL_t/ds_{j,i}| m_{j,i} )  +  1e-287

For a loss of numbers, ŷ - y stands for dL/dz. It is a difference, so its own rounding is added.
z'_t is how much y_unactivated moves along R. So the product is a sum of these numbers over k, and if
they almost cancel, few digits are left. In the same way it is a sum over the states s_j of each step j
from τ to t. m_j is how much these move, each part by its magnitude, plus what moves inside the cell:
h = n + z (h_{t-1} - n) of a GRU has few digits of n' (1 - z) left if z is nearly 1. In a tanh cell
nothing cancels, and m_j is |s'_j|.

Below 1e-287, numbers times 1e-20 have no digits left. Answers that are almost certain and units that
are almost saturated cost no digits: the loss here, the errors of ``terms`` and the slopes of
``slopes`` are computed without a difference of numbers near 1.

Letters: T steps, n of their passes side by side, D inputs of the layer, H units, K outputs,
S states and G gates of a cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from elman._typing import Array, IntArray
from elman.equations import Cell, LayerTrace, output
from elman.explanation import terms
from elman.explanation.passes import Passes, entering
from elman.explanation.side_by_side import Moved, Sizes, moved_throughout, pass_forward
from elman.explanation.slopes import STEP, Slopes, slopes, slopes_of_backward
from elman.parameters import Parameters

TOLERANCE = 1e-10
_ROUNDING = 16 * float(np.finfo(np.float64).eps)
SMALLEST = 1e-287
AGREEMENT = 1e-13  # of backward with forward, relative to the largest slope of the kind
N_POINTS = 256  # random points at which this is checked, too
SIDE = 64  # passes: enough columns for the products, few enough to keep their states
LONG = 1000  # steps: in longer sequences, not every term is proved separately
CONTRASTED = 128  # central differences use some of so many last steps


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
        ‖term‖ ‖R‖ / √(entries of R): the usual size of such a product over random R.
    summed : float
        Σ_k |ŷ_k - y_k| |z'_k|: the product is Σ_k (ŷ_k - y_k) z'_k, and may be a difference of
        larger numbers.
    inside : float
        Σ_j Σ_i |dL_t/ds_{j,i}| m_{j,i}: the same at the states of each step on the way.
    """

    t: int
    tau: int
    expected: float
    found: float
    error: float
    bound: float
    size: float
    summed: float
    inside: float

    @property
    def passed(self) -> bool:
        """Whether the error is within the bound."""
        return self.error <= self.bound  # False for NaN


class TotalCheck(NamedTuple):
    """Two numbers that must agree, one of them by the complex step.

    Attributes
    ----------
    name : str
        A parameter, whose whole gradient is checked along one random direction R; or a layer, whose
        cell is checked.
    expected, found : float
        ⟨gradient, R⟩ by the equations, and by the complex step; or the slope for which these two
        differ most.
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


def check_terms(
    passes: Passes, layer: int, delta: Array, dh: Sequence[Array], seed: int = 0
) -> list[Check]:
    """Prove every term of a layer's W, for each loss t and each step τ ≤ t; see ``checked``.

    In a layer without W, and at steps where h_{τ-1} is 0, the terms of U are proved.

    Parameters
    ----------
    passes : Passes
    layer : int
    delta : array (A, T, G H)
        δ_{t,τ}.
    dh : for the layer and each above it an array (A, T, S H)
        dL_t/d(states of step τ).
    seed : int
        For R.

    Returns
    -------
    list of Check
        By loss, then by step.
    """
    R, answering = directions(passes, layer, seed), passes.answering
    steps = checked(len(passes.x))
    of_losses, of_outputs, of_states = _by_passes(passes, layer, R, steps, dh)
    cell = passes.parameters.layers[layer - 1].cell

    def of_terms(name: str, read: str, left: Array, at: IntArray) -> Array:
        """⟨term(t, τ), R⟩, ‖term‖ ‖R‖ and the usual size of the former, each (A, n), at n steps."""
        of_gates = cell.rows_reading(read, delta[:, at].T).T  # (A, n, ·)
        product = np.einsum("ath,th->at", of_gates, left[at] @ R[name].T)
        size = terms.size(of_gates) * terms.size(left[at]) * np.linalg.norm(R[name])
        return np.array([product, size, size / np.sqrt(R[name].size)])

    if "W" in R:
        found = of_terms("W", "h", passes.left(layer), steps)
        from_zero = passes.are_from_zero(layer)[steps]
        if from_zero.any():
            found[:, :, from_zero] = of_terms("U", "x", passes.inputs(layer), steps[from_zero])
    else:
        found = of_terms("U", "x", passes.inputs(layer), steps)
    expected, size, usual = found
    errors = np.abs(expected - of_losses)
    bound = TOLERANCE * size + _ROUNDING * (of_outputs + of_states) + SMALLEST
    columns = (expected, of_losses, errors, bound, usual, of_outputs, of_states)
    rows = np.stack(columns, axis=-1).tolist()
    return [
        Check(int(t) + 1, int(tau) + 1, *rows[a][i])
        for a, t in enumerate(answering)
        for i, tau in enumerate(steps)
        if tau <= t
    ]


def directions(passes: Passes, layer: int, seed: int) -> dict[str, Array]:
    """A random R for a layer's W, if it has one, and U."""
    rng = np.random.default_rng(seed)
    shapes = {name: passes.parameters.get(f"{name}{layer}") for name in "WU"}
    return {name: rng.standard_normal(of.shape) for name, of in shapes.items() if of is not None}


def _by_passes(
    passes: Passes, layer: int, R: Mapping[str, Array], steps: IntArray, dh: Sequence[Array]
) -> tuple[Array, Array, Array]:
    """⟨term(t, τ), R⟩ by passes, and the two sums that bound rounding, each (A, n)."""
    rounded = passes.rounded()[passes.answering]
    sizes = Sizes.of(passes, layer, dh, passes.answering)
    found = []
    for first in range(0, len(steps), SIDE):
        taus = steps[first : first + SIDE]
        moved = pass_forward(passes, layer, R, np.full(len(taus), 1j * STEP), taus, sizes)
        found.append((moved.losses.imag / STEP, moved.summed(rounded), moved.inside))
    of_losses, of_outputs, of_states = (
        np.concatenate(of, axis=1) for of in zip(*found, strict=True)
    )
    return of_losses, of_outputs, of_states


def checked(T: int) -> IntArray:
    """The steps, from 0, whose terms are proved one by one: all, or some of a long sequence.

    If there are more than ``LONG`` steps, they are the last ``SIDE``, and then steps at distances that
    double each time, down to the first. All their passes take about as long as two whole sequences.
    """
    if T <= LONG:
        return np.arange(T)
    back = np.concatenate([np.arange(SIDE), 2 ** np.arange(T.bit_length()), [T - 1]])
    return np.unique(T - 1 - back[back < T])


def check_totals(passes: Passes, gradients: Parameters, seed: int = 0) -> list[TotalCheck]:
    """Prove each parameter's whole gradient along a random direction.

    Returns
    -------
    list of TotalCheck
        One for each parameter.
    """
    rng = np.random.default_rng(seed)
    R = {name: rng.standard_normal(gradient.shape) for name, gradient in gradients.items()}
    error = passes.rounded()[passes.answering]  # (A, K)
    of_layers = [name for name in gradients if name not in ("V", "c")]
    moved = moved_throughout(passes, R, of_layers)
    losses, rounded = moved.losses.sum(axis=0), moved.summed(error).sum(axis=0) + moved.inside[0]
    found = dict(zip(of_layers, zip(losses, rounded, strict=True), strict=True))
    for name in gradients:
        if name not in of_layers:  # the layers stay as they are
            z = _answers_of_moved(passes, name, R[name])
            moved = Moved(passes.wanted.losses(z), z, np.zeros((1, 1)))
            rounded = moved.summed(error).sum()
            if name == "V":  # z' = R h, and h is rounded as its parts are
                rounded += (np.abs(error) @ np.abs(R["V"]) * _made_of(passes)).sum()
            found[name] = moved.losses.sum(), rounded
    checks = []
    for name, gradient in gradients.items():
        loss, rounded = found[name]
        of_pass, expected = float(loss.imag) / STEP, float((gradient * R[name]).sum())
        size = float(terms.size(gradient.ravel()) * np.linalg.norm(R[name]))
        bound = TOLERANCE * size + _ROUNDING * float(rounded) + SMALLEST
        checks.append(TotalCheck(name, expected, of_pass, abs(expected - of_pass), bound))
    return checks


def _answers_of_moved(passes: Passes, name: str, R: Array) -> Array:
    """y_unactivated of the answers, (A, K, 1), with V or c moved along R."""
    at, own = passes.answering, {of: passes.parameters.get(of) for of in "Vc"}
    own[name] = passes.parameters[name] + 1j * STEP * R
    z, _ = output(passes.trace.h_answering[:, at], np.asarray(own["V"]), own["c"])
    return np.asarray((z.T + passes.offset[at])[:, :, None])


def _made_of(passes: Passes) -> Array:
    """The sizes of the parts of the states that the answers read, (A, H)."""
    steps = passes.trace.layers[-1].steps
    parts = np.abs([[*step.states, *step.kept[2:]] for step in steps])  # (T, ·, H, 1)
    h_made_of = parts.sum(axis=1)[:, :, 0]
    of_answers = [(passes.reading.weights(t) * h_made_of).sum(axis=0) for t in passes.answering]
    return np.array(of_answers)


def check_backward(
    name: str, cell: Cell, trace: LayerTrace, of_trace: Slopes, seed: int = 0
) -> TotalCheck:
    """Compare the slopes that a cell's ``backward`` uses with those of its ``forward``.

    Terms are carried back by the slopes of ``forward``, which are exact; training uses ``backward``.
    This is rounded relative to numbers that may cancel, as 1 and h² do in a saturated unit. So an error
    is measured relative to the largest slope of its kind, [s, i]. So that this is not small, some
    random points are checked in addition to those of the sequence.

    Parameters
    ----------
    name : str
        Its name in the result.
    cell : Cell
    trace : LayerTrace
    of_trace : Slopes
        The slopes of ``forward`` at its steps, (S, G + S, T, H, 1).
    seed : int
        For the random points.

    Returns
    -------
    TotalCheck
    """
    rng = np.random.default_rng(seed)
    G, S = len(cell.gates), len(cell.states)
    a, before = entering(cell, trace)
    entered = np.array([*a, *before]).reshape(G + S, -1)
    far = np.maximum(np.abs(entered[G:]).max(axis=1, keepdims=True), 1)
    drawn = rng.standard_normal((G + S, N_POINTS)) * np.concatenate([np.ones((G, 1)), far])
    of_drawn = slopes(cell, tuple(drawn[:G]), tuple(drawn[G:])).states
    found = np.concatenate([of_trace.states.reshape(S, G + S, -1), of_drawn], axis=2)
    points = np.concatenate([entered, drawn], axis=1)
    a, before = tuple(points[:G]), tuple(points[G:])
    after, kept = cell.forward(a, before)
    expected = slopes_of_backward(cell, kept, after, before)  # (S, G + S, n)
    error = np.abs(expected - found)
    bound = np.broadcast_to(
        AGREEMENT * np.abs(found).max(axis=2, keepdims=True) + SMALLEST, error.shape
    )
    worst = np.unravel_index(np.argmax(np.nan_to_num(error / bound, nan=np.inf)), error.shape)
    return TotalCheck(name, *(float(of[worst]) for of in (expected, found, error, bound)))


def central_differences(
    passes: Passes, layer: int, checks: list[Check], seed: int = 0
) -> list[dict[str, float]]:
    """For comparison: the usual gradient check, [L(W_τ + εR) - L(W_τ - εR)] / 2ε.

    It uses at most 64 steps τ, evenly chosen from the last 128.

    Parameters
    ----------
    passes, layer, seed
        As in ``check_terms``.
    checks : list of Check
        What ``check_terms`` returned, with the same R.

    Returns
    -------
    list of {"step", "relative_error", "unseen"}
        For ε = 1e-1 … 1e-8: the error of all terms together, ‖found - exact‖ / ‖exact‖, and how many
        of those that are not zero are lost altogether, off by their own value or more.
    """
    R, answering = directions(passes, layer, seed), passes.answering
    # A comparison, not a proof: some steps of a long sequence are enough.
    T = len(passes.x)
    taus = np.unique(np.linspace(max(0, T - CONTRASTED), T - 1, SIDE).round().astype(np.int64))
    checks = [check for check in checks if check.tau - 1 in taus]
    rows_of = np.searchsorted(answering, [check.t - 1 for check in checks])
    columns_of = np.searchsorted(taus, [check.tau - 1 for check in checks])
    exact = np.array([check.found for check in checks])
    rows, n = [], len(taus)
    for step in 10.0 ** -np.arange(1, 9):
        scales = step * np.tile([1.0, -1.0], n)
        losses = pass_forward(passes, layer, R, scales, np.repeat(taus, 2)).losses
        up, down = losses[:, ::2], losses[:, 1::2]
        error = np.abs(((up - down) / (2 * step))[rows_of, columns_of] - exact)
        with np.errstate(invalid="ignore", divide="ignore"):  # all terms may be zero
            relative = float(np.linalg.norm(error) / np.linalg.norm(exact))
        unseen = int(((error >= np.abs(exact)) & (exact != 0)).sum())
        rows.append({"step": float(step), "relative_error": relative, "unseen": unseen})
    return rows
