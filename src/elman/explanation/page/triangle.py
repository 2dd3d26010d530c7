"""Panel 6: the gradient triangle, a cell a term, and the outer product of the chosen one."""

from __future__ import annotations

import math as m
from collections import Counter
from collections.abc import Callable

import numpy as np

from elman._typing import Array
from elman.explanation.page.colours import diverging, sequential
from elman.explanation.page.markup import (
    count,
    details,
    element,
    figure,
    math,
    number,
    panel,
    paragraph,
    question,
    table,
)
from elman.explanation.page.svg import cell, drawing, key, label, power_of_ten, rectangle, row
from elman.explanation.page.view import MATRIX, View, capped, evenly, strongest
from elman.explanation.terms import size

DECADES = 8.0  # that the colours span, at the most

KINDS = {
    "live": "live: it counts",
    "structural": "structural: zero by construction",
    "saturated": "saturated: f′ is near 0 on the way, or ŷ is y",
    "vanished": "vanished: the product shrank little by little",
    "unread": "unread: the output reads no unit at this step or later",
}


def gradient_triangle(view: View) -> str:
    """Panel 6."""
    ex = view.explanation
    n_terms = len(view.cells)
    kinds = Counter(str(ex.kinds_of_losses[ex.loss_row(t), tau - 1]) for t, tau in view.cells)
    said = ", ".join(f"{kinds[kind]} {kind}" for kind in KINDS if kinds[kind])
    some = capped(n_terms, ex.n_terms, "terms") if _left_out(view) else ""
    return panel(
        6,
        "The gradient triangle",
        "N7, N8",
        _lead(view),
        "A row is a loss t, a column a step τ. The darker (in the dark: the brighter), the larger "
        "the term, on a logarithmic scale. Patterns mark "
        f"{'four' if ex.readout.of_all_steps else 'three'} kinds of nothing. Choose a cell by "
        "mouse, or by the arrow keys.",
        math(
            f"dL_t//d{ex.of} = ∑_{{τ≤t}} term ( t , τ ) = ∑_{{τ≤t}} δ_{{t,τ}} {view.left_math}^T",
            block=True,
        ),
        *_product(view),
        paragraph(
            "The same holds for U, with x<sub>τ</sub> in the place of h<sub>τ−1</sub>: the sizes of "
            "its terms are below, and panel 9 has its sums."
        )
        if ex.W is not None
        else "",
        figure(
            _picture(view),
            f"‖term(t, τ)‖ of {count(n_terms, 'term')}: {said}.{some}",
            "the gradient triangle",
        ),
        _kinds_key(view),
        _chosen(view),
        details("Numbers of all terms", _norms(view)),
        details("Numbers of the terms of U", _norms_of_U(view)) if ex.W is not None else "",
        question(
            "Why a sum over time?",
            "There is one W, used at every step. A change of W changes every step's state, and "
            "each of "
            "these changes reaches the loss. Their effects add up, a term each.",
        ),
        question(
            "How does the final expression come out?",
            _carried_back(view) + " At each step multiply "
            "by what W met there, "
            "h<sub>τ−1</sub>ᵀ. Summed over t first, δ<sub>τ</sub> goes back once and not T "
            "times: that is N8's "
            "“what later steps send back”.",
        ),
        question(
            "W or Wᵀ?",
            "Forward, W takes h<sub>t−1</sub> to step t. Backward, the error of step t has to "
            "come to t − 1: the "
            "same connections the other way round, which is Wᵀ. Shapes do not warn you, as W is "
            "square; "
            "a gradient check does.",
        ),
    )


def _carried_back(view: View) -> str:
    """Say how δ goes back, in words and letters."""
    ex = view.explanation
    if ex.readout.of_all_steps:
        return (
            "Carry the error of what is read back: at each step it enters as panel 4 shows, and is "
            "added to what comes from the step after, by Wᵀ and past it. The slope of the cell makes δ "
            "of that."
        )
    if not ex.plain:
        return (
            "Carry the output error back: the error of the states is multiplied by the slope of the "
            "states by each gate, which gives δ<sub>t,t</sub>, gate under gate. One step further back, "
            "Wᵀδ<sub>t,τ+1</sub> arrives, and what goes from a state to the state before without W."
        )
    slope = "f′<sub>{}</sub>" if view.slope == "f′" else "(1 − h<sub>{}</sub>²)"
    return (
        f"Carry the output error back: δ<sub>t,t</sub> = Vᵀ{view.error_html} ⊙ "
        f"{slope.format('t')}, and a step further "
        f"δ<sub>t,τ</sub> = Wᵀδ<sub>t,τ+1</sub> ⊙ {slope.format('τ')}."
    )


def _product(view: View) -> list[str]:
    """Write a term as N7's product; in a lower layer errors come by more ways than this one."""
    ex = view.explanation
    if ex.W is None or ex.layer < len(ex.architecture.hidden):
        return []
    h = view.states
    if ex.readout.of_all_steps:
        read = f"∑_{{j≥τ}} ∂r_t//∂h_j · dh_j//d{h}_τ"
        return [
            math(f"term ( t , τ ) = dL_t//dŷ_t · dŷ_t//dr_t · ( {read} ) · ∂{h}_τ//∂W", block=True)
        ]
    factors = f"dL_t//dŷ_t · dŷ_t//d{h}_t · ( ∏_{{j=τ+1}}^t ∂{h}_j//∂{h}_{{j-1}} ) · ∂{h}_τ//∂W"
    return [math(f"term ( t , τ ) = {factors}", block=True)]


def _lead(view: View) -> str:
    ex = view.explanation
    lead = f"One cell is one term: what loss t says about {ex.of} by way of step τ. "
    if len(ex.answering) == 1:
        t = ex.answering[0]
        lead += f"Only L<sub>{t}</sub> counts here, so that the triangle has one row. "
    else:
        lead += "The row of a loss has as many cells as steps led to it. "
    lead += f"All cells together are dL/d{ex.of}."
    if len(view.delta_gates) > 1:
        lead += (
            f" δ holds the errors of the gates {', '.join(view.delta_gates)}, one under another."
        )
    if ex.W is None:
        lead += " This layer has no W: the terms are those of U." + view.nothing_back
    elif ex.layer < len(ex.architecture.hidden):
        lead += " Errors reach this layer through time and from the layer above; δ holds both."
    return lead


def _left_out(view: View) -> bool:
    ex = view.explanation
    return len(view.answering) < len(ex.answering) or len(view.steps) < ex.T


def log_range(view: View) -> tuple[float, float]:
    """Give the powers of ten that the colours span."""
    norms = view.explanation.norms_of_losses
    logs = np.log10(norms[np.nan_to_num(norms) > 0])
    if not len(logs):
        return -1.0, 0.0
    high = m.ceil(float(logs.max()))
    return max(float(m.floor(float(logs.min()))), high - DECADES), float(high)


def share_of(norm: float, low: float, high: float) -> float:
    """Place a norm between two powers of ten, for its colour; NaN, no term, stays NaN."""
    if norm == 0:
        return 0.0
    return (m.log10(norm) - low) / (high - low or 1.0)


def _picture(view: View) -> str:
    ex, rows, columns = view.explanation, view.answering, view.steps
    low, high = log_range(view)
    size, tall = view.sizes["triangle"]
    left, top = 64.0, 26.0
    proved = {(c.t, c.tau): c.passed for c in ex.checks_ or []}
    row_of = {t: i for i, t in enumerate(rows)}
    column_of = {tau: i for i, tau in enumerate(columns)}
    sparse = len(columns) > 32
    parts = [
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect class="s0" width="6" height="6"/>'
        '<path class="ink" d="M0 0V6"/></pattern>'
        '<pattern id="dots" width="5" height="5" patternUnits="userSpaceOnUse">'
        '<rect class="s0" width="5" height="5"/>'
        '<circle class="inkdot" cx="2.5" cy="2.5" r="1.25"/></pattern>'
        '<pattern id="lines" width="7" height="6" patternUnits="userSpaceOnUse">'
        '<rect class="s0" width="7" height="6"/><path class="ink" d="M0 3H7"/></pattern></defs>',
        label(left, 11, "step τ →", "axis"),
        label(0, 11, "loss t ↓", "axis"),
    ]
    bottom = top + len(rows) * tall
    for tau, i in column_of.items():
        if not sparse or i % 5 == 0 or i + 1 == len(columns):
            parts.append(label(left + i * size + size / 2, bottom + 15, str(tau), "tick", "middle"))
    for t, i in row_of.items():
        if not sparse or i % 5 == 0 or i + 1 == len(rows) or len(rows) < 12:
            parts.append(label(left - 8, top + i * tall + tall / 2 + 4, str(t), "tick", "end"))
    grouped: dict[int, list[str]] = {t: [] for t in rows}
    for t, tau in view.cells:
        norm, kind = (
            float(ex.norms_of_losses[ex.loss_row(t), tau - 1]),
            str(ex.kinds_of_losses[ex.loss_row(t), tau - 1]),
        )
        words = f"t = {t}, τ = {tau}: {number(norm)}, {kind}"
        failed = proved.get((t, tau)) is False
        if (t, tau) in proved:
            words += ", proof failed" if failed else ", proved"
        colour = sequential(share_of(norm, low, high)) if kind == "live" else kind
        chosen = (t, tau) == view.cell
        state = ' tabindex="0" aria-selected="true"' if chosen else ""
        grouped[t].append(
            f'<rect x="{left + column_of[tau] * size:.1f}" class="{colour}{" failed" * failed}" '
            f'role="gridcell"{state}><title>{words}</title></rect>'
        )
        if failed:
            parts.append(
                label(
                    left + (column_of[tau] + 0.5) * size,
                    top + (row_of[t] + 0.5) * tall + 4,
                    "✗",
                    "cross",
                    "middle",
                )
            )
    lines = "".join(
        f'<g role="row" transform="translate(0 {top + row_of[t] * tall:.1f})">{"".join(cells)}</g>'
        for t, cells in grouped.items()
    )
    marked = rectangle(
        left + column_of[view.cell[1]] * size,
        top + row_of[view.cell[0]] * tall,
        size - 1,
        tall - 1,
        "marker",
    )
    inside = (
        '<g id="triangle"><g role="grid" aria-label="Terms: losses down, steps across">'
        f'{lines}</g><g aria-hidden="true">{marked}</g></g>'
    )
    place = left if len(rows) < 4 else left + size * len(columns) - 200
    place_y = bottom + 30 if len(rows) < 4 else top
    colours = label(place, place_y + 8, "‖term(t, τ)‖", "axis") + key(
        place, place_y + 16, power_of_ten(round(low)), power_of_ten(round(high))
    )
    return drawing(
        left + size * len(columns) + 10,
        max(bottom + 24, place_y + 50),
        "The gradient triangle",
        f"{len(rows)} losses down, {len(columns)} steps across. Each cell says its number.",
        inside,
        *parts,
        colours,
        class_="wide interactive",
    )


def _kinds_key(view: View) -> str:
    items = "".join(
        f'<li><svg width="22" height="16" aria-hidden="true"><rect class="'
        f'{sequential(0.7) if kind == "live" else kind}" x="1" y="1" width="20" height="14"/></svg>'
        f"<span><b>{words.split(':')[0]}</b>:{_of_cell(view, words.split(':')[1])}</span></li>"
        for kind, words in KINDS.items()
        if kind != "unread" or view.explanation.readout.of_all_steps
    )
    return f'<ul class="legend kinds">{items}</ul>'


def _of_cell(view: View, words: str) -> str:
    shut = f"{view.slope} is near 0" if view.explanation.plain else "units are shut"
    return words.replace("f′ is near 0", shut)


def describe(view: View, t: int, tau: int) -> str:
    """Say what a term is, as the script does for the one that is chosen."""
    ex = view.explanation
    delta, met = float(size(ex.delta_of[ex.loss_row(t), tau - 1])), float(size(ex.left[tau - 1]))
    name = f"h<sub>{tau - 1}</sub>" if ex.of == "W" else f"x<sub>{tau}</sub>"
    norm, kind = (
        float(ex.norms_of_losses[ex.loss_row(t), tau - 1]),
        str(ex.kinds_of_losses[ex.loss_row(t), tau - 1]),
    )
    return (
        f"<b>term({t}, {tau})</b>: loss {t} by way of step {tau}. ‖δ‖ = {number(delta)}, "
        f"‖{name}‖ = {number(met)}, ‖term‖ = {number(norm)}: {kind}."
    )


def _chosen(view: View) -> str:
    ex = view.explanation
    t, tau = view.cell
    delta, met = ex.delta_of[ex.loss_row(t), tau - 1], ex.left[tau - 1]
    rows, columns = strongest(delta, MATRIX), strongest(met, MATRIX)
    name = "h" if ex.of == "W" else "x"
    cut = ""
    if max(len(delta), len(met)) > MATRIX:
        cut = (
            f" The {len(rows)} of {len(delta)} rows with the largest |δ| and the {len(columns)} of "
            f"{len(met)} columns with the largest |{name}| are shown."
        )
    heading = element("h3", "The chosen term")
    output = f'<p id="chosen" role="status" aria-live="polite">{describe(view, t, tau)}</p>'
    return element(
        "div",
        heading,
        output,
        figure(
            _outer_picture(view, delta, met, rows, columns),
            f"δ<sub>t,τ</sub> down, {view.left_html} across, and each product δ<sub>i</sub> "
            f"{name}<sub>j</sub>. "
            "Blue is negative, orange positive; a full colour is the largest of each." + cut,
            "the outer product of the chosen term",
        ),
        details(
            "Numbers of the chosen term",
            table(
                f"δ<sub>i</sub> {name}<sub>j</sub>: row i, column j.{cut}",
                ["i \\ j", *(str(j + 1) for j in columns)],
                [
                    [view.entry(i), *(number(float(delta[i] * met[j])) for j in columns)]
                    for i in rows
                ],
                class_="outer",
            ),
        ),
        id="outer",
        class_="chosen",
    )


def _outer_picture(
    view: View, delta: Array, met: Array, rows: list[int], columns: list[int]
) -> str:
    pitch, _ = view.sizes["outer"]
    name = "h" if view.explanation.of == "W" else "x"
    several = len(view.delta_gates) > 1
    left, top, away = 58.0 if several else 26.0, 44.0, 8.0
    x, y = left + pitch + away, top + pitch + away

    def cells(values: Array, x: float, y: float, title: Callable[[int, int], str]) -> str:
        full = float(np.abs(values).max()) or 1.0
        return "".join(
            row(
                y + i * pitch,
                "".join(
                    cell(x + j * pitch, diverging(value / full), f"{title(i, j)}: {number(value)}")
                    for j, value in enumerate(line)
                ),
            )
            for i, line in enumerate(values.tolist())
        )

    names = "".join(
        label(left - 6, y + (i + 0.5) * pitch + 4, view.entry(row_i), "tick", "end")
        for i, row_i in enumerate(rows if several else [])
    )
    d, g = delta[rows], met[columns]
    left_column = cells(d[:, None], left, y, lambda i, _: f"δ, unit {view.entry(rows[i])}")
    top_row = cells(g[None], x, top, lambda _, j: f"{name}, entry {columns[j] + 1}")
    products = cells(
        np.outer(d, g), x, y, lambda i, j: f"row {view.entry(rows[i])}, column {columns[j] + 1}"
    )
    return drawing(
        x + len(columns) * pitch + 4,
        y + len(rows) * pitch + 4,
        "The outer product of the chosen term",
        f"A column for δ, a row for {name}, and a matrix of their products.",
        label(left - 26 if not several else left, y - 14 if several else y + 13, "δ", "axis"),
        label(x, top - 8, f"{name}ᵀ", "axis"),
        f'<g class="outer-names">{names}</g>' if several else "",
        f'<g class="outer-delta">{left_column}</g><g class="outer-h">{top_row}</g>',
        f'<g class="outer-products">{products}</g>',
        class_="drawing",
    )


def _norms(view: View) -> str:
    ex = view.explanation
    short = {kind: f" ({kind})" for kind in KINDS if kind != "live"}
    rows = []
    for tau in view.steps:
        cells = []
        for t in view.answering:
            if tau > t:
                cells.append("")
            else:
                kind = str(ex.kinds_of_losses[ex.loss_row(t), tau - 1])
                cells.append(
                    number(float(ex.norms_of_losses[ex.loss_row(t), tau - 1])) + short.get(kind, "")
                )
        rows.append([f"τ = {tau}", *cells])
    return table(
        "‖term(t, τ)‖: a column a loss, a row a step. An empty cell is no term: a loss says "
        "nothing "
        f"of later steps.{capped(len(view.cells), ex.n_terms, 'terms')}",
        ["", *(f"t = {t}" for t in view.answering)],
        rows,
    )


def _norms_of_U(view: View) -> str:
    """The same of U: δ of the gates that read x, beside x_τ."""
    ex = view.explanation
    losses, steps = evenly(view.answering, MATRIX), evenly(view.steps, MATRIX)
    sizes, met = size(ex.delta_of_gates("x")), size(ex.inputs)  # (A, T), (T,)
    rows = [
        [
            f"τ = {tau}",
            *(
                number(float(sizes[ex.loss_row(t), tau - 1] * met[tau - 1])) if tau <= t else ""
                for t in losses
            ),
        ]
        for tau in steps
    ]
    return table(
        "‖δ<sub>t,τ</sub> x<sub>τ</sub>ᵀ‖: a column a loss, a row a step."
        + capped(sum(tau <= t for t in losses for tau in steps), ex.n_terms, "terms"),
        ["of U", *(f"t = {t}" for t in losses)],
        rows,
    )
