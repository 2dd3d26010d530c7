"""Parameters into the order in which compiled functions read them, and gradients back.

Matrices are in pieces of L columns, in which a product goes straight through memory. ``layout.GATE``
says where one begins.

Letters: D inputs, H units, L lanes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from elman.engines.compiled.arguments import plain
from elman.engines.compiled.buffers import Buffers
from elman.engines.compiled.layout import SPAN, Layout, Net, lanes_of, layout_of
from elman.engines.compiled.machine.compiling import entry
from elman.engines.compiled.machine.helpers import helper
from elman.engines.compiled.machine.tiles import WIDE, lanes, load, store, transpose
from elman.equations.dropout import Dropout
from elman.parameters import Parameters


def packed(
    parameters: Parameters,
    unit: Callable[[int], int],
    buffers: Buffers,
    dropout: Dropout | None = None,
    to_train: bool = False,
) -> tuple[Layout, Net]:
    """Lay a network out, and copy what is read of the parameters.

    Parameters
    ----------
    parameters : Parameters
    unit : callable
        ``Kernel.unit``, of the kernel that reads it.
    buffers : Buffers
        Where the weights come from, and go to in the end.
    dropout : Dropout, optional
        Of this update.
    to_train : bool
        Whether gradients are computed, too.
    """
    dtype = parameters.vector.dtype
    masked = False, False
    if dropout is not None:
        masked = dropout.rate > 0, dropout.recurrent_rate > 0
    layout = layout_of(parameters.architecture, unit(lanes_of(dtype)), dtype, masked)
    weights = buffers.take(layout.n_weights, dtype)
    spans = layout.all_inputs if to_train else np.empty(layout.n_panels, SPAN)
    vector = plain(parameters.vector, dtype)  # joblib's may not be written to
    pack.of_kind(
        (dtype, to_train), layout.layers, layout.gates, vector, weights, spans, to_train or None
    )
    return layout, layout.net(weights, spans)


@entry
def pack(layers, gates, parameters, weights, spans, to_train):
    """Copy parameters into the order of the products.

    Forward, L units of a gate make a panel, and its row k has what multiplies the k-th of
    (1, x_t, h_{t-1}), or of those that the gate reads, for each of them. Back, L inputs make a panel,
    and it has a row for each unit: in training alone. What fills a panel up stays as it is: the rows
    that it makes of a result are never read.

    ``spans`` says which inputs each panel of units reads (``layout.SPAN``). If ``to_train`` is None it
    is written first: the first and the last inputs are left out for which a panel has nothing but
    zeros, as have the others of the ``WIDE`` that are computed together. Networks that were merged are
    not connected with one another.
    """
    L = lanes(parameters)
    for layer in layers:
        H, D = layer.n_units, layer.n_inputs
        for gate in gates[layer.first_gate : layer.first_gate + layer.n_gates]:
            for p in range(0, H, L):
                span = spans[gate.first_panel + p // L]
                if to_train is None:
                    if p % (WIDE * L):
                        of_group = spans[gate.first_panel + (p - 1) // L]
                        span.first_x, span.n_x = of_group.first_x, of_group.n_x
                        span.first_h, span.n_h = of_group.first_h, of_group.n_h
                    else:
                        n, n_x, n_h = min(WIDE * L, H - p), gate.reads_x * D, gate.reads_h * H
                        span.first_x, span.n_x = without_zeros(parameters, gate.U + p * D, n, n_x)
                        span.first_h, span.n_h = without_zeros(parameters, gate.W + p * H, n, n_h)
                at, n = gate.forward + p * gate.n_forward, min(L, H - p)
                for i in range(n):
                    weights[at + i] = parameters[gate.b + p + i] if gate.b >= 0 else 0.0
                U, W = gate.U + p * D + span.first_x, gate.W + p * H + span.first_h
                to = at + (1 + span.first_x) * L
                copy_transposed(parameters, U, D, n, span.n_x, weights, to, L)
                to = at + (gate.n_forward - H + span.first_h) * L
                copy_transposed(parameters, W, H, n, span.n_h, weights, to, L)
            if to_train is not None:
                if gate.reads_h:
                    copy_panels(parameters, gate.W, H, H, weights, gate.back_in_time)
                if gate.reads_x and layer.has_layer_below:
                    copy_panels(parameters, gate.U, H, D, weights, gate.back_down)


@entry
def unpack(layers, gates, gradients, parameters):
    """Copy gradients into the order of the parameters."""
    L = lanes(parameters)
    for layer in layers:
        H, D = layer.n_units, layer.n_inputs
        for gate in gates[layer.first_gate : layer.first_gate + layer.n_gates]:
            for p in range(0, H, L):
                at, n = gate.gradient + p * gate.gradient_rows, min(L, H - p)
                if gate.b >= 0:
                    for i in range(n):
                        parameters[gate.b + p + i] = gradients[at + i]
                at += L
                if gate.reads_x:
                    copy_transposed(gradients, at, L, D, n, parameters, gate.U + p * D, D)
                    at += layer.U_rows * L
                if gate.reads_h:
                    copy_transposed(gradients, at, L, H, n, parameters, gate.W + p * H, H)
        unpack_initial(layer, gradients, parameters)


@helper
def unpack_initial(layer, gradients, parameters):
    """Copy the gradients of the states before the first step, if they are learned."""
    if layer.initial >= 0:
        for i in range(layer.n_states * layer.n_units):
            parameters[layer.initial + i] = gradients[layer.initial_gradient + i]


# Matrices


@helper
def are_zeros(source, at):
    """Whether a vector of numbers are zeros."""
    are = True
    # to the end, whatever comes before: so that they are compared together
    for j in range(lanes(source)):
        are &= source[at + j] == 0.0
    return are


@helper
def without_zeros(source, at, n_rows, n_columns):
    """What is left without the first and the last columns of zeros, as many as lanes at a time.

    Returns the first column, and how many there are.
    """
    L, first, last = lanes(source), n_columns, 0
    for i in range(n_rows):
        row, column = at + i * n_columns, 0
        while column + L <= first and are_zeros(source, row + column):
            column += L
        first = min(first, column)
        column = n_columns
        while column - L >= last and are_zeros(source, row + column - L):
            column -= L
        last = max(last, column)
        if first == 0 and last == n_columns:
            break
    return first, max(last - first, 0)


@helper
def copy_panels(source, at, n_rows, n_columns, target, to):
    """Cut a matrix (n_rows, n_columns) into panels of L columns, one behind another."""
    L = lanes(source)
    for p in range(0, n_columns, L):
        for row in range(n_rows):
            start, end = at + row * n_columns + p, to + p * n_rows + row * L
            if p + L <= n_columns:
                store(load(source, start, 0, 1, 1), target, end, 0)
            else:
                for i in range(n_columns - p):
                    target[end + i] = source[start + i]


@helper
def copy_transposed(source, at, step, n_rows, n_columns, target, to, to_step):
    """target[to + j to_step + i] = source[at + i step + j] for i < n_rows, j < n_columns."""
    L = lanes(source)
    for i in range(0, n_rows, L):
        for j in range(0, n_columns, L):
            if i + L <= n_rows and j + L <= n_columns:
                transpose(source, at + i * step + j, step, target, to + j * to_step + i, to_step)
            else:
                for row in range(i, min(i + L, n_rows)):
                    for column in range(j, min(j + L, n_columns)):
                        target[to + column * to_step + row] = source[at + row * step + column]
