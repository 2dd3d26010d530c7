"""Which parts of sequences matter to an estimator: permutation importance of features, and of steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Literal

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state

from elman._typing import Array, IntArray
from elman.data import Sequences, Vocabulary, as_sequences
from elman.data.tokens import holds_text, token_lists
from elman.errors import DataError

__all__ = ["PermutationImportance", "permutation_importance"]


@dataclass(frozen=True, eq=False)
class PermutationImportance:
    """How much a score falls if a feature, or some steps, are exchanged between sequences.

    Attributes
    ----------
    importances : array (n, n_repeats)
        The score minus that of permuted sequences, for each feature or window of steps.
    score : float
        Of the original sequences.
    over : {"features", "steps"}
    names : tuple of str
        Of the features, or the windows of steps: ``"1"``, or ``"1–10"``, counted from ``align``.
    first, last : arrays (n,), or None
        The steps of each window, counted from 1; None for features.
    align : {"start", "end"}
        From which end steps are counted.
    """

    importances: Array
    score: float
    over: str
    names: tuple[str, ...]
    first: IntArray | None = None
    last: IntArray | None = None
    align: str = "start"

    @property
    def importances_mean(self) -> Array:
        """The mean over the repeats, (n,)."""
        return np.asarray(self.importances.mean(axis=1))

    @property
    def importances_std(self) -> Array:
        """The standard deviation over the repeats, (n,)."""
        return np.asarray(self.importances.std(axis=1))


def permutation_importance(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    over: Literal["features", "steps"] = "features",
    width: int = 1,
    align: Literal["start", "end"] = "start",
    scoring: Any = None,
    n_repeats: int = 5,
    random_state: Any = None,
    sample_weight: Any = None,
) -> PermutationImportance:
    """Measure how much a fitted estimator's score falls without a feature, or without some steps.

    Sequences exchange the values of one feature at all steps, or of all features at some steps
    (Breiman 2001, section 10). Each sequence takes the values of the next one in a random ring; if
    that one is too short for a step, those of the next one that has it. So a feature keeps its course
    in time as far as lengths allow, and its distribution at each step.

    Parameters
    ----------
    estimator : estimator
        One of elman's, or a pipeline or search around it.
    X : array (n_samples, n_timesteps, n_features), or list of (n_timesteps, n_features)
        Of any lengths; also data frames. Texts and lists of words with ``over="steps"``.
    y
        As in the estimator's ``score``.
    over : {"features", "steps"}
    width : int
        Steps of a window that are permuted together.
    align : {"start", "end"}
        Whether steps are counted from the first, or backwards from the last.
    scoring : str or callable, optional
        As in scikit-learn; the estimator's ``score`` if left out. For labels of steps an
        ``elman.metrics.StepScorer``.
    n_repeats : int
    random_state : int, RandomState or None
    sample_weight : optional
        As in the estimator's ``score``.

    Returns
    -------
    PermutationImportance

    Raises
    ------
    DataError
        If X is not sequences, or is only one.
    ValueError
        If an option is not as above.

    Examples
    --------
    >>> import numpy as np
    >>> from elman import RNNClassifier
    >>> from elman.inspection import permutation_importance
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.standard_normal((n, 3)) for n in rng.integers(5, 15, 200)]
    >>> y = [x[:, 1].sum() > 0 for x in X]
    >>> model = RNNClassifier(8, max_iter=30, random_state=0).fit(X, y)
    >>> found = permutation_importance(model, X, y, random_state=0)
    >>> int(found.importances_mean.argmax())
    1
    """
    _check(over, width, align, n_repeats)
    vocabulary = None
    if holds_text(X):
        if over == "features":
            raise DataError(
                "X is text, and a token has no features to permute one by one; pass over='steps'."
            )
        listed = token_lists(X)
        vocabulary = Vocabulary.learned(listed)
        sequences = vocabulary.encoded(listed)
    else:
        sequences = as_sequences(X).loaded()
    if len(sequences) < 2:
        raise DataError(
            "X has one sequence; what is permuted is exchanged between sequences, so pass two or more."
        )
    scorer = check_scoring(estimator, scoring=scoring)
    options = {} if sample_weight is None else {"sample_weight": sample_weight}
    score = float(scorer(estimator, X, y, **options))
    random = check_random_state(random_state)
    T = int(sequences.lengths.max())
    starts = np.arange(0, T, width) if over == "steps" else np.arange(sequences.n_features)
    importances = np.empty((len(starts), n_repeats))
    step = _step_numbers(sequences, align)
    for i, start in enumerate(starts):
        for repeat in range(n_repeats):
            source = _exchanged(sequences, random.permutation(len(sequences)), align)
            values = sequences.values.copy()
            if over == "steps":
                chosen = (step >= start) & (step < start + width)
                values[chosen] = sequences.values[source[chosen]]
            else:
                values[:, start] = sequences.values[source, start]
            if vocabulary is None:
                permuted = _like(X, sequences, values)
            else:
                permuted = vocabulary.decoded(replace(sequences, values=values))
            importances[i, repeat] = score - scorer(estimator, permuted, y, **options)
    if over == "steps":
        first, last = starts + 1, np.minimum(starts + width, T)
        pairs = zip(first, last, strict=True)
        names = tuple(str(a) if a == b else f"{a}–{b}" for a, b in pairs)
        return PermutationImportance(importances, score, over, names, first, last, align)
    names = sequences.names or tuple(f"feature {d}" for d in starts)
    return PermutationImportance(importances, score, over, names)


def _check(over: str, width: int, align: str, n_repeats: int) -> None:
    for name, value, allowed in (
        ("over", over, ("features", "steps")),
        ("align", align, ("start", "end")),
    ):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
    for name, number in (("width", width), ("n_repeats", n_repeats)):
        given: Any = number
        if isinstance(given, bool) or not isinstance(given, Integral) or given < 1:
            raise ValueError(f"{name} must be an integer of at least 1; got {number!r}")
    if over == "features" and (width, align) != (1, "start"):
        raise ValueError("width and align are of steps; with over='features' leave them out")


def _step_numbers(sequences: Sequences, align: str) -> IntArray:
    """The number of each row's step, from 0, counted from the start or from the end."""
    rows = np.arange(len(sequences.values))
    if align == "start":
        return rows - np.repeat(sequences.offsets[:-1], sequences.lengths)
    return np.repeat(sequences.offsets[1:], sequences.lengths) - 1 - rows


def _exchanged(sequences: Sequences, ring: IntArray, align: str) -> IntArray:
    """The row that each row takes its values from: the same step of the next sequence that has it."""
    source = np.empty(len(sequences.values), np.int64)
    lengths = sequences.lengths[ring]
    for t in range(int(lengths.max())):
        alive = ring[lengths > t]
        rows = (
            sequences.offsets[alive] + t
            if align == "start"
            else sequences.offsets[alive + 1] - 1 - t
        )
        source[rows] = np.roll(rows, -1)
    return source


def _like(X: Any, sequences: Sequences, values: Array) -> Any:
    """Give other values the form in which X came, padding and names included."""
    if isinstance(X, Sequences):
        return replace(sequences, values=values)
    if sequences.names is not None:
        return list(_frames(X, np.split(values, sequences.offsets[1:-1])))
    if sequences.padded_to is None:
        if all(np.asarray(x).dtype.kind in "iu" for x in X):  # tokens, perhaps
            values = values.astype(np.int64)
        return sequences.fold(values)
    return sequences.padded(values)


def _frames(X: Any, pieces: list[Array]) -> Iterator[Any]:
    for frame, piece in zip(X, pieces, strict=True):
        if hasattr(frame, "iloc"):  # pandas'
            yield type(frame)(piece, columns=frame.columns, index=frame.index)
        else:
            yield type(frame)(piece, schema=list(frame.columns))
