"""Axes, scales and colours that the displays share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from elman._typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    Pair = tuple[Axes, Axes]

# Blue and orange: the pair that most kinds of colour blindness leave apart.
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"
DIVERGING = "RdBu_r"
SEQUENTIAL = "magma_r"

INK_SHARE = 0.55
"""Above this share of a colour scale, colours are so dark that text on them has to be white."""


def one_axes(ax: Axes | None, size: tuple[float, float] = (6.4, 4.8)) -> Axes:
    """Return the given axes, or those of a new figure of ``size`` inches."""
    if ax is None:
        axes: Axes = _figure(size).subplots()
        return axes
    if not hasattr(ax, "imshow"):
        raise TypeError(f"ax is of type {type(ax).__name__}; expected matplotlib Axes")
    return ax


def two_axes(
    ax: Pair | None,
    size: tuple[float, float] = (9, 3.6),
    shape: tuple[int, int] = (1, 2),
    **options: Any,
) -> Pair:
    """Return the given pair of axes, or those of a new figure of ``size`` inches.

    Parameters
    ----------
    ax : pair of matplotlib Axes, or None
    size, shape : pairs
        The size of the new figure, and its numbers of rows and columns.
    **options
        For ``Figure.subplots``.
    """
    if ax is None:
        first, second = _figure(size).subplots(*shape, **options)
        return first, second
    try:
        first, second = ax
    except (TypeError, ValueError):
        raise TypeError(
            f"ax is of type {type(ax).__name__}; expected a pair of matplotlib Axes, as from "
            f"plt.subplots{shape}"
        ) from None
    return one_axes(first), one_axes(second)


def several_axes(ax: Sequence[Axes] | None, n: int, size: tuple[float, float]) -> list[Axes]:
    """Return the given n axes, or those of a new figure of ``size`` inches, one below another."""
    if ax is None:
        made = _figure(size).subplots(n, 1, sharex=True, squeeze=False)
        return list(made[:, 0])
    try:
        given = [one_axes(axes) for axes in ax]
    except TypeError:
        raise TypeError(
            f"ax is of type {type(ax).__name__}; expected {n} matplotlib Axes, as from "
            f"plt.subplots({n})"
        ) from None
    if len(given) != n:
        raise ValueError(f"ax has {len(given)} Axes; expected {n}, one for each part drawn")
    return given


def _figure(size: tuple[float, float]) -> Any:
    try:
        from matplotlib.pyplot import figure
    except ImportError:
        from elman.errors import ElmanError

        raise ElmanError(
            "drawing needs matplotlib, which is not installed. Run: pip install 'elman[plot]'"
        ) from None
    return figure(figsize=size, layout="constrained")  # as scikit-learn's: show() shows it


def tidy(*axes: Axes, grid: bool = True) -> None:
    """Remove the top and the right of the frame, and draw a faint grid behind the data."""
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        if grid:
            ax.grid(alpha=0.3)
            ax.set_axisbelow(True)


def whole_numbers(axis: Any) -> None:
    """Put ticks at whole numbers only, for steps, lags and units."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def log_scale(ax: Axes, *values: Array, headroom: float = 0.03) -> None:
    """Make the y axis logarithmic, from one power of ten to another: then its labels are these.

    If no number is above 0, the axis stays as it is.

    Parameters
    ----------
    ax : matplotlib Axes
    *values : arrays
        The numbers that are drawn. A zero is below the axis: a line leaves the picture there.
    headroom : float
        The space to leave free at the top, as a share of the height.
    """
    from matplotlib.ticker import NullFormatter

    drawn = np.concatenate([np.ravel(v) for v in values])
    drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
    if not len(drawn):
        return
    bottom, top = np.floor(np.log10(drawn.min())), np.ceil(np.log10(drawn.max()))
    if bottom == top:
        bottom, top = bottom - 1, top + 1
    ax.set_yscale("log", nonpositive="clip")
    ax.set_ylim(10.0**bottom, 10.0 ** (top + headroom * (top - bottom)))
    ax.yaxis.set_minor_formatter(NullFormatter())


def plain(name: str) -> str:
    """Keep matplotlib from reading a label as a formula."""
    return name.replace("$", r"\$")
