"""Epoch after epoch, until it is enough: when training ends, and with which parameters."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from elman.errors import DivergenceError
from elman.parameters import Parameters
from elman.training.progress import Callback, Progress, Row
from elman.training.trainer import Trainer


@dataclass
class Run:
    """What a training has come to so far; right at any moment, after an interrupt too.

    Attributes
    ----------
    history : list of dict
        A row an epoch.
    best : Parameters or None
        After the epoch with the best score (or lowest loss), once there was one.
    safe : Parameters or None
        What to go back to when training diverges; at first what it began with. A score is that of
        the weights after an epoch, but a loss is that of the weights during it, and its last update
        may have spoilt them: without scores this is what the best epoch began with.
    converged : bool
        Whether training stopped because nothing improved any more.
    """

    history: list[Row]
    best: Parameters | None = None
    safe: Parameters | None = None
    best_loss: float = math.inf
    best_score: float = -math.inf
    converged: bool = False


def train(
    trainer: Trainer,
    run: Run,
    n_epochs: int,
    *,
    validate: Callable[[], float] | None = None,
    tol: float = 1e-4,
    n_iter_no_change: int = 10,
    callback: Callback | None = None,
) -> None:
    """Train for a number of epochs, or until nothing improves any more.

    Parameters
    ----------
    trainer : Trainer
    run : Run
        Filled in as training goes.
    n_epochs : int
        At most.
    validate : callable, optional
        Returns the score of the present parameters on sequences kept aside. With it the score is
        watched, without it the loss.
    tol : float
        An improvement by less is none.
    n_iter_no_change : int
        Epochs without improvement before training stops.
    callback : callable, optional
        Given a ``Progress`` after each batch, and after each epoch with its row.

    Raises
    ------
    DivergenceError
        If a loss or gradient is not finite. ``run`` holds all up to the last complete epoch.

    Notes
    -----
    When it ends, the parameters are those of the last epoch, or with ``validate`` the best. If it
    diverges they are ``run.safe``, and after any other exception ``run.best``, once there is one.
    """
    try:
        _go_over_epochs(trainer, run, n_epochs, validate, tol, n_iter_no_change, callback)
    except DivergenceError:
        assert run.safe is not None
        trainer.parameters.vector[...] = run.safe.vector
        raise
    except BaseException:  # Ctrl-C, or what the callback raised
        if run.best is not None:
            trainer.parameters.vector[...] = run.best.vector
        raise
    if validate is not None and run.best is not None:
        trainer.parameters.vector[...] = run.best.vector


def _go_over_epochs(
    trainer: Trainer,
    run: Run,
    n_epochs: int,
    validate: Callable[[], float] | None,
    tol: float,
    n_iter_no_change: int,
    callback: Callback | None,
) -> None:
    run.safe = trainer.parameters.copy()
    if run.history:  # going on: what there is may stay the best
        run.best = run.safe
        run.best_loss = min(row["loss"] for row in run.history)
        if validate is not None:
            run.best_score = validate()
    watched = -math.inf
    n_without_improvement = 0
    first = len(run.history) + 1
    last = first + n_epochs - 1
    for number in range(first, last + 1):
        started = time.perf_counter()
        before = run.safe if number == first else trainer.parameters.copy()
        row = trainer.epoch(number, last, callback)
        loss = row["loss"]
        if validate is None:
            improved, score = loss < run.best_loss, -loss
        else:
            row["validation_score"] = score = validate()
            improved = score > run.best_score
            run.best_score = max(score, run.best_score)
        run.best_loss = min(loss, run.best_loss)
        enough = score > watched + tol
        watched = max(score, watched)
        run.history.append(row)
        if improved:
            run.best = trainer.parameters.copy()
            run.safe = before if validate is None else run.best
        if callback is not None:
            n = len(trainer.examples.sequences)
            seconds = time.perf_counter() - started
            callback(Progress(number, last, n, n, loss, row.get("accuracy"), seconds, row))
        n_without_improvement = 0 if enough else n_without_improvement + 1
        if n_without_improvement >= n_iter_no_change:
            run.converged = True
            return
