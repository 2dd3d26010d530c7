"""Sequences of any lengths: checked once, on entry, and held as one flat buffer with offsets."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Real
from typing import Any, cast, overload

import numpy as np
import numpy.typing as npt

from elman._typing import Array, IntArray, SequencesLike
from elman.data import rows as stored
from elman.data.blocks import Files, Part, place_in_file
from elman.data.rows import Pieces, Rows, Stack, copy_runs, runs
from elman.data.totals import BLOCK, Totals, blocks
from elman.errors import DataError

MISSING = ("NoneType", "NAType", "NaTType")
"""The types of what libraries put where a value is missing, by name."""

CODE_POINTS = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"
"""The coding whose bytes are those of an array of code points, uint32."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """Many sequences of one number of features.

    Attributes
    ----------
    values : array (n_steps_in_all, n_features)
        The steps of the first sequence, then those of the second, and so on. Where they are large,
        ``Rows``: they stay where they are, and indexing reads them.
    offsets : array (n_sequences + 1,)
        Sequence i is ``values[offsets[i]:offsets[i + 1]]``.
    stacked : bool
        Whether they came as one 3-D array, so that results for steps go back as an array.
    numbers : array (n_sequences,) or None
        What messages call them, if they are some of others.
    padded_to : int or None
        The steps of each sequence before its padding was cut off, if they came as an array that
        had padding.
    names : tuple of str, or None
        The features, if they came as data frames whose columns have names.
    reading : mapping or None
        How ``read_sequences`` read them, as plain text, numbers, lists and mappings: a model that is
        fitted on them remembers it.
    are_characters : bool
        Whether each step is a character of a text, whose code point is its one value. One sequence
        is a text then.
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
    def of_rows(cls, values: Array, lengths: IntArray, stacked: bool = False) -> Sequences:
        """Cut rows (n_steps_in_all, n_features) into sequences; those of a large file are not read."""
        offsets = _offsets(lengths)
        if values.nbytes > stored.LARGE and (place := place_in_file(values)) is not None:
            files = Files([Part(*place, len(values))], values.dtype, values.shape[1])
            values = _as_values(Rows(files, offsets[:-1], lengths, values.dtype))
        return cls(values, offsets, stacked)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        lengths = self.lengths if len(self) else np.zeros(1, np.int64)
        return f"<{len(self):,} sequences of {lengths.min():,} to {lengths.max():,} steps, " + (
            "characters>" if self.are_characters else f"{self.n_features} features>"
        )

    @overload
    def __getitem__(self, i: int) -> Any: ...

    @overload
    def __getitem__(self, i: slice | Array | list[int]) -> Sequences: ...

    @overload
    def __getitem__(self, i: tuple[Any, Any]) -> Sequences: ...

    def __getitem__(self, i: int | slice | Array | list[int] | tuple[Any, Any]) -> Any:
        """One sequence (n_timesteps, n_features), or text, by its number; some of them by several."""
        if isinstance(i, tuple):  # [numbers, ...], as scikit-learn takes some of what has a shape
            i = cast("Array | list[int]", i[0])
        if isinstance(i, slice | np.ndarray | list):
            return self.take(np.arange(len(self))[i])
        i = range(len(self))[i]  # from the end, too
        own = np.asarray(self.values[self.offsets[i] : self.offsets[i + 1]])
        if self.are_characters:
            return own[:, 0].astype(np.uint32).tobytes().decode(CODE_POINTS, "surrogatepass")
        return own

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    @property
    def shape(self) -> tuple[int]:
        """(n_sequences,): scikit-learn then takes some of them as such, and not one by one."""
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
        """The values, if they are read when they are wanted; None if they are an array in memory."""
        values: Any = self.values
        return values if isinstance(values, Rows) else None

    @property
    def nbytes(self) -> int:
        """The size of all steps."""
        return int(self.values.nbytes)

    def loaded(self) -> Sequences:
        """Read all steps into memory, if they are not there."""
        return self if self.unread is None else replace(self, values=np.asarray(self.values))

    def astype(self, dtype: npt.DTypeLike) -> Sequences:
        """Convert the steps: those in memory at once, others when they are read."""
        return replace(self, values=self.values.astype(dtype, copy=False))

    def blocks(self, n_numbers: int = BLOCK) -> Iterator[tuple[slice, slice]]:
        """Yield some sequences after another, and their rows; more than one only if they are short.

        Together they have so many numbers at most.
        """
        offsets, n_rows, first = self.offsets, -(-n_numbers // self.n_features), 0
        while first < len(self):
            last = int(np.searchsorted(offsets, offsets[first] + n_rows, side="right")) - 1
            last = max(last, first + 1)
            yield slice(first, last), slice(int(offsets[first]), int(offsets[last]))
            first = last

    def rows(self, indices: IntArray) -> IntArray:
        """The rows of ``values`` that some of the sequences are made of, one after another."""
        starts = self.offsets[indices]
        return runs(starts, self.offsets[indices + 1] - starts)

    def take(self, indices: IntArray) -> Sequences:
        """Return some of the sequences: a copy, but where they are large, unread."""
        starts = self.offsets[indices]
        lengths = self.offsets[indices + 1] - starts
        offsets, values = _offsets(lengths), self.values
        is_large = int(offsets[-1]) * self.n_features * values.dtype.itemsize > stored.LARGE
        if self.unread is not None or is_large:
            some = (self.unread or _in_array(self)).take(indices)
            values = _as_values(some) if is_large else some[:]
        else:
            values = np.empty((int(offsets[-1]), self.n_features), values.dtype)
            copy_runs(self.values, starts, lengths, values)
        numbers = indices if self.numbers is None else self.numbers[indices]
        return replace(self, values=values, offsets=offsets, numbers=numbers)

    def shortened(self, lengths: IntArray) -> Sequences:
        """Keep the first ``lengths[i]`` steps of each sequence i; they are at most its own."""
        if self.unread is not None or self.nbytes > stored.LARGE:
            values = _as_values((self.unread or _in_array(self)).shortened(lengths))
        else:
            values = self.values[self.first_steps(lengths)]
        return replace(self, values=values, offsets=_offsets(lengths), stacked=False)

    def first_steps(self, lengths: IntArray) -> Array:
        """Which rows of ``values`` are among the first ``lengths[i]`` steps of their sequence i."""
        step = np.arange(len(self.values)) - np.repeat(self.offsets[:-1], self.lengths)
        return np.asarray(step < np.repeat(lengths, self.lengths))

    def locate(self, row: int) -> str:
        """Say in words which sequence and step a row of ``values`` is."""
        i = int(np.searchsorted(self.offsets, row, side="right")) - 1
        number = i if self.numbers is None else self.numbers[i]
        return f"sequence {number}, step {row - self.offsets[i]}"

    def fold(self, rows: Array) -> Array | list[Array]:
        """Fold an array with a row for each step of ``values`` as the sequences came.

        Returns
        -------
        array (n_sequences, n_timesteps, …) if they came as an array, else a list of arrays
        (n_timesteps, …).
        """
        if self.stacked:
            return rows.reshape(len(self), -1, *rows.shape[1:])
        return np.split(rows, self.offsets[1:-1])


def as_sequences(
    X: SequencesLike | Sequences,
    dtype: npt.DTypeLike | None = None,
    name: str = "X",
    *,
    measure: bool = False,
    filling: str = "",
) -> Sequences:
    """Check sequences and lay them out flat.

    What is larger than 64 MiB is not copied, nor converted: ``Sequences.values`` are ``Rows`` then,
    where it takes either. Memory-mapped arrays of that size are read from their files.

    Steps at the end of a sequence of a 3-D array that are NaN in every feature are padding: the
    sequence ends before them. NaN anywhere else is refused.

    Parameters
    ----------
    X : array (n_samples, n_timesteps, n_features), or list or object array of 2-D arrays
        Two-dimensional arrays in a list are (n_timesteps, n_features), of any lengths. They may be
        data frames; then all have the same columns, in the same order. Or ``Sequences``, as
        ``read_sequences`` returns them.
    dtype : floating or complex dtype, optional
        What to convert to. Left out, float32 and float64 stay, and other numbers become float64.
    name : str
        What messages call the data.
    measure : bool
        Whether to find the totals of what is read from where it stays (``Rows.totals``), which takes
        less than reading it once more.
    filling : str
        What messages say first of values that are missing.

    Returns
    -------
    Sequences

    Raises
    ------
    DataError
        If the axes, the lengths, the columns or the numbers of features are not as above, if there
        is nothing, or if a value is not a finite number. The message names the sequence and the step.
    """
    if type(X) is not np.ndarray or X.dtype == object:
        refuse_mask(X, name)
        refuse_table(X, name)
        if not isinstance(X, list | tuple) and hasattr(X, "__array__"):
            X = np.asarray(X)
    if isinstance(X, Sequences):
        given = X
        if X.unread is None:
            given = replace(X, values=X.values.view())  # what owns its memory is written to
    elif isinstance(X, np.ndarray) and (X.dtype != object or X.ndim == 3):
        given = Sequences.of_rows(*_of_array(X, name), stacked=True)
    else:
        given = _of_list(_listed(X, name), name)

    if len(given) == 0:
        raise DataError(f"{name} holds no sequences; expected at least one.")
    lengths = given.lengths
    if lengths.min() == 0:
        raise DataError(_no_steps(int(lengths.argmin()), name))
    if given.n_features == 0:
        raise DataError(f"{name} has 0 features a step; expected at least one.")

    if dtype is None:
        dtype = given.values.dtype if given.values.dtype in (np.float32, np.float64) else np.float64
    sequences = _converted(given, np.dtype(dtype))
    rows = sequences.unread if measure else None
    totals = None if rows is None else Totals(sequences.n_features, rows.dtype)
    wrong = _not_finite_rows(sequences, totals)
    if len(wrong) and given.stacked:
        lengths = _lengths_without_padding(given)
        if not lengths.all():
            raise DataError(_no_steps(int(np.argmin(lengths)), name, "only NaN, which is padding"))
        if (lengths < given.lengths).any():
            of, step = np.divmod(wrong, padded_to := int(given.lengths[0]))
            sequences = replace(sequences.shortened(lengths), padded_to=padded_to)
            given = given.shortened(lengths)
            wrong = (given.offsets[of] + step)[step < lengths[of]]
    if len(wrong):
        raise _not_finite(sequences, given.values, int(wrong[0]), name, filling)
    if rows is not None:
        rows.totals = totals
    return sequences


def _converted(given: Sequences, dtype: np.dtype[Any]) -> Sequences:
    """Bring values to rows one behind another, in a dtype: at once, or if they are large in reading."""
    values = given.values
    if given.unread is None:
        if values.dtype == dtype and values.flags.c_contiguous:
            return given
        if values.size * dtype.itemsize <= stored.LARGE:
            with np.errstate(over="ignore"):  # an overflow to infinity is reported, with its place
                return replace(given, values=np.ascontiguousarray(values, dtype=dtype))
        values = _as_values(_in_array(given))
    return replace(given, values=values.astype(dtype, copy=False))


def _not_finite_rows(sequences: Sequences, totals: Totals | None) -> IntArray:
    """Which rows of the values are not all finite; what is read for it is added to totals as well."""
    found = []
    for rows, block in blocks(sequences.values):
        finite = np.isfinite(block)
        if not finite.all():
            found.append(rows.start + np.flatnonzero(~finite.all(axis=1)))
        if totals is not None:
            totals.add(block)
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _in_array(sequences: Sequences) -> Rows:
    """What is in memory, as what is read."""
    values, offsets = sequences.values, sequences.offsets
    return Rows(Stack(values), offsets[:-1], sequences.lengths, values.dtype)


def _as_values(rows: Rows) -> Array:
    """Rows are to stand for an array: they have its shape and its dtype, and slices of them are one."""
    return cast(Array, rows)


def _of_array(X: Array, name: str) -> tuple[Array, IntArray]:
    if X.ndim != 3:
        hint = {
            1: f"One sequence of one feature a step is {name}[None, :, None].",
            2: f"One recording of many steps is [{name}], and its labels [y]; many sequences of one "
            f"feature a step are {name}[:, :, None], many of one step {name}[:, None, :].",
        }
        raise DataError(
            f"{name} has {X.ndim} dimension(s), shape {X.shape}; expected 3: "
            "(n_samples, n_timesteps, n_features). Reshape your data. "
            + hint.get(X.ndim, "Sequences of different lengths are a list of 2-D arrays.")
        )
    n_samples, n_timesteps, n_features = X.shape
    values = numeric(X, name).reshape(n_samples * n_timesteps, n_features)
    return values, np.full(n_samples, n_timesteps, dtype=np.int64)


def _of_list(X: Sequence[Any], name: str) -> Sequences:
    pieces: list[Array] = []
    names = column_names(X[0]) if len(X) else None
    for i, x in enumerate(X):
        piece = numeric(x, f"{name}[{i}]")
        if piece.shape == (0,):  # [], which has no second axis
            raise DataError(_no_steps(i, name))
        if piece.ndim != 2:
            raise DataError(
                f"{name}[{i}] has {piece.ndim} dimension(s), shape {piece.shape}; expected 2: "
                "(n_timesteps, n_features)."
                + (
                    " For one feature a step pass np.asarray(x)[:, None]."
                    if piece.ndim == 1
                    else ""
                )
            )
        if (columns := column_names(x)) != names:
            raise DataError(_other_columns(f"{name}[{i}]", columns, f"{name}[0]", names))
        if pieces and piece.shape[1] != pieces[0].shape[1]:
            raise DataError(
                f"{name}[{i}] has {piece.shape[1]} feature(s) a step, {name}[0] has "
                f"{pieces[0].shape[1]}; all sequences must have the same. Sequences may differ "
                "in length only, which is axis 0."
            )
        pieces.append(piece)
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    offsets = _offsets(lengths)
    if sum(piece.nbytes for piece in pieces) > stored.LARGE:
        source = _source_of(pieces)
        values = _as_values(Rows(source, offsets[:-1], lengths, source.dtype))
    else:
        values = np.concatenate(pieces) if pieces else np.empty((0, 1))
    return Sequences(values, offsets, names=names)


def _source_of(pieces: list[Array]) -> Files | Pieces:
    """Where the rows of arrays lie: in files, if all are views of such."""
    dtypes, places = {piece.dtype for piece in pieces}, []
    if len(dtypes) == 1:
        for piece in pieces:
            place = place_in_file(piece)
            if place is None:
                break
            places.append(Part(*place, len(piece)))
    if len(places) < len(pieces):
        return Pieces(pieces)
    return Files(places, pieces[0].dtype, pieces[0].shape[1])


def _offsets(lengths: IntArray) -> IntArray:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    lengths.cumsum(out=offsets[1:])
    return offsets


def _lengths_without_padding(stack: Sequences) -> IntArray:
    """The steps of each sequence up to the last one that is not NaN in every feature."""
    n_timesteps, lengths = int(stack.lengths[0]), stack.lengths
    for some, rows in stack.blocks():
        is_padding = np.isnan(stack.values[rows]).all(axis=1).reshape(-1, n_timesteps)
        after_last = n_timesteps - (~is_padding)[:, ::-1].argmax(axis=1)
        lengths[some] = np.where(is_padding.all(axis=1), 0, after_last)
    return lengths


def _no_steps(i: int, name: str, but: str = "") -> str:
    return (
        f"sequence {i} of {name} has no steps{but and f', {but}'}; every sequence needs at least "
        "one. Leave empty sequences (and their labels) out."
    )


def column_names(frame: Any) -> tuple[str, ...] | None:
    """The names of a data frame's columns, or of a Series' index, if they are text; else None.

    Raises
    ------
    DataError
        If some are text and some are not.
    """
    if isinstance(frame, np.ndarray):
        return None
    names = getattr(frame, "column_names", None)  # pyarrow's, whose .columns are the data
    if names is None:
        names = getattr(frame, "columns", None)
    if names is None and hasattr(frame, "iloc"):  # a Series of pandas
        names = frame.index
    names = () if names is None else tuple(names)
    are_text = [isinstance(name, str) for name in names]
    if any(are_text) and not all(are_text):
        index = "columns" if hasattr(frame, "columns") else "index"
        raise DataError(
            f"a {type(frame).__name__} has names that are not all text: "
            f"{', '.join(map(repr, names))}. Make them text: x.{index} = x.{index}.astype(str)."
        )
    return names if any(are_text) else None


def _other_columns(
    what: str, names: tuple[str, ...] | None, other: str, expected: tuple[str, ...] | None
) -> str:
    def listed(columns: tuple[str, ...] | None) -> str:
        return "no column names" if columns is None else f"the columns {', '.join(columns)}"

    message = (
        f"{what} has {listed(names)}, {other} has {listed(expected)}; expected the same in the same "
        "order."
    )
    if names is not None and expected is not None and set(names) == set(expected):
        message += f" Reorder them: {what}[list({other}.columns)]."
    return message


def refuse_table(X: Any, name: str) -> None:
    """Refuse tables and groups that hold sequences in a way that arrays cannot, and say what to do."""
    kind = type(X).__name__
    if kind.endswith("GroupBy"):
        raise DataError(
            f"{name} is a {kind}; expected a list of sequences. "
            + (
                f"Pass [part.to_frame() for _, part in {name}]."
                if kind == "SeriesGroupBy"
                else "With `columns` a list of the features: "
                f"[frame[columns] for _, frame in {name}]."
            )
        )
    first = X[0] if isinstance(X, list | tuple) and X else None
    if isinstance(first, tuple) and len(first) == 2 and hasattr(first[1], "iloc"):
        raise DataError(
            f"{name}[0] is a pair of a key and a {type(first[1]).__name__}; expected a sequence. Pass "
            f"[part for _, part in {name}]."
        )
    if getattr(getattr(X, "index", None), "nlevels", 1) > 1:
        part = "part" if hasattr(X, "columns") else "part.to_frame()"
        raise DataError(
            f"{name} is a {kind} whose index has several levels; expected a list of sequences. If "
            f"the first level is the sequence: [{part} for _, part in {name}.groupby(level=0)]. If "
            f"each row is one: {name}.reset_index(drop=True)."
        )
    table = np.asarray(X) if hasattr(X, "columns") else X
    if (
        isinstance(table, np.ndarray)
        and table.dtype == object
        and table.ndim == 2
        and table.size
        and any(isinstance(cell, list | tuple) or getattr(cell, "ndim", 0) for cell in table.flat)
    ):
        raise DataError(
            f"{name} is a {kind} with sequences in its cells; expected a list of 2-D arrays. If the "
            "columns are the features (leave others out): "
            f"[np.stack([*row], axis=1) for row in np.asarray({name})]."
        )


def _listed(X: Any, name: str) -> Sequence[Any]:
    if isinstance(X, np.ndarray) and X.ndim > 0:
        return list(X)
    if isinstance(X, list | tuple):
        return X
    raise DataError(
        f"{name} is a {type(X).__name__}; expected an array, or a list of arrays, one a sequence."
    )


def refuse_mask(X: Any, name: str) -> None:
    """Refuse a masked array: what its mask hides would be taken for data."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise DataError(
            f"{name} is an array with a mask, and masks are not used. Leave masked steps out: pass a "
            "list of 2-D arrays, each as long as its sequence (of labels, a list of 1-D arrays)."
        )


def numeric(X: Any, name: str, expected: str = "an array (n_timesteps, n_features)") -> Array:
    """Make an array of real numbers of any shape; ``expected`` is for messages."""
    refuse_mask(X, name)
    if X is None:
        raise DataError(f"{name} is None; expected {expected}.")
    if hasattr(X, "toarray"):  # a sparse matrix
        raise DataError(
            f"{name} is a sparse {type(X).__name__}; expected a dense array. Pass x.toarray()."
        )
    try:
        array = np.asarray(X)
    except ValueError:  # rows of different lengths
        raise DataError(
            f"{name} is not a rectangular array: its rows differ in length; expected {expected}."
        ) from None
    if array.dtype == object:
        for kind in {type(x) for x in array.flat}:
            if kind.__name__ in MISSING:
                raise DataError(
                    f"{name} holds missing values ({kind.__name__}); expected numbers. Fill them, or "
                    "make them NaN, as x.astype(float) does in a data frame."
                )
            if issubclass(kind, str):
                raise text_in(X, name)
            if not issubclass(kind, Real | Decimal | np.bool_):
                raise DataError(f"{name} holds {kind.__name__} objects; expected numbers.")
        try:
            array = array.astype(np.float64)
        except OverflowError:
            raise DataError(f"{name} holds a whole number too large for float64.") from None
    if array.dtype.kind not in "biuf":
        raise DataError(
            f"{name} has dtype {array.dtype}; expected real numbers. "
            "Encode text and categories as numbers first (one-hot, for instance)."
        )
    return array


def text_in(X: Any, name: str) -> DataError:
    """Say that X holds text; of a data frame, in which column."""
    columns = () if isinstance(X, list | tuple) else column_names(X) or ()
    found = None
    if len(set(columns)) == len(columns):  # else nobody could say which
        found = next(
            (c for c in columns if any(isinstance(v, str) for v in np.asarray(X[c]))), None
        )
    if found is None:
        return DataError(f"{name} holds text; expected numbers. Encode it as numbers (one-hot).")
    return DataError(
        f"{name} holds text in column {found!r}; expected numbers. Encode the column as numbers, or "
        "leave it out. elman.read_sequences(frame, id=..., label=...) makes sequences of a table, and "
        "numbers of its text."
    )


def _not_finite(sequences: Sequences, given: Array, row: int, name: str, filling: str) -> DataError:
    """Say that a row of the values is not finite, where, and what to do."""
    feature = int(np.argmin(np.isfinite(sequences.values[row])))
    value = given[row][feature]
    place = f"at {sequences.locate(row)}, feature {feature}"
    if np.isfinite(value):
        return DataError(
            f"{name} contains {value:g} {place}, too large for dtype {sequences.values.dtype}. "
            "Scale the data, or pass float64."
        )
    if np.isinf(value):
        return DataError(f"{name} contains infinity {place}; expected finite numbers. Correct it.")
    if sequences.stacked or sequences.padded_to:
        remedy = (
            f"np.nan_to_num(np.asarray({name}, float)) puts 0 for it. Only steps at the end of a "
            "sequence that are NaN in every feature count as padding."
        )
    else:
        remedy = (
            f"[np.nan_to_num(np.asarray(x, float)) for x in {name}] puts 0 for it"
            + (", [x.fillna(0) for x in X] in data frames" if sequences.names else "")
            + ". Leave steps that are padding out: each is as long as its sequence."
        )
    return DataError(f"{name} contains NaN {place}; expected finite numbers. {filling}{remedy}")
