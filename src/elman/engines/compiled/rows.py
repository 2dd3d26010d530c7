"""A few sequences, in compiled functions: each alone or some side by side; for steps of a stream, too.

With too few to fill a vector's lanes, the lanes are units here: x_t, h_t and δ_t are rows of numbers,
and so is what multiplies one number of theirs, a column of U or W. Where sequences stand side by side,
what is loaded of a column serves all of them. Every sum over inputs or units runs in the order it has
in ``panels``, so that going forward gives the same bits.

A *record* has all of a step of a sequence: x_t, then h_t of every layer. A ``layout.LAYER`` says where.
The records of a step stand one behind another, the longest sequence's first, and those of the next step
behind them; a sequence that has ended has none. A step is in ``rows_forward``, its way back in
``rows_backward``.

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
    n_alive,
    n_before,
    output_error,
    room_of_loss,
    set_initial_gradients,
    sum_gradients,
)
from elman.engines.compiled.rows_forward import (
    TOGETHER,
    activate,
    forward_step,
    load_initial,
    load_inputs,
    mask_states,
    masks_at,
    output,
    places_for,
    places_of,
    room_of_a_readout,
    room_of_cells,
    take_step,
)
from elman.engines.compiled.tiles import WIDE, lanes, store, zeros
from elman.equations.dropout import Dropout

BLOCK = 128  # steps whose errors are kept before they become gradients, while still in the cache
BLOCK_TOGETHER = BLOCK // TOGETHER
PAIRS = False

pack, unpack = packing.pack, packing.unpack


def unit(L: int) -> int:
    """See ``Kernel.unit``: all sums in flight are of units that there is room for."""
    return L * WIDE


def at_once(layout: Layout, n_sequences: int) -> int:
    """See ``Kernel.at_once``."""
    return 1 if n_sequences < TOGETHER else TOGETHER


# Forward


def room_to_predict(layout: Layout, lengths: list[int]) -> int:
    """See ``Kernel.room_to_predict``."""
    return room_of_two_steps(layout, min(len(lengths), TOGETHER))


@lru_cache  # small networks have no time to lose on it
def room_of_two_steps(layout: Layout, n: int) -> int:
    """Numbers of records of two steps, of what is read beyond them, and of the rest."""
    n = places_for(n)
    z = n * layout.widest + layout.unit
    rest = z + room_of_cells(layout, n) + n * readouts.room(layout)
    return (3 * n - 1) * layout.state_rows + rest


def predict(net: Net, data: Data, first: int, last: int, work: Array, y_hat: Array) -> None:
    """See ``Kernel.predict``."""
    several = True if last - first > 1 else None
    kind = work.itemsize, several
    predict_sequences.of_kind(kind, net, data, first, last, work, y_hat, several)


@entry
def predict_sequences(net, data, first, last, work, y_hat, several):
    """Write ŷ of the sequences first … last - 1, some side by side, to their places in ``y_hat``."""
    out, step = net.layers[-1], net.state_rows
    n_at_most = min(TOGETHER, last - first)
    of_step = n_at_most * step
    z = 2 * of_step  # behind the records of two steps
    scratch = z + places_of(n_at_most) * out.rows
    readout = scratch + WIDE * lanes(work)
    of_readout = room_of_a_readout(out, WIDE * lanes(work))
    cell_scratch = readout + n_at_most * of_readout
    store(zeros(work, 1, 1), work, cell_scratch, 0)
    for i in range(first, last, TOGETHER):
        lengths = data.lengths[i : min(i + TOGETHER, last)]
        has_initial, n = False, len(lengths)
        for s in range(n):
            has_initial = load_initial(net, data, i + s, work, of_step + s * step)
        for t in range(lengths[0]):
            records, before = t % 2 * of_step, (t + 1) % 2 * of_step
            n_after = n_alive(lengths, t + 1)
            for s in range(n):
                load_inputs(data.values, data.starts[i + s] + t, work, records + s * step)
            is_first = t == 0 and not has_initial
            forward_step(net, work, before, work, records, n, is_first, 0, several, cell_scratch)
            h, h_row = records + out.inputs_place, step
            if out.readout:
                for s in range(n):
                    own, h_s = readout + s * of_readout, records + s * step + out.inputs_place
                    carried = readouts.part(out, own, readouts.CARRIED, 1)
                    take_step(out, own, work, carried, work, h_s, carried, t, False)
                h, h_row = readouts.part(out, readout, readouts.READ, 1), of_readout
            begin = 0 if data.every_step else n_after  # those that answer
            output(net, work, h + begin * h_row, h_row, n - begin, work, z, several)
            for s in range(begin, n):
                z_s = z + (s - begin) * out.rows
                activate(out, work, z_s, scratch)
                place = data.starts[i + s] + t if data.every_step else data.members[i + s]
                for k in range(out.n_units):
                    y_hat[place, k] = work[z_s + k]
            n = n_after


def room_to_step(layout: Layout, n_sequences: int) -> int:
    """Numbers of what ``step`` goes from and to: records, ŷ of each sequence, and what z takes."""
    n_outputs = int(layout.layers["n_units"][-1])
    z = layout.widest + layout.unit
    beyond = (places_for(min(n_sequences, TOGETHER)) - 1) * layout.state_rows
    rest = z + room_of_cells(layout, min(n_sequences, TOGETHER)) + readouts.room(layout) + beyond
    return n_sequences * (rows_of_record(layout) + n_outputs) + rest


def rows_of_record(layout: Layout) -> int:
    """Numbers of what a sequence has between two steps: its record, and what its readout carries."""
    has_readout = layout.architecture.readout != "last"
    return layout.state_rows + has_readout * int(layout.layers["input_rows"][-1])


@entry
def step(
    layers, gates, weights, spans, state_rows, widest, scaling, x_t, before, after, answers, t, several
):  # fmt: skip
    """Take some sequences to step t, counted from 0, from records ``before`` to records ``after``.

    Behind the records is what a readout carries, and from ``answers`` on it writes ŷ. Returns whether
    (x_t - mean) / scale, which the network takes, is finite, and where it takes tokens one of them.
    """
    net = Net(layers, gates, weights, spans, state_rows, 0, 0, 0, widest, False)
    D, out = len(scaling) // 2, layers[-1]
    n = len(x_t) // D
    z = answers + n * out.n_units
    readout = z + out.rows + WIDE * lanes(after)
    cell_scratch = readout + room_of_a_readout(out, WIDE * lanes(after))
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
    for i in range(0, n, TOGETHER):
        record = i * state_rows
        n_here = min(TOGETHER, n - i)
        forward_step(net, before, record, after, record, n_here, False, 0, several, cell_scratch)
    for i in range(n):
        h = i * state_rows + out.inputs_place
        if out.readout:
            carried = n * state_rows + i * out.input_rows
            h = take_step(out, readout, before, carried, after, h, carried, t, False)
        output(net, after, h, 0, 1, after, z, None)
        activate(out, after, z, z + out.rows)
        for k in range(out.n_units):
            after[answers + i * out.n_units + k] = after[z + k]
    return True


# Forward, the loss, and back


def room_to_train(layout: Layout, lengths: list[int], segment: int) -> int:
    """See ``Kernel.room_to_train``."""
    T, n = lengths[0], len(lengths)
    n_records = n + sum(lengths)
    if segment < T:
        n_records = n * (1 + -(-T // segment))  # those before each segment
        n_records += sum(min(length, segment) for length in lengths)
    of_block = (layout.error_rows + layout.widest) * n * min(T, BLOCK if n == 1 else BLOCK_TOGETHER)
    return layout.state_rows * n_records + of_block + room_beside_steps(layout, n)


@lru_cache  # small networks have no time to lose on it
def room_beside_steps(layout: Layout, n: int) -> int:
    """Numbers that do not grow with the steps: the errors of the step behind a block, and the rest."""
    n = places_for(n)
    rest = room_of_loss(layout) + room_of_cells(layout, n) + n * readouts.room(layout)
    return n * layout.error_rows + (n - 1) * layout.state_rows + layout.widest + rest


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
    """See ``Kernel.train``: over a sequence, or some side by side."""
    several = True if len(lengths) > 1 else None
    has_states = len(data.initial) > 0 or len(data.after) > 0
    extras = True if dropout is not None or has_states or segment < lengths[0] else None
    loss, correct = train_sequences.of_kind(
        (work.itemsize, dropout is None, extras, several),
        net, data, first, first + len(lengths), targets, dropout, work, *gradients, segment, extras,
        several,
    )  # fmt: skip
    return [(loss, correct)]


@helper
def copy_numbers(work, source, target, n):
    """Copy n numbers."""
    for i in range(n):
        work[target + i] = work[source + i]


@helper
def forward_segment(
    net, data, first, lengths, begin, end, is_first, is_first_time, work, records, readout, of_masks,
    extras, several, scratch,
):  # fmt: skip
    """The records of the steps begin … end - 1; those of the step before stand before them.

    The first time the readout is carried on, and states after the last steps are written.
    """
    step, out = net.state_rows, net.layers[-1]
    of_readout = room_of_a_readout(out, WIDE * lanes(work))
    n = n_alive(lengths, begin)
    before, now = records - n_alive(lengths, begin - 1) * step, records
    for t in range(begin, end):
        n_after = n_alive(lengths, t + 1)
        for s in range(n):
            load_inputs(data.values, data.starts[first + s] + t, work, now + s * step)
        forward_step(
            net, work, before, work, now, n, is_first and t == 0, of_masks, several, scratch
        )
        if is_first_time and out.readout:
            for s in range(n):
                own, h = readout + s * of_readout, now + s * step + out.inputs_place
                carried = readouts.part(out, own, readouts.CARRIED, 1)
                take_step(out, own, work, carried, work, h, carried, t, True)
        if extras is not None and is_first_time and len(data.after):
            for s in range(n_after, n):
                write_states(net, work, now + s * step, data.after, first + s)
        before, now, n = now, now + n * step, n_after


@helper
def write_states(net, work, record, states, row):
    """Copy the states of a record to a row of an array."""
    for layer in net.layers[:-1]:
        for s in range(layer.n_states):
            column, place = layer.initial_column + s * layer.n_units, layer.place + s * layer.rows
            for i in range(layer.n_units):
                states[row, column + i] = work[record + place + i]


@helper
def output_block(
    net, data, first, lengths, targets, gradients, work, begin, end, records, z, scratch, readout
):  # fmt: skip
    """Errors of the outputs at the steps begin … end - 1, from ``z`` on, and their gradients (N5, N6).

    Where a sequence has one target, its last step alone has an error. Returns what they add to Σ w L
    and to Σ w of right answers.
    """
    out, V, step = net.layers[-1], net.gates[-1], net.state_rows
    of_readout = room_of_a_readout(out, WIDE * lanes(work))
    loss, correct, is_last = 0.0, 0.0, end == lengths[0]
    x, z_t = records + out.inputs_place, z
    if not data.every_step and n_alive(lengths, begin) == n_alive(lengths, end):
        return loss, correct
    if data.every_step:
        n = n_before(lengths, end) - n_before(lengths, begin)
        output(net, work, x, step, n, work, z, True)
    for t in range(begin, end):
        n_after = n_alive(lengths, t + 1)
        for s in range(n_alive(lengths, t)):
            if data.every_step:
                place = data.starts[first + s] + t
                part = output_error(out, work, z_t, targets, data.members, place, scratch)
                loss, correct = loss + part[0], correct + part[1]
            elif s >= n_after:
                own, h = readout + s * of_readout, x
                if out.readout:
                    h = readouts.part(out, own, readouts.READ, 1)
                output(net, work, h, 0, 1, work, z_t, True)
                place = data.members[first + s]
                part = output_error(out, work, z_t, targets, data.members, place, scratch)
                loss, correct = loss + part[0], correct + part[1]
                of_one = lengths[s : s + 1]
                sum_gradients(
                    out, V, gradients, work, h, 0, z_t, out.rows, 0, 0, 1, of_one, step, is_last
                )
                is_last = False
                if out.readout:
                    error_of_read(net, own, work, z_t, t + 1)
            x, z_t = x + step, z_t + out.rows
    if data.every_step:
        x = records + out.inputs_place
        sum_gradients(
            out, V, gradients, work, x, 0, z, out.rows, 0, begin, end, lengths, step, is_last
        )
    return loss, correct


@helper
def backward_block(
    net, data, first, lengths, targets, gradients, work, begin, end, records, errors, z, scratch,
    readout, first_step, of_masks, extras, several, cell_scratch,
):  # fmt: skip
    """Take errors back through the steps begin … end - 1, and add their gradients.

    The records of step ``begin`` stand at ``records``, its errors at ``errors``. Those of step ``end``
    stand behind the others already. There are states before a step from ``first_step`` on, 0 or 1.
    Returns what the steps add to Σ w L and to Σ w of right answers.
    """
    layers, step, n_errors = net.layers, net.state_rows, net.error_rows
    out, is_last = layers[-1], end == lengths[0]
    of_readout = room_of_a_readout(out, WIDE * lanes(work))
    found = output_block(
        net,
        data,
        first,
        lengths,
        targets,
        gradients,
        work,
        begin,
        end,
        records,
        z,
        scratch,
        readout,
    )
    for k in range(len(layers) - 2, -1, -1):
        layer, above = layers[k], layers[k + 1]
        after = n_before(lengths, end) - n_before(lengths, begin)
        n, n_after = n_alive(lengths, end - 1), n_alive(lengths, end)
        for t in range(end - 1, begin - 1, -1):
            now, n_earlier, before = after - n, n_alive(lengths, t - 1), -1
            if t >= first_step:
                before = records + (now - n_earlier) * step
            from_readout = -1
            if k == len(layers) - 2 and out.readout:
                from_readout = error_of_step(out, readout, work, t)
                for s in range(1, n):
                    error_of_step(out, readout + s * of_readout, work, t)
            # those that go on, and those that end here
            for begin_s, end_s in ((0, n_after), (n_after, n)):
                if begin_s == end_s:
                    continue
                goes_on = begin_s < n_after
                above_at, above_row = errors + above.error_place, n_errors
                if k == len(layers) - 2:
                    above_at, above_row = z, out.rows
                error_above = above_at + (now + begin_s) * above_row
                if k == len(layers) - 2 and (out.readout or (goes_on and not data.every_step)):
                    error_above = -1
                backward_step(
                    net, layer, above, work,
                    records + (now + begin_s) * step,
                    before + begin_s * step if before >= 0 else -1,
                    errors + (now + begin_s) * n_errors,
                    errors + after * n_errors if goes_on else -1,
                    error_above, above_row,
                    from_readout + begin_s * of_readout if from_readout >= 0 else -1,
                    end_s - begin_s, of_masks + begin_s * net.mask_rows, several, cell_scratch,
                )  # fmt: skip
            after, n_after, n = now, n, n_earlier
        for g in range(layer.n_gates):
            gate = net.gates[layer.first_gate + g]
            of_gate = errors + layer.error_place + g * layer.rows
            x, h = records + layer.inputs_place, records + layer.in_time_place
            sum_gradients(
                layer, gate, gradients, work, x, h, of_gate, n_errors, first_step, begin, end, lengths,
                step, is_last,
            )  # fmt: skip
        if begin == 0 and layer.initial >= 0:
            if extras is not None and data.learns_initial:
                for s in range(len(lengths)):
                    own, masks_of_s = errors + s * n_errors, of_masks + s * net.mask_rows
                    set_initial_gradients(
                        net, layer, gradients, work, own, s == 0, masks_of_s, cell_scratch
                    )
            else:
                at = layer.initial_gradient
                gradients[at : at + layer.n_states * layer.rows] = 0.0
    return found


@entry
def train_sequences(
    net, data, first, last, targets, dropout, work, gradients, segment, extras, several
):  # fmt: skip
    """Loss and gradients of the sequences first … last - 1; return Σ w L, and Σ w of right answers.

    The records of a segment of the steps are kept at a time. Where there are several, the way forward
    keeps the records before each, and on the way back, from the last to the first, each but the last
    is computed anew. In a segment the errors of a block of steps are computed at a time, the last ones
    first, and become gradients. If ``extras`` is None there are no segments, masks, and states before
    and after; if ``several`` is None there is one sequence: then nothing of it is compiled.
    """
    layers, step, lengths = net.layers, net.state_rows, data.lengths[first:last]
    out, n, T = layers[-1], len(lengths), lengths[0]
    n_block, n_kept = min(T, BLOCK if n == 1 else BLOCK_TOGETHER), min(T, segment)
    n_segments, n_records = (T + n_kept - 1) // n_kept, 0
    for length in lengths:
        n_records += min(length, n_kept)
    records = n * step  # behind those of the states before the first step of the segment
    kept = records + n_records * step  # the records before each segment
    errors = kept + (n_segments * n * step if n_segments > 1 else 0)
    z = errors + (n * n_block + places_of(n)) * net.error_rows
    scratch = z + (n * n_block + 1) * out.rows  # three outputs are computed as four
    readout = scratch + WIDE * lanes(work)
    if not out.is_softmax:
        readout = scratch + (N_PANELS + out.n_constants) * out.rows
    cell_scratch = readout + n * room_of_a_readout(out, WIDE * lanes(work))
    store(zeros(work, 1, 1), work, cell_scratch, 0)
    of_masks, first_step = masks_at(net, cell_scratch, n), 1
    if extras is not None:
        for s in range(n):
            if load_initial(net, data, first + s, work, s * step):
                first_step = 0
            if dropout is not None:  # else nothing of it is compiled
                masks_of_s = of_masks + s * net.mask_rows
                masks.draw(net, dropout, data.members[first + s], work, masks_of_s, 1, 0)
            if first_step == 0:
                for layer in layers[:-1]:
                    mask_states(layer, work, s * step, of_masks + s * net.mask_rows)

    begin = 0
    for k in range(n_segments):
        end = T - (n_segments - 1 - k) * n_kept
        if extras is not None and n_segments > 1:
            copy_numbers(work, 0, kept + k * n * step, n * step)
        forward_segment(
            net, data, first, lengths, begin, end, first_step == 1, True, work, records, readout,
            of_masks, extras, several, cell_scratch,
        )  # fmt: skip
        if extras is not None and k < n_segments - 1:
            n_here = n_before(lengths, end) - n_before(lengths, begin)
            n_last = n_alive(lengths, end - 1)
            copy_numbers(
                work, records + (n_here - n_last) * step, records - n_last * step, n_last * step
            )
            begin = end

    loss, correct = 0.0, 0.0
    for k in range(n_segments - 1, -1, -1):
        end = T - (n_segments - 1 - k) * n_kept
        begin = max(0, end - n_kept)
        if extras is not None and k < n_segments - 1:
            copy_numbers(work, kept + k * n * step, 0, n * step)
            forward_segment(
                net, data, first, lengths, begin, end, first_step == 1, False, work, records, readout,
                of_masks, extras, several, cell_scratch,
            )  # fmt: skip
        while end > begin:
            t_0 = max(begin, end - n_block)
            n_skipped = n_before(lengths, t_0) - n_before(lengths, begin)
            part = backward_block(
                net, data, first, lengths, targets, gradients, work, t_0, end,
                records + n_skipped * step, errors, z, scratch, readout, first_step, of_masks, extras,
                several, cell_scratch,
            )  # fmt: skip
            loss, correct = loss + part[0], correct + part[1]
            end = t_0
            if t_0:  # to where the block before looks for them
                n_there = n_before(lengths, t_0) - n_before(lengths, max(0, t_0 - n_block))
                after = errors + n_there * net.error_rows
                copy_numbers(work, errors, after, n_alive(lengths, t_0) * net.error_rows)
    return loss, correct
