"""ŷ of sequences in panels: see ``panels``.

Letters: L lanes.
"""

from __future__ import annotations

from elman._typing import Array
from elman.engines.compiled import readouts
from elman.engines.compiled.layout import Data, Layout, Net
from elman.engines.compiled.machine.compiling import entry
from elman.engines.compiled.machine.tiles import lanes, store, zeros
from elman.engines.compiled.panels.answers import activate, collect, output, write_answers
from elman.engines.compiled.panels.beginnings import clear_tokens, load_initial, load_inputs
from elman.engines.compiled.panels.places import inputs_at, states_at
from elman.engines.compiled.panels.readouts import room_of_panels, take_step
from elman.engines.compiled.panels.steps import forward, room_of_steps


def room_to_predict(layout: Layout, lengths: list[int]) -> int:
    """See ``Kernel.room_to_predict``: two steps of one are enough, whatever the lengths."""
    rest = 2 * layout.widest + room_of_steps(layout) + readouts.room(layout)
    return (2 * layout.state_rows + rest) * layout.unit


def predict(net: Net, data: Data, first: int, last: int, work: Array, y_hat: Array) -> None:
    """See ``Kernel.predict``."""
    predict_shards.of_kind(work.itemsize, net, data, first, last, work, y_hat)


@entry
def predict_shards(net, data, first, last, work, y_hat):
    """Write ŷ of the sequences first … last - 1, L at a time, to their places in ``y_hat``."""
    L = lanes(work)
    top, out = net.layers[-2], net.layers[-1]
    z = 2 * net.state_rows * L  # behind x and the states of two steps
    answering = z + out.rows * L
    readout = answering + top.rows * L
    scratch = readout + room_of_panels(out, L)
    store(zeros(work, 1, 1), work, scratch, 0)
    clear_tokens(net, work, 2 * L)
    for start in range(first, last, L):
        starts, lengths = data.starts[start:last], data.lengths[start:last]
        members = data.members[start : min(start + L, last)]
        alive = len(members)
        initial = load_initial(net, data, start, alive, work, scratch + (1 + net.widest) * L)
        for t in range(lengths[0]):
            x, h = inputs_at(net.layers[0], t, 2, None, L), states_at(top, t, 2, None, L)
            load_inputs(data, start, t, alive, work, x, L)
            forward(net, work, t, 2, None, initial, True, scratch, None)
            if out.readout:
                h = take_step(out, readout, work, h, L, t, False)
            if data.every_step:
                output(net, work, h, L, z)
                activate(out, work, z)
                write_answers(work, z, starts[:alive], t, y_hat)
            alive_after = alive
            while alive_after and lengths[alive_after - 1] <= t + 1:
                alive_after -= 1
            if not data.every_step:
                collect(work, h, L, top.n_units, alive_after, alive, answering)
            alive = alive_after
        if not data.every_step:
            output(net, work, answering, L, z)
            activate(out, work, z)
            write_answers(work, z, members, 0, y_hat)
