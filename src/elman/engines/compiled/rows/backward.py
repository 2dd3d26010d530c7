"""A step back of one sequence or some side by side (N7): see ``rows``.

Letters: H units, L lanes, n sequences.
"""

from __future__ import annotations

from typing import Any

from elman.engines.compiled.machine import elementwise as f
from elman.engines.compiled.machine.helpers import helper
from elman.engines.compiled.machine.pointwise import call_backward
from elman.engines.compiled.machine.tiles import WIDE, lanes, load, multiply_add, store, zeros
from elman.engines.compiled.rows.forward import ABREAST, TOGETHER, vectors_of
from elman.engines.compiled.rows.readouts import room_of_a_readout


def errors_of(n_sequences: int, n_vectors: int) -> Any:
    """Make what computes dL/dh of so many sequences, of each so many vectors side by side."""

    def errors(
        net, layer, above, work, error_above, above_row, from_readout, readout_row, after, of_masks,
        n, to,
    ):  # fmt: skip
        """DL/dh_t of n sequences, to ``to``; see ``backward_step``."""
        L, rows, H = lanes(work), layer.rows, layer.n_units
        for p in range(0, H, n_vectors * L):
            for s in range(0, n, n_sequences):
                masks = of_masks + s * net.mask_rows + p
                tile = zeros(work, n_sequences, n_vectors)
                if from_readout >= 0:
                    at = from_readout + s * readout_row + p
                    tile = load(work, at, readout_row, n_sequences, n_vectors)
                if error_above >= 0:
                    for g in range(above.n_gates):
                        gate = net.gates[above.first_gate + g]
                        if gate.reads_x:
                            U = gate.back_down + p * above.n_units
                            delta = error_above + s * above_row + g * above.rows
                            tile = multiply_add(
                                tile, work, delta, above_row, 1, net.weights, U, L, above.n_units,
                                None, above.n_units * L,
                            )  # fmt: skip
                if layer.up_mask >= 0:
                    mask = masks + layer.up_mask
                    tile = f.multiply(tile, load(work, mask, net.mask_rows, n_sequences, n_vectors))
                if after >= 0:
                    from_above = tile
                    if layer.in_time_mask >= 0:
                        tile = zeros(work, n_sequences, n_vectors)
                    for g in range(layer.n_gates):
                        gate = net.gates[layer.first_gate + g]
                        if gate.reads_h:
                            W = gate.back_in_time + p * H
                            delta = after + s * net.error_rows + layer.error_place + g * rows
                            tile = multiply_add(
                                tile, work, delta, net.error_rows, 1, net.weights, W, L, H, None,
                                H * L,
                            )  # fmt: skip
                    if layer.in_time_mask >= 0:
                        mask = masks + layer.in_time_mask
                        kept = load(work, mask, net.mask_rows, n_sequences, n_vectors)
                        tile = f.add(from_above, f.multiply(tile, kept))
                store(tile, work, to + s * net.widest + p, net.widest)

    errors.__qualname__ = f"errors_{n_sequences}_{n_vectors}"  # programs on disk call by name
    return helper(errors)


errors_alone, errors_together = errors_of(1, WIDE), errors_of(TOGETHER, ABREAST)


@helper
def backward_step(
    net, layer, above, work, record, before, errors, after, error_above, above_row, from_readout, n,
    of_masks, several, scratch,
):  # fmt: skip
    """δ_t of each gate, from Uᵀ δ_t of the layer above and Wᵀ δ_{t+1}, through the cell (N7).

    Of up to ``TOGETHER`` sequences, whose records, errors and what comes from a readout stand one
    behind another. The output's U is V. What there is not has a negative place: records before, errors
    of the step ``after``, an error from above or one from a readout. ``scratch`` has a vector of zeros,
    then room for dL/dh. If ``several`` is None there is one sequence, and no more is compiled.
    """
    L, rows, is_alone = lanes(work), layer.rows, True
    if several is not None:
        is_alone = n <= TOGETHER // 2
    dh, readout_row = scratch + L, room_of_a_readout(net.layers[-1], WIDE * L)
    if is_alone:
        errors_alone(
            net, layer, above, work, error_above, above_row, from_readout, readout_row, after,
            of_masks, n, dh,
        )  # fmt: skip
    elif several is not None:
        errors_together(
            net, layer, above, work, error_above, above_row, from_readout, readout_row, after,
            of_masks, n, dh,
        )  # fmt: skip
    for s in range(n):
        h_before, before_apart, before_row = scratch, 0, 0
        if before >= 0:
            h_before, before_apart, before_row = before + s * net.state_rows + layer.place, rows, L
        later, later_apart, later_row = scratch, 0, 0
        if after >= 0:
            later = after + s * net.error_rows + layer.error_place + layer.n_gates * rows
            later_apart, later_row = rows, L
        h, error = record + s * net.state_rows, errors + s * net.error_rows
        call_backward(
            layer.cell_backward, layer.n_gates + layer.n_straight, layer.n_straight, layer.n_states,
            layer.n_stored, work, work, h_before, before_apart, before_row, dh + s * net.widest,
            later, later_apart, later_row, h + layer.place, rows, L, error + layer.error_place, rows,
            L, vectors_of(layer, L),
        )  # fmt: skip
