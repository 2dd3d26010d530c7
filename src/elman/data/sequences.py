"""Sequences of any lengths, held as one flat buffer with offsets."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, overload

import numpy as np
import numpy.typing as npt

from elman._typing import Array, IntArray
from elman.data import rows as stored
from elman.data.blocks import Files, Part, place_in_file
from elman.data.rows import Rows, as_values, copy_runs, offsets_of, runs
from elman.data.totals import BLOCK, Readers, rounds

CODE_POINTS = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"
"""The encoding whose bytes are those of an array of code points, uint32."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """Many sequences with the same number of features.

    Attributes
    ----------
    values : array (n_steps_in_all, n_features)
        The steps of the first sequence, then those of the second, and so on. If they are large,
        ``Rows``: they stay where they are, and indexing reads them.
    offsets : array (n_sequences + 1,)
        Sequence i is ``values[offsets[i]:offsets[i + 1]]``.
    stacked : bool
        Whether they came as one 3-D array, so that results for steps go back as an array.
    numbers : array (n_sequences,) or None
        Their numbers in messages, if they are a part of other sequences.
    padded_to : int or None
        The steps of each sequence before its padding was cut off, if they came as an array that
        had padding.
    names : tuple of str, or None
        The features, if they came as data frames whose columns have names.
    reading : mapping or None
        How ``read_sequences`` read them, as plain text, numbers, lists and mappings: a model that is
        fitted on them remembers it.
    are_characters : bool
        Whether each step is a character of a text; its one value is the code point. Then ``X[i]`` is a
        text.
    """

    values: Array
    offsets: IntArray
    stacked: bool = False
    numbers: IntArray | None = None
    padded_to: int | None = None
    names: tuple[str, ...] | None = None
    reading: Mapping[str, Any] | None = None
    are_characters: bool = False

    @classmethod
    def of_rows(cls, values: Array, offsets: IntArray, stacked: bool = False) -> Sequences:
        """Cut rows (n_steps_in_all, n_features) into sequences; rows of a large file are not read."""
        if values.nbytes > stored.LARGE and (place := place_in_file(values)) is not None:
            files = Files([Part(*place, len(values))], values.dtype, values.shape[1])
            lengths = offsets[1:] - offsets[:-1]
            values = as_values(Rows(files, offsets[:-1], lengths, values.dtype))
        return cls(values, offsets, stacked)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        lengths = self.lengths if len(self) else np.zeros(1, np.int64)
        n, shortest, longest = len(self), f"{lengths.min():,}", f"{lengths.max():,}"
        steps = shortest if shortest == longest else f"{shortest} to {longest}"
        return f"<{n:,} sequence{'s' * (n != 1)} of {steps} steps, " + (
            "characters>" if self.are_characters else f"{self.n_features} features>"
        )

    @overload
    def __getitem__(self, i: int) -> Any: ...

    @overload
    def __getitem__(self, i: slice | Array | list[int]) -> Sequences: ...

    @overload
    def __getitem__(self, i: tuple[Any, Any]) -> Sequences: ...

    def __getitem__(self, i: int | slice | Array | list[int] | tuple[Any, Any]) -> Any:
        """One sequence (n_timesteps, n_features), or text, by its number; several by their numbers."""
        if isinstance(i, tuple):  # [numbers, ...], scikit-learn's way for things with a shape
            i = cast("Array | list[int]", i[0])
        if isinstance(i, slice | np.ndarray | list):
            return self.take(np.arange(len(self))[i])
        i = range(len(self))[i]  # i may count from the end
        own = np.asarray(self.values[self.offsets[i] : self.offsets[i + 1]])
        if self.are_characters:
            return own[:, 0].astype(np.uint32).tobytes().decode(CODE_POINTS, "surrogatepass")
        return own

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    @property
    def shape(self) -> tuple[int]:
        """(n_sequences,): so scikit-learn takes several at once, and not one by one."""
        return (len(self),)

    @property
    def n_features(self) -> int:
        """D, the number of features of each step."""
        return int(self.values.shape[1])

    @property
    def lengths(self) -> IntArray:
        """The number of steps of each sequence, (n_sequences,)."""
        return self.offsets[1:] - self.offsets[:-1]

    @property
    def unread(self) -> Rows | None:
        """The values, if they are read when they are needed; None if they are an array in memory."""
        values: Any = self.values
        return values if isinstance(values, Rows) else None

    @property
    def in_files(self) -> bool:
        """Whether the values are read from files."""
        return self.unread is not None and isinstance(self.unread.source, Files)

    @property
    def nbytes(self) -> int:
        """The size of all steps."""
        return int(self.values.nbytes)

    def loaded(self) -> Sequences:
        """Read all steps into memory, if they are not there."""
        return self if self.unread is None else replace(self, values=np.asarray(self.values))

    def astype(self, dtype: npt.DTypeLike) -> Sequences:
        """Convert the steps: at once if they are in memory, otherwise when they are read."""
        values = self.values.astype(dtype, copy=False)
        return self if values is self.values else replace(self, values=values)

    def blocks(self, n_numbers: int = BLOCK) -> Iterator[tuple[slice, slice]]:
        """Yield groups of successive sequences, and their rows.

        A group has at most ``n_numbers`` numbers, or is a single sequence.
        """
        offsets, n_rows, first = self.offsets, -(-n_numbers // self.n_features), 0
        while first < len(self):
            last = int(np.searchsorted(offsets, offsets[first] + n_rows, side="right")) - 1
            last = max(last, first + 1)
            yield slice(first, last), slice(int(offsets[first]), int(offsets[last]))
            first = last

    def blocks_to_fill(self, out: Array, readers: Readers | None) -> Iterator[tuple[slice, slice]]:
        """Yield ``blocks``, for the caller to fill in the rows of ``out`` (n_sequences, …).

        If several readers do it together, only the blocks of this process; the others fill in the rest.
        """
        if readers is None:
            yield from self.blocks()
            return
        found = list(self.blocks())
        starts = [*(some.start for some, _ in found), len(self)]
        for cuts in rounds(len(found), readers.size):
            yield from found[cuts[readers.rank] : cuts[readers.rank + 1]]
            readers.share(out, tuple(starts[cut] for cut in cuts))

    def rows(self, indices: IntArray) -> IntArray:
        """The rows of ``values`` of some of the sequences, one after another."""
        starts = self.offsets[indices]
        return runs(starts, self.offsets[indices + 1] - starts)

    def take(self, indices: IntArray) -> Sequences:
        """Return some of the sequences: a copy, or if they are large, unread."""
        starts = self.offsets[indices]
        lengths = self.offsets[indices + 1] - starts
        offsets, values = offsets_of(lengths), self.values
        is_large = int(offsets[-1]) * self.n_features * values.dtype.itemsize > stored.LARGE
        if self.unread is not None or is_large:
            some = (self.unread or Rows.of_array(self.values, self.offsets)).take(indices)
            values = as_values(some) if is_large else some[:]
        else:
            values = np.empty((int(offsets[-1]), self.n_features), values.dtype)
            copy_runs(self.values, starts, lengths, values)
        numbers = indices if self.numbers is None else self.numbers[indices]
        return replace(self, values=values, offsets=offsets, numbers=numbers)

    def shortened(self, lengths: IntArray) -> Sequences:
        """Keep the first ``lengths[i]`` steps of each sequence i, which has at least so many."""
        if self.unread is not None or self.nbytes > stored.LARGE:
            values = as_values(
                (self.unread or Rows.of_array(self.values, self.offsets)).shortened(lengths)
            )
        else:
            values = self.values[self.first_steps(lengths)]
        return replace(self, values=values, offsets=offsets_of(lengths), stacked=False)

    def first_steps(self, lengths: IntArray) -> Array:
        """Which rows of ``values`` are among the first ``lengths[i]`` steps of their sequence i."""
        step = np.arange(len(self.values)) - np.repeat(self.offsets[:-1], self.lengths)
        return np.asarray(step < np.repeat(lengths, self.lengths))

    def locate(self, row: int) -> str:
        """Say in words which sequence and step a row of ``values`` is."""
        i = int(np.searchsorted(self.offsets, row, side="right")) - 1
        number = i if self.numbers is None else self.numbers[i]
        return f"sequence {number}, step {row - self.offsets[i]}"

    def padded(self, rows: Array) -> Array:
        """Pad rows (n_steps_in_all, n) with NaN as X was: (n_sequences, padded_to, n)."""
        assert self.padded_to is not None
        padded = np.full((len(self), self.padded_to, rows.shape[1]), np.nan, rows.dtype)
        padded[np.arange(self.padded_to) < self.lengths[:, None]] = rows
        return padded

    def fold(self, rows: Array) -> Array | list[Array]:
        """Fold an array with a row for each step of ``values`` into the form of the sequences.

        Returns
        -------
        array (n_sequences, n_timesteps, …) if they came as an array, else a list of arrays
        (n_timesteps, …).
        """
        if self.stacked:
            return rows.reshape(len(self), -1, *rows.shape[1:])
        return np.split(rows, self.offsets[1:-1])
