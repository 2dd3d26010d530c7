"""``elman.suggest``: from sequences to a fitted estimator whose settings were searched for."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.utils import check_random_state

from elman.data.entries import listed_entries
from elman.data.labels import has_step_labels
from elman.data.numbers import are_step_numbers
from elman.engines.compiled.threads import available_threads
from elman.estimators import RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
from elman.tuning.folds import Folds
from elman.tuning.search import Search
from elman.tuning.space import candidates, work
from elman.tuning.trials import Progress, as_text, decide, rows

BUDGET = 60.0
"""The budget in seconds, if none is given."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Suggestion:
    """The result of a search.

    Attributes
    ----------
    estimator : RNNClassifier, RNNTagger, RNNRegressor or RNNStepRegressor
        The winner, fitted on all sequences.
    settings : dict
        The parameters in which it differs from the defaults.
    table : list of dict
        A row for each candidate, by rank: ``pandas.DataFrame(suggestion.table)``. Candidates that
        trained for more of the updates rank first, and among them those with the best mean score.
    text : str
        The table, and why the winner won, for 80 columns.
    why : str
        Only why the winner won.
    notes : list of str
        What was cut short.
    interrupted : bool
        Whether Ctrl-C ended the search.
    """

    estimator: Any
    settings: dict[str, Any]
    table: list[dict[str, Any]]
    text: str
    why: str
    notes: list[str]
    interrupted: bool = False


def suggest(
    X: Any,
    y: Any,
    estimator: Any = None,
    *,
    budget: str | float | None = None,
    n_trials: int | None = None,
    cv: Any = 3,
    scoring: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    callback: Callable[[Progress], None] | None = None,
) -> Suggestion:
    """Search for better settings than the defaults, and fit an estimator with them.

    Candidates change some of cell, learning rate, size, frame and dropout; if a sequence has one
    answer, also readout, standardising and directions. All are cross-validated on the same folds, first
    with a quarter of the updates, and the best ones in full (successive halving). The defaults are
    among them, and win unless a candidate is better by more than the standard error.

    Ctrl-C ends the search, and fits the best so far. A second Ctrl-C ends that too, with the weights of
    the best epoch.

    Parameters
    ----------
    X, y
        As in ``fit``. Keep sequences aside for a test: the winner was chosen by its score in the table,
        so that score is a little too good.
    estimator : RNNClassifier, RNNTagger, RNNRegressor or RNNStepRegressor, optional
        Its parameters are the defaults. If left out, y decides: labels, or numbers if these are not
        all whole; one for each sequence, or for each step.
    budget : str or float, optional
        ``"90s"``, ``"2m"``, ``"1h"``, or seconds, for everything. The final training is shortened if
        necessary. 60 seconds if ``n_trials`` is left out too.
    n_trials : int, optional
        The number of candidates, the defaults included. With it and without ``budget``, the same
        ``random_state`` gives the same result, to the bit; with ``budget`` it depends on the clock.
    cv : int, splitter or iterable
        As in scikit-learn. A number of folds is shuffled, and stratified if sequences have labels.
    scoring : str or callable, optional
        As in scikit-learn; ``score`` if left out. If each step is answered, a ``StepScorer``.
    n_jobs : int, optional
        The folds to train at once. None and -1 mean as many as there are cores.
    random_state : int, RandomState or None
        For candidates and folds, and for the networks unless the estimator has its own.
    callback : callable, optional
        Called with an ``elman.tuning.Progress`` some times a second.

    Returns
    -------
    Suggestion

    Raises
    ------
    DataError, ValueError
        If X and y are not as in ``fit``, or an argument is not as above.
    KeyboardInterrupt
        If it is interrupted before the defaults have been scored.

    Examples
    --------
    >>> import numpy as np
    >>> import elman
    >>> X = np.random.default_rng(0).standard_normal((60, 10, 1)).cumsum(axis=1)
    >>> y = np.where(X[:, -1, 0] > 0, "up", "down")
    >>> found = elman.suggest(X, y, elman.RNNClassifier(8, max_iter=4), n_trials=2, random_state=0)
    >>> [row["share"] for row in found.table]
    [1.0, 1.0]
    >>> found.estimator.predict(X[:1]).shape
    (1,)
    """
    seconds = None if budget is None else seconds_in(budget)
    if n_trials is not None and not (isinstance(n_trials, int) and n_trials >= 2):
        raise ValueError(
            f"n_trials={n_trials!r}; expected a whole number of at least 2, the defaults and another."
        )
    if seconds is None and n_trials is None:
        seconds = BUDGET
    estimator = estimator_for(X, y) if estimator is None else estimator
    kinds = (RNNClassifier, RNNTagger, RNNRegressor, RNNStepRegressor)
    if not isinstance(estimator, kinds):
        raise ValueError(
            f"estimator is of type {type(estimator).__name__}; expected one of "
            f"{', '.join(kind.__name__ for kind in kinds)}, an instance of it."
        )
    estimator = clone(estimator).set_params(verbose=False)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    if estimator.random_state is None:
        own = random_state if isinstance(random_state, int) else seed
        estimator.set_params(random_state=own)
    prepared = estimator._prepare(X, y, None, before=None)  # raises the same errors as fit
    sequences = prepared.examples.sequences
    lengths = sequences.lengths
    n_features = 0 if prepared.format.vocabulary is not None else sequences.n_features
    splits, scorer = _splits(estimator, X, y, cv, seed), _scorer(estimator, scoring)
    search = Search(
        Folds(estimator, X, y, splits, scorer, _threads(n_jobs)),
        candidates(estimator, lengths, n_features, seed),
        lambda settings: work(estimator, settings, lengths, n_features),
        n_trials,
        seconds,
        callback,
    )
    search.run()
    decision = decide(search.trials)
    fitted, cut = search.refit(decision.trial)
    notes = [cut] if cut else []
    if search.interrupted:
        notes.insert(0, "The search was interrupted; this is the best so far.")
    table = rows(search.trials, decision.trial)
    text = "\n".join([as_text(table), "", decision.words, *notes])
    settings = dict(decision.trial.settings)
    return Suggestion(fitted, settings, table, text, decision.words, notes, search.interrupted)


def estimator_for(X: Any, y: Any) -> Any:
    """Make the estimator that fits y.

    Raises
    ------
    DataError
        If y is neither labels nor numbers, of sequences or of steps.
    """
    entries = listed_entries(y)
    parts = [entries] if isinstance(entries, np.ndarray) else list(entries)
    flat = [np.asarray(part) for part in parts]
    numbers = all(part.dtype.kind == "f" for part in flat) and not all(
        np.equal(np.mod(part[np.isfinite(part)], 1), 0).all() for part in flat
    )
    if numbers:
        return RNNStepRegressor() if are_step_numbers(X, y) else RNNRegressor()
    return RNNTagger() if has_step_labels(y) else RNNClassifier()


def seconds_in(budget: str | float) -> float:
    """Read a time: ``"90s"``, ``"2m"``, ``"1h"``, or seconds.

    Raises
    ------
    ValueError
        If it is not a time.
    """
    if isinstance(budget, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([smh])\s*", budget)
        seconds = float(match[1]) * _UNITS[match[2]] if match else math.nan
    else:
        seconds = float(budget)
    if not 0 < seconds < math.inf:
        raise ValueError(f"{budget!r} is not a length of time; expected a time: 60s, 2m or 1h.")
    return seconds


def _splits(estimator: Any, X: Any, y: Any, cv: Any, seed: int) -> list[Any]:
    """Make the folds; they are stratified if sequences have labels.

    Raises
    ------
    ValueError
        If there are fewer than two folds.
    """
    n = len(X)
    labels = y if isinstance(estimator, RNNClassifier) else None
    if isinstance(cv, int) and cv >= 2:
        if n == 1:
            raise ValueError(
                "cross-validation needs two sequences at least, and there is one. Cut it into several: "
                "give its parts ids of their own."
            )
        if cv > n:
            raise ValueError(f"cv={cv}, but there are {n} sequences; take fewer folds.")
        kind = KFold if labels is None or not _enough(labels, cv) else StratifiedKFold
        splitter = kind(cv, shuffle=True, random_state=seed)
    elif isinstance(cv, int):
        raise ValueError(f"cv={cv}; expected two folds at least.")
    else:
        splitter = check_cv(cv, y, classifier=is_classifier(estimator))
    with warnings.catch_warnings():  # scikit-learn warns of classes with fewer sequences than folds
        warnings.simplefilter("ignore")
        splits = list(splitter.split(np.zeros(n), labels))
    if len(splits) < 2:
        raise ValueError(
            f"cv={cv!r} makes {len(splits)} split; the standard error needs two at least."
        )
    return splits


def _enough(labels: Any, n_folds: int) -> bool:
    """Whether a class has at least so many sequences, which stratifying needs."""
    return bool(np.unique(np.asarray(labels), return_counts=True)[1].max() >= n_folds)


def _scorer(estimator: Any, scoring: Any) -> Any:
    """Make a scorer; the accuracy counts classes that were not in training as wrong."""
    if scoring is None and isinstance(estimator, RNNClassifier):
        scoring = "accuracy"
    return check_scoring(estimator, scoring)


def _threads(n_jobs: int | None) -> int:
    return available_threads(None if n_jobs == -1 else n_jobs)
