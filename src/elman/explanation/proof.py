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
the loss here, and the errors and slopes of ``terms``, are computed without a difference of numbers
near 1.

Letters: T steps, n of their passes side by side, D inputs of the layer, H units, K outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from elman._typing import Array, IntArray
from elman.equations import Layer, network, output, recurrent_layer, recurrent_step
from elman.explanation import terms
from elman.parameters import Parameters

STEP = 1e-20
TOLERANCE = 1e-10
_ROUNDING = 16 * float(np.finfo(np.float64).eps)
SMALLEST = 1e-287
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
    """A whole gradient against the complex step, along one random direction R.

    Attributes
    ----------
    name : str
        The parameter's.
    expected, found : float
        ⟨gradient, R⟩ by the equations, and by the complex step.
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
    own: Mapping[str, Array],
    taus: IntArray,
) -> Moved:
    """Go forward n times side by side; in pass i, step taus[i] has parameters of its own.

    Parameters
    ----------
    parameters : Parameters
    layer : int
        The one with a step of its own, counted from 1.
    inputs : array (T, D)
        The layer's inputs.
    labels : array (T,)
        Codes; -1 where a step has no label.
    own : {"U" or "W": array}
        The parameters of the step; the others are the layer's.
    taus : array (n,)
        Steps, from 0.

    Returns
    -------
    Moved
    """
    dtype = np.result_type(*own.values())
    layers = parameters.astype(dtype).layers
    here, above = layers[layer - 1], layers[layer:]
    there: Layer = here._replace(U=own.get("U", here.U), W=own.get("W", here.W))
    n = len(taus)

    def step(x_t: Array, h: Array, of: Layer) -> Array:
        return recurrent_step(x_t, h, of.U, of.W, of.b, of.cell).h_activated

    h = [np.zeros((len(here.U), n), dtype)]
    for t, x_t in enumerate(inputs[:, :, None].astype(dtype)):  # (D, 1)
        if t < taus.min():  # all passes are alike
            h.append(np.repeat(step(x_t, h[-1][:, :1], here), n, axis=1))
            continue
        h_t = np.array(step(np.repeat(x_t, n, axis=1), h[-1], here))
        for i in np.flatnonzero(taus == t):
            h_t[:, i : i + 1] = step(x_t, h[-1][:, i : i + 1], there)
        h.append(h_t)
    for up in above:
        h = recurrent_layer(h[1:], np.zeros((len(up.U), n), dtype), up.U, up.W, up.b, up.cell)

    answering = np.flatnonzero(labels >= 0)
    V, c = parameters["V"].astype(dtype), parameters.get("c")
    z = np.array([output(h[t + 1], V, c)[0] for t in answering])  # (A, K, n)
    return Moved(terms.exact_losses(z, labels[answering]), z)


def _of_every_step(
    parameters: Parameters, layer: int, inputs: Array, labels: IntArray, own: Mapping[str, Array]
) -> Moved:
    """Go forward once for each step, as many passes side by side as is good."""
    parts = [
        pass_forward(parameters, layer, inputs, labels, own, np.arange(len(inputs))[first:][:SIDE])
        for first in range(0, len(inputs), SIDE)
    ]
    losses, z = zip(*parts, strict=True)
    return Moved(np.concatenate(losses, axis=-1), np.concatenate(z, axis=-1))


def check_terms(
    parameters: Parameters,
    layer: int,
    inputs: Array,
    labels: IntArray,
    name: str,
    delta: Array,
    left: Array,
    error: Array,
    seed: int = 0,
) -> list[Check]:
    """Prove every term of a layer's W (or U), for each loss t and each step τ ≤ t.

    Parameters
    ----------
    parameters, layer, inputs, labels
        As in ``pass_forward``.
    name : {"W", "U"}
    delta : array (T, T, H)
        δ_{t,τ}.
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
    moves = _of_every_step(parameters, layer, inputs, labels, own)
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


def central_differences(
    parameters: Parameters,
    layer: int,
    inputs: Array,
    labels: IntArray,
    name: str,
    checks: list[Check],
    seed: int = 0,
) -> list[dict[str, float]]:
    """For contrast: what the usual gradient check finds, [L(W_τ + εR) - L(W_τ - εR)] / 2ε.

    It looks at 64 steps τ at most, evenly chosen.

    Parameters
    ----------
    parameters, layer, inputs, labels, name, seed
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
            pass_forward(parameters, layer, inputs, labels, {name: matrix + e * R}, taus).losses
            for e in (step, -step)
        )
        error = np.abs(((up - down) / (2 * step))[rows_of, columns_of] - exact)
        with np.errstate(invalid="ignore", divide="ignore"):  # all terms may be zero
            relative = float(np.linalg.norm(error) / np.linalg.norm(exact))
        unseen = int(((error >= np.abs(exact)) & (exact != 0)).sum())
        rows.append({"step": float(step), "relative_error": relative, "unseen": unseen})
    return rows
