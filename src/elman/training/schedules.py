"""Learning-rate schedules: from the number of an update, counted from 0, to its learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

Schedule: TypeAlias = Callable[[int], float]

SCHEDULES = ("constant", "cosine")


def constant(learning_rate: float) -> Schedule:
    """The same learning rate at every update."""
    return lambda update: learning_rate


def cosine(learning_rate: float, n_updates: int, warmup: float) -> Schedule:
    """Rise in a straight line to ``learning_rate``, then fall to 0 along half a cosine.

    The rise keeps the first updates small, while Adam's means are still of few gradients (Goyal et
    al. 2017, section 2.2); the fall is that of Loshchilov and Hutter (2017, eq. 5), without restarts.

    Parameters
    ----------
    learning_rate : float
        The highest.
    n_updates : int
        In all. After them the rate is 0.
    warmup : float
        The share of the updates that the rise takes, in [0, 1).
    """
    n_warmup = math.ceil(warmup * n_updates)

    def schedule(update: int) -> float:
        if update < n_warmup:
            return learning_rate * (update + 1) / (n_warmup + 1)
        progress = min(1.0, (update - n_warmup + 1) / (n_updates - n_warmup + 1))
        root = _sin(math.pi / 2 * (1 - progress))
        return learning_rate * (root * root)  # (1 + cos π p) / 2 = sin² (π (1 - p) / 2)

    return schedule


def _sin(x: float) -> float:
    """Sin x for 0 ≤ x ≤ π/2 by its Taylor series; C libraries differ in the last digit of theirs."""
    series = 1.0
    for n in range(20, 0, -2):
        series = 1 - series * (x * x) / (n * (n + 1))
    return x * series
