"""The derivatives of a cell at a step: how its states move with the inputs of a unit.

A cell is pointwise, so its derivative is a few numbers for each unit: the slope of each state after the
step with respect to each gate's pre-activation, and to each state before.

``Cell.backward`` computes them from activated values, and 1 - h² has few digits left if h is nearly 1.
Here they come from ``Cell.forward`` by complex step, exact to the last digit. ``proof.check_backward``
compares the two.

Letters: S states, G gates, H units.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from math import prod
from operator import add
from typing import NamedTuple

import numpy as np

from elman._typing import Array
from elman.equations import Cell
from elman.equations.cells.cell import Values

STEP = 1e-20
CACHED = 2**14  # numbers: the results of so many stay in a processor's cache


class Slopes(NamedTuple):
    """The derivatives of a cell with respect to its inputs.

    Attributes
    ----------
    states : array (S, G + S, H, n)
        [s, g] is ∂(state s)/∂a_g, and [s, G + r] is ∂(state s)/∂(state r before).
    inside : array (G + S, H, n)
        Σ_k |∂(value k that the cell keeps)/∂(input)|: states are computed from these values, and have
        their rounding errors.
    """

    states: Array
    inside: Array


def slopes(cell: Cell, a: Values, before: Values) -> Slopes:
    """Differentiate ``cell.forward`` by complex step.

    Parameters
    ----------
    cell : Cell
    a : one array (H, n) for each gate
        Pre-activations; also those of several steps, (T, H, n).
    before : one array (H, n) for each state

    Returns
    -------
    Slopes
        With the axes of ``a``.
    """
    n_rows, *others = np.shape(a[0])
    states = np.zeros((len(before), len(a) + len(before), n_rows, *others))
    inside = np.zeros(states.shape[1:])
    rows_at_once = max(1, CACHED // prod(others))
    for first in range(0, n_rows, rows_at_once):
        rows = slice(first, first + rows_at_once)
        entering = [value[rows] for value in (*a, *before)]
        for i, value in enumerate(entering):
            moved = [*entering]
            moved[i] = value + 1j * STEP
            after, kept = cell.forward(tuple(moved[: len(a)]), tuple(moved[len(a) :]))
            for s, state in enumerate(after):
                states[s, i, rows] = np.imag(state) / STEP
            for value_kept in kept:
                inside[i, rows] += np.abs(np.imag(value_kept)) / STEP
    return Slopes(states, inside)


def slopes_of_backward(cell: Cell, kept: Values, after: Values, before: Values) -> Array:
    """Return ``Slopes.states`` by ``cell.backward``: its results for an error of 1."""
    S, h = len(after), after[0]
    found = np.zeros((S, len(cell.gates) + S, *np.shape(h)), np.result_type(h))
    for s, i, slope in _by_backward(cell, kept, after, before):
        found[s, i] = slope
    return found


def openness_of(cell: Cell, kept: Values, after: Values, before: Values) -> Array:
    """Return the largest of these slopes by magnitude, (H, n)."""
    found = _by_backward(cell, kept, after, before)
    return np.asarray(reduce(np.maximum, (np.abs(slope) for _, _, slope in found)))


def _by_backward(
    cell: Cell, kept: Values, after: Values, before: Values
) -> Iterator[tuple[int, int, Array]]:
    """Yield s, i and the slope of state s with respect to input i, if there is one."""
    zeros, ones = np.zeros_like(after[0]), np.ones_like(after[0])
    for s in range(len(after)):
        d = tuple(ones if r == s else zeros for r in range(len(after)))
        da, d_before = cell.backward(d, kept, after, before)
        for i, slope in enumerate([*da, *d_before]):
            if slope is not None:
                yield s, i, slope


def goes_straight(cell: Cell) -> bool:
    """Whether errors go from a state to the state before without W."""
    point = np.random.default_rng(0).standard_normal((len(cell.gates) + len(cell.states), 1, 1))
    a, before = tuple(point[: len(cell.gates)]), tuple(point[len(cell.gates) :])
    return bool(slopes(cell, a, before).states[:, len(cell.gates) :].any())


def remembers(cell: Cell) -> bool:
    """Whether errors go back a step in a layer, through W or without W."""
    return cell.recurrent or goes_straight(cell)


def is_plain(cell: Cell) -> bool:
    """Whether a cell is h = f(h_unactivated), so that f' is its whole derivative."""
    return len(cell.gates) == len(cell.states) == 1 and not goes_straight(cell)


class Exact(Cell):
    """A cell that keeps its ``Slopes`` first, and uses these in ``backward``.

    Parameters
    ----------
    cell : Cell
    with_errors : bool
        Whether to return dL/d(state), too, behind the δ of the gates, like gates that read nothing.
    """

    def __init__(self, cell: Cell, with_errors: bool = False) -> None:
        self.cell, self.with_errors = cell, with_errors
        # These are usually attributes of the class; here they come from another cell.
        self.gates, self.states, self.reads = cell.gates, cell.states, cell.reads  # type: ignore[misc]
        if with_errors:
            errors = [f"dL/d{state}" for state in cell.states]
            self.gates = (*cell.gates, *errors)  # type: ignore[misc]
            self.reads = {**cell.reads, **dict.fromkeys(errors, "")}  # type: ignore[misc]

    def forward(self, a: Values, before: Values) -> tuple[Values, Values]:
        """See ``Cell.forward``."""
        after, kept = self.cell.forward(a, before)
        return after, (*slopes(self.cell, a, before), *kept)

    def backward(
        self, d: Values, kept: Values, after: Values, before: Values
    ) -> tuple[Values, Values]:
        """See ``Cell.backward``: Σ_s dL/d(state s) · ∂(state s)/∂(what entered)."""
        entered = reduce(add, (d_s * of_s for d_s, of_s in zip(d, kept[0], strict=True)))
        G = len(self.cell.gates)  # entered: (G + S, H, n)
        return (*entered[:G], *(d if self.with_errors else ())), tuple(entered[G:])


def explicit_parts(cell: Cell, partials: Array) -> Array:
    """How the states after a step move with the part W h_{t-1} of the gates that read it.

    Parameters
    ----------
    cell : Cell
    partials : array (n, S, G + S, H)
        ``Slopes.states`` of n steps.

    Returns
    -------
    array (n, S H, G_h H)
        Blocks diag(∂(state s)/∂a_g).
    """
    return _diagonals(partials[:, :, cell.gates_reading("h")])


def jacobians(cell: Cell, partials: Array, W: Array | None) -> Array:
    """∂(states of t)/∂(states of t-1), through W and without W.

    Parameters
    ----------
    cell : Cell
    partials : array (n, S, G + S, H)
        ``Slopes.states`` of n steps.
    W : array (G_h H, H), or None

    Returns
    -------
    array (n, S H, S H)
        State under state, h first; for a tanh cell diag(1 - h²) W.
    """
    straight = _diagonals(partials[:, :, len(cell.gates) :])
    if W is not None:
        H = W.shape[1]
        for g, W_g in zip(cell.gates_reading("h"), np.split(W, len(W) // H), strict=True):
            for s in range(partials.shape[1]):
                straight[:, s * H : (s + 1) * H, :H] += partials[:, s, g, :, None] * W_g
    return straight


def _diagonals(slopes: Array) -> Array:
    """Blocks of diagonals: (n, S, R, H) to (n, S H, R H)."""
    n, S, R, H = slopes.shape
    blocks = np.zeros((n, S, H, R, H))
    np.einsum("nsiri->nsri", blocks)[...] = slopes  # their diagonals, not a copy
    return blocks.reshape(n, S * H, R * H)
