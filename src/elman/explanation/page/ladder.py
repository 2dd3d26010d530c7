"""Panel 5: the ladder of dh/dW, explicit and implicit."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from elman.explanation.numbers import Numbers
from elman.explanation.page.markup import (
    details,
    element,
    figure,
    fixed,
    math,
    number,
    panel,
    paragraph,
    question,
    table,
)
from elman.explanation.page.svg import drawing, label, rectangle
from elman.explanation.page.view import ROWS, View, capped
from elman.explanation.terms import size

LAGS = 8  # bars, at the most


class Parts(NamedTuple):
    """The norms of dh_t/dW and its two parts."""

    explicit: float
    implicit: float
    total: float


def parts_of(explanation: Numbers, last: int) -> list[Parts]:
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
    rungs = ex.ladder(t)
    error, angle = ex.held
    if ex.W is None:
        lost = "This layer has no W, so that nothing is lost here."
    else:
        said = (
            f"What is left of dL/dW is wrong by {fixed(100 * error, 1)} % of its norm, and points "
            f"{fixed(angle, 1)}° away."
            if np.isfinite(error)
            else "dL/dW is zero here, whatever is held."
        )
        lost = f"{said} This is the mistake that a forgotten product rule makes."
    switch = (
        '<input type="checkbox" id="hold"><label for="hold">Hold h<sub>t−1</sub> constant</label>'
        f'<p class="when-held">The implicit part is gone. {lost}</p>'
        '<p class="when-free">Both parts count. Tick the box to see what is lost without the '
        "implicit one.</p>"
    )
    return panel(
        5,
        "The ladder",
        "N7",
        "h<sub>t</sub> depends on W twice: directly, and through h<sub>t−1</sub>, which depends "
        "on W too. "
        "The product rule gives a part for each." + _unusual(view),
        "Read an equation from left to right. Each bracket goes one step further back. Under a "
        "factor stands its shape.",
        math(
            f"dh_t//dW::{cube} = ∂h_t//∂W::{cube} + ∂h_t//∂h_{{t-1}}::{H}×{H} · "
            f"dh_{{t-1}}//dW::{cube}",
            block=True,
        ),
        math(f"dh_1//dW = h_0 ( {_first_slope(ex.cell)} )", block=True),
        paragraph(
            "The first part is <em>explicit</em>: h<sub>t−1</sub> held constant. The second is "
            "<em>implicit</em>. Written out for the first three losses:"
        ),
        '<div class="ladder">',
        math("dL_1//dW = dL_1//dŷ_1 · dŷ_1//dh_1 · ∂h_1//∂W", block=True),
        math(
            "dL_2//dW = dL_2//dŷ_2 · dŷ_2//dh_2 · [ ∂h_2//∂W + ∂h_2//∂h_1 · ∂h_1//∂W ]", block=True
        ),
        math(
            "dL_3//dW = dL_3//dŷ_3 · dŷ_3//dh_3 · "
            "[ ∂h_3//∂W + ∂h_3//∂h_2 · ( ∂h_2//∂W + ∂h_2//∂h_1 · ∂h_1//∂W ) ]",
            block=True,
        ),
        "</div>",
        _first_losses(view),
        element(
            "div",
            switch,
            '<div class="charts">',
            figure(
                _shares_picture(rungs, t) + _PARTS_KEY,
                f"The share of each term in dL<sub>{t}</sub>/d{ex.of}. They add up to 1. "
                "A negative share works against the others.",
                "shares of the terms of one loss",
            ),
            table(
                "Norms of dh/dW and of its two parts. Without a state before the first, "
                f"dh<sub>1</sub>/dW is zero.{capped(len(steps), ex.T, 'steps')}",
                ["", "‖explicit‖", '<span class="implicit-word">‖implicit‖</span>', "‖total‖"],
                rows,
            ),
            "</div>",
            class_="switch",
        ),
        _ladder_table(rungs, t, ex.of),
        question(
            "What shape is dh/dW?",
            f"h has {H} entries and W {H} × {H}. Each entry of h has a derivative by each of W: "
            f"{H} × {H} × {H} numbers, a third-order tensor. Nobody stores it. Multiplied from "
            "the left "
            "by the error δ, each explicit part shrinks to one outer product, δ h<sub>τ−1</sub>ᵀ.",
        ),
        question(
            "“Immediate” or total derivative?",
            "∂h<sub>t</sub>/∂W holds h<sub>t−1</sub> constant: the immediate, explicit part. "
            "dh<sub>t</sub>/dW does not: the total. "
            "The total is the explicit part plus ∂h<sub>t</sub>/∂h<sub>t−1</sub> times the total "
            "of the step before.",
        ),
        question(
            "Where does the product rule come in?",
            "In W h<sub>t−1</sub> both factors depend on W. Its derivative is that of W times "
            "h<sub>t−1</sub>, plus W "
            "times that of h<sub>t−1</sub>. Who leaves out the second part ticks the box above.",
        ),
    )


def _unusual(view: View) -> str:
    ex = view.explanation
    if ex.W is None:
        return (
            " This layer has no W: h<sub>t</sub> depends on U alone, once at each step, and the "
            "equations are those of a layer that has one."
        )
    if ex.layer < len(ex.architecture.hidden):
        return (
            " Below the top layer, errors also come down through the layers above, at each step; the "
            "equations of the losses are the top layer's."
        )
    return view.nothing_back


def _first_slope(cell: str) -> str:
    inside = "( U x_1 + W h_0 )"
    return f"f′ {inside}" if cell == "relu" else f"1 - tanh^2 {inside}"


def _first_losses(view: View) -> str:
    """Put numbers to the equations of the first three losses, or of the only one."""
    ex = view.explanation
    losses = [t for t in (1, 2, 3) if t in ex.answering] or ex.answering[-1:]
    n_back = min(max(losses), 3)
    back = ["τ = t", "τ = t − 1", "τ = t − 2"][:n_back]
    rows = []
    for t in losses:
        terms = [number(ex.norms[t - 1, t - 1 - k]) if k < t else "" for k in range(n_back)]
        told = float(size(ex.V.T @ ex.output_error[t - 1]))
        whole = ex.delta[t - 1, :t].T @ ex.left[:t]
        rows.append(
            [f"dL<sub>{t}</sub>/d{ex.of}", number(told), *terms, number(float(size(whole.ravel())))]
        )
    only = (
        ""
        if losses[0] <= 3
        else f" L<sub>{losses[0]}</sub> is the only loss here, and goes on to τ = 1."
    )
    return table(
        "Their numbers: ‖dL<sub>t</sub>/dŷ<sub>t</sub> · dŷ<sub>t</sub>/dh<sub>t</sub>‖, the "
        "norm of each term, the explicit one first, and of their sum. Terms point in different "
        f"directions, so that norms do not add up.{only}",
        [
            "",
            "‖dL/dŷ · dŷ/dh‖",
            *(f"‖term(t, τ)‖, {name}" for name in back),
            f"‖dL<sub>t</sub>/d{ex.of}‖",
        ],
        rows,
    )


def _ladder_table(rows: list[dict[str, Any]], t: int, of: str) -> str:
    shown = rows[:ROWS]
    return details(
        "The terms of one loss, factor by factor",
        table(
            f"dL<sub>{t}</sub>/d{of}, a term a row.{capped(len(shown), len(rows), 'terms')}",
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
    return re.sub(r"(?<=[hLŷx])_(\d+)", r"<sub>\1</sub>", name)


_PARTS_KEY = (
    '<ul class="legend">'
    '<li><svg width="22" height="14" aria-hidden="true"><rect class="share explicit" '
    'width="22" height="14"/></svg><span>explicit</span></li>'
    '<li><svg width="22" height="14" aria-hidden="true"><rect class="share implicit" '
    'width="22" height="14"/></svg><span>implicit</span></li></ul>'
)


def _shares_picture(rows: list[dict[str, Any]], t: int) -> str:
    shown = rows if len(rows) <= LAGS + 1 else rows[:LAGS]
    bars = [(f"τ = {row['tau']}", row["share"], row["kind"]) for row in shown]
    if len(shown) < len(rows):
        rest = rows[len(shown) :]
        bars.append((f"τ ≤ {rest[0]['tau']}", sum(row["share"] for row in rest), "the rest"))
    shares = [share for _, share, _ in bars if np.isfinite(share)]
    low, high = min([0.0, *shares]), max([1e-9, *shares])
    left, wide_bar, high_bar, pitch = 66.0, 300.0, 20.0, 28.0
    wide = wide_bar / (high - low)
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
    bottom = 6 + len(bars) * pitch
    parts.append(f'<path class="axisline" d="M{zero:.1f} 0V{bottom:.0f}"/>')
    return drawing(
        left + wide_bar + 74,
        bottom + 4,
        f"Shares of the terms of loss {t}",
        "Bars from the explicit term downwards; each says its share.",
        *parts,
    )
