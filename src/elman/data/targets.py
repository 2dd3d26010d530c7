"""What a network ought to answer: values, weights, and whether a sequence has one or each step."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from elman._typing import Array, IntArray


@dataclass(frozen=True, eq=False)
class Targets:
    """Values and weights, flat: one a sequence, or one a step.

    What has weight 0 has no target: it is no class, and in no mean, no score and no loss; its value
    may be anything.

    Attributes
    ----------
    values : array (n,) or (n, n_values)
        By the number of the sequence, or of the step in ``Sequences.values``: labels as they came,
        codes 0 … K - 1, or numbers.
    weights : array (n,)
        What multiplies each target's loss.
    every_step : bool
        Whether they are the steps'.
    """

    values: Array
    weights: Array
    every_step: bool

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def present(self) -> Array:
        """Which of them there are, (n,) of truth values."""
        return self.weights > 0

    def take(self, rows: IntArray | Array) -> Targets:
        """Return some of them."""
        return replace(self, values=self.values[rows], weights=self.weights[rows])

    def with_values(self, present: Array) -> Targets:
        """Exchange the values of those that there are; the others get 0, or what is like it."""
        values = np.zeros((len(self), *present.shape[1:]), present.dtype)
        values[self.present] = present
        return replace(self, values=values)

    def mean(self, scores: Array) -> float:
        """The weighted mean of what belongs to each, (n,)."""
        relative = self.weights / self.weights.max()  # sums of large numbers would overflow
        return float(np.average(scores, weights=relative))
