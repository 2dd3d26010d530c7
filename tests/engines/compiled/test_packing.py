"""Parameters into the order of the products, and gradients back, for many and for few sequences."""

import numpy as np
import pytest

from elman.engines.compiled import panels, rows
from elman.engines.compiled.layout import Layout
from elman.engines.compiled.machine import tiles
from elman.engines.compiled.packing import pack, unpack
from elman.merging import Members
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


def packed_by(laid_out, parameters, to_train):
    """Weights, NaN where nothing was copied to, and which inputs each panel reads."""
    weights = np.full(laid_out.n_weights, np.nan, laid_out.dtype)
    spans, vector = laid_out.all_inputs.copy(), parameters.vector
    if not to_train:
        spans[:] = (-1,) * 4
    pack(laid_out.layers, laid_out.gates, vector, weights, spans, to_train or None)
    return weights, spans


@pytest.mark.parametrize("to_train", [True, False])
def test_packed_matrices_stand_as_they_are_read(module, parameters, laid_out, dtype, to_train):
    """Those that errors go back through are left out where there is nothing to train."""
    weights, spans = packed_by(laid_out, parameters, to_train)
    for layer, gate, U, W, b in gates_of(laid_out, parameters):
        H = len(b)
        lanes = 64 // dtype.itemsize
        forward = np.concatenate([b[None], *(M.T for M in (U, W) if M is not None)])
        assert gate["n_forward"] == len(forward)
        whole = [0 if U is None else U.shape[1], 0 if W is None else H]
        first = gate["first_panel"]
        for span in spans[first : first - (-H // lanes)]:
            assert span.tolist() == (0, whole[0], 0, whole[1])
        packed = pieces(weights, gate["forward"], len(forward), H, lanes)
        np.testing.assert_array_equal(packed[:, :H], forward)
        if W is not None:
            packed = pieces(weights, gate["back_in_time"], H, H, lanes)
            np.testing.assert_array_equal(packed[:, :H], W if to_train else np.full_like(W, np.nan))
        if U is not None and layer["has_layer_below"]:
            D = U.shape[1]
            packed = pieces(weights, gate["back_down"], H, D, lanes)
            np.testing.assert_array_equal(packed[:, :D], U if to_train else np.full_like(U, np.nan))


@pytest.mark.parametrize("to_train", [True, False])
@pytest.mark.parametrize("H", [8, 30, 64, 100])
def test_inputs_that_have_zeros_alone_are_left_out_where_nothing_is_trained(dtype, H, to_train):
    """Three networks that were merged, with no more zeros for every lane than a vector has."""
    rng, lanes = np.random.default_rng(H), 64 // dtype.itemsize
    members = [Parameters.zeros(Architecture(9, (H, H), ("gru", "tanh"), 3), dtype) for _ in "abc"]
    for parameters in members:
        parameters.vector[...] = rng.uniform(1, 2, len(parameters.vector))
    network = Members.of(members).network
    laid_out = Layout.of(network.architecture, lanes, dtype)
    weights, spans = packed_by(laid_out, network, to_train)
    for _, gate, U, W, b in gates_of(laid_out, network):
        U_end = 1 if U is None else 1 + U.shape[1]
        for p in range(0, len(b), lanes):
            first_x, n_x, first_h, n_h = spans[gate["first_panel"] + p // lanes]
            group = p // (tiles.WIDE * lanes) * tiles.WIDE * lanes
            for matrix, first, n_used, before in [(U, first_x, n_x, 1), (W, first_h, n_h, U_end)]:
                last = first + n_used
                if matrix is None:
                    assert n_used == 0
                    continue
                n = matrix.shape[1]
                used = matrix[group : group + tiles.WIDE * lanes].any(axis=0).nonzero()[0]
                if to_train:
                    assert (first, last) == (0, n)
                else:
                    assert 0 <= used[0] - first < lanes
                    assert 0 <= last - 1 - used[-1] < lanes
                packed = pieces(weights, gate["forward"], gate["n_forward"], len(b), lanes)
                rows = packed[before : before + n, p : min(p + lanes, len(b))].T
                np.testing.assert_array_equal(
                    rows[:, first:last], matrix[p : p + lanes, first:last]
                )


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
    unpack(laid_out.layers, laid_out.gates, gradients, unpacked)
    np.testing.assert_array_equal(unpacked, parameters.vector)
