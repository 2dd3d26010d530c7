"""Proof of each term: complex-step differentiation, a step's own W_τ at a time.

Give step τ a W_τ of its own, and it an imaginary part: W_τ = W + i·1e-20·R for a random direction R.
The imaginary part of L_t over 1e-20 is then the derivative of L_t along R by W_τ alone, which is
⟨term(t, τ), R⟩, with no subtraction and so no loss of digits (Squire and Trapp 1998). One pass
forward proves the terms of all losses t ≥ τ; the T passes go side by side, as columns. Only forward
equations take part, and the loss is written anew here, so an error in the backward ones shows.

What the comparison allows is 1e-10 ‖term‖ ‖R‖, and beside it what rounding can do:

    |error| ≤ 1e-10 ‖δ_{t,τ}‖ ‖h_{τ-1}‖ ‖R‖  +  16 eps ( Σ_k |ŷ_{t,k} - y_{t,k}| |z'_{t,k}|
                                                  +  Σ_j Σ_i |dL_t/ds_{j,i}| m_{j,i} )  +  1e-287

Of a loss of numbers ŷ - y stands for dL/dz, and counts together with what it is rounded by: it is a
difference.
z'_t is by how much y_unactivated moves along R, so that the product is a sum of these numbers over
k: where they all but cancel, the digits that are left are few. In the same way it is a sum over the
states s_j of each step j from τ to t. m_j is by how much these move, each part taken by its
magnitude, and beside it what moves inside the cell: h = n + z (h_{t-1} - n) of a GRU has few digits of
n' (1 - z) left where z is nearly 1. In a tanh cell nothing cancels, and m_j is |s'_j|.

Below 1e-287 numbers times 1e-20 have no digits left. Answers that are all but certain and units that
are all but saturated cost no digits: the loss here, the errors of ``terms`` and the slopes of
``slopes`` are computed without a difference of numbers near 1.

Letters: T steps, n of their passes side by side, D inputs of the layer, H units, K outputs,
S states and G gates of a cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from elman._typing import Array, IntArray
from elman.equations import Cell, LayerTrace, output, recurrent_layer, recurrent_step
from elman.equations.forward import States
from elman.explanation import terms
from elman.explanation.passes import Passes, forward_with_answers
from elman.explanation.slopes import slopes, slopes_of_backward
from elman.parameters import Parameters

STEP = 1e-20
TOLERANCE = 1e-10
_ROUNDING = 16 * float(np.finfo(np.float64).eps)
SMALLEST = 1e-287
AGREEMENT = 1e-13  # of backward with forward, relative to the largest slope of the kind
N_POINTS = 256  # drawn at random, at which that is looked at too
SIDE = 64  # passes: enough columns for the products, few enough to keep their states
LONG = 1000  # steps: of longer sequences not every term is proved on its own


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
    """What moves in n passes: the A losses, y_unactivated behind them, and states of all layers."""

    losses: Array  # (A, n)
    z: Array  # (A, K, n)
    states: list[list[Array]]  # m of each layer that moves: block k is (S H, n_k), k steps on

    def summed(self, error: Array) -> Array:
        """Σ_k |ŷ_k - y_k| |z'_k|, (A, n), for ŷ - y, or what it is rounded by, (A, K)."""
        return np.asarray(np.einsum("ak,akn->an", np.abs(error), np.abs(self.z.imag)) / STEP)

    def inside(self, dh: Sequence[Array], taus: IntArray) -> Array:
        """Σ_j Σ_i |dL/ds_{j,i}| m_{j,i}, (A, n), over the states of all layers and steps j.

        Parameters
        ----------
        dh : for each layer that moves an array (A, T, S H)
            dL/d(states of a step).
        taus : array (n,)
            The steps, from 0, at which the passes begin.
        """
        total = np.zeros(self.losses.shape)
        for of_layer, blocks in zip(dh, self.states, strict=True):
            sizes = np.abs(of_layer)
            for k, block in enumerate(blocks):
                n_k = block.shape[1]
                total[:, :n_k] += np.einsum("ans,sn->an", sizes[:, taus[:n_k] + k], block)
        return total


def pass_forward(passes: Passes, layer: int, own: Mapping[str, Array], taus: IntArray) -> Moved:
    """Go forward n times side by side; in pass i, step taus[i] has parameters of its own.

    A pass begins at its step, with the states that the sequence has there. So passes are sequences
    of different lengths, longest first, as ``recurrent_layer`` takes them.

    Parameters
    ----------
    passes : Passes
    layer : int
        The one with a step of its own, counted from 1.
    own : {"U" or "W": array}
        The parameters of the step; the others are the layer's.
    taus : array (n,)
        Steps, from 0, in ascending order.

    Returns
    -------
    Moved
    """
    dtype = np.result_type(*own.values())
    parameters = passes.parameters.astype(dtype)
    here, *above = parameters.layers[layer - 1 :]
    there = here._replace(U=own.get("U", here.U), W=own.get("W", here.W))
    traces = passes.trace.layers[layer - 1 :]
    x = passes.inputs(layer).T.astype(dtype)  # (D, T)
    T, n = x.shape[1], len(taus)

    def before_own_step(trace: LayerTrace) -> States:  # each (H, n)
        before = zip(*(trace.before(t) for t in taus), strict=True)
        return tuple(np.concatenate(state, axis=1).astype(dtype) for state in before)

    initial = before_own_step(traces[0])
    first = recurrent_step(x[:, taus], initial, there)
    later = [x[:, taus[taus + k < T] + k] for k in range(1, T - taus[0])]
    moved = [LayerTrace(initial, [first, *recurrent_layer(later, first.states, here).steps])]
    for up, trace in zip(above, traces[1:], strict=True):
        moved.append(recurrent_layer(moved[-1].h, before_own_step(trace), up))

    answering = passes.answering
    V, c = parameters["V"], parameters.get("c")
    r = passes.trace.h_answering
    plain = np.concatenate([r[:, t : t + 1] for t in answering], axis=1)  # (H, A)
    z = output(plain.astype(dtype), V, c)[0].T + passes.offset[answering]
    z = np.repeat(z[:, :, None], n, axis=2)  # (A, K, n)
    for k, r_k in enumerate(passes.reading.in_passes(moved[-1].h, taus)):
        steps = taus[: r_k.shape[1]] + k
        (columns,) = np.nonzero(passes.wanted.present[steps])
        answers = output(r_k, V, c)[0].T[columns] + passes.offset[steps[columns]]
        z[np.searchsorted(answering, steps[columns]), :, columns] = answers
    losses = passes.wanted.losses(z)
    return Moved(losses, z, [*map(partial(magnitudes, taus=taus), moved, traces)])


def magnitudes(moved: LayerTrace, trace: LayerTrace, taus: IntArray) -> list[Array]:
    """By how much the states of a layer move, and what is inside its cell: each part without its sign.

    Parameters
    ----------
    moved : LayerTrace
        Of n passes.
    trace : LayerTrace
        Of the sequence; its layer's cell is ``Exact``.
    taus : array (n,)
        The steps, from 0, at which the passes begin.

    Returns
    -------
    blocks (S H, n_k)
        m, k steps after the passes began.
    """
    found = []
    for k, step in enumerate(moved.steps):
        H, n_k = step.h_activated.shape
        entering = np.concatenate([step.h_unactivated, *moved.before(k)])
        entering = np.abs(entering.imag).reshape(-1, H, n_k) / STEP  # (G + S, H, n_k)
        kept = [trace.steps[t].kept for t in taus[:n_k] + k]
        states, inside = (np.concatenate(of, axis=-1) for of in list(zip(*kept, strict=True))[:2])
        found.append(((np.abs(states) + inside) * entering).sum(axis=1).reshape(-1, n_k))
    return found


def check_terms(
    passes: Passes, layer: int, delta: Array, dh: Sequence[Array], seed: int = 0
) -> list[Check]:
    """Prove every term of a layer's W, for each loss t and each step τ ≤ t; see ``checked``.

    Of a layer without W the terms of U are proved: the same δ, beside other vectors.

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
    name, answering = passes.name_of_terms(layer), passes.answering
    matrix = passes.parameters[f"{name}{layer}"]
    R = np.random.default_rng(seed).standard_normal(matrix.shape)
    rounded = passes.rounded()
    found, summed, inside = [], [], []
    steps = checked(len(passes.x))
    for taus in _side_by_side(steps):
        moved = pass_forward(passes, layer, {name: matrix + 1j * STEP * R}, taus)
        found.append(moved.losses.imag / STEP)
        summed.append(moved.summed(rounded[answering]))
        inside.append(moved.inside(dh, taus))

    cell, left = passes.parameters.layers[layer - 1].cell, passes.left(layer)
    delta, left = delta[:, steps], left[steps]
    delta = cell.rows_reading("h" if name == "W" else "x", delta.T).T  # (A, n, ·)
    size = terms.size(delta) * terms.size(left) * np.linalg.norm(R)  # ‖term‖ ‖R‖, (A, n)
    of_checks = [
        np.einsum("ath,th->at", delta, left @ R.T),
        *(np.concatenate(parts, axis=1) for parts in (found, summed, inside)),
    ]
    expected, of_losses, of_outputs, of_states = of_checks
    errors = np.abs(expected - of_losses)
    bound = TOLERANCE * size + _ROUNDING * (of_outputs + of_states) + SMALLEST
    columns = (expected, of_losses, errors, bound, size / np.sqrt(R.size), of_outputs, of_states)
    rows = np.stack(columns, axis=-1).tolist()
    return [
        Check(int(t) + 1, int(tau) + 1, *rows[a][i])
        for a, t in enumerate(answering)
        for i, tau in enumerate(steps)
        if tau <= t
    ]


def checked(T: int) -> IntArray:
    """The steps, from 0, whose terms are proved one by one: all, or some of a long sequence.

    Of more than ``LONG`` steps they are the last ``SIDE``, and then those twice as far back each time,
    down to the first: their passes take about as many steps together as two whole sequences.
    """
    if T <= LONG:
        return np.arange(T)
    back = np.concatenate([np.arange(SIDE), 2 ** np.arange(T.bit_length()), [T - 1]])
    return np.unique(T - 1 - back[back < T])


def _side_by_side(steps: IntArray) -> list[IntArray]:
    """As many passes side by side as is good."""
    return [steps[first : first + SIDE] for first in range(0, len(steps), SIDE)]


def check_totals(passes: Passes, gradients: Parameters, seed: int = 0) -> list[TotalCheck]:
    """Prove each parameter's whole gradient along a random direction.

    Returns
    -------
    list of TotalCheck
        One for each parameter.
    """
    rng = np.random.default_rng(seed)
    answering, start = passes.answering, np.zeros(1, np.int64)
    moving, x = passes.parameters.astype(np.complex128), passes.x.astype(np.complex128)
    error = passes.rounded()[answering]
    dh = [of_layer[None] for of_layer in passes.errors_of_states()]
    h_made_of = np.array(  # (T, H)
        [np.abs([*s.states, *s.kept[2:]]).sum(axis=0)[:, 0] for s in passes.trace.layers[-1].steps]
    )
    made_of = np.array([(passes.reading.weights(t) * h_made_of).sum(axis=0) for t in answering])
    checks = []
    for name, gradient in gradients.items():
        R = rng.standard_normal(gradient.shape)
        moving[name].imag[...] = STEP * R
        trace = forward_with_answers(moving, x, moving.layers, passes.offset)
        r = np.concatenate(passes.reading.in_passes(trace.layers[-1].h, start), axis=1)
        z = (output(r, moving["V"], moving.get("c"))[0].T + passes.offset)[answering, :, None]
        moving[name].imag[...] = 0
        losses = passes.wanted.losses(z)
        states = [
            magnitudes(*traces, taus=start)
            for traces in zip(trace.layers, passes.trace.layers, strict=True)
        ]
        moved = Moved(losses, z, states)
        found = float(losses.sum().imag) / STEP
        expected = float((gradient * R).sum())
        size = float(terms.size(gradient.ravel()) * np.linalg.norm(R))
        rounded = moved.summed(error).sum() + moved.inside(dh, start)[0, 0]
        if name == "V":  # z' = R h, and h is rounded as what it is made of
            rounded += (np.abs(error) @ np.abs(R) * made_of).sum()
        bound = TOLERANCE * size + _ROUNDING * float(rounded) + SMALLEST
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
    found = slopes(cell, a, before).states
    error = np.abs(expected - found)
    bound = np.broadcast_to(
        AGREEMENT * np.abs(found).max(axis=2, keepdims=True) + SMALLEST, error.shape
    )
    worst = np.unravel_index(np.argmax(np.nan_to_num(error / bound, nan=np.inf)), error.shape)
    return TotalCheck(name, *(float(of[worst]) for of in (expected, found, error, bound)))


def central_differences(
    passes: Passes, layer: int, checks: list[Check], seed: int = 0
) -> list[dict[str, float]]:
    """For contrast: what the usual gradient check finds, [L(W_τ + εR) - L(W_τ - εR)] / 2ε.

    It looks at 64 steps τ at most, evenly chosen; of a long sequence, they are the last.

    Parameters
    ----------
    passes, layer, seed
        As in ``check_terms``.
    checks : list of Check
        What that returned, with the same R.

    Returns
    -------
    list of {"step", "relative_error", "unseen"}
        For ε = 1e-1 … 1e-8: the error of all terms together, ‖found - exact‖ / ‖exact‖, and how many
        of those that are not zero are lost altogether, off by their own value or more.
    """
    name, answering = passes.name_of_terms(layer), passes.answering
    matrix = passes.parameters[f"{name}{layer}"]
    R = np.random.default_rng(seed).standard_normal(matrix.shape)
    # A contrast, not a proof: of a long sequence some steps are enough.
    T = len(passes.x)
    first = 0 if T <= LONG else T - SIDE
    taus = np.unique(np.linspace(first, T - 1, SIDE).round().astype(np.int64))
    checks = [check for check in checks if check.tau - 1 in taus]
    rows_of = np.searchsorted(answering, [check.t - 1 for check in checks])
    columns_of = np.searchsorted(taus, [check.tau - 1 for check in checks])
    exact = np.array([check.found for check in checks])
    rows = []
    for step in 10.0 ** -np.arange(1, 9):
        up, down = (
            pass_forward(passes, layer, {name: matrix + e * R}, taus).losses for e in (step, -step)
        )
        error = np.abs(((up - down) / (2 * step))[rows_of, columns_of] - exact)
        with np.errstate(invalid="ignore", divide="ignore"):  # all terms may be zero
            relative = float(np.linalg.norm(error) / np.linalg.norm(exact))
        unseen = int(((error >= np.abs(exact)) & (exact != 0)).sum())
        rows.append({"step": float(step), "relative_error": relative, "unseen": unseen})
    return rows
