"""Panel 1: the network unrolled over the steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from elman._typing import Array
from elman.equations.losses import (
    AbsoluteError,
    CrossEntropy,
    Loss,
    Poisson,
    Quantile,
    SquaredError,
)
from elman.explanation.page.colours import diverging
from elman.explanation.page.markup import (
    count,
    details,
    figure,
    fixed,
    math,
    number,
    panel,
    question,
    table,
)
from elman.explanation.page.svg import drawing, grid, half_of, label, rectangle
from elman.explanation.page.view import TANH, View, capped, fit, relative
from elman.explanation.terms import size

BOUNDED = (*TANH, "leaky", "gru", "lstm")  # the cells whose h is between -1 and 1


def unrolled(view: View) -> str:
    """Panel 1: the network unrolled over the steps, with what comes back through it."""
    ex = view.explanation
    steps = view.steps
    carried_back = _carried_back(view)
    rows = [
        [
            str(t),
            number(_p_target(view, t)),
            number(ex.losses[t - 1]) if t in ex.answering else "no loss",
            fixed(float(np.linalg.norm(ex.h_activated[t - 1]))),
            number(carried_back[t - 1]),
        ]
        for t in steps
    ]
    return panel(
        1,
        "The unrolled network",
        "N2, N3",
        "The same U, W and V serve at every step. A step takes its input and the state before it. "
        "The error of a loss goes the other way.",
        (
            "The layer's own steps run from left to right: the sequence's last one is the first. "
            if ex.reverse
            else "Time runs from left to right. "
        )
        + "Colours of x and h are signs and sizes: blue below zero, "
        "orange above. An arrow back is as thick as log‖δ<sub>t</sub>‖, the error that all losses "
        "from t on send to step t.",
        math(f"L_t = {loss_math(view)}", block=True),
        math(_sum_of_losses(view), block=True),
        figure(
            _unrolled_picture(view),
            f"Inputs, states, {_followed(view)[1]}, the losses, and the error on its way "
            f"back.{_hollow(view)}{capped(len(steps), ex.T, 'steps')}"
            + (
                " Where a strip has fewer cells than there are numbers, a cell shows the largest."
                if max(ex.H, ex.D) > 32
                else ""
            )
            + ("" if len(ex.states) == 1 else " The other states are in panel 2, with the gates."),
            "the unrolled network",
        ),
        details(
            "Numbers of each step",
            table(
                f"The steps, one a row.{capped(len(steps), ex.T, 'steps')}",
                [
                    "step t",
                    _followed(view)[0],
                    "L<sub>t</sub>",
                    "‖h<sub>t</sub>‖",
                    "‖δ<sub>t</sub>‖",
                ],
                rows,
            ),
        ),
        question(
            "The loss changes from step to step. Which one is differentiated?",
            "All of them. L is the sum of the L<sub>t</sub> (N3), and each has its own row in the "
            f"triangle of panel 6. With one {'label' if view.of_classes else 'target'} for the whole "
            "sequence, L<sub>T</sub> alone is "
            "there.",
        ),
    )


def _sum_of_losses(view: View) -> str:
    """Write N3's sum, and with its numbers."""
    ex = view.explanation
    steps = ex.answering
    if len(steps) == 1:
        return f"L = L_{{{steps[0]}}} = {number(ex.loss)}"
    shown = steps if len(steps) <= 4 else [*steps[:3], steps[-1]]
    letters = [f"L_{{{t}}}" for t in shown]
    values = [number(ex.losses[t - 1]) for t in shown]
    if len(shown) < len(steps):
        letters.insert(-1, "…")
        values.insert(-1, "…")
    return f"L = {' + '.join(letters)} = {' + '.join(values)} = {number(ex.loss)}"


def _hollow(view: View) -> str:
    if len(view.explanation.answering) == view.explanation.T:
        return ""
    return " Dashed bars: the answer at steps without a loss."


_LOSSES: dict[type[Loss], str] = {
    CrossEntropy: "- ∑_k y_{t,k} log ŷ_{t,k}",
    SquaredError: "½ ∑_k ( ŷ_{t,k} - y_{t,k} )^2",
    AbsoluteError: "∑_k | ŷ_{t,k} - y_{t,k} |",
    Quantile: "∑_k max ( τ_k ( y_{t,k} - ŷ_{t,k} ) , ( τ_k - 1 ) ( y_{t,k} - ŷ_{t,k} ) )",
    Poisson: "∑_k ( ŷ_{t,k} - y_{t,k} log ŷ_{t,k} )",
}


def loss_math(view: View) -> str:
    """Write L_t; a loss of a user's own by its name."""
    loss = view.explanation.loss_function
    return _LOSSES.get(type(loss), f"{loss.name} ( z_t , y_t )")


def _followed(view: View) -> tuple[str, str]:
    """What the bars are, in letters and in words."""
    if view.of_classes:
        return "ŷ of the label", "the probability of the label"
    return "‖ŷ − y‖", "how far answers are from their targets"


def _p_target(view: View, t: int) -> float:
    """Give ŷ of the label, or the distance of numbers from their targets."""
    ex = view.explanation
    row = t - 1 if t in ex.answering or ex.every_step else ex.T - 1
    if ex.labels is None:
        return float(np.linalg.norm(ex.y_activated[t - 1] - ex.y[row]))
    k = int(ex.labels[row])
    return float(ex.y_activated[t - 1, k]) if k >= 0 else float("nan")


def _carried_back(view: View) -> Array:
    return size(view.explanation.summed_delta)


class _Columns:
    """Where the columns of the picture stand: a column a step."""

    left, filled = 104.0, 0.76  # of a column; the rest is the way to the next

    def __init__(self, n: int) -> None:
        self.pitch = min(max(850 / n, 17), 100)
        self.width = self.filled * self.pitch
        self.right = self.left + n * self.pitch

    def start(self, i: int) -> float:
        return self.left + i * self.pitch

    def middle(self, i: int) -> float:
        return self.start(i) + self.width / 2


def _unrolled_picture(view: View) -> str:
    ex, steps = view.explanation, view.steps
    rows = [t - 1 for t in steps]
    at = _Columns(len(steps))
    h = fit(ex.h_activated[rows].T, 32, len(rows))
    h = h if ex.cell in BOUNDED else relative(h)
    x = relative(fit(ex.inputs[rows].T, 32, len(rows)))
    h_cell, x_cell = (min(11.0, 120 / len(strip)) for strip in (h, x))
    y_bars, y_loss, y_back, y_h = 56.0, 76.0, 106.0, 132.0  # from the top down
    y_x = y_h + h_cell * len(h) + 30
    bottom = y_x + x_cell * len(x)
    norms = _carried_back(view)[rows]

    parts = [
        label(0, y_bars - 12, _followed(view)[0], "row"),
        label(0, y_loss, "loss L", "row"),
        label(0, y_back + 4, "error back, δ", "row backward"),
        label(0, y_h + 13, "state h", "row"),
        label(0, y_x + 13, "input x" if ex.layer == 1 else f"h of layer {ex.layer - 1}", "row"),
        label(0, bottom + 20, "step t", "row"),
        label(at.left - 7, y_bars - 36, _full_bar(view)[1], "tick", "end"),
        label(at.left - 7, y_bars + 4, "0", "tick", "end"),
        f'<path class="axisline" d="M{at.left:.1f} {y_bars}H{at.right:.1f}"/>',
        *_bars(view, at, y_bars, y_loss),
        *_errors(steps, norms, at, y_back),
        grid(h, diverging, at.left, y_h, (at.pitch, h_cell), at.filled),
        grid(x, diverging, at.left, y_x, (at.pitch, x_cell), at.filled),
    ]
    y_middle = y_h + h_cell * len(h) / 2
    arrows = []
    for i, t in enumerate(steps):
        arrows.append(f"M{at.middle(i):.1f} {y_x - 5:.1f}v-19m-3 4l3-4l3 4")
        if i + 1 < len(steps):
            way = at.pitch - at.width - 4
            arrows.append(
                f"M{at.start(i) + at.width + 2:.1f} {y_middle:.1f}h{way:.1f}m-4-3l4 3l-4 3"
            )
        if at.pitch > 25 or i % 5 == 0 or i + 1 == len(steps):
            parts.append(label(at.middle(i), bottom + 20, str(t), "tick", "middle"))
    parts.append(f'<path class="forward" d="{"".join(arrows)}"/>')
    description = (
        f"{count(len(steps), 'step')} from left to right. The error's norm is {number(norms[-1])} "
        f"at step {steps[-1]} and {number(norms[0])} at step {steps[0]}."
    )
    last = at.middle(len(steps) - 1) + half_of(str(steps[-1]))
    return drawing(
        max(at.right, last),
        bottom + 28,
        "The unrolled network",
        description,
        *parts,
        class_="wide",
    )


def _full_bar(view: View) -> tuple[float, str]:
    """What a bar of full height is: 1, or the largest distance."""
    if view.of_classes:
        return 1.0, "1"
    largest = max([_p_target(view, t) for t in view.steps], default=0.0) or 1.0
    return largest, number(largest, 2)


def _bars(view: View, at: _Columns, y: float, y_loss: float) -> Iterator[str]:
    ex, (full, _), (what, _) = view.explanation, _full_bar(view), _followed(view)
    for i, t in enumerate(view.steps):
        p = _p_target(view, t)
        answers = t in ex.answering
        if p == p:
            said = f"step {t}: {what} {number(p)}"
            name = "bar" if answers else "bar hollow"
            tall = 40 * p / full
            yield rectangle(at.start(i), y - tall, at.width, max(tall, 0.8), name, said)
        if answers and at.pitch > 25:  # else there is no room; the table has it
            loss = fixed(ex.losses[t - 1], 2 if at.pitch > 29 else 1)
            yield label(at.middle(i), y_loss, loss, "tick", "middle")


def _errors(steps: list[int], norms: Array, at: _Columns, y: float) -> Iterator[str]:
    """Draw an arrow a step, as thick as the logarithm of ‖δ‖, over eight powers of ten at most."""
    logs = np.log10(norms[norms > 0]) if norms.any() else np.zeros(1)
    high = float(logs.max())
    low = max(float(logs.min()), high - 8)
    for i, t in enumerate(steps):
        if norms[i] == 0:
            yield f'<path class="nothing" d="M{at.start(i):.1f} {y}h{at.width:.1f}"/>'
            continue
        share = (max(float(np.log10(norms[i])), low) - low) / (high - low or 1.0)
        thick = 0.8 + 10 * share
        head = min(3 + 0.6 * thick, 0.5 * at.width)
        start = at.start(i) + at.width
        end = at.start(i) - (at.pitch - at.width) + 3 if i else at.start(i)
        half, tip = thick / 2, 2 + 0.75 * thick
        yield (
            f'<path class="back" d="M{start:.1f} {y - half:.1f}H{end + head:.1f}v{half - tip:.1f}'
            f'L{end:.1f} {y}l{head:.1f} {tip:.1f}v{half - tip:.1f}H{start:.1f}z">'
            f"<title>step {t}: ‖δ‖ {number(norms[i])}</title></path>"
        )
