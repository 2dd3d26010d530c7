"""Panel 0: what was explained, and whether it holds."""

from __future__ import annotations

from html import escape

from elman._typing import IntArray
from elman.data.frontend import numbered
from elman.explanation.arrays import name_of
from elman.explanation.page.markup import (
    count,
    element,
    math,
    number,
    paragraph,
    question,
    small,
    text,
)
from elman.explanation.page.reads import fact
from elman.explanation.page.view import View

MOST = 9
"""So many features are named."""


def verdict(view: View) -> str:
    """Panel 0."""
    ex = view.explanation
    facts = [
        ("Sequence", f"{count(ex.T, 'step')} of {count(ex.x.shape[1], 'feature')}", "T × D"),
        *_features(view),
        ("Network", _network(view), "H, cells"),
        *fact(view),
        ("Seed", "none given" if ex.seed is None else f"{ex.seed}", "the model's random_state"),
        *_wanted(view),
        ("Parameters", f"{len(ex.parameters.vector):,}", "entries of U, W, V, …"),
        ("Terms", f"{ex.n_terms:,}", f"of dL/d{ex.of}"),
        ("Loss", number(ex.loss, 7), "L, the sum of all L<sub>t</sub>"),
    ]
    items = "".join(
        f"<div><dt>{name} <span>{note}</span></dt><dd>{value}</dd></div>"
        for name, value, note in facts
    )
    return element(
        "section",
        '<p class="eyebrow">Panel 0 · the verdict</p>'
        '<h1 id="title-0">Every term of one gradient</h1>',
        paragraph(text(ex.title), class_="subtitle"),
        _proofs(view),
        _directions(view),
        paragraph(text(ex.verdict), class_="lead"),
        f'<dl class="facts">{items}</dl>',
        paragraph(
            "<b>How to read this page.</b> Panels 1 to 4 go forward, from the sequence to the "
            "loss. "
            "Panels 5 to 8 go back through time. Panels 9 to 11 learn from it, prove it, and hand "
            "over the numbers. Letters and numbers N1 to N8 are those of the derivation. "
            "Steps count from 1.",
            class_="reading",
        ),
        paragraph("All of it is one sum: ", class_="before-math"),
        math(f"dL//d{ex.of} = ∑_t ∑_{{τ≤t}} term ( t , τ )", block=True),
        math(f"term ( t , τ ) = δ_{{t,τ}} {view.left_math}^T", block=True),
        paragraph(
            "δ<sub>t,τ</sub> is the error of loss t, carried back to step τ. "
            f"{view.left_html} is the {'state' if ex.of == 'W' else 'input'} that {ex.of} met at "
            "step τ."
        ),
        question(
            "Why a sum, and no average over the steps?",
            "The notes add the losses up: L = L₁ + … + L<sub>T</sub> (N3). So the gradients add "
            "up too. "
            "An average divides L and every gradient by the same number; mix the two, and a "
            "gradient "
            "check is wrong by exactly that factor. This page sums throughout.",
        ),
        id="panel-0",
        class_="panel",
        aria_labelledby="title-0",
    )


def _directions(view: View) -> str:
    """Say which direction of a bidirectional network this is, and what is left out."""
    ex = view.explanation
    if ex.offset is None:
        return ""
    order = (
        "Its steps go from the sequence's last to its first, and are counted so: step 1 is the last. "
        if ex.reverse
        else ""
    )
    other = "forward" if ex.reverse else "reverse"
    again = "without <code>reverse</code>" if ex.reverse else "with <code>reverse=True</code>"
    return paragraph(
        "<b>One direction of two.</b> This page explains the "
        f"{'reverse' if ex.reverse else 'forward'} layer alone. {order}The {other} one adds a vector "
        "o<sub>t</sub> to each y_unactivated, which does not depend on this one's U, W and b; it has "
        f"a page of its own, {again}. V and its update "
        "are those of the columns that read this layer."
    )


def _proofs(view: View) -> str:
    ex = view.explanation
    if ex.n_proved is None or ex.worst_error is None:
        return paragraph("<b>Not checked.</b> The proofs were left out.", class_="status unchecked")
    worst, sums = (  # not broken after e-
        element("span", small(error), class_="whole") for error in (ex.worst_error, ex.sum_error)
    )
    said = f"{ex.n_proved:,} of {count(ex.n_checked, 'term')} proved, worst error {worst}. "
    if ex.n_checked < ex.n_terms:
        said = (
            f"{ex.n_proved:,} of the {ex.n_checked:,} terms that were checked proved, worst error "
            f"{worst}. There are {count(ex.n_terms, 'term')}. "
        )
    said += f"They add up to the gradient with a relative error of {sums}."
    if ex.passed:
        proved = '<b><span aria-hidden="true">✓ </span>Proved.</b> '
        return paragraph(proved, said, class_="status passed")
    failed = ex.n_checked - ex.n_proved
    cells = ", ".join(check.name for check in ex.backward_ or [] if not check.passed)
    if failed:
        what = f"{count(failed, 'term')} failed. "
    elif cells:
        what = f"backward() of {escape(cells)} does not return the slopes of its forward(). "
    else:
        what = "A sum does not agree. "
    return paragraph(
        f'<b><span aria-hidden="true">✗ </span>Not proved.</b> {what}{said} '
        '<a href="#panel-10">See the proofs.</a>',
        class_="status failed",
    )


def _features(view: View) -> list[tuple[str, str, str]]:
    """Name the network's inputs, where they have names of their own or are made of others."""
    names = view.explanation.features
    if names == numbered(len(names)):
        return []
    shown = names if len(names) <= MOST else [*names[: MOST - 2], "…", names[-1]]
    return [("Features", text(", ".join(shown)), "of x, in their order")]


def _network(view: View) -> str:
    hidden = view.explanation.architecture.hidden
    cells = view.explanation.architecture.cells
    layers = " + ".join(f"{H} {name_of(cell)}" for H, cell in zip(hidden, cells, strict=True))
    return f"{layers} {'unit' if hidden[-1] == 1 else 'units'}"


def _wanted(view: View) -> list[tuple[str, str, str]]:
    """Say what the outputs are, what they ought to be, and what the last one is."""
    ex = view.explanation
    if ex.labels is not None:
        return [
            ("Classes", f"{ex.K}", "K"),
            ("Labels", _labels(view, ex.labels), "y"),
            ("Answer", _answer(view, ex.labels), "largest ŷ at the last loss"),
        ]
    last = ex.answering[-1] - 1
    ys, y_hats = (", ".join(number(v) for v in of[last, :4]) for of in (ex.y, ex.y_activated))
    more = ", …" if ex.K > 4 else ""
    steps = f"a target for each of {count(ex.T, 'step')}" if ex.every_step else "one, at the end"
    return [
        ("Outputs", f"{ex.K}: {text(', '.join(ex.classes[:4]))}{more}", "K"),
        ("Targets", steps, f"y, by {text(ex.loss_function.name.replace('_', ' '))}"),
        (
            "Answer",
            f"ŷ = {y_hats}{more} for y = {ys}{more}",
            "at the last loss",
        ),
    ]


def _labels(view: View, labels: IntArray) -> str:
    ex = view.explanation
    if not ex.every_step:
        return f"“{text(ex.classes[labels[-1]])}”, for the whole sequence"
    names = [text(ex.classes[k]) if k >= 0 else "–" for k in labels[:12]]
    more = f" … ({ex.T} in all)" if ex.T > 12 else ""
    return " ".join(names) + more


def _answer(view: View, labels: IntArray) -> str:
    ex = view.explanation
    y_hat = ex.y_activated[ex.answering[-1] - 1]
    best = int(y_hat.argmax())
    right = "right" if best == labels[ex.answering[-1] - 1] else "wrong"
    p = float(y_hat[best])
    return f"“{text(ex.classes[best])}” with ŷ = {number(p)}: {right}"
