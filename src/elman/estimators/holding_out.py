"""Which sequences are kept aside, for ``early_stopping`` to watch."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from elman._typing import Array
from elman.errors import DataError

logger = logging.getLogger("elman")


def split(
    n: int, fraction: float, random_state: Any, classes: Array | None, fewest: int = 1
) -> tuple[Array, Array]:
    """Split the numbers 0 … n - 1 at random.

    Of every class with two or more sequences, at least one is kept aside and at least one is not. If
    there are few sequences of many classes, that may be more than the fraction, and the log says so.

    Parameters
    ----------
    n : int
        The number of sequences.
    fraction : float
        The share to keep aside.
    random_state : int, RandomState or None
    classes : array (n,), optional
        The class of each sequence. The share is the same for each class.
    fewest : int
        The smallest number to keep aside, if at least one more is left to learn from.

    Returns
    -------
    kept, held_out : arrays of int

    Raises
    ------
    DataError
        If no sequence can be kept aside.
    """
    rng = check_random_state(random_state)
    n_wanted = int(np.ceil(fraction * n))
    if classes is None:
        if n < 2:
            raise _too_few(n, fraction, "at least one is needed to learn from")
        n_held_out = min(max(n_wanted, fewest), n - 1)
        kept, held_out = train_test_split(np.arange(n), test_size=n_held_out, random_state=rng)
    else:
        kept, held_out = _of_each_class(n, n_wanted, fraction, rng, classes)
    if len(held_out) > n_wanted:
        logger.warning(
            "early_stopping keeps %d of %d sequences aside, more than validation_fraction=%g: %s",
            *(len(held_out), n, fraction),
            f"a score takes {fewest}" if classes is None else "one of each class at least",
        )
    return kept, held_out


def _of_each_class(
    n: int, n_wanted: int, fraction: float, rng: Any, classes: Array
) -> tuple[Array, Array]:
    members = [np.flatnonzero(classes == label) for label in np.unique(classes)]
    pairs = [of_class for of_class in members if len(of_class) > 1]
    if not pairs:
        raise _too_few(n, fraction, "no class has two, one to learn from and one to keep aside")
    if len(members) == len(pairs) <= min(n_wanted, n - n_wanted):
        kept, held_out = train_test_split(
            np.arange(n), test_size=n_wanted, random_state=rng, stratify=classes
        )
        if len(np.unique(classes[held_out])) == len(np.unique(classes[kept])) == len(members):
            return kept, held_out
    held_out = np.sort(
        np.concatenate(
            [
                rng.permutation(of_class)[
                    : min(_rounded(fraction * len(of_class)), len(of_class) - 1)
                ]
                for of_class in pairs
            ]
        )
    )
    return np.setdiff1d(np.arange(n), held_out), held_out


def _rounded(share: float) -> int:
    return max(1, int(share + 0.5))


def _too_few(n: int, fraction: float, why: str) -> DataError:
    return DataError(
        f"early_stopping cannot keep a validation_fraction of {fraction} of {n} "
        f"sequence{'s' * (n != 1)} aside: {why}. Pass validation_data, or set early_stopping=False."
    )
