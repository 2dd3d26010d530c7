"""An epoch of training: for each batch, compute the gradient, clip it, and apply it."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from elman._typing import Array
from elman.data import Examples
from elman.engines import Carry, Engine, Evaluation, Member, n_states
from elman.equations.dropout import Dropout
from elman.errors import DivergenceError
from elman.merging import Members
from elman.parameters import Parameters
from elman.training.guessing import Guessing, guessing
from elman.training.optimizers import Optimizer, clip_norm
from elman.training.progress import Callback, Progress, Row
from elman.training.schedules import Schedule
from elman.training.windows import Window, n_windows, windows

_WINDOW = 4  # the least number of updates that are checked for divergence


@dataclass(slots=True)
class UnderWay:
    """An incomplete epoch, from which it can be resumed: sums over the batches that are complete.

    Attributes
    ----------
    rng : dict
        The state of the generator when the epoch began. The order of the sequences is drawn from it.
    n_done : int
        The number of sequences in the batches that are complete.
    n_windows : int
        The number of windows that are complete in the batch after these.
    part : float
        The number of sequences in these windows, by their share of the batch's steps.
    loss, norm : float
        Sums of the objective and of the gradient's norm, each times the sequences of its batch.
    data_loss, weight, correct : float
        Sums of the loss without the penalty, of the weights, and of the weights of right answers.
    learning_rate : float
        The learning rate of the last update.
    seconds : float
        The time since the epoch began, without interruptions.
    """

    rng: dict[str, Any]
    n_done: int = 0
    n_windows: int = 0
    part: float = 0.0
    loss: float = 0.0
    norm: float = 0.0
    data_loss: float = 0.0
    weight: float = 0.0
    correct: float = 0.0
    learning_rate: float = 0.0
    seconds: float = 0.0


class Update(NamedTuple):
    """The results of an update. All but the last are means over the networks.

    Attributes
    ----------
    objective : float
        The mean over the sequences of the batch.
    data_loss : float
        The sum over the batch, without the penalty.
    norm : float
        The norm of the gradient, before clipping.
    correct : float
        The sum of the weights of right answers.
    worst : float
        The highest ``data_loss`` of any network.
    """

    objective: float
    data_loss: float
    norm: float
    correct: float
    worst: float


class Trainer:
    """Goes over the examples batch by batch, and changes the parameters in place.

    The objective of a batch is

        ( Σ weight · loss  +  ½ alpha Σ U², W², V² ) / number of sequences

    Parameters
    ----------
    engine : Engine
    members : Members
        The networks, each of which learns by its own gradient. They are changed in place. One optimizer
        serves all of them, because it treats each parameter by itself.
    examples : Examples
    optimizer : Optimizer
    schedule : Schedule
    batch_size : int
        The number of sequences in a batch. If there are fewer, all are one batch.
    rng : numpy.random.Generator
        The generator that shuffles.
    shuffle : bool
        Whether to take the sequences in a new random order in each epoch.
    alpha : float
        The strength of the penalty on U, W and V.
    max_norm : float or None
        Each network's gradient is clipped to this norm.
    dropout : Dropout, optional
        The dropout of the first network. Each update has its own number, and each network its own seed,
        counted up from this one.
    recurrent_rate : float
        A factor for the learning rate of the recurrent weights W.
    tbptt_steps : int, optional
        The number of steps of a batch's sequences that an update learns from. An update starts from the
        states in which the one before ended (``windows``). If left out, it learns from all steps. The
        penalty of an update is that of a batch times the share of its steps, so over an epoch the
        penalty counts as much.

    Attributes
    ----------
    n_updates : int
        The number of updates so far, by which the schedule goes. After a divergence it goes back.
    budget : int or None
        The number of updates that are planned, for callbacks. None if training is limited by epochs.
    rate_factor : float
        A factor for the schedule's learning rate, which is halved each time training diverges.
    data_loss : float
        The mean loss of a sequence in the last complete epoch, without the penalty.
    first_loss : float
        The mean loss of a label in the first batch, before the first update; of several networks, the
        highest.
    high : deque of bool
        For each of the last updates, as many as an epoch has: whether the loss of a label was far too
        high.
    under_way : UnderWay or None
        The incomplete epoch, after each of its batches. If you set it, the next call of ``epoch``
        resumes there.
    states : list of Carry or None
        The states of each network between two windows of a batch, with a row for each sequence.
    """

    def __init__(
        self,
        engine: Engine,
        members: Members,
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
        recurrent_rate: float = 1.0,
        tbptt_steps: int | None = None,
    ) -> None:
        self.engine = engine
        self.members = members
        self.examples = examples
        self.optimizer = optimizer
        self.schedule = schedule
        self.batch_size = batch_size
        self.rng = rng
        self.shuffle = shuffle
        self.alpha = alpha
        self.max_norm = max_norm
        self.dropout = dropout
        self.recurrent_rate = recurrent_rate
        self.tbptt_steps = tbptt_steps
        self.n_updates = 0
        self.budget: int | None = None
        self.rate_factor = 1.0
        self.data_loss = math.nan
        self.first_loss = math.nan
        self.high: deque[bool] = deque(maxlen=max(_WINDOW, self.n_batches))
        self.under_way: UnderWay | None = None
        self.states: list[Carry] | None = None

    @property
    def parameters(self) -> Parameters:
        """The parameters of the one network that the members make."""
        return self.members.network

    @cached_property
    def n_batches(self) -> int:
        """The number of updates of an epoch."""
        return n_windows(self.examples, self.batch_size, self.tbptt_steps)

    def states_of(self, n_sequences: int) -> list[Carry] | None:
        """Make arrays for the states between two windows of a batch; None if batches are not cut."""
        if self.tbptt_steps is None:
            return None
        architecture, dtype = self.members.architecture, self.members.vector.dtype
        shape = n_sequences, n_states(architecture)
        return [Carry(architecture, np.zeros(shape, dtype)) for _ in self.members.each]

    @cached_property
    def guessing(self) -> Guessing:
        """The losses of these examples without learning."""
        architecture = self.parameters.architecture
        return guessing(self.examples, architecture.loss_function, architecture.n_outputs)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next update."""
        return self.schedule(self.n_updates) * self.rate_factor

    @cached_property
    def _rate_of_each(self) -> Array | None:
        """The factor for the learning rate of each parameter, (n_parameters,); None if all are 1."""
        if self.recurrent_rate == 1:
            return None
        factors = Members(self.members.architecture, np.ones_like(self.members.vector))
        for name, spec in factors.architecture.specs.items():
            if spec.role == "recurrent":
                for member in factors.each:
                    member[name][...] = self.recurrent_rate
        return factors.vector

    def back_off(self, n_updates: int) -> None:
        """Prepare to go on after a divergence, at half the learning rate.

        The schedule goes back to ``n_updates``, and the optimizer's state to zero. The caller restores
        the weights.
        """
        self.n_updates = n_updates
        self.rate_factor /= 2
        self.optimizer.reset()
        self.high.clear()

    def epoch(self, number: int, n_epochs: int, callback: Callback | None = None) -> Row:
        """Go over all sequences once, or over those that are left of an incomplete epoch.

        Parameters
        ----------
        number, n_epochs : int
            The number of the epoch, counted from 1, and the largest number; for the callback and for
            messages.
        callback : callable, optional
            Called with a ``Progress`` after each batch.

        Returns
        -------
        dict
            The epoch's row of the history.

        Raises
        ------
        DivergenceError
            If a loss, a gradient or a parameter is not finite. Also if the loss of a label was too high
            in more than half of the epoch's updates (or of the last four, if an epoch has fewer). Too
            high means over 100 times the loss of guessing and that of the first batch: a tanh network
            saturates, so its loss does not overflow. One such batch is not an error: its clipped
            gradient does little harm. The parameters stay as the last update left them.
        """
        if self.under_way is None:
            self.under_way = UnderWay(dict(self.rng.bit_generator.state))
        try:
            return self._go_over(self.under_way, number, n_epochs, callback)
        finally:
            self.under_way = None
            self.members.merge()

    def _go_over(
        self, epoch: UnderWay, number: int, n_epochs: int, callback: Callback | None
    ) -> Row:
        started = time.perf_counter() - epoch.seconds
        n = len(self.examples.sequences)
        self.rng.bit_generator.state = epoch.rng
        order = self.examples.order(self.rng) if self.shuffle else np.arange(n)
        divide = partial(self.engine.division, self.members.each[0])
        for start in range(epoch.n_done, n, self.batch_size):
            batch = order[start : start + self.batch_size]
            if not epoch.n_windows:  # otherwise it continues with the states of the window before
                self.states = self.states_of(len(batch))
            cut = windows(self.examples, batch, self.tbptt_steps, self.states, divide)
            for window in islice(cut, epoch.n_windows, None):
                self._learn_from(window, epoch, number)
                if callback is not None and window.weight:
                    self.members.merge()  # the callback may look at the network
                    seconds = epoch.seconds = time.perf_counter() - started
                    accuracy = self._accuracy(epoch)
                    loss = epoch.loss / (epoch.n_done + epoch.part)
                    callback(self.progress(number, n_epochs, epoch.n_done, loss, accuracy, seconds))
        if 2 * sum(self.high) > len(self.high):
            now = epoch.data_loss / epoch.weight
            how = f"the loss of a label rose from {self.first_loss:g} to {now:g}"
            raise self._diverged(number, how)
        if not np.isfinite(self.members.vector).all():
            raise self._diverged(number, "the last update made weights that are not finite")
        self.data_loss = epoch.data_loss / n
        accuracy = self._accuracy(epoch)
        return {
            "epoch": number,
            "loss": epoch.loss / n,
            **({} if accuracy is None else {"accuracy": accuracy}),
            "learning_rate": epoch.learning_rate,
            "gradient_norm": epoch.norm / n,
        }

    def _learn_from(self, window: Window, epoch: UnderWay, number: int) -> None:
        """Make an update, if the window has targets, and add its results to the epoch's sums."""
        n_here = window.share * window.n_sequences
        if window.is_last:
            epoch.n_done, epoch.n_windows, epoch.part = epoch.n_done + window.n_sequences, 0, 0.0
        else:
            epoch.n_windows, epoch.part = epoch.n_windows + 1, epoch.part + n_here
        if not window.weight:
            self._evaluate(window)  # the states go on to the next window
            return
        epoch.learning_rate = self.learning_rate
        done = self._update(window, epoch.learning_rate, number)
        # By label, not by sequence: these may differ in length and weight by any factor.
        of_label = done.worst / window.weight
        if self.n_updates == 1:
            self.first_loss = of_label
        self.high.append(of_label > 100 * max(self.first_loss, self.guessing.a_target, 1.0))
        epoch.data_loss += done.data_loss
        epoch.correct += done.correct
        epoch.weight += window.weight
        epoch.loss += done.objective * window.n_sequences
        epoch.norm += done.norm * n_here

    def progress(
        self,
        number: int,
        n_epochs: int,
        n_done: int,
        loss: float,
        accuracy: float | None,
        seconds: float,
        row: Row | None = None,
    ) -> Progress:
        """Make a ``Progress`` of these numbers and the trainer's own."""
        n = len(self.examples.sequences)
        return Progress(
            number, n_epochs, n_done, n, loss, accuracy, seconds, row, self.n_updates, self.budget
        )

    def _accuracy(self, epoch: UnderWay) -> float | None:
        if not self.parameters.architecture.loss_function.takes_classes:
            return None
        return min(epoch.correct / epoch.weight, 1.0)  # the sums are rounded differently

    def _evaluate(self, window: Window) -> list[Evaluation]:
        """Compute a window's losses and gradients, and the states that the next window starts from."""
        members = []
        for m, parameters in enumerate(self.members.each):
            carry, after = (
                None if states is None else states[m] for states in (window.carry, window.after)
            )
            dropout = self.dropout and self.dropout._replace(
                seed=(self.dropout.seed + m) % 2**63, update=self.n_updates
            )
            members.append(Member(parameters, carry, dropout, after))
        return self.engine.of_each(members, window.batch, window.targets)

    def _update(self, window: Window, learning_rate: float, epoch: int) -> Update:
        """Compute the gradients of a window and apply them."""
        scale = 1 / window.n_sequences
        # An overflow shows in a loss or a norm, and is reported below.
        with np.errstate(over="ignore", invalid="ignore"):
            evaluations = self._evaluate(window)
            pairs = zip(self.members.each, evaluations, strict=True)
            finished = [self._finished(*pair, window) for pair in pairs]
        losses, norms = zip(*finished, strict=True)
        for loss, norm in zip(losses, norms, strict=True):
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise self._diverged(
                    epoch, f"the loss is {loss * scale:g} and the norm of the gradient {norm:g}"
                )
        gradients = [evaluation.gradients.vector for evaluation in evaluations]
        gradient = gradients[0] if len(gradients) == 1 else np.concatenate(gradients)
        with np.errstate(over="ignore", invalid="ignore"):  # then the next loss is not finite
            rate = (
                learning_rate if self._rate_of_each is None else learning_rate * self._rate_of_each
            )
            self.optimizer.apply(self.members.vector, gradient, rate)
        self.n_updates += 1
        data_losses = [evaluation.loss for evaluation in evaluations]
        return Update(
            _mean(losses) * scale,
            _mean(data_losses),
            _mean(norms),
            _mean([evaluation.correct for evaluation in evaluations]),
            max(data_losses),
        )

    def _finished(
        self, parameters: Parameters, evaluation: Evaluation, window: Window
    ) -> tuple[float, float]:
        """Turn a network's gradient into that of the objective, and clip it.

        Returns
        -------
        loss : float
            The sum over the batch, with the penalty.
        norm : float
            The norm of the gradient, before clipping.
        """
        gradients, loss, alpha = evaluation.gradients, evaluation.loss, self.alpha * window.share
        if alpha:
            for name, spec in parameters.architecture.specs.items():
                if spec.penalised:
                    gradients[name][...] += alpha * parameters[name]
                    loss += 0.5 * alpha * float(np.square(parameters[name]).sum())
        gradients.vector *= 1 / window.n_sequences
        return loss, clip_norm(gradients.vector, self.max_norm)

    def _diverged(self, epoch: int, how: str) -> DivergenceError:
        """Say what happened. ``recovery`` does, or says, what to do about it."""
        rate = self.schedule(max(self.n_updates - 1, 0)) * self.rate_factor
        return DivergenceError(
            f"training diverged in epoch {epoch}, update {self.n_updates + 1}: {how}, at a learning "
            f"rate of {rate:g}."
        )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
