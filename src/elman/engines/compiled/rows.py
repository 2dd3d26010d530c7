"""One sequence alone, in compiled functions: for single sequences, and for step-by-step use.

With nothing beside it to fill a vector's lanes, the lanes are units here: x_t, h_t and δ_t are rows
of numbers, and so is what multiplies one number of theirs, a column of U or W. Every sum runs in the
order it has in ``panels``, so that going forward gives the same bits.

A *record* has all of a step: x_t, then h_t of every layer. A ``layout.LAYER`` says where.

Letters: T steps, D features, H units, K outputs, L lanes; ``WIDE`` vectors are computed side by side.
"""

from __future__ import annotations

import numpy as np

from elman.engines.compiled import functions as f
from elman.engines.compiled import packing
from elman.engines.compiled.compiling import entry, helper
from elman.engines.compiled.layout import Layout, Net
from elman.engines.compiled.tiles import (
    TILE_ROWS,
    broadcast_rows,
    lanes,
    load,
    multiply_add,
    store,
    zeros,
)

# Sums in flight: an addition takes the processor about four times as long as beginning one
WIDE = 4

pack, unpack = packing.pack_rows, packing.unpack_rows


def unit(L: int) -> int:
    """See ``Kernel.unit``: all sums in flight are of units that there is room for."""
    return L * WIDE


def at_once(layout: Layout) -> int:
    """See ``Kernel.at_once``."""
    return 1


# Forward


@helper
def load_inputs(values, row, records, record):
    """Copy x_t into a record."""
    for d in range(values.shape[1]):
        records[record + d] = values[row, d]


@helper
def affine(layer, weights, p, wide, records, record):
    """A tile of b + U x, ``wide`` vectors of units from p on."""
    tile = load(weights, layer.forward + p, 0, 1, wide)
    x, U = record + layer.inputs_place, layer.forward + layer.rows + p
    return multiply_add(tile, records, x, 0, 1, weights, U, layer.rows, layer.n_inputs)


@helper
def forward_step(net, records_before, before, records, record, is_first):
    """All layers' h_t = cell(b + U x_t + W h_{t-1}) (N2), into a record that has x_t already."""
    for layer in net.layers[:-1]:
        for p in range(0, layer.n_units, WIDE * lanes(records)):
            tile = affine(layer, net.weights, p, WIDE, records, record)
            if layer.recurrent and not is_first:
                h, W = before + layer.place, layer.forward + (1 + layer.n_inputs) * layer.rows + p
                tile = multiply_add(
                    tile, records_before, h, 0, 1, net.weights, W, layer.rows, layer.n_units
                )
            tile = f.relu(tile) if layer.relu else f.tanh(tile)
            store(tile, records, record + layer.place + p, 0)


@helper
def output(out, weights, records, record, work, z):
    """Z = c + V h."""
    for p in range(0, out.n_units, lanes(work)):
        store(affine(out, weights, p, 1, records, record), work, z + p, 0)


@helper
def softmax(work, z, K, scratch):
    """Turn z into ŷ = exp(z - max z) / Σ exp(z - max z) (N2); return max z and ln Σ."""
    L = lanes(work)
    largest = work[z]
    for k in range(1, K):
        largest = max(largest, work[z + k])
    work[scratch] = largest
    shift = broadcast_rows(work, scratch, 1)
    for p in range(0, K, L):
        store(f.exp(f.subtract(load(work, z + p, 0, 1, 1), shift)), work, z + p, 0)
    total = work[z]
    for k in range(1, K):
        total += work[z + k]
    work[scratch] = total
    totals = broadcast_rows(work, scratch, 1)
    for p in range(0, K, L):
        store(f.divide(load(work, z + p, 0, 1, 1), totals), work, z + p, 0)
    store(f.log(totals), work, scratch, 0)
    return largest, work[scratch]


def room_to_predict(layout: Layout) -> int:
    """See ``Kernel.room_to_predict``."""
    return 2 * layout.state_rows + layout.widest + layout.unit


@entry
def predict(net, data, first, last, work, y_hat):
    """Write ŷ of the sequences first … last - 1, one after another, to their places in ``y_hat``."""
    out = net.layers[-1]
    z = 2 * net.state_rows  # behind the records of two steps
    scratch = z + out.rows
    for i in range(first, last):
        for t in range(data.lengths[i]):
            record, before = t % 2 * net.state_rows, (t + 1) % 2 * net.state_rows
            load_inputs(data.values, data.starts[i] + t, work, record)
            forward_step(net, work, before, work, record, t == 0)
            if data.every_step or t == data.lengths[i] - 1:
                output(out, net.weights, work, record, work, z)
                softmax(work, z, out.n_units, scratch)
                place = data.starts[i] + t if data.every_step else data.members[i]
                for k in range(out.n_units):
                    y_hat[place, k] = work[z + k]


def room_to_step(layout: Layout, n_sequences: int) -> int:
    """Numbers of what ``step`` goes from and to: records, ŷ of each sequence, and what z takes."""
    n_outputs = int(layout.layers["n_units"][-1])
    return n_sequences * (layout.state_rows + n_outputs) + layout.widest + layout.unit


@entry
def step(layers, weights, state_rows, scaling, x_t, before, after, answers):
    """Take some sequences one step further, from records ``before`` to records ``after``.

    Behind the records, from ``answers`` on, it writes ŷ. Returns whether (x_t - mean) / scale, which
    the network takes, is finite.
    """
    net = Net(layers, weights, state_rows, 0)
    D, out = layers[0].n_inputs, layers[-1]
    n = len(x_t) // D
    z = answers + n * out.n_units
    for i in range(n):
        record = i * state_rows
        for d in range(D):
            x = (x_t[i * D + d] - scaling[d]) / scaling[D + d]
            if not np.isfinite(x):
                return False
            after[record + d] = x
        forward_step(net, before, record, after, record, False)
        output(out, weights, after, record, after, z)
        softmax(after, z, out.n_units, z + out.rows)
        for k in range(out.n_units):
            after[answers + i * out.n_units + k] = after[z + k]
    return True


# Forward, the loss, and back


@helper
def output_error(work, z, K, label, weight, scratch):
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
def backward_step(layer, above, weights, work, h, error, error_above, error_after):
    """δ_t = cell'(h_t) (Uᵀ δ_t of the layer above + Wᵀ δ_{t+1}) (N7).

    The output's U is V. An error that there is not has a negative place.
    """
    for p in range(0, layer.n_units, WIDE * lanes(work)):
        tile = zeros(work, 1, WIDE)
        if error_above >= 0:
            U, width = above.back_down + p, above.input_rows
            tile = multiply_add(tile, work, error_above, 0, 1, weights, U, width, above.n_units)
        if layer.recurrent and error_after >= 0:
            W, width = layer.back_in_time + p, layer.rows
            tile = multiply_add(tile, work, error_after, 0, 1, weights, W, width, layer.n_units)
        h_tile = load(work, h + p, 0, 1, WIDE)
        tile = f.relu_backward(tile, h_tile) if layer.relu else f.tanh_backward(tile, h_tile)
        store(f.without_tiny(tile), work, error + p, 0)


@helper
def sum_products(layer, gradients, row, n_inputs, work, inputs, step, errors, error_step, p, T):
    """Set rows of gradients, from ``row`` on, to Σ_t δ_t x_tᵀ, transposed, for L units from p on."""
    for i in range(0, n_inputs, TILE_ROWS):
        tile = zeros(work, TILE_ROWS, 1)
        tile = multiply_add(tile, work, inputs + i, 1, step, work, errors + p, error_step, T)
        at = layer.gradient + (row + i) * layer.rows + p
        store(tile, gradients, at, layer.rows)


@helper
def set_gradients(layer, gradients, work, errors, error_step, T, step):
    """Set db, dU and dW to their sums over all steps (N6, N7). Records are ``step`` apart."""
    for p in range(0, layer.n_units, lanes(work)):
        total = zeros(work, 1, 1)
        for t in range(T):
            total = f.add(total, load(work, errors + t * error_step + p, 0, 1, 1))
        store(total, gradients, layer.gradient + p, 0)
        x, h = layer.inputs_place, layer.place
        sum_products(layer, gradients, 1, layer.n_inputs, work, x, step, errors, error_step, p, T)
        if layer.recurrent:
            row, after = 1 + layer.input_rows, errors + error_step
            sum_products(
                layer, gradients, row, layer.n_units, work, h, step, after, error_step, p, T - 1
            )


def room_to_train(layout: Layout, lengths: list[int]) -> int:
    """See ``Kernel.room_to_train``."""
    return (2 * layout.state_rows + layout.widest) * sum(lengths) + layout.unit


@entry
def train(net, data, i, targets, work, gradients):
    """Compute loss and gradients of the i-th sequence; return Σ w L, and Σ w over the right answers."""
    layers, weights, step = net.layers, net.weights, net.state_rows
    out = layers[-1]
    start, T = data.starts[i], data.lengths[i]
    errors = T * step  # the records of errors, behind those of x and states
    z = errors + T * step
    scratch = z + T * out.rows

    loss, correct = 0.0, 0.0
    for t in range(T):
        record, z_t = t * step, z + t * out.rows
        load_inputs(data.values, start + t, work, record)
        forward_step(net, work, record - step, work, record, t == 0)
        if data.every_step or t == T - 1:
            output(out, weights, work, record, work, z_t)
            place = start + t if data.every_step else data.members[i]
            label, weight = targets.labels[place], targets.weights[place]
            part = output_error(work, z_t, out.n_units, label, weight, scratch)
            loss, correct = loss + part[0], correct + part[1]
        else:
            work[z_t : z_t + out.n_units] = 0.0
    set_gradients(out, gradients, work, z, out.rows, T, step)
    for k in range(len(layers) - 2, -1, -1):
        layer, above = layers[k], layers[k + 1]
        for t in range(T - 1, -1, -1):
            h = t * step + layer.place
            error_after = errors + h + step if t < T - 1 else -1
            error_above = errors + t * step + above.place
            if k == len(layers) - 2:
                error_above = z + t * out.rows if data.every_step or t == T - 1 else -1
            backward_step(layer, above, weights, work, h, errors + h, error_above, error_after)
        set_gradients(layer, gradients, work, errors + layer.place, step, T, step)
    return loss, correct
