"""What a search has found: candidates with their scores, which of them wins, and the table."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from elman._typing import Array

MOST_ROWS = 12  # of a table for people


@dataclass(eq=False)
class Trial:
    """A candidate.

    Attributes
    ----------
    number : int
        0 is the defaults.
    settings : dict
        The parameters that differ from the defaults.
    scores : dict of float to array (n_folds,)
        By share of the training; only complete trainings count.
    seconds : float
        The time for training and scoring, all folds and shares together.
    paces : list of float
        The seconds of an update in each of these trainings.
    problem : str
        Why it has left the search, in words.
    """

    number: int
    settings: dict[str, Any]
    scores: dict[float, Array] = field(default_factory=dict)
    seconds: float = 0.0
    paces: list[float] = field(default_factory=list)
    problem: str = ""

    @property
    def share(self) -> float:
        """The largest share of the training for which it has scores; 0 if none."""
        return max(self.scores, default=0.0)

    @property
    def mean(self) -> float:
        """The mean score after that share."""
        return float(self.scores[self.share].mean()) if self.scores else math.nan

    @property
    def spread(self) -> float:
        """The standard deviation over folds."""
        return float(self.scores[self.share].std(ddof=1)) if self.scores else math.nan

    @property
    def seconds_per_update(self) -> float:
        """The expected seconds of an update; 0 if nothing is known."""
        return float(np.mean(self.paces)) if self.paces else 0.0

    @property
    def simplicity(self) -> tuple[int, int]:
        """Larger if it changes fewer parameters; if equally many, larger for earlier trials."""
        return -len(self.settings), -self.number

    @property
    def words(self) -> str:
        """The settings in one line."""
        listed = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return listed or "the defaults"


@dataclass(frozen=True)
class Progress:
    """How far a search is.

    Attributes
    ----------
    doing : str
        What the search is doing, in words.
    n_done : int
        The complete evaluations; one evaluation is a candidate after a share of the training.
    n_in_all : int or None
        The number of all evaluations; None if the time decides.
    seconds, budget : float, float or None
        Seconds since the beginning, and seconds in all.
    default, best : float or None
        The mean scores of the defaults and of the best so far, after the same share of the training.
    trial : Trial or None
        The trial that has just become complete.
    """

    doing: str
    n_done: int
    n_in_all: int | None
    seconds: float
    budget: float | None
    default: float | None
    best: float | None
    trial: Trial | None = None


@dataclass(frozen=True)
class Decision:
    """Who wins, and why.

    Attributes
    ----------
    trial : Trial
    share : float
        The share of the training after which it was decided; 0 if there was nothing to compare.
    words : str
    """

    trial: Trial
    share: float
    words: str


def decide(trials: Iterable[Trial]) -> Decision:
    """Let the best candidate win, if it beats the defaults by more than the standard error.

    It is the standard error of the mean difference between the two over the same folds, so that folds
    that are hard for both do not count: sd(d) / √n_folds, where d are the differences of their scores.
    If several are equally good, the one that changes least is the best.

    Parameters
    ----------
    trials : iterable of Trial
        The defaults first.
    """
    default, *others = trials
    for share in sorted(default.scores, reverse=True):
        rivals = [trial for trial in others if share in trial.scores]
        if not rivals:
            continue
        own = default.scores[share]
        best = max(rivals, key=lambda trial: (trial.scores[share].mean(), *trial.simplicity))
        differences = best.scores[share] - own
        gain = float(differences.mean())
        error = float(differences.std(ddof=1) / math.sqrt(len(differences)))
        compared = (
            f"the best of {len(rivals)} other candidate{'s' * (len(rivals) != 1)} scores "
            f"{best.scores[share].mean():.4f}, the defaults {own.mean():.4f}; the standard error of "
            f"the difference is {error:.4f}"
        )
        if share < 1:
            compared += f" (after {share:.0%} of the training: there was no time for all of it)"
        if gain > error:
            return Decision(best, share, f"{best.words}: {compared}.")
        return Decision(default, share, f"The defaults stay: {compared}.")
    return Decision(default, 0.0, "The defaults stay: there was no time to compare them.")


def ranking(trial: Trial) -> tuple[float, ...]:
    """Rank by the share of the training, then by score, then by simplicity."""
    few, early = trial.simplicity
    return -trial.share, -trial.mean if trial.scores else 0.0, -few, -early


def ranked(trials: Iterable[Trial]) -> list[Trial]:
    """Sort them; those without scores come last."""
    return sorted(trials, key=ranking)


def rows(trials: Iterable[Trial], chosen: Trial) -> list[dict[str, Any]]:
    """List candidates by rank, in plain values."""
    return [
        {
            "rank": rank,
            "chosen": trial is chosen,
            "share": trial.share,
            "mean_score": trial.mean,
            "std_score": trial.spread,
            "scores": trial.scores.get(trial.share, np.empty(0)).tolist(),
            "seconds": trial.seconds,
            "settings": dict(trial.settings),
            "problem": trial.problem,
        }
        for rank, trial in enumerate(ranked(trials), start=1)
    ]


def as_text(
    table: list[dict[str, Any]],
    width: int = 80,
    written: Callable[[str], str] = str,
) -> str:
    """Write a table for people: the first rows, the chosen one, and the defaults.

    Parameters
    ----------
    table : list of dict
        From ``rows``.
    width : int
        The largest number of characters in a line.
    written : callable
        Takes the settings of a candidate in Python's form, and returns the words for them.
    """
    lines = ["rank   score   spread  training  seconds  settings"]
    indent = lines[0].index("settings")
    shown = [
        row for row in table if row["rank"] <= MOST_ROWS or row["chosen"] or not row["settings"]
    ]
    for row in shown:
        mark = "*" if row["chosen"] else " "
        settings = ", ".join(f"{name}={value!r}" for name, value in row["settings"].items())
        settings = written(settings) or "the defaults"
        if row["problem"]:
            settings += f" ({row['problem']})"
        if row["scores"]:
            numbers = f"{row['mean_score']:7.4f}  {row['std_score']:7.4f}  {row['share']:8.0%}"
        else:
            numbers = f"{'–':>7}  {'–':>7}  {'–':>8}"
        first = f"{row['rank']:3d}{mark} {numbers}  {row['seconds']:7.1f}  "
        lines += textwrap.wrap(
            settings, max(width, indent + 30), initial_indent=first, subsequent_indent=" " * indent
        )
    if len(shown) < len(table):
        lines.append(f"… and {len(table) - len(shown)} more")
    return "\n".join(lines)
