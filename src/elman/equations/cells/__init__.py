"""The cells: one file each, forward and backward beside each other."""

from elman.equations.cells.cell import Cell
from elman.equations.cells.gru import GRU
from elman.equations.cells.leaky import Leaky
from elman.equations.cells.lstm import LSTM
from elman.equations.cells.relu import Relu
from elman.equations.cells.tanh import Dense, Tanh

CELLS: dict[str, Cell] = {
    "tanh": Tanh(),  # the notes' own (N2)
    "relu": Relu(),
    "dense": Dense(),  # the notes' first page (N1)
    "leaky": Leaky(),
    "gru": GRU(),
    "lstm": LSTM(),
}
"""The cells by name. ``dense`` is a tanh layer without recurrence."""

__all__ = ["CELLS", "GRU", "LSTM", "Cell", "Dense", "Leaky", "Relu", "Tanh"]
