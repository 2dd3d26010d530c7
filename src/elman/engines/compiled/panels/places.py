"""Where panels stand in the flat array ``work``.

All steps of a layer stand together, in ``slots`` panels that are used in turn: as many as there are
steps, or two. A panel has L lanes; where ``begins`` is not None, those of step t have fewer, and stand
from lane ``begins[t]`` on. ``layout.LAYER`` says what comes behind what.

Letters: T steps, L lanes.
"""

from __future__ import annotations

from elman.engines.compiled.machine.helpers import helper

BLOCK = 8  # steps whose errors are kept before they become gradients, while still in the cache


@helper
def shard_at(s, apart):
    """Where the s-th of the shards that are computed side by side begins: so far apart they stand."""
    if apart is None:
        return 0
    return s * apart


@helper
def panel_at(place, rows, t, slots, begins, L):
    """Where the panel of step t stands, of those that come behind ``place`` rows."""
    return place * area(slots, begins, L) + lanes_before(t % slots, begins, L) * rows


@helper
def lanes_before(t, begins, L):
    """How many lanes the panels of a layer have before step t."""
    if begins is None:
        return t * L
    return begins[t]


@helper
def area(slots, begins, L):
    """How many lanes the panels of all steps have: so far it is from one row's to the next one's."""
    return slots * L if begins is None else begins[-1]


@helper
def width_at(t, begins, L):
    """How many lanes the panels of step t have: so far it is from one row to the next."""
    if begins is None:
        return L
    return begins[t + 1] - begins[t]


@helper
def inputs_at(layer, t, slots, begins, L):
    """Where a layer's inputs of step t stand, x_t or the states of the layer below."""
    return panel_at(layer.inputs_place, layer.input_rows, t, slots, begins, L)


@helper
def part_at(layer, place, t, slots, begins, L):
    """Where a layer's part of a panel stands, which a level's directions share."""
    lower = layer.reverse * layer.n_units * width_at(t, begins, L)
    return panel_at(place, layer.panel_rows, t, slots, begins, L) + lower


@helper
def states_at(layer, t, slots, begins, L):
    """Where a layer's h_t stands; what else it stores of a step is ``states_apart`` further."""
    return part_at(layer, layer.place, t, slots, begins, L)


@helper
def states_apart(layer, slots, begins, L):
    """How far it is from one value that a layer stores to the next."""
    return layer.panel_rows * area(slots, begins, L)


@helper
def errors_at(layer, t, L):
    """Where a layer's δ_t stands, that of the first gate, counted from where the errors begin."""
    return panel_at(layer.error_place, layer.rows, t, BLOCK + 1, None, L)


@helper
def errors_apart(layer, L):
    """How far it is from one gate's δ_t to the next."""
    return layer.rows * (BLOCK + 1) * L


@helper
def step_before(layer, t, slots):
    """The step that a layer takes before step t, -1 before the first.

    Only one direction takes ``slots`` in turn.
    """
    if layer.reverse:
        return t + 1 if t + 1 < slots else -1
    return t - 1


@helper
def step_after(layer, t, T):
    """The step that a layer takes after step t, -1 after the last."""
    if layer.reverse:
        return t - 1
    return t + 1 if t + 1 < T else -1


@helper
def states_before(layer, t, slots, begins, initial, scratch, L):
    """Where a layer's states before step t stand, and how far it is from a state, a row to the next.

    Those before the first step are at ``initial``; if that is negative they are zeros, all in one row.
    """
    before = step_before(layer, t, slots)
    if before >= 0:
        h, width = states_at(layer, before, slots, begins, L), width_at(before, begins, L)
        return h, states_apart(layer, slots, begins, L), width
    if initial >= 0:
        return initial + layer.initial_place * L, layer.rows * L, L
    return scratch, 0, 0


@helper
def read_by_W(layer, h, t, slots, begins, initial, L):
    """Where what W reads at step t stands, of which the states stand at ``h`` unmasked."""
    before = step_before(layer, t, slots)
    if layer.in_time_mask >= 0 and before >= 0:
        return part_at(layer, layer.in_time_place, before, slots, begins, L)
    if layer.in_time_mask >= 0 and initial >= 0:
        return initial + layer.initial_in_time * L
    return h


@helper
def masks_at(net, scratch, L):
    """Where the masks stand, behind what a step calls scratch and the states before the first one."""
    return scratch + (1 + net.widest + net.initial_rows) * L
