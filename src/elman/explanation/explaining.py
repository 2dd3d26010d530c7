"""Making an explanation: forward, backward, the step it asks for, and the proofs."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from elman._memory import require_memory
from elman._typing import Array, IntArray
from elman.equations import (
    Layer,
    Trace,
    descend,
    network,
    recurrent_gradients,
)
from elman.errors import DataError
from elman.estimators import RNNClassifier
from elman.explanation import terms
from elman.explanation.arrays import name_of
from elman.explanation.numbers import Numbers
from elman.explanation.proof import central_differences, check_backward, check_terms, check_totals
from elman.explanation.slopes import Exact
from elman.explanation.subject import subject
from elman.network import gate_values
from elman.parameters import Parameters
from elman.training.optimizers import clip_norm

DEFAULT_LEARNING_RATE = 0.01


def compute(
    model: Any,
    x: Any,
    y: Any,
    *,
    layer: int = 1,
    truncate: int | None = None,
    learning_rate: float | None = None,
    max_norm: float | None = None,
    check: bool = True,
) -> Numbers:
    """Compute what ``elman.explain`` explains; the arguments are its."""
    try:
        who = subject(model, _alone(x), [_one(y, model)])
    except DataError as error:
        error.add_note("Here X is [x], a data set of one sequence, and y is [y].")
        raise
    layer = who.layer(layer)
    if truncate is not None and not (_is_number(truncate, Integral) and truncate >= 0):
        raise ValueError(f"truncate must be a whole number of steps, 0 or more; got {truncate!r}")
    for name, value in (("learning_rate", learning_rate), ("max_norm", max_norm)):
        if value is not None and not (_is_number(value, Real) and 0 < value < np.inf):
            raise ValueError(f"{name} must be a number above 0; got {value!r}")

    parameters, x = who.parameters, who.sequences.values
    labels = np.full(len(x), -1)
    labels[0 if who.every_step else -1 :] = who.labels
    _require_memory(parameters, layer, labels)
    passes = _Passes.of(parameters, x, labels)
    gradients = passes.gradients()
    delta = passes.delta(layer)
    if not (np.isfinite(delta).all() and np.isfinite(gradients.vector).all()):
        raise DataError(
            "the gradient overflows on its way back through this sequence: it explodes beyond "
            "1e308. Explain a model with a smaller W, or a shorter sequence."
        )
    update = _update(
        passes,
        gradients if truncate is None else passes.gradients(truncate),
        learning_rate or who.learning_rate or DEFAULT_LEARNING_RATE,
        max_norm or who.max_norm,
        layer,
    )

    inputs, forward = passes.inputs(layer), passes.rows(layer)
    checks, totals, backward, central = None, None, None, None
    if check:
        plain = passes.trace.layers
        # Of a layer without W the terms of U are proved: the same δ, beside other vectors.
        of_layer = (parameters, layer, inputs, labels, plain)
        W = parameters.get(f"W{layer}")
        H = forward["h_activated"].shape[1]
        left = (
            inputs if W is None else np.concatenate([np.zeros((1, H)), forward["h_activated"][:-1]])
        )
        name, what = ("U", "x") if W is None else ("W", "h")
        cell = parameters.layers[layer - 1].cell
        delta_of = cell.rows_reading(what, delta.transpose(2, 0, 1)).transpose(1, 2, 0)
        checks = check_terms(*of_layer, name, delta_of, left, passes.error.T)
        totals = check_totals(parameters, x, labels, gradients, passes.error.T)
        backward = [
            check_backward(f"layer {k} ({name_of(cell_k)})", of_k.cell, trace_k)
            for k, (cell_k, of_k, trace_k) in enumerate(
                zip(parameters.architecture.cells, parameters.layers, plain, strict=True), start=1
            )
        ]
        central = central_differences(*of_layer, name, checks)

    T, n_layers = len(x), len(parameters.layers)
    H, cell_name = (
        forward["h_activated"].shape[1],
        name_of(parameters.architecture.cells[layer - 1]),
    )
    return Numbers(
        title=(
            f"{who.name}, layer {layer} of {n_layers} ({H} {cell_name} unit{'s' * (H > 1)}), "
            f"a sequence of {T} step{'s' * (T > 1)}"
        ),
        seed=who.seed,
        classes=who.classes,
        every_step=who.every_step,
        layer=layer,
        parameters=parameters,
        gradients=gradients,
        x=x,
        inputs=inputs,
        **forward,
        h_top=passes.rows(n_layers)["h_activated"],
        y_unactivated=passes.trace.y_unactivated.T,
        y_activated=passes.trace.y_activated.T,
        labels=labels,
        losses=passes.losses(),
        output_error=passes.error.T,
        delta=delta,
        slopes=passes.least_open(layer),
        held=passes.held(layer, gradients),
        truncate=truncate,
        checks_=checks,
        totals_=totals,
        backward_=backward,
        central=central,
        update=update,
    )


def _require_memory(parameters: Parameters, layer: int, labels: IntArray) -> None:
    """Refuse what takes more memory than there is: each loss has an error at each step before it."""
    T, n_losses = len(labels), int((labels >= 0).sum())
    hidden = parameters.architecture.hidden[layer - 1 :]
    gates = [len(cell.gates) for cell in parameters.architecture.layer_cells[layer - 1 :]]
    widths = [H * G for H, G in zip(hidden, gates, strict=True)]
    n_numbers = T * T * widths[0] + T * n_losses * (widths[0] + max(widths))
    require_memory(8 * n_numbers, f"explaining {T:,} steps of {hidden[0]:,} units")


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _alone(x: Any) -> Any:
    """Make a data set of one sequence; columns keep their names."""
    try:
        shape = np.shape(x)
    except ValueError:  # no array: refused where all arrays are checked
        return [x]
    if len(shape) not in (1, 2):
        raise DataError(
            f"x has {len(shape)} dimension(s), shape {shape}; expected one sequence, "
            "(n_timesteps, n_features). Of a data set X pass one, X[0]."
        )
    if hasattr(x, "columns"):
        return [x]
    if hasattr(x, "iloc"):  # a row of a data frame
        return x.to_frame().T
    return np.asarray(x)[None]


def _one(y: Any, model: Any) -> Any:
    """The label, or the labels, of one sequence."""
    try:
        labels = np.asarray(y)
    except ValueError:
        raise DataError("y is a list of lists; expected a label, or one for each step.") from None
    if labels.size > 1 and isinstance(model, RNNClassifier):
        raise DataError(
            f"y has shape {labels.shape}; an RNNClassifier gives a sequence one label, and expects one "
            "here. Of a data set pass X[0], y[0]; of one-hot labels np.argmax(y)."
        )
    return labels.tolist()


class _Passes(NamedTuple):
    """One sequence forward through all layers, with what going back takes. Arrays have a row a step.

    What the equations take is made of these: T blocks of one column.
    """

    parameters: Parameters
    layers: list[Layer]  # whose cells go back by exact slopes
    x: Array  # (T, D)
    labels: IntArray  # (T,), -1 where there is none
    trace: Trace
    error: Array  # (K, T), ŷ - y; zeros where a step has no label

    @classmethod
    def of(cls, parameters: Parameters, x: Array, labels: IntArray) -> _Passes:
        """Go forward (N2), with an answer at every step, and find the answers' errors (N5)."""
        layers = [layer._replace(cell=Exact(layer.cell)) for layer in parameters.layers]
        with np.errstate(over="ignore", invalid="ignore"):  # looked at below
            trace = _forward(parameters, x, layers)
        if not np.isfinite(trace.y_unactivated).all():
            step = 1 + int(np.argmin(np.isfinite(trace.y_unactivated).all(axis=0)))
            raise DataError(
                f"the network's states overflow at step {step} of this sequence; expected finite "
                "numbers. Explain a model with smaller weights, or scale x."
            )
        # A step without a label has an empty column y, and so no loss and no error (N3, N5).
        y = (labels == np.arange(len(parameters["V"]))[:, None]).astype(np.float64)
        error = terms.exact_error(y, trace.y_activated)
        return cls(parameters, layers, x, labels, trace, error)

    @property
    def answering(self) -> IntArray:
        """The steps with a loss, from 0."""
        return np.flatnonzero(self.labels >= 0)

    def inputs(self, layer: int) -> Array:
        """What a layer's U multiplies, (T, D)."""
        return self.x if layer == 1 else _rows(self.trace.layers[layer - 2].h)

    def rows(self, layer: int) -> dict[str, Any]:
        """The intermediates of a layer, an array (T, …) each."""
        cell, steps = self.parameters.layers[layer - 1].cell, self.trace.layers[layer - 1].steps
        U_frd, W_frd, h_unactivated, states, kept = zip(*steps, strict=True)
        of_states = [_rows(of) for of in zip(*states, strict=True)]
        partials, *values = zip(*kept, strict=True)
        return {
            "U_frd": _rows(U_frd),
            "W_frd": _rows(W_frd),
            "h_unactivated": _rows(h_unactivated),
            "h_activated": of_states[0],
            "states": dict(zip(cell.states, of_states, strict=True)),
            "gates": gate_values(cell, [*map(_rows, values)]),
            "partials": np.array(partials)[..., 0],
        }

    def least_open(self, layer: int) -> Array:
        """How open each step is, in the mean over units: the least of a layer and those above, (T,)."""
        least: Array = np.min(
            [
                [np.abs(step.kept[0]).max(axis=(0, 1)).mean() for step in of.steps]
                for of in self.trace.layers[layer - 1 :]
            ],
            axis=0,
        )
        return least

    def losses(self) -> Array:
        """L_t (N3), (T,); NaN where a step has no label."""
        losses = np.full(len(self.x), np.nan)
        losses[self.answering] = self.losses_of(self.trace.y_unactivated)
        return losses

    def losses_of(self, z: Array) -> Array:
        """L_t of the steps with a label, for y_unactivated (K, T)."""
        columns = z.T[self.answering, :, None]
        return terms.exact_losses(columns, self.labels[self.answering])[:, 0]

    def gradients(self, truncate: int | None = None) -> Parameters:
        """All gradients: of all losses in one sweep (N6, N8), or each cut so many steps back (N7)."""
        V = self.parameters["V"]
        x = _blocks(self.x)
        with np.errstate(over="ignore", invalid="ignore"):  # looked at where it is asked for
            of_layers, dV, dc = network.gradients(
                x, self.error, self.layers, V, [0] * len(x), self.trace
            )
        if truncate is not None:
            of_layers = [
                recurrent_gradients(
                    _blocks(delta.sum(axis=2)),
                    _blocks(self.inputs(k)),
                    self.trace.layers[k - 1],
                    layer,
                )
                for k, (delta, layer) in enumerate(
                    zip(self._carried(1, truncate), self.layers, strict=True), start=1
                )
            ]
        return Parameters.of_gradients(self.parameters.architecture, of_layers, dV, dc)

    def delta(self, layer: int) -> Array:
        """δ_{t,τ} of a layer, each loss carried back on its own (N7), (T, T, G H)."""
        carried = self._carried(layer)[0]
        T, width, _ = carried.shape
        delta = np.zeros((T, T, width))
        delta[self.answering] = carried.transpose(2, 0, 1)  # (T, G H, A) → (A, T, G H)
        return delta

    def held(self, layer: int, gradients: Parameters) -> terms.Difference:
        """What is lost of dW if h_{t-1} is held constant in the layer's own W h_{t-1}."""
        layers, V = [*self.layers], self.parameters["V"]
        whole = gradients.get(f"W{layer}")
        if whole is None:
            return terms.Difference(np.nan, np.nan)
        layers[layer - 1] = layers[layer - 1]._replace(W=None)
        x = _blocks(self.x)
        of_layers, _, _ = network.gradients(x, self.error, layers, V, [0] * len(x), self.trace)
        return terms.difference(of_layers[layer - 1][1], whole)

    def _carried(self, layer: int, truncate: int | None = None) -> list[Array]:
        """Carry each loss back through the layers from one up to the top: (T, G H, A) of each."""
        dh = self.parameters["V"].T @ self.error[:, self.answering]
        layers, traces = self.layers[layer - 1 :], self.trace.layers[layer - 1 :]
        with np.errstate(over="ignore", invalid="ignore"):  # looked at where it is asked for
            return terms.carry_back(dh, self.answering, layers, traces, truncate)


def _blocks(rows: Array) -> list[Array]:
    """Make blocks of one column of rows: (T, H) to T blocks (H, 1)."""
    return list(rows[:, :, None])


def _rows(blocks: Sequence[Array]) -> Array:
    """Put blocks of one column under one another: T blocks (H, 1) to (T, H)."""
    return np.array(blocks)[:, :, 0]


def _forward(parameters: Parameters, x: Array, layers: Sequence[Layer]) -> Trace:
    blocks = _blocks(x)
    V, c = parameters["V"], parameters.get("c")
    return network.forward(blocks, layers, V, c, [0] * len(blocks))


def _update(
    passes: _Passes,
    gradients: Parameters,
    learning_rate: float,
    max_norm: float | None,
    layer: int,
) -> dict[str, Any]:
    """Take the notes' step (N4) on copies."""
    after, gradients = passes.parameters.copy(), gradients.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        norm = clip_norm(gradients.vector, max_norm)
        descend(after.vector, gradients.vector, learning_rate)
        loss_after = float(
            passes.losses_of(_forward(after, passes.x, after.layers).y_unactivated).sum()
        )
    clipped = max_norm is not None and norm > max_norm
    return {
        "norm": norm,
        "max_norm": max_norm,
        "clipped": clipped,
        "scale": max_norm / norm if clipped and max_norm is not None else 1.0,
        "learning_rate": learning_rate,
        "after": after,
        "loss_after": loss_after,
        "V_after": after["V"],
        "c_after": after.get("c"),
    } | {f"{name}_after": after.get(f"{name}{layer}") for name in "UWb"}
