"""A step of one sequence, from the lowest layer to ŷ (N2): see ``rows``.

Letters: D features, H units, K outputs, L lanes.
"""

from __future__ import annotations

from typing import Any

from elman.engines.compiled import elementwise as f
from elman.engines.compiled import masks, readouts
from elman.engines.compiled.helpers import helper
from elman.engines.compiled.layout import Layout
from elman.engines.compiled.pointwise import call_forward
from elman.engines.compiled.tiles import broadcast_rows, lanes, load, multiply_add, store

# Sums in flight: an addition takes the processor about four times as long as beginning one
WIDE = 4


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
