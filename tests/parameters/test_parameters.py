"""Parameters: one vector under all of them."""

import copy
import pickle

import numpy as np
import pytest

from elman.equations import CELLS
from elman.parameters import Architecture, Parameters, initialize

STACK = Architecture(3, (5, 4, 6), ("tanh", "dense", "relu"), 2)


def drawn(architecture=STACK, dtype=np.float64, seed=0):
    return initialize(architecture, np.random.default_rng(seed), dtype)


def test_views_cover_the_vector_once_in_order():
    parameters = Parameters.zeros(STACK, np.float32)
    parameters.vector[...] = np.arange(len(parameters.vector))
    assert {name: view.shape for name, view in parameters.items()} == STACK.shapes
    np.testing.assert_array_equal(
        np.concatenate([view.ravel() for view in parameters.values()]), parameters.vector
    )
    assert parameters.vector.dtype == np.float32


def test_a_gate_is_a_view():
    parameters = drawn(Architecture(3, (5,), ("gru",), 2))
    parameters.gate("W1", "m")[...] = 7
    np.testing.assert_array_equal(parameters["W1"][10:], 7)
    assert (parameters["W1"][:10] != 7).all()
    with pytest.raises(KeyError, match="U1 has rows of r, z, n; got 'm'"):
        parameters.gate("U1", "m")
    with pytest.raises(KeyError, match="V has rows of no gate"):
        parameters.gate("V", "r")


def round_trips():
    yield "as made", lambda parameters: parameters
    yield "copy()", Parameters.copy
    yield "astype", lambda parameters: parameters.astype(np.float32)
    yield "copy.copy", copy.copy
    yield "copy.deepcopy", copy.deepcopy
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        yield (
            f"pickle {protocol}",
            lambda parameters, protocol=protocol: pickle.loads(pickle.dumps(parameters, protocol)),
        )


@pytest.mark.parametrize(
    "way", [way for _, way in round_trips()], ids=[n for n, _ in round_trips()]
)
def test_views_stay_with_their_vector(way):
    original = drawn()
    parameters = way(original)
    np.testing.assert_array_equal(
        parameters.vector, original.vector.astype(parameters.vector.dtype)
    )
    assert parameters.architecture == original.architecture
    for name, view in parameters.items():
        assert np.shares_memory(view, parameters.vector), name
    for layer, name in zip(parameters.layers, ("U1", "U2", "U3"), strict=True):
        assert np.shares_memory(layer.U, parameters[name])
    parameters["W3"][2, 4] = 17
    assert (parameters.vector == 17).sum() == 1


@pytest.mark.parametrize(
    "way", [Parameters.copy, copy.deepcopy, lambda p: p.astype(p.vector.dtype)]
)
def test_a_copy_has_its_own_vector(way):
    original = drawn()
    assert not np.shares_memory(way(original).vector, original.vector)


@pytest.mark.parametrize("extra", [-1, 1])
def test_a_vector_of_another_length_is_refused(extra):
    n = len(drawn().vector)
    with pytest.raises(ValueError, match=f"vector has {n + extra} entries|cannot reshape"):
        Parameters(STACK, np.zeros(n + extra))


def test_layers_are_the_equations():
    parameters = drawn()
    layers = parameters.layers
    assert [layer.cell for layer in layers] == [CELLS["tanh"], CELLS["dense"], CELLS["relu"]]
    assert layers[1].W is None
    for k, layer in enumerate(layers, start=1):
        assert layer.U is parameters[f"U{k}"]
        assert layer.b is parameters[f"b{k}"]
    unbiased = drawn(Architecture(3, (5,), ("tanh",), 2, bias=False))
    assert unbiased.layers[0].b is None


def test_repr_tells_shapes_and_dtype():
    text = repr(drawn(Architecture(3, (5,), ("dense",), 2)))
    assert text == "Parameters(U1 (5, 3), b1 (5,), V (2, 5), c (2,); float64)"
