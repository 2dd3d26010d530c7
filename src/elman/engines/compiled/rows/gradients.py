"""What steps add to gradients (N6, N7), of one sequence or some side by side: see ``rows``.

Letters: H units, L lanes, T steps.
"""

from __future__ import annotations

from elman.engines.compiled.machine import elementwise as f
from elman.engines.compiled.machine.helpers import helper
from elman.engines.compiled.machine.tiles import (
    WIDE,
    lanes,
    load,
    multiply_add,
    store,
    tile_rows,
    zeros,
)
from elman.engines.compiled.rows.records import n_alive, n_before


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
