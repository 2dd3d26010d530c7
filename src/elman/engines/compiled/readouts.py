"""What the output reads of the steps of a sequence, in compiled functions: see ``equations.readouts``.

What is carried from step to step, r_t, and the rest stand in ``N_PARTS`` parts of a readout's room,
each a panel (or row) of the top layer. With one target a sequence nothing of a readout is kept for each
step: the mean sends each step the same error; of the maximum the step that has it is kept.

Steps are kept as numbers of the network's dtype, which hold them exactly up to ``LONGEST``.
"""

from __future__ import annotations

from elman.engines.compiled import elementwise as f
from elman.engines.compiled.helpers import helper
from elman.engines.compiled.layout import READOUT_CODES, Layout
from elman.engines.compiled.tiles import broadcast_rows, lanes, load, multiply_add, store, zeros

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
def room_of_panels(out, L):
    """What ``room`` says for panels, in numbers."""
    if out.readout:
        return (N_PARTS * out.input_rows + L) * L
    return 0


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


# Panels: a row is a unit, a lane a sequence


@helper
def take_step(out, readout, work, h, width, t, with_steps):
    """Carry h_t of all lanes on, and read r_t; return where it stands."""
    L, n, is_first = lanes(work), out.n_inputs, t == 0
    carried, r = part(out, readout, CARRIED, L), part(out, readout, READ, L)
    n_steps = in_all_lanes(out, readout, work, t + 1, L)
    if with_steps and out.readout == MAX:
        at = part(out, readout, LARGEST_AT, L)
        mark_largest(work, h, width, carried, at, L, n, is_first, n_steps)
    carry(out, work, carried, work, h, width, carried, L, n, is_first)
    read(out, work, carried, r, L, n, n_steps)
    return r


@helper
def collect_steps(out, readout, work, first, last):
    """Keep the steps that have the maxima of the sequences that end, lanes first … last - 1."""
    if out.readout == MAX:
        L = lanes(work)
        at, to = part(out, readout, LARGEST_AT, L), part(out, readout, ANSWERING_AT, L)
        for i in range(out.n_inputs):
            for j in range(first, last):
                work[to + i * L + j] = work[at + i * L + j]


@helper
def error_of_read(net, readout, work, error, lengths):
    """Vᵀ times the outputs' errors; of a mean that of each step, over a sequence's length."""
    L, out, V = lanes(work), net.layers[-1], net.gates[-1]
    to, divisor = part(out, readout, ERROR, L), part(out, readout, N_PARTS, L)
    for j in range(L):
        work[divisor + j] = lengths[j] if j < len(lengths) else 1
    of_lanes = load(work, divisor, 0, 1, 1)
    for p in range(0, out.n_inputs, L):
        for i in range(min(L, out.n_inputs - p)):
            at = V.back_down + p * out.n_units + i
            d = zeros(work, 1, 1)
            d = multiply_add(d, net.weights, at, 1, L, work, error, L, out.n_units)
            if out.readout == MEAN:
                d = f.divide(d, of_lanes)
            store(d, work, to + (p + i) * L, 0)


@helper
def error_of_step(out, readout, work, t):
    """Where dL/dh_t stands, of the lanes of sequences that have a step t."""
    L = lanes(work)
    error, to = part(out, readout, ERROR, L), part(out, readout, SHARE, L)
    if out.readout == MEAN:
        return error
    now = in_all_lanes(out, readout, work, t + 1, L)
    share(work, error, part(out, readout, ANSWERING_AT, L), L, to, out.n_inputs, now)
    return to
