"""The base class of displays that draw the explanation of one sequence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

from elman.explanation import Explanation, explain


class ExplanationDisplay(ABC):
    """Base class of displays that draw an explanation.

    Parameters
    ----------
    explanation : Explanation
    """

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = check_explanation(explanation)

    @classmethod
    def from_estimator(
        cls, estimator: Any, x: Any, y: Any, *, layer: int = 1, ax: Any = None
    ) -> Self:
        """Explain one sequence, and draw.

        Parameters
        ----------
        estimator : RNNClassifier, RNNTagger, RNNRegressor, RNNStepRegressor or Network
        x : array (n_timesteps, n_features)
        y : label, or array (n_timesteps,) of labels
        layer : int
            Counted from 1, the lowest.
        ax : matplotlib Axes, or a pair of them if the picture has two parts, optional
            Where to draw; a new figure if left out.
        """
        # Proofs are left out, because they are not drawn.
        return cls.from_explanation(explain(estimator, x, y, layer=layer, check=False), ax=ax)

    @classmethod
    def from_explanation(cls, explanation: Explanation, *, ax: Any = None) -> Self:
        """Draw an explanation.

        Parameters
        ----------
        explanation : Explanation
            From ``elman.explain``.
        ax : matplotlib Axes, or a pair of them if the picture has two parts, optional
            Where to draw; a new figure if left out.
        """
        return cls(explanation).plot(ax=ax)

    @abstractmethod
    def plot(self, *, ax: Any = None) -> Self:
        """Draw. Needs matplotlib (``pip install 'elman[plot]'``)."""


def check_explanation(explanation: Any) -> Explanation:
    """Return the explanation; a TypeError says if it is something else."""
    if not isinstance(explanation, Explanation):
        raise TypeError(
            f"explanation is of type {type(explanation).__name__}; expected an Explanation, as "
            "elman.explain makes it. For a model and a sequence there is from_estimator."
        )
    return explanation
