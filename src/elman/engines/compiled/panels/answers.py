"""What the output makes of panels of states: z, ŷ, the loss and its errors (N2, N5).

Letters: K outputs, L lanes.
"""

from __future__ import annotations

import numpy as np

from elman.engines.compiled.layout import Layout
from elman.engines.compiled.machine import elementwise as f
from elman.engines.compiled.machine.helpers import helper, round_up
from elman.engines.compiled.machine.losses import N_PANELS, call_loss
from elman.engines.compiled.machine.pointwise import ROWS_AT_ONCE, call_forward
from elman.engines.compiled.machine.tiles import keep, lanes, load, store, tile_rows, zeros
from elman.engines.compiled.panels.steps import affine


@helper
def output(net, work, h, width, z):
    """Z = c + V h, a panel."""
    L, out, gate = lanes(work), net.layers[-1], net.gates[-1]
    for p in range(0, out.n_units, L):
        span, b = net.spans[gate.first_panel + p // L], gate.forward + p * gate.n_forward
        V, h_p = b + (1 + span.first_x) * L, h + span.first_x * width
        for i in range(0, min(L, out.n_units - p), tile_rows(work)):
            used = out.n_units - p - i
            tile = affine(net.weights, b + i, V + i, span.n_x, used, work, h_p, width, None)
            store(tile, work, z + (p + i) * L, L)


@helper
def softmax(work, z, K):
    """Turn z into ŷ = exp(z - max z) / Σ exp(z - max z), lane by lane (N2).

    Returns two tiles, max z and Σ exp(z - max z).
    """
    L = lanes(work)
    largest = load(work, z, 0, 1, 1)
    for k in range(1, K):
        largest = f.maximum(load(work, z + k * L, 0, 1, 1), largest)
    total = zeros(work, 1, 1)
    for k in range(K):
        y = f.exp(f.subtract(load(work, z + k * L, 0, 1, 1), largest))
        store(y, work, z + k * L, 0)
        total = f.add(total, y)
    for k in range(K):
        store(f.divide(load(work, z + k * L, 0, 1, 1), total), work, z + k * L, 0)
    return largest, total


@helper
def activate(out, work, z):
    """Turn z into ŷ, lane by lane: by a softmax, or what a loss of numbers has instead."""
    if out.is_softmax:
        softmax(work, z, out.n_units)
    elif out.activation:
        L = lanes(work)
        n = round_up(out.n_units, ROWS_AT_ONCE)
        call_forward(out.activation, 1, 0, 1, work, work, z, 0, 0, z, 0, z, 0, L, n)


@helper
def collect(work, h, width, n_units, first, last, answering):
    """Copy the lanes first … last - 1 of a panel h, whose sequences end, to those that answer."""
    L = lanes(work)
    for i in range(n_units):
        for j in range(first, last):
            work[answering + i * L + j] = work[h + i * width + j]


@helper
def write_answers(work, y, places, t, y_hat):
    """Copy the lanes of a panel ŷ to the rows ``places`` + t of an array (n_answers_in_all, K)."""
    L = lanes(work)
    for j in range(len(places)):
        for k in range(y_hat.shape[1]):
            y_hat[places[j] + t, k] = work[y + k * L + j]


def room_of_loss(layout: Layout) -> int:
    """Rows of what ``output_error`` calls scratch, of L lanes."""
    out = layout.layers[-1]
    return 2 if out["is_softmax"] else int((N_PANELS + out["n_constants"]) * out["rows"])


@helper
def rows_of_loss(out):
    """What ``room_of_loss`` says, in compiled functions."""
    return 2 if out.is_softmax else (N_PANELS + out.n_constants) * out.rows


@helper
def output_error(out, work, z, targets, places, t, scratch):
    """Turn z into w dL/dz, zero in lanes without a target; return Σ w L, and Σ w of right answers.

    The lanes' targets and weights stand at ``places`` + t.
    """
    if out.is_softmax:
        return error_of_classes(work, z, out.n_units, targets, places, t, scratch)
    loss = call_loss(
        out.loss, work, targets.numbers, targets.weights, targets.constants, places, t, len(places),
        z, scratch, out.n_units, out.rows, targets.numbers.shape[1], targets.outputs_a_number,
        out.n_constants, (N_PANELS + out.n_constants) * lanes(work),
    )  # fmt: skip
    return loss, 0.0


@helper
def error_of_classes(work, z, K, targets, places, t, scratch):
    """Turn z into dL/dz = w (ŷ - y) (N5), zero in lanes that have no label.

    Returns Σ w L, and Σ w over right answers.
    """
    L, n = lanes(work), len(places)
    correct = 0.0
    for j in range(L):
        work[scratch + j] = targets.weights[places[j] + t] if j < n else 0.0
    for j in range(n):
        label = targets.labels[places[j] + t]
        own = work[z + label * L + j]
        is_largest = True
        for k in range(K):
            other = work[z + k * L + j]
            is_largest &= own > other or (own == other and label <= k)
        if is_largest:
            correct += np.float64(work[scratch + j])
        work[scratch + L + j] = own

    largest, total = softmax(work, z, K)
    # -ln ŷ = ln Σ exp(z - max z) - (z - max z), for the label's z
    losses = f.subtract(f.log(total), f.subtract(load(work, scratch + L, 0, 1, 1), largest))
    store(losses, work, scratch + L, 0)
    weights = load(work, scratch, 0, 1, 1)
    for k in range(K):
        error = f.multiply(load(work, z + k * L, 0, 1, 1), weights)
        store(keep(error, 0, n), work, z + k * L, 0)
    loss = 0.0
    for j in range(n):
        work[z + targets.labels[places[j] + t] * L + j] -= work[scratch + j]
        loss += np.float64(work[scratch + j]) * np.float64(work[scratch + L + j])
    return loss, correct
