"""One sequence's back-propagation through time, every term with its number and its proof."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from elman._typing import Array, IntArray
from elman.equations import (
    CELLS,
    cross_entropy,
    network,
    output_error,
    recurrent_step,
    softmax_jacobian,
)
from elman.errors import DataError
from elman.explanation import spectra, terms
from elman.explanation.subject import subject
from elman.parameters import Architecture, Parameters
from elman.training.optimizers import clip_norm


@dataclass(frozen=True, eq=False)
class Explanation:
    """Every number of one sequence's forward and backward pass, under the notes' names.

    Made by ``elman.explain``. Steps count from 1 in arguments and in words, as in the notes; arrays
    have step t in row t - 1. Everything is float64.

    T steps, D inputs of the layer explained, H its units, K classes.

    Attributes
    ----------
    title : str
        The model in a line.
    classes : list of str
        The labels by code.
    every_step : bool
        Whether each step has a label, or only the last.
    layer : int
        The one explained, counted from 1.
    parameters, gradients : Parameters
        Of all layers. The gradients are those of the notes' L = Σ L_t of this one sequence.
    x : array (T, D of layer 1)
        The network's inputs, standardised.
    inputs : array (T, D)
        The layer's: x, or the states of the layer below.
    U_frd, W_frd, h_unactivated, h_activated : arrays (T, H)
        N2.
    h_top : array (T, H of the top layer)
        The states that answer.
    y_unactivated, y_activated : arrays (T, K)
        N2, of every step, whether it has a label or not.
    labels : array (T,)
        Codes; -1 where a step has no label.
    losses : array (T,)
        L_t (N3); NaN where a step has no label.
    output_error : array (T, K)
        ŷ_t - y_t (N5); zeros where a step has no label.
    delta : array (T, T, H)
        [t - 1, τ - 1] is δ_{t,τ} = dL_t/dh_unactivated_τ (N7), zeros if τ > t or there is no L_t.
    slopes : array (T,)
        The mean f' of each step: the smallest of this layer's and those above.
    learning_rate, max_norm : float, float or None
        For ``update``.
    truncate : int or None
        How many steps back ``update`` goes; None: all.
    """

    title: str
    classes: list[str]
    every_step: bool
    layer: int
    parameters: Parameters
    gradients: Parameters
    x: Array
    inputs: Array
    U_frd: Array
    W_frd: Array
    h_unactivated: Array
    h_activated: Array
    h_top: Array
    y_unactivated: Array
    y_activated: Array
    labels: IntArray
    losses: Array
    output_error: Array
    delta: Array
    slopes: Array
    learning_rate: float
    max_norm: float | None
    truncate: int | None

    # Sizes and parameters

    @property
    def architecture(self) -> Architecture:
        """The shape of the network."""
        return self.parameters.architecture

    @property
    def cell(self) -> str:
        """What the layer is made of."""
        return self.architecture.cells[self.layer - 1]

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
        """The classes."""
        return len(self.classes)

    @property
    def U(self) -> Array:
        """The layer's input weights, (H, D)."""
        return self.parameters[f"U{self.layer}"]

    @property
    def W(self) -> Array | None:
        """The layer's recurrent weights, (H, H); None for ``dense``."""
        return self.parameters.get(f"W{self.layer}")

    @property
    def b(self) -> Array | None:
        """The layer's biases, (H,), if there are any."""
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
        """The state before the first step, (H,): zeros."""
        return np.zeros(self.H)

    @cached_property
    def h_previous(self) -> Array:
        """What W multiplies: h_{t-1} in row t - 1, (T, H). Zeros where there is no W."""
        if self.W is None:
            return np.zeros((self.T, self.H))
        return np.concatenate([self.h_0[None], self.h_activated[:-1]])

    @property
    def derivative(self) -> Array:
        """f'(h_unactivated), 1 - h² for tanh, (T, H)."""
        return CELLS[self.cell].derivative(self.h_activated)

    @property
    def answering(self) -> list[int]:
        """The steps that have a loss, counted from 1."""
        return [int(t) + 1 for t in self._answering]

    @property
    def _answering(self) -> IntArray:
        return np.flatnonzero(self.labels >= 0)

    @property
    def loss(self) -> float:
        """L = Σ L_t (N3)."""
        return float(np.nansum(self.losses))

    # The output (N5, N6)

    def softmax_jacobian(self, t: int) -> Array:
        """dŷ_i/dz_k at step t (N5), (K, K)."""
        return softmax_jacobian(self.y_activated[self._row(t)])

    @property
    def residual_n5(self) -> float:
        """The largest difference between Σ_i (-y_i/ŷ_i) dŷ_i/dz_k and ŷ_k - y_k (N5)."""
        worst = 0.0
        for t in self._answering:
            y_hat, label = self.y_activated[t], self.labels[t]
            if y_hat[label] > 0:  # else -y/ŷ is not a number; L_t is taken from z
                product = -1 / y_hat[label] * softmax_jacobian(y_hat)[label]
                worst = max(worst, float(np.abs(product - self.output_error[t]).max()))
        return worst

    def dV_term(self, t: int) -> Array:
        """(ŷ_t - y_t) h_tᵀ (N6), (K, H of the top layer)."""
        row = self._row(t)
        return np.outer(self.output_error[row], self.h_top[row])

    def dV_running(self, t: int) -> Array:
        """Σ_{j≤t} (ŷ_j - y_j) h_jᵀ (N6), (K, H of the top layer)."""
        row = self._row(t)
        return np.asarray(self.output_error[: row + 1].T @ self.h_top[: row + 1])

    # The terms (N7, N8)

    @cached_property
    def norms(self) -> Array:
        """‖term(t, τ)‖ (Frobenius), (T, T); NaN where there is no term."""
        return terms.term_norms(self.delta, self.h_previous, self._answering)

    @cached_property
    def kinds(self) -> npt.NDArray[np.str_]:
        """What each term is, (T, T): see ``elman.explanation.terms.term_kinds``."""
        dh = self.V.T @ self.output_error[self._answering].T
        return terms.term_kinds(self.delta, dh, self.h_previous, self.slopes, self._answering)

    def term(self, t: int, tau: int) -> Array:
        """δ_{t,τ} h_{τ-1}ᵀ: what loss t says of W by way of step τ (N7), (H, H).

        It is zero for τ > t, and where there is no L_t or no W.
        """
        return np.outer(self.delta[self._row(t), self._row(tau)], self.h_previous[self._row(tau)])

    def term_U(self, t: int, tau: int) -> Array:
        """δ_{t,τ} x_τᵀ: what loss t says of U by way of step τ, (H, D)."""
        return np.outer(self.delta[self._row(t), self._row(tau)], self.inputs[self._row(tau)])

    @cached_property
    def _sums_by_lag(self) -> Array:
        return terms.sums_by_lag(self.delta, self.h_previous, self._answering)

    def _row(self, t: int) -> int:
        if t not in range(1, self.T + 1):
            raise ValueError(f"steps count from 1 to {self.T}; got {t!r}")
        return int(t) - 1

    # Writing it down

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-able numbers, lists and strings; None for NaN."""
        fields = [
            "title", "classes", "every_step", "layer", "cell", "T", "D", "H", "K",
            "x", "inputs", "U_frd", "W_frd", "h_unactivated", "h_activated", "h_top",
            "y_unactivated", "y_activated", "labels", "answering", "losses", "loss", "derivative",
            "output_error", "residual_n5", "norms", "kinds",
        ]  # fmt: skip
        return {field: _jsonable(getattr(self, field)) for field in fields}

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Write everything as JSON, and return it; see ``to_dict``."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text


def _jsonable(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _jsonable(value.tolist())
    if isinstance(value, list | tuple):
        return [_jsonable(entry) for entry in value]
    if isinstance(value, dict | Parameters):
        return {name: _jsonable(entry) for name, entry in value.items()}
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def explain(
    model: Any,
    x: Any,
    y: Any,
    *,
    layer: int = 1,
    truncate: int | None = None,
    learning_rate: float | None = None,
    max_norm: float | None = None,
    check: bool = True,
) -> Explanation:
    """Explain one sequence's gradient, term by term."""
    array = np.asarray(x)
    X = array[None]
    who = subject(model, X, [y])
    layer = who.layer(layer)
    parameters = who.parameters
    layers, V, c = parameters.layers, parameters["V"], parameters.get("c")
    T, K = len(who.sequences.values), len(V)
    labels = np.full(T, -1)
    labels[0 if who.every_step else -1 :] = who.labels
    answering = np.flatnonzero(labels >= 0)

    # Forward: T blocks of one column, every step answering (N2)
    blocks = list(who.sequences.values[:, :, None])
    answers_from = [0] * T
    trace = network.forward(blocks, layers, V, c, answers_from)
    inputs = blocks if layer == 1 else trace.h_activated[layer - 2][1:]
    here = layers[layer - 1]
    steps = [
        recurrent_step(x_t, h, here.U, here.W, here.b, here.cell)
        for x_t, h in zip(inputs, trace.h_activated[layer - 1])
    ]
    U_frd, W_frd, h_unactivated, h_activated = (np.array(a)[:, :, 0] for a in zip(*steps))

    # A step without a label has an empty column y, and so no loss and no error (N3, N5).
    y_columns = np.zeros((K, T))
    y_columns[labels[answering], answering] = 1
    losses = np.full(T, np.nan)
    for t in answering:
        column = slice(t, t + 1)
        losses[t] = cross_entropy(y_columns[:, column], trace.y_unactivated[:, column])
    error = output_error(y_columns, trace.y_activated)  # (K, T)

    # Backward: all losses at once for the gradients, each on its own for the terms (N6 … N8)
    layer_gradients, dV, dc = network.gradients(blocks, y_columns, layers, V, answers_from, trace)
    computed = {"V": dV, "c": dc}
    for k, (dU, dW, db) in enumerate(layer_gradients, start=1):
        computed |= {f"U{k}": dU, f"W{k}": dW, f"b{k}": db}
    gradients = Parameters.zeros(parameters.architecture, np.float64)
    for name, gradient in gradients.items():
        gradient[...] = computed[name]
    above = slice(layer - 1, None)  # this layer and those above
    dh = V.T @ error[:, answering]
    carried = terms.carry_back(dh, answering, layers[above], trace.h_activated[above])[0]
    delta = np.zeros((T, T, len(here.U)))
    delta[answering] = carried.transpose(2, 0, 1)

    slopes = np.min(
        [
            [up.cell.derivative(h_t).mean() for h_t in h[1:]]
            for up, h in zip(layers[above], trace.h_activated[above])
        ],
        axis=0,
    )
    return Explanation(
        title=who.name,
        classes=who.classes,
        every_step=who.every_step,
        layer=layer,
        parameters=parameters,
        gradients=gradients,
        x=who.sequences.values,
        inputs=np.array(inputs)[:, :, 0],
        U_frd=U_frd,
        W_frd=W_frd,
        h_unactivated=h_unactivated,
        h_activated=h_activated,
        h_top=np.array(trace.h_activated[-1][1:])[:, :, 0],
        y_unactivated=trace.y_unactivated.T,
        y_activated=trace.y_activated.T,
        labels=labels,
        losses=losses,
        output_error=error.T,
        delta=delta,
        slopes=slopes,
        learning_rate=learning_rate or who.learning_rate or 0.01,
        max_norm=max_norm or who.max_norm,
        truncate=truncate,
    )
