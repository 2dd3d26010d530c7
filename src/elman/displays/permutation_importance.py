"""Which features and which steps an estimator needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from elman.displays.drawing import BLUE, GREY, one_axes, plain, tidy, whole_numbers
from elman.inspection import PermutationImportance, permutation_importance

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class PermutationImportanceDisplay:
    """How much the score falls if a feature, or some steps, are permuted among the sequences.

    Features are drawn as bars, the most important one at the top, with the standard deviation over the
    repeats. Steps are drawn as a line, with a band of one standard deviation.

    Parameters
    ----------
    importance : PermutationImportance

    Attributes
    ----------
    importance : PermutationImportance
    ax_ : matplotlib Axes
        After ``plot``.
    figure_ : matplotlib Figure
    """

    def __init__(self, importance: PermutationImportance) -> None:
        self.importance = importance

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, ax: Axes | None = None, **options: Any
    ) -> PermutationImportanceDisplay:
        """Compute the permutation importance, and draw it.

        Parameters
        ----------
        estimator, X, y, **options
            As in ``elman.inspection.permutation_importance``.
        ax : matplotlib Axes, optional
            Where to draw; a new figure if left out.
        """
        return cls(permutation_importance(estimator, X, y, **options)).plot(ax=ax)

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
        found = self.importance
        n = len(found.names)
        size = (6.4, 1.2 + 0.35 * n) if found.over == "features" else (6.4, 3.6)
        self.ax_ = one_axes(ax, size)
        self.figure_: Any = self.ax_.figure
        (self._features if found.over == "features" else self._steps)(self.ax_)
        return self

    def _label(self) -> str:
        return f"loss of score, which is {self.importance.score:.3f}"

    def _features(self, ax: Axes) -> None:
        found = self.importance
        order = found.importances_mean.argsort()
        ax.barh(
            np.arange(len(order)),
            found.importances_mean[order],
            xerr=found.importances_std[order],
            color=BLUE,
            error_kw={"ecolor": GREY, "capsize": 3},
        )
        ax.set_yticks(np.arange(len(order)), [plain(found.names[i]) for i in order])
        ax.axvline(0, color=GREY, lw=0.8)
        ax.set(xlabel=self._label(), ylim=(-0.6, len(order) - 0.4))
        tidy(ax)
        ax.grid(visible=False, axis="y")

    def _steps(self, ax: Axes) -> None:
        found = self.importance
        assert found.first is not None
        assert found.last is not None
        middle = (found.first + found.last) / 2
        mean, std = found.importances_mean, found.importances_std
        marker = "o" if len(middle) <= 40 else ""
        ax.fill_between(middle, mean - std, mean + std, color=BLUE, alpha=0.2, lw=0)
        ax.plot(middle, mean, color=BLUE, marker=marker, ms=4)
        ax.axhline(0, color=GREY, lw=0.8)
        ax.set(xlabel="step $t$", ylabel=self._label())
        if found.align == "end":
            ax.set(xlabel="step, counted back from the last")
            ax.invert_xaxis()
        whole_numbers(ax.xaxis)
        tidy(ax)
