"""Masks of dropout in compiled functions: drawn by ``equations.dropout``'s own lines.

What a mask multiplies is stored beside it, and products and gradients read that. All of it is there
only in training with dropout: elsewhere a layer's ``up_mask`` and ``in_time_mask`` are -1.
"""

from __future__ import annotations

import numpy as np

from elman.engines.compiled.machine import elementwise as f
from elman.engines.compiled.machine.helpers import helper
from elman.engines.compiled.machine.tiles import load, store
from elman.equations import dropout as equations

number, threshold = helper(equations.number), helper(equations.threshold)
is_dropped = helper(equations.is_dropped)
UP, IN_TIME = equations.UP, equations.IN_TIME


@helper
def key_of_layer(seed, update, layer, way):
    """See ``equations.dropout``."""
    return number(number(number(seed, update), layer), way)


@helper
def draw(net, dropout, sequence, work, masks, row, lane):
    """Draw the masks of one sequence; its numbers are ``row`` apart, from ``lane`` on."""
    seed, update = np.uint64(dropout.seed), np.uint64(dropout.update)
    for k in range(len(net.layers) - 1):
        layer = net.layers[k]
        if layer.up_mask >= 0:
            key = number(key_of_layer(seed, update, np.uint64(k), UP), np.uint64(sequence))
            draw_mask(layer, key, dropout.rate, work, masks + layer.up_mask * row + lane, row)
        if layer.in_time_mask >= 0:
            key = number(key_of_layer(seed, update, np.uint64(k), IN_TIME), np.uint64(sequence))
            at = masks + layer.in_time_mask * row + lane
            draw_mask(layer, key, dropout.recurrent_rate, work, at, row)


@helper
def draw_mask(layer, key, rate, work, at, row):
    """Draw a mask of a sequence, and zeros behind the last unit."""
    scale, limit = 1.0 / (1.0 - rate), threshold(rate)
    for i in range(layer.rows):
        is_kept = i < layer.n_units and not is_dropped(number(key, np.uint64(i)), limit)
        work[at + i * row] = scale if is_kept else 0.0


@helper
def apply(work, h, h_row, mask, mask_row, to, to_row, n):
    """Write what a mask leaves of n vectors."""
    for i in range(n):
        kept = f.multiply(
            load(work, h + i * h_row, 0, 1, 1), load(work, mask + i * mask_row, 0, 1, 1)
        )
        store(kept, work, to + i * to_row, 0)
