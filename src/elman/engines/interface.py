"""What an engine is: a few functions of parameters and batches, which leave them as they are.

An engine knows no files, no scikit-learn and no optimizer: it computes gradients, and somebody else
applies them, so that a sum over shards, threads or machines can stand between the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from elman._typing import Array, IntArray
from elman.data import Batch
from elman.data.sequences import refuse_mask
from elman.errors import DataError
from elman.parameters import Architecture, Parameters


class Evaluation(NamedTuple):
    """What a batch comes to: Σ weight · L over all answers, how many are right, the gradients."""

    loss: float
    n_correct: int
    gradients: Parameters


class State(Protocol):
    """Sequences between two steps: h of every layer, and the parameters they began with."""

    def step(self, x_t: npt.ArrayLike) -> tuple[Array, State]:
        """Take one step; the state is left as it was.

        Parameters
        ----------
        x_t : array (n, D), or (D,) if there is one sequence without an axis

        Returns
        -------
        y_hat : array (n, K), or (K,)
        state : State
            After this step.

        Raises
        ------
        DataError
            If x_t is not that, or not finite.
        """
        ...


def check_step(x_t: npt.ArrayLike, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Check what ``State.step`` is given, but for NaN and infinity."""
    if type(x_t) is not np.ndarray or x_t.dtype is not dtype or not x_t.flags.carray:
        refuse_mask(x_t, "x_t")
        given = np.asarray(x_t)
        if given.dtype.kind not in "biufO":
            raise DataError(f"x_t has dtype {given.dtype}; expected real numbers.")
        try:
            with np.errstate(over="ignore"):  # an infinity shows
                x_t = np.array(given, dtype, order="C")
        except (TypeError, ValueError):
            raise DataError("x_t holds objects that are not numbers; expected numbers.") from None
    if x_t.shape != shape:
        raise DataError(
            f"x_t has shape {x_t.shape}; expected {shape}: the features of one step"
            + (", for each of the sequences side by side." if len(shape) > 1 else ".")
        )
    return x_t


def not_finite() -> DataError:
    """Say that x_t is not."""
    return DataError("x_t contains NaN or infinity; expected finite numbers.")


def shapes_of(architecture: Architecture, n: int | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of x_t and ŷ_t for n sequences side by side, or for one without an axis."""
    given: Any = n
    if given is not None and (not isinstance(given, Integral) or given < 1):
        raise ValueError(f"n_sequences must be an integer of at least 1, or None; got {n!r}")
    sequences = () if n is None else (int(n),)
    return (*sequences, architecture.n_features), (*sequences, architecture.n_outputs)


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

    def initial_state(
        self, parameters: Parameters, n_sequences: int | None, mean: Array, scale: Array
    ) -> State:
        """Begin to go through sequences step by step, with h = 0.

        Parameters
        ----------
        parameters : Parameters
            The state has a copy of its own.
        n_sequences : int or None
            How many go side by side. None: one, and steps and answers have no axis for it.
        mean, scale : arrays (D,)
            The network takes (x_t - mean) / scale.
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
