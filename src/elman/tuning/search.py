"""Successive halving in two rounds, by time or by the number of candidates.

In the first round candidates train for a quarter of the updates of a whole training (Karnin et al.
2013, Jamieson and Talwalkar 2016: what is bad shows early); the best of them then train in full,
those that come out on top first. The defaults are in both rounds.

scikit-learn's ``HalvingRandomSearchCV`` takes lists of ragged sequences, but neither a budget in
seconds nor ``max_iter="auto"``; broken off, it has nothing to show, and it may drop the defaults after
the first round. So candidates, folds and metrics are scikit-learn's, and the order is ours.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from threading import Event
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import indexable
from sklearn.utils.metaestimators import _safe_split

from elman.errors import DivergenceError
from elman.training import Progress as TrainingProgress
from elman.tuning.pace import OutOfTimeError, Watch, epochs_and_updates
from elman.tuning.quiet import THREADS, quiet_threads
from elman.tuning.trials import Progress, Trial, decide, ranking

SHORT = 0.25
"""The share of a whole training in the first round."""

ADVANCE = 4
"""One candidate of so many goes into the second round, where candidates are counted."""

RESERVE = 1.3
"""What is kept of the time for the last training, in what it is expected to take."""

MARGIN = 1.15
"""What is added to other expectations."""

_TRIES = 20  # candidates in a row that would take too long, before it is enough

_GRACE = 0.5  # seconds in which a training that is told to end does so

_TICK = 0.1  # seconds between looks at the clock


class Search:
    """Candidates that compete, on the same folds.

    Parameters
    ----------
    estimator : BaseRNN
        The defaults.
    X, y
        As in ``fit``.
    candidates : iterable of dict
        What they set.
    work : callable
        Given what a candidate sets, says what its training takes, in a unit of its own.
    splits : list of (train, test)
        Indices.
    scoring : callable
        Given a fitted estimator, X and y, a number.
    n_threads : int
        Folds that are trained at once.
    n_trials : int or None
        The candidates, the defaults among them.
    seconds : float or None
        What may be used, with the last training.
    callback : callable or None
        Given a ``Progress`` now and then.

    Attributes
    ----------
    trials : list of Trial
        The defaults first.
    interrupted : bool
        Whether it was ended by Ctrl-C.
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        y: Any,
        candidates: Iterable[dict[str, Any]],
        work: Callable[[dict[str, Any]], float],
        splits: list[Any],
        scoring: Any,
        n_threads: int,
        n_trials: int | None,
        seconds: float | None,
        callback: Callable[[Progress], None] | None,
    ) -> None:
        self.estimator = estimator
        self.X, self.y = X, y
        self.splits = splits
        self.scoring = scoring
        self.n_threads = n_threads
        self.n_trials = n_trials
        self.seconds = seconds
        self.callback = callback
        self.trials = [Trial(0, {})]
        self.interrupted = False
        self._candidates = iter(candidates)
        self._work = work
        self._began = time.monotonic()
        self._deadline = math.inf if seconds is None else self._began + seconds
        self._stop = Event()
        self._n_done = 0
        self._pool = ThreadPoolExecutor(n_threads, thread_name_prefix=THREADS)

    def run(self) -> None:
        """Let them compete, until the number, the time, or a person says that it is enough.

        Raises
        ------
        KeyboardInterrupt
            If there is nothing to show yet.
        """
        try:
            with quiet_threads():  # short trainings have not learnt much; a fold may lack a class
                try:
                    self._compete()
                finally:
                    self._stop.set()
                    # A training that compiles cannot be ended, and is not waited for.
                    self._pool.shutdown(wait=False, cancel_futures=True)
        except KeyboardInterrupt:
            if not self.trials[0].scores:
                raise
            self.interrupted = True

    def refit(self, trial: Trial) -> tuple[Any, str]:
        """Fit what won on all sequences, in the time that is left.

        Returns
        -------
        estimator : BaseRNN
        words : str
            What was cut short, if anything.
        """
        estimator = clone(self.estimator).set_params(**trial.settings)
        n_epochs, _ = epochs_and_updates(estimator, len(self.y))
        max_iter, enough = estimator.max_iter, n_epochs
        left = self._deadline - time.monotonic()
        expected = MARGIN * self._refit_seconds(trial)
        words = ""
        if expected > 0 and left < expected:
            enough = min(n_epochs, max(1, int(n_epochs * left / expected)))
            if enough < n_epochs:
                estimator.set_params(max_iter=enough)
                words = (
                    f"There was time for {enough} of {n_epochs} epochs of the last training; for "
                    "all of them, take a larger budget."
                )
        watch = Watch(self._deadline + 1.0, Event())
        show = self._showing("the winner on all data")

        def callback(progress: TrainingProgress) -> None:
            show()
            watch(progress)

        broken_off = ""
        try:
            estimator.fit(self.X, self.y, callback=callback)
        except OutOfTimeError:
            broken_off = "ended by the budget"
        except KeyboardInterrupt:
            if not getattr(estimator, "history_", None):
                raise
            self.interrupted = True
            broken_off = "interrupted"
        n_complete = len(estimator.history_)
        if broken_off and n_complete < enough:
            weights = "those of its best epoch" if n_complete else "what it had come to"
            words = (
                f"The last training was {broken_off} in epoch {n_complete + 1} (the whole has "
                f"{n_epochs}); its weights are {weights}."
            )
            if not self.interrupted:
                words += " Take a larger budget."
        estimator.set_params(max_iter=max_iter)  # it was shortened for this training alone
        return estimator, words

    # The two rounds

    def _compete(self) -> None:
        (default,) = self.trials
        half = self._began + (self.seconds or math.inf) / 2
        self._go([default], SHORT, until=half)  # what it takes tells how much there is time for
        if not default.scores:
            return
        n_before = 0
        while self._n_done > n_before:  # a round may end early: what compiles, does so once
            n_before = self._n_done
            self._both_rounds(default)
            if self.seconds is None:
                return

    def _both_rounds(self, default: Trial) -> None:
        """Let new candidates train for a short time, and the best of those that only did so in full."""
        until, limit = self._plan()
        self._go(self._draw(limit), SHORT, until=limit, begin_until=until)
        short = [trial for trial in self.trials[1:] if trial.share == SHORT and not trial.problem]
        short.sort(key=ranking)
        if 1.0 not in default.scores:
            short.insert(0, default)
        if self.seconds is None:
            self._go(short[: 1 + math.ceil((len(short) - 1) / ADVANCE)], 1.0, until=math.inf)
            return
        finalists, limit = self._affordable(short)
        if any(trial is not default for trial in finalists):
            self._go(finalists, 1.0, until=limit)

    def _draw(self, until: float) -> Iterator[Trial]:
        """Draw candidates, one by one, that are expected to be over by then."""
        n = None if self.n_trials is None else self.n_trials - len(self.trials)
        n_too_large = 0
        for settings in islice(self._candidates, n):
            trial = Trial(len(self.trials), settings)
            if time.monotonic() + self._expected(trial, SHORT) > until:
                n_too_large += 1
                if n_too_large == _TRIES:
                    return
                continue
            n_too_large = 0
            self.trials.append(trial)
            yield trial

    def _plan(self) -> tuple[float, float]:
        """Say until when the first round begins with candidates, and when it has to be over.

        The second round takes half of the time that is left when the defaults' own part is taken off;
        where it could not have the defaults and one other, there is none.
        """
        if self.seconds is None:
            return math.inf, math.inf
        default, now = self.trials[0], time.monotonic()
        end = self._deadline - RESERVE * self._refit_seconds(default)
        one = self._expected(default, 1.0)  # in full, as of another of its size
        own = 0.0 if 1.0 in default.scores else one
        if end - now < own + one + 2 * self._expected(default, SHORT):
            return (end, end) if own else (now, now)
        return now + (end - now - own) / 2, end - own - one

    def _affordable(self, trials: list[Trial]) -> tuple[list[Trial], float]:
        """Choose those that there is time for in full, from the first on; and when it is over.

        An expensive one has to leave room for the last training, which may be its own.
        """
        chosen: list[Trial] = []
        left = self._deadline - time.monotonic()
        taken = reserve = 0.0
        for trial in trials:
            cost = taken + self._expected(trial, 1.0)
            kept = max(reserve, RESERVE * self._refit_seconds(trial))
            if cost + kept <= left:
                chosen.append(trial)
                taken, reserve = cost, kept
            elif (
                trial is self.trials[0]
            ):  # the defaults: with nothing to compare with, there is nothing to do
                break
        return chosen, self._deadline - reserve

    def _expected(self, trial: Trial, share: float) -> float:
        """Estimate how many seconds of the clock a trial's folds take, side by side."""
        estimator = clone(self.estimator).set_params(**trial.settings)
        fits = sum(share * epochs_and_updates(estimator, len(train))[1] for train, _ in self.splits)
        at_once = min(self.n_threads, len(self.splits))
        return MARGIN * float(fits) * self._pace(trial) / at_once

    def _pace(self, trial: Trial) -> float:
        """Seconds of an update: measured, or by what the defaults take."""
        if trial.paces:
            return trial.seconds_per_update
        default = self.trials[0]
        return default.seconds_per_update * self._work(trial.settings) / self._work({})

    def _refit_seconds(self, trial: Trial) -> float:
        estimator = clone(self.estimator).set_params(**trial.settings)
        n, n_members = len(self.y), 1
        if estimator.n_members == "auto":  # of which the folds train one
            n_members = estimator._n_members_of(n * self._work(trial.settings), n)
        side_by_side = -(-n_members // self.n_threads)
        return epochs_and_updates(estimator, n)[1] * self._pace(trial) * side_by_side

    # Evaluating

    def _go(
        self, trials: Iterable[Trial], share: float, *, until: float, begin_until: float = math.inf
    ) -> None:
        """Train and score candidates on all folds, one after another, several folds at once.

        Parameters
        ----------
        trials : iterable of Trial
        share : float
            Of a whole training.
        until : float
            When it has to be over; what is not complete then does not count.
        begin_until : float
            When no candidate is begun any more.
        """
        n_folds = len(self.splits)
        default = self.trials[0]
        found: dict[int, dict[int, float]] = {}
        pending: dict[Future[tuple[float, float, float]], tuple[Trial, int]] = {}
        tasks: Iterator[tuple[Trial, int]] = iter(())
        source = iter(trials)
        show = self._showing("short trainings" if share < 1 else "whole trainings")
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
                if not default.scores and task == (default, 0):
                    break  # alone: it compiles, and refuses what cannot be fitted
            if not pending:
                return
            done, _ = wait(pending, timeout=_TICK, return_when=FIRST_COMPLETED)
            for future in done:
                trial, fold = pending.pop(future)
                complete = self._take(trial, fold, future, found)
                if complete is not None:
                    trial.scores[share] = complete
                    self._n_done += 1
                    show(trial)
            if (
                pending and time.monotonic() > until + _GRACE
            ):  # they compile, for who knows how long
                for trial, _ in pending.values():
                    trial.problem = trial.problem or "out of time"
                return
            show()

    def _take(
        self,
        trial: Trial,
        fold: int,
        future: Future[tuple[float, float, float]],
        found: dict[int, dict[int, float]],
    ) -> Any:
        """Take what a fold came to; give the scores of all when they are complete."""
        try:
            score, seconds, per_update = future.result()
        except OutOfTimeError:
            trial.problem = trial.problem or "out of time"
            return None
        except (DivergenceError, MemoryError) as error:
            trial.problem = "diverged" if isinstance(error, DivergenceError) else "too large"
            return None
        except ValueError:
            if trial is self.trials[0]:
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
        estimator = clone(self.estimator).set_params(**trial.settings)
        if self.n_threads > 1:
            estimator.set_params(n_jobs=1)
        if estimator.n_members == "auto":  # one network tells candidates apart as well, sooner
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

    def _showing(self, doing: str) -> Callable[..., None]:
        """Make what tells the callback how far it is."""

        def show(trial: Trial | None = None) -> None:
            if self.callback is None:
                return
            default, share = self.trials[0], decide(self.trials).share
            rivals = [t.scores[share].mean() for t in self.trials if share in t.scores]
            n = self.n_trials if self.seconds is None else None
            self.callback(
                Progress(
                    doing,
                    self._n_done,
                    None if n is None else n + 1 + math.ceil((n - 1) / ADVANCE),
                    time.monotonic() - self._began,
                    self.seconds,
                    float(default.scores[share or default.share].mean())
                    if default.scores
                    else None,
                    float(max(rivals)) if rivals else None,
                    trial,
                )
            )

        return show
