"""The numbers that the page carries, as JSON: what its pictures show, and a little more."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from elman._typing import Array
from elman.explanation.page.forward import pieces, scale_of
from elman.explanation.page.view import MATRIX, View

CARRIED = ("U_frd", "W_frd", "h_activated")  # the others follow by one operation


def data_block(view: View) -> str:
    """Write the JSON, safe inside a script element.

    Long arrays are their float64 bytes, little-endian, in base64: exact, and half as long as digits.
    """
    lines = (
        f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}"
        for key, value in _content(view).items()
    )
    text = "{\n" + ",\n".join(lines) + "\n}"
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def derived(view: View) -> bool:
    """Whether the script computes the other pieces; of a cell that it does not know it is given all."""
    return view.explanation.plain and view.f != "f"


def _content(view: View) -> dict[str, Any]:
    ex = view.explanation
    steps = sorted({*view.steps, view.step})
    rows = np.array(steps) - 1
    losses = {str(t): float(ex.losses[t - 1]) for t in ex.answering}
    return {
        "about": (
            "Arrays with a shape are float64, little-endian, in base64: numpy.frombuffer("
            "base64.b64decode(a['base64']), 'float64').reshape(a['shape']). term(t, τ) = "
            "outer(delta of the cell (t, τ), left of the step τ)."
        ),
        "title": ex.title,
        "command": view.command,
        "layer": ex.layer,
        "cell": ex.cell,
        "T": ex.T,
        "D": ex.D,
        "H": ex.H,
        "K": ex.K,
        "classes": [ex.classes[k] for k in view.classes],
        "labels": None if ex.labels is None else ex.labels[rows].tolist(),
        "y": None
        if ex.labels is not None
        else [
            [None if np.isnan(value) else value for value in line]
            for line in ex.y[rows][:, view.classes].tolist()
        ],
        "loss": ex.loss,
        "losses": losses,
        "verdict": ex.verdict,
        "proved": None if ex.checks_ is None else [ex.n_proved, ex.n_terms],
        "worst_error": None if ex.checks_ is None else ex.worst_error,
        "sum_error": ex.sum_error,
        "steps": steps,
        "forward": {
            piece.key: _array(piece.values[rows, : view.units])
            for piece in pieces(view)
            if piece.key in CARRIED or not derived(view)
        },
        "derived": derived(view),
        "b": ex.b[: view.units].tolist() if ex.b is not None and ex.plain else None,
        "full": {piece.key: scale_of(piece) for piece in pieces(view)},
        "y_unactivated": ex.y_unactivated[rows][:, view.classes].tolist(),
        "y_activated": ex.y_activated[rows][:, view.classes].tolist(),
        "output_error": ex.output_error[rows][:, view.classes].tolist(),
        "targets": None
        if ex.labels is None
        else [view.classes.index(int(k)) if k in view.classes else -1 for k in ex.labels[rows]],
        "written_rows": MATRIX,
        "triangle_steps": view.steps,
        "cells": [list(cell) for cell in view.cells],
        "kinds": [str(ex.kinds_of_losses[ex.loss_row(t), tau - 1]) for t, tau in view.cells],
        "norms": _array(
            np.array([[ex.norms_of_losses[ex.loss_row(t), tau - 1] for t, tau in view.cells]])
        ),
        "delta": _array(np.array([ex.delta_of[ex.loss_row(t), tau - 1] for t, tau in view.cells])),
        "gates": view.delta_gates,
        "of": ex.of,
        "left": _array(ex.left[np.array(view.steps) - 1]),
    }


def _array(values: Array) -> dict[str, Any]:
    exact = np.ascontiguousarray(values, "<f8")
    return {
        "shape": list(exact.shape),
        "base64": base64.b64encode(exact.tobytes()).decode("ascii"),
    }
