"""One sequence alone, in compiled functions: for single sequences, and for step-by-step use.

With nothing beside it to fill a vector's lanes, the lanes are units here: x_t, h_t and δ_t are rows
of numbers, and so is what multiplies one number of theirs, a column of U or W. Every sum runs in the
order it has in ``panels``, so that going forward gives the same bits.

A *record* has all of a step: x_t, then h_t of every layer. A ``layout.LAYER`` says where. A step is in
``rows_forward``, its way back in ``rows_backward``.

Letters: T steps, D features, H units, K outputs, L lanes; ``WIDE`` vectors are computed side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from elman._typing import Array
from elman.engines.compiled import masks, packing, readouts
from elman.engines.compiled.compiling import entry
from elman.engines.compiled.helpers import helper
from elman.engines.compiled.layout import Data, Layout, Net, Targets
from elman.engines.compiled.losses import N_PANELS
from elman.engines.compiled.rows_backward import (
    backward_step,
    error_of_read,
    error_of_step,
    output_error,
    room_of_loss,
    set_initial_gradients,
    sum_gradients,
)
from elman.engines.compiled.rows_forward import (
    WIDE,
    activate,
    forward_step,
    load_initial,
    load_inputs,
    mask_states,
    masks_at,
    output,
    room_of_cells,
    room_of_readout,
    take_step,
)
from elman.engines.compiled.tiles import lanes, store, zeros
from elman.equations.dropout import Dropout

BLOCK = 128  # steps whose errors are kept before they become gradients, while still in the cache
PAIRS = False

pack, unpack = packing.pack_rows, packing.unpack_rows


def unit(L: int) -> int:
    """See ``Kernel.unit``: all sums in flight are of units that there is room for."""
    return L * WIDE


def at_once(layout: Layout) -> int:
    """See ``Kernel.at_once``."""
    return 1


# Forward


def room_to_predict(layout: Layout, lengths: list[int]) -> int:
    """See ``Kernel.room_to_predict``."""
    rest = layout.widest + layout.unit + room_of_cells(layout) + readouts.room(layout)
    return 2 * layout.state_rows + rest


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
    """See ``Kernel.train``: over one sequence."""
    loss, correct = train_sequence.of_kind(
        (work.itemsize, dropout is None),
        net, data, first, targets, dropout, work, *gradients, segment,
    )  # fmt: skip
    return [(loss, correct)]


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
