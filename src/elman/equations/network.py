"""N1, the layered network and its chain rule: layers one above another under one softmax.

The states of layer k, N1's O_k, are the inputs of layer k + 1, step by step; the error goes back the
same way.
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


class Trace(NamedTuple):
    """What going forward leaves for going backward: a trace of each layer, and the answers.

    The answers stand side by side, step by step: those of step 1, then those of step 2, …
    """

    layers: list[LayerTrace]  # lowest first
    h_answering: Array  # (H, m), the top layer's states that answer
    y_unactivated: Array  # (K, m)
    y_activated: Array  # (K, m)


class LayerGradients(NamedTuple):
    """The gradients of a layer's parameters, of the same shapes; also of those that it has not."""

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
) -> Trace:
    """Propagate sequences forward through all layers and steps (N1, N2).

    Parameters
    ----------
    x : T blocks (D, n_t)
    layers : list of Layer, lowest first
    V : array (K, H)
    c : array (K,) or None
    answers_from : T integers, a_t
        At step t the columns from a_t on give an answer: all of them where every
        step has a label (0), only those that end at t where a sequence has one (n_{t+1}).
    initial : for each layer one array (H, n_1) a state, optional
        The states before the first step; if left out the layers' own, zeros or learned.

    Returns
    -------
    Trace
    """
    if initial is None:
        initial = [layer.initial_states(x[0].shape[1]) for layer in layers]
    traces: list[LayerTrace] = []
    inputs = x
    for layer, states in zip(layers, initial, strict=True):
        traces.append(recurrent_layer(inputs, states, layer))
        inputs = traces[-1].h
    h_answering = np.concatenate(
        [h[:, first:] for h, first in zip(inputs, answers_from, strict=True)], axis=1
    )
    return Trace(traces, h_answering, *output(h_answering, V, c))


def gradients(
    x: Sequence[Array],
    error: Array,
    layers: Sequence[Layer],
    V: Array,
    answers_from: Sequence[int] | IntArray,
    trace: Trace,
) -> tuple[list[LayerGradients], Array, Array]:
    """Go back through the layers, top to bottom (N1), and in each through time (N7, N8).

    dL/dO_{k-1} = dL/dO_k · dO_k/dO_{k-1}: each turn of the loop over layers adds one factor.

    Parameters
    ----------
    x : T blocks (D, n_t)
    error : array (K, m)
        ŷ - y of each answer (N5), from ``output_error``.
    layers, V, answers_from
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

    dh = answers_to_states(dh_answering, trace.layers[-1].h, answers_from)
    layer_gradients = []
    for k in reversed(range(len(layers))):
        layer, of_layer = layers[k], trace.layers[k]
        inputs = trace.layers[k - 1].h if k > 0 else x
        delta, d_initial = errors_through_time(dh, of_layer, layer)
        layer_gradients.append(
            LayerGradients(
                *recurrent_gradients(delta, inputs, of_layer, layer),
                np.concatenate([d.sum(axis=1) for d in d_initial]),
            )
        )
        if k > 0:  # one factor dO_k/dO_{k-1} more
            dh = [layer.U.T @ layer.cell.rows_reading("x", delta_t) for delta_t in delta]
    return layer_gradients[::-1], dV, dc


def answers_to_states(
    dh_answering: Array, h_activated: Sequence[Array], answers_from: Sequence[int] | IntArray
) -> list[Array]:
    """Sort by step what the answers tell their states.

    Parameters
    ----------
    dh_answering : array (H, m)
        dL/dO_K of each answer, from ``output_gradients``.
    h_activated : T blocks (H, n_t)
        The top layer's states, without h_0.
    answers_from : T integers
        As in ``forward``.

    Returns
    -------
    T blocks (H, n_t)
        dL/dO_K by step: an answer's for the columns that answer, 0 for the others.
    """
    dh = []
    start = 0
    for h_t, first in zip(h_activated, answers_from, strict=True):
        n_answers = h_t.shape[1] - first
        dh.append(np.zeros_like(h_t))
        dh[-1][:, first:] = dh_answering[:, start : start + n_answers]
        start += n_answers
    return dh
