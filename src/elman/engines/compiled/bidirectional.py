"""Networks in both directions, in compiled functions: layer after layer, in panels as ``panels`` has.

A layer needs all steps of the layers below. So forward each layer goes through all steps before the
next one begins. Back, from the top down, each goes through its steps the other way round, a block of
them at a time, and adds its part to dL/dh of the states below.

The two layers of a level share a panel a step for each value that is stored: the forward one has the
upper rows, the reverse one those below. So the panel of h is what the layers above read. Rounded up,
the rows of the forward layer reach into those of the reverse one, which writes its own later.

Sequences stand longest first, and a reverse layer begins with their last steps: after step t the lanes
n_t … n_{t-1} - 1 get the states that their sequences begin with. Those behind compute for nothing.

Letters: T steps, D features, H units, K outputs, L lanes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elman._typing import Array
from elman.engines.compiled import readouts
from elman.engines.compiled.layout import Data, Layout, Net, Targets
from elman.engines.compiled.machine.compiling import entry
from elman.engines.compiled.machine.helpers import helper
from elman.engines.compiled.machine.tiles import lanes, load, multiply_add, store, tile_rows, zeros
from elman.engines.compiled.panels import at_once, unit
from elman.engines.compiled.panels.answers import (
    activate,
    collect,
    output,
    output_error,
    room_of_loss,
    rows_of_loss,
    write_answers,
)
from elman.engines.compiled.panels.beginnings import (
    clear_tokens,
    count_alive,
    draw_masks,
    load_initial,
    load_inputs,
)
from elman.engines.compiled.panels.gradients import (
    add_gradients,
    add_initial_gradients,
    transpose_panel,
)
from elman.engines.compiled.panels.places import (
    BLOCK,
    errors_apart,
    errors_at,
    inputs_at,
    masks_at,
    part_at,
    states_apart,
    states_at,
    step_after,
)
from elman.engines.compiled.panels.readouts import (
    collect_steps,
    error_of_read,
    error_of_step,
    room_of_panels,
    take_step,
)
from elman.engines.compiled.panels.steps import (
    add_later,
    backward_cell,
    forward_step,
    mask_rows,
    mask_states,
    room_of_steps,
)
from elman.equations.dropout import Dropout

__all__ = [
    "BLOCK",
    "PAIRS",
    "at_once",
    "predict",
    "room_to_predict",
    "room_to_train",
    "train",
    "unit",
]

PAIRS = False


# Forward


@helper
def forward(net, data, first, last, work, alive, initial, scratch):
    """All layers' states of all steps (N2), of the sequences first … last - 1.

    ``scratch`` has a vector of zeros, then room for the gates.
    """
    L, T = lanes(work), len(alive) - 1
    clear_tokens(net, work, T * L)
    for t in range(T):
        x = inputs_at(net.layers[0], t, T, None, L)
        load_inputs(data, first, t, alive[t], work, x, L)
    for layer in net.layers[:-1]:
        for i in range(T):
            t = T - 1 - i if layer.reverse else i
            forward_step(net, layer, work, t, T, None, initial, True, scratch, None)
            if layer.reverse and t > 0:
                begin_sequences(layer, work, t, T, alive[t], alive[t - 1], initial)
            mask_states(net, layer, work, t, T, None, scratch)


@helper
def begin_sequences(layer, work, t, T, first, last, initial):
    """Put the states that sequences begin with into the lanes first … last - 1, as those of step t."""
    L = lanes(work)
    for s in range(layer.n_states):
        h = states_at(layer, t, T, None, L) + s * states_apart(layer, T, None, L)
        h_0 = initial + (layer.initial_place + s * layer.rows) * L
        for i in range(layer.n_units):
            for j in range(first, last):
                work[h + i * L + j] = work[h_0 + i * L + j] if initial >= 0 else 0.0


@helper
def collect_last(net, work, alive, answering):
    """Copy the last states of each direction, of all sequences, to a panel (2 H, L)."""
    L, T = lanes(work), len(alive) - 1
    onward, reverse = net.layers[-3], net.layers[-2]
    for t in range(T):
        h = part_at(onward, onward.up_place, t, T, None, L)
        collect(work, h, L, onward.n_units, alive[t + 1], alive[t], answering)
    h = part_at(reverse, reverse.up_place, 0, T, None, L)
    collect(work, h, L, reverse.n_units, 0, alive[0], answering + onward.n_units * L)


@helper
def collect_read(net, work, alive, readout, answering, with_steps):
    """Copy what is read of all steps, of both directions, to a panel (2 H, L)."""
    L, T, out = lanes(work), len(alive) - 1, net.layers[-1]
    for t in range(T):
        h = inputs_at(out, t, T, None, L)
        r = take_step(out, readout, work, h, L, t, with_steps)
        if with_steps:
            collect_steps(out, readout, work, alive[t + 1], alive[t])
        collect(work, r, L, out.n_inputs, alive[t + 1], alive[t], answering)


def room_to_predict(layout: Layout, lengths: list[int]) -> int:
    """See ``Kernel.room_to_predict``: the states of all steps."""
    out = layout.layers[-1]
    rest = int(out["rows"] + out["input_rows"]) + room_of_steps(layout) + readouts.room(layout)
    return (layout.state_rows * lengths[0] + rest) * layout.unit


def predict(net: Net, data: Data, first: int, last: int, work: Array, y_hat: Array) -> None:
    """See ``Kernel.predict``."""
    room = np.empty(data.lengths[first] + 1, np.int64)
    predict_shards.of_kind(work.itemsize, net, data, first, last, work, room, y_hat)


@entry
def predict_shards(net, data, first, last, work, room, y_hat):
    """Write ŷ of the sequences first … last - 1, L at a time, to their places in ``y_hat``."""
    L, out = lanes(work), net.layers[-1]
    for start in range(first, last, L):
        end = min(start + L, last)
        alive = room[: data.lengths[start] + 1]
        count_alive(data.lengths[start:end], alive)
        T = len(alive) - 1
        z = net.state_rows * T * L  # behind x and the states
        answering = z + out.rows * L
        readout = answering + out.input_rows * L
        scratch = readout + room_of_panels(out, L)
        store(zeros(work, 1, 1), work, scratch, 0)
        members = data.members[start:end]
        initial = load_initial(net, data, start, alive[0], work, scratch + (1 + net.widest) * L)
        forward(net, data, start, end, work, alive, initial, scratch)
        if data.every_step:
            for t in range(T):
                h = inputs_at(out, t, T, None, L)
                if out.readout:
                    h = take_step(out, readout, work, h, L, t, False)
                output(net, work, h, L, z)
                activate(out, work, z)
                write_answers(work, z, data.starts[start : start + alive[t]], t, y_hat)
        else:
            if out.readout:
                collect_read(net, work, alive, readout, answering, False)
            else:
                collect_last(net, work, alive, answering)
            output(net, work, answering, L, z)
            activate(out, work, z)
            write_answers(work, z, members, 0, y_hat)


# Forward, the loss, and back


@helper
def add_down(net, layer, work, errors, is_first, dh):
    """Uᵀ δ_t, what a layer sends to the states that it reads: set, or added to what is there."""
    L, R = lanes(work), tile_rows(work)
    for p in range(0, layer.n_inputs, L):
        for i in range(0, min(L, layer.n_inputs - p), R):
            tile = zeros(work, R, 1)
            if not is_first:
                tile = load(work, dh + (p + i) * L, L, R, 1)
            for g in range(layer.n_gates):
                gate = net.gates[layer.first_gate + g]
                if gate.reads_x:
                    U = gate.back_down + p * layer.n_units + i
                    delta = errors + g * errors_apart(layer, L)
                    tile = multiply_add(
                        tile, net.weights, U, 1, L, work, delta, L, layer.n_units,
                        layer.n_inputs - p - i,
                    )  # fmt: skip
            store(tile, work, dh + (p + i) * L, L)


@helper
def backward_step(net, layer, work, t, T, errors, dh_t, alive, initial, scratch):
    """δ_t of each gate, from dL/dh_t from above and Wᵀ δ of the step after, through the cell (N7).

    For a reverse layer the step after is t - 1. ``scratch`` has a vector of zeros, then room for dL/dh.
    """
    L, R = lanes(work), tile_rows(work)
    of_masks, after = masks_at(net, scratch, L), step_after(layer, t, T)
    error_after = errors + errors_at(layer, after, L)
    for p in range(0, layer.n_units, L):
        for i in range(0, min(L, layer.n_units - p), R):
            tile = load(work, dh_t + (p + i) * L, L, R, 1)
            tile = add_later(
                net, layer, tile, work, p, i, after >= 0, error_after, of_masks, True, None
            )
            store(tile, work, scratch + (1 + p + i) * L, L)
    backward_cell(layer, work, t, T, T, None, errors, alive, initial, scratch)


@helper
def backward_layer(
    net, layer, gradients, work, alive, errors, transposed, dh, is_first, dh_below, initial,
    learns_initial, scratch,
):  # fmt: skip
    """Take a layer's errors back through its steps, and add its gradients.

    dL/dh of all steps, of the level, stands at ``dh``; that of the level below at ``dh_below``.
    """
    L, T = lanes(work), len(alive) - 1
    step = BLOCK * L * L  # the transposed errors of L units from those of the next
    gate_apart = layer.rows // L * step
    x, h = inputs_at(layer, 0, T, None, L), part_at(layer, layer.in_time_place, 0, T, None, L)
    h_0 = initial + layer.initial_in_time * L if initial >= 0 else -1
    for start in range(0, T, BLOCK):
        n = min(BLOCK, T - start)
        begin = start if layer.reverse else T - start - n
        transposed_0 = transposed - begin * L * L  # where step 0 would be
        for i in range(n):
            t = begin + i if layer.reverse else begin + n - 1 - i
            dh_t = dh + (t * layer.panel_rows + layer.reverse * layer.n_units) * L
            backward_step(net, layer, work, t, T, errors, dh_t, alive[t], initial, scratch)
            error = errors + errors_at(layer, t, L)
            if layer.has_layer_below:
                below = dh_below + t * layer.input_rows * L
                add_down(net, layer, work, error, is_first, below)
            for g in range(layer.n_gates):
                to = transposed_0 + g * gate_apart + t * L * L
                transpose_panel(work, error + g * errors_apart(layer, L), layer.rows, to, step)
            if learns_initial and layer.initial >= 0:
                first, last = alive[t + 1], alive[t]  # of a reverse layer, those that begin here
                if not layer.reverse:
                    first, last = 0, alive[t] if t == 0 else 0
                if first < last:
                    add_initial_gradients(
                        net, layer, gradients, work, errors, t, first, last, scratch
                    )
        for g in range(layer.n_gates):
            gate = net.gates[layer.first_gate + g]
            of_gate = transposed_0 + g * gate_apart
            add_gradients(
                layer, gate, gradients, work, x, h, None, of_gate, step, begin, begin + n, alive, h_0,
                True,
            )  # fmt: skip


@helper
def answer_steps(
    net, data, first, last, targets, gradients, work, alive, transposed, z, dh, scratch
):
    """Answer at every step; add dV and dc, and set dL/dh of the top level's states.

    Returns Σ w L, and Σ w over the right answers.
    """
    L, T, out, V = lanes(work), len(alive) - 1, net.layers[-1], net.gates[-1]
    loss, correct, step = 0.0, 0.0, BLOCK * L * L
    for begin in range(0, T, BLOCK):
        end, transposed_0 = min(begin + BLOCK, T), transposed - begin * L * L
        for t in range(begin, end):
            output(net, work, inputs_at(out, t, T, None, L), L, z)
            places = data.starts[first : first + alive[t]]
            part = output_error(out, work, z, targets, places, t, scratch)
            loss, correct = loss + part[0], correct + part[1]
            transpose_panel(work, z, out.rows, transposed_0 + t * L * L, step)
            add_down(net, out, work, z, True, dh + t * out.input_rows * L)
        h = inputs_at(out, 0, T, None, L)
        add_gradients(
            out, V, gradients, work, h, 0, None, transposed_0, step, begin, end, alive, -1, True
        )
    return loss, correct


@helper
def answer_last(
    net, data, first, last, targets, gradients, work, alive, transposed, z, dh, readout, scratch
):
    """Answer once a sequence; else as ``answer_steps``. Behind z there is room for states, twice."""
    L, T, out, V = lanes(work), len(alive) - 1, net.layers[-1], net.gates[-1]
    answering = z + out.rows * L
    dh_answering, H = answering + out.input_rows * L, net.layers[-2].n_units
    if out.readout:
        collect_read(net, work, alive, readout, answering, True)
    else:
        collect_last(net, work, alive, answering)
    output(net, work, answering, L, z)
    places = data.members[first:last]
    loss, correct = output_error(out, work, z, targets, places, 0, scratch)
    transpose_panel(work, z, out.rows, transposed, L * L)
    add_gradients(
        out, V, gradients, work, answering, 0, None, transposed, L * L, 0, 1, alive, -1, True
    )
    if out.readout:
        error_of_read(net, readout, work, z, data.lengths[first:last])
        for t in range(T):
            share = error_of_step(out, readout, work, t)
            mask_rows(work, share, out.n_inputs, 0, alive[t], dh + t * out.input_rows * L)
        return loss, correct
    add_down(net, out, work, z, True, dh_answering)
    for t in range(T):
        dh_t = dh + t * out.input_rows * L
        mask_rows(work, dh_answering, H, alive[t + 1], alive[t], dh_t)
        n_beginning = alive[0] if t == 0 else 0
        mask_rows(work, dh_answering + H * L, H, 0, n_beginning, dh_t + H * L)
    return loss, correct


def room_to_train(layout: Layout, lengths: list[int], segment: int) -> int:
    """See ``Kernel.room_to_train``: the states of all steps, and dL/dh of a level and the one below.

    A layer goes through all steps before the next one does: there are no segments.
    """
    out, T = layout.layers[-1], lengths[0]
    n_levels = len(layout.architecture.hidden)
    dh = min(n_levels, 2) * int(layout.layers["panel_rows"][:-1].max())
    errors = layout.error_rows * (BLOCK + 1) + layout.widest * BLOCK
    rest = int(out["rows"] + 2 * out["input_rows"])
    rest += room_of_loss(layout) + room_of_steps(layout) + readouts.room(layout)
    return ((layout.state_rows + dh) * T + errors + rest) * layout.unit


def train(
    net: Net,
    data: Data,
    first: int,
    lengths: list[int],
    targets: Targets,
    dropout: Dropout | None,
    work: Array,
    gradients: Sequence[Array],
    segment: int,
) -> list[tuple[float, float]]:
    """See ``Kernel.train``: over the L sequences from the first one on, all steps at a time."""
    room = np.empty(lengths[0] + 1, np.int64)
    loss, correct = train_shard.of_kind(
        (work.itemsize, dropout is None),
        net, data, first, targets, dropout, work, room, *gradients,
    )  # fmt: skip
    return [(loss, correct)]


@entry
def train_shard(net, data, first, targets, dropout, work, room, gradients):
    """Compute loss and gradients over the L sequences from the first one on.

    Returns Σ w L, and Σ w over the right answers.
    """
    L, layers, out = lanes(work), net.layers, net.layers[-1]
    last = min(first + L, len(data.lengths))
    alive = room[: data.lengths[first] + 1]
    count_alive(data.lengths[first:last], alive)
    T = len(alive) - 1
    highest = 0
    for layer in layers[:-1]:
        highest = max(highest, layer.panel_rows)

    dh = net.state_rows * T * L  # behind x and the states
    dh_below = dh + highest * T * L if len(layers) > 3 else dh  # one level has none below
    errors = dh_below + highest * T * L
    transposed = errors + net.error_rows * (BLOCK + 1) * L
    z = transposed + net.widest * BLOCK * L
    scratch = z + (out.rows + 2 * out.input_rows) * L
    readout = scratch + rows_of_loss(out) * L
    cell_scratch = readout + room_of_panels(out, L)

    store(zeros(work, 1, 1), work, cell_scratch, 0)
    gradients[:] = 0.0
    members = data.members[first:last]
    initial = load_initial(net, data, first, alive[0], work, cell_scratch + (1 + net.widest) * L)
    if dropout is not None:  # else nothing of it is compiled
        draw_masks(net, dropout, members, work, initial, cell_scratch)
    forward(net, data, first, last, work, alive, initial, cell_scratch)
    if data.every_step:
        loss, correct = answer_steps(
            net, data, first, last, targets, gradients, work, alive, transposed, z, dh, scratch
        )
    else:
        loss, correct = answer_last(
            net, data, first, last, targets, gradients, work, alive, transposed, z, dh, readout,
            scratch,
        )  # fmt: skip
    for k in range(len(layers) - 2, -1, -1):
        layer, is_first = layers[k], layers[k].reverse == 1
        backward_layer(
            net, layer, gradients, work, alive, errors, transposed, dh, is_first, dh_below, initial,
            data.learns_initial, cell_scratch,
        )  # fmt: skip
        if not layer.reverse:
            dh, dh_below = dh_below, dh
    return loss, correct
