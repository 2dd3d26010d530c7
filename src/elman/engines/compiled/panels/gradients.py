"""Errors of panels become gradients: db, dU and dW, and those of learned first states (N6, N7).

A gradient is a sum over lanes and steps. So the errors are transposed first: those of step t are
squares (lane, unit), L units each, at ``errors`` + t L², and of the next L units ``step`` further.

Letters: T steps, L lanes.
"""

from __future__ import annotations

from elman.engines.compiled.machine import elementwise as f
from elman.engines.compiled.machine.helpers import helper, inlined
from elman.engines.compiled.machine.tiles import (
    IS_WIDE,
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
    lanes_before,
    masks_at,
    width_at,
)
from elman.engines.compiled.panels.steps import masked, through_W


@helper
def transpose_panel(work, panel, rows, target, step):
    """Copy a panel to squares (lane, unit), L units each, that are ``step`` apart."""
    L = lanes(work)
    for p in range(rows // L):
        transpose(work, panel + p * L * L, L, work, target + p * step, L)


@helper
def add_sums(layer, gate, gradients, work, errors, step, begin, end, alive):
    """Db += Σ_t δ_t over the steps begin … end - 1."""
    L, n = lanes(work), layer.rows // lanes(work)
    apart = gate.gradient_rows * L
    for p in range(0, n, 2):  # two sums at a time, which do not wait for one another
        q = min(p + 1, n - 1)
        total_p = load(gradients, gate.gradient + p * apart, 0, 1, 1)
        total_q = load(gradients, gate.gradient + q * apart, 0, 1, 1)
        for t in range(begin, end):
            for j in range(alive[t]):
                row = errors + (t * L + j) * L
                total_p = f.add(total_p, load(work, row + p * step, 0, 1, 1))
                total_q = f.add(total_q, load(work, row + q * step, 0, 1, 1))
        store(total_p, gradients, gate.gradient + p * apart, 0)
        store(total_q, gradients, gate.gradient + q * apart, 0)


@inlined
def add_tile_of_products(
    gradients, at, work, x, i, rows, ago, begins, errors, step, begin, end, alive, used, apart
):
    """As ``add_products``, of the inputs i, i + 1, … and the units of a vector.

    Or of two, whose gradients are so far ``apart``.
    """
    L, R, V = lanes(work), tile_rows(work, apart), tile_vectors(apart)
    tile = load(gradients, at, L, R, V, apart)
    for t in range(begin, end):
        width = width_at(t - ago, begins, L)
        x_t = x + lanes_before(t - ago, begins, L) * rows + i * width
        delta = errors + t * L * L
        tile = multiply_add(tile, work, x_t, width, 1, work, delta, L, alive[t], used, step)
    store(tile, gradients, at, L, apart)


@helper
def add_products(
    layer, gate, gradients, row, n_inputs, work, x, rows, ago, begins, errors, step, begin, end, alive
):  # fmt: skip
    """Add Σ_t δ_t x_{t-ago}ᵀ, transposed, to ``n_inputs`` rows of gradients, from ``row`` on.

    The panels of x have ``rows``; that of step 0 stands at ``x``.
    """
    L = lanes(work)
    apart = gate.gradient_rows * L
    n = layer.rows // L
    n_paired = n // 2 * 2 if IS_WIDE else 0
    for p in range(0, n_paired, 2):
        at, errors_p = gate.gradient + p * apart + row * L, errors + p * step
        for i in range(0, n_inputs, tile_rows(work, apart)):
            add_tile_of_products(
                gradients, at + i * L, work, x, i, rows, ago, begins, errors_p, step, begin, end,
                alive, n_inputs - i, apart,
            )  # fmt: skip
    for p in range(n_paired, n):
        at, errors_p = gate.gradient + p * apart + row * L, errors + p * step
        for i in range(0, n_inputs, tile_rows(work)):
            add_tile_of_products(
                gradients, at + i * L, work, x, i, rows, ago, begins, errors_p, step, begin, end,
                alive, n_inputs - i, None,
            )  # fmt: skip


@helper
def add_columns(layer, gate, gradients, row, work, x, begins, errors, step, begin, end, alive):
    """Add each δ_t to the column of dU that its token is, a row of gradients from ``row`` on.

    The order is that of ``add_products`` for one-hot x_t, and so are the bits.
    """
    L = lanes(work)
    for p in range(layer.rows // L):
        first = gate.gradient + (p * gate.gradient_rows + row) * L
        for t in range(begin, end):
            x_t = x + lanes_before(t, begins, L) * layer.input_rows
            for j in range(alive[t]):
                at = first + int(work[x_t + j]) * L
                delta = load(work, errors + p * step + (t * L + j) * L, 0, 1, 1)
                store(f.add(load(gradients, at, 0, 1, 1), delta), gradients, at, 0)


@helper
def add_gradients(
    layer, gate, gradients, work, x, h, begins, errors, step, begin, end, alive, initial, extras
):  # fmt: skip
    """Add the steps begin … end - 1 to a gate's db, dU and dW.

    x and what W reads of h of step 0 stand at ``x`` and ``h``; of the states before the first step
    that stands at ``initial``, if that is not negative.
    """
    L, T = lanes(work), len(alive) - 1
    add_sums(layer, gate, gradients, work, errors, step, begin, end, alive)
    row = 1
    if gate.reads_x:
        if extras is not None and layer.reads_tokens:
            add_columns(
                layer, gate, gradients, row, work, x, begins, errors, step, begin, end, alive
            )
        else:
            add_products(
                layer, gate, gradients, row, layer.n_inputs, work, x, layer.input_rows, 0, begins,
                errors, step, begin, end, alive,
            )  # fmt: skip
        row += layer.U_rows
    if gate.reads_h:
        ago, first, last, t_0 = 1, max(begin, 1), end, 0
        if layer.reverse:
            ago, first, last, t_0 = -1, begin, min(end, T - 1), T - 1
        add_products(
            layer, gate, gradients, row, layer.n_units, work, h, layer.panel_rows, ago, begins,
            errors, step, first, last, alive,
        )  # fmt: skip
        # t_0 is the first step that is taken
        if extras is not None and initial >= 0 and begin <= t_0 < end:
            h_0 = initial - t_0 * layer.rows * L
            add_products(
                layer, gate, gradients, row, layer.n_units, work, h_0, layer.rows, 0, None,
                errors, step, t_0, t_0 + 1, alive,
            )  # fmt: skip


@helper
def add_initial_gradients(net, layer, gradients, work, errors, t, first, last, scratch):
    """Add dL/d(states before step t), Wᵀ δ_t and what goes straight, over lanes that begin with it."""
    L, R = lanes(work), tile_rows(work)
    error, apart, dh = errors + errors_at(layer, t, L), errors_apart(layer, L), scratch + L
    for p in range(0, layer.n_units, L):
        for i in range(0, min(L, layer.n_units - p), R):
            tile = zeros(work, R, 1)
            tile = through_W(net, layer, tile, work, p, i, error, None)
            if layer.in_time_mask >= 0:
                mask = masks_at(net, scratch, L) + layer.in_time_mask * L
                tile = masked(tile, work, mask, p + i, None)
            store(tile, work, dh + (p + i) * L, L)
    straight = error + layer.n_gates * apart
    for s in range(layer.n_states):
        has_straight = layer.straight >> s & 1
        for i in range(layer.n_units):
            total = work[scratch]  # which is zero
            for j in range(first, last):
                if s == 0:
                    total += work[dh + i * L + j]
                if has_straight:
                    total += work[straight + i * L + j]
            gradients[layer.initial_gradient + s * layer.n_units + i] += total
        straight += has_straight * apart
