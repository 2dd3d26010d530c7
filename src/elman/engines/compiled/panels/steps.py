"""A step of a layer in panels, forward (N2) and back (N7), in one direction or the other.

Letters: T steps, D features, H units, L lanes.
"""

from __future__ import annotations

from elman.engines.compiled import masks
from elman.engines.compiled.layout import Layout
from elman.engines.compiled.machine import elementwise as f
from elman.engines.compiled.machine.helpers import helper, inlined, round_up
from elman.engines.compiled.machine.pointwise import ROWS_AT_ONCE, call_backward, call_forward
from elman.engines.compiled.machine.tiles import (
    broadcast_rows,
    keep,
    lanes,
    load,
    multiply_add,
    store,
    tile_rows,
    tile_vectors,
    transpose,
    zeros,
)
from elman.engines.compiled.panels.places import (
    errors_apart,
    errors_at,
    inputs_at,
    masks_at,
    part_at,
    read_by_W,
    shard_at,
    states_apart,
    states_at,
    states_before,
    step_after,
    width_at,
)


def room_of_steps(layout: Layout) -> int:
    """Rows of what steps call scratch, states before the first step, and masks, of L lanes."""
    return 1 + layout.widest + layout.initial_rows + layout.mask_rows


# Forward


@inlined
def affine(weights, b, U, n, used, work, x, width, apart):
    """A tile of b + U x, of n inputs: biases stand at ``b``, and ``used`` units from there on."""
    L = lanes(work)
    tile = broadcast_rows(weights, b, tile_rows(work, apart), tile_vectors(apart))
    return multiply_add(tile, weights, U, 1, L, work, x, width, n, used, apart)


@helper
def gate_of_tokens(net, gate, n_units, work, x, of_W, row, to):
    """B + U x + W h of a gate, where the L numbers at ``x`` are those of columns of U.

    What W reads stands at ``of_W``; if that is negative there is nothing.
    """
    L, R, weights = lanes(work), tile_rows(work), net.weights
    for p in range(0, n_units, L):
        panel, square = gate.forward + p * gate.n_forward, to + p * L
        span = net.spans[gate.first_panel + p // L]
        first, n = span.first_h, span.n_h
        for j in range(L):
            column = load(weights, panel + (1 + int(work[x + j])) * L, 0, 1, 1)
            store(column, work, square + j * L, 0)
        transpose(work, square, L, work, square, L)
        W = panel + (gate.n_forward - n_units + first) * L
        for i in range(0, min(L, n_units - p), R):
            tile = load(work, square + i * L, L, R, 1)
            tile = f.add(tile, broadcast_rows(weights, panel + i, R, 1))
            if of_W >= 0:
                used = n_units - p - i
                h = of_W + first * row
                tile = multiply_add(tile, weights, W + i, 1, L, work, h, row, n, used)
            store(tile, work, square + i * L, L)


@inlined
def forward_step(net, layer, work, t, slots, begins, initial, extras, scratch, apart):
    """A layer's states of step t, from b + U x_t + W h of the step before, of each gate.

    ``scratch`` has a vector of zeros, then room for the gates. Where ``extras`` is None, there are no
    tokens and no masks (``panels.train_shards``).
    """
    L = lanes(work)
    width, a = width_at(t, begins, L), scratch + L
    x, h = inputs_at(layer, t, slots, begins, L), states_at(layer, t, slots, begins, L)
    before, before_apart, row = states_before(layer, t, slots, begins, initial, scratch, L)
    of_W = before
    if extras is not None:
        of_W = read_by_W(layer, before, t, slots, begins, initial, L)
    for g in range(layer.n_gates):
        gate = net.gates[layer.first_gate + g]
        if extras is not None and layer.reads_tokens and gate.reads_x:
            h_before = of_W if gate.reads_h and before != scratch else -1
            to = a + g * layer.rows * L
            for s in range(tile_vectors(apart)):
                d = shard_at(s, apart)
                own = work[d:]
                gate_of_tokens(net, gate, layer.n_units, own, x, h_before, row, to)
            continue
        reads_h, H = gate.reads_h and before != scratch, layer.n_units
        for p in range(0, H, L):
            span, b = net.spans[gate.first_panel + p // L], gate.forward + p * gate.n_forward
            n_x, n_h = span.n_x, span.n_h
            U, x_p = b + (1 + span.first_x) * L, x + span.first_x * width
            W, h_p = b + (gate.n_forward - H + span.first_h) * L, of_W + span.first_h * row
            for i in range(0, min(L, H - p), tile_rows(work, apart)):
                used = H - p - i
                tile = affine(net.weights, b + i, U + i, n_x, used, work, x_p, width, apart)
                if reads_h:
                    tile = multiply_add(
                        tile, net.weights, W + i, 1, L, work, h_p, row, n_h, used, apart
                    )
                store(tile, work, a + (g * layer.rows + p + i) * L, L, apart)
    for s in range(tile_vectors(apart)):
        d = shard_at(s, apart)
        call_forward(
            layer.cell_forward, layer.n_gates, layer.n_states, layer.n_stored, work, work,
            before + d, before_apart, row, a + d, layer.rows * L, h + d,
            states_apart(layer, slots, begins, L), width, round_up(layer.n_units, ROWS_AT_ONCE),
        )  # fmt: skip


@inlined
def mask_states(net, layer, work, t, slots, begins, scratch):
    """Write what masks leave of h_t, on its way up and into W."""
    L = lanes(work)
    h, width = states_at(layer, t, slots, begins, L), width_at(t, begins, L)
    of_masks = masks_at(net, scratch, L)
    if layer.up_mask >= 0:
        to = part_at(layer, layer.up_place, t, slots, begins, L)
        masks.apply(work, h, width, of_masks + layer.up_mask * L, L, to, width, layer.n_units)
    if layer.in_time_mask >= 0:
        to = part_at(layer, layer.in_time_place, t, slots, begins, L)
        mask = of_masks + layer.in_time_mask * L
        masks.apply(work, h, width, mask, L, to, width, layer.n_units)


@helper
def forward(net, work, t, slots, begins, initial, extras, scratch, apart):
    """All layers' states of step t."""
    for layer in net.layers[:-1]:
        forward_step(net, layer, work, t, slots, begins, initial, extras, scratch, apart)
        if extras is not None and (layer.up_mask >= 0 or layer.in_time_mask >= 0):
            for s in range(tile_vectors(apart)):
                d = shard_at(s, apart)
                mask_states(net, layer, work[d:], t, slots, begins, scratch)


# Back


@inlined
def masked(tile, work, mask, i, apart):
    """Rows i, i + 1, … of what the mask at ``mask`` leaves."""
    L, R, V = lanes(work), tile_rows(work, apart), tile_vectors(apart)
    return f.multiply(tile, load(work, mask + i * L, L, R, V, apart))


@inlined
def through_W(net, layer, tile, work, p, i, error, apart):
    """Add Wᵀ δ of each gate that reads h, for units p + i, p + i + 1, …."""
    L = lanes(work)
    for g in range(layer.n_gates):
        gate = net.gates[layer.first_gate + g]
        if gate.reads_h:
            W = gate.back_in_time + p * layer.n_units + i
            delta = error + g * errors_apart(layer, L)
            n = layer.n_units
            tile = multiply_add(tile, net.weights, W, 1, L, work, delta, L, n, n - p - i, apart)
    return tile


@inlined
def add_later(net, layer, tile, work, p, i, has_later, error_after, of_masks, extras, apart):
    """Make of a tile of what reaches h_t from above dL/dh_t, with what comes from the step after."""
    L = lanes(work)
    if extras is not None and layer.up_mask >= 0:
        tile = masked(tile, work, of_masks + layer.up_mask * L, p + i, apart)
    if has_later:
        if extras is not None and layer.in_time_mask >= 0:
            through = zeros(work, tile_rows(work, apart), tile_vectors(apart))
            through = through_W(net, layer, through, work, p, i, error_after, apart)
            mask = of_masks + layer.in_time_mask * L
            tile = f.add(tile, masked(through, work, mask, p + i, apart))
        else:
            tile = through_W(net, layer, tile, work, p, i, error_after, apart)
    return tile


@inlined
def backward_cell(layer, work, t, T, slots, begins, errors, alive, initial, scratch):
    """δ_t of each gate, and what goes straight, from dL/dh_t, which stands behind a vector of zeros."""
    L = lanes(work)
    error, apart, dh = errors + errors_at(layer, t, L), errors_apart(layer, L), scratch + L
    before, before_apart, before_row = states_before(layer, t, slots, begins, initial, scratch, L)
    later, later_apart, later_row = scratch, 0, 0
    after = step_after(layer, t, T)
    if after >= 0:
        later = errors + errors_at(layer, after, L) + layer.n_gates * apart
        later_apart, later_row = apart, L
    call_backward(
        layer.cell_backward, layer.n_gates + layer.n_straight, layer.n_straight, layer.n_states,
        layer.n_stored, work, work, before, before_apart, before_row, dh, later, later_apart,
        later_row, states_at(layer, t, slots, begins, L), states_apart(layer, slots, begins, L),
        width_at(t, begins, L), error, apart, L, round_up(layer.n_units, ROWS_AT_ONCE),
    )  # fmt: skip
    if alive < L:  # those that are not there at step t have no error
        for g in range(layer.n_gates + layer.n_straight):
            at = error + g * apart
            mask_rows(work, at, layer.n_units, 0, alive, at)


@helper
def mask_rows(work, source, n, first, last, target):
    """Copy n rows of a panel in the lanes first … last - 1, with zeros in the others."""
    L = lanes(work)
    for row in range(n):
        store(keep(load(work, source + row * L, 0, 1, 1), first, last), work, target + row * L, 0)
