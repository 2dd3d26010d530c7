"""N1: layers under one softmax, forward and back."""

from itertools import chain

import numpy as np
import pytest

from elman.equations import (
    CELLS,
    Layer,
    errors_through_time,
    network,
    output_error,
    recurrent_layer,
    softmax,
)
from naive import complex_step
from tolerances import BY_HAND, ROUNDING, relative_error

D, K = 3, 4
HIDDEN = (5, 2, 6)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def draw_layers(rng, cells, dtype=np.float64, bidirectional=False):
    layers, n_inputs = [], D
    directions = (False, True)[: 1 + bidirectional]
    for H, name in zip(HIDDEN[: len(cells)], cells, strict=True):
        cell = CELLS[name]
        G, G_x, G_h = len(cell.gates), *(len(cell.gates_reading(what)) for what in "xh")
        shapes = ((G_x * H, n_inputs), (G_h * H, H), G * H)
        for reverse in directions:
            U, W, b = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
            layers.append(Layer(cell, U, W if cell.recurrent else None, b, reverse=reverse))
        n_inputs = H * len(directions)
    V, c = rng.standard_normal((K, n_inputs)).astype(dtype), rng.standard_normal(K).astype(dtype)
    return layers, V, c


def weighted_labels(rng, m):
    y = np.zeros((K, m))
    y[rng.integers(K, size=m), np.arange(m)] = rng.uniform(0.5, 2, m)
    return y


def gradients(x, y, layers, V, answers_from, trace):
    error = output_error(y, trace.y_activated)
    return network.gradients(x, error, layers, V, answers_from, trace)


def test_dense_layers_and_one_step_are_the_feed_forward_network(rng):
    """The notes' first page: three layers, and the chain rule multiplied out, Jacobian by Jacobian."""
    layers, V, c = draw_layers(rng, ["dense"] * 3)
    n = 4
    x, y = rng.standard_normal((1, D, n)), weighted_labels(rng, n)
    trace = network.forward(x, layers, V, c, [0])
    layer_gradients, dV, dc = gradients(x, y, layers, V, [0], trace)

    expected = [[0, 0] for _ in range(4)]  # dL/dW_k and dL/db_k
    for j in range(n):
        O = [x[0][:, j]]  # noqa: E741, the notes' letter
        for layer in layers:
            O.append(np.tanh(layer.U @ O[-1] + layer.b))
        y_hat = softmax((V @ O[-1] + c)[:, None])[:, 0]
        dL_dz = y_hat * y[:, j].sum() - y[:, j]
        expected[3][0] += np.outer(dL_dz, O[3])
        expected[3][1] += dL_dz
        dO = [np.diag(1 - O[k] ** 2) for k in (1, 2, 3)]  # ∂O_k/∂(W_k O_{k-1} + b_k)
        W2, W3 = layers[1].U, layers[2].U
        dL_da = [
            dL_dz @ V @ dO[2] @ W3 @ dO[1] @ W2 @ dO[0],
            dL_dz @ V @ dO[2] @ W3 @ dO[1],
            dL_dz @ V @ dO[2],
        ]
        for k in range(3):
            expected[k][0] += np.outer(dL_da[k], O[k])
            expected[k][1] += dL_da[k]

    for (dU, _, db, _), (dU_expected, db_expected) in zip(
        layer_gradients, expected[:3], strict=True
    ):
        assert relative_error(dU, dU_expected) <= BY_HAND
        assert relative_error(db, db_expected) <= BY_HAND
    assert relative_error(dV, expected[3][0]) <= BY_HAND
    assert relative_error(dc, expected[3][1]) <= BY_HAND


directions = pytest.mark.parametrize(
    "bidirectional", [False, True], ids=["forward", "both directions"]
)
CELL_STACKS = [("tanh",), ("relu", "tanh"), ("tanh", "dense", "relu"), ("lstm", "gru", "leaky")]


@pytest.mark.parametrize("every_step", [True, False], ids=["label a step", "label a sequence"])
@directions
@pytest.mark.parametrize("cells", CELL_STACKS, ids="-".join)
def test_ragged_columns_are_each_sequence_alone(rng, cells, every_step, bidirectional):
    lengths = (6, 6, 4, 1)  # longest first
    layers, V, c = draw_layers(rng, cells, bidirectional=bidirectional)
    counts = [sum(length > t for length in lengths) for t in range(6)]
    X = [rng.standard_normal((D, length)) for length in lengths]
    x = [np.stack([x_i[:, t] for x_i in X[:n_t]], axis=1) for t, n_t in enumerate(counts)]
    answers_from = [0] * 6 if every_step else [*counts[1:], 0]
    # (step, column) of each answer, in the order in which Trace promises them
    places = [(t, j) for t, n_t in enumerate(counts) for j in range(answers_from[t], n_t)]
    y = weighted_labels(rng, len(places))

    trace = network.forward(x, layers, V, c, answers_from)
    layer_gradients, dV, dc = gradients(x, y, layers, V, answers_from, trace)

    expected_layers = [[0, 0, 0, 0] for _ in layers]
    expected_dV, expected_dc = 0, 0
    for i, length in enumerate(lengths):
        mine = [m for m, (_, j) in enumerate(places) if j == i]
        alone = [X[i][:, [t]] for t in range(length)]
        first = [0] * length if every_step else [1] * (length - 1) + [0]
        trace_alone = network.forward(alone, layers, V, c, first)
        assert relative_error(trace.y_activated[:, mine], trace_alone.y_activated) <= BY_HAND
        of_layers, dV_i, dc_i = gradients(alone, y[:, mine], layers, V, first, trace_alone)
        for total, part in zip(expected_layers, of_layers, strict=True):
            total[:] = [a + b for a, b in zip(total, part, strict=True)]
        expected_dV, expected_dc = expected_dV + dV_i, expected_dc + dc_i

    for actual, expected in zip(layer_gradients, expected_layers, strict=True):
        for gradient, gradient_expected in zip(actual, expected, strict=True):
            assert relative_error(gradient, gradient_expected) <= BY_HAND
    assert relative_error(dV, expected_dV) <= BY_HAND
    assert relative_error(dc, expected_dc) <= BY_HAND


@pytest.mark.parametrize("cells", CELL_STACKS, ids="-".join)
def test_first_states_carry_on_where_a_sequence_was_cut(rng, cells):
    layers, V, c = draw_layers(rng, cells)
    x = rng.standard_normal((7, D, 3))
    whole = network.forward(x, layers, V, c, [0] * 7)
    head = network.forward(x[:3], layers, V, c, [0] * 3)
    states = [of_layer.steps[-1].states for of_layer in head.layers]
    tail = network.forward(x[3:], layers, V, c, [0] * 4, states)
    y_activated = np.concatenate([head.y_activated, tail.y_activated], axis=1)
    assert relative_error(y_activated, whole.y_activated) <= ROUNDING


@directions
@pytest.mark.parametrize("cells", CELL_STACKS, ids="-".join)
def test_what_backward_takes_is_left_as_it_was(rng, cells, bidirectional):
    layers, V, c = draw_layers(rng, cells, bidirectional=bidirectional)
    x, y = rng.standard_normal((4, D, 3)), weighted_labels(rng, 12)
    trace = network.forward(x, layers, V, c, [0] * 4)
    arrays = [
        x,
        y,
        V,
        *chain(*(of_layer.h for of_layer in trace.layers)),
        trace.h_answering,
        trace.y_activated,
    ]
    arrays += [array for layer in layers for array in layer[1:4] if array is not None]
    before = [array.copy() for array in arrays]
    once = gradients(x, y, layers, V, [0] * 4, trace)
    again = gradients(x, y, layers, V, [0] * 4, trace)
    for array, array_before in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, array_before)
    np.testing.assert_array_equal(once[1], again[1])
    np.testing.assert_array_equal(once[0][0][0], again[0][0][0])


@directions
@pytest.mark.parametrize("cells", CELL_STACKS, ids="-".join)
def test_complex_numbers_go_forward_and_back(rng, cells, bidirectional):
    layers, V, c = draw_layers(rng, cells, bidirectional=bidirectional)
    x, y = rng.standard_normal((4, D, 3)), weighted_labels(rng, 12)
    real = gradients(x, y, layers, V, [0] * 4, network.forward(x, layers, V, c, [0] * 4))
    layers = [
        layer._replace(
            U=layer.U.astype(complex),
            W=None if layer.W is None else layer.W.astype(complex),
            b=layer.b.astype(complex),
        )
        for layer in layers
    ]
    V, c = V.astype(complex), c.astype(complex)
    trace = network.forward(x, layers, V, c, [0] * 4)
    of_layers, dV, dc = gradients(x, y, layers, V, [0] * 4, trace)
    assert dV.dtype == dc.dtype == np.complex128
    assert relative_error(dV, real[1]) <= BY_HAND
    for actual, expected in zip(of_layers, real[0], strict=True):
        for gradient, gradient_expected in zip(actual, expected, strict=True):
            assert relative_error(gradient, gradient_expected) <= BY_HAND


# Layers that go from the last step to the first


def test_a_reverse_layer_is_a_forward_one_of_sequences_turned_round(rng):
    (layer, *_), _, _ = draw_layers(rng, ["lstm"])
    x = rng.standard_normal((6, D, 4))
    initial = tuple(rng.standard_normal((layer.n_units, 4)) for _ in layer.cell.states)
    turned = recurrent_layer(x[::-1], initial, layer)
    trace = recurrent_layer(x, initial, layer._replace(reverse=True))
    np.testing.assert_array_equal(trace.h, turned.h[::-1])
    dh = rng.standard_normal((6, layer.n_units, 4))
    delta, d_initial = errors_through_time(dh, trace, layer._replace(reverse=True))
    expected, d_initial_expected = errors_through_time(dh[::-1], turned, layer)
    np.testing.assert_array_equal(delta, expected[::-1])
    np.testing.assert_array_equal(d_initial, d_initial_expected)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["tanh", "leaky", "lstm"])
def test_errors_reach_the_states_that_ragged_sequences_begin_with(rng, name, reverse):
    (layer, *_), _, _ = draw_layers(rng, [name])
    layer = layer._replace(reverse=reverse)
    counts = (4, 4, 3, 3, 1)
    x = [rng.standard_normal((D, n)) for n in counts]
    r = [rng.standard_normal((layer.n_units, n)) for n in counts]  # the loss is Σ_t r_t · h_t
    initial = [rng.standard_normal((layer.n_units, 4)).astype(complex) for _ in layer.cell.states]

    def loss():
        h = recurrent_layer(x, tuple(initial), layer).h
        return sum((r_t * h_t).sum() for r_t, h_t in zip(r, h, strict=True))

    _, found = errors_through_time(
        r, recurrent_layer(x, tuple(s.real for s in initial), layer), layer
    )
    for state, of_state in zip(initial, found, strict=True):
        expected = complex_step(loss, state.reshape(-1)).reshape(state.shape)
        assert relative_error(of_state, expected) <= BY_HAND


def test_a_sequence_reads_the_last_state_of_each_direction(rng):
    layers, V, c = draw_layers(rng, ["tanh"], bidirectional=True)
    x = [rng.standard_normal((D, n)) for n in (3, 2, 2, 1)]
    trace = network.forward(x, layers, V, c, [2, 2, 1, 0])
    onward, reverse = (of_layer.h for of_layer in trace.layers)
    last = np.stack([onward[0][:, 2], onward[2][:, 1], onward[3][:, 0]], axis=1)
    np.testing.assert_array_equal(trace.h_answering, [*last, *reverse[0][:, [2, 1, 0]]])
