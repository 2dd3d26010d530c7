"""Steps that stay where they are, in arrays or in files, until a batch needs them.

Small data are one array in memory (``Sequences.values``). Large data are ``Rows``, which know where
each sequence is. Reading makes an array of the rows that are asked for, in the network's dtype.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, cast

import numpy as np

from elman._typing import Array, IntArray
from elman.data.totals import Totals

LARGE = 1 << 26
"""Data of up to so many bytes are one array in memory, turned into the network's form once."""

_FEW_ROWS = 16
"""If the mean length is below this, rows are copied one by one in one call, not run by run."""


class Source(Protocol):
    """A place with rows, numbered from 0."""

    dtype: np.dtype[Any]
    n_features: int

    def read(self, starts: IntArray, lengths: IntArray, out: Array) -> None:
        """Copy runs of rows one behind another to ``out`` (lengths.sum(), n_features)."""
        ...

    def order(self, starts: IntArray, lengths: IntArray, rng: np.random.Generator) -> IntArray:
        """Draw an order of sequences for an epoch in which they can be read fast."""
        ...


class Rows:
    """The rows of some sequences, as if they stood one behind another in one array.

    Indexing by a slice or by numbers reads them; ``np.asarray`` reads all.

    Parameters
    ----------
    source : Source
    starts, lengths : arrays (n_sequences,)
        Where each sequence begins in the source, and how long it is.
    dtype : dtype
        The dtype to which rows are converted when they are read.

    Attributes
    ----------
    totals : Totals or None
        The totals of all rows, if they were computed when the rows were checked.
    """

    def __init__(
        self, source: Source, starts: IntArray, lengths: IntArray, dtype: np.dtype[Any]
    ) -> None:
        self.source = source
        self.starts = starts
        self.lengths = lengths
        self.dtype = np.dtype(dtype)
        self.offsets = np.concatenate([[0], np.cumsum(lengths)])
        self.totals: Totals | None = None

    @classmethod
    def of_array(cls, values: Array, offsets: IntArray) -> Rows:
        """Make the rows of an array in memory: sequence i is its rows ``offsets[i]:offsets[i + 1]``."""
        return cls(Stack(values), offsets[:-1], offsets[1:] - offsets[:-1], values.dtype)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows, and of features."""
        return int(self.offsets[-1]), self.source.n_features

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """The size of all rows, once they are read."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize

    def order(self, rng: np.random.Generator) -> IntArray:
        """Draw an order of the sequences, as their source does."""
        return self.source.order(self.starts, self.lengths, rng)

    def __getitem__(self, rows: Any) -> Array:
        """Read: a slice of the rows, some by their numbers or by truth values, or one."""
        if isinstance(rows, slice):
            first, last, step = rows.indices(len(self))
            if step == 1:
                return self._between(first, max(first, last))
            rows = np.arange(first, last, step)
        numbers = np.asarray(rows)
        if numbers.dtype == bool:
            numbers = np.flatnonzero(numbers)
        flat = np.where(numbers < 0, numbers + len(self), numbers).reshape(-1)
        of = np.searchsorted(self.offsets, flat, side="right") - 1
        at = self.starts[of] + flat - self.offsets[of]
        out = self._read(at, np.ones(len(at), np.int64))
        return out.reshape(*numbers.shape, self.shape[1])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("steps that are read batch by batch are no array: reading copies them")
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)

    def astype(self, dtype: Any, copy: bool = False) -> Rows:
        """Return the same rows, to be read in another dtype."""
        return Rows(self.source, self.starts, self.lengths, dtype)

    def take(self, indices: IntArray) -> Rows:
        """Return the rows of some of the sequences, unread."""
        return Rows(self.source, self.starts[indices], self.lengths[indices], self.dtype)

    def shortened(self, lengths: IntArray) -> Rows:
        """Return the first rows of each sequence, unread."""
        return Rows(self.source, self.starts, lengths, self.dtype)

    def _between(self, first: int, last: int) -> Array:
        """Read rows first … last - 1."""
        a = int(np.searchsorted(self.offsets, first, side="right")) - 1
        b = int(np.searchsorted(self.offsets, last, side="left"))
        starts, lengths = self.starts[a:b].copy(), self.lengths[a:b].copy()
        if len(lengths):
            cut = first - self.offsets[a]
            starts[0] += cut
            lengths[0] -= cut
            lengths[-1] -= self.offsets[b] - last
        return self._read(starts, lengths)

    def _read(self, starts: IntArray, lengths: IntArray) -> Array:
        out = np.empty((int(lengths.sum()), self.shape[1]), self.dtype)
        if len(out):
            with np.errstate(over="ignore"):  # values too large for the dtype were refused
                self.source.read(*joined(starts, lengths), out)
        return out


def as_values(rows: Rows) -> Array:
    """Use ``Rows`` as an array: they have a shape and a dtype, and slices of them are arrays."""
    return cast(Array, rows)


def offsets_of(lengths: IntArray) -> IntArray:
    """Where each sequence begins, one behind another, and where the last one ends."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    lengths.cumsum(out=offsets[1:])
    return offsets


def joined(starts: IntArray, lengths: IntArray) -> tuple[IntArray, IntArray]:
    """Join runs that follow each other."""
    begin_anew = starts[1:] != starts[:-1] + lengths[:-1]
    if begin_anew.all():
        return starts, lengths
    begins = np.concatenate([[0], 1 + np.flatnonzero(begin_anew)])
    return starts[begins], np.add.reduceat(lengths, begins)


def runs(starts: IntArray, lengths: IntArray) -> IntArray:
    """The numbers of all rows of runs, one behind another."""
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.asarray(np.repeat(starts, lengths) + within)


def copy_runs(values: Array, starts: IntArray, lengths: IntArray, out: Array) -> None:
    """Copy runs of rows one behind another."""
    if len(out) < _FEW_ROWS * len(starts):
        rows = runs(starts, lengths)
        if values.dtype == out.dtype:
            np.take(values, rows, axis=0, out=out, mode="clip")  # "raise" would copy twice
        else:
            out[...] = values[rows]
        return
    to = 0
    for start, n in zip(starts.tolist(), lengths.tolist(), strict=True):
        out[to : to + n] = values[start : start + n]
        to += n


class Stack:
    """The rows of one array in memory."""

    def __init__(self, values: Array) -> None:
        self.values = values
        self.dtype = values.dtype
        self.n_features = int(values.shape[1])

    def read(self, starts: IntArray, lengths: IntArray, out: Array) -> None:
        """See ``Source.read``."""
        copy_runs(self.values, starts, lengths, out)

    def order(self, starts: IntArray, lengths: IntArray, rng: np.random.Generator) -> IntArray:
        """See ``Source.order``: any is as likely as any other."""
        return rng.permutation(len(starts))


class Pieces:
    """The rows of several arrays in memory, one behind another."""

    def __init__(self, pieces: Sequence[Array]) -> None:
        self.pieces = pieces
        self.dtype = np.result_type(*{piece.dtype for piece in pieces})
        self.n_features = int(pieces[0].shape[1])
        self.offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])

    def read(self, starts: IntArray, lengths: IntArray, out: Array) -> None:
        """See ``Source.read``."""
        for piece, start, stop, to in parts(self.offsets, starts, lengths):
            out[to : to + stop - start] = self.pieces[piece][start:stop]

    def order(self, starts: IntArray, lengths: IntArray, rng: np.random.Generator) -> IntArray:
        """See ``Source.order``: any is as likely as any other."""
        return rng.permutation(len(starts))


def parts(
    offsets: IntArray, starts: IntArray, lengths: IntArray
) -> Iterator[tuple[int, int, int, int]]:
    """Divide runs of rows among pieces, or files, that follow each other.

    Yields the number of a piece, its rows start … stop - 1, and their place in the result.
    """
    to = 0
    firsts = np.searchsorted(offsets, starts, side="right") - 1
    for piece, first, n in zip(firsts.tolist(), starts.tolist(), lengths.tolist(), strict=True):
        start = first - int(offsets[piece])
        while n > 0:
            size = int(offsets[piece + 1] - offsets[piece])
            stop = min(start + n, size)
            if stop > start:
                yield piece, start, stop, to
            to, n = to + stop - start, n - (stop - start)
            piece, start = piece + 1, 0
