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
from elman.data import Batch, Divide, Examples, Targets, undivided
from elman.engines import Carry


class Window(NamedTuple):
    """What an update learns from. All but the batch and its targets is of all processes.

    Attributes
    ----------
    batch : Batch
        The steps of each sequence that has any here, and that this process computes.
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
        ends in, None if nothing follows. They are rows of the same arrays, one a sequence of the batch
        that it is cut from, longest first.
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
    examples: Examples,
    indices: IntArray,
    n_steps: int | None,
    states: Sequence[Carry] | None,
    divide: Divide = undivided,
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
        What carries each network's states from one window to the next, a row a sequence of the batch.
    divide : callable
        A sequence stays with its process for all windows.

    Yields
    ------
    Window
        The first steps of all sequences, then those that follow, of the sequences that go on.
    """
    own, targets = examples.batch(indices, divide)
    n = len(indices)
    if n_steps is None or examples.lengths(indices).max() <= n_steps:
        weight = float(examples.weight_of_sequences[indices].sum())
        yield Window(own, targets, n, 1.0, weight, True, None, None)
        return
    of_all = examples.longest_first(indices)
    starts, lengths = examples.sequences.offsets[of_all], examples.lengths(of_all)
    n_in_all, longest = lengths.sum(), int(lengths[0])
    own = replace(own, carried=np.arange(n)[own.division.own])
    for begin in range(0, longest, n_steps):
        of_each = np.minimum(lengths - begin, n_steps)
        n_here = int((of_each > 0).sum())
        weight = sum(
            float(examples.targets.weights[start : start + length].sum(dtype=np.float64))
            for start, length in zip(starts[:n_here] + begin, of_each[:n_here], strict=True)
        )
        share = float(of_each[:n_here].sum() / n_in_all)
        batch = replace(own.window(begin, n_steps), division=own.division.first(n_here))
        is_last = begin + n_steps >= longest
        carry = states if begin else None
        after = None if is_last else states
        yield Window(batch, targets, n, share, weight, is_last, carry, after)


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
