"""What a cell does to errors at a step, as numbers: how its states move with what enters a unit.

A cell is pointwise, so that its derivative is a few numbers a unit: the slope of each state after the
step by each gate's pre-activation, and by each state before.

``Cell.backward`` has them from activated values, where 1 - h² has few digits left if h is nearly 1.
Here they come from ``Cell.forward`` by complex step, to the last digit. ``proof.check_backward``
compares the two.

Letters: S states, G gates, H units.
"""

from __future__ import annotations

import numpy as np

from elman._typing import Array
from elman.equations import Cell
from elman.equations.cells.cell import Values

STEP = 1e-20


def slopes(cell: Cell, a: Values, before: Values) -> Array:
    """Differentiate ``cell.forward`` by complex step.

    Parameters
    ----------
    cell : Cell
    a : one array for each gate
        Pre-activations.
    before : one array for each state

    Returns
    -------
    array (S, G + S, *shape of one of them)
        [s, g] is ∂(state s)/∂a_g, and [s, G + r] is ∂(state s)/∂(state r before).
    """
    entering = [*a, *before]
    found = np.zeros((len(before), len(entering), *np.shape(a[0])))
    for i, value in enumerate(entering):
        moved = [*entering]
        moved[i] = value + 1j * STEP
        after, _ = cell.forward(tuple(moved[: len(a)]), tuple(moved[len(a) :]))
        for s, state in enumerate(after):
            found[s, i] = np.imag(state) / STEP
    return found


def slopes_of_backward(cell: Cell, kept: Values, after: Values, before: Values) -> Array:
    """The same as ``cell.backward`` has them: what it makes of an error of 1 in each state."""
    zeros, ones = np.zeros_like(after[0]), np.ones_like(after[0])
    S = len(after)
    found = np.zeros((S, len(cell.gates) + S, *np.shape(ones)), np.result_type(ones))
    for s in range(S):
        d = tuple(ones if r == s else zeros for r in range(S))
        da, d_before = cell.backward(d, kept, after, before)
        for i, slope in enumerate([*da, *d_before]):
            if slope is not None:
                found[s, i] = slope
    return found


def remembers(cell: Cell) -> bool:
    """Whether errors go back a step in a layer: by W, or straight from state to state before."""
    point = np.random.default_rng(0).standard_normal((len(cell.gates) + len(cell.states), 1))
    a, before = tuple(point[: len(cell.gates)]), tuple(point[len(cell.gates) :])
    return cell.recurrent or bool(slopes(cell, a, before)[:, len(cell.gates) :].any())


class Exact(Cell):
    """A cell that keeps its ``slopes`` first, and lets errors back by these."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        # A cell's are those of its class; these are another cell's.
        self.gates, self.states, self.reads = cell.gates, cell.states, cell.reads  # type: ignore[misc]

    def forward(self, a: Values, before: Values) -> tuple[Values, Values]:
        """See ``Cell.forward``."""
        after, kept = self.cell.forward(a, before)
        return after, (slopes(self.cell, a, before), *kept)

    def backward(
        self, d: Values, kept: Values, after: Values, before: Values
    ) -> tuple[Values, Values]:
        """See ``Cell.backward``: Σ_s dL/d(state s) · ∂(state s)/∂(what entered)."""
        first, *others = [
            [d_s * slope for slope in of_s] for d_s, of_s in zip(d, kept[0], strict=True)
        ]
        for other in others:
            first = [a + b for a, b in zip(first, other, strict=True)]
        return tuple(first[: len(self.gates)]), tuple(first[len(self.gates) :])


def explicit_parts(cell: Cell, partials: Array) -> Array:
    """How the states after a step move with what W h_{t-1} adds to the gates that read it.

    Parameters
    ----------
    cell : Cell
    partials : array (n, S, G + S, H)
        ``slopes`` of n steps.

    Returns
    -------
    array (n, S H, G_h H)
        Blocks diag(∂(state s)/∂a_g).
    """
    return _diagonals(partials[:, :, cell.gates_reading("h")])


def jacobians(cell: Cell, partials: Array, W: Array | None) -> Array:
    """∂(states of t)/∂(states of t-1), by W and straight.

    Parameters
    ----------
    cell : Cell
    partials : array (n, S, G + S, H)
        ``slopes`` of n steps.
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
            by_gate = partials[:, :, g].reshape(len(partials), -1, 1)  # (n, S H, 1)
            straight[:, :, :H] += by_gate * np.tile(W_g, (partials.shape[1], 1))
    return straight


def _diagonals(slopes: Array) -> Array:
    """Blocks of diagonals: (n, S, R, H) to (n, S H, R H)."""
    n, S, R, H = slopes.shape
    blocks = np.zeros((n, S, H, R, H))
    blocks[:, :, range(H), :, range(H)] = slopes.transpose(3, 0, 1, 2)
    return blocks.reshape(n, S * H, R * H)
