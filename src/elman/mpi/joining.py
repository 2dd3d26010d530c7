"""Adding the sums of all ranks: each finishes the tree for a slice, and sends it to all others.

Each number is added in the same order as in one process, because slices divide parameters, not shards.
A rank sends and receives each parameter about twice, whatever the number of ranks, and waits twice.

Letters: P ranks, n shards, N numbers of a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from elman._typing import Array
from elman.engines.compiled.summing import Place, Pool, Sum, TreeSum, places

Exchange: TypeAlias = Callable[[list[Array], list[int]], list[Array]]
"""Sends a message of bytes to each rank; returns the messages of all, given their sizes."""

_of_blocks = lru_cache(256)(places)


class DiffersError(Exception):
    """A rank, whose number is the argument, sent other messages than expected."""


class _Views:
    """Takes the place of a ``Pool`` for arrays that are parts of messages, which are not reused."""

    def take(self, n: int, dtype: np.dtype[Any]) -> Array:
        return np.empty(n, dtype)

    def give(self, array: Array) -> None:
        return


def join(
    exchange: Exchange,
    rank: int,
    tree: TreeSum,
    blocks: list[range],
    N: int,
    dtype: np.dtype[Any],
    head: Array,
) -> Sum:
    """Add up the parts of a tree that the ranks have. See ``Reducer.join``.

    Parameters
    ----------
    exchange : Exchange
    rank : int
        The number of this process.
    tree : TreeSum
        It has the shards of this process's block.
    blocks : list of P range
        The shards of each rank.
    N : int
        The number of numbers in a gradient.
    dtype : dtype
        The dtype of gradients.
    head : array (8,) of uint8
        The beginning that the messages of all ranks must have.

    Raises
    ------
    DiffersError
        If the messages of a rank do not begin so.
    """
    P, buffers = len(blocks), tree.buffers
    held = [_of_blocks(tree.n, block) for block in blocks]
    cuts = [N * r // P for r in range(P + 1)]
    own = [tree.waiting[place] for place in held[rank]]
    packed = [_packed(head, own, slice(*ends), buffers, dtype) for ends in pairwise(cuts)]
    messages = [numbers.view(np.uint8) for numbers in packed]
    n_own = cuts[rank + 1] - cuts[rank]
    sizes = [8 + len(of_rank) * (16 + n_own * dtype.itemsize) for of_rank in held]
    whole, received = TreeSum(tree.n, _Views()), exchange(messages, sizes)
    for number, (size, message) in enumerate(zip(sizes, received, strict=True)):
        if len(message) != size or (message[:8] != head).any():
            raise DiffersError(number)
    for of_rank, message in zip(held, received, strict=True):
        _unpack(whole, of_rank, message[8:], dtype)
    loss, correct, part = whole.root

    slices = exchange(
        [part.view(np.uint8)] * P, [dtype.itemsize * (end - start) for start, end in pairwise(cuts)]
    )
    for taken in own:
        buffers.give(taken.gradients)
    total = buffers.take(N, dtype)
    for start, content in zip(cuts, slices, strict=False):
        values = content.view(dtype)
        total[start : start + len(values)] = values
    for message in packed:  # may include this rank's own slice
        buffers.give(message)
    return Sum(loss, correct, total)


def _packed(
    head: Array, sums: list[Sum], part: slice, buffers: Pool, dtype: np.dtype[Any]
) -> Array:
    """Make a message: the head; each sum's Σ w L and Σ w over right answers; gradients of the slice."""
    n, k = part.stop - part.start, len(sums)
    begin = (8 + 16 * k) // dtype.itemsize
    message = buffers.take(begin + k * n, dtype)
    before, gradients = message[:begin].view(np.uint8), message[begin:]
    before[:8] = head
    numbers = before[8:].view(np.float64)
    for j, (loss, correct, of_all) in enumerate(sums):
        numbers[2 * j : 2 * j + 2] = loss, correct
        gradients[j * n : (j + 1) * n] = of_all[part]
    return message


def _unpack(whole: TreeSum, held: list[Place], message: Array, dtype: np.dtype[Any]) -> None:
    """Add the contents of a message to the tree of its slice."""
    k = len(held)
    numbers = message[: 16 * k].view(np.float64).tolist()
    if k:
        gradients = np.split(message[16 * k :].view(dtype), k)
    for j, (level, i) in enumerate(held):
        whole.add(i, numbers[2 * j], numbers[2 * j + 1], gradients[j], level)
