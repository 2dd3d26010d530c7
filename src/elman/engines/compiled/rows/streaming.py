"""A step of a stream: see ``rows``.

Letters: D features, L lanes, n sequences.
"""

from __future__ import annotations

import numpy as np

from elman.engines.compiled import readouts
from elman.engines.compiled.layout import Layout, Net
from elman.engines.compiled.machine.compiling import entry
from elman.engines.compiled.machine.tiles import WIDE, lanes, store, zeros
from elman.engines.compiled.rows.answers import activate, output
from elman.engines.compiled.rows.forward import TOGETHER, forward_step, places_for, room_of_cells
from elman.engines.compiled.rows.readouts import room_of_a_readout, take_step
from elman.engines.compiled.rows.records import rows_of_record


def room_to_step(layout: Layout, n_sequences: int) -> int:
    """Numbers of what ``step`` goes from and to: records, ŷ of each sequence, and what z takes."""
    n_outputs = int(layout.layers["n_units"][-1])
    z = layout.widest + layout.unit
    beyond = (places_for(min(n_sequences, TOGETHER)) - 1) * layout.state_rows
    rest = z + room_of_cells(layout, min(n_sequences, TOGETHER)) + readouts.room(layout) + beyond
    return n_sequences * (rows_of_record(layout) + n_outputs) + rest


@entry
def step(
    layers, gates, weights, spans, state_rows, widest, scaling, x_t, before, after, answers, t, several
):  # fmt: skip
    """Take some sequences to step t, counted from 0, from records ``before`` to records ``after``.

    Behind the records is what a readout carries, and from ``answers`` on it writes ŷ. Returns whether
    (x_t - mean) / scale, which the network takes, is finite, and where it takes tokens one of them.
    """
    net = Net(layers, gates, weights, spans, state_rows, 0, 0, 0, widest, False)
    D, out = len(scaling) // 2, layers[-1]
    n = len(x_t) // D
    z = answers + n * out.n_units
    readout = z + out.rows + WIDE * lanes(after)
    cell_scratch = readout + room_of_a_readout(out, WIDE * lanes(after))
    store(zeros(after, 1, 1), after, cell_scratch, 0)
    for i in range(n):
        record = i * state_rows
        for d in range(D):
            x = (x_t[i * D + d] - scaling[d]) / scaling[D + d]
            if not np.isfinite(x):
                return False
            if layers[0].reads_tokens and not (0 <= x < layers[0].n_inputs and x == np.floor(x)):
                return False
            after[record + d] = x
    for i in range(0, n, TOGETHER):
        record = i * state_rows
        n_here = min(TOGETHER, n - i)
        forward_step(net, before, record, after, record, n_here, False, 0, several, cell_scratch)
    for i in range(n):
        h = i * state_rows + out.inputs_place
        if out.readout:
            carried = n * state_rows + i * out.input_rows
            h = take_step(out, readout, before, carried, after, h, carried, t, False)
        output(net, after, h, 0, 1, after, z, None)
        activate(out, after, z, z + out.rows)
        for k in range(out.n_units):
            after[answers + i * out.n_units + k] = after[z + k]
    return True
