"""Learning-rate schedules: functions from the number of an update, from 0, to its learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

Schedule: TypeAlias = Callable[[int], float]

SCHEDULES = ("constant", "cosine")


def constant(learning_rate: float) -> Schedule:
    """Make a schedule with the same learning rate at every update."""
    return lambda update: learning_rate


def cosine(learning_rate: float, n_updates: int, warmup: float) -> Schedule:
    """Make a schedule that rises linearly to ``learning_rate``, then falls to 0 along half a cosine.

    The rise keeps the first updates small, while Adam's means are over few gradients (Goyal et al.
    2017, section 2.2). The fall is that of Loshchilov and Hutter (2017, eq. 5), without restarts.

    Parameters
    ----------
    learning_rate : float
        The highest learning rate.
    n_updates : int
        The number of all updates. After them, the learning rate is 0.
    warmup : float
        The share of the updates in which the learning rate rises, in [0, 1).
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
    """Sin x for 0 ≤ x ≤ π/2 by its Taylor series; the last digit of C libraries' sin differs."""
    series = 1.0
    for n in range(20, 0, -2):
        series = 1 - series * (x * x) / (n * (n + 1))
    return x * series
