"""ŷ of a few sequences: see ``rows``.

Letters: L lanes, n sequences.
"""

from __future__ import annotations

from functools import lru_cache

from elman._typing import Array
from elman.engines.compiled import readouts
from elman.engines.compiled.layout import Data, Layout, Net
from elman.engines.compiled.machine.compiling import entry
from elman.engines.compiled.machine.tiles import WIDE, lanes, store, zeros
from elman.engines.compiled.rows.answers import activate, output
from elman.engines.compiled.rows.forward import (
    TOGETHER,
    forward_step,
    places_for,
    places_of,
    room_of_cells,
)
from elman.engines.compiled.rows.readouts import room_of_a_readout, take_step
from elman.engines.compiled.rows.records import load_initial, load_inputs, n_alive


def room_to_predict(layout: Layout, lengths: list[int]) -> int:
    """See ``Kernel.room_to_predict``."""
    return room_of_two_steps(layout, min(len(lengths), TOGETHER))


@lru_cache  # small networks have no time to lose on it
def room_of_two_steps(layout: Layout, n: int) -> int:
    """Numbers of records of two steps, of what is read beyond them, and of the rest."""
    n = places_for(n)
    z = n * layout.widest + layout.unit
    rest = z + room_of_cells(layout, n) + n * readouts.room(layout)
    return (3 * n - 1) * layout.state_rows + rest


def predict(net: Net, data: Data, first: int, last: int, work: Array, y_hat: Array) -> None:
    """See ``Kernel.predict``."""
    several = True if last - first > 1 else None
    kind = work.itemsize, several
    predict_sequences.of_kind(kind, net, data, first, last, work, y_hat, several)


@entry
def predict_sequences(net, data, first, last, work, y_hat, several):
    """Write ŷ of the sequences first … last - 1, some side by side, to their places in ``y_hat``."""
    out, step = net.layers[-1], net.state_rows
    n_at_most = min(TOGETHER, last - first)
    of_step = n_at_most * step
    z = 2 * of_step  # behind the records of two steps
    scratch = z + places_of(n_at_most) * out.rows
    readout = scratch + WIDE * lanes(work)
    of_readout = room_of_a_readout(out, WIDE * lanes(work))
    cell_scratch = readout + n_at_most * of_readout
    store(zeros(work, 1, 1), work, cell_scratch, 0)
    for i in range(first, last, TOGETHER):
        lengths = data.lengths[i : min(i + TOGETHER, last)]
        has_initial, n = False, len(lengths)
        for s in range(n):
            has_initial = load_initial(net, data, i + s, work, of_step + s * step)
        for t in range(lengths[0]):
            records, before = t % 2 * of_step, (t + 1) % 2 * of_step
            n_after = n_alive(lengths, t + 1)
            for s in range(n):
                load_inputs(data.values, data.starts[i + s] + t, work, records + s * step)
            is_first = t == 0 and not has_initial
            forward_step(net, work, before, work, records, n, is_first, 0, several, cell_scratch)
            h, h_row = records + out.inputs_place, step
            if out.readout:
                for s in range(n):
                    own, h_s = readout + s * of_readout, records + s * step + out.inputs_place
                    carried = readouts.part(out, own, readouts.CARRIED, 1)
                    take_step(out, own, work, carried, work, h_s, carried, t, False)
                h, h_row = readouts.part(out, readout, readouts.READ, 1), of_readout
            begin = 0 if data.every_step else n_after  # those that answer
            output(net, work, h + begin * h_row, h_row, n - begin, work, z, several)
            for s in range(begin, n):
                z_s = z + (s - begin) * out.rows
                activate(out, work, z_s, scratch)
                place = data.starts[i + s] + t if data.every_step else data.members[i + s]
                for k in range(out.n_units):
                    y_hat[place, k] = work[z_s + k]
            n = n_after
