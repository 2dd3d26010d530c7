"""The learning curve as a picture."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from elman.cli.output import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from elman.cli.evaluate import Estimator
    from elman.reading.raw import Raw

# The formats, and where each says who made the picture: only what elman drew is drawn over.
_MAKER = {"png": "Software", "svg": "Creator", "pdf": "Creator", "eps": "Creator", "ps": "Creator"}


def check_drawable(path: Path) -> None:
    """Find out whether a picture of this format can be drawn here.

    Raises
    ------
    typer.BadParameter
        If it cannot.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise typer.BadParameter(
            "drawing needs matplotlib: pip install 'elman[plot]'", param_hint="--plot"
        ) from None
    if _format(path) not in _MAKER:
        raise typer.BadParameter(
            f"{path} is no kind of picture that can be drawn: {', '.join(_MAKER)}",
            param_hint="--plot",
        )


def draw_learning_curve(estimator: Estimator, path: Path) -> bytes:
    """Draw the loss and the accuracies of each epoch, in the format that the path ends in."""
    from matplotlib.figure import Figure

    from elman import LearningCurveDisplay

    figure = Figure(figsize=(9, 3.6), layout="constrained", dpi=150)  # it needs no screen
    LearningCurveDisplay.from_estimator(estimator, ax=figure.subplots(1, 2))
    return _as_bytes(figure, path)


def _as_bytes(figure: Figure, path: Path) -> bytes:
    buffer = io.BytesIO()
    kind = _format(path)
    figure.savefig(buffer, format=kind, metadata={_MAKER[kind]: "elman"})
    return buffer.getvalue()


def _format(path: Path) -> str:
    return path.suffix.removeprefix(".").lower()


def draw_contents(raw: Raw, path: Path) -> bytes:
    """Draw how long sequences are, how many there are of each class, and what is missing."""
    import numpy as np
    from matplotlib.figure import Figure

    info = raw.info
    missing = np.isnan(raw.sequences.values).mean(axis=0)
    parts = 1 + (info.classes is not None) + bool(missing.any())
    figure = Figure(figsize=(4.5 * parts, 3.6), layout="constrained", dpi=150)
    axes = np.atleast_1d(figure.subplots(1, parts)).tolist()
    axis = axes.pop(0)
    axis.hist(info.lengths, bins=min(30, len(np.unique(info.lengths)) + 1), color="tab:blue")
    axis.set(xlabel="steps", ylabel="sequences", title="lengths")
    if info.classes is not None:
        axis = axes.pop(0)
        names = [printable(name) for name in info.classes]
        axis.barh(names[:30], list(info.classes.values())[:30], color="tab:green")
        axis.set(xlabel="steps" if info.of_steps else "sequences", title=", ".join(info.label))
        axis.set_ylim(max(len(axis.patches), 6) - 0.5, -0.5)  # the first at the top
    if missing.any():
        axis = axes.pop(0)
        worst = np.argsort(-missing, kind="stable")[:30]
        worst = worst[missing[worst] > 0]
        axis.barh(
            [printable(info.features[i]) for i in worst], 100 * missing[worst], color="tab:red"
        )
        axis.set(xlabel="% missing", title="missing values")
        axis.set_ylim(max(len(axis.patches), 6) - 0.5, -0.5)  # the first at the top
    return _as_bytes(figure, path)
