"""The learning curve as a picture."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from elman.estimators import RNNClassifier, RNNTagger

# Where a format says who made the picture; the others cannot.
_MAKER = {"png": "Software", "svg": "Creator", "pdf": "Creator", "eps": "Creator", "ps": "Creator"}


def check_drawable(path: Path) -> None:
    """Find out whether a picture of this format can be drawn here: draw one, into memory.

    Raises
    ------
    typer.BadParameter
        If it cannot.
    """
    try:
        from matplotlib.backend_bases import FigureCanvasBase
        from matplotlib.figure import Figure
    except ImportError:
        raise typer.BadParameter(
            "drawing needs matplotlib: pip install 'elman[plot]'", param_hint="--plot"
        ) from None
    known = FigureCanvasBase.get_supported_filetypes()
    if _format(path) not in known:
        raise typer.BadParameter(
            f"{path} is no kind of picture that can be drawn: {', '.join(sorted(known))}",
            param_hint="--plot",
        )
    figure = Figure(figsize=(1, 1))
    figure.text(0.5, 0.5, "epoch")  # a format may need another program for text, as pgf needs LaTeX
    try:
        _as_bytes(figure, path)
    except Exception as error:  # noqa: BLE001 (what backends raise has no common base)
        raise typer.BadParameter(
            f"a picture of the format of {path} cannot be drawn here: {error}. Take another, as "
            "curve.png",
            param_hint="--plot",
        ) from None


def draw_learning_curve(estimator: RNNClassifier | RNNTagger, path: Path) -> bytes:
    """Draw the loss and the accuracies of each epoch, in the format that the path ends in."""
    from matplotlib.figure import Figure

    from elman import LearningCurveDisplay

    figure = Figure(figsize=(9, 3.6), layout="constrained", dpi=150)  # it needs no screen
    LearningCurveDisplay.from_estimator(estimator, ax=figure.subplots(1, 2))
    return _as_bytes(figure, path)


def _as_bytes(figure: Figure, path: Path) -> bytes:
    buffer = io.BytesIO()
    options: dict[str, Any] = {}
    if _format(path) in _MAKER:
        options["metadata"] = {_MAKER[_format(path)]: "elman"}
    figure.savefig(buffer, format=_format(path), **options)
    return buffer.getvalue()


def _format(path: Path) -> str:
    return path.suffix.removeprefix(".").lower()
