"""A few sequences, in compiled functions: each alone or some side by side; for steps of a stream, too.

With too few to fill a vector's lanes, the lanes are units here: x_t, h_t and δ_t are rows of numbers,
and so is what multiplies one number of theirs, a column of U or W. Where sequences stand side by side,
what is loaded of a column serves all of them. Every sum over inputs or units runs in the order it has
in ``panels``, so that going forward gives the same bits.

A *record* has all of a step of a sequence: x_t, then h_t of every layer. A ``layout.LAYER`` says where.
The records of a step stand one behind another, the longest sequence's first, and those of the next step
behind them; a sequence that has ended has none (``records``).

A step is in ``forward``, the output in ``answers``, a step back in ``backward``, sums over steps in
``gradients``. ``predicting``, ``streaming`` and ``training`` go through the steps.

Letters: L lanes; ``WIDE`` vectors are computed side by side.
"""

from __future__ import annotations

from elman.engines.compiled.layout import Layout
from elman.engines.compiled.machine.tiles import WIDE
from elman.engines.compiled.rows.forward import TOGETHER
from elman.engines.compiled.rows.predicting import predict, room_to_predict
from elman.engines.compiled.rows.training import BLOCK, room_to_train, train

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

PAIRS = False


def unit(L: int) -> int:
    """See ``Kernel.unit``: all sums in flight are of units that there is room for."""
    return L * WIDE


def at_once(layout: Layout, n_sequences: int) -> int:
    """See ``Kernel.at_once``."""
    return 1 if n_sequences < TOGETHER else TOGETHER
