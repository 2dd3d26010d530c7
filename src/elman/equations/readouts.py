"""Readouts: what the output reads from the steps of a sequence, r_t. V multiplies it in place of h_t.

    last    r_t = h_t                           the notes' own
    mean    r_t = (h_1 + … + h_t) / t           added in the order of the steps
    max     r_t = max(h_1, …, h_t)              unit by unit

A sequence with one target is answered from r_T, where T is its own length. A readout is carried from
step to step, as a state is, so a stream is answered from the steps so far. Only the output reads r_t.

Letters: T steps, n sequences that have a step, H units.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from elman._typing import Array
from elman.equations.functions import positive, where


class Readout(ABC):
    """Base of all readouts: what is carried from step to step, what is read from it, and the way back.

    Attributes
    ----------
    of_all_steps : bool
        Whether an answer reads other steps than its own, so that its error also goes to these.
    chooses : bool
        Whether it compares states, so that their rounding may decide which step is read.
    """

    of_all_steps = True
    chooses = False

    @abstractmethod
    def carry(self, before: Any, h: Any) -> Any:
        """Add a step's h_t, (H, n), to what is carried from the step before."""

    def read(self, carried: Any, t: Any) -> Any:
        """R_t, from what is carried after step t, counted from 1; t may be one for each column."""
        return carried

    @abstractmethod
    def back(self, d: Array, h: Array, before: Array | None, t: int) -> tuple[Array, Array | None]:
        """Split the error of what is carried after step t.

        Parameters
        ----------
        d : array (H, n)
            dL/d(carried), with all that later steps send back.
        h : array (H, n)
        before : array (H, n), or None at the first step
            The value carried from the step before.
        t : int

        Returns
        -------
        dh, d_before : arrays (H, n)
            The parts for h_t, and for the value carried from the step before; None if there is none.
        """

    def error(self, dr: Array, t: int) -> Array:
        """dL/d(carried), from dL/dr_t."""
        return dr


class Last(Readout):
    """r_t = h_t."""

    of_all_steps = False

    def carry(self, before: Any, h: Any) -> Any:
        """h_t."""
        return h

    def back(self, d: Array, h: Array, before: Array | None, t: int) -> tuple[Array, Array | None]:
        """The whole error goes to h_t."""
        return d, None


class Mean(Readout):
    """r_t = (h_1 + … + h_t) / t; the sum is carried."""

    def carry(self, before: Any, h: Any) -> Any:
        """h_1 + … + h_t."""
        return before + h

    def read(self, carried: Any, t: Any) -> Any:
        """The sum divided by t."""
        return carried / t

    def error(self, dr: Array, t: int) -> Array:
        """dL/dr_t divided by t."""
        return dr / t

    def back(self, d: Array, h: Array, before: Array | None, t: int) -> tuple[Array, Array | None]:
        """Each step gets the same error."""
        return d, d


class Max(Readout):
    """r_t = max(h_1, …, h_t); if steps are equal, the first of them counts, and gets the error."""

    chooses = True

    def carry(self, before: Any, h: Any) -> Any:
        """The larger one; for complex numbers, the one with the larger real part."""
        return where(positive(h - before), h, before)

    def back(self, d: Array, h: Array, before: Array | None, t: int) -> tuple[Array, Array | None]:
        """The error goes to h_t if it is the largest so far, else to the steps before."""
        if before is None:
            return d, None
        is_largest = positive(h - before)
        return where(is_largest, d, 0), where(is_largest, 0, d)


READOUTS: dict[str, Readout] = {"last": Last(), "mean": Mean(), "max": Max()}
"""The readouts by name."""


def carry(readout: Readout, h: Sequence[Array]) -> list[Array]:
    """Carry a readout through all steps.

    Parameters
    ----------
    readout : Readout
    h : T blocks (H, n_t)
        The top layer's states.

    Returns
    -------
    T blocks (H, n_t)
        What is carried after each step.
    """
    carried: list[Array] = []
    for h_t in h:
        before = carried[-1][:, : h_t.shape[1]] if carried else None
        carried.append(h_t if before is None else readout.carry(before, h_t))
    return carried


def read(readout: Readout, carried: Sequence[Array]) -> list[Array]:
    """Read r_1 … r_T, T blocks (H, n_t), from what ``carry`` returned."""
    return [readout.read(of_step, t) for t, of_step in enumerate(carried, start=1)]


def errors_of_states(
    readout: Readout, dr: Sequence[Array], h: Sequence[Array], carried: Sequence[Array]
) -> list[Array]:
    """Carry errors back from what was read to the states.

    Parameters
    ----------
    readout : Readout
    dr : T blocks (H, n_t)
        dL/dr_t by way of the answers of step t alone.
    h, carried : T blocks (H, n_t)

    Returns
    -------
    T blocks (H, n_t)
        dL/dh_t, by way of all answers from step t on.
    """
    dh: list[Array] = []  # last step first
    later: Array | None = None
    for t in range(len(dr), 0, -1):
        d = readout.error(dr[t - 1], t).copy()
        if later is not None:
            d[:, : later.shape[1]] += later
        before = carried[t - 2][:, : d.shape[1]] if t > 1 else None
        dh_t, later = readout.back(d, h[t - 1], before, t)
        dh.append(np.asarray(dh_t))
    return dh[::-1]
