"""Derivatives of a network's loss with respect to all parameters, by complex steps, many at a time.

Give one parameter the imaginary part i·h, go forward in complex arithmetic, and the loss's imaginary
part over h is the derivative, with no subtraction and so no loss of digits (Squire and Trapp 1998;
Martins, Sturdza and Alonso 2003). h = 1e-20 leaves no truncation error either: its square is far
below the last bit. Only the forward equations take part.

To go forward only once for P parameters, each sequence is there P times, copy beside copy, and in copy
p the p-th parameter is moved.

Letters: n sequences, P copies of each, m answers, H units.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from elman._typing import Array, IntArray
from elman.data import Shard, Targets
from elman.engines.reference import losses
from elman.equations.dropout import Dropout
from elman.equations.forward import States
from elman.parameters import Parameters

STEP = 1e-20
COLUMNS = 4096  # sequences side by side: matrices are large, but small beside the memory


def loss_derivatives(
    parameters: Parameters, shard: Shard, targets: Targets, dropout: Dropout | None = None
) -> Array:
    """Differentiate a shard's loss by all parameters.

    Parameters
    ----------
    parameters : Parameters
        Complex.
    shard : Shard
        In the parameters' dtype.
    targets : Targets
    dropout : Dropout, optional

    Returns
    -------
    array (n_parameters,), float64
    """
    size = len(parameters.vector)
    derivatives = np.empty(size)
    n_copies = max(1, COLUMNS // len(shard.members))
    for first in range(0, size, n_copies):
        P = min(n_copies, size - first)
        copies = Shard(
            np.repeat(shard.members, P),
            np.repeat(shard.carried, P),
            [np.repeat(x_t, P, axis=1) for x_t in shard.x],
            shard.answers_from * P,
            np.repeat(shard.rows, P),
        )
        moved = MovedParameters(parameters, first, P)
        first_states: Any = moved  # takes the place of a carry
        of_answers = losses(moved, copies, targets, first_states, dropout).reshape(-1, P)  # (m, P)
        derivatives[first : first + P] = of_answers.sum(axis=0).imag / STEP
    return derivatives


class Moved:
    """A parameter as the equations see it, with one entry moved by i·h in some of the copies.

    It supports what the equations do with parameters: U @ x, U[:, tokens] and a + b[:, None]. There x,
    tokens and a have P copies of each column.
    """

    __array_ufunc__ = None  # NumPy leaves a + b to it

    def __init__(self, values: Array, entries: tuple[IntArray, ...], copies: IntArray, P: int):
        self.values, self.entries, self.copies, self.P = values, entries, copies, P

    def __len__(self) -> int:
        return len(self.values)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self.values.dtype

    def __matmul__(self, x: Array) -> Array:
        _, columns = self.entries
        return self._moved(self.values @ x, self._of_copies(x)[columns, :, self.copies])

    def __getitem__(self, index: Any) -> Any:
        _, columns = index
        if columns is None:  # b[:, None]
            return self
        # the columns of U for tokens; one moves if its token is the column of the moved entry
        of_copies = self._of_copies(columns[None])[0, :, self.copies]
        return self._moved(self.values[:, columns], of_copies == self.entries[1][:, None])

    def __radd__(self, a: Array) -> Array:
        return self._moved(a + self.values[:, None], 1.0)

    def _of_copies(self, x: Array) -> Array:
        return x.reshape(len(x), -1, self.P)

    def _moved(self, result: Array, slope: Any) -> Array:
        """Move a result's rows, in the copies, by the slope times i·h."""
        self._of_copies(result)[self.entries[0], :, self.copies] += 1j * STEP * slope
        return result


class MovedParameters(Parameters):
    """Parameters; in copy p the entry ``first`` + p is moved."""

    def __init__(self, parameters: Parameters, first: int, P: int) -> None:
        super().__init__(parameters.architecture, parameters.vector)
        self.first, self.P = first, P
        sizes = [prod(shape) for shape in self.architecture.shapes.values()]
        self.starts = dict(zip(self.architecture.shapes, np.cumsum([0, *sizes]), strict=False))

    def __getitem__(self, name: str) -> Any:
        view, start, first = super().__getitem__(name), self.starts[name], self.first
        entries = np.arange(max(start, first), min(start + view.size, first + self.P))
        if len(entries) == 0:
            return view
        return Moved(view, np.unravel_index(entries - start, view.shape), entries - first, self.P)

    def columns(self, members: IntArray) -> list[States]:
        """The states that sequences begin with, as ``Carry.columns``."""
        found = []
        for key, cell, H, _ in self.architecture.stack:
            states = np.zeros((len(cell.states) * H, len(members)), self.vector.dtype)
            if f"initial{key}" in self:
                states = states + self[f"initial{key}"][:, None]
            found.append(tuple(np.split(states, len(cell.states))))
        return found
