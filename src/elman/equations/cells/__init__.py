"""The cells: one file each, forward and backward beside each other."""

from __future__ import annotations

from typing import Any

from elman.equations.cells.cell import Cell
from elman.equations.cells.gru import GRU
from elman.equations.cells.leaky import Leaky
from elman.equations.cells.lstm import LSTM
from elman.equations.cells.relu import Relu
from elman.equations.cells.tanh import Dense, Tanh
from elman.equations.naming import decode, encode

CELLS: dict[str, Cell] = {
    "tanh": Tanh(),  # the notes' own (N2)
    "relu": Relu(),
    "dense": Dense(),  # the notes' first page (N1)
    "leaky": Leaky(),
    "gru": GRU(),
    "lstm": LSTM(),
}
"""The cells by name. ``dense`` is a tanh layer without recurrence."""

_TABLE = {name: type(cell) for name, cell in CELLS.items()}


def encode_cell(cell: str | Cell) -> str | dict[str, Any]:
    """Return a cell's name, or its name and settings, in plain types for a model file."""
    return encode(cell, _TABLE)


def decode_cell(encoded: Any) -> str | Cell:
    """Make a cell from what ``encode_cell`` returned.

    Raises
    ------
    ValueError
        If there is no cell of that name here, or it does not take these settings.
    """
    cell: str | Cell = decode(encoded, _TABLE, Cell, "cell")
    return cell


__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "Cell",
    "Dense",
    "Leaky",
    "Relu",
    "Tanh",
    "decode_cell",
    "encode_cell",
]
