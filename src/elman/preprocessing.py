"""scikit-learn's transformers, for the steps of sequences."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils._tags import Tags
from sklearn.utils.validation import check_is_fitted

from elman._typing import Array
from elman.data import Sequences, as_sequences
from elman.errors import DataError

__all__ = ["StepTransformer"]


class StepTransformer(BaseEstimator):
    """Apply a transformer to the steps of all sequences, whatever their lengths.

    scikit-learn's transformers take rows and columns. This one passes all steps of all sequences as
    rows, and makes sequences of the result again. In a pipeline, it learns (means, categories,
    components) from training sequences only.

    Parameters
    ----------
    transformer : transformer
        ``StandardScaler()``, ``PCA(3)``, or, if sequences are data frames, a ``ColumnTransformer`` with
        names of columns.

    Attributes
    ----------
    transformer_ : transformer
        A clone, fitted.
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import RobustScaler
    >>> from elman import RNNClassifier
    >>> from elman.preprocessing import StepTransformer
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.standard_normal((n, 2)) for n in rng.integers(5, 15, 60)]
    >>> y = [x[:, 0].sum() > 0 for x in X]
    >>> model = make_pipeline(
    ...     StepTransformer(RobustScaler()),
    ...     RNNClassifier(8, max_iter=40, learning_rate_init=0.02, random_state=0),
    ... )
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    def __init__(self, transformer: Any) -> None:
        self.transformer = transformer

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit a clone of the transformer to all steps.

        Parameters
        ----------
        X : array (n_samples, n_timesteps, n_features), or list of (n_timesteps, n_features)
        y
            Ignored.

        Raises
        ------
        DataError
            If X is not sequences of finite numbers.
        """
        sequences = as_sequences(X).loaded()
        self.transformer_ = clone(self.transformer).fit(_rows(X, sequences))
        self.n_features_in_ = sequences.n_features
        return self

    def transform(self, X: Any) -> Any:
        """Transform all steps.

        Returns
        -------
        array (n_samples, n_timesteps, ·), or list of (n_timesteps, ·), in the form of X.
        """
        check_is_fitted(self, "transformer_")
        sequences = as_sequences(X).loaded()
        if sequences.n_features != self.n_features_in_:
            raise DataError(
                f"X has {sequences.n_features} features a step; StepTransformer was fitted on "
                f"{self.n_features_in_}."
            )
        rows = self.transformer_.transform(_rows(X, sequences))
        rows = rows.toarray() if hasattr(rows, "toarray") else rows  # of a sparse matrix
        if hasattr(rows, "iloc"):  # set_output(transform="pandas")
            pairs = zip(sequences.offsets, sequences.offsets[1:], strict=False)
            return [rows.iloc[a:b] for a, b in pairs]
        return _folded(np.asarray(rows), sequences)

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """``fit``, then ``transform``."""
        return self.fit(X, y).transform(X)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the names of the output features, if the transformer knows them."""
        check_is_fitted(self, "transformer_")
        return np.asarray(self.transformer_.get_feature_names_out(input_features))

    def __sklearn_tags__(self) -> Tags:
        """Declare that X has three axes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def _rows(X: Any, sequences: Sequences) -> Any:
    """All steps one under another: a data frame if they have names."""
    if sequences.names is None:
        return sequences.values
    frames = list(X)
    library = import_module(type(frames[0]).__module__.partition(".")[0])
    return library.concat(frames)  # pandas' and polars' alike


def _folded(rows: Array, sequences: Sequences) -> Any:
    """Fold rows into the form in which the sequences came, their padding included."""
    return sequences.fold(rows) if sequences.padded_to is None else sequences.padded(rows)
