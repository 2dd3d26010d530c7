"""Panels 7 and 8: why terms vanish or explode, and what is lost if the sum is cut."""

from __future__ import annotations

import numpy as np

from elman._typing import Array
from elman.explanation.page.markup import (
    count,
    details,
    element,
    figure,
    fixed,
    math,
    number,
    panel,
    question,
    table,
)
from elman.explanation.page.svg import Line, chart, legend
from elman.explanation.page.view import ROWS, View, capped, evenly
from elman.explanation.page.what_if import what_if

LINES = ("line-1", "line-2", "line-3")
SMALL = (330.0, 230.0)  # a chart, three to a row


# Panel 7


def reasons(view: View) -> str:
    """Panel 7: slopes, singular values, Lyapunov exponents."""
    ex = view.explanation
    steps = list(range(1, ex.T + 1))
    slope, h = view.slope, view.states
    means = ex.openness.mean(axis=1)
    shown = evenly(steps, ROWS)
    exponents = list(enumerate(ex.lyapunov.tolist(), start=1))
    charts = [
        _open_chart(view, steps, means),
        figure(
            chart(
                "Largest singular values",
                "Of each Jacobian, and of the product from the last step.",
                [
                    Line("one step", steps, ex.singular.tolist(), "line-1"),
                    Line(
                        "product from the last step", steps, ex.product_singular.tolist(), "line-2"
                    ),
                ],
                "step t",
                "largest singular value",
                logarithmic=True,
                reference=(1.0, "keeps its length"),
                size=SMALL,
            )
            + legend(
                [
                    ("line-1", f"∂{h}<sub>t</sub>/∂{h}<sub>t−1</sub>"),
                    (
                        "line-2",
                        f"product ∂{h}<sub>T</sub>/∂{h}<sub>T−1</sub> … "
                        f"∂{h}<sub>t</sub>/∂{h}<sub>t−1</sub>",
                    ),
                ]
            ),
            "The most that one step, and all steps back to t, can stretch an error.",
            "largest singular values",
        ),
        figure(
            chart(
                "Lyapunov exponents",
                "Largest first.",
                [Line("exponent", [i for i, _ in exponents], [v for _, v in exponents], "line-3")],
                "number",
                "growth per step (log)",
                reference=(0.0, "neither grows nor shrinks"),
                size=SMALL,
            ),
            "What the fastest directions grow by, as a logarithm per step: finite-time Lyapunov "
            "exponents.",
            "Lyapunov exponents",
        ),
    ]
    return panel(
        7,
        "Why it vanishes or explodes",
        "N7",
        f"{_one_step_back(view)} Many factors below 1 leave nothing. Many above 1 leave too much."
        + view.nothing_back
        + _last_steps(view),
        "A line at 1 (or 0, for exponents) means that an error keeps its length. "
        "Below it shrinks, above it grows.",
        math(_jacobian(view), block=True),
        element("div", *charts, class_="charts three"),
        details(
            "Numbers of each step",
            table(
                f"Slopes and singular values.{capped(len(shown), ex.T, 'steps')}",
                ["step t", f"mean {slope}", "largest σ of the step", "largest σ of the product"],
                [
                    [
                        str(t),
                        fixed(means[t - 1]),
                        number(ex.singular[t - 1]),
                        number(ex.product_singular[t - 1]),
                    ]
                    for t in shown
                ],
            ),
            table(
                "Lyapunov exponents.",
                ["number", "growth per step (log)"],
                [[str(i), fixed(value)] for i, value in exponents],
            ),
        ),
        what_if(view),
    )


def _last_steps(view: View) -> str:
    n, T = len(view.explanation.last_steps), view.explanation.T
    if n >= T - 1:
        return ""
    return f" Singular values and exponents are those of the last {n:,} of {T:,} steps."


def _one_step_back(view: View) -> str:
    if view.explanation.plain:
        return f"Going back a step multiplies the error by a Jacobian: diag({view.slope}) times W."
    return (
        "Going back a step multiplies the error by a Jacobian: what each gate lets through, times its "
        "rows of W, plus what goes from a state to the next without W."
    )


def _jacobian(view: View) -> str:
    """Write ∂h_t/∂h_{t-1}; of a cell with gates that of all states."""
    h = view.states
    if view.explanation.plain:
        slope = "1 - h_t^2" if view.slope == "1 − h²" else "f′"
        return f"∂h_t//∂h_{{t-1}} = diag ( {slope} ) W"
    parts = [f"∂{h}_t//∂a_{gate} W_{gate}" for gate in view.delta_gates] * (
        view.explanation.W is not None
    )
    straight = f"[ ∂{h}_t//∂{h}_{{t-1}} ]_{{straight}}"
    return f"∂{h}_t//∂{h}_{{t-1}} = {' + '.join([straight, *parts])}"


def _open_chart(view: View, steps: list[int], means: Array) -> str:
    """Draw how open the units are; of a cell with gates also what goes straight on."""
    ex, slope = view.explanation, view.slope
    lines = [Line(f"mean {slope}", steps, means.tolist(), "line-1")]
    names = []
    if not ex.plain:
        G = len(ex.equations.gates)
        for s, state in enumerate(ex.states):
            straight = ex.partials[:, s, G + s]
            if straight.any() and len(lines) < len(LINES):
                of_state = straight.mean(axis=1).tolist()
                lines.append(Line(f"{state} straight on", steps, of_state, LINES[len(lines)]))
                names.append(f"∂{state}<sub>t</sub>/∂{state}<sub>t−1</sub> past W")
    top = max(1.0, *(max(line.y) for line in lines))
    return figure(
        chart(
            f"Mean of {slope} by step",
            f"It goes from {fixed(means[0])} to {fixed(means[-1])}.",
            lines,
            "step t",
            f"mean {slope}",
            y_range=(0.0, top),
            size=SMALL,
        )
        + (
            legend([(line.class_, name) for line, name in zip(lines, [slope, *names], strict=True)])
            if names
            else ""
        ),
        f"How open the units are: 1 lets everything back, 0 nothing ({slope} is "
        + (
            f"the slope of {view.f})."
            if ex.plain
            else "the largest slope of a state by a gate or a state before)."
        ),
        f"mean {slope}",
    )


# Panel 8


def _cut_sum(view: View) -> str:
    if view.explanation.readout.of_all_steps:
        return f"∑_j ∑_{{j-k≤τ≤j}} δ_{{j→τ}} {view.left_math}^T"
    return "∑_t ∑_{t-k≤τ≤t} term ( t , τ )"


def truncated(view: View) -> str:
    """Panel 8: what is lost if the sum is cut k steps back."""
    ex = view.explanation
    rows = ex.truncation
    lags = [row["k"] for row in rows]
    errors = [row["relative_error"] for row in rows]
    angles = [row["angle_degrees"] for row in rows]
    shown = evenly(list(range(len(rows))), ROWS)
    visible = [error for error in errors if np.isfinite(error) and error > 1e-10]
    floor = 10.0 ** np.floor(np.log10(min([*visible, 0.009])))
    top = 10.0 ** np.ceil(np.log10(max([*visible, 1.0])))
    enough = next((int(row["k"]) for row in rows if row["relative_error"] <= 0.01), None)
    found = view.nothing_back
    if enough is not None:
        leave = "leaves" if enough == 1 else "leave"
        found = f" Here {count(enough, 'step')} back {leave} an error of at most 1 %."
    return panel(
        8,
        "Truncation",
        "N7",
        "Cut the sum k steps back, and training gets cheaper and the gradient wrong." + found,
        "k = 0 keeps the explicit part alone. The further right, the more steps back are kept. "
        "At the right end the sum is whole, and only rounding is left."
        + (
            " Steps back count from each step j at which the output's error enters; δ<sub>j→τ</sub> is "
            "the part of it that reaches step τ."
            if view.explanation.readout.of_all_steps
            else ""
        ),
        math(_cut_sum(view), block=True),
        element(
            "div",
            figure(
                chart(
                    "Relative error by truncation",
                    "Falls as more steps are kept.",
                    [Line("relative error", lags, errors, "line-1")],
                    "steps back, k",
                    "relative error",
                    logarithmic=True,
                    y_range=(floor, top),
                    reference=(0.01, "1 %"),
                ),
                f"‖cut sum − dL/d{ex.of}‖ / ‖dL/d{ex.of}‖. A point on the floor is rounding alone, "
                "or nothing.",
                "relative error of the cut sum",
            ),
            figure(
                chart(
                    "Angle by truncation",
                    "Falls as more steps are kept.",
                    [Line("angle", lags, angles, "line-2")],
                    "steps back, k",
                    f"angle to dL/d{ex.of} (degrees)",
                    y_range=(0.0, max([90.0, *[a for a in angles if np.isfinite(a)]])),
                ),
                f"The angle between the cut sum and dL/d{ex.of}.",
                "angle of the cut sum",
            ),
            class_="charts",
        ),
        details(
            "Numbers of each cut",
            table(
                f"The cut sum against the whole.{capped(len(shown), len(rows), 'cuts')}",
                ["k", "relative error", "angle (degrees)"],
                [[str(rows[i]["k"]), number(errors[i]), fixed(angles[i])] for i in shown],
            ),
        ),
        question(
            "How do I truncate by hand?",
            "Start at δ<sub>t,t</sub> and go back at most k times, for every loss on its own; "
            "then add the outer "
            "products. Cutting the sequence into pieces is something else: there a loss early in a "
            "piece goes back fewer steps than one late in it.",
        ),
    )
