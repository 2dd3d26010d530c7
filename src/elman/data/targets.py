"""What sequences ought to be answered with: labels and weights, checked once and laid out flat.

A label belongs to a sequence or to a step. Whatever has weight 0 is not there: it is no class, and in
no mean, no accuracy and no batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

from elman._typing import Array
from elman.data.sequences import MISSING, Sequences, refuse_mask
from elman.errors import DataError


@dataclass(frozen=True, eq=False)
class Examples:
    """Sequences with labels and weights.

    Attributes
    ----------
    sequences : Sequences
    labels : array (n_sequences,), or (n_steps_in_all,)
        One a sequence, or one a step: as they came, or as codes 0 … K - 1.
    weights : array of the shape of ``labels``
        What multiplies each label's loss.
    every_step : bool
        Whether labels and weights are the steps'.
    """

    sequences: Sequences
    labels: Array
    weights: Array
    every_step: bool

    def take(self, indices: Array) -> Examples:
        """Return some of the sequences, with what belongs to them."""
        rows = self.sequences.rows(indices) if self.every_step else indices
        return Examples(
            self.sequences.take(indices), self.labels[rows], self.weights[rows], self.every_step
        )

    def present(self) -> Examples:
        """Leave out what has weight 0: sequences that have none, and the steps behind their last.

        Steps of weight 0 before it stay, since what comes after depends on them; they have no loss.

        Raises
        ------
        DataError
            If nothing is left.
        """
        has_weight = self.weights > 0
        if has_weight.all():
            return self
        if not has_weight.any():
            raise DataError("all sample weights are zero; there is nothing to learn from.")
        if not self.every_step:
            return self.take(np.flatnonzero(has_weight))
        sequences = self.sequences
        starts = sequences.offsets[:-1]
        number = np.arange(1, len(has_weight) + 1)  # of a step in all, from 1
        last = np.maximum.reduceat(np.where(has_weight, number, 0), starts)
        lengths = np.maximum(last - starts, 0)
        kept = sequences.first_steps(lengths)
        shortened = replace(
            self,
            sequences=sequences.shortened(lengths),
            labels=self.labels[kept],
            weights=self.weights[kept],
        )
        return shortened if lengths.all() else shortened.take(np.flatnonzero(lengths))

    def with_checked_labels(self) -> Examples:
        """Check the labels by ``as_classes``; what has weight 0 has no label, and may hold anything.

        Raises
        ------
        DataError
            As ``as_classes`` does.
        """
        has_label = self.weights > 0
        labels = as_classes(self.labels[has_label])
        laid_out = np.zeros(len(has_label), labels.dtype)
        laid_out[has_label] = labels
        return replace(self, labels=laid_out)

    def mean(self, values: Array) -> float:
        """The weighted mean of what belongs to the labels."""
        relative = self.weights / self.weights.max()  # sums of large numbers would overflow
        return float(np.average(values, weights=relative))

    @cached_property
    def weight_of_sequences(self) -> Array:
        """The weight of each sequence, or the sum of its steps', (n_sequences,), in float64."""
        return self._sums(self.weights.astype(np.float64))

    @property
    def mean_weight(self) -> float:
        """The mean weight of a sequence: where steps have labels, the mean weight of a label."""
        largest = float(self.weights.max())  # sums of large numbers would overflow
        relative = self._sums(self.weights / largest) / self._sums(self.weights > 0)
        return largest * float(relative.mean())

    def _sums(self, values: Array) -> Array:
        """Sum what steps have over each sequence."""
        if not self.every_step:
            return values
        return np.asarray(np.add.reduceat(values, self.sequences.offsets[:-1], dtype=np.float64))


# Labels


def has_step_labels(y: Any, name: str = "y") -> bool:
    """Whether y has labels of steps, an array for each sequence, rather than one label a sequence.

    Raises
    ------
    DataError
        If y looks one-hot, so that nobody can tell.
    """
    listed = _listed(y, name)
    if isinstance(listed, np.ndarray) and not isinstance(y, list | tuple):
        _refuse_one_hot(listed, name)
    return _are_of_steps(y, listed, name)


def _are_of_steps(y: Any, listed: Array | Sequence[Any], name: str) -> bool:
    is_list_of_arrays = isinstance(y, list | tuple) and any(isinstance(e, np.ndarray) for e in y)
    is_column = not is_list_of_arrays and _shape(listed)[1:] == (1,)
    return _has_arrays(listed, name) and not is_column


def sequence_labels(y: Any, n_sequences: int, name: str = "y") -> Array:
    """Check labels of sequences and lay them out flat.

    Parameters
    ----------
    y : array (n_sequences,) or (n_sequences, 1), list, or Series
    n_sequences : int
    name : str
        What messages call them.

    Returns
    -------
    array (n_sequences,)

    Raises
    ------
    DataError
        If y has labels of steps, looks one-hot, or has another number of labels.
    """
    refuse_mask(y, name)
    listed = _listed(y, name)
    if _is_one_hot(listed):
        raise DataError(
            f"{name} has shape {np.shape(listed)}, and in each row a single 1: it looks one-hot. Pass "
            f"np.argmax(np.asarray({name}, float), axis=1); for labels at every step use RNNTagger."
        )
    if _are_of_steps(y, listed, name):
        raise DataError(
            f"{name} has labels for steps; expected one label for each sequence, an array "
            f"({n_sequences},). For labels at every step use RNNTagger."
        )
    labels = np.ravel(listed)
    if len(labels) != n_sequences:
        raise DataError(
            f"{name} has {len(labels)} labels for {n_sequences} sequences; expected one for each."
            + (f" For one recording pass [{name}]." if n_sequences == 1 else _by_level(y, name))
        )
    return labels


def step_labels(y: Any, sequences: Sequences, name: str = "y") -> Array:
    """Check values that belong to each step, and lay them out as ``sequences.values`` is.

    Where an array X had padding, y may have values for its steps too; they are left out.

    Parameters
    ----------
    y : array (n_samples, n_timesteps), or list or object array of (n_timesteps,) arrays
        A last axis of 1 is left out.
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
    entries = _listed(y, name)
    for i, entry in enumerate(entries):
        refuse_mask(entry, f"{name}[{i}]")
    pieces = _as_arrays(entries, name)
    if len(pieces) != len(sequences):
        one_recording = len(sequences) == 1 and all(piece.ndim == 0 for piece in pieces)
        raise DataError(
            f"{name} has {len(pieces)} entries for {len(sequences)} sequences; expected one array "
            "of (n_timesteps,) for each."
            + (f" For one recording pass [{name}]." if one_recording else _by_level(y, name))
        )
    for i, length in enumerate(sequences.lengths):
        piece = pieces[i]
        if piece.ndim == 2 and piece.shape[1] == 1:
            pieces[i] = piece = piece[:, 0]
        if piece.ndim != 1:
            raise DataError(
                f"{name}[{i}] has {piece.ndim} dimension(s), shape {piece.shape}; expected 1: "
                f"a value for each of the {length} step(s) of its sequence." + _remedy(piece, name)
            )
        if len(piece) == sequences.padded_to:
            pieces[i] = piece[:length]
        elif len(piece) != length:
            raise DataError(
                f"{name}[{i}] has {len(piece)} entries, but sequence {i} has {length} step(s); "
                "expected one for each step."
            )
    kinds = {piece.dtype.kind for piece in pieces}
    if "U" in kinds and len(kinds) > 1:  # of numbers beside text, NumPy makes text
        pieces = [piece.astype(object) for piece in pieces]
    return np.concatenate(pieces)


def _remedy(piece: Array, name: str) -> str:
    if piece.ndim == 0:
        return (
            " For one label a sequence use RNNClassifier, not RNNTagger; for one long recording "
            f"pass [X], [{name}]."
        )
    if piece.ndim == 2 and _is_one_hot(piece):
        return f" For one-hot labels pass [np.argmax(labels, axis=1) for labels in {name}]."
    return ""


_NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)


def as_classes(labels: Any, name: str = "y") -> Array:
    """Check that labels are whole numbers, truth values or text: what a model file can hold.

    Returns
    -------
    array
        Of numbers, if they came as objects.

    Raises
    ------
    DataError
        If they are anything else, or numbers among text. The message says which.
    """
    listed = _listed(labels, name)
    if not isinstance(listed, np.ndarray):
        raise DataError(f"{name} is a list of lists that differ in length; expected labels, (n,).")
    labels = np.ravel(listed)
    expected = "expected whole numbers, True and False, or text"
    are_numbers = False
    if labels.dtype == object:
        kinds = {type(label) for label in labels}
        is_missing = any(kind.__name__ in MISSING for kind in kinds) or any(
            isinstance(label, float) and not np.isfinite(label) for label in labels
        )
        are_numbers = all(issubclass(kind, _NUMBERS) for kind in kinds)
        is_known = are_numbers or all(issubclass(kind, str) for kind in kinds)
        found = ", ".join(sorted(kind.__name__ for kind in kinds))
    else:
        kind = labels.dtype.kind
        is_missing = kind in "fmM" and not np.isfinite(labels).all()
        is_known = kind in "biuU" or (kind == "f" and labels.dtype.itemsize <= 8)
        found = str(labels.dtype)
    if is_missing:
        raise DataError(
            f"{name} contains missing labels (None, NaN or infinity); {expected}. Leave out what has "
            "no label, or give it weight 0."
        )
    if not is_known:
        raise DataError(
            f"{name} has labels of type {found}; {expected}, all of one kind. Convert them: "
            f"np.asarray({name}).astype(str), or of steps "
            f"[np.asarray(labels).astype(str) for labels in {name}]."
        )
    if are_numbers:
        with suppress(OverflowError):
            labels = np.array(labels.tolist())
        if labels.dtype == object:
            raise DataError(f"{name} has whole numbers too large for 64 bits; {expected}.")
    return np.asarray(labels)


def refuse_other_kind(labels: Array, known: Array) -> None:
    """Refuse labels that are text where a model's are numbers, or the reverse."""
    if (labels.dtype.kind in "UO") != (known.dtype.kind in "UO"):
        raise DataError(
            f"y has labels such as {labels[:3].tolist()}, the model's are {known[:3].tolist()}; "
            "expected both text, or both numbers."
        )


def _listed(y: Any, name: str = "y") -> Array | Sequence[Any]:
    """Y as an array, if it can be one, or a list of what belongs to each sequence."""
    if isinstance(y, list | tuple | range):
        if any(isinstance(entry, np.ma.MaskedArray) for entry in y):
            return list(y)  # one array would be without the masks
        try:
            return _as_array(y)
        except ValueError:  # entries differ in length
            return _as_arrays(y, name)
    if hasattr(y, "__array__") and np.ndim(array := np.asarray(y)) > 0:
        return array
    kind = type(y).__name__
    raise DataError(
        f"{name} is a {kind}; expected an array, or a list of arrays, one a sequence."
        + (f" Pass [part for _, part in {name}]." if kind.endswith("GroupBy") else "")
    )


def _as_array(y: Any) -> Array:
    """Make an array; numbers among text, of which NumPy makes text, stay numbers."""
    array = np.asarray(y)
    if array.dtype.kind == "U" and isinstance(y, list | tuple):
        objects = np.array(y, object)
        if not all(isinstance(entry, str) for entry in objects.flat):
            return objects
    return array


def _as_arrays(entries: Any, name: str) -> list[Array]:
    try:
        return [_as_array(entry) for entry in entries]
    except ValueError:  # of one, entries differ in length too; or lists lie 65 deep
        raise DataError(_NESTED.format(name)) from None


def _has_arrays(listed: Array | Sequence[Any], name: str) -> bool:
    try:
        return any(np.ndim(entry) > 0 for entry in listed)
    except ValueError:
        raise DataError(_NESTED.format(name)) from None


_NESTED = "{} is nested too deeply; expected an array, or a list of 1-D arrays, one a sequence."


def _by_level(y: Any, name: str) -> str:
    """What to do with a Series whose index has levels."""
    if getattr(getattr(y, "index", None), "nlevels", 1) == 1:
        return ""
    return (
        " If the first level of its index is the sequence, pass "
        f"[part for _, part in {name}.groupby(level=0)]."
    )


def _shape(listed: Array | Sequence[Any]) -> tuple[int, ...]:
    """The shape of what ``_listed`` returns; of a list, whose entries differ, its length."""
    return listed.shape if isinstance(listed, np.ndarray) else (len(listed),)


def _refuse_one_hot(y: Array, name: str) -> None:
    """Refuse rows that have a single 1 each: they may be classes, or labels of steps."""
    if _is_one_hot(y):
        raise DataError(
            f"{name} has shape {y.shape}, and in each row a single 1: it looks one-hot. For one label "
            f"a sequence pass np.argmax({name}, axis=1); for labels of steps pass list({name})."
        )


def _is_one_hot(y: Array | Sequence[Any]) -> bool:
    """Whether these are rows of at least two numbers, all 0 but for a single 1."""
    try:
        rows = np.asarray(y)
        if rows.ndim != 2 or rows.shape[1] < 2 or rows.dtype.kind not in "biufO":
            return False
        rows = rows.astype(float)
    except (TypeError, ValueError, OverflowError):
        return False
    return bool(((rows == 0) | (rows == 1)).all() and (rows.sum(axis=1) == 1).all())


# Weights


def label_weights(weight: Any, sequences: Sequences, every_step: bool) -> Array:
    """Check weights and lay them out as labels are.

    Parameters
    ----------
    weight : array (n_sequences,) or (n_sequences, 1), a number, or None
        If ``every_step``, also a list of (n_timesteps,).
        A sequence's weight is that of each of its steps. None is 1.
    sequences : Sequences
    every_step : bool
        Whether the labels are the steps'.

    Returns
    -------
    array (n_sequences,) or (n_steps_in_all,), float64

    Raises
    ------
    DataError
        If they are not finite numbers, one is below zero, or there are more or fewer.
    """
    n = len(sequences)
    if weight is None or isinstance(weight, Real):
        weight = np.full(n, 1.0 if weight is None else weight)
    refuse_mask(weight, "sample_weight")
    listed = _listed(weight, "sample_weight")
    if _shape(listed) == (n, 1):
        listed = np.ravel(listed)
    are_of_steps = _has_arrays(listed, "sample_weight")
    if every_step and are_of_steps:
        flat = step_labels(weight, sequences, "sample_weight")
    elif are_of_steps or _shape(listed) != (n,):
        is_array = isinstance(listed, np.ndarray)
        found = f"shape {_shape(listed)}" if is_array else "weights for steps"
        raise DataError(
            f"sample_weight has {found}; expected ({n},), a weight for each sequence"
            + (", or a list of (n_timesteps,), one for each step." if every_step else ".")
        )
    else:
        flat = np.repeat(listed, sequences.lengths) if every_step else np.asarray(listed)
    return check_weights(flat).astype(np.float64)


def cast_weights(weights: Array, dtype: np.dtype[Any]) -> Array:
    """Convert weights to the dtype that is computed in.

    Raises
    ------
    DataError
        If one is so large that a gradient's norm would overflow.
    """
    with np.errstate(over="ignore"):
        cast = weights.astype(dtype)
    # What is there stays there: rounded to 0, it would be in no mean.
    cast = np.where(weights > 0, np.maximum(cast, np.finfo(dtype).tiny), cast)
    if cast.max() > np.sqrt(np.finfo(dtype).max):  # the gradient's norm is a sum of squares
        raise DataError(
            f"the weights (sample_weight, class_weight) have {weights.max():g} for their largest, too "
            f"large for dtype {dtype}. Divide all by the same number."
        )
    return cast


def check_weights(weights: Array, name: str = "sample_weight") -> Array:
    """Check that weights are finite numbers, and none below zero."""
    if weights.dtype == object:
        with suppress(TypeError, ValueError, OverflowError):
            weights = weights.astype(np.float64)
    if weights.dtype.kind not in "biuf" or not (np.isfinite(weights) & (weights >= 0)).all():
        raise DataError(f"{name} must hold finite numbers, none below zero.")
    return weights
