"""Sequences of any lengths: checked once, on entry, and held as one flat buffer with offsets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from elman._typing import Array, IntArray, SequencesLike
from elman.errors import DataError


@dataclass(frozen=True, eq=False)
class Sequences:
    """Many sequences of one number of features.

    Attributes
    ----------
    values : array (n_steps_in_all, n_features)
        The steps of the first sequence, then those of the second, and so on.
    offsets : array (n_sequences + 1,)
        Sequence i is ``values[offsets[i]:offsets[i + 1]]``.
    stacked : bool
        Whether they came as one 3-D array, so that results for steps go back as an array.
    numbers : array (n_sequences,) or None
        What messages call them, if they are some of others.
    """

    values: Array
    offsets: IntArray
    stacked: bool = False
    numbers: IntArray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> Array:
        return np.asarray(self.values[self.offsets[i] : self.offsets[i + 1]])

    def __iter__(self) -> Iterator[Array]:
        return (self[i] for i in range(len(self)))

    @property
    def n_features(self) -> int:
        """D, the number of features of each step."""
        return int(self.values.shape[1])

    @property
    def lengths(self) -> IntArray:
        """The number of steps of each sequence, (n_sequences,)."""
        return np.diff(self.offsets)

    def rows(self, indices: IntArray) -> IntArray:
        """The rows of ``values`` that some of the sequences are made of, one after another."""
        starts = self.offsets[indices]
        lengths = self.offsets[indices + 1] - starts
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return np.asarray(np.repeat(starts, lengths) + within)

    def take(self, indices: IntArray) -> Sequences:
        """Return some of the sequences."""
        offsets = np.concatenate([[0], np.cumsum(self.lengths[indices])])
        numbers = indices if self.numbers is None else self.numbers[indices]
        return Sequences(self.values[self.rows(indices)], offsets, self.stacked, numbers)

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
    X: SequencesLike, dtype: npt.DTypeLike | None = None, name: str = "X"
) -> Sequences:
    """Check sequences and lay them out flat.

    Parameters
    ----------
    X : array (n_samples, n_timesteps, n_features), or list or object array of 2-D arrays
        Two-dimensional arrays in a list are (n_timesteps, n_features), of any lengths.
    dtype : floating or complex dtype, optional
        What to convert to. Left out, float32 and float64 stay, and other numbers become float64.
    name : str
        What messages call the data.

    Returns
    -------
    Sequences

    Raises
    ------
    DataError
        If the axes, the lengths or the numbers of features are not as above, if there is nothing,
        or if a value is not a finite number. The message names the sequence and the step.
    """
    refuse_mask(X, name)
    if not isinstance(X, list | tuple) and hasattr(X, "__array__"):
        X = np.asarray(X)
    if isinstance(X, np.ndarray) and X.dtype != object:
        if X.ndim != 3:
            raise DataError(
                f"{name} has {X.ndim} dimension(s), shape {X.shape}; expected 3: "
                "(n_samples, n_timesteps, n_features). Reshape your data"
                + (
                    f": one sequence is {name}[None], many of one feature a step are "
                    f"{name}[:, :, None], many of one step {name}[:, None, :]."
                    if X.ndim == 2
                    else ", or pass sequences of different lengths as a list of 2-D arrays."
                )
            )
        n_samples, n_timesteps, n_features = X.shape
        lengths = np.full(n_samples, n_timesteps, dtype=np.int64)
        values = _numeric(X, name).reshape(n_samples * n_timesteps, n_features)
        stacked = True
    else:
        pieces = [_numeric(x, f"{name}[{i}]") for i, x in enumerate(_listed(X, name))]
        for i, piece in enumerate(pieces):
            if piece.ndim != 2:
                raise DataError(
                    f"{name}[{i}] has {piece.ndim} dimension(s), shape {piece.shape}; expected 2: "
                    "(n_timesteps, n_features). For one feature a step pass x[:, None]."
                )
            if piece.shape[1] != pieces[0].shape[1]:
                raise DataError(
                    f"{name}[{i}] has {piece.shape[1]} feature(s) a step, {name}[0] has "
                    f"{pieces[0].shape[1]}; all sequences must have the same. Sequences may differ "
                    "in length only, which is axis 0."
                )
        lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
        values = np.concatenate(pieces) if pieces else np.empty((0, 1))
        stacked = False

    if len(lengths) == 0:
        raise DataError(f"{name} holds no sequences; expected at least one.")
    if not lengths.all():
        empty = int(np.flatnonzero(lengths == 0)[0])
        raise DataError(
            f"sequence {empty} of {name} has no steps; every sequence needs at least one. "
            "Leave empty sequences (and their labels) out."
        )
    if values.shape[1] == 0:
        raise DataError(f"{name} has 0 features a step; expected at least one.")

    if dtype is None:
        dtype = values.dtype if values.dtype in (np.float32, np.float64) else np.float64
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    with np.errstate(over="ignore"):  # an overflow to infinity is reported below, with its place
        converted = np.ascontiguousarray(values, dtype=dtype)
    sequences = Sequences(converted, offsets, stacked)
    _check_finite(sequences, values, name)
    return sequences


def is_per_step(y: Any) -> bool:
    """Whether y has values for steps (an array for each sequence) rather than one a sequence."""
    return hasattr(y, "__len__") and len(y) > 0 and np.ndim(next(iter(y))) > 0


def flat_steps(y: Any, sequences: Sequences, name: str = "y") -> Array:
    """Check values that belong to each step, and lay them out as ``sequences.values`` is.

    Parameters
    ----------
    y : array (n_samples, n_timesteps), or list or object array of (n_timesteps,) arrays
    sequences : Sequences
        What they belong to.
    name : str
        What messages call them.

    Returns
    -------
    array (n_steps_in_all,)

    Raises
    ------
    DataError
        If the numbers of sequences or of steps differ, or a piece is not one-dimensional.
    """
    refuse_mask(y, name)
    pieces = [np.asarray(y_i) for y_i in _listed(y, name)]
    if len(pieces) != len(sequences):
        raise DataError(
            f"{name} has {len(pieces)} entries for {len(sequences)} sequences; expected one array "
            "of (n_timesteps,) for each."
        )
    for i, (piece, length) in enumerate(zip(pieces, sequences.lengths)):
        if piece.ndim != 1:
            raise DataError(
                f"{name}[{i}] has {piece.ndim} dimension(s), shape {piece.shape}; expected 1: "
                f"a value for each of the {length} step(s) of its sequence."
                + (
                    " For one label a sequence use RNNClassifier, not RNNTagger."
                    if piece.ndim == 0
                    else ""
                )
            )
        if len(piece) != length:
            raise DataError(
                f"{name}[{i}] has {len(piece)} entries, but sequence {i} has {length} step(s); "
                "expected one for each step."
            )
    return np.concatenate(pieces)


def check_weights(weights: Array, name: str = "sample_weight") -> Array:
    """Check that weights are finite numbers, and none below zero."""
    if weights.dtype.kind not in "biuf" or not (np.isfinite(weights) & (weights >= 0)).all():
        raise DataError(f"{name} must hold finite numbers, none below zero.")
    return weights


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
    if np.ma.is_masked(X):
        raise DataError(
            f"{name} is an array with a mask, and masks are not used. Leave masked steps out: pass a "
            "list of 2-D arrays, each as long as its sequence (of labels, a list of 1-D arrays)."
        )


def _numeric(X: Any, name: str) -> Array:
    refuse_mask(X, name)
    try:
        array = np.asarray(X)
    except ValueError:  # rows of different lengths
        raise DataError(
            f"{name} is not a rectangular array: its rows differ in length. One sequence is "
            "(n_timesteps, n_features), the same number of features at each step."
        ) from None
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            culprit = next(x for x in array.flat if not isinstance(x, int | float | np.number))
            raise DataError(
                f"{name} holds {type(culprit).__name__} objects; expected numbers."
            ) from None
    if array.dtype.kind not in "biuf":
        raise DataError(
            f"{name} has dtype {array.dtype}; expected real numbers. "
            "Encode text and categories as numbers first (one-hot, for instance)."
        )
    return array


def _check_finite(sequences: Sequences, given: Array, name: str) -> None:
    finite = np.isfinite(sequences.values).all(axis=1)
    if finite.all():
        return
    row = int(np.argmin(finite))
    feature = int(np.argmin(np.isfinite(sequences.values[row])))
    value = given[row, feature]
    what = "NaN" if np.isnan(value) else "infinity" if np.isinf(value) else f"{value:g}"
    place = f"at {sequences.locate(row)}, feature {feature}"
    if np.isfinite(value):
        raise DataError(
            f"{name} contains {what} {place}, too large for dtype {sequences.values.dtype}. "
            "Scale the data, or pass float64."
        )
    raise DataError(
        f"{name} contains {what} {place}; expected finite numbers. "
        "Fill or drop missing values first (sklearn.impute, numpy.nan_to_num)."
    )
