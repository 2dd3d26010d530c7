"""Sequences as they are in a source: missing values are not filled yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from elman._typing import Array
from elman.data import Sequences
from elman.errors import DataError, warn
from elman.reading.info import Info
from elman.reading.missing import FILL, Filling, count_missing, refuse_missing


@dataclass(frozen=True, eq=False)
class Raw:
    """The contents of a source.

    Attributes
    ----------
    sequences : Sequences
        NaN means a missing value.
    y : array, list of arrays, or None
    info : Info
    place : callable
        Says in words where a row of ``sequences.values`` is in the source.
    short : callable
        Says in words which line of a text file has too few columns; "" if none has.
    """

    sequences: Sequences
    y: Any
    info: Info
    place: Callable[[int], str]
    short: Callable[[], str] = str

    def complete(self, filling: Filling | None, remedy: str = FILL) -> Raw:
        """Fill missing values, or refuse them; then ``remedy`` says what to do.

        Raises
        ------
        DataError
            If a value is missing and there is no filling, or if one is infinite.

        Warns
        -----
        UserWarning
            If a value is filled because a line is too short.
        """
        sequences, info = self.sequences, self.info
        with np.errstate(over="ignore", invalid="ignore"):
            if filling is None and (
                sequences.unread is not None  # as_sequences has checked these values
                or np.isfinite(sequences.values.sum())  # in the usual case one sum is enough
            ):
                return self
        if filling is None:
            refuse_missing(sequences, self.place, remedy)
        else:
            n_missing = sum(count_missing(sequences).values())
            if n_missing and (short := self.short()):
                warn(
                    f"{info.source}: {short}; what is not there is filled as a missing value. If the "
                    "file was cut off, fetch it again.",
                )
            sequences = filling.fill(sequences)
            reading = {**(sequences.reading or {}), "missing": filling.settings}
            sequences = replace(sequences, reading=reading)
            info = replace(
                info,
                filled=n_missing,
                features=sequences.names or info.features,
                notes=(*info.notes, f"{n_missing:,} missing values filled ({filling.policy})")
                if n_missing
                else info.notes,
            )
        _refuse_infinite(sequences, self.place)
        return replace(self, sequences=sequences, info=info)

    def take(self, indices: Array) -> Raw:
        """Return some of the sequences."""
        sequences, info = self.sequences, self.info
        y = self.y
        if y is not None:
            y = y[indices] if isinstance(y, np.ndarray) else [y[i] for i in indices]
        info = replace(
            info,
            ids=info.ids[indices],
            lengths=info.lengths[indices],
            times=None if info.times is None else info.times[sequences.rows(indices)],
        )
        place = self.place
        return replace(
            self,
            sequences=sequences.take(indices),
            y=y,
            info=info,
            place=lambda row: place(int(sequences.rows(indices)[row])),
        )

    def cut(self, n_steps: int) -> Raw:
        """Cut a single sequence whose steps have answers in two: its first steps, and the others."""
        sequences, (y,) = self.sequences.loaded(), self.y
        sequences = replace(
            sequences, offsets=np.array([0, n_steps, len(sequences.values)]), stacked=False
        )
        ids = np.repeat(self.info.ids, 2)
        info = replace(self.info, ids=ids, lengths=sequences.lengths)
        return replace(self, sequences=sequences, y=[y[:n_steps], y[n_steps:]], info=info)


def _refuse_infinite(sequences: Sequences, place: Callable[[int], str]) -> None:
    infinite = np.isinf(sequences.values)
    if infinite.any():
        row = int(np.argmax(infinite.any(axis=1)))
        feature = int(np.argmax(infinite[row]))
        name = sequences.names[feature] if sequences.names else f"feature {feature}"
        raise DataError(
            f"column {name!r} is infinite in {place(row)}; expected numbers. Correct it."
        )
