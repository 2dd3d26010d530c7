"""What the output reads of the steps of a sequence, in compiled functions: see ``equations.readouts``.

What is carried from step to step, r_t, and the rest stand in ``N_PARTS`` parts of a readout's room,
each a panel (or row) of the top layer. With one target a sequence nothing of a readout is kept for each
step: the mean sends each step the same error; of the maximum the step that has it is kept.

Steps are kept as numbers of the network's dtype, which hold them exactly up to ``LONGEST``.
"""

from __future__ import annotations

from elman.engines.compiled.layout import READOUT_CODES, Layout
from elman.engines.compiled.machine import elementwise as f
from elman.engines.compiled.machine.helpers import helper
from elman.engines.compiled.machine.tiles import broadcast_rows, load, store

MEAN, MAX = READOUT_CODES["mean"], READOUT_CODES["max"]
LONGEST = {4: 1 << 24, 8: 1 << 53}  # by the bytes of a number

# Parts, and behind them a vector for a number
CARRIED, READ, LARGEST_AT, ANSWERING_AT, ERROR, SHARE, N_PARTS = range(7)


def room(layout: Layout) -> int:
    """Rows (or numbers) that a readout works in; none for that of the last step."""
    if layout.architecture.readout == "last":
        return 0
    return N_PARTS * int(layout.layers["input_rows"][-1]) + layout.unit


@helper
def part(out, readout, which, L):
    """Where a part stands, of rows of L numbers."""
    return readout + which * out.input_rows * L


@helper
def in_all_lanes(out, readout, work, number, L):
    """A vector of equal numbers."""
    at = part(out, readout, N_PARTS, L)
    work[at] = number
    return broadcast_rows(work, at, 1, 1)


@helper
def carry(out, source, before, work, h, h_row, carried, carried_row, n_rows, is_first):
    """Add h_t to what is carried, n vectors: from ``before``, in ``source``, to ``carried``."""
    for i in range(n_rows):
        after = load(work, h + i * h_row, 0, 1, 1)
        if not is_first:
            so_far = load(source, before + i * carried_row, 0, 1, 1)
            after = f.add(so_far, after) if out.readout == MEAN else f.maximum(after, so_far)
        store(after, work, carried + i * carried_row, 0)


@helper
def mark_largest(work, h, h_row, carried, at, row, n_rows, is_first, now):
    """Write the step ``now`` where h_t is larger than what is carried, n vectors."""
    for i in range(n_rows):
        step = now
        if not is_first:
            h_i, so_far = load(work, h + i * h_row, 0, 1, 1), load(work, carried + i * row, 0, 1, 1)
            step = f.where_larger(h_i, so_far, now, load(work, at + i * row, 0, 1, 1))
        store(step, work, at + i * row, 0)


@helper
def read(out, work, carried, r, row, n_rows, n_steps):
    """Read r_t of what is carried after so many steps, n vectors."""
    for i in range(n_rows):
        value = load(work, carried + i * row, 0, 1, 1)
        if out.readout == MEAN:
            value = f.divide(value, n_steps)
        store(value, work, r + i * row, 0)


@helper
def share(work, error, at, row, share, n_rows, now):
    """Of the error of a maximum, what goes to the step ``now``: all where it has it, else nothing."""
    for i in range(n_rows):
        d = load(work, error + i * row, 0, 1, 1)
        store(f.where_equal(load(work, at + i * row, 0, 1, 1), now, d), work, share + i * row, 0)
