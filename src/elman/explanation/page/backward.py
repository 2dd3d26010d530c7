"""Panels 5, 7 and 8: the ladder of dh/dW, why terms vanish or explode, and truncation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from elman.explanation.page.markup import (
    details,
    element,
    figure,
    fixed,
    math,
    panel,
    paragraph,
    question,
    number,
    table,
)
from elman.explanation.page.svg import Line, chart, drawing, label, legend, rectangle
from elman.explanation.page.view import ROWS, View, capped, evenly

if TYPE_CHECKING:
    from elman.explanation.explanation import Explanation

LAGS = 8  # bars of panel 5
SMALL = (330.0, 230.0)  # a chart, three to a row


# Panel 5


class Parts(NamedTuple):
    """The norms of dh_t/dW and its two parts."""

    explicit: float
    implicit: float
    total: float


def parts_of(explanation: Explanation, last: int) -> list[Parts]:
    """Measure dh_t/dW for t = 1 … last without a third-order tensor.

    dh_t/dW = Σ_τ P_τ ⊗ h_{τ-1} with P_τ = ∂h_t/∂h_{t-1} … ∂h_{τ+1}/∂h_τ diag(f'_τ), and the inner
    product of two such terms is that of their P times that of their h.
    """
    ex = explanation
    products = np.zeros((0, ex.H, ex.H))
    found = []
    for t in range(1, last + 1):
        own = np.diag(ex.derivative[t - 1])[None]
        products = np.concatenate([ex.jacobian(t) @ products, own])
        flat = products.reshape(t, -1)
        h = ex.h_previous[:t]
        gram = (flat @ flat.T) * (h @ h.T)
        sums = (gram[-1, -1], gram[:-1, :-1].sum(), gram.sum())
        found.append(Parts(*(float(np.sqrt(max(0.0, s))) for s in sums)))
    return found


def ladder(view: View) -> str:
    """Panel 5: explicit and implicit, and the switch that holds h_{t-1} constant."""
    ex = view.explanation
    H = ex.H
    cube = f"{H}×{H}×{H}"
    steps = parts_of(ex, min(ex.T, 5))
    rows = [
        [
            f"dh<sub>{t}</sub>/dW",
            number(p.explicit),
            number(p.implicit),
            number(p.total),
        ]
        for t, p in enumerate(steps, start=1)
    ]
    t = view.cell[0]
    held = ex.truncation[0]
    error, angle = held["relative_error"], held["angle_degrees"]
    said = (
        f"What is left of dL/dW is wrong by {fixed(100 * error, 1)} % of its norm, and points "
        f"{fixed(angle, 1)}° away."
        if np.isfinite(error)
        else "dL/dW is zero here, whatever is held."
    )
    switch = (
        '<input type="checkbox" id="hold"><label for="hold">Hold h<sub>t−1</sub> constant</label>'
        f'<p class="when-held">The implicit part is gone. {said} This is the mistake that a '
        "forgotten product rule makes.</p>"
        '<p class="when-free">Both parts count. Tick the box to see what is lost without the '
        "implicit one.</p>"
    )
    return panel(
        5,
        "The ladder",
        "N7",
        "h<sub>t</sub> depends on W twice: directly, and through h<sub>t−1</sub>, which depends on W too. "
        "The product rule gives a part for each.",
        "Read an equation from left to right. Each bracket goes one step further back. Under a "
        "factor stands its shape.",
        math(
            f"dh_t//dW::{cube} = ∂h_t//∂W::{cube} + ∂h_t//∂h_{{t-1}}::{H}×{H} "
            f"dh_{{t-1}}//dW::{cube}",
            block=True,
        ),
        paragraph(
            "The first part is <em>explicit</em>: h<sub>t−1</sub> held constant. The second is "
            "<em>implicit</em>. Written out for the first three losses:"
        ),
        '<div class="ladder">',
        math("dL_1//dW = dL_1//dŷ_1 dŷ_1//dh_1 ∂h_1//∂W", block=True),
        math("dL_2//dW = dL_2//dŷ_2 dŷ_2//dh_2 [ ∂h_2//∂W + ∂h_2//∂h_1 ∂h_1//∂W ]", block=True),
        math(
            "dL_3//dW = dL_3//dŷ_3 dŷ_3//dh_3 [ ∂h_3//∂W + ∂h_3//∂h_2 ( ∂h_2//∂W + ∂h_2//∂h_1 "
            "∂h_1//∂W ) ]",
            block=True,
        ),
        "</div>",
        element(
            "div",
            switch,
            figure(
                _shares_picture(view, t),
                f"The share of each term in dL<sub>{t}</sub>/dW. They add up to 1. "
                "A negative share works against the others.",
                "shares of the terms of one loss",
            ),
            table(
                "Norms of dh/dW and of its two parts. Without a state before the first, "
                "dh<sub>1</sub>/dW is zero.",
                ["", "‖explicit‖", '<span class="implicit-word">‖implicit‖</span>', "‖total‖"],
                rows,
            ),
            class_="switch",
        ),
        _ladder_table(view, t),
        question(
            "What shape is dh/dW?",
            f"h has {H} entries and W {H} × {H}. Each entry of h has a derivative by each of W: "
            f"{H} × {H} × {H} numbers, a third-order tensor. Nobody stores it. Multiplied from the left "
            "by the error δ, each explicit part shrinks to one outer product, δ h<sub>τ−1</sub>ᵀ.",
        ),
        question(
            "“Immediate” or total derivative?",
            "∂h<sub>t</sub>/∂W holds h<sub>t−1</sub> constant: the immediate, explicit part. dh<sub>t</sub>/dW does not: the total. "
            "The total is the explicit part plus ∂h<sub>t</sub>/∂h<sub>t−1</sub> times the total of the step before.",
        ),
        question(
            "Where does the product rule come in?",
            "In W h<sub>t−1</sub> both factors depend on W. Its derivative is that of W times h<sub>t−1</sub>, plus W "
            "times that of h<sub>t−1</sub>. Who leaves out the second part ticks the box above.",
        ),
    )


def _ladder_table(view: View, t: int) -> str:
    rows = view.explanation.ladder(t)
    shown = rows[:ROWS]
    return details(
        "The terms of one loss, factor by factor",
        table(
            f"dL<sub>{t}</sub>/dW, a term a row.{capped(len(shown), len(rows), 'terms')}",
            ["τ", "factors, with their shapes", "‖term‖", "share", ""],
            [
                [
                    str(row["tau"]),
                    _factors(row["factors"]),
                    number(row["norm"]),
                    fixed(row["share"]),
                    row["kind"],
                ]
                for row in shown
            ],
            class_="factors",
        ),
    )


def _factors(factors: list[dict[str, Any]]) -> str:
    written = [
        f"{subscripts(factor['name'])} <small>{factor['shape'][0]}"
        + "".join(f"×{n}" for n in factor["shape"][1:])
        + "</small>"
        for factor in factors
    ]
    if len(written) > 6:
        written[3:-2] = [f"… {len(written) - 5} more …"]
    return " · ".join(written)


def subscripts(name: str) -> str:
    """Write h_3 with its subscript; names of arrays keep their underscores."""
    return re.sub(r"(?<=[hLŷ])_(\d+)", r"<sub>\1</sub>", name)


def _shares_picture(view: View, t: int) -> str:
    rows = view.explanation.ladder(t)
    shown = rows if len(rows) <= LAGS + 1 else rows[:LAGS]
    bars = [(f"τ = {row['tau']}", row["share"], row["kind"]) for row in shown]
    if len(shown) < len(rows):
        rest = rows[len(shown) :]
        bars.append((f"τ ≤ {rest[0]['tau']}", sum(row["share"] for row in rest), "the rest"))
    shares = [share for _, share, _ in bars if np.isfinite(share)]
    low, high = min([0.0, *shares]), max([1e-9, *shares])
    left, right, high_bar, pitch = 76.0, 90.0, 20.0, 28.0
    wide = 420.0 / (high - low)
    zero = left - low * wide
    parts = []
    for i, (name, share, kind) in enumerate(bars):
        y = 6 + i * pitch
        part = "explicit" if i == 0 else "implicit"
        parts.append(label(0, y + 15, name, "row"))
        said = f"{name}, {part}, {kind}: share {fixed(share)}"
        length = abs(share) * wide if np.isfinite(share) else 0.0
        start = zero - length if share < 0 else zero
        parts.append(rectangle(start, y, max(length, 1.0), high_bar, f"share {part}", said))
        parts.append(
            label(max(start + length, zero) + 8, y + 15, fixed(share), f"value {part}-text")
        )
        if i == 0:
            parts.append(label(max(start + length, zero) + 66, y + 15, "explicit", "note"))
        elif i == 1:
            parts.append(
                label(max(start + length, zero) + 66, y + 15, "implicit, from here on", "note")
            )
    bottom = 6 + len(bars) * pitch
    parts.append(f'<path class="axisline" d="M{zero:.1f} 0V{bottom:.0f}"/>')
    return drawing(
        left + 420 + right + 130,
        bottom + 4,
        f"Shares of the terms of loss {t}",
        "Bars from the explicit term downwards; each says its share.",
        *parts,
    )


# Panel 7


def reasons(view: View) -> str:
    """Panel 7: slopes, singular values, Lyapunov exponents."""
    ex = view.explanation
    steps = list(range(1, ex.T + 1))
    slope = "f′" if ex.cell == "relu" else "1 − h²"
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
            f"How open the units are: 1 lets everything back, 0 nothing ({slope} is the slope of f).",
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
            "Finite-time Lyapunov exponents: the mean log growth per step along the fastest "
            "directions.",
            "Lyapunov exponents",
        ),
    ]
    return panel(
        7,
        "Why it vanishes or explodes",
        "N7",
        "Going back a step multiplies the error by a Jacobian: diag(1 − h²) times W. "
        "Many factors below 1 leave nothing. Many above 1 leave too much.",
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
    return panel(
        8,
        "Truncation",
        "N7",
        "Cut the sum k steps back, and training gets cheaper and the gradient wrong. "
        + (
            f"Here {enough} steps back leave an error of at most 1 %."
            if enough is not None
            else "Here no cut leaves an error of at most 1 %."
        ),
        "k = 0 keeps the explicit part alone. The further right, the more steps back are kept. "
        "At the right end the sum is whole, and only rounding is left.",
        math("∑_t ∑_{t-k≤τ≤t} term ( t , τ )", block=True),
        element(
            "div",
            figure(
                chart(
                    "Relative error by truncation",
                    "Falls as more steps are kept.",
                    [Line("relative error", lags, [max(e, floor) for e in errors], "line-1")],
                    "steps back, k",
                    "relative error",
                    logarithmic=True,
                    y_range=(floor, top),
                    reference=(0.01, "1 %"),
                ),
                "‖cut sum − dL/dW‖ / ‖dL/dW‖. A point on the floor is rounding alone, or nothing.",
                "relative error of the cut sum",
            ),
            figure(
                chart(
                    "Angle by truncation",
                    "Falls as more steps are kept.",
                    [Line("angle", lags, angles, "line-2")],
                    "steps back, k",
                    "angle to dL/dW (degrees)",
                    y_range=(0.0, max([90.0, *[a for a in angles if np.isfinite(a)]])),
                ),
                "The angle between the cut sum and dL/dW.",
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
            "Start at δ<sub>t,t</sub> and go back at most k times, for every loss on its own; then add the outer "
            "products. Cutting the sequence into pieces is something else: there a loss early in a "
            "piece goes back fewer steps than one late in it.",
        ),
    )
