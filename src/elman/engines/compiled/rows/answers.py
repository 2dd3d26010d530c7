"""What the output makes of h, of one sequence or some: z, ŷ, the loss and its error (N2, N5).

Letters: K outputs, L lanes, n sequences.
"""

from __future__ import annotations

import numpy as np

from elman.engines.compiled.layout import Layout
from elman.engines.compiled.machine import elementwise as f
from elman.engines.compiled.machine.helpers import helper
from elman.engines.compiled.machine.losses import N_PANELS, call_loss
from elman.engines.compiled.machine.pointwise import call_forward
from elman.engines.compiled.machine.tiles import broadcast_rows, lanes, load, store
from elman.engines.compiled.rows.forward import TOGETHER, affine, affine_together


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


def room_of_loss(layout: Layout) -> int:
    """Numbers of what ``output_error`` calls scratch."""
    out = layout.layers[-1]
    return layout.unit if out["is_softmax"] else int((N_PANELS + out["n_constants"]) * out["rows"])


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
