"""One sequence alone, in compiled functions: for single sequences, and for step-by-step use.

With nothing beside it to fill a vector's lanes, the lanes are units here: x_t, h_t and δ_t are rows
of numbers, and so is what multiplies one number of theirs, a column of U or W. Every sum runs in the
order it has in ``panels``, so that going forward gives the same bits.

A *record* has all of a step: x_t, then h_t of every layer. A ``layout.LAYER`` says where.

Letters: T steps, D features, H units, K outputs, L lanes; ``WIDE`` vectors are computed side by side.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

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
    broadcast_rows,
    lanes,
    load,
    multiply_add,
    store,
    tile_rows,
    zeros,
)
from elman.equations.dropout import Dropout

# Sums in flight: an addition takes the processor about four times as long as beginning one
WIDE = 4

BLOCK = 128  # steps whose errors are kept before they become gradients, while still in the cache

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
def load_initial(net, data, i, records, record):
    """Put the states before the first step into a record; return whether there are any."""
    n_rows = len(data.initial)
    row = i if n_rows > 1 else 0
    if n_rows:
        for layer in net.layers[:-1]:
            for s in range(layer.n_states):
                column, place = (
                    layer.initial_column + s * layer.n_units,
                    layer.place + s * layer.rows,
                )
                for unit in range(layer.n_units):
                    records[record + place + unit] = data.initial[row, column + unit]
    return n_rows > 0


@helper
def mask_states(layer, records, record, of_masks):
    """Write what masks leave of a layer's h beside it."""
    L, h = lanes(records), record + layer.place
    if layer.up_mask >= 0:
        mask, to = of_masks + layer.up_mask, record + layer.up_place
        masks.apply(records, h, L, mask, L, to, L, layer.rows // L)
    if layer.in_time_mask >= 0:
        mask, to = of_masks + layer.in_time_mask, record + layer.in_time_place
        masks.apply(records, h, L, mask, L, to, L, layer.rows // L)


def affine_of(n_vectors: int) -> Any:
    """Make what computes so many vectors side by side."""

    def affine(layer, gate, weights, p, records, x):
        """A tile of b + U x, of units from p on; x stands at ``x``."""
        tile = load(weights, gate.forward + p, 0, 1, n_vectors)
        U, n = gate.forward + layer.rows + p, gate.reads_x * layer.n_inputs
        if layer.reads_tokens and n:
            column = U + int(records[x]) * layer.rows
            return f.add(tile, load(weights, column, 0, 1, n_vectors))
        return multiply_add(tile, records, x, 0, 1, weights, U, layer.rows, n)

    affine.__qualname__ = f"affine_{n_vectors}"  # programs on disk call each other by name
    return helper(affine)


affine, wide_affine = affine_of(1), affine_of(WIDE)


@helper
def forward_step(net, records_before, before, records, record, is_first, of_masks, scratch):
    """All layers' states of a step, from b + U x_t + W h_{t-1} of each gate (N2).

    They go into a record that has x_t already. Masks stand at ``of_masks``. ``scratch``, in
    ``records``, has a vector of zeros, then room for the gates.
    """
    L = lanes(records)
    a = scratch + L
    for layer in net.layers[:-1]:
        rows, x, states = layer.rows, record + layer.inputs_place, record + layer.place
        for g in range(layer.n_gates):
            gate = net.gates[layer.first_gate + g]
            for p in range(0, layer.n_units, WIDE * L):
                tile = wide_affine(layer, gate, net.weights, p, records, x)
                if gate.reads_h and not is_first:
                    h, W = before + layer.in_time_place, 1 + gate.reads_x * layer.n_inputs
                    W = gate.forward + W * rows + p
                    tile = multiply_add(
                        tile, records_before, h, 0, 1, net.weights, W, rows, layer.n_units
                    )
                store(tile, records, a + g * rows + p, 0)
        if is_first:
            call_forward(
                layer.cell_forward, layer.n_gates, layer.n_states, layer.n_stored, records,
                records, scratch, 0, 0, a, rows, states, rows, L, rows // L,
            )  # fmt: skip
        else:
            call_forward(
                layer.cell_forward, layer.n_gates, layer.n_states, layer.n_stored, records_before,
                records, before + layer.place, rows, L, a, rows, states, rows, L, rows // L,
            )  # fmt: skip
        mask_states(layer, records, record, of_masks)


@helper
def output(net, records, h, work, z):
    """Z = c + V h."""
    out, V = net.layers[-1], net.gates[-1]
    for p in range(0, out.n_units, lanes(work)):
        tile = affine(out, V, net.weights, p, records, h)
        store(tile, work, z + p, 0)


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


@helper
def activate(out, work, z, scratch):
    """Turn z into ŷ: by a softmax, or what a loss of numbers has instead."""
    if out.is_softmax:
        softmax(work, z, out.n_units, scratch)
    elif out.activation:
        L = lanes(work)
        call_forward(out.activation, 1, 0, 1, work, work, z, 0, 0, z, 0, z, 0, L, out.rows // L)


def room_to_predict(layout: Layout, lengths: list[int]) -> int:
    """See ``Kernel.room_to_predict``."""
    rest = layout.widest + layout.unit + room_of_cells(layout) + readouts.room(layout)
    return 2 * layout.state_rows + rest


def room_of_cells(layout: Layout) -> int:
    """Numbers of what ``forward_step`` calls scratch."""
    return layout.unit + layout.widest + layout.mask_rows


@helper
def masks_at(net, scratch):
    """Where the masks stand, behind what ``forward_step`` calls scratch."""
    return scratch + WIDE * lanes(net.weights) + net.widest


@helper
def room_of_readout(out, unit):
    """What ``readouts.room`` says."""
    return readouts.N_PARTS * out.input_rows + unit if out.readout else 0


@helper
def take_step(out, readout, source, before, work, h, carried, t, with_steps):
    """Carry h_t on, from ``before``, and read r_t; return where it stands."""
    L, is_first = lanes(work), t == 0
    n = out.input_rows // L
    r = readouts.part(out, readout, readouts.READ, 1)
    n_steps = readouts.in_all_lanes(out, readout, work, t + 1, 1)
    if with_steps and out.readout == readouts.MAX:
        at = readouts.part(out, readout, readouts.LARGEST_AT, 1)
        readouts.mark_largest(work, h, L, carried, at, L, n, is_first, n_steps)
    readouts.carry(out, source, before, work, h, L, carried, L, n, is_first)
    readouts.read(out, work, carried, r, L, n, n_steps)
    return r


def predict(net: Net, data: Data, first: int, last: int, work: Array, y_hat: Array) -> None:
    """See ``Kernel.predict``."""
    predict_sequences.of_kind(work.itemsize, net, data, first, last, work, y_hat)


@entry
def predict_sequences(net, data, first, last, work, y_hat):
    """Write ŷ of the sequences first … last - 1, one after another, to their places in ``y_hat``."""
    out = net.layers[-1]
    z = 2 * net.state_rows  # behind the records of two steps
    scratch = z + out.rows
    readout = scratch + WIDE * lanes(work)
    cell_scratch = readout + room_of_readout(out, WIDE * lanes(work))
    store(zeros(work, 1, 1), work, cell_scratch, 0)
    for i in range(first, last):
        has_initial = load_initial(net, data, i, work, net.state_rows)
        for t in range(data.lengths[i]):
            record, before = t % 2 * net.state_rows, (t + 1) % 2 * net.state_rows
            load_inputs(data.values, data.starts[i] + t, work, record)
            is_first = t == 0 and not has_initial
            forward_step(net, work, before, work, record, is_first, 0, cell_scratch)
            h = record + out.inputs_place
            if out.readout:
                carried = readouts.part(out, readout, readouts.CARRIED, 1)
                h = take_step(out, readout, work, carried, work, h, carried, t, False)
            if data.every_step or t == data.lengths[i] - 1:
                output(net, work, h, work, z)
                activate(out, work, z, scratch)
                place = data.starts[i] + t if data.every_step else data.members[i]
                for k in range(out.n_units):
                    y_hat[place, k] = work[z + k]


def room_to_step(layout: Layout, n_sequences: int) -> int:
    """Numbers of what ``step`` goes from and to: records, ŷ of each sequence, and what z takes."""
    n_outputs = int(layout.layers["n_units"][-1])
    z = layout.widest + layout.unit
    rest = z + room_of_cells(layout) + readouts.room(layout)
    return n_sequences * (rows_of_record(layout) + n_outputs) + rest


def rows_of_record(layout: Layout) -> int:
    """Numbers of what a sequence has between two steps: its record, and what its readout carries."""
    has_readout = layout.architecture.readout != "last"
    return layout.state_rows + has_readout * int(layout.layers["input_rows"][-1])


@entry
def step(layers, gates, weights, state_rows, scaling, x_t, before, after, answers, t):
    """Take some sequences to step t, counted from 0, from records ``before`` to records ``after``.

    Behind the records is what a readout carries, and from ``answers`` on it writes ŷ. Returns whether
    (x_t - mean) / scale, which the network takes, is finite, and where it takes tokens one of them.
    """
    net = Net(layers, gates, weights, state_rows, 0, 0, 0, False)
    D, out = len(scaling) // 2, layers[-1]
    n = len(x_t) // D
    z = answers + n * out.n_units
    readout = z + out.rows + WIDE * lanes(after)
    cell_scratch = readout + room_of_readout(out, WIDE * lanes(after))
    store(zeros(after, 1, 1), after, cell_scratch, 0)
    for i in range(n):
        record = i * state_rows
        for d in range(D):
            x = (x_t[i * D + d] - scaling[d]) / scaling[D + d]
            if not np.isfinite(x):
                return False
            if layers[0].reads_tokens and not (0 <= x < layers[0].n_inputs and x == np.floor(x)):
                return False
            after[record + d] = x
        forward_step(net, before, record, after, record, False, 0, cell_scratch)
        h = record + out.inputs_place
        if out.readout:
            carried = n * state_rows + i * out.input_rows
            h = take_step(out, readout, before, carried, after, h, carried, t, False)
        output(net, after, h, after, z)
        activate(out, after, z, z + out.rows)
        for k in range(out.n_units):
            after[answers + i * out.n_units + k] = after[z + k]
    return True


# Forward, the loss, and back


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


def room_to_train(layout: Layout, lengths: list[int], segment: int) -> int:
    """See ``Kernel.room_to_train``."""
    T = sum(lengths)
    n_records = 1 + min(T, segment)
    if segment < T:
        n_records += -(-T // segment)  # those before each segment
    of_block = (layout.error_rows + layout.widest) * min(T, BLOCK)
    return layout.state_rows * n_records + of_block + room_beside_steps(layout)


@lru_cache  # small networks have no time to lose on it
def room_beside_steps(layout: Layout) -> int:
    """Numbers that do not grow with the steps: the errors of the step behind a block, and the rest."""
    rest = room_of_loss(layout) + room_of_cells(layout) + readouts.room(layout)
    return layout.error_rows + rest


def room_of_loss(layout: Layout) -> int:
    """Numbers of what ``output_error`` calls scratch."""
    out = layout.layers[-1]
    return layout.unit if out["is_softmax"] else int((N_PANELS + out["n_constants"]) * out["rows"])


def train(
    net: Net,
    data: Data,
    first: int,
    lengths: list[int],
    targets: Targets,
    dropout: Dropout | None,
    work: Array,
    gradients: Array,
    segment: int,
) -> tuple[float, float]:
    """See ``Kernel.train``: over one sequence."""
    loss, correct = train_sequence.of_kind(
        (work.itemsize, dropout is None),
        net, data, first, targets, dropout, work, gradients, segment,
    )  # fmt: skip
    return loss, correct


@helper
def copy_numbers(work, source, target, n):
    """Copy n numbers."""
    for i in range(n):
        work[target + i] = work[source + i]


@helper
def forward_segment(
    net, data, i, begin, end, is_first, work, records, readout, reads, of_masks, scratch
):  # fmt: skip
    """The records of the steps begin … end - 1; that of the step before stands before them.

    With ``reads`` the readout is carried on.
    """
    step, out = net.state_rows, net.layers[-1]
    for t in range(begin, end):
        record = records + (t - begin) * step
        load_inputs(data.values, data.starts[i] + t, work, record)
        forward_step(net, work, record - step, work, record, is_first and t == 0, of_masks, scratch)
        if reads:
            carried = readouts.part(out, readout, readouts.CARRIED, 1)
            h = record + out.inputs_place
            take_step(out, readout, work, carried, work, h, carried, t, True)


@helper
def write_states(net, work, record, states, row):
    """Copy the states of a record to a row of an array."""
    for layer in net.layers[:-1]:
        for s in range(layer.n_states):
            column, place = layer.initial_column + s * layer.n_units, layer.place + s * layer.rows
            for i in range(layer.n_units):
                states[row, column + i] = work[record + place + i]


@helper
def backward_block(
    net, data, i, targets, gradients, work, begin, end, records, errors, z, scratch, readout, first,
    cell_scratch,
):  # fmt: skip
    """Take errors back through the steps begin … end - 1, and add their gradients.

    The record of step ``begin`` stands at ``records``, its errors at ``errors``. Those of step ``end``
    stand behind the others already. Returns what the steps add to Σ w L and to Σ w of right answers.
    """
    layers, step = net.layers, net.state_rows
    out, V = layers[-1], net.gates[-1]
    start, T, n = data.starts[i], data.lengths[i], end - begin
    is_last, first_here = end == T, first if begin == 0 else 0
    loss, correct = 0.0, 0.0
    if data.every_step or is_last:
        for t in range(begin, end):
            z_t = z + (t - begin) * out.rows
            if data.every_step or t == T - 1:
                h = records + (t - begin) * step + out.inputs_place
                if out.readout:
                    h = readouts.part(out, readout, readouts.READ, 1)
                output(net, work, h, work, z_t)
                place = start + t if data.every_step else data.members[i]
                part = output_error(out, work, z_t, targets, data.members, place, scratch)
                loss, correct = loss + part[0], correct + part[1]
            else:
                work[z_t : z_t + out.n_units] = 0.0
        if out.readout:
            r, error = readouts.part(out, readout, readouts.READ, 1), z + (n - 1) * out.rows
            sum_gradients(out, V, gradients, work, r, 0, error, out.rows, 0, 1, step, True)
            error_of_read(net, readout, work, error, T)
        else:
            x = records + out.inputs_place
            sum_gradients(out, V, gradients, work, x, 0, z, out.rows, 0, n, step, is_last)
    for k in range(len(layers) - 2, -1, -1):
        layer, above = layers[k], layers[k + 1]
        for t in range(end - 1, begin - 1, -1):
            errors_t = errors + (t - begin) * net.error_rows
            error_above, from_readout = errors_t + above.error_place, -1
            if k == len(layers) - 2:
                error_above = z + (t - begin) * out.rows if data.every_step or t == T - 1 else -1
                if out.readout:
                    error_above, from_readout = -1, error_of_step(out, readout, work, t)
            record = records + (t - begin) * step
            backward_step(
                net, layer, above, work, record, t, T, errors_t, error_above, from_readout, first,
                cell_scratch,
            )  # fmt: skip
        for g in range(layer.n_gates):
            gate = net.gates[layer.first_gate + g]
            of_gate = errors + layer.error_place + g * layer.rows
            x, h = records + layer.inputs_place, records + layer.in_time_place
            sum_gradients(
                layer, gate, gradients, work, x, h, of_gate, net.error_rows, first_here, n, step,
                is_last,
            )  # fmt: skip
        if begin == 0 and layer.initial >= 0:
            if data.learns_initial:
                set_initial_gradients(net, layer, gradients, work, errors, cell_scratch)
            else:
                at = layer.initial_gradient
                gradients[at : at + layer.n_states * layer.rows] = 0.0
    return loss, correct


@entry
def train_sequence(net, data, i, targets, dropout, work, gradients, segment):
    """Compute loss and gradients of the i-th sequence; return Σ w L, and Σ w over the right answers.

    The records of a segment of the steps are kept at a time. Where there are several, the way forward
    keeps the record before each, and on the way back, from the last to the first, each but the last is
    computed anew. In a segment the errors of ``BLOCK`` steps are computed at a time, the last ones
    first, and become gradients.
    """
    layers, step, T = net.layers, net.state_rows, data.lengths[i]
    out = layers[-1]
    n_block, n_kept = min(T, BLOCK), min(T, segment)
    n_segments = (T + n_kept - 1) // n_kept
    records = step  # behind that of the states before the first step of the segment
    kept = records + n_kept * step  # the records before each segment
    errors = kept + (n_segments * step if n_segments > 1 else 0)
    z = errors + (n_block + 1) * net.error_rows
    scratch = z + n_block * out.rows
    readout = scratch + WIDE * lanes(work)
    if not out.is_softmax:
        readout = scratch + (N_PANELS + out.n_constants) * out.rows
    cell_scratch = readout + room_of_readout(out, WIDE * lanes(work))
    store(zeros(work, 1, 1), work, cell_scratch, 0)
    first = 0 if load_initial(net, data, i, work, 0) else 1
    of_masks = masks_at(net, cell_scratch)
    if dropout is not None:  # else nothing of it is compiled
        masks.draw(net, dropout, data.members[i], work, of_masks, 1, 0)
    if first == 0:
        for layer in layers[:-1]:
            mask_states(layer, work, 0, of_masks)

    begin = 0
    for s in range(n_segments):
        end = T - (n_segments - 1 - s) * n_kept
        if n_segments > 1:
            copy_numbers(work, 0, kept + s * step, step)
        forward_segment(
            net, data, i, begin, end, first == 1, work, records, readout, out.readout != 0, of_masks,
            cell_scratch,
        )  # fmt: skip
        if s < n_segments - 1:
            copy_numbers(work, records + (end - begin - 1) * step, 0, step)
            begin = end
    if len(data.after):
        write_states(net, work, records + (T - 1 - begin) * step, data.after, i)

    loss, correct = 0.0, 0.0
    for s in range(n_segments - 1, -1, -1):
        end = T - (n_segments - 1 - s) * n_kept
        begin = max(0, end - n_kept)
        if s < n_segments - 1:
            copy_numbers(work, kept + s * step, 0, step)
            forward_segment(
                net, data, i, begin, end, first == 1, work, records, readout, False, of_masks,
                cell_scratch,
            )  # fmt: skip
        while end > begin:
            t_0 = max(begin, end - BLOCK)
            part = backward_block(
                net, data, i, targets, gradients, work, t_0, end, records + (t_0 - begin) * step,
                errors, z, scratch, readout, first, cell_scratch,
            )  # fmt: skip
            loss, correct = loss + part[0], correct + part[1]
            end = t_0
            if t_0:  # to where the block before looks for them
                after = errors + min(BLOCK, t_0) * net.error_rows
                copy_numbers(work, errors, after, net.error_rows)
    return loss, correct
