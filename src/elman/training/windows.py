"""What an update learns from: a batch of whole sequences, or windows of them, one after another.

In truncated back-propagation through time (Williams and Peng 1990, BPTT(h; h')) a window goes on from
the states that the one before it ended in, and takes these as constants: errors go back to its first
step, and no further. Here it goes back as many steps as there are between two updates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from elman._typing import IntArray
from elman.data import Batch, Examples, Targets
from elman.engines import Carry


class Window(NamedTuple):
    """What an update learns from.

    Attributes
    ----------
    batch : Batch
        The steps of each sequence that has any here.
    targets : Targets
        Theirs among them.
    n_sequences : int
        Of the batch that it is cut from: what the objective is a mean over.
    share : float
        Of that batch's steps, how many stand here; 1 if it is not cut.
    weight : float
        The weights of the targets here, summed.
    is_last : bool
        Whether no other follows.
    carry, after : list of Carry or None
        The states that each network begins with, None where sequences begin; and where to put those it
        ends in, None if nothing follows. They are rows of the same arrays.
    """

    batch: Batch
    targets: Targets
    n_sequences: int
    share: float
    weight: float
    is_last: bool
    carry: Sequence[Carry] | None
    after: Sequence[Carry] | None


def windows(
    examples: Examples, indices: IntArray, n_steps: int | None, states: Sequence[Carry] | None
) -> Iterator[Window]:
    """Cut a batch of sequences into windows.

    Parameters
    ----------
    examples : Examples
        With targets a step, if they are cut.
    indices : array
        The sequences.
    n_steps : int or None
        Of a window; None: all.
    states : list of Carry or None
        What carries each network's states from one window to the next, a row a sequence of
        ``examples``.

    Yields
    ------
    Window
        The first steps of all sequences, then those that follow, of the sequences that go on.
    """
    whole, targets = examples.batch(indices)
    n = len(indices)
    longest = int(whole.lengths[0])
    if n_steps is None or longest <= n_steps:
        weight = float(examples.weight_of_sequences[indices].sum())
        yield Window(whole, targets, n, 1.0, weight, True, None, None)
        return
    n_in_all = whole.lengths.sum()
    for begin in range(0, longest, n_steps):
        lengths = np.minimum(whole.lengths - begin, n_steps)
        there = lengths > 0  # the first ones: the longest come first
        batch = replace(
            whole,
            members=whole.members[there],
            starts=whole.starts[there] + begin,
            lengths=lengths[there],
        )
        weight = sum(
            float(targets.weights[start : start + length].sum(dtype=np.float64))
            for start, length in zip(batch.starts, batch.lengths, strict=True)
        )
        share = float(batch.lengths.sum() / n_in_all)
        is_last = begin + n_steps >= longest
        carry = states if begin else None
        yield Window(batch, targets, n, share, weight, is_last, carry, states)


def n_windows(examples: Examples, batch_size: int, n_steps: int | None) -> int:
    """The updates of an epoch, in this order: windows without a target make none.

    Another order of sequences that differ in length may make some more or fewer of windows.
    """
    sequences, targets = examples.sequences, examples.targets
    n = len(sequences)
    if n_steps is None or not targets.every_step:
        return -(-n // batch_size)
    lengths = sequences.lengths
    step = np.arange(len(targets)) - np.repeat(sequences.offsets[:-1], lengths)
    batch = np.repeat(np.arange(n) // batch_size, lengths)
    window = batch * -(-int(lengths.max()) // n_steps) + step // n_steps
    return len(np.unique(window[targets.present]))
