"""What an estimator accepts as X: rows to unfold, a 3-D array, a list of sequences, or of texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import _check_feature_names, _get_feature_names, check_array

from elman._typing import Array, IntArray
from elman.data import Frame, FrontEnd, Sequences, Vocabulary, as_sequences
from elman.data.arrays import column_names, refuse_mask, refuse_table, text_in
from elman.data.tokens import holds_text, token_lists
from elman.data.totals import Readers
from elman.errors import DataError


@dataclass(frozen=True)
class InputFormat:
    """The form of X in fitting, which it must have afterwards.

    Attributes
    ----------
    n_columns : int
        The columns of rows; otherwise the features of a step.
    n_features : int
        The features of a step.
    on_rows : bool
        Whether X was two-dimensional.
    names : tuple of str, or None
        The names of the columns.
    reading : mapping or None
        How X was read from a file or table: ``Sequences.reading``.
    vocabulary : Vocabulary or None
        The known tokens, if steps are tokens.
    """

    n_columns: int
    n_features: int
    on_rows: bool
    names: tuple[str, ...] | None = None
    reading: Mapping[str, Any] | None = None
    vocabulary: Vocabulary | None = None

    @property
    def step_names(self) -> tuple[str, ...] | None:
        """The names of a step's features, if there are any."""
        return self.names if self.n_columns == self.n_features else None


# Of differing shapes, and of times beside numbers
_NO_ARRAY = (ValueError, np.exceptions.DTypePromotionError)


def are_rows(X: Any) -> bool:
    """Whether X is two-dimensional, so that each row is a sequence to unfold.

    Numbers in fewer dimensions count as wrong rows: scikit-learn's error says how to reshape them.
    """
    if isinstance(X, Sequences):
        return False
    if isinstance(X, list | tuple):
        if X and getattr(X[0], "ndim", 0) > 1:  # sequences: no need to make one array of them
            return False
        try:
            return np.asarray(X).ndim == 2 and not any(map(_is_series_or_empty, X))
        except _NO_ARRAY:  # its entries differ in shape, so they are sequences
            return False
    try:
        array = X if hasattr(X, "ndim") else np.asarray(X)
    except _NO_ARRAY:
        return False
    return bool(array.ndim == 2 or (array.ndim < 2 and array.dtype.kind in "biuf"))


def _is_series_or_empty(x: Any) -> bool:
    return hasattr(x, "to_list") or len(x) == 0  # pandas' Series and polars'


def first_format(
    estimator: BaseEstimator, X: Any, readers_of: Callable[[Sequences], Readers | None]
) -> tuple[Sequences, InputFormat]:
    """Check the X that an estimator is fitted on, and lay it out flat.

    Parameters
    ----------
    estimator : RNNClassifier or RNNTagger
        Names itself in messages, and has ``step_size``.
    X : array (n_samples, n_columns), array (n_samples, n_timesteps, n_features), or list of
        (n_timesteps, n_features)
    readers_of : callable
        See ``as_sequences``.

    Returns
    -------
    sequences : Sequences
    format : InputFormat

    Raises
    ------
    DataError, ValueError, TypeError
        If X is not what it has to be; the message says where and what to do.
    """
    refuse_mask(X, "X")
    refuse_table(X, "X")
    is_text, tokens = holds_text(X), estimator.tokens
    if is_text if isinstance(tokens, str) else tokens:
        _refuse_frames(estimator)
        listed = token_lists(X)
        vocabulary = Vocabulary.learned(listed, estimator.min_frequency)
        sequences = vocabulary.encoded(listed, stacked=_is_array(X))
        reading = X.reading if isinstance(X, Sequences) else None
        return sequences, InputFormat(1, 1, False, reading=reading, vocabulary=vocabulary)
    if is_text:
        raise DataError("X is text, and tokens=False takes numbers. Leave tokens at 'auto'.")
    if are_rows(X):
        _refuse_text(X)
        names = _get_feature_names(X)
        steps = unfold(X, estimator.step_size, estimator)
        n_columns = steps.shape[1] * steps.shape[2]
        format = InputFormat(
            n_columns, steps.shape[2], True, None if names is None else tuple(names)
        )
        return as_sequences(steps), format
    sequences = as_sequences(X, measure=bool(estimator.standardize), readers_of=readers_of)
    D = sequences.n_features
    return sequences, InputFormat(D, D, False, sequences.names, sequences.reading)


def as_fitted(
    estimator: BaseEstimator,
    X: Any,
    format: InputFormat,
    dtype: Any,
    readers_of: Callable[[Sequences], Readers | None] | None = None,
) -> Sequences:
    """Check X against what an estimator was fitted on, and lay it out flat.

    Parameters
    ----------
    estimator : RNNClassifier or RNNTagger
        Names itself and ``feature_names_in_`` in messages.
    X : array or list
        Rows as in fitting, or sequences with as many features in each step.
    format : InputFormat
        From ``first_format``.
    dtype : dtype
        The dtype of the result.
    readers_of : callable, optional
        See ``as_sequences``.

    Returns
    -------
    Sequences

    Raises
    ------
    DataError, ValueError, TypeError
        If X is not what it has to be; the message says where and what to do.
    """
    name, D = type(estimator).__name__, format.n_features
    refuse_mask(X, "X")
    refuse_table(X, "X")
    if format.vocabulary is not None:
        return format.vocabulary.encoded(token_lists(X), dtype, stacked=_is_array(X))
    if holds_text(X):
        raise DataError(f"X is text; this {name} was fitted on numbers, {D} a step.")
    if (is_table := are_rows(X)) and format.on_rows:
        _check_names(estimator, X)
        shape = getattr(X, "shape", None) or np.asarray(X).shape
        if len(shape) == 2 and shape[1] != format.n_columns:
            raise DataError(
                f"X has {shape[1]} features, but {name} is expecting {format.n_columns} features "
                f"as input: rows of {format.n_columns // D} steps. For sequences of other lengths pass "
                f"three axes, such as np.asarray(X).reshape(len(X), -1, {D}), or a list."
            )
        return as_sequences(unfold(X, D, estimator), dtype)

    if is_table and np.ndim(X) == 2:
        raise DataError(
            f"X has 2 dimensions, shape {np.shape(X)}; this {name} was fitted on sequences of "
            f"{D} feature(s) a step. For one sequence pass [X]."
        )
    fills = (format.reading or {}).get("missing") is not None
    filling = _AS_IN_TRAINING if fills else ""
    sequences = as_sequences(X, dtype, filling=filling, readers_of=readers_of)
    if isinstance(X, Sequences):
        _refuse_other_names(sequences.names, format.step_names, name)
    elif format.step_names or not format.on_rows:
        first = next(iter(X)) if hasattr(X, "__iter__") else X
        names = column_names(first)
        if names is not None and _get_feature_names(first) is None:  # pyarrow's batches
            _refuse_other_names(names, format.step_names, name, "Select these, in this order.")
        # An entry of Sequences, X[i], has no names; this should cause no warning.
        elif format.reading is None or _get_feature_names(first) is not None:
            _check_names(estimator, first)
    if sequences.n_features != D:  # after the names, which tell what is missing or too much
        raise DataError(
            f"X has {sequences.n_features} features, but {name} is expecting {D} features "
            "as input at each step. The axes are (n_samples, n_timesteps, n_features)."
        )
    return sequences


def _check_names(estimator: BaseEstimator, X: Any) -> None:
    """Check names as scikit-learn does, which takes 0.1 ms to find that an array has none."""
    if type(X) is not np.ndarray or hasattr(estimator, "feature_names_in_"):
        _check_feature_names(estimator, X, reset=False)


_AS_IN_TRAINING = (
    "elman.read_sequences(table, like=model) fills them as in training; for an array, "
)


def _is_array(X: Any) -> bool:
    """Whether X is an array with an axis of steps; then results for steps are an array, too."""
    return isinstance(X, np.ndarray) and X.ndim > 1


def _refuse_text(X: Any) -> None:
    """Refuse an array of text in two axes."""
    if isinstance(X, np.ndarray) and X.dtype.kind == "U":
        raise DataError(
            "X is text in two axes; expected numbers, or sequences of tokens. Encode categories as "
            "numbers (OneHotEncoder); if each row is a sequence of words, pass X.tolist()."
        )


def _refuse_frames(estimator: Any) -> None:
    """Refuse frames of tokens."""
    if not isinstance(estimator.frame, str | None):
        raise InvalidParameterError(
            f"frame={estimator.frame!r} puts features of several steps side by side, and a token has "
            "none: of tokens leave frame out."
        )


def _refuse_other_names(
    found: tuple[str, ...] | None,
    expected: tuple[str, ...] | None,
    estimator: str,
    advice: str = "Read the file as the model's was read: elman.read_sequences(file, like=model).",
) -> None:
    """Compare the names of features, if both have names."""
    if found is not None and expected is not None and found != expected:
        missing = [name for name in expected if name not in found]
        lacks = f"; {', '.join(missing)} missing" if missing else ", in another order"
        raise DataError(
            f"X has the features {', '.join(found)}, but {estimator} was fitted on "
            f"{', '.join(expected)}{lacks}. {advice}"
        )


def planned_front_end(estimator: Any, lengths: IntArray, n_features: int) -> FrontEnd:
    """Make the front end that the parameters describe: nothing is measured, but all shapes are known.

    Parameters
    ----------
    estimator : BaseRNN
        Has ``standardize``, ``differences`` and ``frame``.
    lengths : array (n_sequences,)
        The lengths of the training sequences.
    n_features : int
        D.

    Returns
    -------
    FrontEnd
        Its mean and level are zeros, its scale ones.

    Raises
    ------
    InvalidParameterError
        If ``frame`` is not valid.
    """
    every_step, zeros = estimator._every_step, np.zeros(n_features)
    standardize = estimator.standardize
    by_sequence = standardize == "sequence" or (standardize == "auto" and not every_step)
    planned = FrontEnd(
        zeros,
        np.ones(n_features),
        level=zeros if by_sequence else None,
        differences=bool(estimator.differences),
    )
    try:
        frame = Frame.of(estimator.frame, lengths, every_step, planned.n_numbers)
    except ValueError as error:
        raise InvalidParameterError(str(error)) from None
    return replace(planned, frame=frame)


def unfold(X: Any, step_size: int, estimator: BaseEstimator | None = None) -> Array:
    """Check rows and unfold each to steps of ``step_size`` columns.

    Parameters
    ----------
    X : array or data frame (n_samples, n_columns)
    step_size : int
    estimator : optional
        It is named in messages.

    Returns
    -------
    array (n_samples, n_columns / step_size, step_size)

    Raises
    ------
    DataError, ValueError, TypeError
        If X is not rows of numbers, has NaN, or ``step_size`` does not divide its columns.
    """
    try:
        rows = np.asarray(
            check_array(
                X,
                dtype=[np.float64, np.float32],
                ensure_all_finite=False,  # below, with its place
                estimator=estimator,
                input_name="X",
            )
        )
    except OverflowError:
        raise DataError("X holds a whole number too large for float64.") from None
    except ValueError as error:
        if "could not convert string to float" in str(error):
            raise text_in(X, "X") from None
        raise
    n_samples, n_columns = rows.shape
    if n_columns % step_size:
        raise DataError(
            f"X has {n_columns} columns, which step_size={step_size} does not divide. Each row is "
            "one sequence of n_columns / step_size steps; choose a step_size that divides them."
        )
    is_nan = np.isnan(rows)
    if is_nan.any():
        row, column = divmod(int(is_nan.argmax()), n_columns)
        raise DataError(
            f"X contains NaN at sequence {row}, step {column // step_size}, feature "
            f"{column % step_size}; expected finite numbers. sklearn.impute fills missing values; if "
            "rows end in NaN because sequences differ in length, pass three axes: "
            f"np.asarray(X).reshape(len(X), -1, {step_size})."
        )
    return rows.reshape(n_samples, n_columns // step_size, step_size)
