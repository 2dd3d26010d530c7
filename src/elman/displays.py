"""Pictures, as scikit-learn's Displays: they hold arrays, and draw them on matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from elman.estimators.base import BaseRNN

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class LearningCurveDisplay:
    """How the loss and the accuracy of a fitted estimator changed, epoch by epoch.

    Parameters
    ----------
    history : list of dict
        An estimator's ``history_``.

    Attributes
    ----------
    history : list of dict
    axes_ : pair of matplotlib Axes
        Loss and accuracy, once drawn.
    figure_ : matplotlib Figure
    """

    def __init__(self, history: list[dict[str, float]]) -> None:
        self.history = history

    @classmethod
    def from_estimator(
        cls, estimator: BaseRNN, *, ax: tuple[Axes, Axes] | None = None
    ) -> LearningCurveDisplay:
        """Draw the learning curve of a fitted estimator.

        Parameters
        ----------
        estimator : RNNClassifier or RNNTagger
        ax : pair of matplotlib Axes, optional
            Where to draw loss and accuracy; a new figure if left out.

        Returns
        -------
        LearningCurveDisplay
        """
        return cls(estimator.history_).plot(ax=ax)

    def plot(self, *, ax: tuple[Axes, Axes] | None = None) -> Self:
        """Draw. Needs matplotlib (``pip install 'elman[plot]'``).

        Raises
        ------
        ElmanError
            If matplotlib is not installed.
        """
        if ax is None:
            ax = _new_axes()
        self.axes_ = ax
        self.figure_: Any = ax[0].figure
        epochs = [row["epoch"] for row in self.history]
        loss_axes, accuracy_axes = ax
        loss_axes.plot(epochs, [row["loss"] for row in self.history], color="C0")
        loss_axes.set(xlabel="epoch", ylabel="training loss", yscale="log")
        for key, label, color in (
            ("accuracy", "training", "C0"),
            ("validation_score", "validation", "C1"),
            ("test_accuracy", "test", "C2"),
        ):
            rows = [row for row in self.history if key in row]
            if rows:
                accuracy_axes.plot(
                    [row["epoch"] for row in rows],
                    [row[key] for row in rows],
                    color=color,
                    label=f"{label}, at last {rows[-1][key]:.1%}",
                )
        accuracy_axes.set(xlabel="epoch", ylabel="accuracy")
        accuracy_axes.yaxis.set_major_formatter("{x:.0%}")
        accuracy_axes.legend(loc="lower right", frameon=False)
        for axes in ax:
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        return self


def _new_axes() -> tuple[Axes, Axes]:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        from elman.errors import ElmanError

        raise ElmanError(
            "drawing needs matplotlib, which is not installed. Run: pip install 'elman[plot]'"
        ) from None
    # A Figure of its own: pyplot would choose a backend and keep the figure alive.
    figure = Figure(figsize=(9, 3.6), layout="constrained", dpi=150)
    axes = figure.subplots(1, 2)
    return axes[0], axes[1]
