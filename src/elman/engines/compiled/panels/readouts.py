"""What the output reads of steps in panels, where a row is a unit and a lane a sequence.

See ``compiled.readouts``. Letters: L lanes, T steps.
"""

from __future__ import annotations

from elman.engines.compiled.machine import elementwise as f
from elman.engines.compiled.machine.helpers import helper
from elman.engines.compiled.machine.tiles import lanes, load, multiply_add, store, zeros
from elman.engines.compiled.readouts import (
    ANSWERING_AT,
    CARRIED,
    ERROR,
    LARGEST_AT,
    MAX,
    MEAN,
    N_PARTS,
    READ,
    SHARE,
    carry,
    in_all_lanes,
    mark_largest,
    part,
    read,
    share,
)


@helper
def room_of_panels(out, L):
    """What ``room`` says for panels, in numbers."""
    if out.readout:
        return (N_PARTS * out.input_rows + L) * L
    return 0


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
