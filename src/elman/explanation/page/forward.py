"""Panel 2: forward at one step, every intermediate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from elman._typing import Array
from elman.equations.cells import GRU, LSTM, Cell, Leaky
from elman.equations.losses import Loss, Poisson
from elman.explanation.page.colours import diverging
from elman.explanation.page.inputs import named_inputs
from elman.explanation.page.markup import (
    details,
    element,
    figure,
    fixed,
    math,
    number,
    panel,
    question,
    short,
    table,
)
from elman.explanation.page.svg import cell, drawing, grid, half_of, key, label, rectangle, row
from elman.explanation.page.view import View, capped, fit

ROWS_OF_GATES = 16  # of a strip


class Piece(NamedTuple):
    """One row of panel 2: a name of the notes' implementation page, and its numbers by step."""

    key: str
    name: str
    formula: str
    values: Array  # (T, H)


def pieces(view: View) -> list[Piece]:
    """Give what N2 computes in a step, in its order; 1 - h² of N8 beside it."""
    ex = view.explanation
    if not ex.plain:
        return list(_pieces_of_gates(view))
    bias = "" if ex.b is None else " + b"
    found = [
        Piece("U_frd", "U_frd", "U xₜ", ex.U_frd),
        Piece("W_frd", "W_frd", "W hₜ₋₁", ex.W_frd),
        Piece("h_unactivated", "h_unactivated", f"U_frd + W_frd{bias}", ex.h_unactivated),
        Piece("h_activated", "h_activated", f"{view.f}(h_unactivated)", ex.h_activated),
        Piece("derivative", view.slope, "its slope", ex.derivative),
    ]
    if ex.b is not None:
        b = np.broadcast_to(ex.b, ex.U_frd.shape)
        found.insert(2, Piece("b", "b", "the bias", b))
    return found


def _pieces_of_gates(view: View) -> Iterator[Piece]:
    """Each gate's pre-activation and value, then the states."""
    ex, cell = view.explanation, view.explanation.equations
    for g, gate in enumerate(cell.gates):
        a = ex.h_unactivated[:, g * ex.H : (g + 1) * ex.H]
        yield Piece(f"unactivated-{gate}", f"a of {gate}", entering(view, gate), a)
        if gate in ex.gates and (ex.gates[gate] != a).any():
            yield Piece(f"gate-{gate}", gate, "the gate’s value", ex.gates[gate])
    for name, values in ex.states.items():
        what = "the state that goes up" if name == "h" else "the state that stays"
        yield Piece(f"state-{name}", f"{name}ₜ", what, values)
    yield Piece("openness", view.slope, "what comes back", ex.openness)


def entering(view: View, gate: str) -> str:
    """Write what enters a gate: U xₜ + W hₜ₋₁ + b, as far as it reads them."""
    cell = view.explanation.equations
    reads = cell.reads.get(gate, "xh")
    parts = [*["U xₜ"] * ("x" in reads), *["W hₜ₋₁"] * ("h" in reads)]
    return " + ".join(parts + ["b"] * (view.explanation.b is not None))


def scale_of(piece: Piece) -> float:
    """Give what a full colour means: 1 for states, else the largest magnitude of all steps."""
    if piece.key in ("h_activated", "derivative", "openness") or piece.key.startswith("gate-"):
        return max(1.0, float(np.abs(piece.values).max()))
    return float(np.abs(piece.values).max()) or 1.0


def one_step(view: View) -> str:
    """Panel 2: forward at one step, every intermediate."""
    ex, t = view.explanation, view.step
    top = ex.h_top.shape[1]
    c = f" + c::{ex.K}×1" if "c" in ex.gradients else ""
    if ex.offset is not None:
        c += f" + o_t::{ex.K}×1"
    n_layers = len(ex.architecture.hidden)
    whose = f"\u00a0of\u00a0layer\u00a0{n_layers}" if ex.layer < n_layers else ""
    z = f"z_t::{ex.K}×1 = V::{ex.K}×{top} {view.read}_t::{top}×1{whose}{c}"
    found = pieces(view)
    rows = [
        [f"unit {i + 1}", *(fixed(piece.values[t - 1, i]) for piece in found)]
        for i in range(view.units)
    ]
    return panel(
        2,
        "Forward at one step",
        "N2",
        _lead(view),
        "Each row is one vector, a cell a unit, in colours of its own scale. Below, each "
        + (
            "class has its y_unactivated, z, and its y_activated, ŷ, as a number and as a bar; the "
            "label's class is framed."
            if view.of_classes
            else "output has its y_unactivated, z, its y_activated, ŷ, and its target y."
        )
        + " Under a letter stands its shape, rows × columns.",
        *(math(line, block=True) for line in _equations(view)),
        math(z, block=True),
        math(f"ŷ_t = {_activation(view)}", block=True),
        step_control(view, 2),
        figure(
            _pieces_picture(view),
            "The vectors of the step." + capped(view.units, ex.H, "units"),
            "forward at one step",
        ),
        details(
            "Numbers of this step",
            table(
                f'Layer {ex.layer} at step <span class="chosen-step">{t}</span>.'
                f"{capped(view.units, ex.H, 'units')}",
                [
                    "unit",
                    *(
                        f'<span data-piece="{p.key}">{p.name}</span> <small>{p.formula}</small>'
                        for p in found
                    ),
                ],
                rows,
                class_="pieces",
            ),
        ),
        *named_inputs(view),
        *gates_by_step(view),
        question(
            "The matrices do not match. Which way round do they go?",
            f"Vectors are columns here: x<sub>t</sub> is {ex.D} × 1 and h<sub>t</sub> {ex.H} × "
            "1, so U has to be "
            f"{ex.H} × {ex.D} and stands on the left. With rows as vectors, the order of every "
            "product is reversed, "
            "and every matrix is transposed. Choose one, and keep it through the backward pass.",
        ),
    )


def _activation(view: View) -> str:
    loss = view.explanation.loss_function
    if isinstance(loss, Poisson):
        return "exp ( z_t )"
    if view.of_classes:
        return "softmax ( z_t )"
    return "z_t" if type(loss).activate is Loss.activate else f"{loss.name} ( z_t )"


def _lead(view: View) -> str:
    of_all = view.explanation.readout.of_all_steps
    answers = (
        "What the output reads of the states so far, r<sub>t</sub>, then answers through V; panel 4 "
        "says what that is."
    )
    if view.explanation.plain:
        return (
            "A step adds U times the input and W times the state before. The sum goes through "
            f"{view.f}. " + (answers if of_all else "The state then answers through V.")
        )
    lead = (
        "The input and the state before enter each gate. The cell computes the states from these, "
        "unit by unit. " + (answers if of_all else "The state h then answers through V.")
    )
    if "z" in view.explanation.equations.gates:
        lead += " The gate z is not the output's z<sub>t</sub>."
    if of_all and "r" in view.explanation.equations.gates:
        lead += " The gate r is not what the output reads, r<sub>t</sub>."
    return lead


def _equations(view: View) -> list[str]:
    """Write a step of the cell, shapes under the letters."""
    ex, cell = view.explanation, view.explanation.equations
    if ex.plain:
        hidden = f"h_t::{ex.H}×1 = {view.f} ( U::{ex.H}×{ex.D} x_t::{ex.D}×1"
        if ex.W is not None:
            hidden += f" + W::{ex.H}×{ex.H} h_{{t-1}}::{ex.H}×1"
        return [hidden + (f" + b::{ex.H}×1 )" if ex.b is not None else " )")]
    lines = []
    for gate in cell.gates:
        reads = cell.reads.get(gate, "xh")
        parts = []
        if "x" in reads:
            parts.append(f"U_{gate}::{ex.H}×{ex.D} x_t::{ex.D}×1")
        if "h" in reads:
            parts.append(f"W_{gate}::{ex.H}×{ex.H} h_{{t-1}}::{ex.H}×1")
        if ex.b is not None:
            parts.append(f"b_{gate}::{ex.H}×1")
        lines.append(f"a_{gate} = {' + '.join(parts)}")
    return lines + _MADE_OF_GATES.get(type(cell), [])


_MADE_OF_GATES: dict[type[Cell], list[str]] = {
    LSTM: [
        "i = σ ( a_i ) , f = σ ( a_f ) , g = tanh ( a_g ) , o = σ ( a_o )",
        "s_t = f ⊙ s_{t-1} + i ⊙ g",
        "h_t = o ⊙ tanh ( s_t )",
    ],
    GRU: [
        "r = σ ( a_r ) , z = σ ( a_z ) , n = tanh ( a_n + r ⊙ a_m )",
        "h_t = ( 1 - z ) ⊙ n + z ⊙ h_{t-1}",
    ],
    Leaky: ["h_t = ( 1 - α ) h_{t-1} + α tanh ( a_h )"],
}


def gates_by_step(view: View) -> list[str]:
    """The gates and the states of a cell that has more than an f, over all steps."""
    ex = view.explanation
    if ex.plain:
        return []
    of_gates = {f"gate {name}": values for name, values in ex.gates.items()}
    of_states = {f"state {name}": values for name, values in ex.states.items()}
    shown = of_gates | of_states
    rows = [
        [str(t), *(fixed(float(values[t - 1].mean()), 3) for values in shown.values())]
        for t in view.steps
    ]
    missing = (
        ""
        if ex.gates or len(ex.equations.gates) == 1
        else (
            " This cell keeps no value for each of its gates, so that the states alone are drawn."
        )
    )
    return [
        figure(
            _gates_picture(view, shown),
            "Gates and states over the steps: a column a step, a row a unit. Blue is negative, orange "
            "positive; a full colour is 1, or the largest where one is larger."
            f"{missing}{capped(len(view.steps), ex.T, 'steps')}"
            + (
                " Where there are fewer rows than units, a cell shows the largest."
                if ex.H > ROWS_OF_GATES
                else ""
            ),
            "gates and states by step",
        ),
        details(
            "Means of gates and states",
            table(
                f"The mean over the units at each step.{capped(len(rows), ex.T, 'steps')}",
                ["step t", *shown],
                rows,
            ),
        ),
    ]


def _gates_picture(view: View, shown: dict[str, Array]) -> str:
    columns = [t - 1 for t in view.steps]
    pitch = min(max(760 / len(columns), 13.0), 60.0)
    left, y = 104.0, 6.0
    parts = []
    for name, values in shown.items():
        strip = fit(values[columns].T, ROWS_OF_GATES, len(columns))
        full = max(1.0, float(np.abs(values).max()))
        tall = min(11.0, 88 / len(strip))
        kind, letter = name.split()
        parts.append(label(0, y + 13, kind, "tick"))
        parts.append(label(38, y + 13, letter, "row code"))
        parts.append(grid(strip / full, diverging, left, y, (pitch, tall), 0.94))
        y += tall * len(strip) + 10
    for i, t in enumerate(view.steps):
        if pitch > 25 or i % 5 == 0 or i + 1 == len(columns):
            parts.append(label(left + (i + 0.47) * pitch, y + 10, str(t), "tick", "middle"))
    parts.append(label(0, y + 10, "step t", "row"))
    last = left + (len(columns) - 0.53) * pitch + half_of(str(view.steps[-1]))
    return drawing(
        max(left + len(columns) * pitch, last),
        y + 18,
        "Gates and states by step",
        "A strip for each gate and each state: steps across, units down.",
        *parts,
        class_="wide",
    )


def step_control(view: View, number: int) -> str:
    """Let a reader choose the step of a panel; the panels that have one go together."""
    options = "".join(
        f'<option value="{t}"{" selected" if t == view.step else ""}>{t}</option>'
        for t in sorted({*view.steps, view.step})
    )
    return element(
        "p",
        f'<label for="step-{number}">Step t</label> ',
        f'<select class="step" id="step-{number}" autocomplete="off" disabled>{options}</select> ',
        '<span class="without-script">(choosing another step takes a script)</span>',
        class_="control",
    )


def _pieces_picture(view: View) -> str:
    t, n = view.step, view.units
    found = pieces(view)
    size, high = view.sizes["pieces"]
    left, gap = 144.0, 14.0
    parts = []
    y = 8.0
    for piece in found:
        parts.append(label(0, y + 9, piece.name, "row code"))
        parts.append(label(0, y + 23, piece.formula, "tick"))
        full = scale_of(piece)
        cells = [
            cell(
                left + i * size,
                diverging(value / full),
                f"{piece.name}, unit {i + 1}: {fixed(value)}",
            )
            for i, value in enumerate(piece.values[t - 1, :n].tolist())
        ]
        parts.append(row(y, f'<g data-piece="{piece.key}">{"".join(cells)}</g>'))
        y += high + gap
    strips = f'<g id="pieces">{"".join(parts)}</g>'
    y += 4
    answers, y = _answers(view, t, left, y)
    return drawing(
        max(left + n * size, 640.0),
        y,
        "Forward at one step",
        "Rows of cells, a cell a unit; the numbers are in the table below.",
        strips,
        answers,
        key(left, y - 36, "negative", "positive", _signed),
        class_="wide",
    )


def _signed(share: float) -> str:
    return diverging(2 * share - 1)


def _answers(view: View, t: int, left: float, y: float) -> tuple[str, float]:
    ex = view.explanation
    wide = min(64.0, 680 / len(view.classes))
    high = 98.0  # of which the lower 40 are ŷ = 1
    parts = [
        label(0, y + 14, view.what, "row"),
        label(0, y + 32, "y_unactivated", "row code"),
        label(0, y + 49, "y_activated, ŷ", "row code"),
        *([] if ex.labels is not None else [label(0, y + 66, "y, the target", "row code")]),
    ]
    for i, k in enumerate(view.classes):
        p, z = float(ex.y_activated[t - 1, k]), float(ex.y_unactivated[t - 1, k])
        x, middle = left + i * wide, left + i * wide + (wide - 4) / 2
        if ex.labels is None:
            target_k = float(ex.y[t - 1, k])
            parts.append(
                '<g class="class">'
                + rectangle(x, y, wide - 4, 74, "track")
                + label(middle, y + 14, short(ex.classes[k], 8), "name", "middle")
                + label(middle, y + 32, fixed(z, 2), "value", "middle")
                + label(middle, y + 49, number(p), "value", "middle")
                + label(middle, y + 66, number(target_k), "value", "middle")
                + "</g>"
            )
            continue
        target = " target" if k == ex.labels[t - 1] else ""
        parts.append(
            f'<g class="class{target}">'
            + rectangle(x, y, wide - 4, high, "track")
            + rectangle(x, y + high - 40 * p, wide - 4, 40 * p, "bar")
            + label(middle, y + 14, short(ex.classes[k], 8), "name", "middle")
            + label(middle, y + 32, fixed(z, 2), "value", "middle")
            + label(middle, y + 49, number(p), "value", "middle")
            + "</g>"
        )
    return f'<g id="answers">{"".join(parts)}</g>', y + high + 56
