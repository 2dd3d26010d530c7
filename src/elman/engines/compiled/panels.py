"""Up to 16 sequences side by side (8 in float64), from first step to last, in compiled functions.

A *panel* is an array (rows, lanes): a row is a feature or a unit, a lane a sequence, as columns are in
the notes. So are x_t, h_t and δ_t. Sequences stand longest first: those alive at step t are the first
n_t lanes. Lanes that have ended go on computing, for nothing and without harm: no sum has them.

Training keeps x_t and h_t of all steps. Where one sequence is far longer than others, panels of L
lanes would be empty for the most part; then those of step t have n_t lanes, and stand from lane
``begins[t]`` on. A vector is wider than such a row: what it reads beyond are rows that follow, in lanes
that have ended; what it writes there, they or the next step write over.

All panels of a shard stand in one flat array ``work``, and a place is an offset into it.
``layout.LAYER`` says where everything is.

Letters: T steps, D features, H units, K outputs, L lanes.
"""

from __future__ import annotations

import numpy as np

from elman._typing import Array
from elman.engines.compiled import elementwise as f
from elman.engines.compiled import masks, packing, readouts
from elman.engines.compiled.compiling import entry
from elman.engines.compiled.helpers import helper
from elman.engines.compiled.layout import Data, Layout, Net, Targets
from elman.engines.compiled.losses import N_PANELS, call_loss
from elman.engines.compiled.pointwise import call_backward, call_forward
from elman.engines.compiled.tiles import (
    TILE_ROWS,
    VECTOR_BITS,
    broadcast_rows,
    keep,
    lanes,
    load,
    multiply_add,
    prefetch,
    store,
    transpose,
    zeros,
)
from elman.equations.dropout import Dropout

WASTE = 1 << 20  # numbers: more than that is worth narrow panels, which take a little longer
BLOCK = 8  # steps whose errors are kept before they become gradients, while still in the cache

pack, unpack = packing.pack_panels, packing.unpack_panels


def unit(L: int) -> int:
    """See ``Kernel.unit``: a panel has L units."""
    return L


def at_once(layout: Layout) -> int:
    """See ``Kernel.at_once``: a sequence in each lane."""
    return layout.unit


# Where panels stand: all steps of a layer together, in ``slots`` that are used in turn. ``begins`` is
# None where they have L lanes.


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
def inputs_at(layer, t, slots, begins, L):
    """Where a layer's inputs of step t stand, x_t or the states of the layer below."""
    return panel_at(layer.inputs_place, layer.input_rows, t, slots, begins, L)


@helper
def states_at(layer, t, slots, begins, L):
    """Where a layer's h_t stands; what else it stores of a step is ``area`` rows further."""
    return panel_at(layer.place, layer.rows, t, slots, begins, L)


@helper
def errors_at(layer, t, L):
    """Where a layer's δ_t stands, that of the first gate, counted from where the errors begin."""
    return panel_at(layer.error_place, layer.rows, t, BLOCK + 1, None, L)


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
def states_before(layer, t, slots, begins, initial, scratch, L):
    """Where a layer's states of step t - 1 stand, and how far it is from a state, a row to the next.

    Those before the first step are at ``initial``; if that is negative they are zeros, all in one row.
    """
    if t > 0:
        h, width = states_at(layer, t - 1, slots, begins, L), width_at(t - 1, begins, L)
        return h, layer.rows * area(slots, begins, L), width
    if initial >= 0:
        return initial + layer.initial_place * L, layer.rows * L, L
    return scratch, 0, 0


@helper
def read_by_W(layer, before, t, slots, begins, initial, L):
    """Where what W reads at step t stands, of which ``states_before`` says where it stands unmasked."""
    if layer.in_time_mask >= 0 and t > 0:
        return panel_at(layer.in_time_place, layer.rows, t - 1, slots, begins, L)
    if layer.in_time_mask >= 0 and initial >= 0:
        return initial + layer.initial_in_time * L
    return before


@helper
def masks_at(net, scratch, L):
    """Where the masks stand."""
    return scratch + (1 + net.widest + net.initial_rows) * L


# Forward


@helper
def draw_masks(net, dropout, members, work, initial, scratch):
    """Draw the masks of some sequences, if there are any, and mask what W reads at first."""
    L = lanes(work)
    of_masks = masks_at(net, scratch, L)
    for j in range(L):  # behind the last sequence, as for the last
        masks.draw(net, dropout, members[min(j, len(members) - 1)], work, of_masks, L, j)
    for layer in net.layers[:-1]:
        if layer.in_time_mask >= 0 and initial >= 0:
            h, to = initial + layer.initial_place * L, initial + layer.initial_in_time * L
            mask = of_masks + layer.in_time_mask * L
            masks.apply(work, h, L, mask, L, to, L, layer.n_units)


@helper
def load_initial(net, data, members, work, initial):
    """Gather the states before the first step, if there are any; return where they stand, or -1."""
    L, n_rows = lanes(work), len(data.initial)
    if n_rows == 0:
        return -1
    for row in range(net.initial_rows):
        store(zeros(work, 1, 1), work, initial + row * L, 0)
    for layer in net.layers[:-1]:
        for s in range(layer.n_states):
            for j in range(len(members)):
                row = members[j] if n_rows > 1 else 0
                for i in range(layer.n_units):
                    place = initial + (layer.initial_place + s * layer.rows + i) * L + j
                    work[place] = data.initial[row, layer.initial_column + s * layer.n_units + i]
    return initial


@helper
def load_inputs(values, starts, t, n, work, x, width):
    """Gather x_t of n sequences into a panel, and have x_{t+1} brought near."""
    L, D = lanes(work), values.shape[1]
    for j in range(n):
        row = starts[j] + t
        for d in range(D):
            work[x + d * width + j] = values[row, d]
        for d in range(0, D, L):
            prefetch(values, (row + 1) * D + d)


@helper
def affine(gate, n_inputs, weights, p, i, work, x, width):
    """A tile of b + U x: units p + i, p + i + 1, … of the panel of units that begins at p."""
    L = lanes(work)
    at = gate.forward + p * gate.n_forward + i
    tile = broadcast_rows(weights, at, TILE_ROWS)
    return multiply_add(tile, weights, at + L, 1, L, work, x, width, gate.reads_x * n_inputs)


@helper
def forward_step(net, work, t, slots, begins, initial, scratch):
    """All layers' states of step t, from b + U x_t + W h_{t-1} of each gate (N2).

    ``scratch`` has a vector of zeros, then room for the gates.
    """
    L = lanes(work)
    width, a = width_at(t, begins, L), scratch + L
    for layer in net.layers[:-1]:
        x, h = inputs_at(layer, t, slots, begins, L), states_at(layer, t, slots, begins, L)
        before, apart, row = states_before(layer, t, slots, begins, initial, scratch, L)
        of_W = read_by_W(layer, before, t, slots, begins, initial, L)
        for g in range(layer.n_gates):
            gate = net.gates[layer.first_gate + g]
            for p in range(0, layer.n_units, L):
                for i in range(0, min(L, layer.n_units - p), TILE_ROWS):
                    tile = affine(gate, layer.n_inputs, net.weights, p, i, work, x, width)
                    if gate.reads_h and before != scratch:
                        W = 1 + gate.reads_x * layer.n_inputs
                        W = gate.forward + p * gate.n_forward + W * L + i
                        tile = multiply_add(
                            tile, net.weights, W, 1, L, work, of_W, row, layer.n_units
                        )
                    store(tile, work, a + (g * layer.rows + p + i) * L, L)
        call_forward(
            layer.cell_forward, layer.n_gates, layer.n_states, layer.n_stored, work, work,
            before, apart, row, a, layer.rows * L, h, layer.rows * area(slots, begins, L), width,
            round_up(layer.n_units, TILE_ROWS),
        )  # fmt: skip
        if layer.up_mask >= 0:
            to = panel_at(layer.up_place, layer.rows, t, slots, begins, L)
            mask = masks_at(net, scratch, L) + layer.up_mask * L
            masks.apply(work, h, width, mask, L, to, width, layer.n_units)
        if layer.in_time_mask >= 0:
            to = panel_at(layer.in_time_place, layer.rows, t, slots, begins, L)
            mask = masks_at(net, scratch, L) + layer.in_time_mask * L
            masks.apply(work, h, width, mask, L, to, width, layer.n_units)


@helper
def round_up(n, step):
    """The least multiple of a step that is not below n."""
    return (n + step - 1) // step * step


@helper
def output(net, work, h, width, z):
    """Z = c + V h, a panel."""
    L, out, gate = lanes(work), net.layers[-1], net.gates[-1]
    for p in range(0, out.n_units, L):
        for i in range(0, min(L, out.n_units - p), TILE_ROWS):
            tile = affine(gate, out.n_inputs, net.weights, p, i, work, h, width)
            store(tile, work, z + (p + i) * L, L)


@helper
def softmax(work, z, K):
    """Turn z into ŷ = exp(z - max z) / Σ exp(z - max z), lane by lane (N2).

    Returns two tiles, max z and Σ exp(z - max z).
    """
    L = lanes(work)
    largest = load(work, z, 0, 1, 1)
    for k in range(1, K):
        largest = f.maximum(load(work, z + k * L, 0, 1, 1), largest)
    total = zeros(work, 1, 1)
    for k in range(K):
        y = f.exp(f.subtract(load(work, z + k * L, 0, 1, 1), largest))
        store(y, work, z + k * L, 0)
        total = f.add(total, y)
    for k in range(K):
        store(f.divide(load(work, z + k * L, 0, 1, 1), total), work, z + k * L, 0)
    return largest, total


@helper
def activate(out, work, z):
    """Turn z into ŷ, lane by lane: by a softmax, or what a loss of numbers has instead."""
    if out.is_softmax:
        softmax(work, z, out.n_units)
    elif out.activation:
        L = lanes(work)
        n = round_up(out.n_units, TILE_ROWS)
        call_forward(out.activation, 1, 0, 1, work, work, z, 0, 0, z, 0, z, 0, L, n)


@helper
def collect(work, h, width, n_units, first, last, answering):
    """Copy the lanes first … last - 1 of a panel h, whose sequences end, to those that answer."""
    L = lanes(work)
    for i in range(n_units):
        for j in range(first, last):
            work[answering + i * L + j] = work[h + i * width + j]


def room_to_predict(layout: Layout, lengths: list[int]) -> int:
    """See ``Kernel.room_to_predict``: two steps of one are enough, whatever the lengths."""
    rest = 2 * layout.widest + room_of_cells(layout) + readouts.room(layout)
    return (2 * layout.state_rows + rest) * layout.unit


def room_of_cells(layout: Layout) -> int:
    """Rows of ``forward_step``'s scratch, states before the first step, and masks, of L lanes."""
    return 1 + layout.widest + layout.initial_rows + layout.mask_rows


@helper
def room_of_readout(out, L):
    """What ``readouts.room`` says, in numbers."""
    if out.readout:
        return (readouts.N_PARTS * out.input_rows + L) * L
    return 0


@entry
def predict(net, data, first, last, work, y_hat):
    """Write ŷ of the sequences first … last - 1, L at a time, to their places in ``y_hat``."""
    L = lanes(work)
    top, out = net.layers[-2], net.layers[-1]
    z = 2 * net.state_rows * L  # behind x and the states of two steps
    answering = z + out.rows * L
    readout = answering + top.rows * L
    scratch = readout + room_of_readout(out, L)
    store(zeros(work, 1, 1), work, scratch, 0)
    for start in range(first, last, L):
        starts, lengths = data.starts[start:last], data.lengths[start:last]
        members = data.members[start : min(start + L, last)]
        initial = load_initial(net, data, members, work, scratch + (1 + net.widest) * L)
        alive = len(members)
        for t in range(lengths[0]):
            x, h = inputs_at(net.layers[0], t, 2, None, L), states_at(top, t, 2, None, L)
            load_inputs(data.values, starts, t, alive, work, x, L)
            forward_step(net, work, t, 2, None, initial, scratch)
            if out.readout:
                h = readouts.take_step(out, readout, work, h, L, t, False)
            if data.every_step:
                output(net, work, h, L, z)
                activate(out, work, z)
                write_answers(work, z, starts[:alive] + t, y_hat)
            alive_after = alive
            while alive_after and lengths[alive_after - 1] <= t + 1:
                alive_after -= 1
            if not data.every_step:
                collect(work, h, L, top.n_units, alive_after, alive, answering)
            alive = alive_after
        if not data.every_step:
            output(net, work, answering, L, z)
            activate(out, work, z)
            write_answers(work, z, members, y_hat)


@helper
def write_answers(work, y, places, y_hat):
    """Copy the lanes of a panel ŷ to rows of an array (n_answers_in_all, K)."""
    L = lanes(work)
    for j in range(len(places)):
        for k in range(y_hat.shape[1]):
            y_hat[places[j], k] = work[y + k * L + j]


# Forward, the loss, and back


@helper
def count_alive(lengths):
    """n_t for t = 0 … T: how many of the lengths, longest first, exceed t."""
    alive = np.empty(lengths[0] + 1, np.int64)
    n = len(lengths)
    for t in range(len(alive)):
        while n and lengths[n - 1] <= t:
            n -= 1
        alive[t] = n
    return alive


@helper
def output_error(out, work, z, targets, places, scratch):
    """Turn z into w dL/dz, zero in lanes without a target; return Σ w L, and Σ w of right answers."""
    if out.is_softmax:
        return error_of_classes(work, z, out.n_units, targets, places, scratch)
    loss = call_loss(
        out.loss, work, targets.numbers, targets.weights, targets.constants, places, 0, len(places),
        z, scratch, out.n_units, out.rows, targets.numbers.shape[1], targets.outputs_a_number,
        out.n_constants, (N_PANELS + out.n_constants) * lanes(work),
    )  # fmt: skip
    return loss, 0.0


@helper
def error_of_classes(work, z, K, targets, places, scratch):
    """Turn z into dL/dz = w (ŷ - y) (N5), zero in lanes that have no label.

    ``places`` are those of the lanes' labels and weights. Returns Σ w L, and Σ w over right answers.
    """
    L, n = lanes(work), len(places)
    correct = 0.0
    for j in range(L):
        work[scratch + j] = targets.weights[places[j]] if j < n else 0.0
    for j in range(n):
        label = targets.labels[places[j]]
        own = work[z + label * L + j]
        is_largest = True
        for k in range(K):
            other = work[z + k * L + j]
            is_largest &= own > other or (own == other and label <= k)
        if is_largest:
            correct += np.float64(work[scratch + j])
        work[scratch + L + j] = own

    largest, total = softmax(work, z, K)
    # -ln ŷ = ln Σ exp(z - max z) - (z - max z), for the label's z
    losses = f.subtract(f.log(total), f.subtract(load(work, scratch + L, 0, 1, 1), largest))
    store(losses, work, scratch + L, 0)
    weights = load(work, scratch, 0, 1, 1)
    for k in range(K):
        error = f.multiply(load(work, z + k * L, 0, 1, 1), weights)
        store(keep(error, 0, n), work, z + k * L, 0)
    loss = 0.0
    for j in range(n):
        work[z + targets.labels[places[j]] * L + j] -= work[scratch + j]
        loss += np.float64(work[scratch + j]) * np.float64(work[scratch + L + j])
    return loss, correct


@helper
def mask_rows(work, source, n, first, last, target):
    """Copy n rows of a panel in the lanes first … last - 1, with zeros in the others."""
    L = lanes(work)
    for row in range(n):
        store(keep(load(work, source + row * L, 0, 1, 1), first, last), work, target + row * L, 0)


@helper
def add_through_W(net, layer, tile, work, p, i, error, apart):
    """Add Wᵀ δ of each gate that reads h, of units p + i, p + i + 1, …; gates are ``apart``."""
    L = lanes(work)
    for g in range(layer.n_gates):
        gate = net.gates[layer.first_gate + g]
        if gate.reads_h:
            W = gate.back_in_time + p * layer.n_units + i
            delta = error + g * apart
            tile = multiply_add(tile, net.weights, W, 1, L, work, delta, L, layer.n_units)
    return tile


@helper
def backward_step(
    net, layer, above, work, t, T, begins, errors, error_above, has_error_above, from_readout, alive,
    initial,
    scratch,
):  # fmt: skip
    """δ_t of each gate, from Uᵀ δ_t of the layer above and Wᵀ δ_{t+1}, through the cell (N7).

    The output's U is V. What comes from a readout stands at ``from_readout``, if that is not negative.
    ``scratch`` has a vector of zeros, then room for a tile.
    """
    L = lanes(work)
    h, width = states_at(layer, t, T, begins, L), width_at(t, begins, L)
    error = errors + errors_at(layer, t, L)
    error_after = errors + errors_at(layer, t + 1, L)
    errors_apart = layer.rows * (BLOCK + 1) * L
    apart = layer.rows * area(T, begins, L)
    dh = scratch + L
    above_apart = above.rows * (BLOCK + 1) * L  # the output has one gate
    for p in range(0, layer.n_units, L):
        for i in range(0, min(L, layer.n_units - p), TILE_ROWS):
            tile = zeros(work, TILE_ROWS, 1)
            if from_readout >= 0:
                tile = load(work, from_readout + (p + i) * L, L, TILE_ROWS, 1)
            if has_error_above:
                for g in range(above.n_gates):
                    gate = net.gates[above.first_gate + g]
                    if gate.reads_x:
                        U = gate.back_down + p * above.n_units + i
                        delta = error_above + g * above_apart
                        tile = multiply_add(
                            tile, net.weights, U, 1, L, work, delta, L, above.n_units
                        )
            if layer.up_mask >= 0:
                mask = masks_at(net, scratch, L) + (layer.up_mask + p + i) * L
                tile = f.multiply(tile, load(work, mask, L, TILE_ROWS, 1))
            if t < T - 1:
                from_above = tile
                if layer.in_time_mask >= 0:
                    tile = zeros(work, TILE_ROWS, 1)
                tile = add_through_W(net, layer, tile, work, p, i, error_after, errors_apart)
                if layer.in_time_mask >= 0:
                    mask = masks_at(net, scratch, L) + (layer.in_time_mask + p + i) * L
                    tile = f.add(from_above, f.multiply(tile, load(work, mask, L, TILE_ROWS, 1)))
            store(tile, work, dh + (p + i) * L, L)
    before, before_apart, before_row = states_before(layer, t, T, begins, initial, scratch, L)
    later, later_apart, later_row = scratch, 0, 0
    if t < T - 1:
        later, later_apart, later_row = error_after + layer.n_gates * errors_apart, errors_apart, L
    call_backward(
        layer.cell_backward, layer.n_gates + layer.n_straight, layer.n_straight, layer.n_states,
        layer.n_stored, work, work, before, before_apart, before_row, dh, later, later_apart,
        later_row, h, apart, width, error, errors_apart, L, round_up(layer.n_units, TILE_ROWS),
    )  # fmt: skip
    if alive < L:  # a sequence begins, going back, with nothing from later steps
        for g in range(layer.n_gates + layer.n_straight):
            at = error + g * errors_apart
            mask_rows(work, at, layer.n_units, 0, alive, at)


@helper
def add_initial_gradients(net, layer, gradients, work, errors, t, first, last, scratch):
    """Add dL/d(states before step t), Wᵀ δ_t and what goes straight, over lanes that begin with it."""
    L, rows = lanes(work), layer.rows
    error, apart, dh = errors + errors_at(layer, t, L), rows * (BLOCK + 1) * L, scratch + L
    for p in range(0, layer.n_units, L):
        for i in range(0, min(L, layer.n_units - p), TILE_ROWS):
            tile = zeros(work, TILE_ROWS, 1)
            tile = add_through_W(net, layer, tile, work, p, i, error, apart)
            if layer.in_time_mask >= 0:
                mask = masks_at(net, scratch, L) + (layer.in_time_mask + p + i) * L
                tile = f.multiply(tile, load(work, mask, L, TILE_ROWS, 1))
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


@helper
def transpose_panel(work, panel, rows, target, step):
    """Copy a panel to squares (lane, unit), L units each, that are ``step`` apart."""
    L = lanes(work)
    for p in range(rows // L):
        transpose(work, panel + p * L * L, L, work, target + p * step, L)


@helper
def add_sums(layer, gate, gradients, work, errors, step, begin, end, alive):
    """Db += Σ_t δ_t over the steps begin … end - 1."""
    L = lanes(work)
    for p in range(layer.rows // L):
        at = gate.gradient + p * gate.gradient_rows * L
        total = load(gradients, at, 0, 1, 1)
        for t in range(begin, end):
            for j in range(alive[t]):
                row = errors + p * step + (t * L + j) * L
                total = f.add(total, load(work, row, 0, 1, 1))
        store(total, gradients, at, 0)


@helper
def add_products(
    layer, gate, gradients, row, n_inputs, work, x, rows, ago, begins, errors, step, begin, end, alive
):  # fmt: skip
    """Add Σ_t δ_t x_{t-ago}ᵀ, transposed, to ``n_inputs`` rows of gradients, from ``row`` on.

    The panels of x have ``rows``; that of step 0 stands at ``x``.
    """
    L = lanes(work)
    for p in range(layer.rows // L):
        for i in range(0, n_inputs, TILE_ROWS):
            at = gate.gradient + (p * gate.gradient_rows + row + i) * L
            tile = load(gradients, at, L, TILE_ROWS, 1)
            for t in range(begin, end):
                width = width_at(t - ago, begins, L)
                x_t = x + lanes_before(t - ago, begins, L) * rows + i * width
                delta = errors + p * step + t * L * L
                tile = multiply_add(tile, work, x_t, width, 1, work, delta, L, alive[t])
            store(tile, gradients, at, L)


@helper
def add_gradients(
    layer, gate, gradients, work, x, h, begins, errors, step, begin, end, alive
):  # fmt: skip
    """Add the steps begin … end - 1 to a gate's db, dU and dW (N6, N7).

    x and h of step 0 stand at ``x`` and ``h``; the errors of step t, transposed, at ``errors`` + t L²,
    and for the next L units ``step`` further.
    """
    add_sums(layer, gate, gradients, work, errors, step, begin, end, alive)
    row = 1
    if gate.reads_x:
        add_products(
            layer, gate, gradients, row, layer.n_inputs, work, x, layer.input_rows, 0, begins,
            errors, step, begin, end, alive,
        )  # fmt: skip
        row += layer.input_rows
    if gate.reads_h:
        add_products(
            layer, gate, gradients, row, layer.n_units, work, h, layer.rows, 1, begins,
            errors, step, max(begin, 1), end, alive,
        )  # fmt: skip


def are_narrow(state_rows: int, lengths: list[int], L: int) -> bool:
    """Whether panels of L lanes would take over twice the memory needed, and megabytes of it."""
    return state_rows * (lengths[0] * L - 2 * sum(lengths)) > WASTE


def lanes_in_all(state_rows: int, lengths: list[int], L: int) -> int:
    """The lanes of all steps; of narrow ones, with one for what is written beyond the last row."""
    return sum(lengths) + 1 if are_narrow(state_rows, lengths, L) else lengths[0] * L


def room_to_train(layout: Layout, lengths: list[int]) -> int:
    """See ``Kernel.room_to_train``: all steps' states; the rest does not grow with them."""
    n_lanes = lanes_in_all(layout.state_rows, lengths, layout.unit)
    errors = layout.error_rows * (BLOCK + 1) + 2 * layout.widest * BLOCK
    rest = 2 * layout.widest + room_of_loss(layout) + room_of_cells(layout) + readouts.room(layout)
    return layout.state_rows * n_lanes + (errors + rest) * layout.unit


def room_of_loss(layout: Layout) -> int:
    """Rows of what ``output_error`` calls scratch, of L lanes."""
    out = layout.layers[-1]
    return 2 if out["is_softmax"] else int((N_PANELS + out["n_constants"]) * out["rows"])


def train(
    net: Net,
    data: Data,
    first: int,
    lengths: list[int],
    targets: Targets,
    dropout: Dropout,
    work: Array,
    gradients: Array,
) -> tuple[float, float]:
    """See ``Kernel.train``: over the L sequences from the first one on."""
    L, begins = VECTOR_BITS // (8 * work.itemsize), None
    if are_narrow(net.state_rows, lengths, L):
        t = np.arange(lengths[0] + 2)
        begins = np.zeros_like(t)
        for length in lengths:
            begins += np.minimum(t, length)
        begins[-1] += 1
    loss, correct = train_shard(net, data, first, targets, dropout, work, gradients, begins)
    return loss, correct


@entry
def train_shard(net, data, first, targets, dropout, work, gradients, begins):
    """Compute loss and gradients over the L sequences from the first one on.

    The states of all steps are kept. Then, from the last step to the first, ``BLOCK`` steps at a
    time, the errors of all layers are computed, and become gradients while they are in the cache.
    Returns Σ w L, and Σ w over the right answers.
    """
    L = lanes(work)
    last = min(first + L, len(data.lengths))
    starts, members = data.starts[first:last], data.members[first:last]
    alive = count_alive(data.lengths[first:last])
    T = len(alive) - 1
    apart = BLOCK * L * L  # the transposed errors of L units from those of the next
    layers = net.layers
    top, out, V = layers[-2], layers[-1], net.gates[-1]

    # behind x and the states, all steps of a layer together
    errors = net.state_rows * area(T, begins, L)
    transposed = errors + net.error_rows * (BLOCK + 1) * L
    z = transposed + net.widest * BLOCK * L
    answering = z + out.rows * BLOCK * L
    answers = answering + top.rows * L
    scratch = answers + out.rows * L
    readout = scratch + (2 if out.is_softmax else (N_PANELS + out.n_constants) * out.rows) * L
    cell_scratch = readout + room_of_readout(out, L)

    store(zeros(work, 1, 1), work, cell_scratch, 0)
    initial = load_initial(net, data, members, work, cell_scratch + (1 + net.widest) * L)
    draw_masks(net, dropout, members, work, initial, cell_scratch)
    gradients[:] = 0.0
    loss, correct = 0.0, 0.0
    for t in range(T):
        x, width = inputs_at(layers[0], t, T, begins, L), width_at(t, begins, L)
        load_inputs(data.values, starts, t, alive[t], work, x, width)
        forward_step(net, work, t, T, begins, initial, cell_scratch)
        if not data.every_step:
            h = inputs_at(out, t, T, begins, L)
            if out.readout:
                h, width = readouts.take_step(out, readout, work, h, width, t, True), L
                readouts.collect_steps(out, readout, work, alive[t + 1], alive[t])
            collect(work, h, width, top.n_units, alive[t + 1], alive[t], answering)
    if not data.every_step:
        output(net, work, answering, L, answers)
        loss, correct = output_error(out, work, answers, targets, members, scratch)
        transpose_panel(work, answers, out.rows, transposed, L * L)
        add_gradients(out, V, gradients, work, answering, 0, None, transposed, L * L, 0, 1, alive)
        if out.readout:
            lengths = data.lengths[first:last]
            readouts.error_of_read(net, readout, work, answers, lengths)

    end = T
    while end:
        begin = max(0, end - BLOCK)
        transposed_0 = transposed - begin * L * L  # where step 0 would be
        for t in range(begin, end):
            z_t = z + (t - begin) * out.rows * L
            if data.every_step:
                h = inputs_at(out, t, T, begins, L)
                output(net, work, h, width_at(t, begins, L), z_t)
                places = starts[: alive[t]] + t
                part = output_error(out, work, z_t, targets, places, scratch)
                loss, correct = loss + part[0], correct + part[1]
                transpose_panel(work, z_t, out.rows, transposed_0 + t * L * L, apart)
            else:  # the errors of the sequences that end here
                for k in range(out.n_units):
                    error = load(work, answers + k * L, 0, 1, 1)
                    store(keep(error, alive[t + 1], alive[t]), work, z_t + k * L, 0)
        if data.every_step:
            h = inputs_at(out, 0, T, begins, L)
            add_gradients(
                out, V, gradients, work, h, 0, begins, transposed_0, apart, begin, end, alive
            )
        for k in range(len(layers) - 2, -1, -1):
            layer, above = layers[k], layers[k + 1]
            gate_apart = layer.rows // L * apart
            for t in range(end - 1, begin - 1, -1):
                error_above, has_error_above = errors + errors_at(above, t, L), True
                from_readout = -1
                if k == len(layers) - 2:
                    error_above = z + (t - begin) * out.rows * L
                    has_error_above = data.every_step or alive[t + 1] < alive[t]
                    if out.readout:
                        has_error_above = False
                        from_readout = readouts.error_of_step(out, readout, work, t)
                backward_step(
                    net, layer, above, work, t, T, begins, errors, error_above, has_error_above,
                    from_readout, alive[t], initial, cell_scratch,
                )  # fmt: skip
                for g in range(layer.n_gates):
                    error = errors + errors_at(layer, t, L) + g * layer.rows * (BLOCK + 1) * L
                    to = transposed_0 + g * gate_apart + t * L * L
                    transpose_panel(work, error, layer.rows, to, apart)
            x = inputs_at(layer, 0, T, begins, L)
            h = panel_at(layer.in_time_place, layer.rows, 0, T, begins, L)
            for g in range(layer.n_gates):
                gate = net.gates[layer.first_gate + g]
                of_gate = transposed_0 + g * gate_apart
                add_gradients(
                    layer, gate, gradients, work, x, h, begins, of_gate, apart, begin, end, alive
                )
                if begin == 0 and initial >= 0 and gate.reads_h:  # the first step's h_{t-1}
                    add_products(
                        layer, gate, gradients, 1 + gate.reads_x * layer.input_rows, layer.n_units,
                        work, initial + layer.initial_in_time * L, layer.rows, 0, None, of_gate,
                        apart, 0, 1, alive,
                    )  # fmt: skip
            if begin == 0 and data.learns_initial and layer.initial >= 0:
                add_initial_gradients(
                    net, layer, gradients, work, errors, 0, 0, alive[0], cell_scratch
                )
        end = begin
    return loss, correct
