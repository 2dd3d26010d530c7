"""Dropout: masks that multiply states in training, and a generator that draws them from a counter.

A unit is dropped with probability p, and what is left is multiplied by 1 / (1 - p), so that the mean
stays and nothing is done where a network answers (Srivastava et al. 2014; "inverted"). A sequence keeps
its masks at all of its steps (Gal and Ghahramani 2016, section 4): one on h_t as it goes up, to the
layer above or to V, and one on h_{t-1} as it goes into W. What a cell itself takes of h_{t-1}, as a
GRU does, is never dropped.

Each number is a function of what it is for: seed, update, layer, way, sequence, unit. So the order in
which, and by how many, they are drawn changes no bit. It is SplitMix64 (Steele, Lea and Flood 2014,
figures 16 and 17), whose i-th number is a function of where the stream begins, and of i; here the
number itself is where the stream of the next level begins.

Letters: H units, n sequences.
"""

from __future__ import annotations

from operator import index
from typing import Any, NamedTuple

import numpy as np

from elman._typing import Array, IntArray

UP, IN_TIME = np.uint64(0), np.uint64(1)  # which way a state goes

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
ONE, ELEVEN = np.uint64(1), np.uint64(11)


class Dropout(NamedTuple):
    """What is dropped in an update of a training.

    Attributes
    ----------
    rate : float
        p, of states on their way up.
    recurrent_rate : float
        p, of states on their way into W.
    seed, update : int
        At least 0.
    """

    rate: float
    recurrent_rate: float
    seed: int
    update: int

    def checked(self) -> Dropout:
        """Return it in Python's numbers, which compiled functions take.

        Raises
        ------
        ValueError
            If a rate is not in [0, 1), or seed or update is not in [0, 2⁶³).
        """
        for name in ("rate", "recurrent_rate"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"dropout.{name} must be at least 0 and below 1; got {getattr(self, name)!r}"
                )
        for name in ("seed", "update"):
            if not 0 <= getattr(self, name) < 2**63:
                raise ValueError(
                    f"dropout.{name} must be a whole number of at least 0, below 2^63; got "
                    f"{getattr(self, name)!r}"
                )
        rates = float(self.rate), float(self.recurrent_rate)
        return Dropout(*rates, index(self.seed), index(self.update))

    def mask(self, way: Any, layer: int, sequences: IntArray, n_units: int) -> Array | None:
        """Draw the mask of a layer, counted from 0, on one way, for some sequences.

        Returns
        -------
        array (H, n)
            0, or 1 / (1 - p); None where p is 0.
        """
        rate = self.rate if way == UP else self.recurrent_rate
        if rate == 0:
            return None
        with np.errstate(over="ignore"):  # numbers of 64 bits, and no more
            key = key_of_layer(np.uint64(self.seed), np.uint64(self.update), np.uint64(layer), way)
            keys = number(key, sequences.astype(np.uint64))
            drawn = number(keys, np.arange(n_units, dtype=np.uint64)[:, None])
        return np.where(is_dropped(drawn, threshold(rate)), 0.0, 1.0 / (1.0 - rate))


def number(begin: Any, i: Any) -> Any:
    """Give number i of the stream that begins at ``begin``, 64 bits."""
    x = begin + GOLDEN * (i + ONE)
    x = (x ^ (x >> SHIFTS[0])) * FACTORS[0]
    x = (x ^ (x >> SHIFTS[1])) * FACTORS[1]
    return x ^ (x >> SHIFTS[2])


def key_of_layer(seed: Any, update: Any, layer: Any, way: Any) -> Any:
    """Say where the stream of a layer's sequences begins."""
    return number(number(number(seed, update), layer), way)


def threshold(rate: float) -> Any:
    """Of the 2⁵³ values of a number's upper bits, how many drop a unit."""
    return np.uint64(rate * 2.0**53)


def is_dropped(drawn: Any, threshold: Any) -> Any:
    """Whether a unit that drew this number is dropped."""
    return (drawn >> ELEVEN) < threshold
