"""How far training is, for callbacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]
"""One epoch in the history: plain numbers and text, so that a history can be written as JSON.

Two entries are text, and most rows do not have them: ``"recovered"``, if training diverged before the
epoch was complete; ``"stopped"``, if training ended with this epoch because nothing improved any more.
"""

NOTES = ("recovered", "stopped")
"""The entries of a row that are text."""


@dataclass(frozen=True)
class Progress:
    """How far training is, after each batch.

    Attributes
    ----------
    epoch, n_epochs : int
        The current epoch, counted from 1, and the largest number of epochs.
    n_done, n_sequences : int
        The sequences of this epoch that are done, and all of them.
    loss : float
        The mean loss of a sequence in this epoch so far. Where each step is answered, the loss of a
        sequence is the sum over its steps.
    accuracy : float or None
        The weighted share of right answers in this epoch so far; None if numbers are predicted.
    seconds : float
        Seconds since this epoch began.
    row : dict or None
        The epoch's row of the history, once the epoch is complete.
    update : int
        The number of updates so far.
    n_updates : int or None
        The largest number of updates, if training is limited by updates (``max_iter="auto"``).
    """

    epoch: int
    n_epochs: int
    n_done: int
    n_sequences: int
    loss: float
    accuracy: float | None
    seconds: float
    row: Row | None = None
    update: int = 0
    n_updates: int | None = None

    @property
    def place(self) -> str:
        """Where training is, as text: "epoch 3/9"."""
        return f"epoch {self.epoch}/{self.n_epochs}"

    @property
    def notes(self) -> list[str]:
        """The texts in the epoch's row."""
        return [self.row[name] for name in NOTES if name in self.row] if self.row else []

    def __str__(self) -> str:
        line = f"{self.place}  loss {self.loss:.4f}"
        number = ".4f"  # for a score that is not a percentage
        if self.accuracy is not None:
            number = ".2%"
            line += f"  training accuracy {self.accuracy:.2%}"
        if self.row is not None and "validation_score" in self.row:
            line += f"  validation {self.row['validation_score']:{number}}"
        return f"{line}  {self.n_done / self.seconds:,.0f} sequences/s"


Callback: TypeAlias = Callable[[Progress], None]
