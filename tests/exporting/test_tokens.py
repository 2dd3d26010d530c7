"""Models of tokens leave: they take the number of a token's column."""

import ctypes
import json
import shutil
import subprocess

import numpy as np
import pytest

from elman import Network, RNNClassifier, RNNTagger
from tolerances import EXPORTED, relative_error

rng = np.random.default_rng(0)
TEXTS = ["".join(rng.choice(list("abcd"), rng.integers(2, 9))) for _ in range(30)]
Y = [text.count("a") > 1 for text in TEXTS]


def fitted(estimator=RNNClassifier, **settings):
    settings = {"hidden_layer_sizes": (9, 4), "max_iter": 3, "random_state": 0} | settings
    y = [list(t) for t in TEXTS] if estimator is RNNTagger else Y
    return estimator(**settings).fit(TEXTS, y)


def padded(model):
    steps = model.network_input([*TEXTS, "a?"])
    lengths = np.array([len(x) for x in steps])
    x = np.zeros((len(steps), lengths.max(), 1), np.float32)
    for row, of in zip(x, steps, strict=True):
        row[: len(of)] = of
    return x, lengths


def agree(found, expected):
    assert relative_error(found, expected) < EXPORTED[np.dtype(np.float32)]


@pytest.mark.parametrize("settings", [{"cell": "gru"}, {"cell": "leaky", "bidirectional": True}])
def test_onnx_takes_columns_and_lists_tokens(tmp_path, settings):
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    model = fitted(**settings)
    path = tmp_path / "model.onnx"
    model.export(path)
    x, lengths = padded(model)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(["probabilities"], {"x": x, "lengths": lengths})[0]
    agree(found, model.predict_proba([*TEXTS, "a?"]))
    about = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(about["tokens"]) == ["a", "b", "c", "d", "<unknown>"]


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_c_takes_columns(tmp_path):
    model = fitted()
    model.export(tmp_path / "model.c")
    text = (tmp_path / "model.c").read_text()
    assert "tokens: 'a', 'b', 'c', 'd', '<unknown>'" in text
    assert "x: which of the 5 tokens the step is" in text
    assert "y: 2 probabilities" in text
    command = [
        "cc",
        "-std=c99",
        "-Wall",
        "-Werror",
        "-O2",
        "-shared",
        "-fPIC",
        "model.c",
        "-o",
        "m.so",
    ]
    subprocess.run([*command, "-lm"], cwd=tmp_path, check=True)
    library = ctypes.CDLL(str(tmp_path / "m.so"))
    expected = model.predict_proba([*TEXTS, "a?"])
    for steps, answer in zip(model.network_input([*TEXTS, "a?"]), expected, strict=True):
        state, y = ctypes.create_string_buffer(4096), np.zeros(2, np.float32)
        library.model_begin(state)
        for x_t in np.ascontiguousarray(steps, np.float32):
            library.model_step(
                state, x_t.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p)
            )
        agree(y, answer)


def test_torch_takes_columns_and_comes_back():
    torch = pytest.importorskip("torch")
    for model in (fitted(), fitted(RNNTagger)):
        x, lengths = padded(model)
        with torch.no_grad():
            found = model.to_torch()(torch.from_numpy(x), lengths).numpy()
        expected = model.predict_proba([*TEXTS, "a?"])
        if isinstance(model, RNNTagger):
            for rows, answer in zip(found, expected, strict=True):
                agree(rows[: len(answer)], answer)
        else:
            agree(found, expected)
        back = type(model).from_torch(model.to_torch())
        assert back.vocabulary_ == model.vocabulary_
        np.testing.assert_array_equal(
            back.network_.parameters.vector, model.network_.parameters.vector
        )


def test_a_network_leaves_alone(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    for dtype in (np.float32, np.float64):
        network = Network(5, [6], 3, cell="gru", tokens=True, dtype=dtype, seed=0)
        network.export(tmp_path / "network.onnx")
        x = rng.integers(0, 5, (4, 7, 1)).astype(dtype)
        session = runtime.InferenceSession(
            tmp_path / "network.onnx", providers=["CPUExecutionProvider"]
        )
        found = session.run(["probabilities"], {"x": x})[0]
        assert relative_error(found, network.forward(x)) < EXPORTED[np.dtype(dtype)]
