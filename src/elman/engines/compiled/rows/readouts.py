"""What the output reads of the steps of one sequence: see ``compiled.readouts``, and ``rows``.

Letters: L lanes, T steps.
"""

from __future__ import annotations

from elman.engines.compiled import readouts
from elman.engines.compiled.machine import elementwise as f
from elman.engines.compiled.machine.helpers import helper
from elman.engines.compiled.machine.tiles import lanes, multiply_add, store, zeros


@helper
def room_of_a_readout(out, unit):
    """What ``readouts.room`` says: so far it is from that of one sequence to the next one's."""
    return readouts.N_PARTS * out.input_rows + unit if out.readout else 0


@helper
def take_step(out, readout, source, before, work, h, carried, t, with_steps):
    """Carry h_t on, from ``before``, and read r_t; return where it stands."""
    L, is_first = lanes(work), t == 0
    n = out.input_rows // L
    r = readouts.part(out, readout, readouts.READ, 1)
    n_steps = readouts.in_all_lanes(out, readout, work, t + 1, 1)
    if with_steps and out.readout == readouts.MAX:
        at = readouts.part(out, readout, readouts.LARGEST_AT, 1)
        readouts.mark_largest(work, h, L, carried, at, L, n, is_first, n_steps)
    readouts.carry(out, source, before, work, h, L, carried, L, n, is_first)
    readouts.read(out, work, carried, r, L, n, n_steps)
    return r


@helper
def error_of_read(net, readout, work, error, T):
    """Vᵀ times the outputs' errors; of a mean that of each step, over T."""
    L, out, V = lanes(work), net.layers[-1], net.gates[-1]
    to = readouts.part(out, readout, readouts.ERROR, 1)
    n_steps = readouts.in_all_lanes(out, readout, work, T, 1)
    for p in range(0, out.input_rows, L):
        d = zeros(work, 1, 1)
        at = V.back_down + p * out.n_units
        d = multiply_add(d, work, error, 0, 1, net.weights, at, L, out.n_units)
        if out.readout == readouts.MEAN:
            d = f.divide(d, n_steps)
        store(d, work, to + p, 0)


@helper
def error_of_step(out, readout, work, t):
    """Where dL/dh_t stands."""
    L = lanes(work)
    error, to = (
        readouts.part(out, readout, readouts.ERROR, 1),
        readouts.part(out, readout, readouts.SHARE, 1),
    )
    if out.readout == readouts.MEAN:
        return error
    at = readouts.part(out, readout, readouts.LARGEST_AT, 1)
    now = readouts.in_all_lanes(out, readout, work, t + 1, 1)
    readouts.share(work, error, at, L, to, out.input_rows // L, now)
    return to
