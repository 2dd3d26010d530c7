"""The arrays of one sequence's forward and backward pass, and what follows directly (N2 … N6)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from elman._memory import require_memory
from elman._typing import Array, IntArray
from elman.equations import Cell, softmax_jacobian
from elman.equations.losses import Loss
from elman.equations.readouts import READOUTS, Readout
from elman.explanation import terms
from elman.explanation.proof import Check, TotalCheck
from elman.explanation.reading import Reading
from elman.explanation.slopes import is_plain, remembers
from elman.parameters import Architecture, Parameters

LEAST = float(np.finfo(np.float64).tiny)
"""The least ŷ for which -y/ŷ is a number."""


def name_of(cell: str | Cell) -> str:
    """The name of a cell: its own, or its class's."""
    return cell if isinstance(cell, str) else type(cell).__name__


@dataclass(frozen=True, eq=False, repr=False)
class Arrays:
    """The arrays of an explanation; ``Explanation`` says what each is."""

    title: str
    seed: int | None
    classes: list[str]
    features: list[str]
    every_step: bool
    takes_frames: bool
    layer: int
    reverse: bool
    offset: Array | None
    parameters: Parameters
    gradients: Parameters
    x: Array
    inputs: Array
    U_frd: Array
    W_frd: Array
    h_unactivated: Array
    h_activated: Array
    gates: dict[str, Array]
    states: dict[str, Array]
    partials: Array
    h_top: Array
    y_unactivated: Array
    y_activated: Array
    labels: IntArray | None
    y: Array
    losses: Array
    output_error: Array
    delta_of_losses: Array
    by_entry: Array | None
    slopes: Array
    held: terms.Difference
    truncate: int | None
    checks_: list[Check] | None
    totals_: list[TotalCheck] | None
    backward_: list[TotalCheck] | None
    central: list[dict[str, float]] | None
    update: dict[str, Any]

    # Sizes and parameters

    @property
    def architecture(self) -> Architecture:
        """The shape of the network."""
        return self.parameters.architecture

    @property
    def cell(self) -> str:
        """The name of the layer's cell."""
        return name_of(self.architecture.cells[self.layer - 1])

    @property
    def loss_function(self) -> Loss:
        """The loss."""
        return self.architecture.loss_function

    @property
    def equations(self) -> Cell:
        """The cell itself."""
        return self.architecture.layer_cells[self.layer - 1]

    @cached_property
    def plain(self) -> bool:
        """Whether the cell is h = f(h_unactivated), without gates and without another way back."""
        return is_plain(self.equations)

    @property
    def T(self) -> int:
        """The number of steps."""
        return len(self.inputs)

    @property
    def D(self) -> int:
        """The inputs of the layer."""
        return int(self.inputs.shape[1])

    @property
    def H(self) -> int:
        """The units of the layer."""
        return int(self.h_activated.shape[1])

    @property
    def K(self) -> int:
        """The outputs: classes, or numbers."""
        return len(self.classes)

    @property
    def U(self) -> Array:
        """The layer's input weights, (G_x H, D)."""
        return self.parameters[f"U{self.layer}"]

    @property
    def W(self) -> Array | None:
        """The layer's recurrent weights, (G_h H, H); None for ``dense``."""
        return self.parameters.get(f"W{self.layer}")

    @property
    def b(self) -> Array | None:
        """The layer's biases, (G H,), if there are any."""
        return self.parameters.get(f"b{self.layer}")

    @property
    def V(self) -> Array:
        """The output weights, (K, H of the top layer)."""
        return self.parameters["V"]

    @property
    def c(self) -> Array | None:
        """The output's biases, (K,), if there are any."""
        return self.parameters.get("c")

    # Forward (N2, N3)

    @property
    def h_0(self) -> Array:
        """The state before the first step, (H,): zeros, unless it was learned."""
        initial = self.parameters.get(f"initial{self.layer}")
        return np.zeros(self.H) if initial is None else initial[: self.H]

    @cached_property
    def h_previous(self) -> Array:
        """What W multiplies: h_{t-1} in row t - 1, (T, H). Zeros if there is no W."""
        if self.W is None:
            return np.zeros((self.T, self.H))
        return np.concatenate([self.h_0[None], self.h_activated[:-1]])

    @property
    def derivative(self) -> Array:
        """∂h_t/∂h_unactivated, (T, G H), gate under gate: f', which is 1 - h² for tanh."""
        gates = self.partials[:, 0, : len(self.equations.gates)]
        return gates.reshape(self.T, -1)

    @property
    def openness(self) -> Array:
        """The largest share of an error that a unit lets back in a step, (T, H).

        It is the largest derivative, by magnitude, of a state with respect to a pre-activation or to a
        state before: f' for tanh and relu.
        """
        return np.asarray(np.abs(self.partials).max(axis=(1, 2)))

    @property
    def recurrent(self) -> bool:
        """Whether errors come back through time, in this layer or in one above it."""
        return any(remembers(cell) for cell in self.architecture.layer_cells[self.layer - 1 :])

    @property
    def answering(self) -> list[int]:
        """The steps that have a loss, counted from 1."""
        return [int(t) + 1 for t in self.answering_rows]

    @property
    def answering_rows(self) -> IntArray:
        """The same, counted from 0."""
        return np.flatnonzero(~np.isnan(self.losses))

    @property
    def loss(self) -> float:
        """L = Σ L_t (N3)."""
        return float(np.nansum(self.losses))

    @property
    def targets(self) -> Any:
        """The y that ``explain`` takes for a network: one target, or one for each step."""
        if self.labels is not None:
            return self.labels if self.every_step else self.labels[-1]
        values = self.y[:, :: self.loss_function.outputs_a_number]
        values = values[:, 0] if values.shape[1] == 1 else values
        return values if self.every_step else values[-1]

    # What the output reads

    @property
    def readout(self) -> Readout:
        """What V multiplies: ``equations.readouts``."""
        return READOUTS[self.architecture.readout]

    @cached_property
    def _reading(self) -> Reading:
        return Reading.of(self.readout, self.h_top)

    @cached_property
    def r(self) -> Array:
        """What V multiplies at each step, r_t: (T, H of the top layer); h_t with ``"last"``."""
        return self._reading.r

    def reading(self, t: int) -> Array:
        """∂r_t/∂h_j, unit by unit, (T, H of the top layer): row j - 1 is that of step j.

        With ``"last"`` it is 1 at step t, with ``"mean"`` 1/t at each step up to t, and with
        ``"max"`` 1 at the step at which the unit was largest.
        """
        return self._reading.weights(self._row(t))

    def entering(self, t: int) -> Array:
        """The part of dL_t/dh_j directly from the output, (T, H of the top layer): row j - 1."""
        return np.asarray(self.reading(t) * (self.output_error[self._row(t)] @ self.V))

    @cached_property
    def delta(self) -> Array:
        """δ_{t,τ} in [t - 1, τ - 1], (T, T, G H): zeros if τ > t or there is no L_t.

        It always has T rows. ``delta_of_losses`` has a row only for each step with a label.
        """
        return self.by_steps(self.delta_of_losses, 0.0, "delta")

    def by_steps(self, rows: Array, nothing: Any, what: str, at: IntArray | None = None) -> Array:
        """Spread rows of losses, (A, T, …), or of steps ``at``, to a row for each step, (T, T, …)."""
        if len(rows) == self.T:
            return rows
        n_bytes = self.T * rows[0].nbytes
        require_memory(n_bytes, f"{what} of {self.T:,} steps by {self.T:,}")
        steps = np.full((self.T, *rows.shape[1:]), nothing, rows.dtype)
        steps[self.answering_rows if at is None else at] = rows
        return steps

    def loss_row(self, t: int) -> int:
        """The row of L_t in ``delta_of_losses``, ``norms_of_losses`` and ``kinds_of_losses``."""
        row = self._row(t)
        if row not in self.answering_rows:
            raise ValueError(
                f"step {t} has no label, and so no loss; those with one: {self.answering}"
            )
        return int(np.searchsorted(self.answering_rows, row))

    @property
    def delta_by_entry(self) -> Array:
        """The parts of δ_τ by the step at which they entered, (T, T, G H): [j - 1, τ - 1] is of step j.

        Errors enter at the steps that an answer reads. With ``"last"`` that is its own step, and this
        is ``delta``.
        """
        if self.by_entry is None:
            return self.delta
        return self.by_steps(self.by_entry, 0.0, "delta by entry", self.entries)

    @cached_property
    def entries(self) -> IntArray:
        """The steps, from 0, that an answer with a loss reads."""
        if not self.readout.of_all_steps:
            return self.answering_rows
        read = [self._reading.weights(t).any(axis=1) for t in self.answering_rows]
        return np.flatnonzero(np.any(read, axis=0))

    # The output (N5, N6)

    def softmax_jacobian(self, t: int) -> Array:
        """dŷ_i/dz_k at step t (N5), (K, K), if the outputs are classes."""
        if self.labels is None:
            raise ValueError("there is no softmax: this model predicts numbers, not classes")
        return softmax_jacobian(self.y_activated[self._row(t)])

    @property
    def residual_n5(self) -> float:
        """The largest difference between Σ_i (-y_i/ŷ_i) dŷ_i/dz_k and ŷ_k - y_k (N5).

        NaN if numbers are predicted, not classes.
        """
        if self.labels is None:
            return float("nan")
        worst = 0.0
        for t in self.answering_rows:
            y_hat, label = self.y_activated[t], self.labels[t]
            if y_hat[label] >= LEAST:  # otherwise -y/ŷ is not a number; L_t is computed from z
                product = -1 / y_hat[label] * softmax_jacobian(y_hat)[label]
                worst = max(worst, float(np.abs(product - self.output_error[t]).max()))
        return worst

    def dV_term(self, t: int) -> Array:
        """(ŷ_t - y_t) r_tᵀ (N6: h_tᵀ), (K, H of the top layer)."""
        row = self._row(t)
        return np.outer(self.output_error[row], self.r[row])

    def dV_running(self, t: int) -> Array:
        """Σ_{j≤t} (ŷ_j - y_j) r_jᵀ (N6: h_jᵀ), (K, H of the top layer)."""
        row = self._row(t)
        return np.asarray(self.output_error[: row + 1].T @ self.r[: row + 1])

    # The parameter whose terms are explained, and δ by what a gate reads

    @property
    def of(self) -> str:
        """The parameter whose terms are proved: ``"W"``, or ``"U"`` in a layer that has no W."""
        return "U" if self.W is None else "W"

    @property
    def left(self) -> Array:
        """What that parameter multiplies: h_{τ-1} in row τ - 1, or x_τ."""
        return self.inputs if self.W is None else self.h_previous

    @cached_property
    def delta_of(self) -> Array:
        """δ_{t,τ} of the gates that this parameter feeds, one under another, (A, T, G_h H)."""
        return self.delta_of_gates("x" if self.W is None else "h")

    @cached_property
    def delta_by_entry_of(self) -> Array:
        """``delta_by_entry`` of the same gates, a row for each of ``entries``, (n, T, G_h H)."""
        if self.by_entry is None:
            return self.delta_of
        return self._of_gates("x" if self.W is None else "h", self.by_entry)

    def delta_of_gates(self, what: str) -> Array:
        """δ_{t,τ} of the gates that read ``"x"``, or ``"h"``: those of U, or of W; (A, T, ·)."""
        return self._of_gates(what, self.delta_of_losses)

    def _of_gates(self, what: str, delta: Array) -> Array:
        cell = self.equations
        gates = cell.gates_reading(what)
        if len(gates) == len(cell.gates):
            return delta
        if not gates:
            return delta[..., :0]
        parts = np.split(delta, len(cell.gates), axis=-1)
        return np.concatenate([parts[g] for g in gates], axis=-1)

    def _row(self, t: int) -> int:
        if t not in range(1, self.T + 1):
            raise ValueError(f"steps count from 1 to {self.T}; got {t!r}")
        return int(t) - 1
