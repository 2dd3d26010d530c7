"""A step of one sequence or some side by side, from the lowest layer to ŷ (N2): see ``rows``.

Letters: D features, H units, K outputs, L lanes, n sequences.
"""

from __future__ import annotations

from typing import Any

from elman.engines.compiled import elementwise as f
from elman.engines.compiled import masks, readouts
from elman.engines.compiled.helpers import helper
from elman.engines.compiled.layout import Layout
from elman.engines.compiled.pointwise import ROWS_AT_ONCE, call_forward
from elman.engines.compiled.steps import round_up
from elman.engines.compiled.tiles import (
    IS_WIDE,
    WIDE,
    broadcast_rows,
    lanes,
    load,
    multiply_add,
    store,
)

# Sequences whose products share what is loaded of the weights, and how many vectors of units of each
# are computed side by side: the sums and what they are made of fill the registers
TOGETHER = 4
ABREAST = 4 if IS_WIDE else 1


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


def affine_of(n_sequences: int, n_vectors: int) -> Any:
    """Make what computes so many sequences and vectors side by side."""

    def affine(net, layer, gate, p, records, x, row, n, to, to_row):
        """A tile of b + U x, of units from p on.

        x of the first sequence stands at ``x``, that of the next one ``row`` further; of n sequences,
        as beyond them no tokens stand. These use the place ``to``, where the tile will be written.
        """
        L, weights = lanes(net.weights), net.weights
        b, apart = gate.forward + p * gate.n_forward, gate.n_forward * L
        if layer.reads_tokens and gate.reads_x:  # each has a column of its own
            bias = load(weights, b, 0, 1, n_vectors, apart)
            for i in range(min(n, n_sequences)):
                U = b + (1 + int(records[x + i * row])) * L
                column = load(weights, U, 0, 1, n_vectors, apart)
                store(f.add(bias, column), records, to + i * to_row, 0)
            return load(records, to, to_row, n_sequences, n_vectors)
        tile = load(weights, b, 0, n_sequences, n_vectors, apart)
        span = net.spans[gate.first_panel + p // L]
        U, x_0 = b + (1 + span.first_x) * L, x + span.first_x
        return multiply_add(tile, records, x_0, row, 1, weights, U, L, span.n_x, None, apart)

    affine.__qualname__ = f"affine_{n_sequences}_{n_vectors}"  # programs on disk call by name
    return helper(affine)


affine, affine_together = affine_of(1, 1), affine_of(TOGETHER, 1)


def gates_of(n_sequences: int, n_vectors: int) -> Any:
    """Make what computes the gates of so many sequences, of each so many vectors side by side."""
    affine = affine_of(n_sequences, n_vectors)

    def gates(net, layer, gate, records_before, before, records, record, n, is_first, a):
        """B + U x + W h of n sequences, to ``a``."""
        L, step, row = lanes(records), net.state_rows, net.widest
        x, h = record + layer.inputs_place, before + layer.in_time_place
        for p in range(0, layer.n_units, n_vectors * L):
            span = net.spans[gate.first_panel + p // L]
            W = gate.n_forward - layer.n_units + span.first_h
            W = gate.forward + p * gate.n_forward + W * L
            for s in range(0, n, n_sequences):
                to, x_s = a + s * row + p, x + s * step
                tile = affine(net, layer, gate, p, records, x_s, step, n - s, to, row)
                if gate.reads_h and not is_first:
                    tile = multiply_add(
                        tile, records_before, h + s * step + span.first_h, step, 1, net.weights, W, L,
                        span.n_h, None, gate.n_forward * L,
                    )  # fmt: skip
                store(tile, records, to, row)

    gates.__qualname__ = f"gates_{n_sequences}_{n_vectors}"
    return helper(gates)


gates_alone, gates_together = gates_of(1, WIDE), gates_of(TOGETHER, ABREAST)


@helper
def forward_step(
    net, records_before, before, records, record, n, is_first, of_masks, several, scratch
):  # fmt: skip
    """All layers' states of a step, from b + U x_t + W h_{t-1} of each gate (N2).

    There are n sequences, up to ``TOGETHER``. The states go into records that have x_t already, one
    behind another; so stand those of the step before, from ``before`` on, and the masks, from
    ``of_masks`` on. ``scratch``, in ``records``, has a vector of zeros, then room for the gates of each
    sequence. If ``several`` is None there is one sequence, and no more is compiled.
    """
    L, step = lanes(records), net.state_rows
    a, is_alone = scratch + L, True
    if several is not None:
        is_alone = n <= TOGETHER // 2  # two take less time so than in place of four
    for layer in net.layers[:-1]:
        rows, n_vectors = layer.rows, vectors_of(layer, L)
        for g in range(layer.n_gates):
            gate, to = net.gates[layer.first_gate + g], a + g * rows
            if is_alone:
                gates_alone(
                    net, layer, gate, records_before, before, records, record, n, is_first, to
                )
            elif several is not None:
                gates_together(
                    net, layer, gate, records_before, before, records, record, n, is_first, to
                )
        for s in range(n):
            h_before, states = before + s * step + layer.place, record + s * step + layer.place
            if is_first:
                call_forward(
                    layer.cell_forward, layer.n_gates, layer.n_states, layer.n_stored, records,
                    records, scratch, 0, 0, a + s * net.widest, rows, states, rows, L, n_vectors,
                )  # fmt: skip
            else:
                call_forward(
                    layer.cell_forward, layer.n_gates, layer.n_states, layer.n_stored,
                    records_before, records, h_before, rows, L, a + s * net.widest, rows, states,
                    rows, L, n_vectors,
                )  # fmt: skip
            mask_states(layer, records, record + s * step, of_masks + s * net.mask_rows)


@helper
def vectors_of(layer, L):
    """How many vectors have a layer's units, as many as a cell takes at once or a multiple."""
    return round_up(round_up(layer.n_units, L) // L, ROWS_AT_ONCE)


@helper
def n_together(n):
    """Of n sequences or steps, of how many the products are computed together, the first ones.

    Of the last ones, three are in place of four; one or two take less time one by one.
    """
    return (n + 1) // TOGETHER * TOGETHER


@helper
def output(net, records, h, h_row, n, work, z, several):
    """Z = c + V h of n sequences or steps, whose h are ``h_row`` apart: see ``forward_step``."""
    out, V, together = net.layers[-1], net.gates[-1], 0
    if several is not None:
        together = n_together(n)
    for p in range(0, out.n_units, lanes(work)):
        if several is not None:
            for i in range(0, together, TOGETHER):
                x, to = h + i * h_row, z + i * out.rows + p
                tile = affine_together(net, out, V, p, records, x, h_row, n - i, to, out.rows)
                store(tile, work, to, out.rows)
        for i in range(together, n):
            x, to = h + i * h_row, z + i * out.rows + p
            store(affine(net, out, V, p, records, x, 0, 1, to, 0), work, to, 0)


@helper
def softmax(work, z, K, scratch):
    """Turn z into ŷ = exp(z - max z) / Σ exp(z - max z) (N2); return max z and ln Σ."""
    L = lanes(work)
    largest = work[z]
    for k in range(1, K):
        largest = max(largest, work[z + k])
    work[scratch] = largest
    shift = broadcast_rows(work, scratch, 1, 1)
    for p in range(0, K, L):
        store(f.exp(f.subtract(load(work, z + p, 0, 1, 1), shift)), work, z + p, 0)
    total = work[z]
    for k in range(1, K):
        total += work[z + k]
    work[scratch] = total
    totals = broadcast_rows(work, scratch, 1, 1)
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


def places_for(n: int) -> int:
    """Places that n sequences take: what computes some together takes all of them."""
    return TOGETHER if n > TOGETHER // 2 else n


places_of = helper(places_for)


def room_of_cells(layout: Layout, n: int) -> int:
    """Numbers of what ``forward_step`` calls scratch, for up to n sequences."""
    return layout.unit + places_for(n) * (layout.widest + layout.mask_rows)


@helper
def masks_at(net, scratch, n):
    """Where the masks stand, behind what ``forward_step`` calls scratch."""
    return scratch + WIDE * lanes(net.weights) + places_of(n) * net.widest


@helper
def room_of_a_readout(out, unit):
    """What ``readouts.room`` says: so far it is from that of one sequence to the next one's."""
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
