"""Numbers that are to be predicted, of sequences or of steps: checked once and laid out flat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from elman._typing import Array
from elman.data.arrays import refuse_mask
from elman.data.entries import are_of_steps, by_level, listed_entries, step_pieces
from elman.data.sequences import Sequences
from elman.data.targets import Targets
from elman.errors import DataError


def has_step_numbers(y: Any, n_numbers: int = 1) -> bool:
    """Whether y has numbers of steps, an array for each sequence, rather than of sequences.

    Parameters
    ----------
    y : array or list
    n_numbers : int
        How many belong together: with 1, rows are the steps of a sequence; with more, they are the
        numbers of one sequence.
    """
    listed = listed_entries(y)
    if n_numbers == 1:
        return are_of_steps(y, listed)
    return any(np.ndim(entry) > 1 for entry in listed)


def are_step_numbers(X: Any, y: Any) -> bool:
    """Whether y, as it is in a file, has numbers of steps: it is a list, or has an axis of X's steps.

    An array y (n, k) has numbers of steps if X is an array of k steps; otherwise it has k numbers for
    each sequence. y (n, k, ·) always has numbers of steps.
    """
    if isinstance(y, list):
        return True
    shape, of_X = np.shape(y), np.shape(X) if isinstance(X, np.ndarray) else ()
    return len(shape) > 2 or (len(shape) == 2 and len(of_X) == 3 and shape[1] == of_X[1])


def sequence_numbers(y: Any, sequences: Sequences) -> Array:
    """Check numbers of sequences and lay them out flat.

    Parameters
    ----------
    y : array (n_sequences,) or (n_sequences, n_numbers), list, Series or data frame
    sequences : Sequences
        The sequences of these numbers.

    Returns
    -------
    array (n_sequences, n_numbers)

    Raises
    ------
    DataError
        If there are more or fewer entries than sequences, or they are numbers of steps.
    """
    refuse_mask(y, "y")
    listed, n = listed_entries(y), len(sequences)
    if not isinstance(listed, np.ndarray) or listed.ndim > 2:
        found = "lists that differ in length"
        if isinstance(listed, np.ndarray):
            found = f"{listed.ndim} dimensions, shape {listed.shape}"
        raise DataError(
            f"y has {found}; expected an array ({n},), or ({n}, n_numbers), for each sequence. "
            "For numbers at every step use RNNStepRegressor."
        )
    if len(listed) != n:
        raise DataError(
            f"y has {len(listed)} entries for {n} sequences; expected one for each."
            + (" For one sequence pass [y]." if n == 1 else by_level(y, "y"))
        )
    return listed.reshape(n, -1)


def step_numbers(y: Any, sequences: Sequences) -> Array:
    """Check numbers that belong to each step, and lay them out as ``sequences.values`` is.

    Parameters
    ----------
    y : array (n_samples, n_timesteps), or (n_samples, n_timesteps, n_numbers), or list of
        (n_timesteps,) or (n_timesteps, n_numbers)
    sequences : Sequences
        The sequences of these steps.

    Returns
    -------
    array (n_steps_in_all, n_numbers)

    Raises
    ------
    DataError
        If y has more or fewer sequences or steps than X, or not all steps have as many numbers.
    """
    pieces = step_pieces(y, sequences, "y", _remedy, n_axes=2)
    flat = [piece.reshape(len(piece), -1) for piece in pieces]
    n_numbers = {piece.shape[1] for piece in flat}
    if len(n_numbers) > 1:
        few, many = min(n_numbers), max(n_numbers)
        raise DataError(
            f"y has from {few} to {many} numbers a step; expected as many for every step."
        )
    return np.concatenate(flat)


def _remedy(piece: Array, name: str) -> str:
    if piece.ndim == 0:
        return (
            " For one number a sequence use RNNRegressor, not RNNStepRegressor; for one long recording "
            f"pass [X], [{name}]."
        )
    return ""


def checked_numbers(targets: Targets, check: Callable[[Array], str] = lambda y: "") -> Targets:
    """Check that values are finite numbers; values of weight 0 may be anything.

    Parameters
    ----------
    targets : Targets
    check : callable
        A loss's ``check``.

    Returns
    -------
    Targets
        In float64.

    Raises
    ------
    DataError
        If they are anything else, or not what a loss takes.
    """
    given = targets.values[targets.present]
    expected = "expected finite numbers"
    if given.dtype.kind == "c":
        raise DataError(f"y has complex numbers. Complex data not supported; {expected}.")
    try:
        numbers = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        numbers = None
    if numbers is None or given.dtype.kind in "UmM":
        raise DataError(
            f"y has values such as {given.flat[0]!r}, of type {given.dtype}; {expected}. For "
            "labels use RNNClassifier or RNNTagger; numbers in text np.asarray(y, float) reads."
        )
    for are_wrong, what in ((np.isnan(numbers), "NaN"), (np.isinf(numbers), "infinity")):
        if are_wrong.any():
            raise DataError(
                f"y contains {what}; {expected}. Leave out what has no number, or give it weight 0."
            )
    if wrong := check(numbers):
        raise DataError(f"y has {wrong}.")
    return targets.with_values(numbers)
