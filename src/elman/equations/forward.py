"""N2, forward propagation, under the names of the notes' implementation page.

    h_t = tanh(U x_t + W h_{t-1} + b)        ŷ_t = softmax(V h_t + c)

Letters: T steps, n sequences alive at a step, m answers, D features, H units, K outputs.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from elman._typing import Array, IntArray
from elman.equations.cells import Cell

States: TypeAlias = tuple[Array, ...]
"""h, and the other states of a cell if it has any, each (H, n)."""


class Layer(NamedTuple):
    """One layer's cell and parameters. Of its G gates, G_x read x and G_h read h.

    A ``reverse`` layer goes from the last step to the first: its state before step t is that of
    step t + 1, and its initial state is the state before a sequence's last step. The equations are the
    same.
    """

    cell: Cell
    U: Array  # (G_x H, D)
    W: Array | None  # (G_h H, H); None without recurrence
    b: Array | None  # (G H,); None without bias
    initial: Array | None = None  # (states · H,), the states before the first step; None: zeros
    reverse: bool = False
    up_mask: Array | None = None  # (H, n_1), multiplies h_t on its way up; None: no mask
    in_time_mask: Array | None = None  # (H, n_1), multiplies h_{t-1} on its way into W
    tokens: bool = False  # whether x_t is the number of a column of U

    @property
    def n_units(self) -> int:
        """H."""
        return len(self.U) // len(self.cell.gates_reading("x"))

    def initial_states(self, n: int) -> States:
        """The states before the first step, for n sequences, each (H, n)."""
        n_states, H = len(self.cell.states), self.n_units
        if self.initial is None:
            return tuple(np.zeros((H, n), self.U.dtype) for _ in range(n_states))
        return tuple(np.repeat(s[:, None], n, axis=1) for s in np.split(self.initial, n_states))

    def upward(self, blocks: Sequence[Array]) -> Sequence[Array]:
        """Mask states on their way up, or errors on their way back from there; T blocks (H, n_t)."""
        mask = self.up_mask
        return blocks if mask is None else [mask[:, : of.shape[1]] * of for of in blocks]

    def into_W(self, h: Array) -> Array:
        """Mask h_{t-1} on its way into W, or an error on its way back from there; (H, n_t)."""
        return h if self.in_time_mask is None else self.in_time_mask[:, : h.shape[1]] * h


class StepTrace(NamedTuple):
    """Every intermediate of one step of one layer; the gates of a cell are one under another."""

    U_frd: Array  # (G_x H, n)
    W_frd: Array  # (G_h H, n); zeros without recurrence
    h_unactivated: Array  # (G H, n), the gates' pre-activations
    states: States  # after the step
    kept: tuple[Array, ...]  # what the cell needs for the backward pass

    @property
    def h_activated(self) -> Array:
        """The state h after the step, (H, n)."""
        return self.states[0]


class LayerTrace(NamedTuple):
    """One layer's forward values: the states that sequences begin with, and T steps."""

    initial: States
    steps: list[StepTrace]
    reverse: bool = False

    def before(self, t: int) -> States:
        """The states before step t, counted from 0, of the sequences that have it."""
        previous = t + 1 if self.reverse else t - 1
        taken = self.steps[previous].states if 0 <= previous < len(self.steps) else None
        return states_before(taken, self.initial, self.steps[t].h_unactivated.shape[1])

    @property
    def h(self) -> list[Array]:
        """h_1 … h_T, T blocks (H, n_t)."""
        return [step.h_activated for step in self.steps]


def states_before(taken: States | None, initial: States, n: int) -> States:
    """The states before a step of n sequences, from the states after the step that was taken last.

    Sequences that have ended are left out. Sequences that begin have their initial states.
    """
    if taken is None:
        taken = tuple(state[:, :0] for state in initial)
    n_going_on = min(n, taken[0].shape[1])
    if n_going_on == n:
        return tuple(state[:, :n] for state in taken)
    pairs = zip(taken, initial, strict=True)
    return tuple(np.concatenate([s, first[:, n_going_on:n]], axis=1) for s, first in pairs)


def order_of(n_steps: int, reverse: bool) -> range:
    """The steps, counted from 0, in the order in which a layer takes them."""
    return range(n_steps)[::-1] if reverse else range(n_steps)


def recurrent_step(x_t: Array, before: States, layer: Layer) -> StepTrace:
    """Take one step of one layer (N2).

    Parameters
    ----------
    x_t : array (D, n), or (1, n) tokens
    before : one array (H, n) a state
        The states of step t - 1, h_{t-1} first.
    layer : Layer

    Returns
    -------
    StepTrace
    """
    cell, n_gates = layer.cell, len(layer.cell.gates)
    U_frd = input_product(x_t, layer)
    W_frd = np.zeros_like(U_frd) if layer.W is None else layer.W @ layer.into_W(before[0])
    h_unactivated = _enter(cell, U_frd, W_frd)
    if layer.b is not None:
        h_unactivated = h_unactivated + layer.b[:, None]
    a = h_unactivated.reshape(n_gates, -1, x_t.shape[1])  # (G, H, n)
    states, kept = cell.forward(tuple(a), before)
    return StepTrace(U_frd, W_frd, h_unactivated, states, kept)


def input_product(x_t: Array, layer: Layer) -> Array:
    """U x_t, (G_x H, n); for tokens, the columns of U that a one-hot x_t would pick."""
    U: Array = layer.U
    return U[:, columns_of(x_t)] if layer.tokens else U @ x_t


def columns_of(x_t: Array) -> IntArray:
    """The columns of U that tokens (1, n) stand for."""
    columns: IntArray = x_t[0].real.astype(np.int64)
    return columns


def _enter(cell: Cell, U_frd: Array, W_frd: Array) -> Array:
    """Add up what enters each gate: U x_t, W h_{t-1}, or both."""
    from_x, from_h = cell.gates_reading("x"), cell.gates_reading("h")
    if len(from_x) == len(cell.gates) and (from_x == from_h or not from_h):
        return U_frd + W_frd
    n = U_frd.shape[1]
    of_x = dict(zip(from_x, U_frd.reshape(len(from_x), -1, n), strict=True))
    of_h = dict(zip(from_h, W_frd.reshape(len(from_h), -1, n), strict=True)) if from_h else {}
    zero = np.zeros((1, 1), U_frd.dtype)
    return np.concatenate([of_x.get(g, zero) + of_h.get(g, zero) for g in range(len(cell.gates))])


def recurrent_layer(x: Sequence[Array], initial: States, layer: Layer) -> LayerTrace:
    """Run one layer through all steps (N2).

    Parameters
    ----------
    x : T blocks (D, n_t), or of tokens (1, n_t)
        The inputs, x_1 … x_T.
    initial : one array (H, n_1) a state
        The states before each sequence's first step (in a reverse layer, its last one), h first.
    layer : Layer

    Returns
    -------
    LayerTrace
        Its steps are t = 1 … T, in whatever order they were taken.
    """
    steps: list[StepTrace] = []
    for t in order_of(len(x), layer.reverse):
        taken = steps[-1].states if steps else None
        before = states_before(taken, initial, x[t].shape[1])
        steps.append(recurrent_step(x[t], before, layer))
    return LayerTrace(initial, steps[::-1] if layer.reverse else steps, layer.reverse)


def output(h: Array, V: Array, c: Array | None) -> tuple[Array, Array]:
    """Compute the output from states (N2): y_unactivated = V h_t + c, y_activated = softmax of it.

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

    The largest z of a column is subtracted first: the quotient is the same, and nothing overflows.
    """
    exp_z = np.exp(z - z.real.max(axis=0))
    return np.asarray(exp_z / exp_z.sum(axis=0))
