"""What the output reads of the steps of one sequence: see ``compiled.readouts``, and ``rows``.

Letters: L lanes, T steps.
"""

from __future__ import annotations

from elman.engines.compiled.machine import elementwise as f
from elman.engines.compiled.machine.helpers import helper
from elman.engines.compiled.machine.tiles import lanes, multiply_add, store, zeros
from elman.engines.compiled.readouts import (
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
def room_of_a_readout(out, unit):
    """The room of a readout: so far it is from that of one sequence to that of the next."""
    return N_PARTS * out.input_rows + unit if out.readout else 0


@helper
def take_step(out, readout, source, before, work, h, carried, t, with_steps):
    """Carry h_t on, from ``before``, and read r_t; return where it stands."""
    L, is_first = lanes(work), t == 0
    n = out.input_rows // L
    r = part(out, readout, READ, 1)
    n_steps = in_all_lanes(out, readout, work, t + 1, 1)
    if with_steps and out.readout == MAX:
        at = part(out, readout, LARGEST_AT, 1)
        mark_largest(work, h, L, carried, at, L, n, is_first, n_steps)
    carry(out, source, before, work, h, L, carried, L, n, is_first)
    read(out, work, carried, r, L, n, n_steps)
    return r


@helper
def error_of_read(net, readout, work, error, T):
    """Vᵀ times the outputs' errors; of a mean that of each step, over T."""
    L, out, V = lanes(work), net.layers[-1], net.gates[-1]
    to = part(out, readout, ERROR, 1)
    n_steps = in_all_lanes(out, readout, work, T, 1)
    for p in range(0, out.input_rows, L):
        d = zeros(work, 1, 1)
        at = V.back_down + p * out.n_units
        d = multiply_add(d, work, error, 0, 1, net.weights, at, L, out.n_units)
        if out.readout == MEAN:
            d = f.divide(d, n_steps)
        store(d, work, to + p, 0)


@helper
def error_of_step(out, readout, work, t):
    """Where dL/dh_t stands."""
    L = lanes(work)
    error, to = part(out, readout, ERROR, 1), part(out, readout, SHARE, 1)
    if out.readout == MEAN:
        return error
    at = part(out, readout, LARGEST_AT, 1)
    now = in_all_lanes(out, readout, work, t + 1, 1)
    share(work, error, at, L, to, out.input_rows // L, now)
    return to
