"""Loss and gradients of sequences in panels: forward, and back, a block of steps at a time.

See ``panels``. Letters: H units, K outputs, L lanes, T steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from elman._typing import Array
from elman.engines.compiled import readouts
from elman.engines.compiled.layout import Data, Layout, Net, Targets, lanes_of
from elman.engines.compiled.machine.compiling import entry
from elman.engines.compiled.machine.helpers import helper
from elman.engines.compiled.machine.tiles import (
    keep,
    lanes,
    load,
    multiply_add,
    store,
    tile_rows,
    tile_vectors,
    zeros,
)
from elman.engines.compiled.panels.answers import (
    collect,
    output,
    output_error,
    room_of_loss,
    rows_of_loss,
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
    area,
    errors_apart,
    errors_at,
    inputs_at,
    masks_at,
    part_at,
    shard_at,
    states_apart,
    states_at,
    step_after,
    width_at,
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
    forward,
    mask_states,
    room_of_steps,
)
from elman.equations.dropout import Dropout

WASTE = 1 << 20  # numbers: more than that is worth narrow panels, which take a little longer


@helper
def backward_step(
    net, layer, above, work, t, T, slots, begins, errors, error_above, has_error_above, from_readout,
    alive, initial, extras, scratch, apart,
):  # fmt: skip
    """δ_t of each gate, from Uᵀ δ_t of the layer above and Wᵀ δ_{t+1}, through the cell (N7).

    The output's U is V. What comes from a readout stands at ``from_readout``, if that is not negative.
    ``scratch`` has a vector of zeros, then room for dL/dh.
    """
    L, R, V = lanes(work), tile_rows(work, apart), tile_vectors(apart)
    of_masks, after = masks_at(net, scratch, L), step_after(layer, t, T)
    error_after = errors + errors_at(layer, after, L)
    for p in range(0, layer.n_units, L):
        for i in range(0, min(L, layer.n_units - p), R):
            tile = zeros(work, R, V)
            if from_readout >= 0:
                tile = load(work, from_readout + (p + i) * L, L, R, V, apart)
            if has_error_above:
                for g in range(above.n_gates):
                    gate = net.gates[above.first_gate + g]
                    if gate.reads_x:
                        U = gate.back_down + p * above.n_units + i
                        delta = error_above + g * errors_apart(above, L)
                        tile = multiply_add(
                            tile, net.weights, U, 1, L, work, delta, L, above.n_units,
                            layer.n_units - p - i, apart,
                        )  # fmt: skip
            tile = add_later(
                net, layer, tile, work, p, i, after >= 0, error_after, of_masks, extras, apart
            )
            store(tile, work, scratch + (1 + p + i) * L, L, apart)
    for s in range(tile_vectors(apart)):
        d = shard_at(s, apart)
        backward_cell(layer, work[d:], t, T, slots, begins, errors, alive[s, t], initial, scratch)


def are_narrow(state_rows: int, lengths: list[int], L: int) -> bool:
    """Whether panels of L lanes would take over twice the memory needed, and megabytes of it."""
    return state_rows * (lengths[0] * L - 2 * sum(lengths)) > WASTE


def lanes_in_all(state_rows: int, lengths: list[int], L: int, segment: int) -> int:
    """The lanes of all steps that are kept at a time.

    Narrow ones have one more, for what is written beyond the last row. Before a segment there is room
    for the steps that ``BLOCK`` + 1 is counted from, the one before it among them.
    """
    if segment < lengths[0]:
        return (segment + BLOCK + 1) * L
    return sum(lengths) + 1 if are_narrow(state_rows, lengths, L) else lengths[0] * L


def room_to_train(layout: Layout, lengths: list[int], segment: int) -> int:
    """See ``Kernel.room_to_train``: the states of a segment's steps, and those before each segment.

    The rest does not grow with them.
    """
    n_lanes = lanes_in_all(layout.state_rows, lengths, layout.unit, segment)
    kept = (-(-lengths[0] // segment) - 1) * layout.initial_rows
    return layout.state_rows * n_lanes + (kept + rows_beside_steps(layout)) * layout.unit


@lru_cache  # small networks have no time to lose on it
def rows_beside_steps(layout: Layout) -> int:
    """Rows that do not grow with the steps: the errors of a block, and the rest."""
    errors = layout.error_rows * (BLOCK + 1) + 2 * layout.widest * BLOCK
    rest = 2 * layout.widest + room_of_loss(layout) + room_of_steps(layout) + readouts.room(layout)
    return errors + rest


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
    """See ``Kernel.train``: over the L sequences from the first one on, or twice as many."""
    n, L, begins = len(gradients), lanes_of(work.dtype), None
    if n == 1 and segment >= lengths[0] and are_narrow(net.state_rows, lengths, L):
        t = np.arange(lengths[0] + 2)
        begins = np.zeros_like(t)
        for length in lengths:
            begins += np.minimum(t, length)
        begins[-1] += 1
    reads = True if net.has_readout else None
    apart = None if n == 1 else len(work) // (n * L) * L
    alive, sums = np.empty((n, lengths[0] + 1), np.int64), np.zeros((n, 2))
    has_extras = dropout is not None or len(data.initial) or len(data.after)
    has_extras = has_extras or segment < lengths[0] or net.layers[0]["reads_tokens"]
    extras = True if has_extras else None
    train_shards.of_kind(
        (work.itemsize, dropout is None, begins is None, reads, extras, n),
        net, data, first, targets, dropout, work, alive, tuple(gradients), sums, begins, reads, extras,
        segment, apart,
    )  # fmt: skip
    return [(loss, correct) for loss, correct in sums.tolist()]


@helper
def copy_states(net, work, t, slots, kept, scratch, is_back):
    """Copy all layers' states of step t to ``kept``, or back from there, with what masks leave."""
    L = lanes(work)
    for layer in net.layers[:-1]:
        for s in range(layer.n_states):
            h = states_at(layer, t, slots, None, L) + s * states_apart(layer, slots, None, L)
            to = kept + (layer.initial_place + s * layer.rows) * L
            for p in range(0, layer.rows * L, L):
                if is_back:
                    store(load(work, to + p, 0, 1, 1), work, h + p, 0)
                else:
                    store(load(work, h + p, 0, 1, 1), work, to + p, 0)
        if is_back and (layer.up_mask >= 0 or layer.in_time_mask >= 0):
            mask_states(net, layer, work, t, slots, None, scratch)


@helper
def write_states(net, work, t, slots, begins, row, first, last, after):
    """Write the states of the sequences that end at step t, lanes first … last - 1, from a row on."""
    L = lanes(work)
    width = width_at(t, begins, L)
    for layer in net.layers[:-1]:
        for s in range(layer.n_states):
            h = states_at(layer, t, slots, begins, L) + s * states_apart(layer, slots, begins, L)
            column = layer.initial_column + s * layer.n_units
            for j in range(first, last):
                for i in range(layer.n_units):
                    after[row + j, column + i] = work[h + i * width + j]


@helper
def forward_segment(
    net, data, first, alive, begin, end, base, slots, begins, work, initial, reads, readout,
    answering, is_first_time, extras, scratch, apart,
):  # fmt: skip
    """The states of the steps begin … end - 1, which stand as if ``base`` were step 0.

    The first time, what is read of them is carried on, and what sequences end with is collected.
    """
    L, top, out = lanes(work), net.layers[-2], net.layers[-1]
    for t in range(begin, end):
        u = t - base
        x, width = inputs_at(net.layers[0], u, slots, begins, L), width_at(u, begins, L)
        for s in range(tile_vectors(apart)):
            d = shard_at(s, apart)
            load_inputs(data, first + s * L, t, alive[s, t], work, x + d, width)
        forward(net, work, u, slots, begins, initial, extras, scratch, apart)
        if is_first_time:
            for s in range(tile_vectors(apart)):
                d = shard_at(s, apart)
                own, n_after, n = work[d:], alive[s, t + 1], alive[s, t]
                if not data.every_step:
                    h, of_h = inputs_at(out, u, slots, begins, L), width
                    if reads is not None:
                        h, of_h = take_step(out, readout, own, h, width, t, True), L
                        collect_steps(out, readout, own, n_after, n)
                    collect(own, h, of_h, top.n_units, n_after, n, answering)
                if extras is not None and len(data.after):
                    write_states(net, own, u, slots, begins, first + s * L, n_after, n, data.after)


@helper
def base_of(begin):
    """The step that counts as step 0 where a segment begins with step ``begin``.

    The step before it still counts, and the errors of a step stand where they stand in all segments.
    """
    return (begin - 1) // (BLOCK + 1) * (BLOCK + 1) if begin else 0


@helper
def backward_block(
    net, data, first, targets, gradients, sums, work, alive, begin, end, base, slots, begins, errors,
    transposed, z, answers, readout, reads, initial, extras, scratch, cell_scratch, apart,
):  # fmt: skip
    """Take errors back through the steps begin … end - 1, and add their gradients.

    Their states stand as if ``base`` were step 0. What these steps add to Σ w L, and to Σ w over the
    right answers, is added to ``sums``.
    """
    L, T, layers = lanes(work), alive.shape[1] - 1, net.layers
    out, V = layers[-1], net.gates[-1]
    of_units = BLOCK * L * L  # the transposed errors of L units
    n_alive = alive[:, base:]
    transposed_0 = transposed - (begin - base) * L * L  # where those of step 0 would be
    for s in range(tile_vectors(apart)):
        d = shard_at(s, apart)
        own, starts = work[d:], data.starts[first + s * L :]
        for t in range(begin, end):
            z_t, u = z + (t - begin) * out.rows * L, t - base
            if data.every_step:
                h = inputs_at(out, u, slots, begins, L)
                output(net, own, h, width_at(u, begins, L), z_t)
                n = alive[s, t]
                loss, correct = output_error(out, own, z_t, targets, starts[:n], t, scratch)
                sums[s, 0] += loss
                sums[s, 1] += correct
                transpose_panel(own, z_t, out.rows, transposed_0 + u * L * L, of_units)
            else:  # the errors of the sequences that end here
                for k in range(out.n_units):
                    error = load(own, answers + k * L, 0, 1, 1)
                    store(keep(error, alive[s, t + 1], alive[s, t]), own, z_t + k * L, 0)
        if data.every_step:
            h = inputs_at(out, 0, slots, begins, L)
            add_gradients(
                out, V, gradients[s], own, h, 0, begins, transposed_0, of_units, begin - base,
                end - base, n_alive[s], -1, extras,
            )  # fmt: skip
    for k in range(len(layers) - 2, -1, -1):
        layer, above = layers[k], layers[k + 1]
        of_gate = layer.rows // L * of_units
        for t in range(end - 1, begin - 1, -1):
            u = t - base
            error_above, has_error_above = errors + errors_at(above, u, L), True
            from_readout = -1
            if k == len(layers) - 2:
                error_above = z + (t - begin) * out.rows * L
                has_error_above = data.every_step
                for s in range(tile_vectors(apart)):
                    if reads is not None:
                        own = work[shard_at(s, apart) :]
                        from_readout = error_of_step(out, readout, own, t)
                    else:
                        has_error_above |= alive[s, t + 1] < alive[s, t]
            backward_step(
                net, layer, above, work, u, T - base, slots, begins, errors, error_above,
                has_error_above, from_readout, n_alive, initial, extras, cell_scratch, apart,
            )  # fmt: skip
            for s in range(tile_vectors(apart)):
                d = shard_at(s, apart)
                for g in range(layer.n_gates):
                    error = errors + errors_at(layer, u, L) + g * errors_apart(layer, L)
                    to = transposed_0 + g * of_gate + u * L * L
                    transpose_panel(work, d + error, layer.rows, d + to, of_units)
        x = inputs_at(layer, 0, slots, begins, L)
        h = part_at(layer, layer.in_time_place, 0, slots, begins, L)
        h_0 = initial + layer.initial_in_time * L if initial >= 0 else -1
        learns_initial = data.learns_initial and layer.initial >= 0
        for s in range(tile_vectors(apart)):
            own = work[shard_at(s, apart) :]
            for g in range(layer.n_gates):
                gate = net.gates[layer.first_gate + g]
                add_gradients(
                    layer, gate, gradients[s], own, x, h, begins, transposed_0 + g * of_gate, of_units,
                    begin - base, end - base, n_alive[s], h_0, extras,
                )  # fmt: skip
            if extras is not None and begin == 0 and learns_initial:
                n = alive[s, 0]
                add_initial_gradients(net, layer, gradients[s], own, errors, 0, 0, n, cell_scratch)


@entry
def train_shards(
    net, data, first, targets, dropout, work, alive, gradients, sums, begins, reads, extras, segment,
    apart,
):  # fmt: skip
    """Set the gradients of the L sequences from the first one on; add Σ w L, and w of right answers.

    The states of a segment of the steps are kept at a time, mostly of all. Where there are several,
    the way forward keeps those before each, and on the way back each but the last is computed anew.
    From the last step to the first, ``BLOCK`` steps at a time, the errors of all layers are computed,
    and become gradients while they are in the cache. Where there is no dropout, or nothing but the
    last step is read, and they are None, nothing of them is compiled; nor of segments, states before
    and after the sequences, tokens and masks, if ``extras`` is None.

    With ``apart`` it is done for two such shards side by side, which have as many steps, each in its
    part of ``work``. A number of the weights that is brought to a register serves both.
    """
    L, T = lanes(work), alive.shape[1] - 1
    slots, n_kept = T, T
    if extras is not None and segment < T:
        slots, n_kept = segment + BLOCK + 1, segment
    n_segments = (T + n_kept - 1) // n_kept
    top, out, V = net.layers[-2], net.layers[-1], net.gates[-1]

    # behind x and the states, all steps of a layer together
    kept = net.state_rows * area(slots, begins, L)
    errors = kept + (n_segments - 1) * net.initial_rows * L
    transposed = errors + net.error_rows * (BLOCK + 1) * L
    z = transposed + net.widest * BLOCK * L
    answering = z + out.rows * BLOCK * L
    answers = answering + top.rows * L
    scratch = answers + out.rows * L
    readout = scratch + rows_of_loss(out) * L
    cell_scratch = readout + room_of_panels(out, L)

    initial = -1
    for s in range(tile_vectors(apart)):
        d = shard_at(s, apart)
        own, i = work[d:], first + s * L
        members = data.members[i : min(i + L, len(data.lengths))]
        count_alive(data.lengths[i : i + len(members)], alive[s])
        store(zeros(own, 1, 1), own, cell_scratch, 0)
        if extras is not None:
            clear_tokens(net, own, area(slots, begins, L))
            of_initial = cell_scratch + (1 + net.widest) * L
            initial = load_initial(net, data, i, len(members), own, of_initial)
        if dropout is not None:
            draw_masks(net, dropout, members, own, initial, cell_scratch)
        gradients[s][:] = 0.0
    begin = base = 0
    for k in range(n_segments):
        end = T - (n_segments - 1 - k) * n_kept
        before = kept + (k - 1) * net.initial_rows * L
        if extras is not None and k > 0:
            base = base_of(begin)
            for s in range(tile_vectors(apart)):
                d = shard_at(s, apart)
                copy_states(net, work[d:], begin - 1 - base, slots, before, cell_scratch, True)
        forward_segment(
            net, data, first, alive, begin, end, base, slots, begins, work, initial, reads, readout,
            answering, True, extras, cell_scratch, apart,
        )  # fmt: skip
        if extras is not None and k < n_segments - 1:
            after = before + net.initial_rows * L
            for s in range(tile_vectors(apart)):
                d = shard_at(s, apart)
                copy_states(net, work[d:], end - 1 - base, slots, after, cell_scratch, False)
            begin = end
    if not data.every_step:
        for s in range(tile_vectors(apart)):
            own, i = work[shard_at(s, apart) :], first + s * L
            last = i + alive[s, 0]
            output(net, own, answering, L, answers)
            members = data.members[i:last]
            sums[s, 0], sums[s, 1] = output_error(out, own, answers, targets, members, 0, scratch)
            transpose_panel(own, answers, out.rows, transposed, L * L)
            add_gradients(
                out, V, gradients[s], own, answering, 0, None, transposed, L * L, 0, 1, alive[s], -1,
                extras,
            )  # fmt: skip
            if reads is not None:
                error_of_read(net, readout, own, answers, data.lengths[i:last])

    for k in range(n_segments - 1, -1, -1):
        end = T - (n_segments - 1 - k) * n_kept
        begin = max(0, end - n_kept)
        if extras is not None and k < n_segments - 1:
            base = base_of(begin)
            if k > 0:
                before = kept + (k - 1) * net.initial_rows * L
                for s in range(tile_vectors(apart)):
                    d = shard_at(s, apart)
                    copy_states(net, work[d:], begin - 1 - base, slots, before, cell_scratch, True)
            forward_segment(
                net, data, first, alive, begin, end, base, slots, begins, work, initial, reads,
                readout, answering, False, extras, cell_scratch, apart,
            )  # fmt: skip
        while end > begin:
            t_0 = max(begin, end - BLOCK)
            backward_block(
                net, data, first, targets, gradients, sums, work, alive, t_0, end, base, slots,
                begins, errors, transposed, z, answers, readout, reads, initial, extras, scratch,
                cell_scratch, apart,
            )  # fmt: skip
            end = t_0
