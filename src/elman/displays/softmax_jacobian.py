"""The derivative of the softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from elman._typing import Array
from elman.displays.drawing import DIVERGING, INK_SHARE, one_axes
from elman.displays.of_explanation import ExplanationDisplay
from elman.explanation import Explanation, explain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NUMBERED = 10  # classes; the numbers of more would not fit
_NAMED = 30


class SoftmaxJacobianDisplay(ExplanationDisplay):
    """The Jacobian of the softmax at one step, dŷ_i/dz_k (N5).

    Each row is a probability ŷ_i, and each column is an output z_k. On the diagonal, which is outlined,
    i = k, and the entry is ŷ_i (1 - ŷ_i). All other entries are -ŷ_i ŷ_k. With up to 10 classes, the
    picture has the numbers too.

    Parameters
    ----------
    explanation : Explanation
    step : int, optional
        Counted from 1. If left out, the last step that has a loss.

    Attributes
    ----------
    explanation : Explanation
    step : int
    jacobian : array (K, K)
    ax_ : matplotlib Axes
        After ``plot``.
    figure_ : matplotlib Figure
    """

    def __init__(self, explanation: Explanation, step: int | None = None) -> None:
        super().__init__(explanation)
        self.step = explanation.answering[-1] if step is None else step
        self.jacobian: Array = explanation.softmax_jacobian(self.step)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        x: Any,
        y: Any,
        *,
        step: int | None = None,
        layer: int = 1,
        ax: Axes | None = None,
    ) -> Self:
        """Explain one sequence, and draw.

        Parameters
        ----------
        estimator : RNNClassifier, RNNTagger, RNNRegressor, RNNStepRegressor or Network
        x : array (n_timesteps, n_features)
        y : label, or array (n_timesteps,) of labels
        step : int, optional
            Counted from 1. If left out, the last step that has a loss.
        layer : int
            The picture does not depend on it: the output belongs to the top layer.
        ax : matplotlib Axes, optional
            Where to draw; a new figure if left out.
        """
        explanation = explain(estimator, x, y, layer=layer, check=False)
        return cls.from_explanation(explanation, step=step, ax=ax)

    @classmethod
    def from_explanation(
        cls, explanation: Explanation, *, step: int | None = None, ax: Axes | None = None
    ) -> Self:
        """Draw an explanation.

        Parameters
        ----------
        explanation : Explanation
            From ``elman.explain``.
        step : int, optional
            Counted from 1. If left out, the last step that has a loss.
        ax : matplotlib Axes, optional
            Where to draw; a new figure if left out.
        """
        return cls(explanation, step).plot(ax=ax)

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw. Needs matplotlib (``pip install 'elman[plot]'``).

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure if left out.

        Raises
        ------
        ElmanError
            If matplotlib is not installed.
        """
        self.ax_ = one_axes(ax, (6.4, 5.6))
        self.figure_: Any = self.ax_.figure
        from matplotlib.patches import Rectangle

        K = len(self.jacobian)
        largest = float(np.abs(self.jacobian).max()) or 1.0
        image = self.ax_.imshow(self.jacobian, cmap=DIVERGING, vmin=-largest, vmax=largest)
        for i in range(K):
            self.ax_.add_patch(
                Rectangle((i - 0.5, i - 0.5), 1, 1, fill=False, edgecolor="black", clip_on=False)
            )
        if K <= _NUMBERED:
            for (i, k), number in np.ndenumerate(self.jacobian):
                dark = abs(number) > INK_SHARE * largest
                self.ax_.text(
                    k,
                    i,
                    _short(float(number)),
                    ha="center",
                    va="center",
                    fontsize=7 if K > 5 else 9,
                    color="white" if dark else "black",
                )
        if K <= _NAMED:
            for axis in (self.ax_.xaxis, self.ax_.yaxis):
                axis.set_ticks(range(K), self.explanation.classes, parse_math=False)
        self.ax_.tick_params(length=0)
        self.ax_.spines[:].set_visible(False)
        self.ax_.set(
            xlabel="output $z_k$ of class $k$",
            ylabel=r"answer $\hat{y}_i$ of class $i$",
        )
        self.ax_.set_title(
            rf"$\partial\hat{{y}}_i/\partial z_k$ at step $t={self.step}$;  outlined $i=k$: "
            r"$\hat{y}_i(1-\hat{y}_i)$,  else $-\hat{y}_i\hat{y}_k$",
            fontsize="medium",
        )
        self.figure_.colorbar(image, ax=self.ax_, shrink=0.85, pad=0.02)
        return self


def _short(number: float) -> str:
    """Write a number in six places at most."""
    if number == 0 or abs(number) >= 0.00995:
        return f"{number:.2f}".replace("-", "−")
    return f"{number:.0e}".replace("e-0", "e-").replace("-", "−")
