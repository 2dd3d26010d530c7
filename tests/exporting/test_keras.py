"""Weights in Keras's order, and back; where Keras is installed, it answers what elman answers."""

import os

import numpy as np
import pytest

from elman import ElmanError, Network, RNNClassifier
from leaving import Peeping, estimators, network, off, sequences
from tolerances import EXPORTED, relative_error

# Keras of torch's backend, with NumPy's newest
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CELLS = ["tanh", "relu", "gru", "lstm", "dense", ("gru", "dense", "lstm")]


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("torch")
    return pytest.importorskip("keras")


def made(cell, **options):
    hidden = [5, 4, 3] if isinstance(cell, tuple) else [5, 4]
    network = Network(3, hidden, 2, cell=cell, seed=0, **options)
    network.parameters.vector[...] += np.linspace(-0.3, 0.3, network.architecture.n_parameters)
    return network


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_weights_come_back(cell, bidirectional, bias):
    network = made(cell, bidirectional=bidirectional, bias=bias, readout="mean")
    back = Network.from_keras(network.to_keras(), cell, bidirectional=bidirectional, readout="mean")
    assert back.architecture == network.architecture
    np.testing.assert_array_equal(back.parameters.vector, network.parameters.vector)


def test_gates_stand_in_the_order_of_keras():
    network = made("gru")
    p, H = network.parameters, 5
    kernel, recurrent, bias = network.to_keras()[:3]
    np.testing.assert_array_equal(kernel[:, :H].T, p.gate("U1", "z"))
    np.testing.assert_array_equal(recurrent[:, H : 2 * H].T, p.gate("W1", "r"))
    np.testing.assert_array_equal(bias[0, 2 * H :], p.gate("b1", "n"))
    np.testing.assert_array_equal(bias[1, 2 * H :], p.gate("b1", "m"))
    network = made("lstm")
    kernel = network.to_keras()[0]
    np.testing.assert_array_equal(kernel[:, 2 * H : 3 * H].T, network.parameters.gate("U1", "g"))


@pytest.mark.parametrize("name", ["classifier", "regressor", "quantiles"])
def test_what_standardises_goes_into_a_network(name):
    estimator, method = estimators(np.float64)[name]
    X, _ = sequences(np.float64, mean=3)
    weights = estimator.to_keras()
    assert [w.ndim for w in weights[:3]] == [1, 1, 0]
    loss = "cross_entropy" if name == "classifier" else "squared_error"
    back = Network.from_keras(weights, "tanh", loss=loss)
    expected = getattr(estimator, method)(X)
    found = back.forward(X, every_step=False)
    assert off(found, expected, False) <= EXPORTED[np.dtype(np.float64)]


def behind_a_front_end():
    X = [3 + x for x in sequences()[0]]
    options = {"standardize": "sequence", "differences": True, "frame": (3, 2), "readout": "last"}
    options |= {"n_members": 1, "engine": "reference", "random_state": 0}
    model = RNNClassifier(4, cell="gru", max_iter=1, **options)
    return model.fit(X, [0, 1, 0, 1, 1]), X


def test_a_front_end_stays_behind_and_network_input_gives_what_it_makes():
    model, X = behind_a_front_end()
    weights = model.to_keras()
    assert weights[0].shape == (3 * 3 * 3 + 3, 3 * 4)  # no Normalization
    back, steps = Network.from_keras(weights, "gru"), model.network_input(X)
    assert [x.shape for x in steps] == [(n, 30) for n in (1, 3, 1, 1, 3)]
    found = back.forward(steps, every_step=False)
    assert off(found, model.predict_proba(X), False) <= EXPORTED[np.dtype(np.float32)]


def test_keras_answers_what_network_input_gives(keras):
    model, X = behind_a_front_end()
    kept = keras.Sequential(
        [
            keras.layers.Input((None, 30)),
            keras.layers.GRU(4),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    kept.set_weights(model.to_keras())
    expected = model.predict_proba(X[1:2])
    found = _answers(kept, np.array(model.network_input(X[1:2])))
    assert np.abs(found - expected).max() <= EXPORTED[np.dtype(np.float32)]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["tanh", "relu", "gru", "lstm", "dense"])
def test_keras_answers_alike(keras, cell, bidirectional):
    if cell == "dense" and bidirectional:
        pytest.skip("Keras's Bidirectional takes no Dense")
    network = made(cell, bidirectional=bidirectional)
    layers = [_layer(keras, cell, H, bidirectional) for H in (5, 4)]
    model = keras.Sequential(
        [keras.layers.Input((None, 3)), *layers, keras.layers.Dense(2, activation="softmax")]
    )
    model.set_weights(network.to_keras())
    x = np.random.default_rng(0).standard_normal((4, 6, 3)).astype(np.float32)
    assert np.abs(_answers(model, x) - network.forward(x)).max() <= EXPORTED[np.dtype(np.float32)]
    back = Network.from_keras(model.get_weights(), cell, bidirectional=bidirectional)
    np.testing.assert_array_equal(back.parameters.vector, network.parameters.vector)


def test_keras_answers_as_an_estimator_does(keras):
    estimator, _ = estimators()["regressor"]
    model = keras.Sequential(
        [
            keras.layers.Input((None, 3)),
            keras.layers.Normalization(),
            keras.layers.SimpleRNN(6),
            keras.layers.Dense(1),
        ]
    )
    model.set_weights(estimator.to_keras())
    x = sequences(mean=3)[0][1][None]
    assert relative_error(_answers(model, x)[:, 0], estimator.predict(x)) <= 1e-6


def _layer(keras, cell, H, bidirectional):
    match cell:
        case "tanh" | "relu":
            layer = keras.layers.SimpleRNN(H, activation=cell, return_sequences=True)
        case "gru":
            layer = keras.layers.GRU(H, return_sequences=True)
        case "lstm":
            layer = keras.layers.LSTM(H, return_sequences=True)
        case "dense":
            layer = keras.layers.Dense(H, activation="tanh")
    return keras.layers.Bidirectional(layer) if bidirectional else layer


def _answers(model, x):
    return np.asarray(model.predict(x, verbose=0))


def test_what_keras_has_not_is_refused():
    with pytest.raises(ElmanError, match="Keras has no layer of Peeping cells"):
        network(Peeping(), np.float32).to_keras()
    with pytest.raises(ElmanError, match="no learned states"):
        network("tanh", np.float32, learn_initial_state=True).to_keras()


def test_arrays_that_are_no_such_layers_are_refused():
    weights = made("gru").to_keras()
    with pytest.raises(ElmanError, match="no whole number of 'gru' layers"):
        Network.from_keras(weights[1:], "gru")
    with pytest.raises(ElmanError, match="not the weights of such layers"):
        Network.from_keras([w[..., :-1] for w in made("lstm").to_keras()], "lstm")
    weights[2] = weights[2].sum(axis=0)
    with pytest.raises(ElmanError, match="reset_after=True"):
        Network.from_keras(weights, "gru")
    with pytest.raises(ElmanError, match="no list of arrays"):
        Network.from_keras([], "gru")
