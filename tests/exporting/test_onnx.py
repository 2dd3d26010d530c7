"""ONNX Runtime answers what elman answers."""

import json

import numpy as np
import pytest

from elman import ElmanError
from elman.equations.cells import Leaky
from leaving import LENGTHS, Loses, Peeping, Softened, estimators, network, off, sequences
from tolerances import EXPORTED

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

CELLS = ["tanh", "relu", "gru", "lstm", "dense", Leaky(0.3), ("gru", "dense"), Peeping()]
DTYPES = [np.float32, np.float64]


def session(model, path, **options):
    model.export(path, **options)
    settings = runtime.SessionOptions()
    settings.log_severity_level = 3  # lengths and state may be left out, which it warns of
    return runtime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_steps_are_answered_alike(cell, bidirectional, dtype, tmp_path):
    made = network(cell, dtype, bidirectional=bidirectional)
    X, padded = sequences(dtype)
    ran = session(made, tmp_path / "m.onnx")
    answers = ran.run(["probabilities"], {"x": padded, "lengths": LENGTHS})[0]
    assert answers.dtype == dtype
    assert off(answers, made.forward(X), True) <= EXPORTED[np.dtype(dtype)]
    assert not any(row[n:].any() for row, n in zip(answers, LENGTHS, strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("readout", ["last", "mean", "max"])
@pytest.mark.parametrize("cell", ["tanh", ("lstm", "dense"), ("dense", Leaky(0.3))], ids=str)
def test_sequences_are_answered_alike(cell, readout, bidirectional, dtype, tmp_path):
    made = network(
        cell,
        dtype,
        bidirectional=bidirectional,
        readout=readout,
        learn_initial_state=True,
        bias=False,
    )
    X, padded = sequences(dtype)
    ran = session(made, tmp_path / "m.onnx", every_step=False)
    answers = ran.run(["probabilities"], {"x": padded, "lengths": LENGTHS})[0]
    expected = made.forward(X, every_step=False)
    assert off(answers, expected, False) <= EXPORTED[np.dtype(dtype)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ["poisson", "quantile", Softened()], ids=str)
def test_losses_of_numbers(loss, dtype, tmp_path):
    made = network("tanh", dtype, loss=loss)
    X, padded = sequences(dtype)
    ran = session(made, tmp_path / "m.onnx")
    answers = ran.run(["predictions"], {"x": padded, "lengths": LENGTHS})[0]
    assert off(answers, made.forward(X), True) <= EXPORTED[np.dtype(dtype)]


@pytest.mark.parametrize("readout", ["last", "mean", "max"])
@pytest.mark.parametrize("cell", ["tanh", "lstm", Leaky(0.3), ("gru", "dense", Peeping())], ids=str)
def test_a_stream_goes_on_from_its_state(cell, readout, tmp_path):
    hidden = [5, 4, 3] if isinstance(cell, tuple) else [5, 4]
    from elman import Network

    made = Network(3, hidden, 2, cell=cell, readout=readout, seed=0, learn_initial_state=True)
    made.parameters.vector[...] += 0.3
    ran = session(made, tmp_path / "m.onnx", every_step=False)
    x = np.random.default_rng(0).standard_normal((4, 6, 3)).astype(np.float32)
    _, state = ran.run(None, {"x": x[:, :2]})
    _, state = ran.run(None, {"x": x[:, 2:5], "lengths": np.full(4, 3), "state": state})
    answers, state = ran.run(None, {"x": x[:, 5:], "state": state})
    expected = made.forward(x, every_step=False)
    assert off(answers, expected, False) <= EXPORTED[np.dtype(np.float32)]

    _, after = ran.run(None, {"x": x})
    np.testing.assert_allclose(after, state, rtol=1e-5, atol=1e-6)
    stream = made.initial_state(4)
    for t in range(6):
        _, stream = made.step(x[:, t], stream)
    n = stream.carry.values.shape[1]
    np.testing.assert_allclose(after[:, :n], stream.carry.values, atol=2e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_estimators_with_all_around_the_network(dtype, tmp_path):
    X, padded = sequences(dtype, mean=3)
    for name, (estimator, method) in estimators(dtype).items():
        ran = session(estimator, tmp_path / f"{name}.onnx")
        answers = ran.run(None, {"x": padded, "lengths": LENGTHS})[0]
        expected = getattr(estimator, method)(X)
        assert off(answers, expected, estimator._every_step) <= EXPORTED[np.dtype(dtype)], name


def test_any_batch_and_length_and_nothing_but_x(tmp_path):
    made = network("gru", np.float32)
    ran = session(made, tmp_path / "m.onnx")
    for n, T in ((1, 1), (3, 9), (20, 2)):
        x = np.random.default_rng(n).standard_normal((n, T, 3)).astype(np.float32)
        answers = ran.run(["probabilities"], {"x": x})[0]
        assert np.abs(answers - made.forward(x)).max() <= EXPORTED[np.dtype(np.float32)]


def test_onnx_has_its_own_layers_where_it_can(tmp_path):
    def operators(made):
        made.export(tmp_path / "m.onnx")
        return {node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node}

    assert "LSTM" in operators(network("lstm", np.float32))
    assert "Scan" not in operators(network(("lstm", "dense"), np.float32, bidirectional=True))
    assert {"Scan"} == operators(network("lstm", np.float64)) & {"Scan", "LSTM"}


def test_what_it_is_about_is_in_the_file(tmp_path):
    estimator, _ = estimators()["classifier"]
    estimator.export(tmp_path / "m.onnx")
    made = onnx.load(tmp_path / "m.onnx")
    assert made.producer_name == "elman"
    assert "6 tanh units" in made.doc_string
    about = {prop.key: json.loads(prop.value) for prop in made.metadata_props}
    assert about == {"classes": ["high", "low"]}


def test_a_cell_that_cannot_be_written_down_is_refused(tmp_path):
    with pytest.raises(ElmanError, match="the cell Loses: its forward does more than"):
        network(Loses(), np.float32, engine="reference").export(tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
