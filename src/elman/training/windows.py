"""What an update learns from: a batch of whole sequences, or one of the windows they are cut into.

In truncated back-propagation through time (Williams and Peng 1990, BPTT(h; h')), a window starts from
the states in which the window before ended, and treats them as constants. So errors go back to the
first step of the window, and no further. Here, h = h': a window has as many steps as lie between two
updates.
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
    """What an update learns from.

    The batch and its targets are those that this process computes; all else is about all processes.

    Attributes
    ----------
    batch : Batch
        The steps in this window, of the sequences that reach it.
    targets : Targets
        The targets of these steps or sequences.
    n_sequences : int
        The number of sequences in the whole batch, over which the objective is a mean.
    share : float
        The share of the whole batch's steps that are in this window; 1 if the batch is not cut.
    weight : float
        The sum of the weights of the targets in this window.
    is_last : bool
        Whether this is the last window of its batch.
    carry, after : list of Carry or None
        ``carry`` has the states that each network starts from; it is None in the first window.
        ``after`` is where the states at the end are written; it is None in the last window. Both are
        the same arrays, with a row for each sequence of the whole batch, the longest first.
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
        If they are cut, they have a target for each step.
    indices : array
        The numbers of the batch's sequences.
    n_steps : int or None
        The number of steps in a window. None means all steps.
    states : list of Carry or None
        Each network's states between two windows, with a row for each sequence of the batch.
    divide : callable
        Says which process computes which sequences. A sequence stays with its process in all windows.

    Yields
    ------
    Window
        First the window with the first steps of all sequences, then the next steps of those that have
        not ended, and so on.
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
    """Count the updates of an epoch, with the sequences in this order.

    A window without targets makes no update. If sequences differ in length, another order may give a
    few more or fewer.
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
