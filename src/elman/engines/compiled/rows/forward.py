"""A step of one sequence or some side by side, through all layers (N2): see ``rows``.

Letters: D features, H units, L lanes, n sequences.
"""

from __future__ import annotations

from typing import Any

from elman.engines.compiled import masks
from elman.engines.compiled.layout import Layout
from elman.engines.compiled.machine import elementwise as f
from elman.engines.compiled.machine.helpers import helper, round_up
from elman.engines.compiled.machine.pointwise import ROWS_AT_ONCE, call_forward
from elman.engines.compiled.machine.tiles import IS_WIDE, WIDE, lanes, load, multiply_add, store

# Sequences whose products share what is loaded of the weights, and how many vectors of units of each
# are computed side by side: the sums and what they are made of fill the registers
TOGETHER = 4
ABREAST = 4 if IS_WIDE else 1


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
