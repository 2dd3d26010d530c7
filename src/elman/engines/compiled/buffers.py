"""Flat arrays for compiled functions to work in, kept from call to call.

A vector is often wider than what is computed, and what it has beyond is computed with, though never
read. So arrays begin as zeros. What the system's memory has instead may be denormal numbers, halves of
addresses for instance, and with these Intel's processors take up to eleven times as long a step.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from threading import Lock
from typing import Any

import numpy as np

from elman._typing import Array

VECTOR_BYTES = 64
SMALL_BUFFER = 1 << 16  # bytes: it is kept, as making it anew takes longer than small networks do
FEW_BUFFERS = 4 * SMALL_BUFFER  # bytes that stay in all, once there were large ones


class Buffers:
    """Flat arrays, used again and again, so that no step waits for new memory."""

    def __init__(self) -> None:
        self._free: defaultdict[tuple[int, np.dtype[Any]], list[Array]] = defaultdict(list)
        self._rooms: defaultdict[np.dtype[Any], list[Array]] = defaultdict(list)  # shortest first
        self._has_large = False
        self._lock = Lock()

    def take(self, n: int, dtype: np.dtype[Any]) -> Array:
        """Return n numbers, from where a cache line begins: zeros, or what an earlier use left."""
        with self._lock:
            if free := self._free[n, dtype]:
                return free.pop()
        return aligned(n, dtype)

    def give(self, array: Array) -> None:
        """Give an array back."""
        with self._lock:
            self._free[len(array), array.dtype].append(array)
            self._has_large |= array.nbytes > SMALL_BUFFER

    def take_room(self, n: int, dtype: np.dtype[Any]) -> Array:
        """Return such an array of n numbers or more, for work whose size changes from call to call.

        Of those that are free it is the shortest that will do. If none will, a new one takes the place
        of the longest, so that there are never more than are in use at a time.
        """
        with self._lock:
            rooms = self._rooms[dtype]
            i = bisect_left(rooms, n, key=len)
            if i < len(rooms):
                return rooms.pop(i)
            del rooms[-1:]
        return aligned(n, dtype)

    def give_room(self, room: Array) -> None:
        """Give such an array back."""
        with self._lock:
            insort(self._rooms[room.dtype], room, key=len)
            self._has_large |= room.nbytes > SMALL_BUFFER

    @property
    def nbytes(self) -> int:
        """The size of the arrays that are not in use."""
        with self._lock:
            pools = [*self._free.values(), *self._rooms.values()]
            return sum(array.nbytes for arrays in pools for array in arrays)

    def release(self) -> None:
        """Let go of the arrays that are not in use, but for a few small ones."""
        if not self._has_large:
            return
        with self._lock:
            n_bytes = 0
            for arrays in (*self._free.values(), *self._rooms.values()):
                kept = []
                for array in arrays:  # how many there are depends on the threads
                    if array.nbytes <= SMALL_BUFFER and n_bytes + array.nbytes <= FEW_BUFFERS:
                        kept.append(array)
                        n_bytes += array.nbytes
                arrays[:] = kept
            self._has_large = False


def aligned(n: int, dtype: np.dtype[Any]) -> Array:
    """An array of n zeros that begins where a cache line does."""
    spare = VECTOR_BYTES // dtype.itemsize
    array = np.zeros(n + spare, dtype)
    start = -array.ctypes.data % VECTOR_BYTES // dtype.itemsize
    return array[start : start + n]
