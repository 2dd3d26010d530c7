"""Successive halving in two rounds, by time or by the number of candidates.

In the first round candidates train for a quarter of the updates of a whole training (Karnin et al.
2013, Jamieson and Talwalkar 2016: bad candidates show early). Then the best of them train in full, in
the order of their scores. The defaults are in both rounds.

scikit-learn's ``HalvingRandomSearchCV`` takes lists of ragged sequences, but neither a budget in
seconds nor ``max_iter="auto"``. If it is interrupted, it has no result, and it may drop the defaults
after the first round. So candidates, folds and metrics are scikit-learn's, and the order is elman's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from threading import Event
from typing import Any

from elman.training import Progress as TrainingProgress
from elman.tuning.folds import Folds
from elman.tuning.pace import OutOfTimeError, Watch, epochs_and_updates
from elman.tuning.quiet import quiet_threads
from elman.tuning.trials import Progress, Trial, decide, ranking

SHORT = 0.25
"""The share of a whole training in the first round."""

ADVANCE = 4
"""One candidate in so many goes on to the second round, if the number of candidates is given."""

RESERVE = 1.3
"""The time kept for the last training, as a multiple of what it is expected to take."""

MARGIN = 1.15
"""A factor for all other expected times."""

_TRIES = 20  # the search ends after so many candidates in a row that would take too long


class Search:
    """Candidates that compete, on the same folds.

    Parameters
    ----------
    folds : Folds
        These have the defaults, X and y.
    candidates : iterable of dict
        The parameters that each of them sets.
    work : callable
        Takes the parameters that a candidate sets; returns what its training takes, in any unit.
    n_trials : int or None
        The number of candidates, the defaults included.
    seconds : float or None
        The time for everything, the last training included.
    callback : callable or None
        Called with a ``Progress`` from time to time.

    Attributes
    ----------
    trials : list of Trial
        The defaults first.
    interrupted : bool
        Whether Ctrl-C ended the search.
    """

    def __init__(
        self,
        folds: Folds,
        candidates: Iterable[dict[str, Any]],
        work: Callable[[dict[str, Any]], float],
        n_trials: int | None,
        seconds: float | None,
        callback: Callable[[Progress], None] | None,
    ) -> None:
        self.folds = folds
        self.n_trials = n_trials
        self.seconds = seconds
        self.callback = callback
        self.trials = [Trial(0, {})]
        self.interrupted = False
        self._candidates = iter(candidates)
        self._work = work
        self._began = time.monotonic()
        self._deadline = math.inf if seconds is None else self._began + seconds
        self._n_done = 0

    def run(self) -> None:
        """Let them compete until the number of candidates or the time is reached, or Ctrl-C.

        Raises
        ------
        KeyboardInterrupt
            If there is nothing to show yet.
        """
        try:
            with quiet_threads():  # short trainings learn little, and a fold may lack a class
                try:
                    self._compete()
                finally:
                    self.folds.close()
        except KeyboardInterrupt:
            if not self.trials[0].scores:
                raise
            self.interrupted = True

    def refit(self, trial: Trial) -> tuple[Any, str]:
        """Fit the winner on all sequences, in the time that is left.

        Returns
        -------
        estimator : BaseRNN
        words : str
            Says what was cut short, if anything.
        """
        estimator = self.folds.estimator_of(trial)
        n_epochs, _ = epochs_and_updates(estimator, len(self.folds.y))
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
            estimator.fit(self.folds.X, self.folds.y, callback=callback)
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
        estimator.set_params(max_iter=max_iter)  # it was shortened for this training only
        return estimator, words

    # The two rounds

    def _compete(self) -> None:
        (default,) = self.trials
        half = self._began + (self.seconds or math.inf) / 2
        self._go([default], SHORT, until=half)  # to know the time of a candidate
        if not default.scores:
            return
        n_before = 0
        while self._n_done > n_before:  # a round may end early by compiling
            n_before = self._n_done
            self._both_rounds(default)
            if self.seconds is None:
                return

    def _both_rounds(self, default: Trial) -> None:
        """Let new candidates train for a short time, then the best of all short ones in full."""
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
        """Draw candidates, one by one, that are expected to end by ``until``."""
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
        """Return the time until which the first round begins candidates, and the time at which it ends.

        The second round gets half of the time that is left without the full training of the defaults.
        If this is too little for the defaults and one other candidate, there is no second round.
        """
        if self.seconds is None:
            return math.inf, math.inf
        default, now = self.trials[0], time.monotonic()
        end = self._deadline - RESERVE * self._refit_seconds(default)
        one = self._expected(default, 1.0)  # a full training of a candidate of the same size
        own = 0.0 if 1.0 in default.scores else one
        if end - now < own + one + 2 * self._expected(default, SHORT):
            return (end, end) if own else (now, now)
        return now + (end - now - own) / 2, end - own - one

    def _affordable(self, trials: list[Trial]) -> tuple[list[Trial], float]:
        """Choose the trials that there is time to train in full, in their order; and when they end.

        There must be time left for the last training, which may be that of the most expensive trial.
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
            elif trial is self.trials[0]:
                break  # without the defaults there is nothing to compare with
        return chosen, self._deadline - reserve

    def _expected(self, trial: Trial, share: float) -> float:
        """Estimate the seconds by the clock that a trial's folds take, side by side."""
        estimator = self.folds.estimator_of(trial)
        splits = self.folds.splits
        fits = sum(share * epochs_and_updates(estimator, len(train))[1] for train, _ in splits)
        at_once = min(self.folds.n_threads, len(splits))
        return MARGIN * float(fits) * self._pace(trial) / at_once

    def _pace(self, trial: Trial) -> float:
        """The seconds of an update: measured, or estimated from those of the defaults."""
        if trial.paces:
            return trial.seconds_per_update
        default = self.trials[0]
        return default.seconds_per_update * self._work(trial.settings) / self._work({})

    def _refit_seconds(self, trial: Trial) -> float:
        estimator = self.folds.estimator_of(trial)
        n, n_members = len(self.folds.y), 1
        if estimator.n_members == "auto":  # the folds train only one of these
            n_members = estimator._n_members_of(n * self._work(trial.settings), n)
        side_by_side = -(-n_members // self.folds.n_threads)
        return epochs_and_updates(estimator, n)[1] * self._pace(trial) * side_by_side

    def _go(
        self, trials: Iterable[Trial], share: float, *, until: float, begin_until: float = math.inf
    ) -> None:
        """Evaluate candidates on all folds; count and show those that are complete."""
        show = self._showing("short trainings" if share < 1 else "whole trainings")

        def report(trial: Trial | None) -> None:
            self._n_done += trial is not None
            show(trial)

        self.folds.evaluate(trials, share, report, until=until, begin_until=begin_until)

    def _showing(self, doing: str) -> Callable[..., None]:
        """Make the function that calls the callback."""

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
