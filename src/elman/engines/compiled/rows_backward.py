"""A step back of one sequence or some side by side, and what steps add to gradients (N5 to N7).

See ``rows``. Letters: T steps, D features, H units, K outputs, L lanes, n sequences.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from elman.engines.compiled import elementwise as f
from elman.engines.compiled import readouts
from elman.engines.compiled.helpers import helper
from elman.engines.compiled.layout import Layout
from elman.engines.compiled.losses import N_PANELS, call_loss
from elman.engines.compiled.pointwise import call_backward
from elman.engines.compiled.rows_forward import (
    ABREAST,
    TOGETHER,
    room_of_a_readout,
    softmax,
    vectors_of,
)
from elman.engines.compiled.tiles import WIDE, lanes, load, multiply_add, store, tile_rows, zeros


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
def n_alive(lengths, t):
    """How many sequences, longest first, have a step t; those before the first have all."""
    n = len(lengths)
    while n and lengths[n - 1] <= t:
        n -= 1
    return n


@helper
def n_before(lengths, t):
    """How many records stand before those of step t; before the first step -1 they count back."""
    if t < 0:
        return -len(lengths)
    total = 0
    for length in lengths:
        total += min(t, length)
    return total


def errors_of(n_sequences: int, n_vectors: int) -> Any:
    """Make what computes dL/dh of so many sequences, of each so many vectors side by side."""

    def errors(
        net, layer, above, work, error_above, above_row, from_readout, readout_row, after, of_masks,
        n, to,
    ):  # fmt: skip
        """DL/dh_t of n sequences, to ``to``; see ``backward_step``."""
        L, rows, H = lanes(work), layer.rows, layer.n_units
        for p in range(0, H, n_vectors * L):
            for s in range(0, n, n_sequences):
                masks = of_masks + s * net.mask_rows + p
                tile = zeros(work, n_sequences, n_vectors)
                if from_readout >= 0:
                    at = from_readout + s * readout_row + p
                    tile = load(work, at, readout_row, n_sequences, n_vectors)
                if error_above >= 0:
                    for g in range(above.n_gates):
                        gate = net.gates[above.first_gate + g]
                        if gate.reads_x:
                            U = gate.back_down + p * above.n_units
                            delta = error_above + s * above_row + g * above.rows
                            tile = multiply_add(
                                tile, work, delta, above_row, 1, net.weights, U, L, above.n_units,
                                None, above.n_units * L,
                            )  # fmt: skip
                if layer.up_mask >= 0:
                    mask = masks + layer.up_mask
                    tile = f.multiply(tile, load(work, mask, net.mask_rows, n_sequences, n_vectors))
                if after >= 0:
                    from_above = tile
                    if layer.in_time_mask >= 0:
                        tile = zeros(work, n_sequences, n_vectors)
                    for g in range(layer.n_gates):
                        gate = net.gates[layer.first_gate + g]
                        if gate.reads_h:
                            W = gate.back_in_time + p * H
                            delta = after + s * net.error_rows + layer.error_place + g * rows
                            tile = multiply_add(
                                tile, work, delta, net.error_rows, 1, net.weights, W, L, H, None,
                                H * L,
                            )  # fmt: skip
                    if layer.in_time_mask >= 0:
                        mask = masks + layer.in_time_mask
                        kept = load(work, mask, net.mask_rows, n_sequences, n_vectors)
                        tile = f.add(from_above, f.multiply(tile, kept))
                store(tile, work, to + s * net.widest + p, net.widest)

    errors.__qualname__ = f"errors_{n_sequences}_{n_vectors}"  # programs on disk call by name
    return helper(errors)


errors_alone, errors_together = errors_of(1, WIDE), errors_of(TOGETHER, ABREAST)


@helper
def backward_step(
    net, layer, above, work, record, before, errors, after, error_above, above_row, from_readout, n,
    of_masks, several, scratch,
):  # fmt: skip
    """δ_t of each gate, from Uᵀ δ_t of the layer above and Wᵀ δ_{t+1}, through the cell (N7).

    Of up to ``TOGETHER`` sequences, whose records, errors and what comes from a readout stand one
    behind another. The output's U is V. What there is not has a negative place: records before, errors
    of the step ``after``, an error from above or one from a readout. ``scratch`` has a vector of zeros,
    then room for dL/dh. If ``several`` is None there is one sequence, and no more is compiled.
    """
    L, rows, is_alone = lanes(work), layer.rows, True
    if several is not None:
        is_alone = n <= TOGETHER // 2
    dh, readout_row = scratch + L, room_of_a_readout(net.layers[-1], WIDE * L)
    if is_alone:
        errors_alone(
            net, layer, above, work, error_above, above_row, from_readout, readout_row, after,
            of_masks, n, dh,
        )  # fmt: skip
    elif several is not None:
        errors_together(
            net, layer, above, work, error_above, above_row, from_readout, readout_row, after,
            of_masks, n, dh,
        )  # fmt: skip
    for s in range(n):
        h_before, before_apart, before_row = scratch, 0, 0
        if before >= 0:
            h_before, before_apart, before_row = before + s * net.state_rows + layer.place, rows, L
        later, later_apart, later_row = scratch, 0, 0
        if after >= 0:
            later = after + s * net.error_rows + layer.error_place + layer.n_gates * rows
            later_apart, later_row = rows, L
        h, error = record + s * net.state_rows, errors + s * net.error_rows
        call_backward(
            layer.cell_backward, layer.n_gates + layer.n_straight, layer.n_straight, layer.n_states,
            layer.n_stored, work, work, h_before, before_apart, before_row, dh + s * net.widest,
            later, later_apart, later_row, h + layer.place, rows, L, error + layer.error_place, rows,
            L, vectors_of(layer, L),
        )  # fmt: skip


@helper
def error_of_read(net, readout, work, error, T):
    """Vᵀ times the outputs' errors; of a mean that of each step, over T."""
    L, out, V = lanes(work), net.layers[-1], net.gates[-1]
    to = readouts.part(out, readout, readouts.ERROR, 1)
    n_steps = readouts.in_all_lanes(out, readout, work, T, 1)
    for p in range(0, out.input_rows, L):
        d = zeros(work, 1, 1)
        at = V.back_down + p * out.n_units
        d = multiply_add(d, work, error, 0, 1, net.weights, at, L, out.n_units)
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
    gate, gradients, row, n_inputs, work, inputs, step, errors, error_step, p, T, is_first
):  # fmt: skip
    """Set rows of gradients, from ``row`` on, to Σ_t δ_t x_tᵀ, transposed, for L units from p on.

    Where it is not the first sum, it is added to what is there.
    """
    R, L = tile_rows(work), lanes(work)
    for i in range(0, n_inputs, R):
        tile = zeros(work, R, 1)
        tile = multiply_add(
            tile, work, inputs + i, 1, step, work, errors + p, error_step, T, n_inputs - i
        )
        at = gate.gradient + p * gate.gradient_rows + (row + i) * L
        if not is_first:
            tile = f.add(load(gradients, at, L, R, 1), tile)
        store(tile, gradients, at, L)


@helper
def sum_columns(
    layer, gate, gradients, row, work, inputs, step, errors, error_step, p, T, is_first
):
    """As ``sum_products``, of tokens: each δ_t is added to the row that its token is."""
    L = lanes(work)
    first = gate.gradient + p * gate.gradient_rows + row * L
    if is_first:
        for d in range(layer.n_inputs):
            store(zeros(work, 1, 1), gradients, first + d * L, 0)
    for t in range(T):
        at = first + int(work[inputs + t * step]) * L
        delta = load(work, errors + t * error_step + p, 0, 1, 1)
        store(f.add(load(gradients, at, 0, 1, 1), delta), gradients, at, 0)


@helper
def sum_gradients(
    layer, gate, gradients, work, x, h, errors, error_step, first, begin, end, lengths, step, is_first
):  # fmt: skip
    """Set a gate's db, dU and dW to their sums over the steps begin … end - 1 (N6, N7).

    Or add them to what is there, where they are not the first. x, h and errors of step ``begin`` stand
    at ``x``, ``h`` and ``errors``, those of its first sequence; all are ``step`` and ``error_step``
    apart. There are states before a step from step ``first`` on.
    """
    T = n_before(lengths, end) - n_before(lengths, begin)
    for p in range(0, layer.n_units, lanes(work)):
        total = zeros(work, 1, 1)
        for t in range(T):
            total = f.add(total, load(work, errors + t * error_step + p, 0, 1, 1))
        at = gate.gradient + p * gate.gradient_rows
        if not is_first:
            total = f.add(load(gradients, at, 0, 1, 1), total)
        store(total, gradients, at, 0)
        row = 1
        if gate.reads_x:
            if layer.reads_tokens:
                sum_columns(
                    layer, gate, gradients, row, work, x, step, errors, error_step, p, T, is_first
                )
            else:
                sum_products(
                    gate, gradients, row, layer.n_inputs, work, x, step, errors, error_step,
                    p, T, is_first,
                )  # fmt: skip
            row += layer.U_rows
        if gate.reads_h:
            t, is_first_h = max(begin, first), is_first
            # until a sequence ends it is equally far from h_{t-1} to δ_t
            while True:
                n_earlier = n_alive(lengths, t - 1)
                last = min(end, lengths[n_earlier - 1] + 1)
                at = n_before(lengths, t) - n_before(lengths, begin)
                n = n_before(lengths, last) - n_before(lengths, t)
                sum_products(
                    gate, gradients, row, layer.n_units, work, h + (at - n_earlier) * step,
                    step, errors + at * error_step, error_step, p, n, is_first_h,
                )  # fmt: skip
                t, is_first_h = last, False
                if t >= end:
                    break


@helper
def set_initial_gradients(net, layer, gradients, work, errors, is_first, of_masks, scratch):
    """Set dL/d(states before the first step), from Wᵀ δ_1 and what goes straight.

    Of one sequence; where it is not the first of the shard, it is added to what is there.
    """
    L, rows, at = lanes(work), layer.rows, layer.initial_gradient
    delta = errors + layer.error_place
    straight = delta + layer.n_gates * rows
    for p in range(0, layer.n_units, WIDE * L):
        tile = zeros(work, 1, WIDE)
        for g in range(layer.n_gates):
            gate = net.gates[layer.first_gate + g]
            if gate.reads_h:
                W = gate.back_in_time + p * layer.n_units
                tile = multiply_add(
                    tile, work, delta + g * rows, 0, 1, net.weights, W, L, layer.n_units, None,
                    layer.n_units * L,
                )  # fmt: skip
        if layer.in_time_mask >= 0:
            mask = of_masks + layer.in_time_mask + p
            tile = f.multiply(tile, load(work, mask, 0, 1, WIDE))
        store(tile, work, scratch + L + p, 0)
    for s in range(layer.n_states):
        has_straight = layer.straight >> s & 1
        for i in range(layer.n_units):
            error = work[scratch + L + i] if s == 0 else work[scratch]  # which is zero
            if has_straight:
                error += work[straight + i]
            if not is_first:
                error += gradients[at + s * layer.n_units + i]
            gradients[at + s * layer.n_units + i] = error
        straight += has_straight * rows


def room_of_loss(layout: Layout) -> int:
    """Numbers of what ``output_error`` calls scratch."""
    out = layout.layers[-1]
    return layout.unit if out["is_softmax"] else int((N_PANELS + out["n_constants"]) * out["rows"])
