"""Epoch after epoch, until it is enough: when training ends, and with which parameters."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from elman._typing import Array
from elman.errors import DivergenceError
from elman.training.progress import Callback, Progress, Row
from elman.training.recovery import Recovery
from elman.training.trainer import Trainer

logger = logging.getLogger("elman")


@dataclass
class Patience:
    """Counts epochs without improvement, from when something is learnt.

    Parameters
    ----------
    n_epochs : int
        How many are enough.
    tol : float
        An improvement by less is none.

    Attributes
    ----------
    n_without_improvement : int
    has_begun : bool
        Whether the loss was below that of guessing already.
    watched : float
        The best so far of what is watched.
    """

    n_epochs: int
    tol: float
    n_without_improvement: int = 0
    has_begun: bool = False
    watched: float = -math.inf

    def ends(self, score: float, trainer: Trainer) -> bool:
        """Take an epoch's score (or minus its loss), and say whether it is enough."""
        enough = score > self.watched + self.tol
        self.watched = max(score, self.watched)
        begins = not self.has_begun and trainer.data_loss < trainer.guessing.loss - self.tol
        self.has_begun |= begins
        counts = self.has_begun and not begins and not enough
        self.n_without_improvement = self.n_without_improvement + 1 if counts else 0
        return self.n_without_improvement >= self.n_epochs

    def in_words(self, run: Run, what: str) -> str:
        """Say why training ends, and with which weights."""
        whose = f"after epoch {run.best_epoch}, the best" if run.best_epoch else "it began with"
        return (
            f"stopped after epoch {len(run.history)}: the {what} got better by less than "
            f"{self.tol:g} for {self.n_epochs} epoch{'s' * (self.n_epochs != 1)}; the weights are "
            f"those {whose}"
        )


@dataclass
class Run:
    """What a training has come to so far; right at any moment, after an interrupt too.

    Attributes
    ----------
    history : list of dict
        A row an epoch.
    best : array or None
        All parameters after the epoch with the best score (or lowest loss), once there was one.
    safe : array or None
        What to go back to when training diverges; at first what it began with. A score is that of
        the weights after an epoch, but a loss is that of the weights during it, and its last update
        may have spoilt them: without scores this is what the best epoch began with.
    best_epoch : int
        Its number; 0 if ``best`` is what this training began with.
    converged : bool
        Whether training stopped because nothing improved any more.
    data_loss : float
        The mean loss of a sequence, without the penalty, in the epoch whose weights are kept.
    first : int
        The number of this training's first epoch; 0 before it has begun.
    ended : bool
        Whether training came to its end.
    before : array or None
        What the epoch under way began with; None between epochs.
    n_updates : int
        That there were when the epoch under way began.
    recovery : Recovery
    patience : Patience or None
        None where training goes to its end in any case.
    """

    history: list[Row]
    best: Array | None = None
    safe: Array | None = None
    best_loss: float = math.inf
    best_score: float = -math.inf
    best_epoch: int = 0
    converged: bool = False
    data_loss: float = math.nan
    first: int = 0
    ended: bool = False
    before: Array | None = None
    n_updates: int = 0
    recovery: Recovery = field(default_factory=Recovery)
    patience: Patience | None = None


Moment: TypeAlias = Literal["update", "epoch", "end"]
"""What is just complete, when a training may be kept to be gone on with."""


def train(
    trainer: Trainer,
    run: Run,
    n_epochs: int,
    *,
    validate: Callable[[], float] | None = None,
    tol: float = 1e-4,
    n_iter_no_change: int | None = None,
    callback: Callback | None = None,
    keep: Callable[[Moment], None] | None = None,
) -> None:
    """Train for a number of epochs, or until nothing improves any more.

    A run that has begun already is gone on with (``training.state``).

    If it diverges, it goes on from ``run.best`` with half the learning rate, and if that diverges too
    before an epoch is complete, from ``run.safe``; the epoch's row says so (``"recovered"``). What
    decides is computed, so that the same seed is the same bits.

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
    n_iter_no_change : int, optional
        Epochs without improvement before training stops, and the best weights come back; left out,
        it goes on to the end. It counts from when the loss is below that of guessing by more than
        ``tol``: a plateau there is where learning has not begun. The row says so (``"stopped"``).
    callback : callable, optional
        Given a ``Progress`` after each batch, and after each epoch with its row.
    keep : callable, optional
        Called whenever ``trainer`` and ``run`` are what a training can be gone on from, after the
        callback: after each update, each epoch, and at the end.

    Raises
    ------
    DivergenceError
        If it diverges again and again (``recovery``). ``run`` holds all up to the last complete
        epoch.

    Notes
    -----
    When it ends, the parameters are those of the last epoch, or, with ``validate`` or if it was
    stopped early, the best. If it diverges for good they are ``run.safe``, and after any other
    exception ``run.best``, once there is one.
    """
    if run.ended:
        return
    try:
        if not run.first:
            _begin(trainer, run, validate, tol, n_iter_no_change)
        _go_over_epochs(trainer, run, n_epochs, validate, callback, keep)
    except DivergenceError:
        assert run.safe is not None
        trainer.members.restore(run.safe)
        raise
    except BaseException:  # Ctrl-C, or what the callback raised
        trainer.members.restore(trainer.members.vector if run.best is None else run.best)
        raise
    if (validate is not None or run.converged) and run.best is not None:
        trainer.members.restore(run.best)
    else:
        run.data_loss = trainer.data_loss
    run.ended = True
    if keep is not None:
        keep("end")


def _begin(
    trainer: Trainer,
    run: Run,
    validate: Callable[[], float] | None,
    tol: float,
    n_iter_no_change: int | None,
) -> None:
    run.safe = trainer.members.vector.copy()
    if run.history:  # going on from older epochs: what there is may stay the best
        run.best = run.safe
        run.best_loss = min(row["loss"] for row in run.history)
        if validate is not None:
            run.best_score = validate()
    run.patience = None if n_iter_no_change is None else Patience(n_iter_no_change, tol)
    run.first = len(run.history) + 1


def _go_over_epochs(
    trainer: Trainer,
    run: Run,
    n_epochs: int,
    validate: Callable[[], float] | None,
    callback: Callback | None,
    keep: Callable[[Moment], None] | None,
) -> None:
    def after_update(progress: Progress) -> None:
        if callback is not None:
            callback(progress)
        if keep is not None:
            keep("update")

    last = run.first + n_epochs - 1
    while (number := len(run.history) + 1) <= last and not run.converged:
        started = time.perf_counter()
        if run.before is None:
            run.before = run.safe if number == run.first else trainer.members.vector.copy()
            run.n_updates = trainer.n_updates
        try:
            row = trainer.epoch(number, last, callback if keep is None else after_update)
        except DivergenceError as error:
            may_be_best = run.best is not None and not run.recovery.n_without_an_epoch
            good = run.best if may_be_best else run.safe
            assert good is not None
            trainer.members.restore(good)
            run.before = None
            run.recovery.go_on(trainer, run.n_updates, error)
            continue
        loss = row["loss"]
        if validate is None:
            improved, score = loss < run.best_loss, -loss
        else:
            row["validation_score"] = score = validate()
            improved = score > run.best_score
            run.best_score = max(score, run.best_score)
        run.best_loss = min(loss, run.best_loss)
        if notes := run.recovery.notes():
            row["recovered"] = notes
        run.history.append(row)
        if improved:
            run.best_epoch, run.data_loss = number, trainer.data_loss
            run.best = trainer.members.vector.copy()
            run.safe = run.before if validate is None else run.best
        run.before = None
        if run.patience is not None and run.patience.ends(score, trainer):
            run.converged = True
            row["stopped"] = run.patience.in_words(
                run, "loss" if validate is None else "validation score"
            )
            logger.info(row["stopped"])
        if callback is not None:
            n = len(trainer.examples.sequences)
            seconds = time.perf_counter() - started
            accuracy = row.get("accuracy")
            callback(trainer.progress(number, last, n, loss, accuracy, seconds, row))
        if keep is not None:
            keep("epoch")
