"""What the output reads of the steps, and where its error enters: the beginning of panel 4.

With ``readout="last"`` both are a step's own state, and there is nothing to say.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from elman._typing import Array, IntArray
from elman.explanation.page.colours import diverging
from elman.explanation.page.markup import (
    details,
    element,
    figure,
    fixed,
    math,
    number,
    paragraph,
    table,
)
from elman.explanation.page.svg import Line, chart, drawing, grid, label, rectangle
from elman.explanation.page.view import ROWS, UNITS, View, capped, evenly, relative, strongest
from elman.explanation.terms import size

COLUMNS = 150  # steps of the picture; more are put together


class Words(NamedTuple):
    """A readout in words and formulas."""

    fact: str
    lead: str
    formulas: list[str]
    enters: str


WORDS = {
    "mean": Words(
        "the mean of all states",
        "The output reads the mean of the states, unit by unit: V multiplies r<sub>t</sub> in the "
        "place of h<sub>t</sub>.",
        ["r_t = 1//t ( h_1 + … + h_t )", "∂r_{t,i}//∂h_{j,i} = 1//t"],
        "The error of r enters at every step, a T-th of it at each.",
    ),
    "max": Words(
        "the largest value of each unit",
        "The output reads of each unit the largest value that it had, at whichever step that was: V "
        "multiplies r<sub>t</sub> in the place of h<sub>t</sub>.",
        [
            "r_{t,i} = max ( h_{1,i} , … , h_{t,i} )",
            "∂r_{t,i}//∂h_{j,i} = 1  if h_{j,i} = r_{t,i}",
            "∂r_{t,i}//∂h_{j,i} = 0  if h_{j,i} < r_{t,i}",
        ],
        "The error of r enters unit by unit, whole, at the step where the unit was largest, and "
        "nowhere else. Of steps that are equal the first counts.",
    ),
}


def fact(view: View) -> list[tuple[str, str, str]]:
    """Say for panel 0 what is read, where it is not the last state."""
    words = WORDS.get(view.explanation.architecture.readout)
    return [] if words is None else [("Readout", words.fact, "r, what V multiplies")]


def reads(view: View) -> list[str]:
    """Say what the output reads, in words, formulas, a picture, and numbers."""
    ex = view.explanation
    words = WORDS.get(ex.architecture.readout)
    if words is None:
        return []
    t = ex.answering[-1]
    weights, entering = ex.reading(t)[:t], ex.entering(t)[:t]
    units = strongest(ex.output_error[t - 1] @ ex.V, UNITS)
    n_read = int(weights.any(axis=1).sum())
    return [
        element("h3", "What the output reads"),
        paragraph(words.lead, class_="before-math"),
        *(math(formula, block=True) for formula in words.formulas),
        paragraph(
            f"{words.enters} Here L<sub>{t}</sub> reads {n_read:,} of {t:,} steps. From each of them "
            "its error goes back through time, as panels 5 to 8 show."
        ),
        figure(
            _picture(view, weights, entering, units),
            "Above the top layer's states"
            + (", those that are read outlined" if _marks(weights, units) is not None else "")
            + "; below the error that enters each of them from the output, dL/dh. A row is a unit, a "
            "column a step. Blue is negative, orange positive."
            + (" A column stands for several steps, and shows the largest." if t > COLUMNS else "")
            + capped(len(units), ex.h_top.shape[1], "units (those with the largest |dL/dr|)"),
            "what the output reads",
        ),
        figure(
            _sizes(weights, entering),
            "The size of the error that enters at each step, from the output alone.",
            "errors that enter by step",
        ),
        details(
            "Numbers of what is read", _of_units(view, t, weights), _of_steps(weights, entering)
        ),
    ]


def steps_of(weights: Array, i: int) -> str:
    """Name the steps at which unit i is read."""
    steps = 1 + np.flatnonzero(weights[:, i])
    if len(steps) == 1:
        return str(steps[0])
    return f"{steps[0]} … {steps[-1]}, {number(float(weights[steps[0] - 1, i]))} of each"


def _of_units(view: View, t: int, weights: Array) -> str:
    ex = view.explanation
    dr = ex.output_error[t - 1] @ ex.V
    order = np.argsort(-np.abs(dr), kind="stable")[:ROWS]
    return table(
        "Each unit: what is read of it, and its error. The largest errors come first."
        + capped(len(order), len(dr), "units"),
        ["unit i", "read at step", f"r<sub>{t},i</sub>", f"dL<sub>{t}</sub>/dr<sub>i</sub>"],
        [
            [str(i + 1), steps_of(weights, i), fixed(float(ex.r[t - 1, i])), number(float(dr[i]))]
            for i in order.tolist()
        ],
        class_="read-units",
    )


def _of_steps(weights: Array, entering: Array) -> str:
    read = 1 + np.flatnonzero(weights.any(axis=1))
    shown = evenly(read.tolist(), ROWS)
    sizes = size(entering)
    return table(
        "Each step that is read: how many units are, and the norm of the error that enters."
        + capped(len(shown), len(read), "steps"),
        ["step j", "units read", "‖dL/dh<sub>j</sub>‖, from the output"],
        [
            [str(j), str(np.count_nonzero(weights[j - 1])), number(float(sizes[j - 1]))]
            for j in shown
        ],
        class_="read-steps",
    )


def _sizes(weights: Array, entering: Array) -> str:
    sizes = size(entering)
    steps = list(range(1, len(sizes) + 1))
    return chart(
        "The error that enters, by step",
        f"It enters at {int(weights.any(axis=1).sum())} of {len(steps)} steps.",
        [Line("from the output", steps, sizes.tolist(), "line-1 bare")],
        "step j",
        "‖dL/dh‖ from the output",
        y_range=(0.0, float(sizes.max()) or 1.0),
        size=(860.0, 200.0),
    )


def _marks(weights: Array, units: list[int]) -> IntArray | None:
    """The step at which each unit is read, if that is one; else None."""
    read = weights[:, units] != 0
    return read.argmax(axis=0) if (read.sum(axis=0) == 1).all() else None


def _picture(view: View, weights: Array, entering: Array, units: list[int]) -> str:
    ex, T = view.explanation, len(weights)
    n = min(T, COLUMNS)
    columns = np.arange(T) * n // T  # of each step
    left, top = 66.0, 22.0
    wide, tall = min(860 / n, 40.0), min(12.0, 220 / len(units))
    high = tall * len(units)
    marked = _marks(weights, units)
    parts = []
    for title, values, y in (
        ("states h", ex.h_top[:T, units], top),
        ("dL/dh from the output", entering[:, units], top + high + 40),
    ):
        strip = np.array([_largest(values[columns == c]) for c in range(n)]).T
        parts.append(label(left, y - 8, title, "tick"))
        parts.append(grid(relative(strip), diverging, left, y, (wide, tall)))
        for i, unit in enumerate(units):
            if tall >= 10 or i % 5 == 0:
                parts.append(
                    label(left - 8, y + (i + 0.5) * tall + 4, f"{unit + 1}", "tick", "end")
                )
    parts.append(label(0, top + 8, "unit", "tick"))
    if marked is not None:
        parts += [
            rectangle(
                left + columns[step] * wide,
                top + i * tall,
                max(wide, 3.0),
                tall,
                "read",
                f"unit {unit + 1} is read at step {step + 1}: {fixed(float(ex.h_top[step, unit]))}",
            )
            for i, (unit, step) in enumerate(zip(units, marked.tolist(), strict=True))
        ]
    bottom = top + 2 * high + 40
    every = max(1, round(n / 12))
    for c in range(0, n, every):
        step = 1 + int(np.argmax(columns == c))
        parts.append(label(left + (c + 0.5) * wide, bottom + 15, str(step), "tick", "middle"))
    parts.append(label(0, bottom + 15, "step", "row"))
    return drawing(
        left + n * wide + 6,
        bottom + 22,
        "What the output reads",
        "Two grids, units down and steps across: the states, and the errors that enter them.",
        *parts,
        class_="wide",
    )


def _largest(rows: Array) -> Array:
    """The value of the largest magnitude in each column."""
    largest: Array = np.take_along_axis(rows, np.abs(rows).argmax(axis=0)[None], axis=0)[0]
    return largest
