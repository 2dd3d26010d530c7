"""Loss and score of each epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from elman.displays.drawing import tidy, two_axes, whole_numbers
from elman.estimators.base import BaseRNN

if TYPE_CHECKING:
    from elman.displays.drawing import Pair


class LearningCurveDisplay:
    """How the loss and the accuracy (or score) of a fitted estimator changed, epoch by epoch.

    Parameters
    ----------
    history : list of dict
        An estimator's ``history_``.

    Attributes
    ----------
    history : list of dict
    axes_ : pair of matplotlib Axes
        Loss and accuracy (or score), after ``plot``.
    figure_ : matplotlib Figure
    """

    def __init__(self, history: list[dict[str, float]]) -> None:
        self.history = history

    @classmethod
    def from_estimator(cls, estimator: BaseRNN, *, ax: Pair | None = None) -> LearningCurveDisplay:
        """Draw the learning curve of a fitted estimator.

        Parameters
        ----------
        estimator : RNNClassifier, RNNTagger, RNNRegressor or RNNStepRegressor
        ax : pair of matplotlib Axes, optional
            Where to draw loss and accuracy; a new figure if left out.

        Returns
        -------
        LearningCurveDisplay

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator, "history_")
        return cls(estimator.history_).plot(ax=ax)

    def plot(self, *, ax: Pair | None = None) -> Self:
        """Draw. Needs matplotlib (``pip install 'elman[plot]'``).

        Parameters
        ----------
        ax : pair of matplotlib Axes, optional
            Where to draw loss and accuracy; a new figure if left out.

        Raises
        ------
        ElmanError
            If matplotlib is not installed.
        """
        self.axes_ = two_axes(ax)
        loss_axes, accuracy_axes = self.axes_
        self.figure_: Any = loss_axes.figure
        epochs = [row["epoch"] for row in self.history]
        losses = [row["loss"] for row in self.history]
        loss_axes.plot(epochs, losses, color="C0")
        scale = "log" if all(loss > 0 for loss in losses) else "linear"  # Poisson's may be negative
        loss_axes.set(xlabel="epoch", ylabel="training loss, mean of sequences", yscale=scale)
        of_labels = all("accuracy" in row for row in self.history)
        for key, label, color in (
            ("accuracy", "training", "C0"),
            ("validation_score", "validation", "C1"),
            ("test_accuracy", "test", "C2"),
            ("test_score", "test", "C2"),
        ):
            rows = [row for row in self.history if key in row]
            if rows:
                accuracy_axes.plot(
                    [row["epoch"] for row in rows],
                    [row[key] for row in rows],
                    color=color,
                    label=f"{label}, at last {rows[-1][key]:{'.1%' if of_labels else '.3f'}}",
                )
        accuracy_axes.set(xlabel="epoch", ylabel="accuracy" if of_labels else "score")
        if of_labels:
            accuracy_axes.yaxis.set_major_formatter("{x:.0%}")
        if accuracy_axes.lines:
            accuracy_axes.legend(loc="lower right", frameon=False)
        tidy(*self.axes_)
        for axes in self.axes_:
            whole_numbers(axes.xaxis)
        return self
