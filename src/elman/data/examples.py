"""Sequences with their targets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from elman._typing import Array, IntArray
from elman.data.batch import Batch, Divide, longest_first, undivided
from elman.data.frontend import FrontEnd
from elman.data.sequences import Sequences
from elman.data.targets import Targets
from elman.errors import DataError


@dataclass(frozen=True, eq=False)
class Examples:
    """Sequences with targets.

    Attributes
    ----------
    sequences : Sequences
    targets : Targets
        One for each sequence, or one for each step.
    front_end : FrontEnd or None
        Turns the sequences of each batch into the network's steps when the batch is taken. None: the
        sequences are the network's steps already.
    """

    sequences: Sequences
    targets: Targets
    front_end: FrontEnd | None = None

    def take(self, indices: Array) -> Examples:
        """Return some of the sequences, with their targets."""
        rows = self.sequences.rows(indices) if self.targets.every_step else indices
        taken = self.sequences.take(indices)
        return replace(self, sequences=taken, targets=self.targets.take(rows))

    def made(self) -> Examples:
        """Read the sequences, and turn them into what the network takes."""
        made = self.sequences.loaded()
        if self.front_end is not None:
            made = self.front_end.apply(made)
        return Examples(made, self.targets)

    def lengths(self, indices: IntArray) -> IntArray:
        """The number of the network's steps for some of the sequences."""
        lengths = self.sequences.offsets[indices + 1] - self.sequences.offsets[indices]
        return lengths if self.front_end is None else self.front_end.lengths(lengths)

    def longest_first(self, indices: IntArray) -> IntArray:
        """Sort some of the sequences into a batch's order."""
        return indices[longest_first(self.lengths(indices))]

    def batch(self, indices: IntArray, divide: Divide = undivided) -> tuple[Batch, Targets]:
        """Return some of the sequences as an engine takes them, and targets, which include theirs.

        Sequences that other processes compute are not read.
        """
        sequences, targets = self.sequences, self.targets
        if self.front_end is None and sequences.unread is None:
            return Batch.of(sequences, indices, targets.every_step, divide), targets
        numbers = self.longest_first(indices)
        division = divide(self.lengths(numbers))
        numbers = numbers[division.own]
        own = self.take(numbers).made()
        made, n = own.sequences, len(sequences)
        # A sequence's number among all finds its target, and its masks of dropout.
        batch = Batch(
            made,
            numbers,
            made.offsets[:-1],
            made.lengths,
            targets.every_step,
            n,
            carried=numbers,
            division=division,
        )
        return batch, own.targets if targets.every_step else targets

    def order(self, rng: np.random.Generator) -> IntArray:
        """Draw an order of the sequences for an epoch.

        If the sequences are in memory, all orders are equally likely. Sequences in files are read in
        blocks: the blocks (1 MiB) come in a random order, and sequences are shuffled within each
        64 MiB of them.
        """
        unread = self.sequences.unread
        return rng.permutation(len(self.sequences)) if unread is None else unread.order(rng)

    def present(self) -> Examples:
        """Leave out sequences of weight 0, and the steps behind the last one that has a weight.

        Steps of weight 0 before that one stay, because later steps depend on them; they have no loss.

        Raises
        ------
        DataError
            If nothing is left.
        """
        present = self.targets.present
        if present.all():
            return self
        if not present.any():
            raise DataError("all sample weights are zero; there is nothing to learn from.")
        if not self.targets.every_step:
            return self.take(np.flatnonzero(present))
        sequences = self.sequences
        starts = sequences.offsets[:-1]
        number = np.arange(1, len(present) + 1)  # of each step among all, from 1
        last = np.maximum.reduceat(np.where(present, number, 0), starts)
        lengths = np.maximum(last - starts, 0)
        kept = sequences.first_steps(lengths)
        cut = sequences.shortened(lengths)
        shortened = replace(self, sequences=cut, targets=self.targets.take(kept))
        return shortened if lengths.all() else shortened.take(np.flatnonzero(lengths))

    def with_targets(self, targets: Targets) -> Examples:
        """Exchange the targets."""
        return replace(self, targets=targets)

    @cached_property
    def weight_of_sequences(self) -> Array:
        """The weight of each sequence, or the sum of its steps' weights, (n_sequences,), in float64."""
        return self._sums(self.targets.weights.astype(np.float64))

    @property
    def mean_weight(self) -> float:
        """The mean weight of a sequence; if steps have targets, the mean weight of a target."""
        weights = self.targets.weights
        largest = float(weights.max())  # sums of large numbers would overflow
        relative = self._sums(weights / largest) / self._sums(self.targets.present)
        return largest * float(relative.mean())

    def _sums(self, values: Array) -> Array:
        """Sum values of steps over each sequence."""
        if not self.targets.every_step:
            return values
        return np.asarray(np.add.reduceat(values, self.sequences.offsets[:-1], dtype=np.float64))
