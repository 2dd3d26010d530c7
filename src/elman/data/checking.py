"""Sequences as users pass them: checked once, on entry, and laid out flat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from elman._typing import Array, IntArray, SequencesLike
from elman.data import rows as stored
from elman.data.arrays import all_finite, column_names, numeric, refuse_mask, refuse_table
from elman.data.blocks import Files, Part, place_in_file
from elman.data.rows import Pieces, Rows, as_values, offsets_of
from elman.data.sequences import Sequences
from elman.data.totals import BLOCK, Readers, Totals, each_block, gathered, totals_of
from elman.errors import DataError


def as_sequences(
    X: SequencesLike | Sequences,
    dtype: npt.DTypeLike | None = None,
    name: str = "X",
    *,
    measure: bool = False,
    filling: str = "",
    readers_of: Callable[[Sequences], Readers | None] | None = None,
) -> Sequences:
    """Check sequences and lay them out flat.

    Data of more than 64 MiB are not copied to be laid out or converted: then ``Sequences.values`` are
    ``Rows``. Memory-mapped arrays of that size are read from their files.

    Steps at the end of a sequence of a 3-D array that are NaN in every feature are padding: the
    sequence ends before them. NaN anywhere else is refused.

    Parameters
    ----------
    X : array (n_samples, n_timesteps, n_features), or list or object array of 2-D arrays
        Two-dimensional arrays in a list are (n_timesteps, n_features), of any lengths. They may be
        data frames; then all have the same columns, in the same order. Or ``Sequences``, as
        ``read_sequences`` returns them.
    dtype : floating or complex dtype, optional
        The dtype of the result. If left out, float32 and float64 stay, and other numbers become
        float64.
    name : str
        The name of the data in messages.
    measure : bool
        Whether to compute ``Rows.totals`` in the same pass, which takes less than reading once more.
    filling : str
        What messages about missing values say first.
    readers_of : callable, optional
        Takes the sequences before they are checked, and returns the processes that read them together.

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
            given = replace(X, values=X.values.view())  # memory of its own would be changed
    elif isinstance(X, np.ndarray) and (X.dtype != object or X.ndim == 3):
        given = Sequences.of_rows(*_of_array(X, name), stacked=True)
    else:
        given = _of_list(_listed(X, name), name)

    if len(given) == 0:
        raise DataError(f"{name} holds no sequences; expected at least one.")
    shortest = 0 if given.stacked else int(given.lengths.argmin())
    if given.offsets[shortest] == given.offsets[shortest + 1]:
        raise DataError(_no_steps(shortest, name))
    if given.n_features == 0:
        raise DataError(f"{name} has 0 features a step; expected at least one.")

    if dtype is None:
        dtype = given.values.dtype if given.values.dtype in (np.float32, np.float64) else np.float64
    sequences = _converted(given, np.dtype(dtype))
    rows = sequences.unread if measure else None
    totals = None if rows is None else Totals(sequences.n_features, rows.dtype)
    readers = None if readers_of is None else readers_of(sequences)
    wrong = _not_finite_rows(sequences, totals, readers)
    if len(wrong) and given.stacked:
        lengths = _lengths_without_padding(given, readers)
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
    n = n_samples * n_timesteps
    offsets = (
        np.arange(0, n + 1, n_timesteps, dtype=np.int64) if n else np.zeros(n_samples + 1, np.int64)
    )
    return numeric(X, name).reshape(n, n_features), offsets


def _of_list(X: Sequence[Any], name: str) -> Sequences:
    pieces: list[Array] = []
    names = column_names(X[0]) if len(X) else None
    for i, x in enumerate(X):
        piece = numeric(x, f"{name}[{i}]")
        if piece.shape == (0,):  # [] has no second axis
            raise DataError(_no_steps(i, name))
        if piece.ndim != 2:
            raise DataError(
                f"{name}[{i}] has {piece.ndim} dimension(s), shape {piece.shape}; expected 2: "
                "(n_timesteps, n_features)."
                + (
                    " For one feature a step pass np.asarray(x)[:, None]"
                    + ("; for tokens, tokens=True." if piece.dtype.kind in "iu" else ".")
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
    offsets = offsets_of(lengths)
    if sum(piece.nbytes for piece in pieces) > stored.LARGE:
        source = _source_of(pieces)
        values = as_values(Rows(source, offsets[:-1], lengths, source.dtype))
    else:
        values = np.concatenate(pieces) if pieces else np.empty((0, 1))
    return Sequences(values, offsets, names=names)


def _source_of(pieces: list[Array]) -> Files | Pieces:
    """Where the rows of arrays are: in files, if all are views of memory-mapped ones."""
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


def _listed(X: Any, name: str) -> Sequence[Any]:
    if isinstance(X, np.ndarray) and X.ndim > 0:
        return list(X)
    if isinstance(X, list | tuple):
        return X
    raise DataError(
        f"{name} is of type {type(X).__name__}; expected an array, or a list of arrays, one a sequence."
    )


def _converted(given: Sequences, dtype: np.dtype[Any]) -> Sequences:
    """Bring values to rows one behind another, in a dtype: at once, or if they are large, when read."""
    values = given.values
    if given.unread is None:
        if values.dtype == dtype and values.flags.c_contiguous:
            return given
        if values.size * dtype.itemsize <= stored.LARGE:
            with np.errstate(over="ignore"):  # an overflow to infinity is reported, with its place
                return replace(given, values=np.ascontiguousarray(values, dtype=dtype))
        values = as_values(Rows.of_array(values, given.offsets))
    return replace(given, values=values.astype(dtype, copy=False))


_NONE = np.empty(0, np.int64)


def _not_finite_rows(
    sequences: Sequences, totals: Totals | None, readers: Readers | None
) -> IntArray:
    """The rows of the values that are not all finite. What is read is also added to the totals."""
    values = sequences.values
    is_small = readers is None and sequences.unread is None and values.size <= BLOCK
    if is_small and all_finite(values):  # the usual case, which has to be fast
        return _NONE
    wrong = [_NONE]

    def look(rows: slice, block: Array) -> Array:
        if not all_finite(block):
            wrong.append(rows.start + np.flatnonzero(~np.isfinite(block).all(axis=1)))
        return np.empty(0) if totals is None else totals_of(block)

    shape = (0,) if totals is None else (2, sequences.n_features)
    for found in each_block(values, look, shape, readers):
        if totals is not None:
            totals.add(found)
    own = np.concatenate(wrong)
    return own if readers is None else gathered(own, readers)


def _lengths_without_padding(stack: Sequences, readers: Readers | None) -> IntArray:
    """The steps of each sequence up to the last one that is not NaN in every feature."""
    n_timesteps, lengths = int(stack.lengths[0]), stack.lengths
    for some, rows in stack.blocks_to_fill(lengths, readers):
        is_padding = np.isnan(stack.values[rows]).all(axis=1).reshape(-1, n_timesteps)
        after_last = n_timesteps - (~is_padding)[:, ::-1].argmax(axis=1)
        lengths[some] = np.where(is_padding.all(axis=1), 0, after_last)
    return lengths


def _no_steps(i: int, name: str, but: str = "") -> str:
    return (
        f"sequence {i} of {name} has no steps{but and f', {but}'}; every sequence needs at least "
        "one. Leave empty sequences (and their labels) out."
    )


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


def _not_finite(sequences: Sequences, given: Array, row: int, name: str, filling: str) -> DataError:
    """Make the error about a row of the values that is not finite: where it is, and what to do."""
    is_finite = np.isfinite(sequences.values[row])
    if is_finite.all():
        return DataError(  # the same error on each rank, so that none waits for another
            f"another rank's {name} has NaN or infinity at {sequences.locate(row)}, where this one has "
            "numbers. Give all ranks the same data."
        )
    feature = int(np.argmin(is_finite))
    value = given[row][feature]
    place = f"at {sequences.locate(row)}, feature {feature}"
    if np.isfinite(value):
        return DataError(
            f"{name} contains {value:g} {place}, too large for dtype {sequences.values.dtype}. "
            "Scale the data, or pass float64."
        )
    if np.isinf(value):
        return DataError(f"{name} contains infinity {place}; expected finite numbers. Correct it.")
    if sequences.padded_to:
        remedy = (
            "Only steps at the end of a sequence that are NaN in every feature count as padding. Fill "
            "this one without filling those: pass a list of arrays, each as long as its sequence, of "
            "which [np.where(np.isnan(x), 0, x) for x in the_list] puts 0 for it."
        )
    elif sequences.stacked:
        remedy = f"{_filled(name)} puts 0 for it."
    else:
        remedy = (
            f"[{_filled('x')} for x in {name}] puts 0 for it"
            + (", [x.fillna(0) for x in X] in data frames of pandas" if sequences.names else "")
            + ". Leave steps that are padding out: each is as long as its sequence."
        )
    return DataError(f"{name} contains NaN {place}; expected finite numbers. {filling}{remedy}")


def _filled(name: str) -> str:
    """The expression that puts 0 for NaN in any numbers; an infinity stays, and is then reported."""
    return f"np.nan_to_num(np.asarray({name}, float), posinf=np.inf, neginf=-np.inf)"
