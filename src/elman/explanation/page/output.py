"""Panels 3 and 4: the output error, and the output weights' gradient."""

from __future__ import annotations

import numpy as np

from elman._typing import Array, IntArray
from elman.explanation.arrays import LEAST
from elman.explanation.page.colours import diverging
from elman.explanation.page.forward import step_control
from elman.explanation.page.markup import (
    details,
    element,
    figure,
    math,
    number,
    panel,
    question,
    short,
    small,
    table,
    text,
)
from elman.explanation.page.reads import reads
from elman.explanation.page.svg import Line, chart, drawing, grid, label, legend, rectangle
from elman.explanation.page.unrolled import loss_math
from elman.explanation.page.view import View, capped, evenly, relative

CHARTS = 3  # of outputs
LOSSES = 4  # whose terms of dL/dV are drawn


def output_error(view: View) -> str:
    """Panel 3: the error that goes back from the outputs."""
    labels = view.explanation.labels
    return residual(view) if labels is None else softmax_error(view, labels)


def residual(view: View) -> str:
    """Panel 3 where numbers are predicted: answers, targets, and the derivative of the loss."""
    ex, t, shown = view.explanation, view.step, view.classes
    at_step = f'at step <span class="chosen-step">{t}</span>'
    how = (
        "Its derivative is the residual ŷ − y, as it is for a softmax."
        if view.is_difference
        else "Its derivative is dL/dz; the residual ŷ − y is beside it."
    )
    return panel(
        3,
        "The output error",
        "N5",
        f"The loss says how far an answer is from its target. {how}",
        "A line is what the network answers at each step, a dot is the target. All is in the "
        "network's units: an estimator brings numbers to mean 0 and deviation 1.",
        math(f"L_t = {loss_math(view)}", block=True),
        *([math("dL_t//dz_t = ŷ_t - y_t", block=True)] if view.is_difference else []),
        step_control(view, 3),
        element(
            "div",
            *(_answers_chart(view, k) for k in shown[:CHARTS]),
            class_="charts",
        ),
        table(
            f"From answer to error {at_step}.{capped(len(shown), ex.K, 'outputs')} "
            + ("" if ex.every_step else "Steps before the last have no target, and no error."),
            [
                "output k",
                "y<sub>k</sub>",
                "ŷ<sub>k</sub>",
                "ŷ<sub>k</sub> − y<sub>k</sub>",
                "dL/dz<sub>k</sub>",
            ],
            [
                [
                    text(ex.classes[k]),
                    number(ex.y[t - 1, k]),
                    number(ex.y_activated[t - 1, k]),
                    number(ex.y_activated[t - 1, k] - ex.y[t - 1, k]),
                    number(ex.output_error[t - 1, k]),
                ]
                for k in shown
            ],
            class_="output-error",
        ),
        question(
            "Why is there no softmax here?",
            "A softmax makes probabilities of classes: they are above 0, and their sum is 1. Predicted "
            "numbers need not be like that. If the loss is half the squared difference, the error is "
            "still ŷ − y, and everything from panel 4 on is as it is for classes.",
        ),
    )


def _answers_chart(view: View, k: int) -> str:
    ex = view.explanation
    steps = list(range(1, ex.T + 1))
    name = text(ex.classes[k])
    return figure(
        chart(
            f"Answers and targets, {name}",
            f"ŷ goes from {number(ex.y_activated[0, k])} to {number(ex.y_activated[-1, k])}.",
            [
                Line("ŷ", steps, ex.y_activated[:, k].tolist(), "line-1"),
                Line("y", steps, ex.y[:, k].tolist(), "points line-2"),
            ],
            "step t",
            name,
        )
        + legend([("line-1", "ŷ, the answer"), ("points line-2", "y, the target")]),
        f"{name}: answers and targets by step."
        + (f" {CHARTS} of {ex.K} outputs are drawn." if ex.K > CHARTS else ""),
        f"answers and targets of {name}",
    )


def softmax_error(view: View, labels: IntArray) -> str:
    """Panel 3 of classes: N5 with its two cases, and that they end in ŷ - y."""
    ex = view.explanation
    t = view.step
    classes = view.classes
    jacobian = ex.softmax_jacobian(t)
    y_hat, label_k = ex.y_activated[t - 1], int(labels[t - 1])
    upstream, product = np.nan, np.zeros(ex.K)  # a step without a label has no y, and no error
    if label_k >= 0:
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            upstream = -1 / y_hat[label_k]
            product = upstream * jacobian[label_k]  # Σ_i, where y_i is 0 but for the label
    error = ex.output_error[t - 1]
    at_step = f'at step <span class="chosen-step">{t}</span>'
    names = [text(ex.classes[k]) for k in classes]
    return panel(
        3,
        "The output error",
        "N5",
        "The softmax has two derivatives: one for i = k, one for i ≠ k. Both are needed. "
        "Multiplied by the derivative of the loss, they leave ŷ − y.",
        "Cell (i, k) is dŷ<sub>i</sub>/dz<sub>k</sub>. The outlined diagonal is the case i = k, "
        "always "
        "positive; the rest is the case i ≠ k, always negative.",
        math("dŷ_i//dz_k = ŷ_i ( 1 - ŷ_i )  if i = k", block=True),
        math("dŷ_i//dz_k = - ŷ_i ŷ_k  if i ≠ k", block=True),
        math(
            "dL//dz_k = ∑_i ( - y_i//ŷ_i ) dŷ_i//dz_k = - y_k + y_k ŷ_k + ∑_{i≠k} y_i ŷ_k = "
            "- y_k + ŷ_k ∑_i y_i = ŷ_k - y_k",
            block=True,
        ),
        step_control(view, 3),
        '<div class="charts">',
        figure(
            _jacobian_picture(view, jacobian, classes),
            f"The softmax Jacobian {at_step}. Colours go by the square root, "
            "so that small entries can be seen."
            f"{capped(len(classes), ex.K, 'classes')}",
            "the softmax Jacobian",
        ),
        table(
            f"From the label to the error {at_step}.{capped(len(classes), ex.K, 'classes')} "
            "The last two columns agree: the largest "
            f"difference over all steps is {small(ex.residual_n5)}."
            + (
                ""
                if (ex.y_activated[ex.answering_rows, labels[ex.answering_rows]] >= LEAST).all()
                else " Where ŷ of the label is below all numbers, −y/ŷ is none; the error still is."
            ),
            [
                "class k",
                "y<sub>k</sub>",
                "ŷ<sub>k</sub>",
                "−y<sub>k</sub>/ŷ<sub>k</sub>",
                "Σ<sub>i</sub> (−y<sub>i</sub>/ŷ<sub>i</sub>) dŷ<sub>i</sub>/dz<sub>k</sub>",
                "ŷ<sub>k</sub> − y<sub>k</sub>",
            ],
            [
                [
                    text(ex.classes[k]),
                    str(int(k == label_k)),
                    number(y_hat[k]),
                    number(upstream) if k == label_k else "0",
                    number(product[k]),
                    number(error[k]),
                ]
                for k in classes
            ],
            class_="output-error",
        ),
        "</div>",
        details(
            "Numbers of the Jacobian",
            table(
                f"dŷ<sub>i</sub>/dz<sub>k</sub> {at_step}: row i, column k."
                f"{capped(len(classes), ex.K, 'classes')}",
                ["i \\ k", *names],
                [
                    [name, *(number(jacobian[i, k]) for k in classes)]
                    for i, name in zip(classes, names, strict=True)
                ],
                class_="jacobian",
            ),
        ),
        question(
            "I derived ŷ(1 − ŷ) only. What is missing?",
            "The case i ≠ k. Every ŷ<sub>i</sub> depends on every z<sub>k</sub>, because all "
            "share one "
            "sum below the fraction. Without it, dL/dz<sub>k</sub> would be 0 for every class "
            "but the label's.",
        ),
    )


def _jacobian_picture(view: View, jacobian: Array, classes: list[int]) -> str:
    ex = view.explanation
    n = len(classes)
    size = min(64.0, 440 / n)
    left, top = 60.0, 40.0
    shown = relative(jacobian[np.ix_(classes, classes)])
    parts = [label(left, 12, "k, the z that moves", "axis"), label(0, top + 14, "i", "axis")]
    for row, i in enumerate(classes):
        parts.append(
            label(left - 8, top + row * size + size / 2 + 4, short(ex.classes[i], 7), "tick", "end")
        )
        parts.append(
            label(left + row * size + size / 2, top - 8, short(ex.classes[i], 7), "tick", "middle")
        )
        for column, k in enumerate(classes):
            share = float(np.sign(shown[row, column]) * np.sqrt(abs(shown[row, column])))
            said = f"i = {text(ex.classes[i])}, k = {text(ex.classes[k])}: "
            said += number(jacobian[i, k])
            shape = diverging(share) + (" same" if i == k else "")
            parts.append(
                rectangle(left + column * size, top + row * size, size - 2, size - 2, shape, said)
            )
    return drawing(
        left + n * size + 4,
        top + n * size + 4,
        "The softmax Jacobian",
        "The diagonal, case i = k, is outlined and positive; the rest is negative.",
        f'<g id="jacobian">{"".join(parts)}</g>',
    )


def output_weights(view: View) -> str:
    """Panel 4: dL/dV, an outer product a loss, and the sum as it grows."""
    ex = view.explanation
    rows = []
    for t in view.answering:
        rows.append(
            [
                str(t),
                number(float(np.linalg.norm(ex.output_error[t - 1]))),
                number(float(np.linalg.norm(ex.r[t - 1]))),
                number(float(np.linalg.norm(ex.output_error[t - 1]) * np.linalg.norm(ex.r[t - 1]))),
                number(float(np.linalg.norm(ex.dV_running(t)))),
            ]
        )
    one = len(ex.answering) == 1
    return panel(
        4,
        "The output weights",
        "N6",
        f"Each loss gives V one outer product: its error times {_its_state(view)}. "
        + (
            "Here one step has a loss, so that one product is all of dL/dV."
            if one
            else "dL/dV is their sum."
        ),
        f"A row is {'a class' if view.of_classes else 'an output'}, a column a unit of the state. "
        + ("" if one else "Above, what a loss adds; below, the sum so far. ")
        + "Blue is negative, orange positive.",
        *reads(view),
        math(f"dL_t//dV = {view.error_math} {view.read}_t^T", block=True),
        math(f"dL//dV = ∑_t {view.error_math} {view.read}_t^T", block=True),
        figure(
            _output_weights_picture(view),
            "Terms of dL/dV"
            + ("." if one else " and their running sum.")
            + capped(min(ex.h_top.shape[1], 32), ex.h_top.shape[1], "units (the first)")
            + capped(min(len(ex.answering), LOSSES), len(ex.answering), "losses"),
            "terms of dL/dV",
        ),
        details(
            "Numbers of each loss",
            table(
                f"Norms.{capped(len(view.answering), len(ex.answering), 'losses')}",
                [
                    "step t",
                    f"‖{view.error_html.strip('()')}‖",
                    f"‖{view.read}<sub>t</sub>‖",
                    "‖term‖",
                    "‖sum so far‖",
                ],
                rows,
            ),
        ),
    )


def _its_state(view: View) -> str:
    return "what it reads of the states" if view.explanation.readout.of_all_steps else "its state"


def _output_weights_picture(view: View) -> str:
    ex = view.explanation
    steps = evenly(ex.answering, LOSSES)
    n = min(ex.h_top.shape[1], 32)
    across = min(24.0, (860 / len(steps) - 30) / n)
    down = min(22.0, 200 / len(view.classes))
    left, top, gap = 84.0, 40.0, 30.0
    wide, high = n * across, len(view.classes) * down
    kinds = [("term", ex.dV_term)]
    if len(ex.answering) > 1:
        kinds.append(("sum so far", ex.dV_running))
    parts = [label(0, top - 14, view.what, "tick")]
    for line, (name, matrix) in enumerate(kinds):
        y = top + line * (high + 44)
        parts += [
            label(left - 8, y + (i + 0.5) * down + 4, short(ex.classes[k], 9), "tick", "end")
            for i, k in enumerate(view.classes)
        ]
        full = max(float(np.abs(matrix(t)).max()) for t in steps) or 1.0
        for i, t in enumerate(steps):
            x = left + i * (wide + gap)
            said = f"{name}, t = {t}" if line == 0 else f"{name}, up to t = {t}"
            parts.append(label(x, y - 8, said, "tick"))
            cells = matrix(t)[view.classes, :n] / full
            parts.append(grid(cells, diverging, x, y, (across, down), 0.94))
    return drawing(
        left + len(steps) * (wide + gap) - gap + 4,
        top + len(kinds) * (high + 44) - 30,
        "Terms of dL/dV",
        f"Each is one outer product of error and state: {view.many} down, units across.",
        *parts,
        class_="wide",
    )
