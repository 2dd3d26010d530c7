"""The network: N2 with every intermediate, labels and weights checked, streaming, files."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest

import elman
import naive
from elman import DataError, ModelFileError, Network
from elman.engines import ENGINES
from elman.equations import softmax
from tolerances import VERSUS_NAIVE, relative_error

CELLS = ("tanh", "relu", "dense")
D, K = 2, 3


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


@pytest.fixture(params=["array", "list"])
def X(request):
    rng = np.random.default_rng(9)
    if request.param == "array":
        return rng.standard_normal((4, 5, D))
    return [rng.standard_normal((length, D)) for length in (3, 6, 1, 6)]


def network_of(**settings):
    settings = {"cell": CELLS, "dtype": np.float64, "seed": 1} | settings
    network = Network(D, (4, 5, 3), K, **settings)
    for name, array in network.parameters.items():
        if name[0] in "bc":
            array[...] = np.linspace(-0.4, 0.9, len(array))
    return network


def test_calls_keep_no_memory(engine):
    network = Network(D, 64, K, seed=0, engine=engine)
    X = np.random.default_rng(0).standard_normal((40, 300, D)).astype(np.float32)
    y = np.arange(40) % K

    def compute():
        network.loss_and_gradients(X, y)
        network.forward(X)

    compute()  # compiled by now
    tracemalloc.start()
    compute()
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert left < 4e5
    assert peak > 1e6  # the states of one shard; more, where threads compute at the same time


@pytest.mark.parametrize("bias", [True, False])
def test_intermediates_are_n2_under_the_notes_names(X, bias):
    network = network_of(bias=bias)
    every = network.trace(X)
    theta = {name: array.copy() for name, array in network.parameters.items()}
    for i, x in enumerate(X):
        inputs = np.asarray(x)
        for k, cell in enumerate(CELLS):
            U_frd, W_frd = every.U_frd[k][i], every.W_frd[k][i]
            h_unactivated, h_activated = every.h_unactivated[k][i], every.h_activated[k][i]
            h_previous = np.vstack([np.zeros((1, h_activated.shape[1])), h_activated[:-1]])
            W = theta.get(f"W{k + 1}", np.zeros((h_activated.shape[1],) * 2))
            np.testing.assert_allclose(U_frd, inputs @ theta[f"U{k + 1}"].T, rtol=1e-12)
            np.testing.assert_allclose(W_frd, h_previous @ W.T, rtol=1e-12, atol=1e-15)
            total = U_frd + W_frd
            if bias:
                total = total + theta[f"b{k + 1}"]
            np.testing.assert_array_equal(h_unactivated, total)
            activated = np.maximum(total, 0) if cell == "relu" else np.tanh(total)
            np.testing.assert_array_equal(h_activated, activated)
            inputs = h_activated
        z = inputs @ theta["V"].T + (theta["c"] if bias else 0)
        np.testing.assert_allclose(every.y_unactivated[i], z, rtol=1e-12)
        np.testing.assert_array_equal(every.y_activated[i], softmax(every.y_unactivated[i].T).T)


def test_intermediates_come_as_the_sequences_did(X):
    network = network_of()
    every = network.trace(X)
    for values in (*every.U_frd, *every.h_activated, every.y_activated):
        assert isinstance(values, np.ndarray) == isinstance(X, np.ndarray)
        assert [len(value) for value in values] == [len(x) for x in X]
    y_hat = network.forward(X)
    assert isinstance(y_hat, np.ndarray) == isinstance(X, np.ndarray)
    for actual, expected in zip(y_hat, every.y_activated, strict=True):
        assert relative_error(actual, expected) <= VERSUS_NAIVE[network.dtype]


def test_forward_is_the_naive_loop(X, engine):
    network = network_of(engine=engine)
    expected = [naive.probabilities(network.parameters, CELLS, x) for x in X]
    for actual, y_hat in zip(network.forward(X), expected, strict=True):
        assert relative_error(actual, y_hat) <= VERSUS_NAIVE[network.dtype]
    last = network.forward(X, every_step=False)
    difference = relative_error(last, [y_hat[-1] for y_hat in expected])
    assert difference <= VERSUS_NAIVE[network.dtype]


@pytest.mark.parametrize("every_step", [True, False], ids=["label a step", "label a sequence"])
@pytest.mark.parametrize("weighted", ["not", "by sequence", "by label"])
def test_loss_is_a_sum_over_steps_and_a_mean_over_sequences(X, engine, every_step, weighted):
    network, rng = network_of(engine=engine), np.random.default_rng(4)
    shapes = [len(x) for x in X] if every_step else [()] * len(X)
    y = [rng.integers(K, size=shape) for shape in shapes]
    weights = [np.ones(shape) for shape in shapes]
    given = None
    if weighted == "by sequence":
        given = rng.uniform(0.2, 2, len(X))
        weights = [np.full(shape, weight) for shape, weight in zip(shapes, given, strict=True)]
    elif weighted == "by label":
        given = weights = [rng.uniform(0.2, 2, shape) for shape in shapes]
    expected = naive.loss_and_gradients(network.parameters, CELLS, X, y, weights)

    loss, gradients = network.loss_and_gradients(X, y, given)
    tolerance = VERSUS_NAIVE[network.dtype]
    assert loss == pytest.approx(expected.loss / len(X), rel=tolerance)
    for name, gradient in gradients.items():
        assert relative_error(gradient, expected.gradients[name] / len(X)) <= tolerance


def test_streaming_equals_forward(engine):
    network = network_of(engine=engine)
    X = np.random.default_rng(9).standard_normal((4, 5, D))
    state = network.initial_state(4)
    y_hat = []
    for t in range(5):
        y_t, state = network.step(X[:, t], state)
        y_hat.append(y_t)
    expected = network.forward(X)
    assert relative_error(np.stack(y_hat, axis=1), expected) <= VERSUS_NAIVE[network.dtype]


def test_initial_state_is_of_one_sequence_and_begins_at_zero(engine):
    network = network_of(engine=engine)
    x = np.random.default_rng(9).standard_normal(D)
    y_hat, _ = network.step(x, network.initial_state())
    np.testing.assert_array_equal(y_hat, network.forward(x[None, None])[0, 0])


def other_networks():
    network = network_of(engine="reference")
    yield "other parameters", network_of(engine="reference", seed=2)
    yield "another engine", network_of(engine="compiled")
    yield "another dtype", network.astype(np.float32)
    yield "another shape", Network(D, 5, K, dtype=np.float64, engine="reference")


@pytest.mark.parametrize("other", list(other_networks()), ids=lambda pair: pair[0])
def test_state_of_another_network_is_refused(other):
    network, x = network_of(engine="reference"), np.random.default_rng(9).standard_normal(D)
    _, theirs = other[1].step(x.astype(other[1].dtype), other[1].initial_state())
    for state in (other[1].initial_state(), theirs):
        with pytest.raises(
            ValueError, match=r"state is that of another network.*initial_state\(\)"
        ) as caught:
            network.step(x, state)
        assert (", of hidden=(5,), not" in str(caught.value)) == (other[0] == "another shape")
    with pytest.raises(TypeError, match="state is of type NoneType; expected the State of"):
        network.step(x, None)


def test_state_of_an_equal_network_is_its_own(engine):
    """As in another process, that has read the same file."""
    network, x = network_of(engine=engine), np.random.default_rng(9).standard_normal(D)
    expected, state = network.step(x, network.initial_state())
    equal = network_of(engine=engine)
    for given in (state, pickle.loads(pickle.dumps(state))):
        after, _ = equal.step(x, given)
        np.testing.assert_array_equal(after, network.step(x, state)[0])
    copied = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(copied.step(x, copied.initial_state())[0], expected)


def test_state_from_before_a_change_is_the_networks_own(engine):
    network, x = network_of(engine=engine), np.random.default_rng(9).standard_normal(D)
    state = network.initial_state()
    expected, _ = network.step(x, state)
    equal = network_of(engine=engine)
    network.parameters.vector[...] *= 2
    np.testing.assert_array_equal(network.step(x, state)[0], expected)
    equal.parameters.vector[...] *= 3
    with pytest.raises(ValueError, match="with other parameters"):
        equal.step(x, network.initial_state())


THREE = np.random.default_rng(9).standard_normal((3, 2, D))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1], "y has 2 labels for 3 sequences; expected one for each"),
        ([], "y has 0 labels for 3 sequences"),
        ([0, 1, 3], "labels from 0 to 3; expected integers 0 … 2"),
        ([0, -1, 2], "labels from -1 to 2; expected integers 0 … 2"),
        ([0.0, 1.0, 2.0], "y has dtype float64; expected integers"),
        (["a", "b", "c"], "expected integers"),
        ([0, None, 2], "y contains missing labels"),
        (1, "y is of type int; expected an array"),
        ([[0, 1], [1, 1]], "y has 2 entries for 3 sequences"),
        ([[0, 1], [1, 1], [1]], "y.2. has 1 entries, but sequence 2 has 2 step"),
        ([[0, 1], [1, 1], [1, 3]], "labels from 0 to 3; expected integers 0 … 2"),
        ([[0, 1], [1, 1], [[1, 1]]], "y.2. has 2 dimension.s."),
    ],
    ids=str,
)
def test_labels_that_do_not_fit_are_refused_in_words(y, message):
    with pytest.raises(DataError, match=message):
        network_of().loss_and_gradients(THREE, y)


@pytest.mark.parametrize(
    ("y", "weights", "message"),
    [
        ([0, 1, 2], [1, 2], "sample_weight has shape .2,.; expected .3,."),
        ([0, 1, 2], [[1, 2]] * 3, "sample_weight has shape .3, 2.; expected .3,."),
        ([[0, 1]] * 3, [[1, 2], [1, 2], [1]], "sample_weight.2. has 1 entries"),
        ([[0, 1]] * 3, [1, 2], "sample_weight has shape .2,."),
    ],
    ids=str,
)
def test_weights_that_do_not_fit_are_refused_in_words(y, weights, message):
    with pytest.raises(DataError, match=message):
        network_of().loss_and_gradients(THREE, y, weights)


@pytest.mark.parametrize("method", ["forward", "loss_and_gradients"])
def test_another_number_of_features_is_refused_in_words(method):
    arguments = [np.ones((3, 2, D + 1))] + ([[0, 1, 2]] if method == "loss_and_gradients" else [])
    with pytest.raises(DataError, match=rf"X has 3 feature\(s\) a step; this network takes {D}"):
        getattr(network_of(), method)(*arguments)


ITSELF = []
ITSELF.append(ITSELF)  # given to NumPy as a seed, it ends the process


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": []}, "at least one hidden layer"),
        (
            {"cell": "lasagne"},
            "cell must be one of tanh, relu, dense, .* elman.Cell; got 'lasagne'",
        ),
        ({"cell": ["tanh"]}, r"1 cells for 2 layers; expected one for all"),
        ({"cell": None}, "cell must be one of tanh, relu, dense, .*; got None"),
        ({"cell": [["tanh"], "tanh"]}, r"cell must be one of .*got \['tanh'\]"),
        ({"bias": [0, 1]}, r"bias must be True or False; got \[0, 1\]"),
        ({"dtype": "text"}, "dtype must be float32 or float64; got 'text'"),
        ({"dtype": np.float16}, "dtype must be float32 or float64; got .*float16"),
        ({"seed": -1}, "seed must be an integer of at least 0, or None; got -1"),
        ({"seed": ITSELF}, r"seed must be an integer .*got \[\[\.\.\.\]\]"),
        ({"n_jobs": np.zeros(0)}, r"n_jobs must be at least 1, or -1 or None .*got array\(\[\]"),
        ({"n_jobs": 0}, "n_jobs must be at least 1, or -1 or None for all cores; got 0"),
        ({"engine": "abacus"}, "engine must be one of .*got 'abacus'"),
        ({"engine": ["compiled"]}, r"engine must be one of .*got \['compiled'\]"),
    ],
)
def test_a_network_that_cannot_be_is_refused_in_words(settings, message):
    with pytest.raises(ValueError, match=message):
        Network(**({"n_features": 2, "hidden": [3, 4], "n_outputs": 2} | settings))


def test_one_cell_serves_all_layers():
    assert Network(2, [3, 4], 2, cell="relu").architecture.cells == ("relu", "relu")


def test_same_seed_gives_the_same_bits():
    one, same, other = (network_of(seed=seed).parameters.vector for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_have_the_networks_dtype(engine, dtype):
    network = network_of(dtype=dtype, engine=engine)
    X = np.random.default_rng(9).standard_normal((3, 2, D))
    assert network.dtype == dtype
    assert network.forward(X).dtype == dtype
    loss, gradients = network.loss_and_gradients(X, [0, 1, 2])
    assert type(loss) is float
    assert gradients.vector.dtype == dtype
    y_hat, _ = network.step(X[:, 0], network.initial_state(3))
    assert y_hat.dtype == dtype


def test_a_complex_copy_goes_forward_and_leaves_the_network(X):
    network = network_of()
    complex_network = network.astype(np.complex128)
    complex_network.parameters["V"][1, 2] += 1e-20j
    stepped, expected = complex_network.forward(X), network.forward(X)
    for ours, theirs in zip(stepped, expected, strict=True):
        assert ours.dtype == np.complex128
        assert relative_error(ours.real, theirs) <= VERSUS_NAIVE[network.dtype]
        assert np.abs(ours.imag).max() > 1e-24
    assert network.dtype == np.float64


@pytest.mark.parametrize(
    "way", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))]
)
def test_a_copy_is_a_network_of_its_own(X, way):
    network = network_of()
    other = way(network)
    for ours, theirs in zip(other.forward(X), network.forward(X), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    other.parameters["V"][...] = 0.0
    assert network.parameters["V"].all()


def test_parameters_may_be_shared():
    network = network_of()
    other = Network.from_parameters(network.parameters)
    network.parameters["V"][...] = 7.5
    np.testing.assert_array_equal(other.parameters["V"], 7.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("load", [Network.load, elman.load])
def test_a_saved_network_comes_back_bit_for_bit(tmp_path, load, dtype, bias):
    network = network_of(dtype=dtype, bias=bias)
    path = tmp_path / "network.safetensors"
    network.save(path)
    loaded = load(path)
    assert loaded.architecture == network.architecture
    assert loaded.dtype == network.dtype
    np.testing.assert_array_equal(loaded.parameters.vector, network.parameters.vector)


def test_a_file_of_something_else_is_refused_in_words(tmp_path):
    path = tmp_path / "other.safetensors"
    elman.persistence.write_model(path, "Teapot", {}, {"handle": np.ones(1)})
    with pytest.raises(ModelFileError, match="holds a Teapot, not a Network"):
        Network.load(path)
