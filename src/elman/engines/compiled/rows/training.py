"""Loss and gradients of a few sequences: forward, and back, a block of steps at a time. See ``rows``.

Letters: K outputs, L lanes, n sequences, T steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from elman._typing import Array
from elman.engines.compiled import masks, readouts
from elman.engines.compiled.layout import Data, Layout, Net, Targets
from elman.engines.compiled.machine.compiling import entry
from elman.engines.compiled.machine.helpers import helper
from elman.engines.compiled.machine.losses import N_PANELS
from elman.engines.compiled.machine.tiles import WIDE, lanes, store, zeros
from elman.engines.compiled.rows.answers import output, output_error, room_of_loss
from elman.engines.compiled.rows.backward import backward_step
from elman.engines.compiled.rows.forward import (
    TOGETHER,
    forward_step,
    mask_states,
    masks_at,
    places_for,
    places_of,
    room_of_cells,
)
from elman.engines.compiled.rows.gradients import set_initial_gradients, sum_gradients
from elman.engines.compiled.rows.readouts import (
    error_of_read,
    error_of_step,
    room_of_a_readout,
    take_step,
)
from elman.engines.compiled.rows.records import (
    copy_numbers,
    load_initial,
    load_inputs,
    n_alive,
    n_before,
    write_states,
)
from elman.equations.dropout import Dropout

BLOCK = 128  # steps whose errors are kept before they become gradients, while still in the cache
BLOCK_TOGETHER = BLOCK // TOGETHER


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
        net, data, first, lengths, targets, gradients, work, begin, end, records, z, scratch, readout,
    )  # fmt: skip
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
