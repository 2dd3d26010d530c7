"""One sequence forward through all layers, and its errors back (N2, N5, N7).

Letters: T steps, A of them answering (with a loss), K outputs, H units of a layer, S states and G gates
of its cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from elman._typing import Array, IntArray
from elman.equations import (
    Cell,
    Layer,
    LayerGradients,
    LayerTrace,
    Trace,
    network,
    recurrent_gradients,
)
from elman.equations.forward import States
from elman.equations.readouts import READOUTS
from elman.errors import DataError
from elman.explanation import terms
from elman.explanation.reading import Reading
from elman.explanation.slopes import Exact, Slopes, slopes
from elman.explanation.wanted import Wanted
from elman.network import gate_values
from elman.parameters import Parameters


class CarriedBack(NamedTuple):
    """Each loss carried back on its own (N7).

    Attributes
    ----------
    delta : array (A, T, G H)
        δ_{t,τ} of a layer, a row each loss.
    dh : for it and each layer above, an array (A, T, S H)
        dL_t/d(states of step τ); if errors enter at several steps, the sum of the magnitudes.
    by_entry : array (n, T, G H), or None
        For each of the n steps j that a loss reads, the part of δ_τ that entered there from the output.
        None if a loss reads only its own step: then this is ``delta``.
    """

    delta: Array
    dh: list[Array]
    by_entry: Array | None


class Entries(NamedTuple):
    """Where errors enter from the output: each loss at each step that it reads."""

    losses: IntArray  # (n,), the numbers of the losses
    steps: IntArray  # (n,), from 0
    weights: Array  # (n, H_top), ∂r/∂h of the step


class Passes(NamedTuple):
    """One sequence forward through all layers, and what the backward pass needs. A row is a step.

    The equations take them as T blocks of one column.
    """

    parameters: Parameters
    layers: list[Layer]  # their cells use exact slopes in the backward pass
    x: Array  # (T, D)
    wanted: Wanted
    trace: Trace  # as of ``layers``
    slopes: list[Slopes]  # of each layer, with an axis of steps, (S, G + S, T, H, 1)
    error: Array  # (K, T), ŷ - y; zeros if a step has no target
    offset: Array  # (T, K), added to y_unactivated in addition to V h + c: ``turned``

    @classmethod
    def of(
        cls, parameters: Parameters, x: Array, wanted: Wanted, offset: Array | None = None
    ) -> Passes:
        """Go forward (N2), with an answer at every step, and find the answers' errors (N5)."""
        if offset is None:
            offset = np.zeros((len(x), len(wanted.y)))
        with np.errstate(over="ignore", invalid="ignore"):  # looked at below
            trace = forward_with_answers(parameters, x, parameters.layers, offset)
        if not np.isfinite(trace.y_unactivated).all():
            step = 1 + int(np.argmin(np.isfinite(trace.y_unactivated).all(axis=0)))
            raise DataError(
                f"the network's states overflow at step {step} of this sequence; expected finite "
                "numbers. Explain a model with smaller weights, or scale x."
            )
        with np.errstate(over="ignore", invalid="ignore"):  # checked in the backward pass
            error = wanted.error(trace.y_unactivated)
            found = [
                slopes(layer.cell, *entering(layer.cell, of_layer))
                for layer, of_layer in zip(parameters.layers, trace.layers, strict=True)
            ]
        traces = [_keeping(*of) for of in zip(trace.layers, found, strict=True)]
        layers = [layer._replace(cell=Exact(layer.cell)) for layer in parameters.layers]
        trace = trace._replace(layers=traces)
        return cls(parameters, layers, x, wanted, trace, found, error, offset)

    @property
    def answering(self) -> IntArray:
        """The steps with a loss, from 0."""
        return self.wanted.answering

    @property
    def reading(self) -> Reading:
        """What the output reads of the top layer's states."""
        readout = READOUTS[self.parameters.architecture.readout]
        (carried,) = self.trace.carried
        return Reading(readout, self.trace.layers[-1].h, carried)

    @property
    def h_top(self) -> Array:
        """The states of the top layer, (T, H)."""
        return _rows(self.trace.layers[-1].h)

    def inputs(self, layer: int) -> Array:
        """What a layer's U multiplies, (T, D)."""
        return self.x if layer == 1 else _rows(self.trace.layers[layer - 2].h)

    def name_of_terms(self, layer: int) -> str:
        """The parameter of a layer whose terms are explained: ``"W"``, or ``"U"`` if there is no W."""
        return "U" if self.parameters.get(f"W{layer}") is None else "W"

    def left(self, layer: int) -> Array:
        """What that parameter multiplies: h_{t-1} in row t - 1, (T, H), or x_t, (T, D)."""
        if self.name_of_terms(layer) == "U":
            return self.inputs(layer)
        trace = self.trace.layers[layer - 1]
        return _rows([trace.before(t)[0] for t in range(len(self.x))])

    def are_from_zero(self, layer: int) -> Array:
        """The steps, (T,), at which a layer's W multiplies h_{t-1} = 0."""
        return np.asarray(~self.left(layer).any(axis=1))

    def rows(self, layer: int) -> dict[str, Any]:
        """The intermediates of a layer, an array (T, …) each."""
        cell, steps = self.parameters.layers[layer - 1].cell, self.trace.layers[layer - 1].steps
        U_frd, W_frd, h_unactivated, states, kept = zip(*steps, strict=True)
        of_states = [_rows(of) for of in zip(*states, strict=True)]
        _, _, *values = zip(*kept, strict=True)
        return {
            "U_frd": _rows(U_frd),
            "W_frd": _rows(W_frd),
            "h_unactivated": _rows(h_unactivated),
            "h_activated": of_states[0],
            "states": dict(zip(cell.states, of_states, strict=True)),
            "gates": {g: _rows(of) for g, of in gate_values(cell, values).items()},
            "partials": np.moveaxis(self.slopes[layer - 1].states[..., 0], 2, 0),
        }

    def least_open(self, layer: int) -> Array:
        """The mean openness of the units at each step, (T,): the least of a layer and those above."""
        openness = [np.abs(of.states).max(axis=(0, 1)) for of in self.slopes[layer - 1 :]]
        least: Array = np.min([of.mean(axis=(1, 2)) for of in openness], axis=0)
        return least

    def losses(self) -> Array:
        """L_t (N3), (T,); NaN if a step has no label."""
        losses = np.full(len(self.x), np.nan)
        losses[self.answering] = self.losses_of(self.trace.y_unactivated)
        return losses

    def losses_of(self, z: Array) -> Array:
        """L_t of the steps with a label, for y_unactivated (K, T)."""
        return self.wanted.losses(z.T[self.answering, :, None])[:, 0]

    def gradients(self, truncate: int | None = None) -> Parameters:
        """All gradients: of all losses at once (N6, N8), or with each cut ``truncate`` steps back (N7).

        An error is cut so many steps back from where it enters.
        """
        V = self.parameters["V"]
        x, readout = _blocks(self.x), self.parameters.architecture.readout
        with np.errstate(over="ignore", invalid="ignore"):  # looked at where it is asked for
            of_layers, dV, dc = network.gradients(
                x, self.error, self.layers, V, [0] * len(x), self.trace, readout
            )
        if truncate is not None:
            reaches = self.entries().steps < truncate  # the states before the first step
            for k, carried in enumerate(self._carried(1, truncate), start=1):
                delta = _blocks(carried.sum(axis=2)[:, : -self._n_states(k)])
                layer, trace = self.layers[k - 1], self.trace.layers[k - 1]
                within = recurrent_gradients(delta, _blocks(self.inputs(k)), trace, layer)
                initial = self._before_the_first(k, carried[0][:, reaches].sum(axis=1))
                of_layers[k - 1] = LayerGradients(*within, initial)
        return Parameters.of_gradients(self.parameters.architecture, of_layers, dV, dc)

    def _before_the_first(self, layer: int, carried: Array) -> Array:
        """dL/d(states before the first step), (S H,), from δ and dL/d(states) at that step."""
        of = self.layers[layer - 1]
        partials = self.trace.layers[layer - 1].steps[0].kept[0][..., 0]  # (S, G + S, H)
        G, n_states = len(of.cell.gates), self._n_states(layer)
        dh = carried[-n_states:].reshape(len(partials), -1)  # (S, H)
        initial: Array = np.einsum("sh,srh->rh", dh, partials[:, G:])
        if of.W is not None:
            initial[0] += of.W.T @ of.cell.rows_reading("h", carried[:-n_states])
        return initial.ravel()

    def entries(self) -> Entries:
        """Find where errors enter."""
        reading, losses, steps, weights = self.reading, [], [], []
        for a, t in enumerate(self.answering):
            of_loss = reading.weights(t)
            (read,) = np.nonzero(of_loss.any(axis=1))
            losses.append(np.full(len(read), a))
            steps.append(read)
            weights.append(of_loss[read])
        return Entries(*map(np.concatenate, (losses, steps, weights)))

    def carried_back(self, layer: int) -> CarriedBack:
        """Carry each loss back separately (N7), from each step at which it enters."""
        T, (losses, steps, _) = len(self.x), self.entries()
        found = [
            np.split(carried.transpose(2, 0, 1), [-self._n_states(k)], axis=2)
            for k, carried in enumerate(self._carried(layer), start=layer)
        ]
        if not self.reading.readout.of_all_steps:  # a loss enters once
            return CarriedBack(found[0][0], [dh for _, dh in found], None)
        delta = np.zeros((len(self.answering), T, found[0][0].shape[2]))
        read, places = np.unique(steps, return_inverse=True)
        by_entry = np.zeros((len(read), T, found[0][0].shape[2]))
        np.add.at(delta, losses, found[0][0])
        np.add.at(by_entry, places, found[0][0])
        sizes = [np.zeros((len(self.answering), *dh.shape[1:])) for _, dh in found]
        for size, (_, dh) in zip(sizes, found, strict=True):
            np.add.at(size, losses, np.abs(dh))
        return CarriedBack(delta, sizes, by_entry)

    def rounded(self) -> Array:
        """The numbers to which rounding of output errors is relative, (T, K): ``Wanted.rounded``."""
        V, c = self.parameters["V"], self.parameters.get("c")
        size = np.abs(V) @ Reading.of(self.reading.readout, np.abs(self.h_top)).r.T
        if c is not None:
            size = size + np.abs(c)[:, None]
        size = size + np.abs(self.offset.T)
        return self.wanted.rounded(self.trace.y_unactivated, size).T

    def errors_of_states(self) -> list[Array]:
        """dL/d(states) of all losses together, (T, S H) for each layer."""
        dh = _blocks(self.reading.errors((self.parameters["V"].T @ self.error).T))
        with np.errstate(over="ignore", invalid="ignore"):
            of_layers = terms.through_layers(dh, self._with_errors(1), self.trace.layers)
        return [both[:, -self._n_states(k) :, 0] for k, both in enumerate(of_layers, start=1)]

    def _n_states(self, layer: int) -> int:
        """S H."""
        return len(self.layers[layer - 1].cell.states) * self.layers[layer - 1].n_units

    def _with_errors(self, layer: int) -> list[Layer]:
        return [
            of._replace(cell=Exact(of.cell, with_errors=True))
            for of in self.parameters.layers[layer - 1 :]
        ]

    def held(self, layer: int, gradients: Parameters) -> terms.Difference:
        """The error of dW if h_{t-1} is held constant in the layer's own W h_{t-1}."""
        layers, V = [*self.layers], self.parameters["V"]
        whole = gradients.get(f"W{layer}")
        if whole is None:
            return terms.Difference(np.nan, np.nan)
        layers[layer - 1] = layers[layer - 1]._replace(W=None)
        x, readout = _blocks(self.x), self.parameters.architecture.readout
        of_layers, _, _ = network.gradients(
            x, self.error, layers, V, [0] * len(x), self.trace, readout
        )
        return terms.difference(of_layers[layer - 1][1], whole)

    def _carried(self, layer: int, truncate: int | None = None) -> list[Array]:
        """Carry each loss back through the layers from one up to the top, from each of its entries.

        Returns (T, G H + S H, entries) for each layer: δ, then dL/d(states).
        """
        dr = self.parameters["V"].T @ self.error[:, self.answering]  # (H, A)
        losses, steps, weights = self.entries()
        dh = dr[:, losses] * weights.T
        layers, traces = self._with_errors(layer), self.trace.layers[layer - 1 :]
        with np.errstate(over="ignore", invalid="ignore"):  # looked at where it is asked for
            return terms.carry_back(dh, steps, layers, traces, truncate)


def _blocks(rows: Array) -> list[Array]:
    """Make blocks of one column of rows: (T, H) to T blocks (H, 1)."""
    return list(rows[:, :, None])


def _rows(blocks: Sequence[Array]) -> Array:
    """Put blocks of one column under one another: T blocks (H, 1) to (T, H)."""
    return np.concatenate(blocks).reshape(len(blocks), -1)


def entering(cell: Cell, trace: LayerTrace) -> tuple[States, States]:
    """The inputs of a cell at all steps: pre-activations, and states before, each (T, H, 1)."""
    h_unactivated = _rows([step.h_unactivated for step in trace.steps])[..., None]  # (T, G H, 1)
    before = zip(*(trace.before(t) for t in range(len(trace.steps))), strict=True)
    of_states = tuple(_rows(blocks)[..., None] for blocks in before)
    return tuple(np.split(h_unactivated, len(cell.gates), axis=1)), of_states


def _keeping(trace: LayerTrace, found: Slopes) -> LayerTrace:
    """Turn a trace into one of an ``Exact`` cell: each step keeps its slopes first."""
    steps = [
        step._replace(kept=(found.states[:, :, t], found.inside[:, t], *step.kept))
        for t, step in enumerate(trace.steps)
    ]
    return trace._replace(steps=steps)


def forward_with_answers(
    parameters: Parameters, x: Array, layers: Sequence[Layer], offset: Array
) -> Trace:
    """Run one sequence x (T, D) forward (N2), with an answer at every step, and an offset (T, K)."""
    blocks = _blocks(x)
    V, c = parameters["V"], parameters.get("c")
    trace = network.forward(
        blocks, layers, V, c, [0] * len(blocks), readout=parameters.architecture.readout
    )
    return trace._replace(y_unactivated=trace.y_unactivated + offset.T)
