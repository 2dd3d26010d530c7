"""What an engine is: a few functions of parameters and batches, which leave them as they are.

An engine knows no files, no scikit-learn and no optimizer: it computes gradients, and somebody else
applies them, so that a sum over shards, threads or machines can stand between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from elman._typing import Array, IntArray
from elman.data import Batch, Division, Targets
from elman.engines.carry import Carry
from elman.engines.streaming import State
from elman.equations.dropout import Dropout
from elman.parameters import Parameters


class Evaluation(NamedTuple):
    """What a batch comes to, of all processes.

    Attributes
    ----------
    loss : float
        Σ weight · L over all answers.
    correct : float
        Σ weight over the right answers; 0 where targets are numbers.
    gradients : Parameters
        Of the loss.
    """

    loss: float
    correct: float
    gradients: Parameters


class Member(NamedTuple):
    """A network that learns from a batch beside others: what ``loss_and_gradients`` takes of it."""

    parameters: Parameters
    carry: Carry | None = None
    dropout: Dropout | None = None
    after: Carry | None = None


class Engine(Protocol):
    """The interface that every engine implements."""

    def loss_and_gradients(
        self,
        parameters: Parameters,
        batch: Batch,
        targets: Targets,
        carry: Carry | None = None,
        dropout: Dropout | None = None,
        after: Carry | None = None,
    ) -> Evaluation:
        """Compute the loss and its gradients over a batch.

        Parameters
        ----------
        parameters : Parameters
        batch : Batch
            In the dtype of the parameters.
        targets : Targets
            Of each answer, those of other sequences too, in flat order: by the number of the
            sequence, or of the step in ``Sequences.values``. Values are what the architecture's loss
            takes: classes 0 … K - 1, (n,), or numbers, (n, n_numbers). The weight is what multiplies
            the answer's loss: 1/B for a mean over B sequences.
        carry : Carry, optional
            The states before the first steps, in the rows ``batch.carried``; if left out the
            network's own, zeros or learned.
        dropout : Dropout, optional
            What is dropped; if left out, nothing is. A sequence's masks go by its number in
            ``batch.sequences``.
        after : Carry, optional
            Filled in: the rows of the batch's sequences with the states after their last steps, in
            the dtype of the parameters; where several processes compute the batch, those of them
            all. It may be ``carry``. Not of networks in both directions.

        Returns
        -------
        Evaluation
            Summed over parts of the batch, of all processes, in a fixed binary tree.
        """
        ...

    def division(self, parameters: Parameters, lengths: IntArray) -> Division:
        """Say which sequences of a batch this process is to compute, and which others.

        Parameters
        ----------
        parameters : Parameters
        lengths : array (n,)
            Of all sequences of the batch, longest first.
        """
        ...

    def of_each(
        self, members: Sequence[Member], batch: Batch, targets: Targets
    ) -> list[Evaluation]:
        """Compute the loss and its gradients over a batch for several networks of one architecture.

        Parameters
        ----------
        members : list of Member
        batch, targets
            As in ``loss_and_gradients``.

        Returns
        -------
        list of Evaluation
            What ``loss_and_gradients`` gives for each, to the bit.
        """
        ...

    def probabilities(
        self, parameters: Parameters, batch: Batch, y_hat: Array, carry: Carry | None = None
    ) -> None:
        """Answer.

        Parameters
        ----------
        parameters : Parameters
        batch : Batch
        y_hat : array (n_answers_in_all, K)
            Filled in, in the flat order of targets.
        carry : Carry, optional
            As in ``loss_and_gradients``.
        """
        ...

    def initial_state(
        self,
        parameters: Parameters,
        n_sequences: int | None,
        mean: Array,
        scale: Array,
        names: tuple[str, ...] | None = None,
        carry: Carry | None = None,
    ) -> State:
        """Begin to go through sequences step by step.

        Parameters
        ----------
        parameters : Parameters
            The state has a copy of its own.
        n_sequences : int or None
            How many go side by side. None: one, and steps and answers have no axis for it.
        mean, scale : arrays (D,)
            The network takes (x_t - mean) / scale.
        names : tuple of D str, optional
            The features; steps that have names (a Series, a data frame) must have these.
        carry : Carry, optional
            The states that they begin with, a row a sequence; as in ``loss_and_gradients``.
        """
        ...

    def release(self) -> None:
        """Give back the memory that is kept from one call to the next, so that these need not wait.

        Whoever calls again and again does so at the end. At most some arrays of 64 kB stay.
        """
        ...
