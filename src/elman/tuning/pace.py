"""How long a training is, how fast it is, and ending it when its time is over."""

from __future__ import annotations

import math
import time
from itertools import pairwise
from threading import Event
from typing import Any

import numpy as np

from elman.training import Progress, batch_size_of, epochs_of


class OutOfTimeError(Exception):
    """Ends a training that nobody waits for any more."""


class Watch:
    """A callback of ``fit`` that measures how fast it is, and ends it when its time is over.

    Attributes
    ----------
    seconds_per_update : float
        From the median epoch, because some epochs compile; nan until two epochs are complete.
    """

    def __init__(self, until: float, stop: Event) -> None:
        self._until = until
        self._stop = stop
        self._ends: list[tuple[float, int]] = []  # of epochs: time, and updates so far

    @property
    def seconds_per_update(self) -> float:
        """The seconds that an update took."""
        times = [
            (end - begin) / (after - before)
            for (begin, before), (end, after) in pairwise(self._ends)
            if after > before  # not true if training diverged and went back
        ]
        return float(np.median(times)) if times else math.nan

    def __call__(self, progress: Progress) -> None:
        """Look at the clock."""
        now = time.monotonic()
        if progress.row is not None:
            self._ends.append((now, progress.update))
        if self._stop.is_set() or now > self._until:
            raise OutOfTimeError


def epochs_and_updates(estimator: Any, n: int) -> tuple[int, int]:
    """Count the epochs and the updates of a whole training on n sequences."""
    n_batches = -(-n // batch_size_of(estimator.batch_size, n))
    n_epochs = epochs_of(estimator.max_iter, n_batches)
    return n_epochs, n_epochs * n_batches
