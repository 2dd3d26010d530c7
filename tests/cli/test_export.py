"""``elman export``: what it writes, what it says, and what it refuses."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from typer.testing import CliRunner

from elman import Network, RNNClassifier
from elman.cli import app


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 3, 2)), np.arange(20) % 2
    options = {"standardize": True, "differences": False, "frame": None}
    plain = RNNClassifier(3, max_iter=1, random_state=0, engine="reference", **options)
    plain.fit(X, y).save("m.safetensors")
    options = {"standardize": "sequence", "frame": (2, 1)}
    whole = RNNClassifier(3, max_iter=1, random_state=0, engine="reference", **options).fit(X, y)
    whole.save("whole.safetensors")
    Network(2, 3, 2, bidirectional=True, seed=0).save("both.safetensors")
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, ["export", *map(str, arguments)])


def test_c_is_written_beside_the_model_and_compiles(run, tmp_path):
    result = run("m.safetensors", "--to", "c")
    assert result.exit_code == 0, result.output
    size = (tmp_path / "m.c").stat().st_size
    assert result.stdout.splitlines() == [
        f"m.c: {size:,} bytes",
        "next: cc -std=c99 -O2 -c m.c; then call m_begin and m_step",
    ]
    if shutil.which("cc"):
        subprocess.run(["cc", "-std=c99", "-O2", "-c", "m.c"], check=True, cwd=tmp_path)


def test_the_command_for_c_can_be_copied_whatever_the_name(run, tmp_path):
    command = run("m.safetensors", "--to", "c", "-o", "my model-1.c").stdout.splitlines()[1]
    command = command.removeprefix("next: ").rpartition(";")[0]
    assert command == "cc -std=c99 -O2 -c 'my model-1.c'"
    if shutil.which("cc"):
        subprocess.run(command, shell=True, check=True, cwd=tmp_path)
        assert (tmp_path / "my model-1.o").exists()


def test_c_of_whole_sequences_names_their_function(run):
    result = run("whole.safetensors", "--to", "c")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1].endswith("whole.c; then call whole_predict")


def test_onnx_is_written_where_it_is_told(run, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    _, words, warning = run("both.safetensors", "--to", "onnx").stdout.splitlines()
    assert "inputs that can be left out" in warning
    assert words.endswith("(n_sequences, n_steps, n_features)")
    result = run("both.safetensors", "--to", "onnx", "-o", "there.onnx", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["output"] == "there.onnx"
    session = runtime.InferenceSession(tmp_path / "there.onnx")
    assert session.get_inputs()[0].shape == ["batch", "length", 2]


def test_torch_is_written_for_from_torch(run, tmp_path):
    pytest.importorskip("torch")
    assert run("m.safetensors", "--to", "torch").exit_code == 0
    back = RNNClassifier.from_torch(tmp_path / "m.pt")
    expected = RNNClassifier.load(tmp_path / "m.safetensors").network_.parameters.vector
    np.testing.assert_array_equal(back.network_.parameters.vector, expected)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["m.safetensors", "--to", "c", "-o", "m.h"], 2, "--to c writes .c files; got m.h"),
        (["m.safetensors", "--to", "keras"], 2, "'keras' is not one of"),
        (["m.safetensors"], 2, "Missing option '--to'"),
        (["both.safetensors", "--to", "c"], 1, "bidirectional network cannot be exported as C"),
        (["nothing", "--to", "c"], 1, "there is no file nothing"),
    ],
)
def test_what_cannot_be_is_refused(run, arguments, code, message):
    result = run(*arguments)
    assert result.exit_code == code
    assert message in re.sub(r"[\s│]+", " ", result.stderr)


def test_a_file_that_is_there_is_replaced_only_by_force(run, tmp_path):
    (tmp_path / "m.c").write_text("mine")
    result = run("m.safetensors", "--to", "c")
    assert result.exit_code == 2
    assert "replace it with --force" in re.sub(r"[\s│]+", " ", result.stderr)
    assert (tmp_path / "m.c").read_text() == "mine"
    assert run("m.safetensors", "--to", "c", "--force").exit_code == 0
    assert (tmp_path / "m.c").read_text() != "mine"
    assert run("m.safetensors", "--to", "c").exit_code == 0  # it is elman's own now
