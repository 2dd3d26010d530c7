"""A step of one sequence back, and what some steps add to gradients (N5 to N7): see ``rows``.

Letters: T steps, D features, H units, K outputs, L lanes.
"""

from __future__ import annotations

import numpy as np

from elman.engines.compiled import elementwise as f
from elman.engines.compiled import readouts
from elman.engines.compiled.helpers import helper
from elman.engines.compiled.layout import Layout
from elman.engines.compiled.losses import N_PANELS, call_loss
from elman.engines.compiled.pointwise import call_backward
from elman.engines.compiled.rows_forward import WIDE, masks_at, softmax
from elman.engines.compiled.tiles import lanes, load, multiply_add, store, tile_rows, zeros


@helper
def output_error(out, work, z, targets, places, place, scratch):
    """Turn z into w dL/dz; return w L, and w if the answer is right, else 0.

    Targets stand at ``place``; ``places`` is any array of such.
    """
    if out.is_softmax:
        label, weight = targets.labels[place], targets.weights[place]
        return error_of_class(work, z, out.n_units, label, weight, scratch)
    loss = call_loss(
        out.loss, work, targets.numbers, targets.weights, targets.constants, places, place, 1, z,
        scratch, out.n_units, out.rows, targets.numbers.shape[1], targets.outputs_a_number,
        out.n_constants, N_PANELS + out.n_constants,
    )  # fmt: skip
    return loss, 0.0


@helper
def error_of_class(work, z, K, label, weight, scratch):
    """Turn z into dL/dz = w (ŷ - y) (N5); return w L, and w if the label's z is the largest, else 0."""
    own = work[z + label]
    is_largest = True
    for k in range(K):
        is_largest &= own > work[z + k] or (own == work[z + k] and label <= k)
    largest, log_total = softmax(work, z, K, scratch)
    for k in range(K):
        work[z + k] *= weight
    work[z + label] -= weight
    loss = np.float64(weight) * np.float64(log_total - (own - largest))
    return loss, np.float64(weight) if is_largest else 0.0


@helper
def backward_step(
    net, layer, above, work, record, t, T, errors, error_above, from_readout, first, scratch
):  # fmt: skip
    """δ_t of each gate, from Uᵀ δ_t of the layer above and Wᵀ δ_{t+1}, through the cell (N7).

    The output's U is V. What there is not, an error from above or one from a readout, has a negative
    place. ``scratch`` has a vector of zeros, then room for a tile. The errors of step t stand at
    ``errors``; those of t + 1 behind. From step ``first`` on, 0 or 1, there are states before it.
    """
    L, rows, after = lanes(work), layer.rows, errors + net.error_rows
    dh, h = scratch + L, record + layer.place
    for p in range(0, layer.n_units, WIDE * L):
        tile = zeros(work, 1, WIDE)
        if from_readout >= 0:
            tile = load(work, from_readout + p, 0, 1, WIDE)
        if error_above >= 0:
            for g in range(above.n_gates):
                gate = net.gates[above.first_gate + g]
                if gate.reads_x:
                    U, delta, width = (
                        gate.back_down + p,
                        error_above + g * above.rows,
                        above.input_rows,
                    )
                    tile = multiply_add(
                        tile, work, delta, 0, 1, net.weights, U, width, above.n_units
                    )
        if layer.up_mask >= 0:
            mask = masks_at(net, scratch) + layer.up_mask + p
            tile = f.multiply(tile, load(work, mask, 0, 1, WIDE))
        if t < T - 1:
            from_above = tile
            if layer.in_time_mask >= 0:
                tile = zeros(work, 1, WIDE)
            for g in range(layer.n_gates):
                gate = net.gates[layer.first_gate + g]
                if gate.reads_h:
                    W, delta = gate.back_in_time + p, after + layer.error_place + g * rows
                    tile = multiply_add(
                        tile, work, delta, 0, 1, net.weights, W, rows, layer.n_units
                    )
            if layer.in_time_mask >= 0:
                mask = masks_at(net, scratch) + layer.in_time_mask + p
                tile = f.add(from_above, f.multiply(tile, load(work, mask, 0, 1, WIDE)))
        store(tile, work, dh + p, 0)
    before, before_apart, before_row = scratch, 0, 0
    if t >= first:
        before, before_apart, before_row = h - net.state_rows, rows, L
    later, later_apart, later_row = scratch, 0, 0
    if t < T - 1:
        later, later_apart, later_row = after + layer.error_place + layer.n_gates * rows, rows, L
    call_backward(
        layer.cell_backward, layer.n_gates + layer.n_straight, layer.n_straight, layer.n_states,
        layer.n_stored, work, work, before, before_apart, before_row, dh, later, later_apart,
        later_row, h, rows, L, errors + layer.error_place, rows, L, rows // L,
    )  # fmt: skip


@helper
def error_of_read(net, readout, work, error, T):
    """Vᵀ times the outputs' errors; of a mean that of each step, over T."""
    L, out, V = lanes(work), net.layers[-1], net.gates[-1]
    to = readouts.part(out, readout, readouts.ERROR, 1)
    n_steps = readouts.in_all_lanes(out, readout, work, T, 1)
    for p in range(0, out.input_rows, L):
        d = zeros(work, 1, 1)
        d = multiply_add(
            d, work, error, 0, 1, net.weights, V.back_down + p, out.input_rows, out.n_units
        )
        if out.readout == readouts.MEAN:
            d = f.divide(d, n_steps)
        store(d, work, to + p, 0)


@helper
def error_of_step(out, readout, work, t):
    """Where dL/dh_t stands."""
    L = lanes(work)
    error, to = (
        readouts.part(out, readout, readouts.ERROR, 1),
        readouts.part(out, readout, readouts.SHARE, 1),
    )
    if out.readout == readouts.MEAN:
        return error
    at = readouts.part(out, readout, readouts.LARGEST_AT, 1)
    now = readouts.in_all_lanes(out, readout, work, t + 1, 1)
    readouts.share(work, error, at, L, to, out.input_rows // L, now)
    return to


@helper
def sum_products(
    layer, gate, gradients, row, n_inputs, work, inputs, step, errors, error_step, p, T, is_last
):  # fmt: skip
    """Set rows of gradients, from ``row`` on, to Σ_t δ_t x_tᵀ, transposed, for L units from p on.

    Where the block is not the last one, its sum is added to what is there.
    """
    R = tile_rows(work)
    for i in range(0, n_inputs, R):
        tile = zeros(work, R, 1)
        tile = multiply_add(
            tile, work, inputs + i, 1, step, work, errors + p, error_step, T, n_inputs - i
        )
        at = gate.gradient + (row + i) * layer.rows + p
        if not is_last:
            tile = f.add(load(gradients, at, layer.rows, R, 1), tile)
        store(tile, gradients, at, layer.rows)


@helper
def sum_columns(layer, gate, gradients, row, work, inputs, step, errors, error_step, p, T, is_last):
    """As ``sum_products``, of tokens: each δ_t is added to the row that its token is."""
    first = gate.gradient + row * layer.rows + p
    if is_last:
        for d in range(layer.n_inputs):
            store(zeros(work, 1, 1), gradients, first + d * layer.rows, 0)
    for t in range(T):
        at = first + int(work[inputs + t * step]) * layer.rows
        delta = load(work, errors + t * error_step + p, 0, 1, 1)
        store(f.add(load(gradients, at, 0, 1, 1), delta), gradients, at, 0)


@helper
def sum_gradients(
    layer, gate, gradients, work, x, h, errors, error_step, first, T, step, is_last
):  # fmt: skip
    """Set a gate's db, dU and dW to their sums over a block of T steps (N6, N7), or add these.

    x and h of its first step stand at ``x`` and ``h``, and those of the others ``step`` apart. States
    before a step are there from step ``first`` of the block on, 0 or 1.
    """
    for p in range(0, layer.n_units, lanes(work)):
        total = zeros(work, 1, 1)
        for t in range(T):
            total = f.add(total, load(work, errors + t * error_step + p, 0, 1, 1))
        if not is_last:
            total = f.add(load(gradients, gate.gradient + p, 0, 1, 1), total)
        store(total, gradients, gate.gradient + p, 0)
        row = 1
        if gate.reads_x:
            if layer.reads_tokens:
                sum_columns(
                    layer, gate, gradients, row, work, x, step, errors, error_step, p, T, is_last
                )
            else:
                sum_products(
                    layer, gate, gradients, row, layer.n_inputs, work, x, step, errors, error_step,
                    p, T, is_last,
                )  # fmt: skip
            row += layer.U_rows
        if gate.reads_h:
            before, delta = h + (first - 1) * step, errors + first * error_step
            sum_products(
                layer, gate, gradients, row, layer.n_units, work, before, step, delta, error_step, p,
                T - first, is_last,
            )  # fmt: skip


@helper
def set_initial_gradients(net, layer, gradients, work, errors, scratch):
    """Set dL/d(states before the first step), from Wᵀ δ_1 and what goes straight."""
    L, rows, at = lanes(work), layer.rows, layer.initial_gradient
    delta = errors + layer.error_place
    straight = delta + layer.n_gates * rows
    for p in range(0, layer.n_units, WIDE * L):
        tile = zeros(work, 1, WIDE)
        for g in range(layer.n_gates):
            gate = net.gates[layer.first_gate + g]
            if gate.reads_h:
                W = gate.back_in_time + p
                tile = multiply_add(
                    tile, work, delta + g * rows, 0, 1, net.weights, W, rows, layer.n_units
                )
        if layer.in_time_mask >= 0:
            mask = masks_at(net, scratch) + layer.in_time_mask + p
            tile = f.multiply(tile, load(work, mask, 0, 1, WIDE))
        store(tile, work, scratch + L + p, 0)
    for s in range(layer.n_states):
        has_straight = layer.straight >> s & 1
        for i in range(layer.n_units):
            error = work[scratch + L + i] if s == 0 else work[scratch]  # which is zero
            if has_straight:
                error += work[straight + i]
            gradients[at + s * layer.n_units + i] = error
        straight += has_straight * rows


def room_of_loss(layout: Layout) -> int:
    """Numbers of what ``output_error`` calls scratch."""
    out = layout.layers[-1]
    return layout.unit if out["is_softmax"] else int((N_PANELS + out["n_constants"]) * out["rows"])
