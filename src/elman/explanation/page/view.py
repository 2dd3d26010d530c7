"""What of an explanation is shown, where all of it would be too much to read or to send."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from elman._typing import Array
from elman.equations.losses import CrossEntropy, Poisson, SquaredError
from elman.explanation.numbers import Numbers

Item = TypeVar("Item")

TANH = ("tanh", "dense")  # the cells whose f is tanh

STEPS = 50  # rows and columns of the triangle, rows of a table
UNITS = 32  # cells of a strip
MATRIX = 16  # rows and columns of a matrix that is written out
ROWS = 50  # rows of a table
CLASSES = 12  # of an output that are written out
NUMBERS = 60_000  # in the error vectors δ that the page carries, and pieces of steps: 640 KB


@dataclass(frozen=True)
class View:
    """An explanation, and what is chosen of it.

    Attributes
    ----------
    explanation : Numbers
    step : int
        The step that panels 2 and 3 open with.
    command : str or None
        What makes the page again.
    """

    explanation: Numbers
    step: int
    command: str | None

    @cached_property
    def answering(self) -> list[int]:
        """The losses that have a row: all of them, or as many as fit, evenly chosen."""
        return evenly(self.explanation.answering, self._n_steps)

    @cached_property
    def steps(self) -> list[int]:
        """The steps that have a column."""
        return evenly(range(1, self.explanation.T + 1), self._n_steps)

    @cached_property
    def _n_steps(self) -> int:
        ex = self.explanation
        n_losses, width = len(ex.answering), ex.delta_of.shape[2]
        cell = ex.equations  # of one with gates the page carries all pieces of a step
        carried = 0 if ex.plain else (2 * len(cell.gates) + len(cell.states) + 1) * self.units

        def numbers(n: int) -> float:
            terms = min(n_losses, n) * (n + 1) / 2 if n_losses > 1 else n
            return float(terms * width + n * carried)

        n = min(STEPS, ex.T)
        while n > 1 and numbers(n) > NUMBERS:
            n -= 1
        return n

    @cached_property
    def cells(self) -> list[tuple[int, int]]:
        """The terms (t, τ) that are shown, row by row."""
        return [(t, tau) for t in self.answering for tau in self.steps if tau <= t]

    @cached_property
    def cell(self) -> tuple[int, int]:
        """The term that the triangle opens with: two steps back from the step's loss, or the last.

        Of a loss that reads all steps it is the largest.
        """
        t = self.step if self.step in self.answering else self.answering[-1]
        if self.explanation.readout.of_all_steps:
            sizes = np.nan_to_num(
                self.explanation.norms_of_losses[
                    self.explanation.loss_row(t), np.array(self.steps) - 1
                ]
            )
            return t, self.steps[int(sizes.argmax())]
        return t, max((tau for tau in self.steps if tau <= t - 2), default=self.steps[0])

    @cached_property
    def classes(self) -> list[int]:
        """The outputs that are written out: classes of the labels and the likeliest, or the first."""
        ex = self.explanation
        if ex.labels is None:
            return list(range(min(ex.K, CLASSES)))
        weight = ex.y_activated.max(axis=0).copy()
        weight[ex.labels[ex.labels >= 0]] += 1
        return strongest(weight, CLASSES)

    @property
    def of_classes(self) -> bool:
        """Whether classes are told apart, rather than numbers predicted."""
        return self.explanation.labels is not None

    @property
    def what(self) -> str:
        """What an output is of: a class, or a number."""
        return "class" if self.of_classes else "output"

    @property
    def many(self) -> str:
        """The same of several."""
        return "classes" if self.of_classes else "outputs"

    @property
    def is_difference(self) -> bool:
        """Whether dL/dz is ŷ - y, as N5's."""
        return isinstance(self.explanation.loss_function, CrossEntropy | SquaredError | Poisson)

    @property
    def error_math(self) -> str:
        """How dL_t/dz_t is written, as ``math`` takes it."""
        return "( ŷ_t - y_t )" if self.is_difference else "dL_t//dz_t"

    @property
    def error_html(self) -> str:
        """The same as markup."""
        if self.is_difference:
            return "(ŷ<sub>t</sub> − y<sub>t</sub>)"
        return "dL<sub>t</sub>/dz<sub>t</sub>"

    @property
    def read(self) -> str:
        """The letter of what V multiplies: h, or r where the output reads other steps too."""
        return "r" if self.explanation.readout.of_all_steps else "h"

    @property
    def slope(self) -> str:
        """How f' is written; where a cell is more than an f, what stands in its place."""
        if not self.explanation.plain:
            return "openness"
        return "1 − h²" if self.explanation.cell in TANH else "f′"

    @property
    def f(self) -> str:
        """How the f of a plain cell is written."""
        cell = self.explanation.cell
        return "tanh" if cell in TANH else "relu" if cell == "relu" else "f"

    @property
    def states(self) -> str:
        """How all states of a cell are written: h, or (h, s)."""
        names = list(self.explanation.states)
        return names[0] if len(names) == 1 else f"({','.join(names)})"

    def entry(self, i: int) -> str:
        """Name an entry of δ: the unit, and of a cell with gates the gate."""
        ex = self.explanation
        gates = self.delta_gates
        return f"{i + 1}" if len(gates) == 1 else f"{gates[i // ex.H]} {i % ex.H + 1}"

    @cached_property
    def delta_gates(self) -> list[str]:
        """The gates whose δ the terms are made of, one under another."""
        cell = self.explanation.equations
        return [
            cell.gates[g]
            for g in cell.gates_reading("h" if self.explanation.W is not None else "x")
        ]

    @property
    def left_math(self) -> str:
        """What the parameter of the terms met at step τ, as ``math`` takes it."""
        return "h_{τ-1}" if self.explanation.of == "W" else "x_τ"

    @property
    def left_html(self) -> str:
        """The same as markup."""
        return "h<sub>τ−1</sub>" if self.explanation.of == "W" else "x<sub>τ</sub>"

    @property
    def nothing_back(self) -> str:
        """Say why nothing goes back through time, if nothing does."""
        if not self.explanation.recurrent:
            return " No layer from here up has a W, so that nothing goes back through time."
        return "" if self.explanation.T > 1 else " With one step, there is no way back."

    @property
    def sizes(self) -> dict[str, tuple[float, float]]:
        """The width and height of a cell, by the picture it is in."""
        n, n_losses = len(self.steps), len(self.answering)
        pitch = min(max(760 / n, 15.0), 80.0)
        written = min(self.explanation.delta_of.shape[2], MATRIX)
        outer = min(max(380 / written, 18.0), 40.0)
        return {
            "pieces": (min(max(720 / self.units, 13.0), 40.0), 22.0),
            "triangle": (pitch, min(pitch, 40.0) if n_losses > 1 else 54.0),
            "outer": (outer, outer),
        }

    @cached_property
    def units(self) -> int:
        """How many units, from the first, have a cell in a strip."""
        return min(self.explanation.H, UNITS)


def evenly(items: Sequence[Item], n: int) -> list[Item]:
    """Choose n items, evenly apart, the first and the last among them; of one, the last."""
    if len(items) <= n:
        return list(items)
    if n == 1:
        return [items[-1]]
    return [items[round(i * (len(items) - 1) / (n - 1))] for i in range(n)]


def strongest(values: Array, n: int) -> list[int]:
    """Choose the n places with the largest magnitudes, and keep their order."""
    return sorted(np.argsort(-np.abs(values), kind="stable")[:n].tolist())


def fit(matrix: Array, rows: int = 32, columns: int = 64) -> Array:
    """Shrink a matrix by the largest magnitude of each block, with its sign."""
    for axis, n in ((0, rows), (1, columns)):
        block = math.ceil(matrix.shape[axis] / n)
        if block > 1:
            parts = np.split(matrix, range(block, matrix.shape[axis], block), axis)
            matrix = np.stack([_largest(part, axis) for part in parts], axis)
    return matrix


def _largest(part: Array, axis: int) -> Array:
    places = np.expand_dims(np.abs(part).argmax(axis), axis)
    return np.take_along_axis(part, places, axis).squeeze(axis)


def relative(matrix: Array) -> Array:
    """Divide by the largest magnitude, so that the diverging scale spans it."""
    largest = float(np.nanmax(np.abs(matrix), initial=0.0))
    return matrix / (largest or 1.0)


def capped(shown: int, total: int, what: str) -> str:
    """Say that something is left out, or nothing."""
    return "" if shown >= total else f" {shown:,} of {total:,} {what} are shown."
