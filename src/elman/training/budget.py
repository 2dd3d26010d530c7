"""How long to train, and in batches of how many, where nobody says.

What a network learns from is updates. Counted in epochs, a small set gets few: 50 sequences in
batches of 64 are one update an epoch.
"""

from __future__ import annotations

import math

import numpy as np

from elman._typing import IntArray

N_UPDATES = 1_500
"""Updates that ``max_iter="auto"`` makes, at least."""

MIN_EPOCHS = 10
"""Epochs that ``max_iter="auto"`` makes, at least: large sets have more updates for it."""

SMALLEST_BATCH, LARGEST_BATCH = 16, 64
"""What ``batch_size="auto"`` lies between."""

MANY_MEMBERS = (4, 2)
"""Networks that ``n_members="auto"`` trains side by side, where there is time for them."""

ENOUGH_WORK = 4e11
"""What these may take together: parameters times steps gone through, half a minute on two cores."""

BATCHES = 64
"""Batches that ``batch_size="auto"`` aims at between those two."""


def epochs_for(n_batches: int) -> int:
    """How many epochs of so many batches ``max_iter="auto"`` is.

    Parameters
    ----------
    n_batches : int
        Updates of an epoch.
    """
    return max(MIN_EPOCHS, -(-N_UPDATES // n_batches))


def batch_size_for(n_sequences: int) -> int:
    """How many sequences of so many make a batch by ``batch_size="auto"``.

    It is 16 up to 1,024 sequences, then a 64th of them, rounded to a power of two, at most 64.
    """
    power = round(math.log2(max(n_sequences, BATCHES) / BATCHES))
    return min(max(SMALLEST_BATCH, 1 << power), LARGEST_BATCH)


def batch_size_of(given: str | int, n_sequences: int) -> int:
    """The size of a batch of so many sequences, by ``batch_size=``: a number, or ``"auto"``."""
    return batch_size_for(n_sequences) if given == "auto" else int(given)


def epochs_of(given: str | int, n_batches: int) -> int:
    """The epochs of so many batches, by ``max_iter=``: a number, or ``"auto"``."""
    return epochs_for(n_batches) if given == "auto" else int(given)


def steps_of_batches(lengths: IntArray) -> int:
    """How many steps an epoch goes through, if each sequence took as long as its batch.

    A batch takes as long as its longest sequence: of sixteen, about the one that one in 16 exceeds.
    """
    return len(lengths) * int(np.quantile(lengths, 1 - 1 / SMALLEST_BATCH, method="higher"))


def members_for(work: float) -> int:
    """How many networks are trained by ``n_members="auto"``.

    Parameters
    ----------
    work : float
        The parameters of one, times the steps that it goes through in all epochs.
    """
    return next((M for M in MANY_MEMBERS if M * work <= ENOUGH_WORK), 1)
