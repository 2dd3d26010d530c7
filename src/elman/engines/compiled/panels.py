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
from elman.engines.compiled import functions as f
from elman.engines.compiled import packing
from elman.engines.compiled.compiling import entry, helper
from elman.engines.compiled.layout import Data, Layout, Net, Targets
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
    n_lanes = slots * L if begins is None else begins[-1]
    return place * n_lanes + lanes_before(t % slots, begins, L) * rows


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
    """Where a layer's h_t stands; its δ_t, counted from where the errors begin."""
    return panel_at(layer.place, layer.rows, t, slots, begins, L)


@helper
def width_at(t, begins, L):
    """How many lanes the panels of step t have: so far it is from one row to the next."""
    if begins is None:
        return L
    return begins[t + 1] - begins[t]


# Forward


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
def affine(layer, weights, p, i, work, x, width):
    """A tile of b + U x: units p + i, p + i + 1, … of the panel of units that begins at p."""
    L = lanes(work)
    at = layer.forward + p * layer.n_forward + i
    tile = broadcast_rows(weights, at, TILE_ROWS)
    return multiply_add(tile, weights, at + L, 1, L, work, x, width, layer.n_inputs)


@helper
def forward_step(net, work, t, slots, begins):
    """All layers' h_t = cell(b + U x_t + W h_{t-1}) (N2)."""
    L = lanes(work)
    width, width_before = width_at(t, begins, L), width_at(max(t - 1, 0), begins, L)
    for layer in net.layers[:-1]:
        x = inputs_at(layer, t, slots, begins, L)
        h_before = states_at(layer, t - 1, slots, begins, L)
        h = states_at(layer, t, slots, begins, L)
        for p in range(0, layer.n_units, L):
            for i in range(0, min(L, layer.n_units - p), TILE_ROWS):
                tile = affine(layer, net.weights, p, i, work, x, width)
                if layer.recurrent and t > 0:
                    W = layer.forward + p * layer.n_forward + (1 + layer.n_inputs) * L + i
                    tile = multiply_add(
                        tile, net.weights, W, 1, L, work, h_before, width_before, layer.n_units
                    )
                tile = f.relu(tile) if layer.relu else f.tanh(tile)
                store(tile, work, h + (p + i) * width, width)


@helper
def output(out, weights, work, h, width, z):
    """Z = c + V h, a panel."""
    L = lanes(work)
    for p in range(0, out.n_units, L):
        for i in range(0, min(L, out.n_units - p), TILE_ROWS):
            store(affine(out, weights, p, i, work, h, width), work, z + (p + i) * L, L)


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
def collect(work, h, width, n_units, first, last, answering):
    """Copy the lanes first … last - 1 of a panel h, whose sequences end, to those that answer."""
    L = lanes(work)
    for i in range(n_units):
        for j in range(first, last):
            work[answering + i * L + j] = work[h + i * width + j]


def room_to_predict(layout: Layout) -> int:
    """See ``Kernel.room_to_predict``."""
    return (2 * layout.state_rows + 2 * layout.widest) * layout.unit


@entry
def predict(net, data, first, last, work, y_hat):
    """Write ŷ of the sequences first … last - 1, L at a time, to their places in ``y_hat``."""
    L = lanes(work)
    top, out = net.layers[-2], net.layers[-1]
    z = 2 * net.state_rows * L  # behind x and the states of two steps
    answering = z + out.rows * L
    for start in range(first, last, L):
        starts, lengths = data.starts[start:last], data.lengths[start:last]
        members = data.members[start : min(start + L, last)]
        alive = len(members)
        for t in range(lengths[0]):
            x, h = inputs_at(net.layers[0], t, 2, None, L), states_at(top, t, 2, None, L)
            load_inputs(data.values, starts, t, alive, work, x, L)
            forward_step(net, work, t, 2, None)
            if data.every_step:
                output(out, net.weights, work, h, L, z)
                softmax(work, z, out.n_units)
                write_answers(work, z, starts[:alive] + t, y_hat)
            alive_after = alive
            while alive_after and lengths[alive_after - 1] <= t + 1:
                alive_after -= 1
            if not data.every_step:
                collect(work, h, L, top.n_units, alive_after, alive, answering)
            alive = alive_after
        if not data.every_step:
            output(out, net.weights, work, answering, L, z)
            softmax(work, z, out.n_units)
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
def output_error(work, z, K, targets, places, scratch):
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
def backward_step(layer, above, weights, work, h, width, error, error_above, error_after, alive):
    """δ_t = cell'(h_t) (Uᵀ δ_t of the layer above + Wᵀ δ_{t+1}) (N7).

    The output's U is V. An error that there is not has a negative place.
    """
    L = lanes(work)
    for p in range(0, layer.n_units, L):
        for i in range(0, min(L, layer.n_units - p), TILE_ROWS):
            tile = zeros(work, TILE_ROWS, 1)
            if error_above >= 0:
                U = above.back_down + p * above.n_units + i
                tile = multiply_add(tile, weights, U, 1, L, work, error_above, L, above.n_units)
            if layer.recurrent and error_after >= 0:
                W = layer.back_in_time + p * layer.n_units + i
                tile = multiply_add(tile, weights, W, 1, L, work, error_after, L, layer.n_units)
            h_tile = load(work, h + (p + i) * width, width, TILE_ROWS, 1)
            tile = f.relu_backward(tile, h_tile) if layer.relu else f.tanh_backward(tile, h_tile)
            if alive < L:  # a sequence begins, going back, with nothing from later steps
                tile = keep(tile, 0, alive)
            store(f.without_tiny(tile), work, error + (p + i) * L, L)


@helper
def transpose_panel(work, panel, rows, target, step):
    """Copy a panel to squares (lane, unit), L units each, that are ``step`` apart."""
    L = lanes(work)
    for p in range(rows // L):
        transpose(work, panel + p * L * L, L, work, target + p * step, L)


@helper
def add_sums(layer, gradients, work, errors, step, begin, end, alive):
    """Db += Σ_t δ_t over the steps begin … end - 1."""
    L = lanes(work)
    for p in range(layer.rows // L):
        at = layer.gradient + p * layer.gradient_rows * L
        total = load(gradients, at, 0, 1, 1)
        for t in range(begin, end):
            for j in range(alive[t]):
                row = errors + p * step + (t * L + j) * L
                total = f.add(total, load(work, row, 0, 1, 1))
        store(total, gradients, at, 0)


@helper
def add_products(
    layer, gradients, row, n_inputs, work, x, rows, ago, begins, errors, step, begin, end, alive
):
    """Add Σ_t δ_t x_{t-ago}ᵀ, transposed, to ``n_inputs`` rows of gradients, from ``row`` on.

    The panels of x have ``rows``; that of step 0 stands at ``x``.
    """
    L = lanes(work)
    for p in range(layer.rows // L):
        for i in range(0, n_inputs, TILE_ROWS):
            at = layer.gradient + (p * layer.gradient_rows + row + i) * L
            tile = load(gradients, at, L, TILE_ROWS, 1)
            for t in range(begin, end):
                width = width_at(t - ago, begins, L)
                x_t = x + lanes_before(t - ago, begins, L) * rows + i * width
                delta = errors + p * step + t * L * L
                tile = multiply_add(tile, work, x_t, width, 1, work, delta, L, alive[t])
            store(tile, gradients, at, L)


@helper
def add_gradients(layer, gradients, work, x, h, begins, errors, step, begin, end, alive):
    """Add the steps begin … end - 1 to db, dU and dW (N6, N7).

    x and h of step 0 stand at ``x`` and ``h``; the errors of step t, transposed, at ``errors`` + t L²,
    and for the next L units ``step`` further.
    """
    add_sums(layer, gradients, work, errors, step, begin, end, alive)
    add_products(
        layer, gradients, 1, layer.n_inputs, work, x, layer.input_rows, 0, begins,
        errors, step, begin, end, alive,
    )  # fmt: skip
    if layer.recurrent:
        add_products(
            layer, gradients, 1 + layer.input_rows, layer.n_units, work, h, layer.rows, 1, begins,
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
    errors = layout.state_rows * (BLOCK + 1) + 2 * layout.widest * BLOCK
    return layout.state_rows * n_lanes + (errors + 2 * layout.widest + 2) * layout.unit


def train(
    net: Net, data: Data, first: int, targets: Targets, work: Array, gradients: Array
) -> tuple[float, float]:
    """See ``Kernel.train``: over the L sequences from the first one on."""
    L = VECTOR_BITS // (8 * work.itemsize)
    lengths, begins = data.lengths[first : first + L].tolist(), None
    if are_narrow(net.state_rows, lengths, L):
        t = np.arange(lengths[0] + 2)
        begins = np.zeros_like(t)
        for length in lengths:
            begins += np.minimum(t, length)
        begins[-1] += 1
    loss, correct = train_shard(net, data, first, targets, work, gradients, begins)
    return loss, correct


@entry
def train_shard(net, data, first, targets, work, gradients, begins):
    """Compute loss and gradients over the L sequences from the first one on.

    The states of all steps are kept. Then, from the last step to the first, ``BLOCK`` steps at a
    time, the errors of all layers are computed, and become gradients while they are in the cache.
    Returns Σ w L, and Σ w over the right answers.
    """
    L = lanes(work)
    last = min(first + L, len(data.lengths))
    starts, members = data.starts[first:last], data.members[first:last]
    alive = count_alive(data.lengths[first:last])
    T, ring = len(alive) - 1, BLOCK + 1
    apart = BLOCK * L * L  # the transposed errors of L units from those of the next
    layers, weights = net.layers, net.weights
    top, out = layers[-2], layers[-1]

    n_lanes = T * L if begins is None else begins[-1]
    errors = net.state_rows * n_lanes  # behind x and the states, all steps of a layer together
    transposed = errors + net.state_rows * ring * L
    z = transposed + net.widest * BLOCK * L
    answering = z + out.rows * BLOCK * L
    answers = answering + top.rows * L
    scratch = answers + out.rows * L

    gradients[:] = 0.0
    loss, correct = 0.0, 0.0
    for t in range(T):
        x, width = inputs_at(layers[0], t, T, begins, L), width_at(t, begins, L)
        load_inputs(data.values, starts, t, alive[t], work, x, width)
        forward_step(net, work, t, T, begins)
        if not data.every_step:
            h = states_at(top, t, T, begins, L)
            collect(work, h, width, top.n_units, alive[t + 1], alive[t], answering)
    if not data.every_step:
        output(out, weights, work, answering, L, answers)
        loss, correct = output_error(work, answers, out.n_units, targets, members, scratch)
        transpose_panel(work, answers, out.rows, transposed, L * L)
        add_gradients(out, gradients, work, answering, 0, None, transposed, L * L, 0, 1, alive)

    end = T
    while end:
        begin = max(0, end - BLOCK)
        transposed_0 = transposed - begin * L * L  # where step 0 would be
        for t in range(begin, end):
            z_t = z + (t - begin) * out.rows * L
            if data.every_step:
                h = states_at(top, t, T, begins, L)
                output(out, weights, work, h, width_at(t, begins, L), z_t)
                places = starts[: alive[t]] + t
                part = output_error(work, z_t, out.n_units, targets, places, scratch)
                loss, correct = loss + part[0], correct + part[1]
                transpose_panel(work, z_t, out.rows, transposed_0 + t * L * L, apart)
            else:  # the errors of the sequences that end here
                for k in range(out.n_units):
                    error = load(work, answers + k * L, 0, 1, 1)
                    store(keep(error, alive[t + 1], alive[t]), work, z_t + k * L, 0)
        if data.every_step:
            h = inputs_at(out, 0, T, begins, L)
            add_gradients(
                out, gradients, work, h, 0, begins, transposed_0, apart, begin, end, alive
            )
        for k in range(len(layers) - 2, -1, -1):
            layer, above = layers[k], layers[k + 1]
            for t in range(end - 1, begin - 1, -1):
                h, width = states_at(layer, t, T, begins, L), width_at(t, begins, L)
                error = errors + states_at(layer, t, ring, None, L)
                error_after = errors + states_at(layer, t + 1, ring, None, L) if t < T - 1 else -1
                error_above = errors + states_at(above, t, ring, None, L)
                if k == len(layers) - 2:
                    answers_here = data.every_step or alive[t + 1] < alive[t]
                    error_above = z + (t - begin) * out.rows * L if answers_here else -1
                backward_step(
                    layer, above, weights, work, h, width, error, error_above, error_after, alive[t]
                )
                transpose_panel(work, error, layer.rows, transposed_0 + t * L * L, apart)
            x, h = inputs_at(layer, 0, T, begins, L), states_at(layer, 0, T, begins, L)
            add_gradients(
                layer, gradients, work, x, h, begins, transposed_0, apart, begin, end, alive
            )
        end = begin
    return loss, correct
