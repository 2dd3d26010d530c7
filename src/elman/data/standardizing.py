"""Bringing features to mean 0 and deviation 1, in blocks: there is never a copy of all in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from elman._typing import Array
from elman.data.sequences import Sequences
from elman.errors import DataError

BLOCK = 1 << 18  # numbers at a time


def standardization(sequences: Sequences, step_weights: Array) -> tuple[Array, Array]:
    """Weighted mean and standard deviation of each feature over all steps, (n_features,) each.

    A feature that does not vary has its deviation taken as 1.
    """
    given, n = sequences.values, len(sequences.values)
    n_rows = -(-BLOCK // sequences.n_features)
    total = step_weights.sum(dtype=np.float64)
    largest = np.zeros(sequences.n_features, given.dtype)
    sums = np.zeros(sequences.n_features)
    for start in range(0, n, n_rows):
        block = given[start : start + n_rows]
        np.maximum(largest, np.maximum(block.max(axis=0), -block.min(axis=0)), out=largest)
        values = block.astype(np.float64)
        values *= step_weights[start : start + n_rows, None]
        with np.errstate(over="ignore", invalid="ignore"):  # then there is another look
            sums += values.sum(axis=0)
    # Squares of huge values would overflow: a power of two, which changes no digit, brings them down.
    _, exponents = np.frexp(largest)
    factors = np.ldexp(1.0, -np.maximum(exponents, 0))

    def average(shift: Array | float, power: int) -> Array:
        """The mean of (x - shift)ᵖᵒʷᵉʳ, each x times its factor."""
        sums = np.zeros(sequences.n_features)
        for start in range(0, n, n_rows):
            part = slice(start, start + n_rows)
            values = (given[part] * factors - shift) ** power
            values *= step_weights[part, None]
            sums += values.sum(axis=0)
        return np.asarray(sums / total)

    # All of float32; and sums of float64 of that size lose nothing either.
    mean = sums * factors / total if (exponents <= 128).all() else average(0.0, 1)
    variance = average(mean, 2)
    # What rounding makes of a constant is no variation (Chan, Golub and LeVeque 1983, eq. 3.2).
    eps = np.finfo(np.float64).eps
    constant = variance <= n * eps * variance + (n * mean * eps) ** 2
    deviation = np.where(constant, 1.0, np.sqrt(variance) / factors)
    return (mean / factors).astype(given.dtype), deviation.astype(given.dtype)


def standardized(
    sequences: Sequences, mean: Array, scale: Array, out: Array | None = None
) -> Sequences:
    """Bring sequences to (x_t - mean) / scale, in place where ``sequences`` has a copy of its own.

    Parameters
    ----------
    sequences : Sequences
    mean, scale : arrays (D,)
    out : array (n_steps_in_all, D), optional
        Where to write them; ``sequences`` are then left as they are.

    Raises
    ------
    DataError
        If that overflows. The message names the sequence, the step and the feature.
    """
    given = sequences.values
    if out is not None:
        values = out
    elif not mean.any() and (scale == 1).all():
        return sequences
    else:
        # What a caller gave is seen through views; an array that owns its memory was made in here.
        values = given if given.flags.owndata else np.empty_like(given)
    n_rows = -(-BLOCK // sequences.n_features)
    for start in range(0, len(given), n_rows):
        before, after = given[start : start + n_rows], values[start : start + n_rows]
        with np.errstate(over="ignore"):  # an infinity is reported below, with its place
            scaled = (before - mean) / scale
        finite = np.isfinite(scaled)
        if not finite.all():
            row, feature = divmod(int(np.argmin(finite)), sequences.n_features)
            raise DataError(
                f"X contains {before[row, feature]:g} at {sequences.locate(start + row)}, feature "
                f"{feature}, which is too large to be standardised in {values.dtype}: the mean in "
                f"fitting was {mean[feature]:g}, the deviation {scale[feature]:g}. Correct the value, "
                "or fit anew, on data of that size or with standardize=False."
            )
        after[...] = scaled
    return replace(sequences, values=values)
