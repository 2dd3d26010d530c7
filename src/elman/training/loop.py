"""The loop: batch → loss and gradients → clipped → applied, epoch by epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from elman._typing import IntArray
from elman.data import Examples
from elman.engines import Engine
from elman.errors import DivergenceError
from elman.parameters import Parameters
from elman.training.optimizers import Optimizer, clip_norm
from elman.training.schedules import Schedule

Row: TypeAlias = dict[str, float]
"""What is known of an epoch: plain numbers, so that a history is JSON as it stands."""


@dataclass(frozen=True)
class Progress:
    """How far training is, after each batch.

    Attributes
    ----------
    epoch, n_epochs : int
        The epoch now running, counted from 1, and how many there are to be at most.
    n_done, n_sequences : int
        Of this epoch.
    loss, accuracy : float
        Means over this epoch so far: the share of right answers is each by its weight.
    seconds : float
        Since this epoch began.
    row : dict or None
        The epoch's line of the history, once it is complete.
    """

    epoch: int
    n_epochs: int
    n_done: int
    n_sequences: int
    loss: float
    accuracy: float
    seconds: float
    row: Row | None = None

    def __str__(self) -> str:
        line = f"epoch {self.epoch}/{self.n_epochs}  loss {self.loss:.4f}  accuracy {self.accuracy:.2%}"
        if self.row is not None and "validation_score" in self.row:
            line += f"  validation {self.row['validation_score']:.2%}"
        return f"{line}  {self.n_done / self.seconds:,.0f} sequences/s"


Callback: TypeAlias = Callable[[Progress], None]


class Trainer:
    """Goes over examples, batch by batch, and changes parameters in place.

    The objective of a batch is

        ( Σ weight · loss  +  ½ alpha Σ U², W², V² ) / number of sequences

    Parameters
    ----------
    engine : Engine
    parameters : Parameters
        Changed in place.
    examples : Examples
    optimizer : Optimizer
    schedule : Schedule
    batch_size : int
        Sequences in a batch. A larger number than there are means all of them.
    rng : numpy.random.Generator
        Shuffles.
    shuffle : bool
        Whether to take the sequences in a new random order each epoch.
    alpha : float
        Strength of the penalty on U, W and V.
    max_norm : float or None
        Gradients are clipped to this norm.
    """

    def __init__(
        self,
        engine: Engine,
        parameters: Parameters,
        examples: Examples,
        *,
        optimizer: Optimizer,
        schedule: Schedule,
        batch_size: int,
        rng: np.random.Generator,
        shuffle: bool = True,
        alpha: float = 0.0,
        max_norm: float | None = None,
    ) -> None:
        self.engine = engine
        self.parameters = parameters
        self.examples = examples
        self.optimizer = optimizer
        self.schedule = schedule
        self.batch_size = batch_size
        self.rng = rng
        self.shuffle = shuffle
        self.alpha = alpha
        self.max_norm = max_norm
        self.n_updates = 0
        self.first_loss = math.nan  # of a label in the first batch, before anything was learnt

    @property
    def n_batches(self) -> int:
        """The number of updates of an epoch."""
        return -(-len(self.examples.sequences) // self.batch_size)

    def epoch(self, number: int, n_epochs: int, callback: Callback | None = None) -> Row:
        """Go over all sequences once.

        Parameters
        ----------
        number, n_epochs : int
            For the callback and messages; epochs count from 1.
        callback : callable, optional
            Given a ``Progress`` after each batch.

        Returns
        -------
        dict
            The epoch's line of the history.

        Raises
        ------
        DivergenceError
            If a loss, a gradient or a parameter is not finite, or the mean loss of a label is over
            100 times that in the first batch (a tanh network saturates rather than overflows). The
            parameters are those the epoch began with.
        """
        at_first = self.parameters.vector.copy()
        try:
            return self._epoch(number, n_epochs, callback)
        except DivergenceError:
            self.parameters.vector[...] = at_first
            raise

    def _epoch(self, number: int, n_epochs: int, callback: Callback | None) -> Row:
        started = time.perf_counter()
        n = len(self.examples.sequences)
        order = self.rng.permutation(n) if self.shuffle else np.arange(n)
        loss = norm = 0.0
        correct = weight = 0.0
        n_done = 0
        for start in range(0, n, self.batch_size):
            batch = order[start : start + self.batch_size]
            learning_rate = self.schedule(self.n_updates)
            batch_loss, batch_norm, batch_correct = self._update(batch, learning_rate, number)
            batch_weight = float(self.examples.weight_of_sequences[batch].sum())
            if self.n_updates == 1:
                self.first_loss = batch_loss * len(batch) / batch_weight
            n_done += len(batch)
            correct += batch_correct
            weight += batch_weight
            loss += batch_loss * len(batch)
            norm += batch_norm * len(batch)
            if callback is not None:
                seconds = time.perf_counter() - started
                accuracy = min(correct / weight, 1.0)  # the sums may round apart
                callback(Progress(number, n_epochs, n_done, n, loss / n_done, accuracy, seconds))
        # By label, not by sequence: these may differ in length and weight by any factor.
        if loss / weight > 100 * max(self.first_loss, 1.0):
            how = f"the loss of a label rose from {self.first_loss:g} to {loss / weight:g}"
            raise self._diverged(number, how)
        if not np.isfinite(self.parameters.vector).all():
            raise self._diverged(number, "the last update made weights that are not finite")
        return {
            "epoch": number,
            "loss": loss / n,
            "accuracy": min(correct / weight, 1.0),
            "learning_rate": learning_rate,
            "gradient_norm": norm / n,
        }

    def _update(
        self, batch: IntArray, learning_rate: float, epoch: int
    ) -> tuple[float, float, float]:
        """Take one step; return the batch's loss, its gradient's norm, the weight of right answers."""
        examples, parameters = self.examples, self.parameters
        # What overflows shows in the loss or the norm, and is reported below in words.
        with np.errstate(over="ignore", invalid="ignore"):
            evaluation = self.engine.loss_and_gradients(
                parameters,
                examples.batch(batch),
                examples.targets,
            )
            gradients = evaluation.gradients
            loss = evaluation.loss
            if self.alpha:
                for name in gradients:
                    if name[0] in "UWV":
                        gradients[name][...] += self.alpha * parameters[name]
                        loss += 0.5 * self.alpha * float(np.square(parameters[name]).sum())
            scale = 1 / len(batch)
            gradients.vector *= scale
            norm = clip_norm(gradients.vector, self.max_norm)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise self._diverged(
                epoch, f"the loss is {loss * scale:g} and the norm of the gradient {norm:g}"
            )
        with np.errstate(over="ignore", invalid="ignore"):  # then the next loss is not finite
            self.optimizer.apply(parameters.vector, gradients.vector, learning_rate)
        self.n_updates += 1
        return loss * scale, norm, evaluation.correct

    def _diverged(self, epoch: int, how: str) -> DivergenceError:
        return DivergenceError(
            f"training diverged in epoch {epoch}, update {self.n_updates + 1}: {how}, at a learning "
            f"rate of {self.schedule(max(self.n_updates - 1, 0)):g}. Lower the learning rate "
            "(learning_rate_init), or clip the gradient to a smaller norm (clip_norm). The last good "
            "weights are kept."
        )


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
        What to go back to when training diverges. A score is that of the weights after an epoch, but
        a loss is that of the weights during it, and its last update may have spoilt them: without
        scores this is what the best epoch began with.
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
    """
    if run.history:  # going on: what there is may stay the best
        run.best = run.safe = trainer.parameters.copy()
        run.best_loss = min(row["loss"] for row in run.history)
        if validate is not None:
            run.best_score = validate()
    watched = -math.inf
    n_without_improvement = 0
    first = len(run.history) + 1
    last = first + n_epochs - 1
    for number in range(first, last + 1):
        started = time.perf_counter()
        before = trainer.parameters.copy()
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
            callback(Progress(number, last, n, n, loss, row["accuracy"], seconds, row))
        n_without_improvement = 0 if enough else n_without_improvement + 1
        if n_without_improvement >= n_iter_no_change:
            run.converged = True
            return
