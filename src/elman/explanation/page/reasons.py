"""Panels 7 and 8: why terms vanish or explode, and what is lost if the sum is cut."""

from __future__ import annotations

import numpy as np

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

SMALL = (330.0, 230.0)  # a chart, three to a row


# Panel 7


def reasons(view: View) -> str:
    """Panel 7: slopes, singular values, Lyapunov exponents."""
    ex = view.explanation
    steps = list(range(1, ex.T + 1))
    slope = view.slope
    means = ex.derivative.mean(axis=1)
    shown = evenly(steps, ROWS)
    exponents = list(enumerate(ex.lyapunov.tolist(), start=1))
    charts = [
        figure(
            chart(
                f"Mean of {slope} by step",
                f"It goes from {fixed(means[0])} to {fixed(means[-1])}.",
                [Line(f"mean {slope}", steps, means.tolist(), "line-1")],
                "step t",
                f"mean {slope}",
                y_range=(0.0, 1.0),
                size=SMALL,
            ),
            f"How open the units are: 1 lets everything back, 0 nothing ({slope} is the slope of "
            "f).",
            f"mean {slope}",
        ),
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
                    ("line-1", "∂h<sub>t</sub>/∂h<sub>t−1</sub>"),
                    (
                        "line-2",
                        "product ∂h<sub>T</sub>/∂h<sub>T−1</sub> … ∂h<sub>t</sub>/∂h<sub>t−1</sub>",
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
        f"Going back a step multiplies the error by a Jacobian: diag({slope}) times W. "
        "Many factors below 1 leave nothing. Many above 1 leave too much." + view.nothing_back,
        "A line at 1 (or 0, for exponents) means that an error keeps its length. "
        "Below it shrinks, above it grows.",
        math(
            "∂h_t//∂h_{t-1} = diag ( 1 - h_t^2 ) W"
            if ex.cell != "relu"
            else "∂h_t//∂h_{t-1} = diag ( f′ ) W",
            block=True,
        ),
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


# Panel 8


def truncated(view: View) -> str:
    """Panel 8: what is lost if the sum is cut k steps back."""
    ex = view.explanation
    rows = ex.truncation
    lags = [row["k"] for row in rows]
    errors = [row["relative_error"] for row in rows]
    angles = [row["angle_degrees"] for row in rows]
    shown = evenly(list(range(len(rows))), ROWS)
    told = [error for error in errors if np.isfinite(error) and error > 1e-10]
    floor = 10.0 ** np.floor(np.log10(min([*told, 0.009])))
    top = 10.0 ** np.ceil(np.log10(max([*told, 1.0])))
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
        "At the right end the sum is whole, and only rounding is left.",
        math("∑_t ∑_{t-k≤τ≤t} term ( t , τ )", block=True),
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
