"""The states of a whole network, carried from one part of a sequence to the next."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from elman._typing import Array, IntArray
from elman.equations.forward import States
from elman.errors import DataError
from elman.parameters import Architecture


class Carry:
    """The states of all layers, for the sequences of a data set or of a batch.

    A network can start from these states instead of zeros, for example where a sequence was cut.

    Parameters
    ----------
    architecture : Architecture
    values : array (n_sequences, n_states)
        A row has the states of all layers, lowest first: h, and what else the layer's cell has.

    Attributes
    ----------
    architecture, values
    """

    def __init__(self, architecture: Architecture, values: Array) -> None:
        self.architecture = architecture
        self.values = values

    @classmethod
    def of(cls, architecture: Architecture, given: Any, n: int, dtype: npt.DTypeLike) -> Carry:
        """Check what a caller gives as states.

        Parameters
        ----------
        architecture : Architecture
        given : Carry, or list with an entry a layer
            An entry is h, (n_sequences, H), or maps the names of the cell's states to such arrays;
            states that are not named are zero.
        n : int
            How many sequences there are.
        dtype : dtype

        Raises
        ------
        DataError
            If it is not that, or not finite.
        """
        if isinstance(given, Carry):
            if given.architecture != architecture:
                raise DataError(
                    "initial_state is that of another network, of "
                    f"{given.architecture.unlike(architecture)}."
                )
            values = given.values
        else:
            values = _joined(architecture, given, n)
        with np.errstate(over="ignore"):  # an infinity shows
            values = np.ascontiguousarray(values, dtype)
        if len(values) != n:
            raise DataError(f"initial_state is of {len(values)} sequence(s); there are {n}.")
        if not np.isfinite(values).all():
            raise DataError("initial_state contains NaN or infinity; expected finite numbers.")
        return cls(architecture, values)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def states(self) -> list[dict[str, Array]]:
        """For each layer, lowest first, the states by name, views (n_sequences, H)."""
        found = []
        start = 0
        for _, cell, H, _ in self.architecture.stack:
            ends = range(start, start + (len(cell.states) + 1) * H, H)
            parts = [self.values[:, a:b] for a, b in pairwise(ends)]
            found.append(dict(zip(cell.states, parts, strict=True)))
            start = ends[-1]
        return found

    def columns(self, sequences: IntArray) -> list[States]:
        """The states of some sequences as the equations take them, for each layer (H, n)."""
        return [
            tuple(state[sequences].T for state in of_layer.values()) for of_layer in self.states
        ]

    def __repr__(self) -> str:
        return f"Carry(of {len(self)} sequence(s); {self.architecture})"


def check_after(after: Carry, architecture: Architecture, rows: IntArray, dtype: Any) -> None:
    """See that states after the last steps of sequences can be written to rows of ``after``.

    Raises
    ------
    ValueError
        If it has another shape or dtype, or the network goes in both directions.
    """
    if architecture.bidirectional:
        raise ValueError(
            "a bidirectional network has no states to go on from: its reverse layers begin at the end"
        )
    n, expected, shape = int(rows.max(initial=-1)) + 1, n_states(architecture), after.values.shape
    if len(shape) != 2 or shape[0] < n or shape[1] != expected or after.values.dtype != dtype:
        raise ValueError(
            f"states of shape {shape}, {after.values.dtype}, to be written to; expected {n} or more "
            f"rows of {expected}, {dtype}"
        )


def n_states(architecture: Architecture) -> int:
    """The numbers of all layers' states, for one sequence."""
    return sum(layer.n_units * len(layer.cell.states) for layer in architecture.stack)


def _joined(architecture: Architecture, given: Any, n: int) -> Array:
    """Put what a caller gives for each layer side by side."""
    expected = f"a Carry, or a list of {len(architecture.stack)} entries, one a layer"
    if architecture.bidirectional:
        expected += " and direction"
    if isinstance(getattr(given, "carry", None), Carry):
        raise DataError(
            "initial_state is the state of a stream; pass what it carries, state.carry."
        )
    if isinstance(given, np.ndarray | str | Mapping) or not np.iterable(given):
        raise DataError(f"initial_state is of type {type(given).__name__}; expected {expected}.")
    entries = list(given)
    if len(entries) != len(architecture.stack):
        raise DataError(f"initial_state has {len(entries)} entries; expected {expected}.")
    parts = []
    for entry, (k, cell, H, _) in zip(entries, architecture.stack, strict=True):
        named = entry if isinstance(entry, Mapping) else {"h": entry}
        unknown = set(named) - set(cell.states)
        if unknown:
            raise DataError(
                f"initial_state of layer {k} has {', '.join(sorted(map(repr, unknown)))}; its states "
                f"are {', '.join(cell.states)}."
            )
        for name in cell.states:
            state = np.asarray(named.get(name, np.zeros((n, H))))
            if state.shape != (n, H) or state.dtype.kind not in "fiu":
                raise DataError(
                    f"initial_state of layer {k}, {name}, has shape {state.shape} and dtype "
                    f"{state.dtype}; expected numbers of shape {(n, H)}, a row a sequence."
                )
            parts.append(state)
    return np.concatenate(parts, axis=1)
