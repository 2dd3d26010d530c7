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
from elman.explanation.page.view import ROWS, TANH, View, capped
from elman.explanation.slopes import explicit_parts
from elman.explanation.terms import size, sums_by_lag

LAGS = 8  # bars, at the most


class Parts(NamedTuple):
    """The norms of dh_t/dW and its two parts."""

    explicit: float
    implicit: float
    total: float


def parts_of(explanation: Numbers, last: int) -> list[Parts]:
    """Measure dh_t/dW for t = 1 … last without a third-order tensor.

    dh_t/dW = Σ_τ P_τ ⊗ h_{τ-1} with P_τ = ∂h_t/∂h_{t-1} … ∂h_{τ+1}/∂h_τ diag(f'_τ), and the inner
    product of two such terms is that of their P times that of their h. Of a cell with several
    states all go along, and the rows of h are measured.
    """
    ex = explanation
    part = explicit_parts(ex.equations, ex.partials[:last])  # (last, S H, G_h H)
    products = np.zeros((0, *part.shape[1:]))
    found = []
    for t in range(1, last + 1):
        products = np.concatenate([ex.jacobian(t) @ products, part[t - 1][None]])
        flat = products[:, : ex.H].reshape(t, -1)
        h = ex.h_previous[:t]
        gram = (flat @ flat.T) * (h @ h.T)
        sums = (gram[-1, -1], gram[:-1, :-1].sum(), gram.sum())
        found.append(Parts(*(float(np.sqrt(max(0.0, s))) for s in sums)))
    return found


def ladder(view: View) -> str:
    """Panel 5: explicit and implicit, and the switch that holds h_{t-1} constant."""
    ex = view.explanation
    H, n_rows = ex.H, ex.H if ex.W is None else len(ex.W)
    S, h = H * len(ex.states), view.states
    cube, whole = f"{H}×{n_rows}×{H}", f"{S}×{n_rows}×{H}"
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
    rungs = ex.ladder(t, ROWS)
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
        f"h<sub>t</sub> depends on W twice: directly, and through {h}<sub>t−1</sub>, which depends "
        "on W too. "
        "The product rule gives a part for each." + _unusual(view),
        "Read an equation from left to right. Each bracket goes one step further back. Under a "
        "factor stands its shape.",
        math(
            f"dh_t//dW::{cube} = ∂h_t//∂W::{cube} + ∂h_t//∂{h}_{{t-1}}::{H}×{S} · "
            f"d{h}_{{t-1}}//dW::{whole}",
            block=True,
        ),
        _first_step(view),
        paragraph(
            f"The first part is <em>explicit</em>: {h}<sub>t−1</sub> held constant. The second is "
            f"<em>implicit</em>. Written out for the first three {_rungs(view)}:"
        ),
        '<div class="ladder">',
        *(
            math(_up_to(view, t) + way, block=True)
            for t, way in [
                (1, f"∂{h}_1//∂W"),
                (2, f"[ ∂{h}_2//∂W + ∂{h}_2//∂{h}_1 · ∂{h}_1//∂W ]"),
                (
                    3,
                    f"[ ∂{h}_3//∂W + ∂{h}_3//∂{h}_2 · ( ∂{h}_2//∂W + ∂{h}_2//∂{h}_1 · ∂{h}_1//∂W ) ]",
                ),
            ]
        ),
        "</div>",
        *_all_rungs(view),
        _first_losses(view),
        element(
            "div",
            switch,
            '<div class="charts">',
            figure(
                _shares_picture(_bars(view, t), t) + _PARTS_KEY,
                f"The share of {_share_of(view)} in dL<sub>{t}</sub>/d{ex.of}. They add up to 1. "
                "A negative share works against the others.",
                "shares of the terms of one loss",
            ),
            table(
                "Norms of dh/dW and of its two parts. "
                + (
                    "The state before the first is learned, and does not depend on W."
                    if ex.h_0.any()
                    else "Without a state before the first, dh<sub>1</sub>/dW is zero."
                )
                + f"{capped(len(steps), ex.T, 'steps')}",
                ["", "‖explicit‖", '<span class="implicit-word">‖implicit‖</span>', "‖total‖"],
                rows,
            ),
            "</div>",
            class_="switch",
        ),
        _ladder_table(rungs, t, ex.of),
        question(
            "What shape is dh/dW?",
            f"h has {H} entries and W {n_rows} × {H}. Each entry of h has a derivative by each of W: "
            f"{H} × {n_rows} × {H} numbers, a third-order tensor. Nobody stores it. Multiplied from "
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
            "times that of h<sub>t−1</sub>. The box above shows what happens without the second part.",
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


def _rungs(view: View) -> str:
    return "steps" if view.explanation.readout.of_all_steps else "losses"


def _up_to(view: View, t: int) -> str:
    """Write what stands before dh_t/dW; of a loss that reads all steps, dh_t/dW alone."""
    if view.explanation.readout.of_all_steps:
        return f"d{view.states}_{t}//dW = "
    return f"dL_{t}//dW = dL_{t}//dŷ_{t} · dŷ_{t}//d{view.states}_{t} · "


def _all_rungs(view: View) -> list[str]:
    """Put the steps together that a loss reads."""
    ex = view.explanation
    if not ex.readout.of_all_steps:
        return []
    return [
        paragraph(
            "The loss reads several steps. Each that it reads has a ladder of its own down, and they "
            "add up; panel 4 says what ∂r<sub>t</sub>/∂h<sub>j</sub> is.",
            class_="before-math",
        ),
        math("dL_t//dW = dL_t//dŷ_t · dŷ_t//dr_t · ∑_{j≤t} ∂r_t//∂h_j · dh_j//dW", block=True),
    ]


def _share_of(view: View) -> str:
    if view.explanation.readout.of_all_steps:
        return "what goes k steps back from where the error enters, over all steps it enters,"
    return "each term"


def _bars(view: View, t: int) -> list[tuple[str, float, str]]:
    """Give the bars of the shares: a name, a share, and in words what it is; the explicit one first."""
    ex = view.explanation
    if not ex.readout.of_all_steps:
        kinds = ex.kinds_of_losses[ex.loss_row(t), :t].tolist()
        rungs = zip(range(1, t + 1), ex.shares(t).tolist(), kinds, strict=True)
        return [(f"τ = {tau}", share, kind) for tau, share, kind in rungs][::-1]
    whole = ex.delta_of.sum(axis=0).T @ ex.left
    largest = float(np.abs(whole).max()) or 1.0
    whole = whole / largest
    square = float((whole * whole).sum()) or float("nan")
    by_lag = sums_by_lag(ex.delta_by_entry_of, ex.left, ex.entries)
    return [
        (f"k = {k}", float((part / largest * whole).sum()) / square, "over all entries")
        for k, part in enumerate(by_lag)
    ]


def _first_step(view: View) -> str:
    ex = view.explanation
    if ex.plain:
        inside = "( U x_1 + W h_0 )"
        slope = f"1 - tanh^2 {inside}" if ex.cell in TANH else f"f′ {inside}"
        return math(f"dh_1//dW = h_0 ( {slope} )", block=True)
    more = ""
    if len(ex.states) > 1:
        names = " and ".join(f"<em>{name}</em>" for name in ex.states)
        more = f" {view.states} stands for {names}, one under another: each depends on W."
    return paragraph(
        f"W has {ex.delta_of.shape[2] // ex.H} × {ex.H} rows, {ex.H} for each gate that reads "
        f"h<sub>t−1</sub>: {', '.join(view.delta_gates)}.{more}"
        if ex.W is not None
        else f"This layer has no W.{more}"
    )


def _first_losses(view: View) -> str:
    """Put numbers to the equations of the first three losses, or of the only one."""
    ex = view.explanation
    if ex.readout.of_all_steps:
        return _two_parts(view)
    losses = [t for t in (1, 2, 3) if t in ex.answering] or ex.answering[-1:]
    n_back = min(max(losses), 3)
    back = ["τ = t", "τ = t − 1", "τ = t − 2"][:n_back]
    rows = []
    for t in losses:
        norms = ex.norms_of_losses[ex.loss_row(t)]
        terms = [number(norms[t - 1 - k]) if k < t else "" for k in range(n_back)]
        output_signal = float(size(ex.V.T @ ex.output_error[t - 1]))
        whole = ex.delta_of[ex.loss_row(t), :t].T @ ex.left[:t]
        rows.append(
            [
                f"dL<sub>{t}</sub>/d{ex.of}",
                number(output_signal),
                *terms,
                number(float(size(whole.ravel()))),
            ]
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


def _two_parts(view: View) -> str:
    """Put numbers to the two parts of a loss that reads all steps."""
    ex = view.explanation
    t = ex.answering[-1]
    output_signal = float(size(ex.V.T @ ex.output_error[t - 1]))
    whole = ex.delta_of[ex.loss_row(t), :t].T @ ex.left[:t]
    explicit = next(iter(sums_by_lag(ex.delta_by_entry_of, ex.left, ex.entries)))
    norms = [float(size(part.ravel())) for part in (explicit, whole - explicit, whole)]
    return table(
        "Its numbers: the norm of what the loss says of r, and of dL/d"
        f"{ex.of} and its two parts. The explicit one holds {view.left_html} constant at each step "
        "that is read. The parts point in different directions, so that norms do not add up.",
        ["", "‖dL/dŷ · dŷ/dr‖", "‖explicit‖", "‖implicit‖", f"‖dL<sub>t</sub>/d{ex.of}‖"],
        [[f"dL<sub>{t}</sub>/d{ex.of}", number(output_signal), *map(number, norms)]],
    )


def _ladder_table(rows: list[dict[str, Any]], t: int, of: str) -> str:
    return details(
        "The terms of one loss, factor by factor",
        table(
            f"dL<sub>{t}</sub>/d{of}, a term a row.{capped(len(rows), t, 'terms')}",
            ["τ", "factors, with their shapes", "‖term‖", "share", ""],
            [
                [
                    str(row["tau"]),
                    _factors(row["factors"]),
                    number(row["norm"]),
                    fixed(row["share"]),
                    row["kind"],
                ]
                for row in rows
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
    return re.sub(r"(?<=[hLŷrx)])_(\d+)", r"<sub>\1</sub>", name)


_PARTS_KEY = (
    '<ul class="legend">'
    '<li><svg width="22" height="14" aria-hidden="true"><rect class="share explicit" '
    'width="22" height="14"/></svg><span>explicit</span></li>'
    '<li><svg width="22" height="14" aria-hidden="true"><rect class="share implicit" '
    'width="22" height="14"/></svg><span>implicit</span></li></ul>'
)


def _shares_picture(rows: list[tuple[str, float, str]], t: int) -> str:
    bars = rows if len(rows) <= LAGS + 1 else rows[:LAGS]
    if len(bars) < len(rows):
        rest = rows[len(bars) :]
        name = rest[0][0].replace("τ =", "τ ≤").replace("k =", "k ≥")
        bars = [*bars, (name, sum(share for _, share, _ in rest), "the rest")]
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
