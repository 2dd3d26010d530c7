"""The front end leaves with the model: frames, differences, each sequence by itself."""

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import elman
from elman import ElmanError, RNNClassifier, RNNRegressor, RNNTagger
from leaving import off
from tolerances import EXPORTED

D = 2
LENGTHS = range(1, 14)
CC = shutil.which("gcc")
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
KINDS = ["onnx", "torch", "c"]
DTYPES = [np.float32, np.float64]

PLAIN = {"standardize": True, "differences": False, "frame": None, "readout": "last"}
WHOLE = [
    {"standardize": "sequence"},
    {"standardize": "sequence", "differences": True},
    {"standardize": "sequence", "differences": True, "frame": (4, 2), "readout": "max"},
    {"standardize": "sequence", "frame": (3, 1), "readout": "mean", "learn_initial_state": True},
    {"standardize": False, "frame": (2, 5)},
    {"differences": True, "frame": (4, 3), "readout": "max"},
]
STEPS = [{"differences": True}, {"frame": (4, 1)}, {"differences": True, "frame": (3, 1)}]
TAGGERS = [*STEPS, {"standardize": "sequence", "differences": True, "frame": (3, 1)}]


def trace(rng, T, dtype):
    """A sequence on a level and in a size of its own; sometimes a feature is constant."""
    x = rng.normal(0, 5, D) + np.exp(rng.normal(0, 2, D)) * rng.standard_normal((T, D))
    if rng.random() < 0.3:
        x[:, rng.integers(D)] = rng.choice([0.1, 0.0, -1234.5])
    return x.astype(dtype)


@functools.cache
def fitted(kind, dtype, options):
    """An estimator behind a front end, fitted once."""
    rng = np.random.default_rng(3)
    X = [trace(rng, T, dtype) for T in rng.integers(1, 14, 30)]
    y = [x[:, 0] > 0 for x in X] if kind is RNNTagger else np.arange(30) % 3
    training = {"max_iter": 3, "random_state": 0, "engine": "reference", "batch_size": 5}
    model = kind(5, cell="gru", **training, **(PLAIN | dict(options)))
    return model.fit(X, 1000.0 + y if kind is RNNRegressor else y)


def model_of(kind, dtype, options):
    return fitted(kind, np.dtype(dtype), tuple(options.items()))


def answer(model, X):
    return model.predict(X) if isinstance(model, RNNRegressor) else model.predict_proba(X)


@functools.cache
def consumer(kind, model):
    """What answers a batch of padded sequences, or their sequences one by one, without elman."""
    if kind == "onnx":
        pytest.importorskip("onnx")
        runtime = pytest.importorskip("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        with tempfile.TemporaryDirectory() as folder:
            model.export(f"{folder}/m.onnx")
            session = runtime.InferenceSession(f"{folder}/m.onnx", options)
        return lambda padded, lengths: session.run(None, {"x": padded, "lengths": lengths})[0]
    if kind == "torch":
        torch = pytest.importorskip("torch")
        module = model.to_torch()

        def run(padded, lengths):
            with torch.no_grad():
                return module(torch.from_numpy(padded), lengths).numpy()

        return run
    return _compiled(model)[0]


@functools.cache
def _compiled(model):
    """The C file's functions: of a batch of whole sequences, and of the steps of one."""
    if CC is None:
        pytest.skip("there is no gcc")
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "model.c", Path(folder) / "model.so"
        model.export(source)
        command = [CC, *STRICT, "-shared", "-fPIC", str(source), "-o", str(library), "-lm"]
        subprocess.run(command, check=True)
        found = ctypes.CDLL(str(library))
    K = model.network_.architecture.n_outputs
    dtype = np.dtype(np.float64) if isinstance(model, RNNRegressor) else model.network_.dtype
    state = ctypes.create_string_buffer(1 << 14)

    def steps(x):
        found.model_begin(state)
        y = np.zeros((len(x), K), dtype)
        for x_t, y_t in zip(np.ascontiguousarray(x, model.network_.dtype), y, strict=True):
            found.model_step(state, x_t.ctypes.data_as(ctypes.c_void_p), _at(y_t))
        return y

    def predict(padded, lengths):
        every_step = isinstance(model, RNNTagger)
        y = np.full((*padded.shape[:2], K) if every_step else (len(padded), K), np.nan, dtype)
        for x, T, y_of in zip(padded, lengths, y, strict=True):
            if hasattr(found, "model_predict"):
                found.model_predict(_at(np.ascontiguousarray(x[:T])), int(T), _at(y_of))
            else:
                answers = steps(x[:T])
                y_of[: T if every_step else None] = answers if every_step else answers[-1]
        return y

    return predict, steps


def _at(array):
    return array.ctypes.data_as(ctypes.c_void_p)


def batch(seed, n, dtype):
    """Ragged sequences, and the same padded with nonsense."""
    rng = np.random.default_rng(seed)
    X = [trace(rng, T, dtype) for T in rng.choice(LENGTHS, n)]
    lengths = np.array([len(x) for x in X])
    padded = np.full((n, lengths.max(), D), rng.choice([7, np.nan, 1e30]), dtype)
    for row, x in zip(padded, X, strict=True):
        row[: len(x)] = x
    return X, padded, lengths


EXAMPLES = settings(max_examples=12, deadline=None)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", WHOLE + STEPS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@EXAMPLES
@given(seed=st.integers(0, 10**6), n=st.integers(1, 5))
def test_sequences_are_answered_alike(kind, options, dtype, seed, n):
    model = model_of(RNNClassifier, dtype, options)
    X, padded, lengths = batch(seed, n, dtype)
    found = consumer(kind, model)(padded, lengths)
    assert off(found, model.predict_proba(X), False) <= EXPORTED[np.dtype(dtype)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", TAGGERS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@EXAMPLES
@given(seed=st.integers(0, 10**6), n=st.integers(1, 5))
def test_steps_are_answered_alike(kind, options, dtype, seed, n):
    model = model_of(RNNTagger, dtype, options)
    X, padded, lengths = batch(seed, n, dtype)
    found = consumer(kind, model)(padded, lengths)
    assert off(found, model.predict_proba(X), True) <= EXPORTED[np.dtype(dtype)]


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_in_the_units_of_y(kind):
    model = model_of(RNNRegressor, np.float64, WHOLE[2])
    X, padded, lengths = batch(0, 5, np.float64)
    found = consumer(kind, model)(padded, lengths)
    assert off(found, model.predict(X), False) <= EXPORTED[np.dtype(np.float64)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", [*STEPS, *WHOLE[4:]], ids=str)
@EXAMPLES
@given(seed=st.integers(0, 10**6))
def test_c_answers_a_stream_as_step_does(options, dtype, seed):
    model = model_of(RNNClassifier, dtype, options)
    x = trace(np.random.default_rng(seed), 13, dtype)
    found, state = _compiled(model)[1](x), model.initial_state()
    for x_t, y_t in zip(x, found, strict=True):
        expected, state = model.step(x_t, state)
        np.testing.assert_array_equal(np.isnan(y_t), np.isnan(expected))
        difference = np.nan_to_num(y_t - expected)
        assert np.abs(difference).max() <= EXPORTED[np.dtype(dtype)]


@pytest.mark.parametrize("factor", [1e-160, 1e-120, 1e120, 1e160])
@pytest.mark.parametrize("kind", KINDS)
def test_squares_that_are_no_numbers(kind, factor):
    rng = np.random.default_rng(0)
    X = np.array([trace(rng, 9, np.float64) * factor for _ in range(12)])
    options = PLAIN | {"standardize": "sequence", "engine": "reference"}
    model = RNNClassifier(3, max_iter=1, random_state=0, **options).fit(X, np.arange(12) % 2)
    found = consumer(kind, model)(X, np.full(12, 9))
    assert off(found, model.predict_proba(X), False) <= EXPORTED[np.dtype(np.float64)]


@pytest.mark.parametrize("kind", KINDS)
def test_default_models_leave(kind):
    rng = np.random.default_rng(0)
    X, padded, lengths = batch(0, 12, np.float32)
    labels, numbers = np.arange(12) % 2, rng.normal(50, 9, 12)
    for estimator, y in (
        (RNNClassifier, labels),
        (RNNRegressor, numbers),
        (RNNTagger, [x[:, 0] > 0 for x in X]),
    ):
        model = estimator(max_iter=2, random_state=0, engine="reference").fit(X, y)
        every_step = estimator is RNNTagger
        found = consumer(kind, model)(padded, lengths)
        assert off(found, answer(model, X), every_step) <= EXPORTED[np.dtype(np.float32)]


def test_torch_brings_the_same_estimator_back(tmp_path):
    pytest.importorskip("torch")
    for options in WHOLE:
        model = model_of(RNNClassifier, np.float32, options)
        model.export(tmp_path / "m.pt")
        X = batch(0, 5, np.float32)[0]
        for source in (model.to_torch(), tmp_path / "m.pt"):
            back = RNNClassifier.from_torch(source)
            assert back.get_params() == model.get_params()
            np.testing.assert_array_equal(back.predict_proba(X), model.predict_proba(X))


def test_onnx_has_no_state_that_lacks_the_steps_before(tmp_path):
    onnx = pytest.importorskip("onnx")
    model_of(RNNClassifier, np.float32, WHOLE[5]).export(tmp_path / "m.onnx")
    graph = onnx.load(tmp_path / "m.onnx").graph
    assert [value.name for value in graph.input] == ["x", "lengths"]
    assert [value.name for value in graph.output] == ["probabilities"]


def test_c_says_what_it_has(tmp_path):
    model_of(RNNClassifier, np.float32, WHOLE[2]).export(tmp_path / "m.c")
    text = (tmp_path / "m.c").read_text("ascii")
    assert "2 features in frames of 4 steps every 2 steps" in text
    assert "There is no function for a step: standardize='sequence' needs mean" in text
    assert "void m_predict(const float x[], int T, float y[]);" in text
    assert "m_step" not in text
    assert "alloc" not in text
    model_of(RNNClassifier, np.float32, WHOLE[5]).export(tmp_path / "m.c")
    text = (tmp_path / "m.c").read_text("ascii")
    assert "It is NAN before step 4, and changes every 3 steps from there." in text
    assert "m_step(m_state *state" in text
    assert "m_predict(const float" in text


@pytest.mark.parametrize("options", [WHOLE[2], WHOLE[4], STEPS[0]], ids=str)
def test_both_directions(options):
    model = model_of(RNNClassifier, np.float32, {**options, "bidirectional": True})
    X, padded, lengths = batch(0, 5, np.float32)
    for kind in ("onnx", "torch"):
        found = consumer(kind, model)(padded, lengths)
        assert off(found, model.predict_proba(X), False) <= EXPORTED[np.dtype(np.float32)]
    with pytest.raises(ElmanError, match="bidirectional network cannot be exported as C"):
        consumer("c", model)


def table(seed):
    """Rows of ragged sequences with missing values, the first of some among them."""
    rng = np.random.default_rng(seed)
    columns = {"id": [], "a": [], "b": [], "label": []}
    for number, T in enumerate(rng.integers(1, 9, 12)):
        for column in "ab":
            x = rng.normal(3, 2, T)
            columns[column] += np.where(rng.random(T) < 0.3, np.nan, x).tolist()
        columns["id"] += [number] * T
        columns["label"] += [number % 2] * T
    return pd.DataFrame(columns)


@pytest.mark.parametrize("options", [{}, WHOLE[2], {"differences": True}], ids=str)
@pytest.mark.parametrize("missing", ["forward", "mean", "indicator"])
def test_missing_values_are_filled_as_in_training(missing, options, tmp_path):
    X, y, _ = elman.read_sequences(table(0), id="id", label="label", missing=missing)
    options = PLAIN | options | {"engine": "reference"}
    model = RNNClassifier(4, max_iter=2, random_state=0, **options).fit(X, y)
    raw = [rows[["a", "b"]].to_numpy(X.values.dtype) for _, rows in table(1).groupby("id")]
    lengths = np.array([len(x) for x in raw])
    padded = np.full((len(raw), lengths.max(), 2), np.nan, X.values.dtype)
    for row, x in zip(padded, raw, strict=True):
        row[: len(x)] = x
    expected = model.predict_proba(elman.read_sequences(table(1), like=model)[0])
    if "frame" in options and options["frame"] is not None:
        with pytest.raises(ElmanError, match=rf"missing='{missing}'\) and takes frames or whole"):
            model.export(tmp_path / "m.c")
    else:
        found = consumer("c", model)(padded, lengths)
        assert off(found, expected, False) <= EXPORTED[model.network_.dtype]
    for kind in ("onnx", "torch"):
        found = consumer(kind, model)(padded, lengths)
        assert off(found, expected, False) <= EXPORTED[model.network_.dtype], kind
    model.export(tmp_path / "m.pt")
    model.network_.export(tmp_path / "m.c")
    back = RNNClassifier.from_torch(tmp_path / "m.pt")
    assert back.reading_ == model.reading_
