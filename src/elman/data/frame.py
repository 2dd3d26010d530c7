"""Frames: several samples of a sequence that are one step of the network."""

from __future__ import annotations

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from elman._typing import IntArray

AUTO_STEPS = 128
"""``frame="auto"``: a sequence of median length has about so many steps."""

AUTO_OVERLAP = 8
"""``frame="auto"``: a frame is so many strides long, so each sample is in so many frames."""

AUTO_SHARE = 4
"""``frame="auto"``: the median sequence is at least so many times as long as a frame."""

AUTO_INPUTS = 512
"""``frame="auto"``: a frame has at most so many numbers, but at least one stride."""


class Frame(NamedTuple):
    """What makes a step.

    Attributes
    ----------
    length : int
        The samples of a step.
    stride : int
        The distance from a step's first sample to that of the next step.
    aligned : bool
        Whether each sample has a step, made of the samples up to it, so that T' = T. Before the
        beginning, the first sample is repeated. Otherwise the first step begins with the sequence,
        samples after the last whole frame are in no step, and in a sequence that is shorter than a
        frame the last sample is repeated.
    """

    length: int
    stride: int
    aligned: bool = False

    @classmethod
    def of(cls, given: Any, lengths: IntArray, aligned: bool, n_numbers: int = 1) -> Frame | None:
        """Find out what ``frame=`` means.

        Parameters
        ----------
        given : (length, stride), "auto" or None
        lengths : array (n_sequences,)
            The lengths of the training sequences, for ``"auto"``.
        aligned : bool
            Whether each sample has to have a step.
        n_numbers : int
            The numbers in a sample, for ``"auto"``.

        Raises
        ------
        ValueError
            If ``given`` is something else, or does not make a step for each sample.
        """
        if given is None:
            return None
        if isinstance(given, str):
            if given != "auto":
                raise ValueError(f"frame={given!r}; expected (length, stride), 'auto' or None.")
            return None if aligned else cls._auto(int(np.median(lengths)), n_numbers)
        frame = tuple(given)
        if len(frame) != 2 or not all(isinstance(n, Integral) and int(n) >= 1 for n in frame):
            raise ValueError(
                f"frame={given!r}; expected (length, stride), two whole numbers of samples, each 1 or "
                "more: frame=(16, 4) puts 16 samples into a step, every 4 samples."
            )
        found = cls(int(frame[0]), int(frame[1]), aligned)
        found.check()
        return found

    @classmethod
    def _auto(cls, n_samples: int, n_numbers: int) -> Frame | None:
        """Choose a frame for sequences of ``n_samples`` samples of ``n_numbers`` numbers."""
        stride = max(1, round(n_samples / AUTO_STEPS))
        longest = min(AUTO_OVERLAP * stride, n_samples // AUTO_SHARE, AUTO_INPUTS // n_numbers)
        length = max(stride, longest)
        return None if length == 1 else cls(length, stride)

    def check(self) -> None:
        """Raise a ValueError if the values do not make a frame."""
        numbers: Any = self  # from a file, anything
        for number in numbers[:2]:
            if not isinstance(number, int) or number < 1:
                raise ValueError(f"length and stride of a frame are {self[:2]}; expected 1 or more")
        if not isinstance(numbers[2], bool):
            raise ValueError(f"aligned must be True or False; got {numbers[2]!r}")
        if self.aligned and self.stride > 1:
            raise ValueError(
                f"frame={self[:2]} skips steps, and each step is to be answered: its stride must be "
                f"1. Set frame=({self.length}, 1)."
            )

    def steps(self, lengths: IntArray) -> IntArray:
        """T' of sequences with T samples."""
        if self.aligned:
            return lengths
        return np.maximum(1 + (lengths - self.length) // self.stride, 1)

    def first_samples(self, steps: IntArray) -> IntArray:
        """The first sample of each step, both counted from 0; below 0 it is before the sequence."""
        return steps * self.stride - (self.length - 1 if self.aligned else 0)
