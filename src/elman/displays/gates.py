"""The gates of a cell and its states, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from elman._typing import Array
from elman.displays.drawing import DIVERGING, plain, several_axes, tidy, whole_numbers
from elman.displays.of_explanation import ExplanationDisplay
from elman.explanation import Explanation

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class GatesDisplay(ExplanationDisplay):
    """The values of each gate and each state of a cell: a column is a step, a row is a unit.

    Blue is negative and red is positive. The colour scale goes from -1 to 1, or further if a value is
    larger. If a cell does not keep the values of its gates, only its states are drawn.

    Parameters
    ----------
    explanation : Explanation

    Attributes
    ----------
    explanation : Explanation
    values : dict of arrays (T, H)
        The gates, then the states, by name.
    axes_ : list of matplotlib Axes
        One for each of ``values``, after ``plot``.
    figure_ : matplotlib Figure
    """

    def __init__(self, explanation: Explanation) -> None:
        super().__init__(explanation)
        ex = self.explanation
        self.values: dict[str, Array] = {
            **{f"gate {name}": values for name, values in ex.gates.items()},
            **{f"state {name}": values for name, values in ex.states.items()},
        }

    def plot(self, *, ax: Sequence[Axes] | None = None) -> Self:
        """Draw. Needs matplotlib (``pip install 'elman[plot]'``).

        Parameters
        ----------
        ax : sequence of matplotlib Axes, optional
            Where to draw, one for each of ``values``; a new figure if left out.

        Raises
        ------
        ElmanError
            If matplotlib is not installed.
        """
        ex = self.explanation
        self.axes_ = several_axes(ax, len(self.values), (6.4, 0.8 + 1.1 * len(self.values)))
        self.figure_: Any = self.axes_[0].figure
        for axes, (name, values) in zip(self.axes_, self.values.items(), strict=True):
            full = max(1.0, float(np.abs(values).max()))
            image = axes.imshow(
                values.T,
                aspect="auto",
                interpolation="nearest",
                cmap=DIVERGING,
                vmin=-full,
                vmax=full,
                extent=(0.5, ex.T + 0.5, ex.H + 0.5, 0.5),
            )
            self.figure_.colorbar(image, ax=axes, pad=0.02)
            axes.set(ylabel=plain(name))
            whole_numbers(axes.xaxis)
            whole_numbers(axes.yaxis)
            tidy(axes, grid=False)
        self.axes_[0].set(title=f"gates and states of layer {ex.layer}: {ex.H} {ex.cell} units")
        self.axes_[-1].set(xlabel="step $t$")
        return self
