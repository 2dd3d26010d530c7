"""How much each step, and all steps together, stretch a small change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from elman.displays.drawing import BLUE, GREY, ORANGE, log_scale, tidy, two_axes, whole_numbers
from elman.displays.of_explanation import ExplanationDisplay
from elman.explanation import Explanation
from elman.explanation.slopes import remembers

if TYPE_CHECKING:
    from elman.displays.drawing import Pair


class JacobianSpectrumDisplay(ExplanationDisplay):
    """The largest singular values of ∂h_t/∂h_{t-1}, and the Lyapunov exponents.

    The left picture shows the largest singular value of each ∂h_t/∂h_{t-1} and of the running product
    ∂h_T/∂h_{T-1} … ∂h_t/∂h_{t-1}, on a log scale. If it is below 1, every error shrinks. The right
    picture shows the largest finite-time Lyapunov exponents: the rates per step at which small changes
    grow (above 0) or shrink (below 0). If a cell has several states, h means all of them together.

    Parameters
    ----------
    explanation : Explanation
        The layer must have a W, and the sequence at least two steps.

    Attributes
    ----------
    explanation : Explanation
    axes_ : pair of matplotlib Axes
        Singular values and exponents, after ``plot``.
    figure_ : matplotlib Figure
    """

    def __init__(self, explanation: Explanation) -> None:
        super().__init__(explanation)
        if not remembers(explanation.equations):
            raise ValueError(
                f"layer {explanation.layer} is {explanation.cell}: it has no W, and so no "
                "∂h_t/∂h_{t-1} to draw. Explain another layer."
            )
        if explanation.T == 1:
            raise ValueError(
                "a sequence of one step has no ∂h_t/∂h_{t-1} to draw; explain one of two or more."
            )

    def plot(self, *, ax: Pair | None = None) -> Self:
        """Draw. Needs matplotlib (``pip install 'elman[plot]'``).

        Parameters
        ----------
        ax : pair of matplotlib Axes, optional
            Where to draw singular values and exponents; a new figure if left out.

        Raises
        ------
        ElmanError
            If matplotlib is not installed.
        """
        ex = self.explanation
        self.axes_ = two_axes(ax, gridspec_kw={"width_ratios": [2, 1]})
        left, right = self.axes_
        self.figure_: Any = left.figure

        steps = np.arange(2, ex.T + 1)
        h = "h" if len(ex.states) == 1 else f"({','.join(ex.states)})"
        one = rf"$\partial {h}_t/\partial {h}_{{t-1}}$"
        product = rf"$\partial {h}_T/\partial {h}_{{T-1}}\;\cdots\;$" + one
        for values, color, marker, label in (
            (ex.singular, BLUE, "o", one),
            (ex.product_singular, ORANGE, "s", f"{product}, $T={ex.T}$"),
        ):
            left.plot(steps, values[1:], marker=marker, ms=4, color=color, label=label)
        left.axhline(1, color=GREY, lw=0.8, ls="--")
        log_scale(left, ex.singular[1:], ex.product_singular[1:], np.ones(1))
        left.set(
            xlabel="step $t$",
            ylabel="largest singular value",
            title=f"layer {ex.layer}: {ex.H} {ex.cell} units",
        )
        left.legend(frameon=False)

        numbers = np.arange(1, len(ex.lyapunov) + 1)
        there = np.isfinite(ex.lyapunov)  # -∞: a direction that was lost altogether
        right.bar(numbers[there], ex.lyapunov[there], color=BLUE)
        right.axhline(0, color=GREY, lw=0.8)
        right.set(
            xlabel="$i$",
            ylabel=r"Lyapunov exponent $\lambda_i$ a step",
            xlim=(0.3, len(numbers) + 0.7),
        )
        for axes in self.axes_:
            whole_numbers(axes.xaxis)
        tidy(*self.axes_)
        return self
