"""What compiled functions take, checked: they do not look where they read."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from elman._typing import Array, IntArray
from elman.data import Batch
from elman.data import Targets as FlatTargets
from elman.data.rows import runs
from elman.data.tokens import require_tokens
from elman.engines.carry import Carry, check_after, n_states
from elman.engines.compiled.layout import Data, Targets
from elman.engines.compiled.readouts import LONGEST
from elman.parameters import Parameters

INTEGERS = np.dtype(np.int64)
_WITHOUT_SIGN = np.dtype(np.uint64)
_NO_LABELS = np.empty(0, INTEGERS)


def targets_of(parameters: Parameters, batch: Batch, targets: FlatTargets) -> Targets:
    """Return targets as compiled functions take them."""
    architecture, dtype = parameters.architecture, parameters.vector.dtype
    loss, K = architecture.loss_function, architecture.n_outputs
    labels, numbers, constants = _NO_LABELS, nothing(dtype), nothing(dtype)
    weights = plain(targets.weights, dtype)
    if loss.takes_classes:
        labels = plain(targets.values, INTEGERS)
        check_labels(parameters, batch, labels, targets.weights)
    else:
        numbers = plain(targets.values, dtype)
        check_numbers(parameters, batch, numbers, targets.weights)
        if given := loss.constants(K):
            columns = [np.broadcast_to(of_outputs, (K, 1))[:, 0] for of_outputs in given]
            constants = np.ascontiguousarray(columns, dtype)
    return Targets(labels, numbers, weights, loss.outputs_a_number, constants)


def check_numbers(parameters: Parameters, batch: Batch, numbers: Array, weights: Array) -> None:
    """See that compiled functions, which do not look, stay within arrays."""
    D, n = parameters.architecture.n_inputs, batch.n_answers
    expected = (n, parameters.architecture.n_numbers)
    if numbers.shape != expected or len(weights) != n or batch.sequences.n_features != D:
        raise ValueError(
            f"numbers of shape {numbers.shape} and {len(weights)} weights for {expected}, "
            f"{batch.sequences.n_features} features for {D}"
        )


def check_labels(parameters: Parameters, batch: Batch, labels: IntArray, weights: Array) -> None:
    """See that compiled functions, which do not look, stay within arrays."""
    K, D = parameters.architecture.n_outputs, parameters.architecture.n_inputs
    n = batch.n_answers
    if len(labels) != n or len(weights) != n or batch.sequences.n_features != D:
        raise ValueError(
            f"{len(labels)} labels and {len(weights)} weights for {n} answers, "
            f"{batch.sequences.n_features} features for {D}"
        )
    # Those of the batch alone: in all there may be a thousand times as many.
    own = labels[runs(batch.starts, batch.lengths) if batch.every_step else batch.members]
    # without a sign, a label below 0 is above all others
    if len(own) and not 0 <= own.item(own.view(_WITHOUT_SIGN).argmax()) < K:
        raise ValueError(f"labels from {own.min()} to {own.max()}; expected 0 … {K - 1}")


def check_readout(parameters: Parameters, batch: Batch) -> None:
    """See that what is read of several steps answers the sequence, and that they can be counted."""
    readout, longest = parameters.architecture.readout, LONGEST[parameters.vector.itemsize]
    if readout == "last" or not len(batch):
        return
    if batch.every_step or batch.lengths[0] > longest:
        raise ValueError(
            f"readout={readout!r} is trained on one target a sequence, of at most {longest:,} steps in "
            f"{parameters.vector.dtype}; got "
            + ("one a step" if batch.every_step else f"{batch.lengths[0]:,} steps")
        )


def data_of(
    batch: Batch, parameters: Parameters, carry: Carry | None, after: Carry | None = None
) -> Data:
    """Return a batch, and the states that its sequences begin with, as compiled functions take it."""
    architecture, dtype = parameters.architecture, parameters.vector.dtype
    values = plain(batch.sequences.values, dtype)
    starts, lengths = plain(batch.starts, INTEGERS), plain(batch.lengths, INTEGERS)
    members = plain(batch.members, INTEGERS)
    if architecture.tokens:
        own = values[runs(starts, lengths)]
        require_tokens(own, architecture.n_features)
    initial = initial_of(parameters, carry)
    learns = carry is None and architecture.learn_initial_state
    if carry is not None:
        initial = initial[batch.carried]
    states = nothing(dtype)
    if after is not None:
        check_after(after, architecture, batch.carried, dtype)
        states = np.empty((len(batch), after.values.shape[1]), dtype)
    return Data(
        values, starts, lengths, members, initial, states, bool(learns), bool(batch.every_step)
    )


def initial_of(parameters: Parameters, carry: Carry | None) -> Array:
    """The states before the first step: a row a sequence, or one for all; none if they are zeros."""
    if carry is not None:
        values = np.ascontiguousarray(carry.values, parameters.vector.dtype)
        expected = n_states(parameters.architecture)
        if values.ndim != 2 or values.shape[1] != expected:
            raise ValueError(f"states of shape {values.shape}; expected {expected} a sequence")
        return values
    if not parameters.architecture.learn_initial_state:
        return nothing(parameters.vector.dtype)
    specs = parameters.architecture.specs.values()
    learned = [parameters[spec.name] for spec in specs if spec.role == "initial"]
    return np.concatenate(learned)[None]


@cache  # small networks have no time to lose on it
def nothing(dtype: np.dtype[Any]) -> Array:
    """No numbers, in two axes."""
    return np.empty((0, 0), dtype)


def plain(values: Array, dtype: np.dtype[Any]) -> Array:
    """An array of a dtype, in C order, that may be written to, though nobody does.

    Compiled functions take this kind alone (``Entry.of_kind``).
    """
    values = values.astype(dtype, copy=False)
    return values if values.flags.carray else values.copy("C")
