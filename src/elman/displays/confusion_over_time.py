"""The predictions of a tagger for each label, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from elman._typing import Array, IntArray
from elman.displays.drawing import plain, several_axes, tidy, whole_numbers
from elman.errors import DataError
from elman.estimators import RNNTagger

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 8
"""How many labels are drawn if none are named: the most frequent ones."""


class ConfusionOverTimeDisplay:
    """How a tagger's confusion matrix changes with the step.

    Each label has a band from 0 to 100 %, from left to right by step. Each colour is the share of one
    predicted class. The share of right predictions is at the bottom of the band, in the colour of the
    label itself. Where no sequence has the label, the band is empty.

    Parameters
    ----------
    counts : array (n_windows, n_classes, n_classes)
        How often each label (row) was predicted as each class (column).
    classes : array (n_classes,)
    width : int
        The number of steps that are counted together, as one window.
    align : {"start", "end"}
        Whether steps are counted from the start of each sequence, or backwards from its end.

    Attributes
    ----------
    counts, classes, width, align
    axes_ : list of matplotlib Axes
        One for each label, after ``plot``.
    figure_ : matplotlib Figure
    """

    def __init__(
        self, counts: IntArray, classes: Array, *, width: int = 1, align: str = "start"
    ) -> None:
        self.counts, self.classes, self.width, self.align = counts, classes, width, align

    @classmethod
    def from_estimator(
        cls,
        tagger: RNNTagger,
        X: Any,
        y: Any,
        *,
        width: int = 1,
        align: str = "start",
        labels: Sequence[Any] | None = None,
        ax: Sequence[Axes] | None = None,
    ) -> ConfusionOverTimeDisplay:
        """Predict the labels of sequences, compare them with y, and draw.

        Parameters
        ----------
        tagger : RNNTagger, or a pipeline that ends in one
        X, y
            As in its ``score``.
        width, align
            As above.
        labels, ax
            As in ``plot``.

        Raises
        ------
        DataError
            If the labels do not fit the predictions.
        """
        display = cls.from_predictions(y, tagger.predict(X), width=width, align=align)
        return display.plot(labels=labels, ax=ax)

    @classmethod
    def from_predictions(
        cls, y_true: Any, y_pred: Any, *, width: int = 1, align: str = "start"
    ) -> ConfusionOverTimeDisplay:
        """Count labels and predictions at each step, without drawing.

        Parameters
        ----------
        y_true, y_pred : lists of (n_timesteps,), or arrays (n_samples, n_timesteps)
            If a sequence of y_true is longer than that of y_pred, the steps at its end are padding.
        width, align
            As above.

        Raises
        ------
        DataError
            If the numbers of sequences differ, or a prediction is longer than its labels.
        ValueError
            If ``width`` is below 1, or ``align`` is neither "start" nor "end".
        """
        if width < 1 or align not in ("start", "end"):
            raise ValueError(
                f"width must be 1 or more and align 'start' or 'end'; got {width!r} and {align!r}"
            )
        if len(y_true) != len(y_pred):
            raise DataError(
                f"there are labels of {len(y_true)} sequences, answers of {len(y_pred)}"
            )
        pairs = []
        for i, (labels, answers) in enumerate(zip(y_true, y_pred, strict=True)):
            flat, answered = np.ravel(np.asarray(labels)), np.ravel(np.asarray(answers))
            if len(flat) < len(answered):
                raise DataError(
                    f"sequence {i} has {len(flat)} labels and {len(answered)} answers; expected one "
                    "label for each step"
                )
            pairs.append((flat[: len(answered)], answered))
        classes = np.unique(np.concatenate([np.concatenate(pair) for pair in pairs]))
        T, K = max(len(labels) for labels, _ in pairs), len(classes)
        counts = np.zeros((-(-T // width), K, K), np.int64)
        for labels, answers in pairs:
            steps = np.arange(len(labels))
            steps = steps[::-1] if align == "end" else steps
            codes = np.searchsorted(classes, labels), np.searchsorted(classes, answers)
            np.add.at(counts, (steps // width, *codes), 1)
        return cls(counts, classes, width=width, align=align)

    def plot(
        self, *, labels: Sequence[Any] | None = None, ax: Sequence[Axes] | None = None
    ) -> Self:
        """Draw. Needs matplotlib (``pip install 'elman[plot]'``).

        Parameters
        ----------
        labels : sequence, optional
            The labels to draw; the 8 most frequent ones if left out.
        ax : sequence of matplotlib Axes, optional
            One for each label; a new figure if left out.

        Raises
        ------
        ValueError
            If a label is not one of the classes.
        ElmanError
            If matplotlib is not installed.
        """
        drawn = self._drawn(labels)
        self.axes_ = several_axes(ax, len(drawn), (7.2, 1.0 + 1.1 * len(drawn)))
        self.figure_: Any = self.axes_[0].figure
        from matplotlib import colormaps

        palette = colormaps["tab10" if len(self.classes) <= 10 else "tab20"]
        colours = [palette(k % palette.N) for k in range(len(self.classes))]
        edges = 0.5 + self.width * np.arange(len(self.counts) + 1)
        for axes, k in zip(self.axes_, drawn, strict=True):
            totals = self.counts[:, k].sum(axis=1)
            shares = self.counts[:, k] / np.where(totals, totals, 1)[:, None]
            bottom = np.zeros(len(totals))
            for j in [k, *(j for j in range(len(self.classes)) if j != k)]:
                top = bottom + shares[:, j]
                if shares[:, j].any():
                    axes.fill_between(
                        edges,
                        np.append(bottom, bottom[-1]),
                        np.append(top, top[-1]),
                        step="post",
                        color=colours[j],
                        alpha=1.0 if j == k else 0.5,
                        lw=0,
                    )
                bottom = top
            n = int(totals.sum())
            axes.set(ylim=(0, 1), xlim=(edges[0], edges[-1]))
            axes.set_ylabel(
                f"{plain(str(self.classes[k]))}\n{n:,}", rotation=0, ha="right", va="center"
            )
            axes.set_yticks([0, 0.5, 1], ["0", "", "100 %"])
            if self.align == "end":
                axes.invert_xaxis()
            whole_numbers(axes.xaxis)
            tidy(axes, grid=False)
        self._legend(colours)
        step = "step $t$" if self.align == "start" else "step, counted back from the last"
        self.axes_[-1].set(xlabel=step)
        self.axes_[0].set_title("answers to each label (at the left, with its number of steps)")
        return self

    def _drawn(self, labels: Sequence[Any] | None) -> list[int]:
        """The classes to draw, by number."""
        if labels is None:
            frequent = self.counts.sum(axis=(0, 2))
            found = np.argsort(-frequent, kind="stable")[:MOST]
            return sorted(int(k) for k in found if frequent[k])
        known = self.classes.tolist()
        unknown = [label for label in labels if label not in known]
        if unknown:
            raise ValueError(f"labels has {unknown}; the classes are {known}")
        return [known.index(label) for label in labels]

    def _legend(self, colours: list[Any]) -> None:
        """Name the colours of the predicted classes, beside the bands."""
        from matplotlib.patches import Patch

        given = np.flatnonzero(self.counts.sum(axis=(0, 1)))
        self.axes_[0].legend(
            handles=[Patch(color=colours[k], label=plain(str(self.classes[k]))) for k in given],
            title="answer",
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            frameon=False,
        )
