"""Panels 9 to 11: the totals and the update, the proofs, the data."""

from __future__ import annotations

import math as m
from collections.abc import Iterator

import numpy as np

from elman._typing import Array
from elman.explanation.page.colours import diverging
from elman.explanation.page.data import data_block
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
    scientific,
    small,
    subscript,
    table,
    text,
)
from elman.explanation.page.svg import Line, chart, drawing, grid, label, legend
from elman.explanation.page.view import (
    MATRIX,
    ROWS,
    TANH,
    View,
    capped,
    evenly,
    fit,
    relative,
    strongest,
)
from elman.explanation.proof import SIDE
from elman.explanation.terms import size

DOTS = 500  # terms in the picture of their errors
SOME = 8  # rows and columns of a large gradient
LINE = 60  # points of the line above them

# Panel 9


def totals(view: View) -> str:
    """Panel 9: all gradients, and the step that learning takes from them."""
    ex, update = view.explanation, view.explanation.update
    rows = []
    for name, gradient in ex.gradients.items():
        change = update["after"][name] - ex.parameters[name]
        rows.append(
            [
                f"d{subscript(name)}",
                "×".join(str(n) for n in gradient.shape),
                number(float(np.linalg.norm(gradient))),
                number(float(np.abs(gradient).max())),
                number(float(np.linalg.norm(change))),
            ]
        )
    norm, limit = number(update["norm"]), update["max_norm"]
    if update["clipped"]:
        clipping = (
            f"The norm of all gradients together is {norm}, above the limit of {limit:g}. "
            f"So each is multiplied by {number(update['scale'])}."
        )
    elif limit is None:
        clipping = f"The norm of all gradients together is {norm}. There is no limit to it."
    else:
        clipping = (
            f"The norm of all gradients together is {norm}, within the limit of {limit:g}. "
            "Nothing is clipped."
        )
    cut = ex.truncate
    if cut is not None:
        clipping += f" The update uses sums cut {count(cut, 'step')} back."
    return panel(
        9,
        "Totals and the update",
        "N4, N8",
        f"Learning takes a small step against the gradient. {clipping}",
        "Each picture is one gradient, rows by columns as in its shape. Blue is negative, orange "
        "positive; a full colour is the largest entry.",
        *_implementation(view),
        figure(
            _gradients_picture(view),
            f"The gradients of layer {ex.layer} and of the output. A large matrix is shrunk: a "
            "cell "
            "shows the largest entry of its block." + _gates_in_rows(view),
            "the gradients",
        ),
        paragraph(
            f"With α = {update['learning_rate']:g}, this step alone takes the loss from "
            f"{number(ex.loss, 7)} to {number(update['loss_after'], 7)}."
        ),
        table(
            "All gradients, and how far the step moves each parameter.",
            ["gradient", "shape", "norm", "largest entry", "norm of the step"],
            rows,
        ),
        _by_step(view),
        details("Numbers of the gradients", *_entries(view)),
        question(
            "My optimizer moved W differently.",
            "This is the plain step of N4, for one sequence. Adam and momentum remember earlier "
            "gradients, and a batch averages over sequences. All of them start from these "
            "gradients.",
        ),
    )


def _gates_in_rows(view: View) -> str:
    cell = view.explanation.equations
    if len(cell.gates) == 1:
        return ""
    of_x, of_h = ([cell.gates[g] for g in cell.gates_reading(what)] for what in "xh")
    rows = [("U", of_x), ("W", of_h), ("b", [*cell.gates])]
    return (
        " Rows stand gate under gate: "
        + "; ".join(f"of d{name} {', '.join(gates)}" for name, gates in rows if gates)
        + "."
    )


def _implementation(view: View) -> list[str]:
    """Write N4, and N8 with its factors in the notes' order."""
    ex = view.explanation
    slope = "1 - tanh^2 ( h_unactivated )" if ex.cell in TANH else "f′ ( h_unactivated )"
    # Below the top layer, the error comes from the layer above in the place of Vᵀ(ŷ - y).
    on_top = ex.layer == len(ex.architecture.hidden)
    of_all = ex.readout.of_all_steps
    error = f"V^T {view.error_math}" if on_top and not of_all else "dL_t//dh_t"
    names = ["V", "U"] if ex.W is None else ["V", "U", "W"]
    inputs = {"U": "x_t^T", "W": "h_{t-1}^T"}
    steps = [math(f"{name} ← {name} - α dL//d{name}", block=True) for name in names]
    lines = [element("div", *steps, class_="side-by-side")]
    lines.append(
        math(f"dL//dV = ∑_t {view.error_math} {'r_t' if of_all else 'h_activated'}^T", block=True)
    )
    delta = f"{error} ⊙ [ {slope} ]" if ex.plain else "δ_t"
    lines += [math(f"dL//d{name} : {delta} · 1 · {inputs[name]}", block=True) for name in names[1:]]
    if not ex.plain:
        lines.append(
            paragraph(
                "δ<sub>t</sub> is the error at the gates' pre-activations, gate under gate; of it U "
                "takes the rows of the gates that read x, and W those of the gates that read h."
            )
        )
    return [
        *lines,
        paragraph(
            "The 1 is the slope of h_unactivated by U_frd, or by W_frd. To this each step adds "
            "<em>what later steps send back</em>; the table of steps has both."
            + (
                f" Here dL/dh<sub>t</sub> is Vᵀ{view.error_html} as it enters at step t: times "
                "∂r/∂h<sub>t</sub> of each unit, as panel 4 has it."
                if of_all and on_top
                else ""
            )
        ),
    ]


def _by_step(view: View) -> str:
    """Put N8's numbers to each step: its own error, and what later steps send back."""
    ex = view.explanation
    factors = [(ex.delta_of_gates("h"), ex.h_previous), (ex.delta_of_gates("x"), ex.inputs)]
    rows = []
    for t in view.steps:
        own, later = ex.own_and_later(t)
        errors = [float(size(error)) for error in (own, later, own + later)]
        products = [
            float(size(of[:, t - 1].sum(axis=0))) * float(size(met[t - 1])) for of, met in factors
        ]
        rows.append([str(t), *map(number, errors + products)])
    return details(
        "Numbers of N8, step by step",
        table(
            "Norms of the error at h_unactivated, and of its products with what W and U met. "
            f"They add up to dW and dU.{capped(len(rows), ex.T, 'steps')}",
            [
                "step t",
                "its own error",
                "what later steps send back",
                "‖δ<sub>t</sub>‖, both",
                "‖δ<sub>t</sub> h<sub>t−1</sub>ᵀ‖",
                "‖δ<sub>t</sub> x<sub>t</sub>ᵀ‖",
            ],
            rows,
        ),
    )


def _shown(view: View) -> list[tuple[str, Array]]:
    """Give the gradients of the layer and of the output, by name."""
    ex = view.explanation
    names = [*(f"{name}{ex.layer}" for name in ("U", "W", "b", "initial")), "V", "c"]
    found = ((name, ex.gradients.get(name)) for name in names)
    return [(name, gradient) for name, gradient in found if gradient is not None]


def _entries(view: View) -> Iterator[str]:
    """Write the entries of each gradient, or of a large one some of the largest rows and columns."""
    for name, gradient in _shown(view):
        matrix = gradient if gradient.ndim == 2 else gradient[:, None]
        n = MATRIX if max(matrix.shape) <= MATRIX else SOME
        rows, columns = (strongest(np.abs(matrix).max(axis=axis), n) for axis in (1, 0))
        names = view.explanation.classes if name in "Vc" else range(1, len(matrix) + 1)
        yield table(
            f"d{subscript(name)}: row i, column j."
            + capped(len(rows), matrix.shape[0], "rows (the largest)")
            + capped(len(columns), matrix.shape[1], "columns (the largest)"),
            [f"d{subscript(name)}", *(str(j + 1) for j in columns)],
            [[text(names[i]), *map(number, matrix[i, columns].tolist())] for i in rows],
        )


def _gradients_picture(view: View) -> str:
    parts, x, tallest = [], 4.0, 0.0
    for name, gradient in _shown(view):
        matrix = fit(gradient if gradient.ndim == 2 else gradient[:, None], 32, 32)
        cell = min(max(180 / max(matrix.shape), 4.0), 14.0)
        shape = "×".join(str(n) for n in gradient.shape)
        parts.append(label(x, 14, f"d{subscript(name)}", "row"))
        parts.append(label(x, 30, shape, "tick"))
        parts.append(grid(relative(matrix), diverging, x, 40, (cell, cell)))
        x += max(matrix.shape[1] * cell, 48) + 30
        tallest = max(tallest, matrix.shape[0] * cell)
    return drawing(
        x,
        46 + tallest,
        "The gradients",
        "A picture for each of dU, dW, db, dV, dc.",
        *parts,
        class_="wide",
    )


# Panel 10


def proofs(view: View) -> str:
    """Panel 10: every term against the complex step, and central differences for contrast."""
    ex = view.explanation
    name = ex.of
    sums = paragraph(
        f"All terms added up agree with the gradient that is computed in one sweep (N8): "
        f"the relative error is {small(ex.sum_error)}."
    )
    if ex.checks_ is None:
        return panel(
            10,
            "Proofs",
            "N7, N8",
            "The proofs were left out of this page.",
            "Make the page again without <code>--no-check</code> (in Python: "
            "<code>check=True</code>).",
            sums,
        )
    error = "(ŷ<sub>k</sub> − y<sub>k</sub>)" if view.is_difference else "dL/dz<sub>k</sub>"
    failed = [check for check in ex.checks_ if not check.passed]
    worst = sorted(ex.checks_, key=lambda c: (c.passed, -c.error / (c.bound or 1.0)))[:ROWS]
    every = f"All {ex.n_checked:,} terms are" if ex.n_checked > 1 else "The only term is"
    if ex.n_checked < ex.n_terms:
        every = (
            f"Of {ex.n_terms:,} terms {ex.n_checked:,} were checked one by one, those of the last "
            "steps and of ever fewer further back: all are"
        )
    said = (
        f"<b>{every} proved.</b>"
        if not failed
        else f"<b>{count(len(failed), 'term')} of {ex.n_checked:,} failed.</b> "
        + ("They are" if len(failed) > 1 else "It is")
        + " at the top of the table."
    )
    return panel(
        10,
        "Proofs",
        "N7, N8",
        f"Give step τ a {name} of its own, move it a little in a random direction R, and go "
        "forward "
        "again. What L<sub>t</sub> does must be the inner product of the term and R. "
        "Only forward equations take part.",
        "Each dot is a term. Its error has to stay below the line above it. The further left, the "
        "smaller the term.",
        math(f"⟨ term ( t , τ ) , R ⟩ = Im L_t ( {name}_τ + i ε R ) / ε", block=True),
        paragraph(
            f"The step is imaginary, with ε = 10<sup>−20</sup>, so nothing is subtracted and "
            f"no digit is lost. {said} The worst error is {small(ex.worst_error or 0.0)} of its "
            "term's size, ‖term‖ ‖R‖ divided by the root of the number of its entries. Allowed are 10"
            "<sup>−10</sup> of ‖term‖ ‖R‖, and what rounding does to the sum "
            f"Σ<sub>k</sub> {error} z′<sub>k</sub> that both come down to, and "
            "to the states on the way."
            + (
                " Where h<sub>τ−1</sub> is 0, so is the term of W. There U moves in place of W: its "
                "term has the same δ."
                if ex.W is not None and not ex.left.any(axis=1).all()
                else ""
            )
            + (
                " Which step a unit is read at is decided by real parts, those of the sequence itself."
                if ex.readout.chooses
                else ""
            )
        ),
        sums,
        element("div", _errors_chart(view), _central_chart(view), class_="charts"),
        details(
            "Numbers of the proofs",
            table(
                "Terms, the worst first." + capped(len(worst), len(ex.checks_), "terms"),
                ["t, τ", "by the equations", "by the complex step", "error", "allowed", ""],
                [
                    [
                        f"{c.t}, {c.tau}",
                        scientific(c.expected),
                        scientific(c.found),
                        small(c.error),
                        small(c.bound),
                        "proved" if c.passed else "<strong>✗ failed</strong>",
                    ]
                    for c in worst
                ],
            ),
            _totals_table(view),
            _backward_table(view),
            open=bool(failed),
        ),
        question(
            "My gradient check fails. Where do I look?",
            "First at the terms with t = τ. If they are wrong, look at the output error and at the "
            "slope. If only those with τ &lt; t are wrong, look at the way back: a W in the "
            "place of "
            "Wᵀ is the usual one. A constant factor means a mean where there is a sum.",
        ),
        question(
            "How close is close enough?",
            "By the complex step, about 10<sup>−15</sup>: rounding alone. Central differences "
            "subtract nearly equal "
            "numbers and stop near 10<sup>−10</sup> at best. Measure an error against the size "
            "of the term, not "
            "against the number itself: an inner product near 0 has no digits to spare.",
        ),
        question(
            "Right at the last step, wrong at earlier ones?",
            "Look for a write in place. If δ of step t is changed while step t − 1 is computed, "
            "or an "
            "array of states is used twice, the error that goes back is no longer the one that "
            "came.",
        ),
    )


def _errors_chart(view: View) -> str:
    checks = view.explanation.checks_ or []
    seen = sorted((c for c in checks if c.size > 0), key=lambda c: c.size)
    dots = [c for c in seen if c.error > 0]
    exact = sum(c.error == 0 for c in checks)
    proved = evenly([c for c in dots if c.passed], DOTS)
    failed = [c for c in dots if not c.passed][:DOTS]
    bounds = evenly(seen, LINE)
    said = f"Errors of {count(len(dots), 'term')}."
    if exact:
        said += f" For {exact:,} more the two numbers agree to the last bit."
    if (nowhere := len(checks) - len(dots) - exact) > 0:
        said += f" {count(nowhere, 'term')} of no size, or no number, cannot be drawn."
    said += capped(len(proved) + len(failed), len(dots), "dots")
    return figure(
        chart(
            "Error of each term by its size",
            "Dots of terms below a line of what is allowed.",
            [
                Line(name, [c.size for c in shown], [getattr(c, y) for c in shown], class_)
                for name, shown, y, class_ in [
                    ("allowed", bounds, "bound", "line-2 bare"),
                    ("proved", proved, "error", "points line-1"),
                    ("failed", failed, "error", "points wrong"),
                ]
            ],
            "size of the term",
            "error",
            logarithmic=True,
            x_logarithmic=True,
        )
        + legend(
            [("points line-1", "a term"), ("line-2 bare", "allowed")]
            + [("points wrong", "a term that failed")] * any(not c.passed for c in checks)
        ),
        said,
        "errors of the proofs",
    )


def _central_chart(view: View) -> str:
    ex = view.explanation
    rows = ex.central or []
    points = [(row["step"], row["relative_error"]) for row in rows]
    floor = max(ex.worst_error or 0.0, 1e-17)
    unseen = min((row["unseen"] for row in rows), default=0)
    more = f" Even at the best ε, {count(int(unseen), 'term')} drown in rounding." if unseen else ""
    if not [error for _, error in points if m.isfinite(error) and error > 0]:
        return ""
    return figure(
        chart(
            "Central differences, for contrast",
            "Error against the step; it never gets low.",
            [Line("central differences", [s for s, _ in points], [e for _, e in points], "line-3")],
            "real step ε",
            "relative error of all terms",
            logarithmic=True,
            x_logarithmic=True,
            reference=(floor, "worst error of the complex step"),
        ),
        "For contrast, the usual check: (L(W + εR) − L(W − εR)) / 2ε. A large ε bends, a small one "
        f"rounds.{more}{capped(min(ex.T, SIDE), ex.T, 'steps')}",
        "central differences",
    )


def _totals_table(view: View) -> str:
    rows = view.explanation.totals_ or []
    return table(
        "Whole gradients along a random direction.",
        ["gradient", "by the equations", "by the complex step", "error", "allowed", ""],
        [
            [
                f"d{subscript(c.name)}",
                scientific(c.expected),
                scientific(c.found),
                small(c.error),
                small(c.bound),
                "proved" if c.passed else "<strong>✗ failed</strong>",
            ]
            for c in rows
        ],
    )


def _backward_table(view: View) -> str:
    rows = view.explanation.backward_ or []
    return table(
        "Slopes of the cells, by their way back and by their way forward: where the two are furthest "
        "apart, over the steps of this sequence and at some random points.",
        ["cell", "by backward", "by the complex step", "error", "allowed", ""],
        [
            [
                text(c.name),
                scientific(c.expected),
                scientific(c.found),
                small(c.error),
                small(c.bound),
                "proved" if c.passed else "<strong>✗ failed</strong>",
            ]
            for c in rows
        ],
    )


# Panel 11


def data(view: View) -> str:
    """Panel 11: the numbers as JSON, and the command that makes the page again."""
    command = view.command or (
        'import elman\n\nelman.explain(model, x, y).save_html("explanation.html")'
    )
    where = (
        "On the command line:" if view.command else "In Python, with the same model and sequence:"
    )
    return panel(
        11,
        "The data",
        "all of it",
        "The page carries the numbers of its steps and terms, to the last bit.",
        "Open the block to see it. Where it says base64, the bytes are float64 numbers; its first "
        "line says how to read them.",
        paragraph(f"The same input gives the same page. {where}"),
        f"<pre><code>{text(command)}</code></pre>",
        paragraph(
            "For all numbers as plain JSON, every parameter and gradient among them, add "
            "<code>--json numbers.json</code>."
            if view.command
            else "For all numbers as plain JSON, every parameter and gradient among them, call "
            "<code>to_json(path)</code>."
        ),
        paragraph('<a id="save" hidden>Save the data as a file</a>'),
        details(
            "The data as JSON",
            f'<script type="application/json" id="data">{data_block(view)}</script>',
        ),
    )
