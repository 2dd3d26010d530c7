"""The reference engine: ``elman.equations``, a shard at a time, in any floating or complex dtype."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from elman._typing import Array, IntArray
from elman.data import Shard
from elman.engines.interface import Evaluation, State, tree_sum
from elman.equations import Trace, cross_entropy, network
from elman.parameters import Parameters


class ReferenceEngine:
    """Computes by the notes' equations as they are written, vectorised over the sequences."""

    shard_size = 128

    def loss_and_gradients(
        self, parameters: Parameters, shards: Iterable[Shard], labels: IntArray, weights: Array
    ) -> Evaluation:
        """See ``Engine.loss_and_gradients``."""
        return tree_sum([self._evaluate(parameters, shard, labels, weights) for shard in shards])

    def _evaluate(
        self, parameters: Parameters, shard: Shard, labels: IntArray, weights: Array
    ) -> Evaluation:
        layers, V = parameters.layers, parameters["V"]
        trace = forward(parameters, shard)
        labels = labels[shard.rows]
        y = _weighted_one_hot(labels, weights[shard.rows], len(V), V.dtype)
        loss = cross_entropy(y, trace.y_unactivated)
        n_correct = int((trace.y_unactivated.real.argmax(axis=0) == labels).sum())
        layer_gradients, dV, dc = network.gradients(
            shard.x, y, layers, V, shard.answers_from, trace
        )

        gradients = Parameters.zeros(parameters.architecture, V.dtype)
        computed = {"V": dV, "c": dc}
        for k, (dU, dW, db) in enumerate(layer_gradients, start=1):
            computed |= {f"U{k}": dU, f"W{k}": dW, f"b{k}": db}
        for (
            name,
            gradient,
        ) in gradients.items():  # dense layers have no W, and b and c may be absent
            gradient[...] = computed[name]
        return Evaluation(loss.item(), n_correct, gradients)

    def probabilities(self, parameters: Parameters, shard: Shard) -> Array:
        """See ``Engine.probabilities``."""
        return forward(parameters, shard).y_activated.T

    def step(self, parameters: Parameters, x_t: Array, state: State) -> tuple[Array, State]:
        """See ``Engine.step``."""
        trace = network.forward(
            [x_t], parameters.layers, parameters["V"], parameters.get("c"), [0], state
        )
        return trace.y_activated, [h[-1] for h in trace.h_activated]


def forward(parameters: Parameters, shard: Shard) -> Trace:
    """Run a shard forward, all states kept."""
    return network.forward(
        shard.x, parameters.layers, parameters["V"], parameters.get("c"), shard.answers_from
    )


def _weighted_one_hot(labels: IntArray, weights: Array, n_outputs: int, dtype: np.dtype) -> Array:
    """Columns y (K, n): the weight of each answer in the row of its label, zeros elsewhere."""
    y = np.zeros((n_outputs, len(labels)), dtype)
    y[labels, np.arange(len(labels))] = weights
    return y
