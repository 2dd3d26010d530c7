"""The few pictures the page is made of: grids of cells, a chart of lines, a colour key.

Colours are classes of the style sheet, and no attribute is ``style``: the page's
Content-Security-Policy allows none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from elman._typing import Array
from elman.explanation.page.colours import N_SEQUENTIAL, sequential
from elman.explanation.page.markup import scientific, text
from elman.explanation.page.view import evenly

POINTS = 400  # of a line, which each have a title


def drawing(
    width: float, height: float, name: str, description: str, *content: str, class_: str = ""
) -> str:
    """Frame marks as one picture, with a name and a description for who does not see it."""
    return (
        f'<svg viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" height="{_n(height)}" '
        f'role="{"group" if "interactive" in class_ else "img"}" class="{class_ or "drawing"}">'
        f"<title>{text(name)}</title><desc>{text(description)}</desc>{''.join(content)}</svg>"
    )


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def label(x: float, y: float, content: str, class_: str = "", anchor: str = "start") -> str:
    """Write a word into a picture."""
    names = f' class="{class_}"' if class_ else ""
    where = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{_n(x)}" y="{_n(y)}"{names}{where}>{content}</text>'


def half_of(number: str) -> float:
    """About half as wide as a number is at a tick: so far it reaches beyond the middle."""
    return 3.7 * len(number)  # digits of 7.4 pixels


def grid(
    values: Array,
    colour: Callable[[float], str],
    x: float,
    y: float,
    size: tuple[float, float],
    share: float = 1.0,
) -> str:
    """Draw a matrix as cells, those of one colour in one path: small, but without titles.

    ``share`` of a cell's width is filled; less than 1 sets the columns apart. NaN is no cell.
    """
    paths: dict[str, list[str]] = {}
    for column, line in enumerate(values.T.tolist()):
        row = 0
        for name, run in groupby(line, lambda v: "" if math.isnan(v) else colour(v)):
            length = len(list(run))
            if name:
                paths.setdefault(name, []).append(f"M{column} {row}v{length}")
            row += length
    drawn = "".join(
        f'<path class="{name}" d="{"".join(parts)}"/>' for name, parts in sorted(paths.items())
    )
    # A run of one colour down a column is one stroke, as thick as what is filled of its width.
    place = f"translate({_n(x + share / 2 * size[0])} {_n(y)}) scale({_n(size[0])} {size[1]:.4g})"
    thick = share if share < 1 else 1.02
    return f'<g class="grid" transform="{place}" stroke-width="{thick:g}">{drawn}</g>'


def rectangle(x: float, y: float, width: float, height: float, class_: str, title: str = "") -> str:
    """Draw one cell, with what it holds as its title."""
    shape = f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
    inside = f"><title>{title}</title></rect>" if title else "/>"
    return f'{shape} class="{class_}"{inside}'


def cell(x: float, class_: str, title: str) -> str:
    """Draw one cell of a row; the style sheet has its size."""
    return f'<rect x="{_n(x)}" class="{class_}"><title>{title}</title></rect>'


def row(y: float, cells: str) -> str:
    """Put cells at a height."""
    return f'<g transform="translate(0 {_n(y)})">{cells}</g>'


def key(
    x: float, y: float, low: str, high: str, class_of: Callable[[float], str] = sequential
) -> str:
    """Draw a colour key: the scale as a bar, its two ends in words."""
    n = N_SEQUENTIAL
    bar = "".join(rectangle(x + 5 * i, y, 5.2, 10, class_of((i + 0.5) / n)) for i in range(n))
    return bar + label(x, y + 23, low) + label(x + 5 * n, y + 23, high, anchor="end")


class Line(NamedTuple):
    """One line of a chart: y by x; what is not finite is left out."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    class_: str  # line-1, line-2 … : colour and dashes


def chart(
    name: str,
    description: str,
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    logarithmic: bool = False,
    y_range: tuple[float, float] | None = None,
    reference: tuple[float, str] | None = None,
    x_logarithmic: bool = False,
    size: tuple[float, float] = (440, 260),
) -> str:
    """Draw lines over common axes.

    Parameters
    ----------
    reference : (float, str), optional
        A height that means something, drawn across and named.
    """
    width, height = size
    left, right, top, bottom = 58.0, 14.0, 26.0, 42.0
    bound = y_range is not None  # then even 0 has a place, at the end of the range
    pairs = [(line, zip(line.x, line.y, strict=True)) for line in lines]
    shown = [
        (line, [(x, y) for x, y in points if _drawable(y, logarithmic and not bound)])
        for line, points in pairs
    ]
    most = max((len(points) for line, points in shown if "points" not in line.class_), default=0)
    if most > POINTS:
        x_label += f" ({POINTS} of {most:,} drawn)"
        shown = [
            (line, points if "points" in line.class_ else evenly(points, POINTS))
            for line, points in shown
        ]
    xs = [x for _, points in shown for x, _ in points]
    ys = [y for _, points in shown for _, y in points]
    if not xs:
        return drawing(
            width, 30, name, "Nothing to draw.", label(0, 18, f"{y_label}: none", "axis")
        )
    if reference is not None:
        ys.append(reference[0])
    y_axis = _Axis(*(y_range or _padded(ys, logarithmic)), height - bottom, top, logarithmic)
    x_axis = _Axis(min(xs), max(xs), left, width - right, x_logarithmic)

    parts = []
    for tick in y_axis.ticks():
        y = y_axis(tick)
        parts.append(f'<path class="gridline" d="M{left} {_n(y)}H{_n(width - right)}"/>')
        parts.append(label(left - 6, y + 4, y_axis.write(tick), "tick", "end"))
    for tick in x_axis.ticks(whole=not x_logarithmic):
        parts.append(
            label(x_axis(tick), height - bottom + 17, x_axis.write(tick), "tick", "middle")
        )
    parts.append(label((left + width - right) / 2, height - 6, x_label, "axis", "middle"))
    parts.append(label(0, 12, y_label, "axis"))
    if reference is not None:
        y = y_axis(reference[0])
        parts.append(f'<path class="reference" d="M{left} {_n(y)}H{_n(width - right)}"/>')
    for line, points in shown:
        places = [(x_axis(x), y_axis(min(max(y, y_axis.low), y_axis.high))) for x, y in points]
        if "points" in line.class_:  # many, and without titles: round caps of no length
            path = "".join(f"M{_n(x)} {_n(y)}h0" for x, y in places)
            parts.append(f'<path class="{line.class_}" d="{path}"/>')
            continue
        if len(places) > 1:
            path = "L".join(f"{_n(x)} {_n(y)}" for x, y in places)
            parts.append(f'<path class="line {line.class_}" d="M{path}"/>')
        dots = "".join(
            f'<circle cx="{_n(px)}" cy="{_n(py)}" r="3"><title>{line.name}, {x:g}: '
            f"{scientific(y)}</title></circle>"
            for (x, y), (px, py) in zip(points, places, strict=True)
            if "bare" not in line.class_
        )
        parts.append(f'<g class="dot {line.class_}">{dots}</g>')
    if reference is not None:  # over the lines: behind it they are left out
        place = y_axis(reference[0]) - 5
        parts.append(label(width - right, place, reference[1], "note", "end"))
    return drawing(width, height, name, description, *parts)


def legend(lines: Iterable[tuple[str, str]]) -> str:
    """Name the lines of a chart: (class, name) each."""
    items = "".join(
        f'<li><svg width="26" height="10" aria-hidden="true">{_sample(class_)}</svg>'
        f"<span>{name}</span></li>"
        for class_, name in lines
    )
    return f'<ul class="legend">{items}</ul>'


def _sample(class_: str) -> str:
    if "points" in class_:
        return f'<path class="{class_}" d="M13 5h0"/>'
    dot = "" if "bare" in class_ else f'<circle class="dot {class_}" cx="13" cy="5" r="3"/>'
    return f'<path class="line {class_}" d="M1 5H25"/>{dot}'


def _drawable(value: float, logarithmic: bool) -> bool:
    return math.isfinite(value) and (value > 0 or not logarithmic)


def _padded(values: Sequence[float], logarithmic: bool) -> tuple[float, float]:
    low, high = min(values), max(values)
    if logarithmic:
        return 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high) + 1e-9)
    margin = 0.06 * (high - low) or abs(high) or 1.0
    return low - margin, high + margin


def power_of_ten(power: int) -> str:
    """Write 10 with an exponent."""
    return f'10<tspan class="power" dy="-4">{power}</tspan>'


class _Axis:
    def __init__(self, low: float, high: float, start: float, end: float, logarithmic: bool):
        self.logarithmic, self.low, self.high = logarithmic, low, high
        self.start, self.end = start, end
        if high == low:
            self.high = low * 10 if logarithmic else low + 1

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, whole: bool = False) -> list[float]:
        """Choose four to seven round numbers."""
        if self.logarithmic:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            if last - first < 2:  # too few powers of ten
                for digits in ((1, 2, 5), range(1, 10)):
                    fine = [m * 10.0**power for power in range(first - 1, last + 1) for m in digits]
                    found = [t for t in fine if self.low <= t * 1.001 and t <= self.high]
                    if len(found) > 1:
                        return found
                return [self.low, self.high]
            powers = range(first, last + 1, max(1, math.ceil((last - first) / 5)))
            return [10.0**power for power in powers]
        span = self.high - self.low
        step = 10.0 ** math.floor(math.log10(span / 4))
        step *= next(m for m in (1, 2, 5, 10) if span / (m * step) <= 6)
        if whole:
            step = max(1.0, step)
        bottom, top = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [i * step for i in range(bottom, top + 1)]

    def write(self, tick: float) -> str:
        if not self.logarithmic:
            return f"{tick:g}"
        power = round(math.log10(tick))
        if abs(power) < 2 or not math.isclose(tick, 10.0**power):
            return f"{tick:g}"
        return power_of_ten(power)
