"""What stands in records, and how many stand before others: see ``rows``.

Letters: D features, n sequences, T steps.
"""

from __future__ import annotations

from elman.engines.compiled.layout import Layout
from elman.engines.compiled.machine.helpers import helper


@helper
def n_alive(lengths, t):
    """How many sequences, longest first, have a step t; those before the first have all."""
    n = len(lengths)
    while n and lengths[n - 1] <= t:
        n -= 1
    return n


@helper
def n_before(lengths, t):
    """How many records stand before those of step t; before the first step -1 they count back."""
    if t < 0:
        return -len(lengths)
    total = 0
    for length in lengths:
        total += min(t, length)
    return total


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
                column = layer.initial_column + s * layer.n_units
                place = layer.place + s * layer.rows
                for i in range(layer.n_units):
                    records[record + place + i] = data.initial[row, column + i]
    return n_rows > 0


@helper
def write_states(net, work, record, states, row):
    """Copy the states of a record to a row of an array."""
    for layer in net.layers[:-1]:
        for s in range(layer.n_states):
            column, place = layer.initial_column + s * layer.n_units, layer.place + s * layer.rows
            for i in range(layer.n_units):
                states[row, column + i] = work[record + place + i]


@helper
def copy_numbers(work, source, target, n):
    """Copy n numbers."""
    for i in range(n):
        work[target + i] = work[source + i]


def rows_of_record(layout: Layout) -> int:
    """Numbers of what a sequence has between two steps: its record, and what its readout carries."""
    has_readout = layout.architecture.readout != "last"
    return layout.state_rows + has_readout * int(layout.layers["input_rows"][-1])
