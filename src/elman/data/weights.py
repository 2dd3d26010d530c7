"""Weights, which multiply the loss of each target: checked once, and laid out as the targets are."""

from __future__ import annotations

from contextlib import suppress
from numbers import Real
from typing import Any

import numpy as np

from elman._typing import Array
from elman.data.arrays import refuse_mask
from elman.data.entries import has_arrays, listed_entries, shape_of
from elman.data.labels import step_labels
from elman.data.sequences import Sequences
from elman.errors import DataError


def target_weights(weight: Any, sequences: Sequences, every_step: bool) -> Array:
    """Check weights and lay them out as targets are.

    Parameters
    ----------
    weight : array (n_sequences,) or (n_sequences, 1), a number, or None
        If ``every_step``, also a list of (n_timesteps,).
        The weight of a sequence holds for each of its steps. None: all weights are 1.
    sequences : Sequences
    every_step : bool
        Whether there is a target for each step.

    Returns
    -------
    array (n_sequences,) or (n_steps_in_all,), float64

    Raises
    ------
    DataError
        If they are not finite numbers, one is below zero, or there are more or fewer than targets.
    """
    n = len(sequences)
    if weight is None or isinstance(weight, Real):
        weight = np.full(n, 1.0 if weight is None else weight)
    refuse_mask(weight, "sample_weight")
    listed = listed_entries(weight, "sample_weight")
    if shape_of(listed) == (n, 1):
        listed = np.ravel(listed)
    are_of_steps = has_arrays(listed, "sample_weight")
    if every_step and are_of_steps:
        flat = step_labels(weight, sequences, "sample_weight")
    elif are_of_steps or shape_of(listed) != (n,):
        is_array = isinstance(listed, np.ndarray)
        found = f"shape {shape_of(listed)}" if is_array else "weights for steps"
        raise DataError(
            f"sample_weight has {found}; expected ({n},), a weight for each sequence"
            + (", or a list of (n_timesteps,), one for each step." if every_step else ".")
        )
    else:
        flat = np.repeat(listed, sequences.lengths) if every_step else np.asarray(listed)
    return check_weights(flat).astype(np.float64)


def cast_weights(weights: Array, dtype: np.dtype[Any]) -> Array:
    """Convert weights to the network's dtype.

    Raises
    ------
    DataError
        If one is so large that a gradient's norm would overflow.
    """
    with np.errstate(over="ignore"):
        cast = weights.astype(dtype)
    # A weight above 0 stays above 0: rounded to 0, it would mean that there is no target.
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
