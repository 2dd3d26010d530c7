"""What an engine is: a few pure functions of parameters and shards.

An engine knows no files, no scikit-learn and no optimizer: it computes gradients, and somebody else
applies them, so that a sum over shards, threads or machines can stand between the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from elman._typing import Array, IntArray
from elman.data import Batch
from elman.parameters import Architecture, Parameters


class Evaluation(NamedTuple):
    """What a batch comes to: Σ weight · L over all answers, how many are right, the gradients."""

    loss: float
    n_correct: int
    gradients: Parameters


class State(Protocol):
    """Sequences side by side between two steps: h of every layer, and the weights they began with."""

    @property
    def architecture(self) -> Architecture:
        """The shape of the network."""
        ...

    @property
    def n_sequences(self) -> int:
        """How many sequences go side by side."""
        ...


class Engine(Protocol):
    """The interface that every engine implements."""

    def loss_and_gradients(
        self, parameters: Parameters, batch: Batch, labels: IntArray, weights: Array
    ) -> Evaluation:
        """Compute the loss and its gradients over a batch.

        Parameters
        ----------
        parameters : Parameters
        batch : Batch
            In the dtype of the parameters.
        labels : array (n_answers_in_all,)
            The class of each answer, 0 … K - 1, in flat order: by the number of the sequence, or of
            the step in ``Sequences.values``.
        weights : array (n_answers_in_all,)
            What multiplies each answer's loss: 1/B for a mean over B sequences.

        Returns
        -------
        Evaluation
            Summed over parts of the batch in a fixed binary tree.
        """
        ...

    def probabilities(self, parameters: Parameters, batch: Batch, y_hat: Array) -> None:
        """Answer.

        Parameters
        ----------
        parameters : Parameters
        batch : Batch
        y_hat : array (n_answers_in_all, K)
            Filled in, in the flat order of labels.
        """
        ...

    def initial_state(self, parameters: Parameters, n_sequences: int) -> State:
        """Begin to go through sequences step by step, with h = 0.

        The state has its own copy of the parameters.
        """
        ...

    def step(self, x_t: Array, state: Any) -> tuple[Array, State]:
        """Take one step of n sequences side by side.

        Parameters
        ----------
        x_t : array (n, D)
        state : State
            Of this engine's; it is left as it was.

        Returns
        -------
        y_hat : array (n, K)
        state : State
            After this step.
        """
        ...


def tree_sum(parts: Iterable[Evaluation]) -> Evaluation:
    """Add evaluations pairwise, neighbours first: an order that depends on their number alone.

    Sums of 1, 2, 4, … parts wait for their neighbour, so that few are held at a time.
    """
    waiting: list[tuple[int, Evaluation]] = []  # (height in the tree, sum), highest first
    for part in parts:
        height, total = 0, part
        while waiting and waiting[-1][0] == height:
            total = _add(waiting.pop()[1], total)
            height += 1
        waiting.append((height, total))
    _, total = waiting.pop()
    while waiting:
        total = _add(waiting.pop()[1], total)
    return total


def _add(a: Evaluation, b: Evaluation) -> Evaluation:
    total = Parameters(a.gradients.architecture, a.gradients.vector + b.gradients.vector)
    return Evaluation(a.loss + b.loss, a.n_correct + b.n_correct, total)
