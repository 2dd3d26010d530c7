"""How far errors go back through time, in one sequence or in a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from elman._typing import Array
from elman.displays.drawing import BLUE, GREY, ORANGE, log_scale, tidy, two_axes, whole_numbers
from elman.displays.of_explanation import check_explanation
from elman.explanation import Explanation, GradientFlow, gradient_flow
from elman.explanation.terms import SATURATED

if TYPE_CHECKING:
    from elman.displays.drawing import Pair


class GradientFlowDisplay:
    """How much of an error is left k steps back, and how many units are saturated.

    The left picture shows ‖δ_{t,t-k}‖ / ‖Vᵀ(ŷ_t - y_t)‖ for each lag k, on a log scale. For a data set,
    it is the median over the sequences, with a band from the 10 % to the 90 % quantile. The right
    picture shows, at each step, the share of units that let less than 0.1 of an error through (for
    tanh: f' < 0.1). If the output reads all steps, k counts from the step at which an error enters.

    Parameters
    ----------
    norms : array (n_lags,)
        How much of an error is left at lag k = 0, 1, …
    saturated : array (T,)
        The share of saturated units at each step.
    quantiles : array (2, n_lags), optional
        The 10 % and 90 % quantiles of ``norms`` over sequences.
    title : str
        The title of the left picture.
    of_all_steps : bool
        Whether the output reads all steps.

    Attributes
    ----------
    norms, saturated, quantiles, title, of_all_steps
    axes_ : pair of matplotlib Axes
        Norms and saturation, after ``plot``.
    figure_ : matplotlib Figure
    """

    def __init__(
        self,
        norms: Array,
        saturated: Array,
        quantiles: Array | None = None,
        title: str = "",
        of_all_steps: bool = False,
    ) -> None:
        self.norms = norms
        self.saturated = saturated
        self.quantiles = quantiles
        self.title = title
        self.of_all_steps = of_all_steps

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any = None, *, layer: int = 1, ax: Pair | None = None
    ) -> Self:
        """Compute the gradient flow over a data set, and draw.

        Parameters
        ----------
        estimator : RNNClassifier, RNNTagger, RNNRegressor, RNNStepRegressor or Network
        X : array (n_samples, n_timesteps, n_features), or list of (n_timesteps, n_features)
        y : labels, optional
            See ``elman.gradient_flow``.
        layer : int
            Counted from 1, the lowest.
        ax : pair of matplotlib Axes, optional
            A new figure if left out.
        """
        return cls.from_flow(gradient_flow(estimator, X, y, layer=layer), ax=ax)

    @classmethod
    def from_flow(cls, flow: GradientFlow, *, ax: Pair | None = None) -> Self:
        """Draw the result of ``elman.gradient_flow``.

        Parameters
        ----------
        flow : GradientFlow
        ax : pair of matplotlib Axes, optional
            A new figure if left out.
        """
        if not isinstance(flow, GradientFlow):
            raise TypeError(
                f"flow is of type {type(flow).__name__}; expected a GradientFlow, as "
                "elman.gradient_flow makes it."
            )
        n = flow.n_sequences
        title = f"layer {flow.layer}, {n:,} sequence{'s' * (n != 1)}: {flow.kind}"
        shown = (flow.norms, flow.saturated, flow.quantiles, title, flow.of_all_steps)
        return cls(*shown).plot(ax=ax)

    @classmethod
    def from_explanation(cls, explanation: Explanation, *, ax: Pair | None = None) -> Self:
        """Draw the gradient flow in one sequence.

        Parameters
        ----------
        explanation : Explanation
            From ``elman.explain``.
        ax : pair of matplotlib Axes, optional
            A new figure if left out.
        """
        ex = check_explanation(explanation)
        saturated = (ex.openness < SATURATED).mean(axis=1)
        title = f"layer {ex.layer}, one sequence: {ex.diagnosis.kind}"
        of_all_steps = ex.readout.of_all_steps
        return cls(ex.reach, saturated, title=title, of_all_steps=of_all_steps).plot(ax=ax)

    def plot(self, *, ax: Pair | None = None) -> Self:
        """Draw. Needs matplotlib (``pip install 'elman[plot]'``).

        Parameters
        ----------
        ax : pair of matplotlib Axes, optional
            Where to draw norms and saturation; a new figure if left out.

        Raises
        ------
        ElmanError
            If matplotlib is not installed.
        """
        self.axes_ = two_axes(ax)
        left, right = self.axes_
        self.figure_: Any = left.figure

        lags = np.arange(len(self.norms))
        if self.quantiles is not None:
            low, high = np.ma.masked_invalid(self.quantiles)
            left.fill_between(lags, low, high, color=BLUE, alpha=0.2, lw=0, label="10% to 90%")
        left.plot(lags, np.ma.masked_invalid(self.norms), "o-", color=BLUE, ms=4, label="median")
        left.axhline(1, color=GREY, lw=0.8, ls="--")
        left.set(
            xlabel="steps back, $k$",
            ylabel=r"$\|\delta_{j\to j-k}\|\;/\;\|dL/dh_j\|$ from the output"
            if self.of_all_steps
            else r"$\|\delta_{t,t-k}\|\;/\;\|V^\top(\hat{y}_t-y_t)\|$",
            title=self.title,
        )
        log_scale(left, self.norms, np.ones(1), *([] if self.quantiles is None else self.quantiles))
        if self.quantiles is not None:
            left.legend(frameon=False)

        steps = np.arange(1, len(self.saturated) + 1)
        right.bar(steps, self.saturated, color=ORANGE)
        right.set(xlabel="step $t$", ylabel="saturated units", title="less than 0.1 goes back")
        right.set(xlim=(0.4, len(steps) + 0.6), ylim=(0, 1))
        right.yaxis.set_major_formatter("{x:.0%}")
        for axes in self.axes_:
            whole_numbers(axes.xaxis)
        tidy(*self.axes_)
        return self
