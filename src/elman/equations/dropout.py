"""Dropout: masks that multiply states in training, and a generator that draws them from a counter.

A unit is dropped with probability p, and the others are multiplied by 1 / (1 - p). So the mean stays
the same, and predictions need no correction (Srivastava et al. 2014; "inverted"). A sequence keeps its
masks at all of its steps (Gal and Ghahramani 2016, section 4): one on h_t as it goes up, to the layer
above or to V, and one on h_{t-1} as it goes into W. If a cell uses h_{t-1} without W, as a GRU does,
this is never dropped.

Each random number is a function of seed, update, layer, way, sequence and unit. So it does not matter
in which order the numbers are drawn, or by how many threads. The generator is SplitMix64 (Steele, Lea
and Flood 2014, figures 16 and 17), whose i-th number is a function of i and of the beginning of the
stream. Here each number is the beginning of another stream, of the next level.

Letters: H units, n sequences.
"""

from __future__ import annotations

from operator import index
from typing import Any, NamedTuple

import numpy as np

from elman._typing import Array, IntArray

UP, IN_TIME = np.uint64(0), np.uint64(1)  # the ways of a state: to the next layer, to the next step

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
ONE, ELEVEN = np.uint64(1), np.uint64(11)


class Dropout(NamedTuple):
    """What is dropped in an update of a training.

    Attributes
    ----------
    rate : float
        p for states on their way up.
    recurrent_rate : float
        p for states on their way into W.
    seed, update : int
        At least 0.
    """

    rate: float
    recurrent_rate: float
    seed: int
    update: int

    def checked(self) -> Dropout:
        """Return a copy with Python's numbers, which compiled functions take.

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
        with np.errstate(over="ignore"):  # arithmetic in 64 bits wraps around
            key = key_of_layer(np.uint64(self.seed), np.uint64(self.update), np.uint64(layer), way)
            keys = number(key, sequences.astype(np.uint64))
            drawn = number(keys, np.arange(n_units, dtype=np.uint64)[:, None])
        return np.where(is_dropped(drawn, threshold(rate)), 0.0, 1.0 / (1.0 - rate))


def number(begin: Any, i: Any) -> Any:
    """Return number i, of 64 bits, of the stream that begins at ``begin``."""
    x = begin + GOLDEN * (i + ONE)
    x = (x ^ (x >> SHIFTS[0])) * FACTORS[0]
    x = (x ^ (x >> SHIFTS[1])) * FACTORS[1]
    return x ^ (x >> SHIFTS[2])


def key_of_layer(seed: Any, update: Any, layer: Any, way: Any) -> Any:
    """Return the beginning of the stream of a layer's sequences."""
    return number(number(number(seed, update), layer), way)


def threshold(rate: float) -> Any:
    """How many of the 2⁵³ values of a number's upper bits drop a unit."""
    return np.uint64(rate * 2.0**53)


def is_dropped(drawn: Any, threshold: Any) -> Any:
    """Whether the unit with this random number is dropped."""
    return (drawn >> ELEVEN) < threshold
