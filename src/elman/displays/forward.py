"""The states of one sequence, and its predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from elman._typing import Array, IntArray
from elman.displays.drawing import BLUE, DIVERGING, SEQUENTIAL, plain, tidy, two_axes, whole_numbers
from elman.displays.of_explanation import ExplanationDisplay

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from elman.displays.drawing import Pair


_OUTPUTS = 4  # how many are drawn, if numbers are predicted


class ForwardDisplay(ExplanationDisplay):
    """The states h_t of each step, and the predictions ŷ_t (N2).

    In the upper picture, each column is the state h_t of one step, and each row is one unit. The lower
    picture shows the predicted probability of the label. At a step without a label, it is the
    probability of the next label. Filled circles mark the steps that have a loss. If the model predicts
    numbers, lines are the predictions ŷ_t in the network's units, and crosses are the targets.

    Parameters
    ----------
    explanation : Explanation

    Attributes
    ----------
    explanation : Explanation
    axes_ : pair of matplotlib Axes
        States and predictions, after ``plot``.
    figure_ : matplotlib Figure
    """

    @property
    def probabilities(self) -> Array:
        """The predicted probability of the label at each step, (T,).

        Raises
        ------
        ValueError
            If the model predicts numbers.
        """
        ex = self.explanation
        probabilities: Array = ex.y_activated[np.arange(ex.T), self._labels]
        return probabilities

    @property
    def _labels(self) -> IntArray:
        ex = self.explanation
        if ex.labels is None:
            raise ValueError("there are no labels: this model predicts numbers, not classes")
        upcoming = np.searchsorted(ex.answering_rows, np.arange(ex.T))
        labels: IntArray = ex.labels[ex.answering_rows[upcoming]]
        return labels

    def plot(self, *, ax: Pair | None = None) -> Self:
        """Draw. Needs matplotlib (``pip install 'elman[plot]'``).

        Parameters
        ----------
        ax : pair of matplotlib Axes, optional
            Where to draw states and predictions; a new figure if left out.

        Raises
        ------
        ElmanError
            If matplotlib is not installed.
        """
        ex = self.explanation
        self.axes_ = two_axes(
            ax, (6.4, 4.8), (2, 1), sharex=True, gridspec_kw={"height_ratios": [3, 1]}
        )
        states, answers = self.axes_
        self.figure_: Any = states.figure

        largest = float(np.abs(ex.h_activated).max()) or 1.0
        signed = (ex.h_activated < 0).any()
        image = states.imshow(
            ex.h_activated.T,
            aspect="auto",
            interpolation="nearest",
            cmap=DIVERGING if signed else SEQUENTIAL,
            vmin=-largest if signed else 0,
            vmax=largest,
            extent=(0.5, ex.T + 0.5, ex.H + 0.5, 0.5),
        )
        self.figure_.colorbar(image, ax=states, label="$h_t$", pad=0.02)
        states.set(ylabel="unit", title=f"states of layer {ex.layer}: {ex.H} {ex.cell} units")

        answers.set(xlabel="step $t$", xlim=(0.5, ex.T + 0.5))
        if ex.labels is None:
            self._draw_numbers(answers)
        else:
            self._draw_probabilities(answers)
        for axes in self.axes_:
            whole_numbers(axes.xaxis)
        whole_numbers(states.yaxis)
        tidy(states, grid=False)
        tidy(answers)
        return self

    def _draw_probabilities(self, answers: Axes) -> None:
        ex, steps = self.explanation, np.arange(1, self.explanation.T + 1)
        has_loss = ex.answering_rows
        answers.plot(steps, self.probabilities, color=BLUE, marker="o", mfc="white", ms=5)
        answers.plot(steps[has_loss], self.probabilities[has_loss], "o", color=BLUE, ms=5)
        answers.set(ylim=(-0.08, 1.08))
        names = {ex.classes[label] for label in self._labels}
        label = f"label {plain(names.pop())}" if len(names) == 1 else "its label"
        answers.set_ylabel(rf"$\hat{{y}}_t$ of {label}")
        answers.yaxis.set_major_formatter("{x:.0%}")

    def _draw_numbers(self, answers: Axes) -> None:
        ex, steps = self.explanation, np.arange(1, self.explanation.T + 1)
        for k, name in enumerate(ex.classes[:_OUTPUTS]):
            color = f"C{k}"
            answers.plot(
                steps, ex.y_activated[:, k], color=color, marker="o", ms=4, label=plain(name)
            )
            answers.plot(steps, ex.y[:, k], "x", color=color, ms=6)
        answers.set_ylabel(r"$\hat{y}_t$, and $y_t$ ($\times$)")
        if ex.K > 1:
            answers.legend(frameon=False, fontsize="small")
