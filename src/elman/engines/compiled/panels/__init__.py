"""Up to 16 sequences side by side (8 in float64), from first step to last, in compiled functions.

A *panel* is an array (rows, lanes): a row is a feature or a unit, a lane a sequence, as columns are in
the notes. So are x_t, h_t and δ_t. Sequences stand longest first: those alive at step t are the first
n_t lanes. Lanes that have ended go on computing, for nothing and without harm: no sum has them.

Training keeps x_t and h_t of all steps. Where one sequence is far longer than others, panels of L
lanes would be empty for the most part; then those of step t have n_t lanes, and stand from lane
``begins[t]`` on. A vector is wider than such a row: what it reads beyond are rows that follow, in lanes
that have ended; what it writes there, they or the next step write over.

All panels of a shard stand in one flat array ``work``, and a place is an offset into it (``places``).
Where two shards are trained together, those of the second stand ``apart`` from those of the first.

What is there before the first step is in ``beginnings``, a layer's step in ``steps``, the output in
``answers``, sums over steps in ``gradients``. ``predicting`` and ``training`` go through the steps.

Letters: L lanes.
"""

from __future__ import annotations

from elman.engines.compiled.layout import Layout
from elman.engines.compiled.machine.tiles import IS_WIDE
from elman.engines.compiled.panels.places import BLOCK
from elman.engines.compiled.panels.predicting import predict, room_to_predict
from elman.engines.compiled.panels.training import room_to_train, train

__all__ = [
    "BLOCK",
    "PAIRS",
    "at_once",
    "predict",
    "room_to_predict",
    "room_to_train",
    "train",
    "unit",
]

PAIRS = IS_WIDE  # with 16 registers there is no room for what two shards share


def unit(L: int) -> int:
    """See ``Kernel.unit``: a panel has L units."""
    return L


def at_once(layout: Layout, n_sequences: int) -> int:
    """See ``Kernel.at_once``: a sequence in each lane."""
    return layout.unit
