"""Training and scoring candidates on folds, several folds at once, until their time is over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Event
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import indexable
from sklearn.utils.metaestimators import _safe_split

from elman.errors import DivergenceError
from elman.tuning.pace import OutOfTimeError, Watch, epochs_and_updates
from elman.tuning.quiet import THREADS
from elman.tuning.trials import Trial

_GRACE = 0.5  # seconds in which a training ends after it was told to

_TICK = 0.1  # seconds between looks at the clock


class Folds:
    """Folds of X and y, and threads that train and score on them.

    Parameters
    ----------
    estimator : BaseRNN
        The defaults.
    X, y
        As in ``fit``.
    splits : list of (train, test)
        Indices of sequences.
    scoring : callable
        Takes a fitted estimator, X and y; returns a number.
    n_threads : int
        The number of folds that are trained at once.
    """

    def __init__(
        self, estimator: Any, X: Any, y: Any, splits: list[Any], scoring: Any, n_threads: int
    ) -> None:
        self.estimator = estimator
        self.X, self.y = X, y
        self.splits = splits
        self.scoring = scoring
        self.n_threads = n_threads
        self._stop = Event()
        self._pool = ThreadPoolExecutor(n_threads, thread_name_prefix=THREADS)

    def estimator_of(self, trial: Trial) -> Any:
        """Make the estimator of a candidate, not fitted."""
        return clone(self.estimator).set_params(**trial.settings)

    def close(self) -> None:
        """End all trainings. A training that is compiling cannot be ended, and is not waited for."""
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def evaluate(
        self,
        trials: Iterable[Trial],
        share: float,
        report: Callable[[Trial | None], None],
        *,
        until: float,
        begin_until: float = math.inf,
    ) -> None:
        """Train and score candidates on all folds, one after another, several folds at once.

        Parameters
        ----------
        trials : iterable of Trial
            Trial number 0 of a search, the defaults, comes first.
        share : float
            The share of a whole training.
        report : callable
            Called with each complete trial, and from time to time with None.
        until : float
            The time at which all ends; trials that are not complete then do not count.
        begin_until : float
            The time after which no candidate is begun.
        """
        n_folds = len(self.splits)
        found: dict[int, dict[int, float]] = {}
        pending: dict[Future[tuple[float, float, float]], tuple[Trial, int]] = {}
        tasks: Iterator[tuple[Trial, int]] = iter(())
        source = iter(trials)
        exhausted = False
        while True:
            while len(pending) < self.n_threads and not exhausted:
                task = next(tasks, None)
                if task is None:
                    late = time.monotonic() > begin_until
                    trial = None if late else next(source, None)
                    exhausted = trial is None
                    if trial is not None:
                        tasks = iter([(trial, fold) for fold in range(n_folds)])
                    continue
                if task[0].problem:
                    continue
                pending[self._pool.submit(self._evaluate, *task, share, until)] = task
                trial, fold = task
                if trial.number == fold == 0 and not trial.scores:
                    break  # alone: it compiles, and shows what cannot be fitted
            if not pending:
                return
            done, _ = wait(pending, timeout=_TICK, return_when=FIRST_COMPLETED)
            for future in done:
                trial, fold = pending.pop(future)
                complete = self._take(trial, fold, future, found)
                if complete is not None:
                    trial.scores[share] = complete
                    report(trial)
            if pending and time.monotonic() > until + _GRACE:
                # They are compiling; nobody knows how long it will take.
                for trial, _ in pending.values():
                    trial.problem = trial.problem or "out of time"
                return
            report(None)

    def _take(
        self,
        trial: Trial,
        fold: int,
        future: Future[tuple[float, float, float]],
        found: dict[int, dict[int, float]],
    ) -> Any:
        """Take the result of a fold; return the scores of all folds when they are complete."""
        try:
            score, seconds, per_update = future.result()
        except OutOfTimeError:
            trial.problem = trial.problem or "out of time"
            return None
        except (DivergenceError, MemoryError) as error:
            trial.problem = "diverged" if isinstance(error, DivergenceError) else "too large"
            return None
        except ValueError:
            if trial.number == 0:
                raise
            trial.problem = "cannot be built"
            return None
        trial.seconds += seconds
        if not math.isnan(per_update):
            trial.paces.append(per_update)
        scores = found.setdefault(trial.number, {})
        scores[fold] = score
        if len(scores) < len(self.splits) or trial.problem:
            return None
        if not np.isfinite(list(scores.values())).all():
            trial.problem = "a score is no number"
            return None
        return np.array([scores[i] for i in range(len(self.splits))])

    def _evaluate(
        self, trial: Trial, fold: int, share: float, until: float
    ) -> tuple[float, float, float]:
        """Train on a fold and score it: the score, seconds, and seconds of an update."""
        estimator = self.estimator_of(trial)
        if self.n_threads > 1:
            estimator.set_params(n_jobs=1)
        if estimator.n_members == "auto":  # one network compares candidates as well, in less time
            estimator.set_params(n_members=1)
        if share < 1:
            n_epochs, _ = epochs_and_updates(estimator, len(self.splits[fold][0]))
            estimator.set_params(max_iter=max(1, round(share * n_epochs)))
        watch = Watch(until, self._stop)
        X, y = indexable(self.X, self.y)
        train, test = self.splits[fold]
        began = time.monotonic()
        # Not by cross_validate: it changes the warning filters of all threads.
        estimator.fit(*_safe_split(estimator, X, y, train), callback=watch)
        score = float(self.scoring(estimator, *_safe_split(estimator, X, y, test, train)))
        return score, time.monotonic() - began, watch.seconds_per_update
