"""The reference engine: ``elman.equations``, a shard at a time, in any floating or complex dtype."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from elman._typing import Array, IntArray
from elman.data import Batch, Division, Shard, Targets, undivided
from elman.engines.carry import Carry, check_after
from elman.engines.interface import Evaluation, Member
from elman.engines.streaming import State, check_step, check_token, not_finite, origin_of, shapes_of
from elman.equations import Layer, Trace, network, output
from elman.equations.dropout import IN_TIME, UP, Dropout
from elman.equations.forward import States
from elman.equations.readouts import READOUTS
from elman.parameters import Parameters


@dataclass(frozen=True, eq=False)
class ReferenceState(State):
    """See ``State``."""

    parameters: Parameters
    states: list[States]  # of each layer, lowest first, each (H, n)
    carried: Array | None  # (H, n), what the readout carries; None before the first step
    n_steps: int
    mean: Array
    scale: Array
    shapes: tuple[tuple[int, ...], tuple[int, ...]]  # of x_t and ŷ_t
    names: tuple[str, ...] | None
    digest: bytes  # of what it was made from

    def step(self, x_t: npt.ArrayLike) -> tuple[Array, ReferenceState]:
        """See ``State.step``."""
        parameters, (x_shape, y_shape) = self.parameters, self.shapes
        x_t = check_step(x_t, x_shape, parameters.vector.dtype, self.names)
        check_token(parameters.architecture, x_t)
        with np.errstate(over="ignore"):  # an infinity shows
            x = (np.atleast_2d(x_t) - self.mean) / self.scale
        if not np.isfinite(x).all():
            raise not_finite(x_t, self.mean, self.scale)
        trace = network.forward(
            [x.T], parameters.layers, parameters["V"], parameters.get("c"), [0], self.states
        )
        readout, n_steps = READOUTS[parameters.architecture.readout], self.n_steps + 1
        ((carried,),) = trace.carried  # of one layer, one step
        if self.carried is not None:
            carried = readout.carry(self.carried, carried)
        states = [layer.steps[-1].states for layer in trace.layers]
        after = replace(self, states=states, carried=carried, n_steps=n_steps)
        z, _ = output(readout.read(carried, n_steps), parameters["V"], parameters.get("c"))
        y_hat = parameters.architecture.loss_function.activate(z)
        return y_hat.T.reshape(y_shape), after

    @property
    def carry(self) -> Carry:
        """See ``State.carry``."""
        states = [state.T for of_layer in self.states for state in of_layer]
        return Carry(self.parameters.architecture, np.concatenate(states, axis=1))

    @property
    def origin(self) -> bytes:
        """See ``State.origin``."""
        return self.digest


class ReferenceEngine:
    """Computes by the notes' equations as they are written, vectorised over the sequences.

    Attributes
    ----------
    shard_size : int
        How many sequences are computed at a time.
    """

    shard_size = 128

    def loss_and_gradients(
        self,
        parameters: Parameters,
        batch: Batch,
        targets: Targets,
        carry: Carry | None = None,
        dropout: Dropout | None = None,
        after: Carry | None = None,
    ) -> Evaluation:
        """See ``Engine.loss_and_gradients``."""
        shards = batch.shards(self.shard_size)
        dropout = dropout and dropout.checked()
        if after is not None:
            check_after(after, parameters.architecture, batch.carried, parameters.vector.dtype)
        return tree_sum(
            self._evaluate(parameters, shard, targets, carry, dropout, after) for shard in shards
        )

    def division(self, parameters: Parameters, lengths: IntArray) -> Division:
        """See ``Engine.division``: each process computes all."""
        return undivided(lengths)

    def of_each(
        self, members: Sequence[Member], batch: Batch, targets: Targets
    ) -> list[Evaluation]:
        """See ``Engine.of_each``."""
        return [
            self.loss_and_gradients(parameters, batch, targets, carry, dropout, after)
            for parameters, carry, dropout, after in members
        ]

    def _evaluate(
        self,
        parameters: Parameters,
        shard: Shard,
        targets: Targets,
        carry: Carry | None,
        dropout: Dropout | None,
        after: Carry | None,
    ) -> Evaluation:
        own = targets.take(shard.rows)
        layers, V = layers_of(parameters, shard, dropout), parameters["V"]
        trace = forward(parameters, shard, carry, dropout)
        if after is not None:
            write_states(trace, shard, after)
        loss, z = parameters.architecture.loss_function, trace.y_unactivated
        y, constants = columns(own, parameters)
        error = own.weights * loss.error(loss.activate(z), y, *constants)
        layer_gradients, dV, dc = network.gradients(
            shard.x,
            error.astype(z.dtype, copy=False),
            layers,
            V,
            shard.answers_from,
            trace,
            parameters.architecture.readout,
        )
        correct = 0.0
        if loss.takes_classes:
            is_right = z.argmax(axis=0) == own.values
            correct = float(own.weights[is_right].sum(dtype=np.float64))

        gradients = Parameters.of_gradients(parameters.architecture, layer_gradients, dV, dc)
        if carry is not None:  # then the network's own initial states had no part in it
            for name, spec in parameters.architecture.specs.items():
                if spec.role == "initial":
                    gradients[name][...] = 0
        total = (own.weights * loss.value(z, y, *constants)).sum().item()
        return Evaluation(total, correct, gradients)

    def probabilities(
        self, parameters: Parameters, batch: Batch, y_hat: Array, carry: Carry | None = None
    ) -> None:
        """See ``Engine.probabilities``."""
        for shard in batch.shards(self.shard_size):
            z = forward(parameters, shard, carry).y_unactivated
            y_hat[shard.rows] = parameters.architecture.loss_function.activate(z).T

    def initial_state(
        self,
        parameters: Parameters,
        n_sequences: int | None,
        mean: Array,
        scale: Array,
        names: tuple[str, ...] | None = None,
        carry: Carry | None = None,
    ) -> ReferenceState:
        """See ``Engine.initial_state``."""
        shapes = shapes_of(parameters.architecture, n_sequences)
        n = n_sequences or 1
        if carry is None:
            states = [layer.initial_states(n) for layer in parameters.layers]
        else:
            states = carry.columns(np.arange(n))
        origin = origin_of("reference", parameters, mean, scale, names)
        return ReferenceState(
            parameters.copy(), states, None, 0, mean, scale, shapes, names, origin
        )

    def release(self) -> None:
        """See ``Engine.release``: nothing is kept."""


def tree_sum(parts: Iterable[Evaluation]) -> Evaluation:
    """Add evaluations pairwise, neighbours first: an order that depends on their number alone.

    Sums of 1, 2, 4, … parts wait for their neighbour, so that few are held at a time.
    """
    waiting: list[tuple[int, Evaluation]] = []  # (height in the tree, sum), highest first
    for part in parts:
        height, total = 0, part
        while waiting and waiting[-1][0] == height:
            total = _add(waiting.pop()[1], total)
            height += 1
        waiting.append((height, total))
    _, total = waiting.pop()
    while waiting:
        total = _add(waiting.pop()[1], total)
    return total


def _add(a: Evaluation, b: Evaluation) -> Evaluation:
    total = Parameters(a.gradients.architecture, a.gradients.vector + b.gradients.vector)
    return Evaluation(a.loss + b.loss, a.correct + b.correct, total)


def layers_of(parameters: Parameters, shard: Shard, dropout: Dropout | None) -> list[Layer]:
    """The layers, with the masks that dropout has for a shard's sequences."""
    if dropout is None:
        return parameters.layers
    dtype, layers = parameters.vector.real.dtype, []
    for k, layer in enumerate(parameters.layers):
        up, in_time = (dropout.mask(way, k, shard.members, layer.n_units) for way in (UP, IN_TIME))
        layers.append(
            layer._replace(
                up_mask=None if up is None else up.astype(dtype),
                in_time_mask=None if in_time is None else in_time.astype(dtype),
            )
        )
    return layers


def forward(
    parameters: Parameters,
    shard: Shard,
    carry: Carry | None = None,
    dropout: Dropout | None = None,
) -> Trace:
    """Run a shard forward, all states kept."""
    return network.forward(
        shard.x,
        layers_of(parameters, shard, dropout),
        parameters["V"],
        parameters.get("c"),
        shard.answers_from,
        None if carry is None else carry.columns(shard.carried),
        parameters.architecture.readout,
    )


def write_states(trace: Trace, shard: Shard, after: Carry) -> None:
    """Write the states after each sequence's last step to its row."""
    n_alive = [*(x_t.shape[1] for x_t in shard.x), 0]
    for of_layer, rows in zip(trace.layers, after.states, strict=True):
        for t, step in enumerate(of_layer.steps):
            ending = slice(n_alive[t + 1], n_alive[t])
            for state, row in zip(step.states, rows.values(), strict=True):
                row[shard.carried[ending]] = state[:, ending].T


def loss(
    parameters: Parameters,
    shard: Shard,
    targets: Targets,
    carry: Carry | None = None,
    dropout: Dropout | None = None,
) -> complex:
    """Compute a shard's weighted loss alone."""
    total: complex = losses(parameters, shard, targets, carry, dropout).sum().item()
    return total


def losses(
    parameters: Parameters,
    shard: Shard,
    targets: Targets,
    carry: Carry | None = None,
    dropout: Dropout | None = None,
) -> Array:
    """Compute the weighted loss of each of a shard's answers, (m,), alone."""
    own = targets.take(shard.rows)
    y, constants = columns(own, parameters)
    z = forward(parameters, shard, carry, dropout).y_unactivated
    value: Array = parameters.architecture.loss_function.value(z, y, *constants)
    return own.weights * value


def columns(targets: Targets, parameters: Parameters) -> tuple[Array, tuple[Array, ...]]:
    """Lay targets out as a loss takes them, (K, m), and what differs from output to output, (K, 1)."""
    loss, K = parameters.architecture.loss_function, parameters.architecture.n_outputs
    dtype = parameters.vector.real.dtype
    y = loss.columns(targets.values, K).astype(dtype)
    return y, tuple(constant.astype(dtype) for constant in loss.constants(K))
