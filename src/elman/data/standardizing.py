"""Bringing features to mean 0 and deviation 1, block by block, so that float64 copies are small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from elman._typing import Array
from elman.data.arrays import all_true
from elman.data.sequences import Sequences
from elman.data.totals import Readers, Totals, blocks, each_block, totals_of, weighted
from elman.errors import DataError


def standardization(
    sequences: Sequences, step_weights: Array | None, readers: Readers | None = None
) -> tuple[Array, Array]:
    """Weighted mean and standard deviation of each feature over all steps, (n_features,) each.

    The deviation of a feature that does not vary is taken as 1. Without weights, each step counts 1.
    ``readers`` are the processes that go through the steps together.
    """
    given, n, D = sequences.values, len(sequences.values), sequences.n_features

    def weights(rows: slice) -> Array | None:
        return None if step_weights is None else step_weights[rows]

    total = n if step_weights is None else step_weights.sum(dtype=np.float64)
    totals = None
    if step_weights is None and sequences.unread is not None:
        totals = sequences.unread.totals  # computed while the steps were checked
    if totals is None:
        totals = Totals(D, given.dtype)
        for found in each_block(
            given, lambda rows, block: totals_of(block, weights(rows)), (2, D), readers
        ):
            totals.add(found)
    # Squares of huge values would overflow: divide them by a power of two, which is exact.
    _, exponents = np.frexp(totals.largest)
    factors = np.ldexp(1.0, -np.maximum(exponents, 0))

    def average(shift: Array | float, power: int) -> Array:
        """The mean of (x - shift)ᵖᵒʷᵉʳ, each x times its factor."""

        def sums_of(rows: slice, block: Array) -> Array:
            values = block * factors
            values -= shift
            values **= power
            return np.asarray(weighted(values, weights(rows)).sum(axis=0))

        return np.asarray(sum(each_block(given, sums_of, (D,), readers), np.zeros(D)) / total)

    # Any float32; and sums of float64 of that size lose nothing either.
    mean = totals.sums * factors / total if (exponents <= 128).all() else average(0.0, 1)
    variance = average(mean, 2)
    # Rounding errors in a constant are no variation (Chan, Golub and LeVeque 1983, eq. 3.2).
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
        If a value overflows. The message names the sequence, the step and the feature.
    """
    given = sequences.values
    if out is not None:
        values = out
    elif all_true(mean == 0) and all_true(scale == 1):
        return sequences
    else:
        # The caller's arrays are seen through views; an array that owns its memory was made in elman.
        values = given if given.flags.owndata else np.empty_like(given)
    for rows, before in blocks(given):
        with np.errstate(over="ignore"):  # an infinity is reported below, with its place
            scaled = (before - mean) / scale
        finite = np.isfinite(scaled)
        if not finite.all():
            row, feature = divmod(int(np.argmin(finite)), sequences.n_features)
            raise DataError(
                f"X contains {before[row, feature]:g} at {sequences.locate(rows.start + row)}, feature "
                f"{feature}, which is too large to be standardised in {values.dtype}: the mean in "
                f"fitting was {mean[feature]:g}, the deviation {scale[feature]:g}. Correct the value, "
                "or fit anew, on data of that size or with standardize=False."
            )
        values[rows] = scaled
    return replace(sequences, values=values)
