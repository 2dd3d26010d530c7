"""What an engine is: a few pure functions of parameters and shards.

An engine knows no files, no scikit-learn and no optimizer: it computes gradients, and somebody else
applies them, so that a sum over shards, threads or machines can stand between the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol, TypeAlias

from elman._typing import Array, IntArray
from elman.data import Shard
from elman.parameters import Parameters

State: TypeAlias = list[Array]
"""h of every layer, lowest first, each (H, n)."""


class Evaluation(NamedTuple):
    """What a batch comes to: Σ weight · L over all answers, how many are right, the gradients."""

    loss: float
    n_correct: int
    gradients: Parameters


class Engine(Protocol):
    """The interface that every engine implements.

    Attributes
    ----------
    shard_size : int
        How many sequences the engine wants in a shard.
    """

    shard_size: int

    def loss_and_gradients(
        self, parameters: Parameters, shards: Iterable[Shard], labels: IntArray, weights: Array
    ) -> Evaluation:
        """Compute the loss and its gradients over a batch.

        Parameters
        ----------
        parameters : Parameters
        shards : iterable of Shard
            The batch, in the dtype of the parameters.
        labels : array (n_answers_in_all,)
            The class of each answer, 0 … K - 1, in the flat order that ``Shard.rows`` points into.
        weights : array (n_answers_in_all,)
            What multiplies each answer's loss: 1/B for a mean over B sequences.

        Returns
        -------
        Evaluation
            Summed over the shards in a fixed binary tree.
        """
        ...

    def probabilities(self, parameters: Parameters, shards: Iterable[Shard], y_hat: Array) -> None:
        """Answer.

        Parameters
        ----------
        parameters : Parameters
        shards : iterable of Shard
        y_hat : array (n_answers_in_all, K)
            Filled in: the answers of each shard at its ``rows``.
        """
        ...

    def step(self, parameters: Parameters, x_t: Array, state: State) -> tuple[Array, State]:
        """Take one step of n sequences side by side.

        Parameters
        ----------
        parameters : Parameters
        x_t : array (D, n)
        state : State
            After the steps before; all zeros before the first. It is left as it was.

        Returns
        -------
        y_hat : array (K, n)
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
