"""The loop over epochs: when training ends, and with which parameters."""

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
    """Counts epochs without improvement, once the network has begun to learn.

    Parameters
    ----------
    n_epochs : int
        Training ends after so many epochs without improvement.
    tol : float
        An improvement of at most ``tol`` does not count.

    Attributes
    ----------
    n_without_improvement : int
    has_begun : bool
        Whether the loss has been below that of guessing.
    watched : float
        The best score so far, or minus the lowest loss.
    """

    n_epochs: int
    tol: float
    n_without_improvement: int = 0
    has_begun: bool = False
    watched: float = -math.inf

    def ends(self, score: float, trainer: Trainer) -> bool:
        """Count an epoch by its score (or minus its loss), and return whether training ends."""
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
    """The progress of a training, which is valid at any moment, also after an interrupt.

    Attributes
    ----------
    history : list of dict
        A row for each epoch.
    best : array or None
        All parameters after the epoch with the best score (or lowest loss). None before the first
        epoch is complete.
    safe : array or None
        The parameters to go back to when training diverges; at first, those that training began with.
        A score belongs to the weights after an epoch. But a loss belongs to the weights during the
        epoch, and its last update may have made them worse. So without scores, these are the
        parameters that the best epoch began with.
    best_loss, best_score : float
        The lowest loss and the highest score of an epoch.
    best_epoch : int
        The number of the epoch of ``best``; 0 if ``best`` is what this training began with.
    converged : bool
        Whether training stopped because nothing improved any more.
    data_loss : float
        The mean loss of a sequence, without the penalty, in the epoch whose weights are kept.
    first : int
        The number of this training's first epoch; 0 before it has begun.
    ended : bool
        Whether training has ended.
    before : array or None
        The parameters that the present epoch began with; None between epochs.
    n_updates : int
        The number of updates before the present epoch.
    recovery : Recovery
    patience : Patience or None
        None if training does not end early.
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
"""What has just been completed when a training can be saved, to be resumed later."""


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

    A run that has already begun is resumed (``training.state``).

    If training diverges, it goes on from ``run.best`` with half the learning rate. If it diverges
    again before an epoch is complete, it goes on from ``run.safe``. The epoch's row says so
    (``"recovered"``). All decisions follow from computed numbers, not from the clock, so the same seed
    gives the same bits.

    Parameters
    ----------
    trainer : Trainer
    run : Run
        Changed as training goes on.
    n_epochs : int
        The largest number of epochs.
    validate : callable, optional
        Returns the score of the present parameters on the validation sequences. An epoch improves if
        this score is higher; without ``validate``, if the loss is lower.
    tol : float
        An improvement of at most ``tol`` does not count for ``n_iter_no_change``.
    n_iter_no_change : int, optional
        After so many epochs without improvement, training stops with the best weights. If left out,
        training does not stop early. Counting begins once the loss is below that of guessing by more
        than ``tol``, because before that the network has not begun to learn. The epoch's row says that
        training stopped (``"stopped"``).
    callback : callable, optional
        Called with a ``Progress`` after each batch, and after each epoch with its row.
    keep : callable, optional
        Called whenever training could be resumed from ``trainer`` and ``run``: after each update, each
        epoch, and at the end, each time after the callback.

    Raises
    ------
    DivergenceError
        If training diverges again and again (``recovery``). ``run`` has everything up to the last
        complete epoch.

    Notes
    -----
    At the end, the parameters are those of the last epoch. With ``validate``, or if training stopped
    early, they are the best ones. After a DivergenceError they are ``run.safe``. After any other
    exception they are ``run.best``, if there is one.
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
    except BaseException as error:  # Ctrl-C, or what the callback raised
        trainer.members.restore(trainer.members.vector if run.best is None else run.best)
        if run.best is not None:
            n = len(run.history)
            error.add_note(
                f"the best weights of {n:,} epoch{'s' * (n != 1)} are kept: the model has them"
            )
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
    if run.history:  # training continues: the present parameters may stay the best
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
