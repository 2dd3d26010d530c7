"""How long to train, and how large batches are, if a setting is ``"auto"``.

A network learns with each update. If training is counted in epochs, a small set gets few updates: 50
sequences in batches of 64 make one update in each epoch.
"""

from __future__ import annotations

import math

import numpy as np

from elman._typing import IntArray

N_UPDATES = 1_500
"""The smallest number of updates that ``max_iter="auto"`` makes."""

MIN_EPOCHS = 10
"""The smallest number of epochs that ``max_iter="auto"`` makes, so large sets get more updates."""

SMALLEST_BATCH, LARGEST_BATCH = 16, 64
"""The limits of ``batch_size="auto"``."""

MANY_MEMBERS = (4, 2)
"""How many networks ``n_members="auto"`` trains side by side: the first number that is affordable."""

ENOUGH_WORK = 4e11
"""The most work that is affordable: parameters times steps, about half a minute on two cores."""

BATCHES = 64
"""The number of batches in an epoch that ``batch_size="auto"`` aims at, between its limits."""


def epochs_for(n_batches: int) -> int:
    """Return the number of epochs that ``max_iter="auto"`` makes.

    Parameters
    ----------
    n_batches : int
        The updates in an epoch.
    """
    return max(MIN_EPOCHS, -(-N_UPDATES // n_batches))


def batch_size_for(n_sequences: int) -> int:
    """Return the number of sequences in a batch with ``batch_size="auto"``.

    It is 16 for up to 1,024 sequences. For more, it is a 64th of them, rounded to a power of two, and
    at most 64.
    """
    power = round(math.log2(max(n_sequences, BATCHES) / BATCHES))
    return min(max(SMALLEST_BATCH, 1 << power), LARGEST_BATCH)


def batch_size_of(given: str | int, n_sequences: int) -> int:
    """Return the number of sequences in a batch; ``given`` is a number or ``"auto"``."""
    return batch_size_for(n_sequences) if given == "auto" else int(given)


def epochs_of(given: str | int, n_batches: int) -> int:
    """Return the number of epochs; ``given`` is a number or ``"auto"``."""
    return epochs_for(n_batches) if given == "auto" else int(given)


def steps_of_batches(lengths: IntArray) -> int:
    """Estimate the steps of an epoch, if every sequence were as long as the longest in its batch.

    The longest of 16 sequences is about as long as the length that one sequence in 16 exceeds.
    """
    return len(lengths) * int(np.quantile(lengths, 1 - 1 / SMALLEST_BATCH, method="higher"))


def members_for(work: float) -> int:
    """Return the number of networks that ``n_members="auto"`` trains.

    Parameters
    ----------
    work : float
        The work of one network: its parameters, times the steps in all epochs.
    """
    return next((M for M in MANY_MEMBERS if M * work <= ENOUGH_WORK), 1)
