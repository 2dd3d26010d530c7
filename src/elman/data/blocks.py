"""Rows that stay in files until a batch needs them, and are read block by block.

Files are read, not mapped: a mapped page counts as memory of the process as long as the system has
room, and a file that is cut short while it is mapped ends the process. To read in a random order, whole
blocks of the file are read, and some of them are kept.
"""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, cast

import numpy as np

from elman._files import open_file
from elman._typing import Array, IntArray
from elman.data.rows import copy_runs, parts
from elman.errors import DataError

BLOCK = 1 << 20
"""The size of a block in bytes: what is read at once, if sequences are needed in a random order."""

WINDOW = 1 << 26
"""The size of a window in bytes: sequences are shuffled among its blocks."""

LONG = 1 << 15
"""From so many bytes a mean sequence on, each is read by itself, after its block was announced."""


class Part(NamedTuple):
    """Rows in a file, one behind another, that begin at a byte of it."""

    path: str
    position: int
    n_rows: int


@dataclass(frozen=True)
class _State:
    """The state of a file when it was first opened. It has to stay the same."""

    size: int
    changed: int

    @classmethod
    def of(cls, found: os.stat_result) -> _State:
        return cls(found.st_size, found.st_mtime_ns)


class Files:
    """The rows of files, which are read block by block.

    Parameters
    ----------
    parts : list of Part
        In their order.
    dtype : dtype
        The dtype of the numbers in the files.
    n_features : int

    Raises
    ------
    DataError
        If a file is too short; in reading, also if it has changed.
    OSError
        If a file cannot be read.
    """

    def __init__(self, parts: Sequence[Part], dtype: Any, n_features: int) -> None:
        self.parts: list[Part] = []
        for part in parts:  # parts that follow each other in a file become one
            before = self.parts[-1] if self.parts else None
            n_bytes = 0 if before is None else before.n_rows * n_features * np.dtype(dtype).itemsize
            if before is not None and part[:2] == (before.path, before.position + n_bytes):
                self.parts[-1] = before._replace(n_rows=before.n_rows + part.n_rows)
            else:
                self.parts.append(part)
        self.dtype = np.dtype(dtype)
        self.n_features = n_features
        self.offsets = np.concatenate([[0], np.cumsum([part.n_rows for part in self.parts])])
        self._states: dict[str, _State] = {}
        self._lock = Lock()
        self._file: tuple[str, io.RawIOBase] | None = None
        self._begin()
        for part in self.parts:
            end = part.position + part.n_rows * self.row_bytes
            if part.path not in self._states:
                self._states[part.path] = _State.of(Path(part.path).stat())
            if end > self._states[part.path].size:
                raise _cut_short(part.path, end, self._states[part.path].size)

    @property
    def row_bytes(self) -> int:
        """The size of a row."""
        return self.n_features * int(self.dtype.itemsize)

    @property
    def rows_of_block(self) -> int:
        """The number of rows in a block."""
        return max(1, int(BLOCK // self.row_bytes))

    def _begin(self, longest: int = 0) -> None:
        """Start without blocks. Behind a block there is room for the rest of its last sequence."""
        self._rows_behind = longest
        self._blocks: Array | None = None  # (slots · rows of a slot, D)
        self._announced: dict[int, None] = {}  # a set, in the order of adding
        self._slots: dict[int, int] = {}  # the slot of each block, in the order of reading

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name in _KEPT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = Lock()
        self._file = None
        self._begin()

    def order(self, starts: IntArray, lengths: IntArray, rng: np.random.Generator) -> IntArray:
        """Draw an order of sequences in which few blocks are needed at a time.

        Blocks come in a random order, and sequences are shuffled within a window of blocks.
        """
        _, of = np.unique(starts // self.rows_of_block, return_inverse=True)
        order = np.argsort(rng.permutation(of.max() + 1)[of], kind="stable")
        ends = np.cumsum(lengths[order]) * self.row_bytes
        window = (ends - 1) // WINDOW
        return np.asarray(order[np.lexsort((rng.random(len(order)), window))])

    def read(self, starts: IntArray, lengths: IntArray, out: Array) -> None:
        """See ``Source.read``."""
        with self._lock, ExitStack() as stack:
            stack.callback(self._close)
            longest = int(lengths.max())
            if longest > self.rows_of_block // 4:
                self._read_runs(starts, lengths, out)
                return
            block = starts // self.rows_of_block
            wanted = np.unique(block)
            if len(wanted) > _n_blocks():
                self._read_runs(starts, lengths, out)
                return
            if len(out) * self.row_bytes >= LONG * len(starts):
                self._announce(wanted)
                self._read_runs(starts, lengths, out)
                return
            if longest > self._rows_behind:
                # Neighbours in a batch are read as one run, which is longer. The room is doubled, so
                # that blocks are read again only a few times.
                self._begin(min(2 * longest, self.rows_of_block // 4))
            slots = self._fetched(wanted)[np.searchsorted(wanted, block)]
            assert self._blocks is not None
            at = (
                slots * (self.rows_of_block + self._rows_behind)
                + starts
                - block * self.rows_of_block
            )
            copy_runs(self._blocks, at, lengths, out)

    def _announce(self, wanted: IntArray) -> None:
        """Ask the system to read each block in one piece, before sequences are read from it."""
        R = self.rows_of_block
        for block in wanted.tolist():
            if block in self._announced or not hasattr(os, "posix_fadvise"):
                continue
            n = min(R, int(self.offsets[-1]) - block * R)
            for number, start, stop, _ in parts(self.offsets, np.array([block * R]), np.array([n])):
                path, position, _ = self.parts[number]
                place = position + start * self.row_bytes, (stop - start) * self.row_bytes
                os.posix_fadvise(self._open(path).fileno(), *place, os.POSIX_FADV_WILLNEED)
            self._announced[block] = None
            if len(self._announced) > _n_blocks():
                del self._announced[next(iter(self._announced))]

    def _fetched(self, wanted: IntArray) -> IntArray:
        """Read the blocks that are not there yet, and return the slot of each."""
        size, R = self.rows_of_block + self._rows_behind, self.rows_of_block
        if self._blocks is None:
            self._blocks = np.empty((_n_blocks() * size, self.n_features), self.dtype)
        missing = [block for block in wanted.tolist() if block not in self._slots]
        if missing:
            used = set(wanted.tolist())
            free = list(set(range(_n_blocks())) - set(self._slots.values()))
            spare = [block for block in self._slots if block not in used]
            for block in missing:
                slot = free.pop() if free else self._slots.pop(spare.pop(0))
                first = block * R
                n = min(size, int(self.offsets[-1]) - first)
                into = self._blocks[slot * size : slot * size + n]
                self._read_runs(np.array([first]), np.array([n]), into)
                self._slots[block] = slot  # last, so that an interrupt leaves no half block behind
        return np.array([self._slots[block] for block in wanted.tolist()])

    def _read_runs(self, starts: IntArray, lengths: IntArray, out: Array) -> None:
        """Read runs one by one, each in one piece."""
        if out.dtype != self.dtype:
            self._read_to_convert(starts, lengths, out)
            return
        size, bytes_of, path = self.row_bytes, out.reshape(-1).view(np.uint8).data, None
        for number, start, stop, to in parts(self.offsets, starts, lengths):
            part = self.parts[number]
            if part.path != path:  # only once: if a file is cut short later, reading shows it
                path, file = part.path, self._open(part.path)
            into = bytes_of[to * size : (to + stop - start) * size]
            self._fill(path, file, part.position + start * size, into)

    def _read_to_convert(self, starts: IntArray, lengths: IntArray, out: Array) -> None:
        """Read runs in the files' dtype, at most a block's bytes at a time, and convert them."""
        to, R = 0, self.rows_of_block
        for start, n in zip(starts.tolist(), lengths.tolist(), strict=True):
            for first in range(start, start + n, R):
                some = np.array([min(R, start + n - first)])
                read = np.empty((int(some[0]), self.n_features), self.dtype)
                self._read_runs(np.array([first]), some, read)
                out[to : to + len(read)] = read
                to += len(read)

    def _fill(self, path: str, file: io.RawIOBase, at: int, into: memoryview) -> None:
        file.seek(at)
        done = 0
        while done < len(into):
            n = file.readinto(into[done:])
            if not n:
                raise _cut_short(path, at + len(into), file.seek(0, io.SEEK_END))
            done += n

    def _open(self, path: str) -> io.RawIOBase:
        """Open a file, and check that it has not changed."""
        if self._file is None or self._file[0] != path:
            self._close()
            self._file = path, cast(io.BufferedReader, open_file(path)).detach()
        file = self._file[1]
        before, found = self._states[path], _State.of(os.fstat(file.fileno()))
        if found != before:
            raise DataError(
                f"{path} changed while it was read: it had {before.size:,} bytes, and has "
                f"{found.size:,}, or others. Let nothing write to it, and begin anew."
            )
        return file

    def _close(self) -> None:
        if self._file is not None:
            self._file[1].close()
            self._file = None


_KEPT = ("parts", "dtype", "n_features", "offsets", "_states")


def _n_blocks() -> int:
    """The number of blocks that are kept: those of a window, and some of the window before."""
    return max(2, 3 * WINDOW // (2 * BLOCK))


def _cut_short(path: str, expected: int, found: int) -> DataError:
    return DataError(
        f"{path} ends after {found:,} bytes; {expected:,} were expected. It is damaged, or was cut "
        "short while it was read. Write it again."
    )


def place_in_file(array: Array) -> tuple[str, int] | None:
    """The file of a memory-mapped array, and the byte at which the array begins.

    None if it is not memory-mapped, its rows do not follow each other, or changes to it are not written
    to the file (``mode="c"``).
    """
    root: Any = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    if not isinstance(root, np.memmap) or not isinstance(root.base, mmap.mmap):
        return None
    if root.mode == "c" or root.filename is None or not array.flags.c_contiguous:
        return None
    if root.mode != "r":
        root.flush()
    # The map begins at a whole page of the file.
    first = root.offset - root.offset % mmap.ALLOCATIONGRANULARITY
    begin = np.frombuffer(root.base, np.uint8).ctypes.data
    return str(root.filename), int(first + array.ctypes.data - begin)
