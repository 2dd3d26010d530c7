"""One direction of a bidirectional network, as a network of its own.

A reverse layer takes the steps in reverse order: on the reversed sequence it is a forward layer. The
two directions of a layer meet only in the output,

    y_unactivated_t = V h_t + c = V_own h_own_t + V_other h_other_t + c

and the part of the other direction does not depend on this direction's U, W and b. So the terms and the
proofs of one direction are those of a network of one layer, to whose answers an offset is added. Its
inputs are those of the layer: x, or all states of the layer below.

Letters: T steps, D inputs of the layer, H units, K outputs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from elman._typing import Array
from elman.data import Sequences
from elman.equations import network
from elman.equations.readouts import READOUTS
from elman.explanation.reading import Reading
from elman.explanation.subject import Subject
from elman.parameters import Parameters


class Turned(NamedTuple):
    """A direction, in its own order of steps.

    Attributes
    ----------
    who : Subject
        A network of one layer, and its one sequence.
    offset : array (T, K)
        What the other direction adds to each y_unactivated.
    """

    who: Subject
    offset: Array


def turned(who: Subject, layer: int, reverse: bool) -> Turned:
    """Take a direction of the top layer out of a bidirectional network, with one sequence.

    If each step has a target, the other direction's states are those of the same step. If the sequence
    has one target, it is answered from the last state of each direction. Earlier answers, which have no
    loss, use the states of both directions after equally many of their own steps.

    Raises
    ------
    ValueError
        If the layer is not the top one.
    """
    parameters, architecture = who.parameters, who.parameters.architecture
    n_layers = len(architecture.hidden)
    if layer < n_layers:
        raise ValueError(
            f"layer {layer} of {n_layers} in both directions cannot be explained: its errors come down "
            "from both directions of the layer above, at every step. Explain the top one, "
            f"layer={n_layers}; gradient_flow looks at any."
        )
    x, V = who.sequences.values, parameters["V"]
    with np.errstate(over="ignore", invalid="ignore"):  # checked in the direction's forward pass
        trace = network.forward(
            list(x[:, :, None]),
            parameters.layers,
            V,
            parameters.get("c"),
            [0] * len(x),
        )
    states = [np.array(of.h)[:, :, 0] for of in trace.layers]  # each (T, H)
    inputs = x if layer == 1 else np.concatenate(states[2 * layer - 4 : 2 * layer - 2], axis=1)
    other = states[2 * layer - 1 - reverse]
    if reverse == who.every_step:  # step by step, or as many of its own steps
        other = other[::-1]
    V_own, V_other = np.split(V, 2, axis=1)[:: (-1 if reverse else 1)]
    offset = Reading.of(READOUTS[architecture.readout], other).r @ V_other.T

    alone = replace(
        architecture,
        n_features=inputs.shape[1],
        hidden=architecture.hidden[-1:],
        cells=architecture.cells[-1:],
        bidirectional=False,
    )
    own = Parameters.zeros(alone, np.float64)
    for name, values in own.items():
        direction = "_reverse" if reverse and name.endswith("1") else ""
        from_name = f"{name[:-1]}{layer}{direction}" if name.endswith("1") else name
        values[...] = V_own if name == "V" else parameters[from_name]
    order = slice(None, None, -1 if reverse else 1)
    features = who.features
    if layer > 1:
        below = architecture.hidden[-2]
        features = [f"h{i + 1}{way}" for way in ("", " reverse") for i in range(below)]
    targets = who.targets
    if who.every_step and targets is not None:
        targets = targets[order]
    return Turned(
        who._replace(
            parameters=own,
            sequences=Sequences(np.ascontiguousarray(inputs[order]), who.sequences.offsets),
            targets=targets,
            features=features,
        ),
        offset,
    )
