"""Losses of numbers in compiled functions: their own lines, run once on vectors, as those of cells.

To ``pointwise`` a loss is a cell without states. What enters it stand as its gates do, z first; what
comes of it as what is stored of a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from elman.equations import LOSSES, Cell
from elman.equations.losses import Loss


@dataclass(frozen=True)
class Activation(Cell):
    """z → ŷ."""

    loss: Loss

    states = ()

    @property
    def is_ours(self) -> bool:
        """Whether the loss is one of elman's."""
        return type(self.loss) in LOSSES.values()

    def forward(self, a: tuple[Any, ...], before: tuple[Any, ...]) -> Any:
        """See ``Loss.activate``."""
        return (), (self.loss.activate(*a),)

    def backward(self, d: Any, kept: Any, after: Any, before: Any) -> Any:
        """A loss has its error instead."""
        raise NotImplementedError


@dataclass(frozen=True)
class Evaluation(Activation):
    """z, y, weights, what differs from output to output → dL/dz, L, both times the weights."""

    n_constants: int = 0

    @property
    def gates(self) -> tuple[str, ...]:  # type: ignore[override]
        """What enters it."""
        return "z", "y", "w", *("constant",) * self.n_constants

    def forward(self, a: tuple[Any, ...], before: tuple[Any, ...]) -> Any:
        """See ``Loss.error`` and ``Loss.value``."""
        z, y, w, *constants = a
        error = self.loss.error(self.loss.activate(z), y, *constants)
        return (), (w * error, w * self.loss.value(z, y, *constants))
