"""What the output reads of one sequence's steps, and where its errors enter: ``equations.readouts``.

An answer at step t reads r_t. For unit i it is r_{t,i} = f(h_{1,i}, …, h_{t,i}). So its derivative is
one number for each unit and each step, ∂r_{t,i}/∂h_{j,i}. Times dL_t/dr_t it is the error that the
output sends to step j.

Letters: T steps, H units of the top layer, n passes side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from elman._typing import Array, IntArray
from elman.equations.readouts import Readout, carry, errors_of_states, read


class Reading(NamedTuple):
    """A readout, and one sequence's states that it reads: T blocks (H, 1)."""

    readout: Readout
    h: Sequence[Array]
    carried: Sequence[Array]

    @classmethod
    def of(cls, readout: Readout, h: Array) -> Reading:
        """Make one that reads states (T, H)."""
        blocks = list(h[:, :, None])
        return cls(readout, blocks, carry(readout, blocks))

    @property
    def r(self) -> Array:
        """r_1 … r_T, (T, H)."""
        return np.array(read(self.readout, self.carried))[:, :, 0]

    def weights(self, t: int) -> Array:
        """∂r_t/∂h_j of step t, from 0: (T, H), a row for each step j."""
        if not self.readout.of_all_steps:  # the rest would give the same
            weights = np.zeros((len(self.h), len(self.h[0])))
            weights[t] = 1
            return weights
        dr = np.zeros((len(self.h), len(self.h[0])))
        dr[t] = 1
        return self.errors(dr)

    def errors(self, dr: Array) -> Array:
        """The errors that the output sends to each step, (T, H), from all dL/dr_t together, (T, H)."""
        blocks = errors_of_states(self.readout, list(dr[:, :, None]), self.h, self.carried)
        return np.array(blocks)[:, :, 0]

    def in_passes(self, h: Iterable[Array], taus: IntArray) -> Iterator[Array]:
        """Read passes that begin at different steps, each with what was carried until there.

        Parameters
        ----------
        h : blocks (H, n_k)
            The states k steps after the passes began.
        taus : array (n,)
            The steps, from 0, at which they begin, in ascending order.

        Yields
        ------
        array (H, n_k)
            r, k steps after the passes began.
        """
        carried: Array = np.empty(0)
        for k, h_k in enumerate(h):
            steps = taus[: h_k.shape[1]] + k
            if self.readout.chooses and np.iscomplexobj(h_k):
                # The real parts are those of the sequence, except for rounding, which must not choose
                # between steps that are equal, or almost equal.
                h_k = np.concatenate([self.h[t] for t in steps], axis=1) + 1j * h_k.imag
            if k:
                carried = self.readout.carry(carried[:, : len(steps)], h_k)
            else:
                carried, later = h_k.copy(), steps > 0
                if later.any():
                    before = np.concatenate([self.carried[t - 1] for t in steps[later]], axis=1)
                    carried[:, later] = self.readout.carry(before, h_k[:, later])
            yield np.asarray(self.readout.read(carried, steps + 1))
