"""An epoch: batch → loss and gradients → clipped → applied."""

from __future__ import annotations

import math
import time

import numpy as np

from elman._typing import IntArray
from elman.data import Examples
from elman.engines import Engine
from elman.equations.dropout import Dropout
from elman.errors import DivergenceError
from elman.parameters import Parameters
from elman.training.optimizers import Optimizer, clip_norm
from elman.training.progress import Callback, Progress, Row
from elman.training.schedules import Schedule


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
    dropout : Dropout, optional
        What is dropped in the first update; those after it count on.
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
        dropout: Dropout | None = None,
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
        self.dropout = dropout
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
            parameters are what they have come to.
        """
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
                accuracy = self._accuracy(correct, weight)
                callback(Progress(number, n_epochs, n_done, n, loss / n_done, accuracy, seconds))
        # By label, not by sequence: these may differ in length and weight by any factor.
        if loss / weight > 100 * max(self.first_loss, 1.0):
            how = f"the loss of a label rose from {self.first_loss:g} to {loss / weight:g}"
            raise self._diverged(number, how)
        if not np.isfinite(self.parameters.vector).all():
            raise self._diverged(number, "the last update made weights that are not finite")
        accuracy = self._accuracy(correct, weight)
        return {
            "epoch": number,
            "loss": loss / n,
            **({} if accuracy is None else {"accuracy": accuracy}),
            "learning_rate": learning_rate,
            "gradient_norm": norm / n,
        }

    def _accuracy(self, correct: float, weight: float) -> float | None:
        if not self.parameters.architecture.loss_function.takes_classes:
            return None
        return min(correct / weight, 1.0)  # the sums may round apart

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
                dropout=self.dropout and self.dropout._replace(update=self.n_updates),
            )
            gradients = evaluation.gradients
            loss = evaluation.loss
            if self.alpha:
                for name, spec in parameters.architecture.specs.items():
                    if spec.penalised:
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
