"""What an estimator accepts as X: rows to unfold, a 3-D array, or a list of sequences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from elman._typing import Array
from elman.data import Sequences, as_sequences
from elman.data.sequences import refuse_mask
from elman.errors import DataError


def are_rows(X: Any) -> bool:
    """Whether X is two-dimensional, so that each row is a sequence to unfold.

    Numbers in fewer dimensions count as rows that went wrong: scikit-learn says how to reshape them.
    """
    if isinstance(X, list | tuple):
        try:
            return np.asarray(X).ndim == 2
        except ValueError:  # its entries differ in shape: sequences
            return False
    array = X if hasattr(X, "ndim") else np.asarray(X)
    return bool(array.ndim == 2 or (array.ndim < 2 and array.dtype.kind in "biuf"))


def check_sequences(estimator: BaseEstimator, X: Any, *, reset: bool) -> Sequences:
    """Check X against an estimator, and lay it out flat.

    Sets ``n_features_in_`` (the columns of rows, else the features of a step), and
    ``feature_names_in_`` where there are names, if ``reset``; else holds X to them.

    Parameters
    ----------
    estimator : RNNClassifier or RNNTagger
    X : array (n_samples, n_columns), array (n_samples, n_timesteps, n_features), or list of
        (n_timesteps, n_features)
    reset : bool
        Whether the estimator is being fitted.

    Returns
    -------
    Sequences

    Raises
    ------
    DataError, ValueError, TypeError
        If X is not what it has to be; the message says where and what to do.
    """
    name = type(estimator).__name__
    dtype = None if reset else estimator.network_.dtype
    refuse_mask(X, "X")
    if are_rows(X) and (reset or estimator._fitted_on_rows):
        rows = validate_data(
            estimator,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,  # as_sequences looks, and says where
        )
        step_size = estimator.step_size if reset else estimator.network_.architecture.n_features
        sequences = as_sequences(_unfold(rows, step_size), dtype)
        if reset:
            estimator._fitted_on_rows = True
        return sequences

    if are_rows(X) and np.ndim(X) == 2:
        raise DataError(
            f"X has 2 dimensions, shape {np.shape(X)}; this {name} was fitted on sequences of "
            f"{estimator.n_features_in_} feature(s) a step. For one sequence pass X[None]."
        )
    sequences = as_sequences(X, dtype)
    if reset:
        estimator._fitted_on_rows = False
        estimator.n_features_in_ = sequences.n_features
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        return sequences
    expected = estimator.network_.architecture.n_features
    if sequences.n_features != expected:
        raise DataError(
            f"X has {sequences.n_features} features, but {name} is expecting {expected} features "
            "as input at each step. The axes are (n_samples, n_timesteps, n_features)."
        )
    return sequences


def _unfold(rows: Array, step_size: int) -> Array:
    n_samples, n_columns = rows.shape
    if n_columns % step_size:
        raise DataError(
            f"X has {n_columns} columns, which step_size={step_size} does not divide. Each row is "
            "one sequence of n_columns / step_size steps; choose a step_size that divides them."
        )
    return rows.reshape(n_samples, n_columns // step_size, step_size)


def standardization(sequences: Sequences, step_weights: Array) -> tuple[Array, Array]:
    """Weighted mean and standard deviation of each feature over all steps, (n_features,) each.

    A feature that does not vary has its deviation taken as 1.
    """
    given, weights = sequences.values, step_weights.astype(np.float64)  # and so are the sums
    # Squares of huge values would overflow: a power of two, which changes no digit, brings them down.
    _, exponents = np.frexp(np.maximum(given.max(axis=0), -given.min(axis=0)))
    factors = np.ldexp(1.0, -np.maximum(exponents, 0))
    values = given * factors
    mean = np.average(values, axis=0, weights=weights)
    variance = np.average((values - mean) ** 2, axis=0, weights=weights)
    # What rounding makes of a constant is no variation (Chan, Golub and LeVeque 1983, eq. 3.2).
    n, eps = len(values), np.finfo(np.float64).eps
    constant = variance <= n * eps * variance + (n * mean * eps) ** 2
    deviation = np.where(constant, 1.0, np.sqrt(variance) / factors)
    return (mean / factors).astype(given.dtype), deviation.astype(given.dtype)


def standardized(sequences: Sequences, mean: Array, scale: Array) -> Sequences:
    """Bring sequences to (x_t - mean) / scale.

    Raises
    ------
    DataError
        If that overflows. The message names the sequence, the step and the feature.
    """
    with np.errstate(over="ignore"):  # an infinity is reported below, with its place
        values = (sequences.values - mean) / scale
    finite = np.isfinite(values)
    if not finite.all():
        row, feature = divmod(int(np.argmin(finite)), sequences.n_features)
        raise DataError(
            f"X contains {sequences.values[row, feature]:g} at {sequences.locate(row)}, feature "
            f"{feature}, which is too large to be standardised in {values.dtype}: the mean in "
            f"fitting was {mean[feature]:g}, the deviation {scale[feature]:g}. Correct the value, or "
            "fit anew, on data of that size or with standardize=False."
        )
    return replace(sequences, values=values)
