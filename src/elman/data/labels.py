"""Labels as users pass them, of sequences or of steps: checked once and laid out flat."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from elman._typing import Array
from elman.data.arrays import MISSING, refuse_mask
from elman.data.entries import are_of_steps, by_level, listed_entries, step_pieces
from elman.data.sequences import Sequences
from elman.data.targets import Targets
from elman.errors import DataError


def has_step_labels(y: Any) -> bool:
    """Whether y has labels of steps, an array for each sequence, rather than one label a sequence.

    Raises
    ------
    DataError
        If y looks one-hot, so that both are possible.
    """
    listed = listed_entries(y)
    if isinstance(listed, np.ndarray) and not isinstance(y, list | tuple):
        _refuse_one_hot(listed)
    return are_of_steps(y, listed)


def sequence_labels(y: Any, n_sequences: int) -> Array:
    """Check labels of sequences and lay them out flat.

    Parameters
    ----------
    y : array (n_sequences,) or (n_sequences, 1), list, or Series
    n_sequences : int

    Returns
    -------
    array (n_sequences,)

    Raises
    ------
    DataError
        If y has labels of steps, looks one-hot, or has more or fewer labels than sequences.
    """
    refuse_mask(y, "y")
    listed = listed_entries(y)
    if _is_one_hot(listed):
        raise DataError(
            f"y has shape {np.shape(listed)}, and in each row a single 1: it looks one-hot. Pass "
            "np.argmax(np.asarray(y, float), axis=1); for labels at every step use RNNTagger."
        )
    if are_of_steps(y, listed):
        raise DataError(
            f"y has labels for steps; expected one label for each sequence, an array "
            f"({n_sequences},). For labels at every step use RNNTagger."
        )
    labels = np.ravel(listed)
    if len(labels) != n_sequences:
        raise DataError(
            f"y has {len(labels)} labels for {n_sequences} sequences; expected one for each."
            + (" For one recording pass [y]." if n_sequences == 1 else by_level(y, "y"))
        )
    return labels


def step_labels(y: Any, sequences: Sequences, name: str = "y") -> Array:
    """Check values that belong to each step, and lay them out as ``sequences.values`` is.

    If an array X had padding, y may have values for the padded steps too; they are left out.

    Parameters
    ----------
    y : array (n_samples, n_timesteps), or list or object array of (n_timesteps,) arrays
        A last axis of 1 is left out. Texts of as many characters as sequences have steps are labels,
        one a character.
    sequences : Sequences
        The sequences of these steps.
    name : str
        The name of y in messages.

    Returns
    -------
    array (n_steps_in_all,)

    Raises
    ------
    DataError
        If the numbers of sequences or of steps differ, or a piece is not one-dimensional.
    """
    pieces = step_pieces(_spelled(y, sequences, name), sequences, name, _remedy)
    kinds = {piece.dtype.kind for piece in pieces}
    if "U" in kinds and len(kinds) > 1:  # NumPy turns numbers beside text into text
        pieces = [piece.astype(object) for piece in pieces]
    return np.concatenate(pieces)


def _spelled(y: Any, sequences: Sequences, name: str) -> Any:
    """Turn texts into lists of characters, if at least one has as many as its sequence has steps."""
    listed = y.tolist() if isinstance(y, np.ndarray) and y.ndim == 1 else y
    if not isinstance(listed, list | tuple) or not all(isinstance(text, str) for text in listed):
        return y
    lengths = list(zip(map(len, listed), sequences.lengths.tolist(), strict=False))
    if any(n > 1 for n, _ in lengths) and all(abs(n - T) == 1 for n, T in lengths):
        n, T = lengths[0]
        raise DataError(
            f"{name}[0] is a text of {n} characters, but sequence 0 has {T} step(s); expected a "
            "character for each step. To predict the next character, leave out the last one of X and "
            "the first one of y: fit([text[:-1]], [text[1:]])."
        )
    return [list(text) for text in listed] if any(n == T for n, T in lengths) else y


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
    listed = listed_entries(labels, name)
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


def checked_labels(targets: Targets) -> Targets:
    """Check labels by ``as_classes``; values of weight 0 are not labels, and may be anything.

    Raises
    ------
    DataError
        As ``as_classes`` does.
    """
    return targets.with_values(as_classes(targets.values[targets.present]))


def refuse_other_kind(labels: Array, known: Array) -> None:
    """Refuse labels that are text where a model's are numbers, or the reverse."""
    if (labels.dtype.kind in "UO") != (known.dtype.kind in "UO"):
        raise DataError(
            f"y has labels such as {labels[:3].tolist()}, the model's are {known[:3].tolist()}; "
            "expected both text, or both numbers."
        )


def _refuse_one_hot(y: Array) -> None:
    """Refuse rows that have a single 1 each: they may be classes, or labels of steps."""
    if _is_one_hot(y):
        raise DataError(
            f"y has shape {y.shape}, and in each row a single 1: it looks one-hot. For one label "
            "a sequence pass np.argmax(y, axis=1); for labels of steps pass list(y)."
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
