"""N1, the layered network and its chain rule: layers one above another under one softmax.

The states of layer k, N1's O_k, are the inputs of layer k + 1, step by step; the error goes back the
same way. In a bidirectional network, two layers with the same inputs stand side by side: the forward
one, then the reverse one. Their states, one below the other, are the inputs of the next layer or of V.

With ``dense`` cells and T = 1 this is the feed-forward network of the notes' first page, whose W_k are
called U here, since they multiply what comes from below.

Letters: T steps, n sequences alive at a step, m answers, D features, H units, K outputs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from elman._typing import Array, IntArray
from elman.equations.backward import errors_through_time, output_gradients, recurrent_gradients
from elman.equations.forward import Layer, LayerTrace, States, output, recurrent_layer
from elman.equations.readouts import READOUTS, carry, errors_of_states, read


class Trace(NamedTuple):
    """Forward values needed by the backward pass: a trace of each layer, and the answers.

    The answers stand side by side, step by step: those of step 1, then those of step 2, …
    """

    layers: list[LayerTrace]  # lowest first; in both directions forward, reverse, forward, …
    h_answering: Array  # (H, m), what V multiplies: the top layer's states, or a readout;
    # in both directions (2 H, m)
    y_unactivated: Array  # (K, m)
    y_activated: Array  # (K, m)
    carried: list[list[Array]]  # for each top layer, T blocks (H, n_t): what its readout carries


class LayerGradients(NamedTuple):
    """The gradients of a layer's parameters, with the same shapes; also of parameters that it lacks."""

    U: Array
    W: Array
    b: Array
    initial: Array


def forward(
    x: Sequence[Array],
    layers: Sequence[Layer],
    V: Array,
    c: Array | None,
    answers_from: Sequence[int] | IntArray,
    initial: Sequence[States] | None = None,
    readout: str = "last",
) -> Trace:
    """Propagate sequences forward through all layers and steps (N1, N2).

    Parameters
    ----------
    x : T blocks (D, n_t)
    layers : list of Layer, lowest first
        A reverse layer stands beside the forward one before it.
    V : array (K, H)
        (K, 2 H) where there are both directions.
    c : array (K,) or None
    answers_from : T integers, a_t
        At step t the columns from a_t on give an answer. If every step has a label, these are all
        columns (0); if a sequence has one label, those that end at t (n_{t+1}). In the second case a
        reverse layer answers with its own last state, that of the sequence's first step.
    initial : for each layer one array (H, n_1) a state, optional
        The states that sequences begin with; if left out, those of the layers, zeros or learned.
    readout : str
        What V multiplies: a name of ``readouts.READOUTS``.

    Returns
    -------
    Trace
    """
    if initial is None:
        initial = [layer.initial_states(x[0].shape[1]) for layer in layers]
    traces: list[LayerTrace] = []
    inputs = x
    for level in levels(layers):
        for k in level:
            traces.append(recurrent_layer(inputs, initial[k], layers[k]))
        inputs = stacked([layers[k].upward(traces[k].h) for k in level])
    carried = [carry(READOUTS[readout], layers[k].upward(traces[k].h)) for k in level]
    h_answering = np.concatenate(
        [
            answering(read(READOUTS[readout], of), traces[k], answers_from, readout)
            for k, of in zip(level, carried, strict=True)
        ]
    )
    return Trace(traces, h_answering, *output(h_answering, V, c), carried)


def levels(layers: Sequence[Layer]) -> list[list[int]]:
    """The numbers of the layers on each level, lowest first: one, or two in a bidirectional network."""
    found: list[list[int]] = []
    for k, layer in enumerate(layers):
        if layer.reverse and found:
            found[-1].append(k)
        else:
            found.append([k])
    return found


def stacked(of_layers: Sequence[Sequence[Array]]) -> Sequence[Array]:
    """The T blocks of each of several layers side by side, one below the other."""
    if len(of_layers) == 1:
        return of_layers[0]
    return [np.concatenate(blocks) for blocks in zip(*of_layers, strict=True)]


def answering(
    r: Sequence[Array],
    trace: LayerTrace,
    answers_from: Sequence[int] | IntArray,
    readout: str,
) -> Array:
    """What the answers read from r_1 … r_T of a top layer's steps: (H, m)."""
    answers = zip(r, answers_from, steps_read(trace, answers_from, readout), strict=True)
    return np.concatenate(
        [r[step][:, first : r_t.shape[1]] for r_t, first, step in answers], axis=1
    )


def steps_read(
    trace: LayerTrace, answers_from: Sequence[int] | IntArray, readout: str
) -> list[int]:
    """For an answer at each step, the step whose r_t it reads: the same step.

    But if a sequence answers once from a reverse layer's last state, it is step 1.
    """
    T = len(trace.steps)
    if readout == "last" and trace.reverse and any(answers_from):
        return [0] * T
    return list(range(T))


def gradients(
    x: Sequence[Array],
    error: Array,
    layers: Sequence[Layer],
    V: Array,
    answers_from: Sequence[int] | IntArray,
    trace: Trace,
    readout: str = "last",
) -> tuple[list[LayerGradients], Array, Array]:
    """Go back through the layers, top to bottom (N1), and in each through time (N7, N8).

    dL/dO_{k-1} = dL/dO_k · dO_k/dO_{k-1}: each turn of the loop over layers adds one factor.

    Parameters
    ----------
    x : T blocks (D, n_t)
    error : array (K, m)
        ŷ - y of each answer (N5), from ``output_error``.
    layers, V, answers_from, readout
        As in ``forward``.
    trace : Trace
        What ``forward`` returned.

    Returns
    -------
    layer_gradients : list of LayerGradients, lowest layer first
    dV : array (K, H)
    dc : array (K,)
    """
    dV, dc, dh_answering = output_gradients(error, trace.h_answering, V)

    of_levels = levels(layers)
    parts = np.split(dh_answering, len(of_levels[-1]))
    dh: dict[int, Sequence[Array]] = {}
    for k, part, carried in zip(of_levels[-1], parts, trace.carried, strict=True):
        dr = answers_to_states(part, trace.layers[k], answers_from, readout)
        h = layers[k].upward(trace.layers[k].h)
        dh[k] = errors_of_states(READOUTS[readout], dr, h, carried)
    layer_gradients: list[LayerGradients] = []
    for i in reversed(range(len(of_levels))):
        below = of_levels[i - 1] if i > 0 else []
        inputs = stacked([layers[k].upward(trace.layers[k].h) for k in below]) if below else x
        d_inputs: list[Array] = []
        for k in reversed(of_levels[i]):
            layer, of_layer = layers[k], trace.layers[k]
            delta, d_initial = errors_through_time(layer.upward(dh[k]), of_layer, layer)
            layer_gradients.append(
                LayerGradients(
                    *recurrent_gradients(delta, inputs, of_layer, layer),
                    np.concatenate([d.sum(axis=1) for d in d_initial]),
                )
            )
            if below:  # one more factor dO_k/dO_{k-1}
                down = [layer.U.T @ layer.cell.rows_reading("x", delta_t) for delta_t in delta]
                both = zip(d_inputs, down, strict=True)
                d_inputs = [a + b for a, b in both] if d_inputs else down
        for j, k in enumerate(below):
            dh[k] = [np.split(d, len(below))[j] for d in d_inputs]
    return layer_gradients[::-1], dV, dc


def answers_to_states(
    dh_answering: Array,
    trace: LayerTrace,
    answers_from: Sequence[int] | IntArray,
    readout: str = "last",
) -> list[Array]:
    """Sort by step the errors that answers send to their states.

    Parameters
    ----------
    dh_answering : array (H, m)
        dL/dO_K of each answer, from ``output_gradients``.
    trace : LayerTrace
        The trace of a top layer.
    answers_from, readout
        As in ``forward``.

    Returns
    -------
    T blocks (H, n_t)
        dL/dO_K by step: that of the answer for columns that answer, 0 for the others.
    """
    dh = [np.zeros_like(h_t) for h_t in trace.h]
    start = 0
    for h_t, first, step in zip(
        trace.h, answers_from, steps_read(trace, answers_from, readout), strict=True
    ):
        n_answers = h_t.shape[1] - first
        dh[step][:, first : h_t.shape[1]] = dh_answering[:, start : start + n_answers]
        start += n_answers
    return dh
