"""Parameters into the order of the products, and gradients back, for many and for few sequences."""

import numpy as np
import pytest

from elman.engines.compiled import panels, rows
from elman.engines.compiled.layout import Layout
from elman.parameters import Architecture, Parameters

SIZES = {
    "one": (1, (1,), ("tanh",), 1),
    "below a vector": (15, (7,), ("relu",), 15),
    "vectors": (16, (16, 64), ("tanh", "tanh"), 8),
    "above a vector": (17, (33, 17), ("tanh", "relu"), 17),
    "all cells": (9, (1, 15, 65), ("dense", "tanh", "relu"), 70),
    "gates": (17, (15, 33), ("gru", "lstm"), 3),
}


@pytest.fixture(params=SIZES.values(), ids=list(SIZES))
def sizes(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["bias", "no bias"])
def parameters(request, sizes, dtype):
    made = Parameters.zeros(Architecture(*sizes, bias=request.param), dtype)
    made.vector[...] = np.random.default_rng(0).standard_normal(len(made.vector))
    return made


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(params=[panels, rows], ids=["panels", "rows"])
def module(request):
    return request.param


@pytest.fixture
def laid_out(module, parameters, dtype):
    lanes = 64 // dtype.itemsize
    return Layout.of(parameters.architecture, module.unit(lanes), dtype)


def pieces(array, at, n_rows, n_columns, width):
    """A matrix that is cut into pieces of some columns, one behind another."""
    n_pieces = -(-n_columns // width)
    cut = array[at : at + n_pieces * n_rows * width].reshape(n_pieces, n_rows, width)
    return np.concatenate(cut, axis=1)


def matrices(parameters):
    """The number of a layer, and U, W (or None) and b (or zeros), of each gate; V is the last U."""
    architecture = parameters.architecture
    for k, (H, cell) in enumerate(zip(architecture.hidden, architecture.layer_cells, strict=True)):
        for gate in cell.gates:
            reads = cell.reads.get(gate, "xh")
            U = parameters.gate(f"U{k + 1}", gate) if "x" in reads else None
            W = parameters.gate(f"W{k + 1}", gate) if "h" in reads else None
            b = parameters.gate(f"b{k + 1}", gate) if architecture.bias else np.zeros(H)
            yield k, U, W, b
    zeros = np.zeros(architecture.n_outputs)
    yield len(architecture.hidden), parameters["V"], None, parameters.get("c", zeros)


def gates_of(laid_out, parameters):
    for gate, (k, U, W, b) in zip(laid_out.gates, matrices(parameters), strict=True):
        yield laid_out.layers[k], gate, U, W, b


@pytest.mark.parametrize("to_train", [True, False])
def test_packed_matrices_stand_as_they_are_read(module, parameters, laid_out, dtype, to_train):
    """Those that errors go back through are left out where there is nothing to train."""
    weights = np.full(laid_out.n_weights, np.nan, dtype)
    module.pack(laid_out.layers, laid_out.gates, parameters.vector, weights, to_train)
    for layer, gate, U, W, b in gates_of(laid_out, parameters):
        H = len(b)
        lanes = 64 // dtype.itemsize
        forward = np.concatenate([b[None], *(M.T for M in (U, W) if M is not None)])
        assert gate["n_forward"] == len(forward)
        packed = pieces(weights, gate["forward"], len(forward), H, lanes)
        np.testing.assert_array_equal(packed[:, :H], forward)
        if W is not None:
            packed = pieces(weights, gate["back_in_time"], H, H, lanes)
            np.testing.assert_array_equal(packed[:, :H], W if to_train else np.full_like(W, np.nan))
        if U is not None and layer["has_layer_below"]:
            D = U.shape[1]
            packed = pieces(weights, gate["back_down"], H, D, lanes)
            np.testing.assert_array_equal(packed[:, :D], U if to_train else np.full_like(U, np.nan))


def test_unpacked_gradients_are_the_parameters(module, parameters, laid_out, dtype):
    gradients = np.full(laid_out.n_gradients, np.nan, dtype)
    for layer, gate, U, W, b in gates_of(laid_out, parameters):
        H = len(b)
        whole = np.full((gate["gradient_rows"], layer["rows"]), np.nan, dtype)
        whole[0, :H] = b
        start = 1
        if U is not None:
            whole[start : start + U.shape[1], :H] = U.T
            start += int(layer["input_rows"])
        if W is not None:
            whole[start : start + H, :H] = W.T
        cut = whole.reshape(len(whole), -1, 64 // dtype.itemsize).transpose(1, 0, 2).ravel()
        gradients[gate["gradient"] : gate["gradient"] + len(cut)] = cut
    unpacked = np.full_like(parameters.vector, np.nan)
    module.unpack(laid_out.layers, laid_out.gates, gradients, unpacked)
    np.testing.assert_array_equal(unpacked, parameters.vector)
