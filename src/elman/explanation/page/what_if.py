"""The end of panel 7: the same sequence, had W been smaller or larger."""

from __future__ import annotations

import numpy as np

from elman._typing import Array
from elman.engines import get_engine
from elman.errors import DataError
from elman.explanation.explaining import compute
from elman.explanation.numbers import Numbers
from elman.explanation.page.colours import sequential
from elman.explanation.page.markup import count, element, figure, fixed, number, paragraph, table
from elman.explanation.page.svg import Line, chart, drawing, grid, label, legend
from elman.explanation.page.triangle import log_range, share_of
from elman.explanation.page.view import View
from elman.network import Network

FACTORS = (0.1, 1.0, 10.0)
LINES = ("line-2", "line-1", "line-3")
FLOOR = 1e-12  # of the chart


def what_if(view: View) -> str:
    """Scale the layer's W, and look at what becomes of the gradient; nothing is learned between."""
    ex = view.explanation
    if ex.W is None or ex.T == 1:
        return ""
    cases = [(factor, rescaled(ex, factor)) for factor in FACTORS]
    return element(
        "div",
        element("h3", "What if W were a tenth, or ten times as large?"),
        paragraph(
            "The same sequence through the same network, with W multiplied by a number. Nothing is "
            "learned in between."
        ),
        _table(view, cases),
        '<div class="charts">',
        _reach_chart(view, cases),
        _triangles(view, cases) if len(view.answering) > 1 else "",
        "</div>",
        id="what-if",
    )


def rescaled(explanation: Numbers, factor: float) -> Numbers | None:
    """Explain the same sequence with the layer's W multiplied; None if its numbers overflow."""
    ex = explanation
    if factor == 1:
        return ex
    parameters = ex.parameters.copy()
    parameters[f"W{ex.layer}"][...] *= factor
    try:
        return compute(
            Network.from_parameters(parameters, get_engine("reference")),
            ex.x,
            ex.targets,
            layer=ex.layer,
            offset=ex.offset,
            check=False,
            with_update=False,
        )
    except DataError:
        return None


def _table(view: View, cases: list[tuple[float, Numbers | None]]) -> str:
    rows = []
    for factor, ex in cases:
        if ex is None or ex.W is None:
            rows.append([f"W × {factor:g}", *[""] * 4, "beyond all numbers"])
            continue
        rows.append(
            [
                f"W × {factor:g}",
                fixed(float(np.linalg.norm(ex.W, ord=2)), 2),
                fixed(float(ex.openness.mean()), 3),
                f"{ex.saturated:.0%}",
                number(float(ex.reach[-1])),
                ex.diagnosis.kind,
            ]
        )
    T = next(ex.T for _, ex in cases if ex is not None)
    return table(
        "The gradient with W scaled. It vanishes where less than a thousandth of an error is left, and "
        "explodes where a thousand times as much is.",
        [
            "",
            "largest σ of W",
            f"mean {view.slope}",
            "saturated units",
            f"left of an error {count(T - 1, 'step')} back",
            "the gradient is",
        ],
        rows,
    )


def _reach_chart(view: View, cases: list[tuple[float, Numbers | None]]) -> str:
    lines = [
        Line(f"W × {factor:g}", range(len(ex.reach)), _clipped(ex.reach), class_)
        for (factor, ex), class_ in zip(cases, LINES, strict=True)
        if ex is not None
    ]
    return figure(
        chart(
            "What is left of an error",
            "By the number of steps that it has gone back, a line for each W.",
            [line._replace(class_=f"{line.class_} bare") for line in lines],
            "steps back",
            "what is left of an error",
            logarithmic=True,
            reference=(1.0, "all of it"),
        )
        + legend([(f"{line.class_} bare", line.name) for line in lines]),
        (
            "‖δ‖ k steps back from where an error enters, by ‖dL/dh‖ there from the output: the median "
            "over all steps at which one does."
            if view.explanation.readout.of_all_steps
            else f"‖δ<sub>t,t−k</sub>‖ / ‖Vᵀ{view.error_html}‖ by k, over all losses that have such a "
            "step."
        ),
        "what is left of an error",
    )


def _clipped(reach: Array) -> list[float]:
    return [float(value) for value in np.maximum(reach, FLOOR)]  # NaN stays NaN


def _triangles(view: View, cases: list[tuple[float, Numbers | None]]) -> str:
    low, high = log_range(view)
    rows = [view.explanation.loss_row(t) for t in view.answering]
    columns = np.array(view.steps) - 1
    size, gap, top = 140.0, 16.0, 24.0
    pitch = size / max(len(rows), len(columns))
    parts = []
    for i, (factor, ex) in enumerate(cases):
        x = i * (size + gap)
        parts.append(label(x, 14, f"W × {factor:g}", "row"))
        if ex is not None:
            shares = [
                [share_of(norm, low, high) for norm in line]
                for line in ex.norms_of_losses[rows][:, columns]
            ]
            parts.append(grid(np.array(shares), sequential, x, top, (pitch, pitch)))
    return figure(
        drawing(
            len(cases) * (size + gap),
            top + len(rows) * pitch + 4,
            "Three gradient triangles",
            "One for each W: losses down, steps across.",
            *parts,
        ),
        "Panel 6 for each W, in its colours: losses down, steps across.",
        "gradient triangles with W scaled",
    )
