"""Entries for each sequence, as users pass them: one array, or a list with one entry for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from elman._typing import Array
from elman.data.arrays import refuse_mask
from elman.data.sequences import Sequences
from elman.errors import DataError


def listed_entries(y: Any, name: str = "y") -> Array | Sequence[Any]:
    """Y as an array, if it can be one, or a list with one entry for each sequence."""
    if isinstance(y, list | tuple | range):
        if any(isinstance(entry, np.ma.MaskedArray) for entry in y):
            return list(y)  # one array would be without the masks
        try:
            return _as_array(y)
        except ValueError:  # entries differ in length
            return as_arrays(y, name)
    if hasattr(y, "__array__") and np.ndim(array := np.asarray(y)) > 0:
        return array
    kind = type(y).__name__
    raise DataError(
        f"{name} is of type {kind}; expected an array, or a list of arrays, one a sequence."
        + (f" Pass [part for _, part in {name}]." if kind.endswith("GroupBy") else "")
    )


def _as_array(y: Any) -> Array:
    """Make an array. Numbers among text stay numbers, which NumPy alone would turn into text."""
    array = np.asarray(y)
    if array.dtype.kind == "U" and isinstance(y, list | tuple):
        objects = np.array(y, object)
        if not all(isinstance(entry, str) for entry in objects.flat):
            return objects
    return array


def as_arrays(entries: Any, name: str) -> list[Array]:
    """Make an array of each entry."""
    try:
        return [_as_array(entry) for entry in entries]
    except ValueError:  # an entry is itself ragged, or lists are nested 65 deep
        raise DataError(_NESTED.format(name)) from None


def has_arrays(listed: Array | Sequence[Any], name: str) -> bool:
    """Whether an entry has more than one value: one for each step of a sequence."""
    if isinstance(listed, np.ndarray) and listed.dtype != object:  # its shape says it
        return listed.ndim > 1 and len(listed) > 0
    try:
        return any(np.ndim(entry) > 0 for entry in listed)
    except ValueError:
        raise DataError(_NESTED.format(name)) from None


_NESTED = "{} is nested too deeply; expected an array, or a list of 1-D arrays, one a sequence."


def by_level(y: Any, name: str) -> str:
    """Advice for a Series whose index has levels."""
    if getattr(getattr(y, "index", None), "nlevels", 1) == 1:
        return ""
    return (
        " If the first level of its index is the sequence, pass "
        f"[part for _, part in {name}.groupby(level=0)]."
    )


def shape_of(listed: Array | Sequence[Any]) -> tuple[int, ...]:
    """The shape of what ``listed_entries`` returns; for a list, whose entries differ, its length."""
    return listed.shape if isinstance(listed, np.ndarray) else (len(listed),)


def are_of_steps(y: Any, listed: Array | Sequence[Any]) -> bool:
    """Whether y has values of steps, an array for each sequence, and is not just a column."""
    is_list_of_arrays = isinstance(y, list | tuple) and any(isinstance(e, np.ndarray) for e in y)
    is_column = not is_list_of_arrays and shape_of(listed)[1:] == (1,)
    return has_arrays(listed, "y") and not is_column


def step_pieces(
    y: Any,
    sequences: Sequences,
    name: str,
    remedy: Callable[[Array, str], str],
    n_axes: int = 1,
) -> list[Array]:
    """Check the values of steps, sequence by sequence.

    If an array X had padding, y may have values for the padded steps too; they are left out.

    Parameters
    ----------
    y : array (n_samples, n_timesteps), or list or object array of (n_timesteps,) arrays
        A last axis of 1 is left out.
    sequences : Sequences
        The sequences of these steps.
    name : str
        The name of y in messages.
    remedy : callable
        Takes a piece that is wrong and the name, and says what to do.
    n_axes : int
        The most axes that a piece may have: 2 if a step may have several numbers.

    Returns
    -------
    list of arrays (n_timesteps,), or (n_timesteps, ·)

    Raises
    ------
    DataError
        If the numbers of sequences or of steps differ, or a piece has other axes.
    """
    refuse_mask(y, name)
    entries = listed_entries(y, name)
    for i, entry in enumerate(entries):
        refuse_mask(entry, f"{name}[{i}]")
    pieces = as_arrays(entries, name)
    if len(pieces) != len(sequences):
        one_recording = len(sequences) == 1 and all(piece.ndim == 0 for piece in pieces)
        raise DataError(
            f"{name} has {len(pieces)} entries for {len(sequences)} sequences; expected one array "
            "of (n_timesteps,) for each."
            + (f" For one recording pass [{name}]." if one_recording else by_level(y, name))
        )
    for i, length in enumerate(sequences.lengths):
        piece = pieces[i]
        if piece.ndim == 2 and piece.shape[1] == 1:
            pieces[i] = piece = piece[:, 0]
        if not 1 <= piece.ndim <= n_axes:
            raise DataError(
                f"{name}[{i}] has {piece.ndim} dimension(s), shape {piece.shape}; expected "
                f"{'1' if n_axes == 1 else '1 or 2'}: "
                f"a value for each of the {length} step(s) of its sequence." + remedy(piece, name)
            )
        if len(piece) == sequences.padded_to:
            pieces[i] = piece[:length]
        elif len(piece) != length:
            raise DataError(
                f"{name}[{i}] has {len(piece)} entries, but sequence {i} has {length} step(s); "
                "expected one for each step."
            )
    return pieces
