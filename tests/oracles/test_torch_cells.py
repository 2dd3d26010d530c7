"""Cells beside PyTorch's, as ``write_torch_cells.py`` wrote them down."""

from pathlib import Path

import numpy as np
import pytest

import naive
from elman import Network
from elman.engines import get_engine
from elman.engines.compiled import engine as compiled
from elman.equations.cells import Leaky
from elman.parameters import Architecture, Parameters
from tolerances import VERSUS_TORCH, relative_error


def read(name):
    with np.load(Path(__file__).with_name(name)) as file:
        return dict(file)


GIVEN = read("torch_cells.npz")
FLOAT64 = np.dtype(np.float64)
WEIGHTS = GIVEN["weights"].astype(np.float64)
LENGTHS = {"equal": (9,) * 5, "ragged": (4, 9, 1, 6, 6)}
ALPHA = 0.3
ROWS = {"leaky": (1, 1), "gru": (3, 4), "lstm": (4, 4)}  # of U and W, and of b, in H
NAMES = ("U1", "W1", "b1", "U2", "W2", "b2", "V", "c")  # in the file's order

every_case = [
    pytest.mark.parametrize("bias", ["bias", "no bias"]),
    pytest.mark.parametrize("lengths", LENGTHS),
    pytest.mark.parametrize("n_layers", [1, 2]),
    pytest.mark.parametrize("cell", ROWS),
]


def over_every_case(test):
    for mark in every_case:
        test = mark(test)
    return test


def parameters(cell, n_layers, bias):
    """What a network of this cell has of the parameters that were drawn."""
    H = GIVEN["V"].shape[1]
    of_matrix, of_bias = ROWS[cell]
    result = {}
    for k in range(1, n_layers + 1):
        result |= {f"{name}{k}": GIVEN[f"{name}{k}"][: of_matrix * H] for name in "UW"}
        result |= {f"b{k}": GIVEN[f"b{k}"][: of_bias * H]} if bias else {}
    return result | {"V": GIVEN["V"]} | ({"c": GIVEN["c"]} if bias else {})


def problem(labels, lengths):
    """The sequences and their labels."""
    X = [x[:n] for x, n in zip(GIVEN["X"], LENGTHS[lengths], strict=True)]
    if labels != "steps":
        return X, GIVEN["y_last"]
    return X, [y_i[:n] for y_i, n in zip(GIVEN["y_steps"], LENGTHS[lengths], strict=True)]


def check_gradients(gradients, expected, tolerance, names=NAMES):
    """Compare gradients with what stands in a case behind the loss."""
    names = [name for name in names if name in gradients]
    assert len(expected) == sum(gradients[name].size for name in names)
    ends = np.cumsum([gradients[name].size for name in names])
    for name, part in zip(names, np.split(expected, ends[:-1]), strict=True):
        ours = gradients[name]
        assert relative_error(ours, part.reshape(ours.shape)) <= tolerance, name


@pytest.mark.parametrize("labels", ["steps", "last"])
@over_every_case
def test_naive_loop_computes_torchs_loss_and_gradients(cell, n_layers, lengths, bias, labels):
    network = parameters(cell, n_layers, bias == "bias")
    cells = (naive.leaky(ALPHA) if cell == "leaky" else cell,) * n_layers
    X, y = problem(labels, lengths)
    weights = [w / len(X) * np.ones(np.shape(y_i)) for w, y_i in zip(WEIGHTS, y, strict=True)]
    result = naive.loss_and_gradients(network, cells, X, y, weights)

    expected_loss, *expected = GIVEN[f"{cell}-{n_layers}-{labels}-{lengths}-{bias}"]
    tolerance = VERSUS_TORCH[FLOAT64]
    assert result.loss == pytest.approx(expected_loss, rel=tolerance)
    check_gradients(result.gradients, expected, tolerance)


@over_every_case
def test_naive_loop_goes_through_torchs_states(cell, n_layers, lengths, bias):
    network = parameters(cell, n_layers, bias == "bias")
    cells = (naive.leaky(ALPHA) if cell == "leaky" else cell,) * n_layers
    of_sequences = [naive.forward(network, cells, x) for x in problem("steps", lengths)[0]]
    case = f"{cell}-{n_layers}-{lengths}-{bias}"
    expected, tolerance = GIVEN[f"{case}-forward"], VERSUS_TORCH[FLOAT64]
    h = [h_t for _, states, _, _ in of_sequences for h_t, *_ in states[-1][1:]]
    z = [z_t for _, _, of_steps, _ in of_sequences for z_t in of_steps]
    assert relative_error(np.hstack([h, z]), expected) <= tolerance
    if cell == "lstm":
        s = [[states[k][-1][1] for _, states, _, _ in of_sequences] for k in range(n_layers)]
        assert relative_error(s, GIVEN[f"{case}-s"]) <= tolerance


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("cell", ROWS)
def test_naive_loop_computes_torchs_gradients_of_first_states(cell, n_layers, lengths):
    cells = (naive.leaky(ALPHA) if cell == "leaky" else cell,) * n_layers
    X, y = problem("steps", lengths)
    weights = [w / len(X) * np.ones(len(x)) for w, x in zip(WEIGHTS, X, strict=True)]
    network = parameters(cell, n_layers, bias=True) | first_states(cell, n_layers)
    result = naive.loss_and_gradients(network, cells, X, y, weights)
    check_with_first_states(cell, n_layers, lengths, *result[::2], VERSUS_TORCH[FLOAT64])


def first_states(cell, n_layers):
    """The states before the first step, as parameters: h, and of an LSTM s behind it."""
    initial = GIVEN["initial"][: 2 if cell == "lstm" else 1]
    return {f"initial{k + 1}": initial[:, k].ravel() for k in range(n_layers)}


def check_with_first_states(cell, n_layers, lengths, loss, gradients, tolerance):
    """Compare with a case that has the gradients of h_0 of each layer, and of s_0, at its end."""
    expected_loss, *expected = GIVEN[f"{cell}-{n_layers}-steps-{lengths}-bias-initial"]
    assert loss == pytest.approx(expected_loss, rel=tolerance)
    H = GIVEN["V"].shape[1]
    of_initial = [gradients[f"initial{k + 1}"].reshape(-1, H) for k in range(n_layers)]
    initial = np.stack(of_initial, axis=1)
    check_gradients(gradients, expected[: -initial.size], tolerance)
    assert relative_error(initial.ravel(), expected[-initial.size :]) <= tolerance


@pytest.fixture(params=["reference", "panels", "rows"])
def engine(request, monkeypatch):
    """Both engines, and both ways to compute of the compiled one, which the batch's size decides."""
    if request.param == "reference":
        return "reference"
    monkeypatch.setattr(compiled, "are_few", lambda *_: request.param == "rows")
    return "compiled"


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


def make_network(cell, n_layers, bias, dtype, engine, readout="last"):
    (K, H), D = GIVEN["V"].shape, GIVEN["X"].shape[2]
    network = Network(
        D,
        [H] * n_layers,
        K,
        cell=Leaky(ALPHA) if cell == "leaky" else cell,
        bias=bias == "bias",
        dtype=dtype,
        readout=readout,
        engine=engine,
    )
    given = parameters(cell, n_layers, bias == "bias")
    assert {name: array.shape for name, array in network.parameters.items()} == {
        name: array.shape for name, array in given.items()
    }
    for name, array in network.parameters.items():
        array[...] = given[name]
    return network


@pytest.mark.parametrize("labels", ["steps", "last"])
@over_every_case
def test_loss_and_gradients_are_torchs(cell, n_layers, lengths, bias, labels, dtype, engine):
    network = make_network(cell, n_layers, bias, dtype, engine)
    X, y = problem(labels, lengths)
    X = [x.astype(dtype) for x in X]
    loss, gradients = network.loss_and_gradients(X, y, GIVEN["weights"])

    tolerance = VERSUS_TORCH[np.dtype(dtype)]
    expected_loss, *expected = GIVEN[f"{cell}-{n_layers}-{labels}-{lengths}-{bias}"]
    assert loss == pytest.approx(expected_loss, rel=tolerance)
    check_gradients(gradients, expected, tolerance)


@pytest.mark.parametrize("readout", ["mean", "max"])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("cell", ROWS)
def test_loss_and_gradients_of_readouts_are_torchs(cell, n_layers, lengths, readout, dtype, engine):
    network = make_network(cell, n_layers, "bias", dtype, engine, readout)
    X, y = problem("last", lengths)
    X = [x.astype(dtype) for x in X]
    loss, gradients = network.loss_and_gradients(X, y, GIVEN["weights"])
    tolerance = VERSUS_TORCH[np.dtype(dtype)]
    expected_loss, *expected = GIVEN[f"{cell}-{n_layers}-{readout}-{lengths}-bias"]
    assert loss == pytest.approx(expected_loss, rel=tolerance)
    check_gradients(gradients, expected, tolerance)


@over_every_case
def test_y_hat_is_torchs(cell, n_layers, lengths, bias, dtype, engine):
    network = make_network(cell, n_layers, bias, dtype, engine)
    X = [x.astype(dtype) for x in problem("steps", lengths)[0]]
    exp_z = np.exp(
        GIVEN[f"{cell}-{n_layers}-{lengths}-{bias}-forward"][:, -network.architecture.n_outputs :]
    )
    y_hat = np.concatenate(network.forward(X))
    expected = exp_z / exp_z.sum(axis=1, keepdims=True)
    assert relative_error(y_hat, expected) <= VERSUS_TORCH[np.dtype(dtype)]


@over_every_case
def test_trace_goes_through_torchs_states(cell, n_layers, lengths, bias):
    network = make_network(cell, n_layers, bias, np.float64, "reference")
    X = [x.astype(np.float64) for x in problem("steps", lengths)[0]]
    trace, case = network.trace(X), f"{cell}-{n_layers}-{lengths}-{bias}"
    tolerance = VERSUS_TORCH[FLOAT64]
    h, z = np.concatenate(trace.h_activated[-1]), np.concatenate(trace.y_unactivated)
    assert relative_error(np.hstack([h, z]), GIVEN[f"{case}-forward"]) <= tolerance
    if cell == "lstm":
        s = [[of_steps[-1] for of_steps in states["s"]] for states in trace.states]
        assert relative_error(s, GIVEN[f"{case}-s"]) <= tolerance


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("cell", ROWS)
def test_gradients_of_first_states_are_torchs(cell, n_layers, lengths, dtype, engine):
    (K, H), D = GIVEN["V"].shape, GIVEN["X"].shape[2]
    architecture = Architecture(
        D,
        (H,) * n_layers,
        (Leaky(ALPHA) if cell == "leaky" else cell,) * n_layers,
        K,
        learn_initial_state=True,
    )
    network = Network.from_parameters(Parameters.zeros(architecture, dtype), get_engine(engine))
    given = parameters(cell, n_layers, bias=True) | first_states(cell, n_layers)
    for name, array in network.parameters.items():
        array[...] = given[name]
    X, y = problem("steps", lengths)
    result = network.loss_and_gradients([x.astype(dtype) for x in X], y, GIVEN["weights"])
    check_with_first_states(cell, n_layers, lengths, *result, VERSUS_TORCH[np.dtype(dtype)])


# Both directions

DIRECTIONS = read("torch_directions.npz")
GATES = {"tanh": (1, 1)} | ROWS


def both_ways(cell, n_layers, dtype, engine, readout="last"):
    """A network in both directions, with the parameters that were drawn."""
    (K, H), D = DIRECTIONS["V"].shape, DIRECTIONS["X"].shape[2]
    network = Network(
        D,
        [H // 2] * n_layers,
        K,
        cell=cell,
        dtype=dtype,
        engine=engine,
        bidirectional=True,
        readout=readout,
    )
    of_matrix, of_bias = (n * H // 2 for n in GATES[cell])
    for name, array in network.parameters.items():
        rows = {"U": of_matrix, "W": of_matrix, "b": of_bias}.get(name[0], K)
        array[...] = DIRECTIONS[name][:rows]
    return network


@pytest.mark.parametrize("labels", ["steps", "last"])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("cell", ["tanh", "gru", "lstm"])
@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_both_directions_are_torchs(cell, n_layers, lengths, labels, dtype, engine):
    network = both_ways(cell, n_layers, dtype, engine)
    X = [x[:n].astype(dtype) for x, n in zip(DIRECTIONS["X"], LENGTHS[lengths], strict=True)]
    y = DIRECTIONS["y_last"]
    if labels == "steps":
        pairs = zip(DIRECTIONS["y_steps"], LENGTHS[lengths], strict=True)
        y = [y_i[:n] for y_i, n in pairs]
    loss, gradients = network.loss_and_gradients(X, y, DIRECTIONS["weights"])

    tolerance = VERSUS_TORCH[np.dtype(dtype)]
    expected_loss, *expected = DIRECTIONS[f"{cell}-{n_layers}-{labels}-{lengths}-bias"]
    assert loss == pytest.approx(expected_loss, rel=tolerance)
    check_gradients(gradients, expected, tolerance, tuple(gradients))


@pytest.mark.parametrize("readout", ["mean", "max"])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("cell", ["tanh", "gru", "lstm"])
@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_readouts_of_both_directions_are_torchs(cell, lengths, readout, dtype, engine):
    network = both_ways(cell, 1, dtype, engine, readout)
    X = [x[:n].astype(dtype) for x, n in zip(DIRECTIONS["X"], LENGTHS[lengths], strict=True)]
    loss, gradients = network.loss_and_gradients(X, DIRECTIONS["y_last"], DIRECTIONS["weights"])

    tolerance = VERSUS_TORCH[np.dtype(dtype)]
    expected_loss, *expected = DIRECTIONS[f"{cell}-1-{readout}-{lengths}-bias"]
    assert loss == pytest.approx(expected_loss, rel=tolerance)
    check_gradients(gradients, expected, tolerance, tuple(gradients))
