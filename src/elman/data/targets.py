"""Targets: values, weights, and whether there is one for each sequence or for each step."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from elman._typing import Array, IntArray


@dataclass(frozen=True, eq=False)
class Targets:
    """Values and weights, flat: one for each sequence, or for each step.

    A sequence or step of weight 0 has no target: its value counts in no set of classes, no mean, no
    score and no loss, and may be anything.

    Attributes
    ----------
    values : array (n,) or (n, n_values)
        In the order of the sequences, or of the steps in ``Sequences.values``: labels as they came,
        codes 0 … K - 1, or numbers.
    weights : array (n,)
        What multiplies each target's loss.
    every_step : bool
        Whether there is one for each step.
    """

    values: Array
    weights: Array
    every_step: bool

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def present(self) -> Array:
        """Which targets have a weight above 0, (n,) truth values."""
        return self.weights > 0

    def take(self, rows: IntArray | Array) -> Targets:
        """Return some of them."""
        return replace(self, values=self.values[rows], weights=self.weights[rows])

    def with_values(self, present: Array) -> Targets:
        """Replace the values of the present targets; the others get 0, or an equivalent."""
        values = np.zeros((len(self), *present.shape[1:]), present.dtype)
        values[self.present] = present
        return replace(self, values=values)

    def mean(self, scores: Array) -> float:
        """The weighted mean of one score for each target, (n,)."""
        relative = self.weights / self.weights.max()  # sums of large numbers would overflow
        return float(np.average(scores, weights=relative))
