"""The learning curve as a picture."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from elman.cli.evaluate import Estimator

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
