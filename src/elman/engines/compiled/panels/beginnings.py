"""What the steps of a panel's sequences begin with: x_t, states before the first step, masks.

Letters: T steps, D features, L lanes.
"""

from __future__ import annotations

from elman.engines.compiled import masks
from elman.engines.compiled.machine.helpers import helper
from elman.engines.compiled.machine.tiles import lanes, prefetch, store, zeros
from elman.engines.compiled.panels.places import masks_at


@helper
def count_alive(lengths, alive):
    """Write n_t for t = 0 … T: how many of the lengths, longest first, exceed t."""
    n = len(lengths)
    for t in range(len(alive)):
        while n and lengths[n - 1] <= t:
            n -= 1
        alive[t] = n


@helper
def load_inputs(data, first, t, n, work, x, width):
    """Gather x_t of n sequences, from the first one on, into a panel; have x_{t+1} brought near."""
    L, values, D = lanes(work), data.values, data.values.shape[1]
    for j in range(n):
        row = data.starts[first + j] + t
        for d in range(D):
            work[x + d * width + j] = values[row, d]
        for d in range(0, D, L):
            prefetch(values, (row + 1) * D + d)


@helper
def clear_tokens(net, work, n_lanes):
    """Where x_t is a token, make those of lanes without a sequence numbers of columns, too: 0.

    All that ever stands there are such numbers then. x comes first in ``work``.
    """
    layer = net.layers[0]
    if layer.reads_tokens:
        work[: layer.input_rows * n_lanes] = 0.0


@helper
def load_initial(net, data, first, n, work, initial):
    """Gather the states of n sequences, from the first one on, before their first step, if any.

    Returns where they stand, or -1.
    """
    L, n_rows = lanes(work), len(data.initial)
    if n_rows == 0:
        return -1
    for row in range(net.initial_rows):
        store(zeros(work, 1, 1), work, initial + row * L, 0)
    for layer in net.layers[:-1]:
        for s in range(layer.n_states):
            for j in range(n):
                row = first + j if n_rows > 1 else 0
                for i in range(layer.n_units):
                    place = initial + (layer.initial_place + s * layer.rows + i) * L + j
                    work[place] = data.initial[row, layer.initial_column + s * layer.n_units + i]
    return initial


@helper
def draw_masks(net, dropout, members, work, initial, scratch):
    """Draw the masks of some sequences, if there are any, and mask what W reads at first."""
    L = lanes(work)
    of_masks = masks_at(net, scratch, L)
    for j in range(L):  # behind the last sequence, as for the last
        masks.draw(net, dropout, members[min(j, len(members) - 1)], work, of_masks, L, j)
    for layer in net.layers[:-1]:
        if layer.in_time_mask >= 0 and initial >= 0:
            h, to = initial + layer.initial_place * L, initial + layer.initial_in_time * L
            mask = of_masks + layer.in_time_mask * L
            masks.apply(work, h, L, mask, L, to, L, layer.n_units)
