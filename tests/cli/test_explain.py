"""``elman explain``, as a person types it."""

import io
import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

import elman
from elman import RNNClassifier, RNNRegressor, RNNTagger
from elman.cli import app
from elman.cli.console import working
from elman.explanation import proof
from plain import plain_model

TINY = {"max_iter": 1, "random_state": 0, "engine": "reference"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, ["explain", *map(str, arguments)])


@pytest.fixture
def files(tmp_path):
    """A tagger and a classifier, and the ragged sequences they were trained on."""
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 2)) for n in rng.integers(4, 7, size=20)]
    y_steps = [np.where(x.cumsum(axis=0)[:, 0] > 0, "up", "down") for x in X]
    y = [labels[-1] for labels in y_steps]
    flat = {"X": np.concatenate(X), "lengths": [len(x) for x in X]}
    np.savez(tmp_path / "ragged.npz", y=y, **flat)
    np.savez(tmp_path / "steps.npz", y=np.concatenate(y_steps), **flat)
    plain_model(RNNClassifier, (5, 4), **TINY).fit(X, y).save(tmp_path / "classifier.safetensors")
    plain_model(RNNTagger, 5, **TINY).fit(X, y_steps).save(tmp_path / "tagger.safetensors")
    return X, y, y_steps


def test_needs_nothing(run, tmp_path):
    result = run()
    assert result.exit_code == 0, result.output
    assert "training 16 units to name the digit" in result.output
    assert "digits, sequence 0: 36 of 36 terms proved" in result.output
    assert "wrote explanation.html" in result.output
    page = (tmp_path / "explanation.html").read_text(encoding="utf-8")
    assert "elman explain --index 0 --html explanation.html" in page
    assert "Δ x0" not in page  # the notes' network, whatever estimators' defaults are
    run()
    assert (tmp_path / "explanation.html").read_text(encoding="utf-8") == page


def test_model_and_file(run, files, tmp_path):
    X, _, y_steps = files
    arguments = ["tagger.safetensors", "steps.npz", "--index", 7]
    result = run(*arguments, "-o", "seven.html", "--json", "seven.json", "--step", 2)
    assert result.exit_code == 0, result.output
    T = len(X[7])
    assert f"{T * (T + 1) // 2} of {T * (T + 1) // 2} terms proved" in result.output
    assert not (tmp_path / "explanation.html").exists()

    explanation = elman.explain(elman.load(tmp_path / "tagger.safetensors"), X[7], y_steps[7])
    assert json.loads((tmp_path / "seven.json").read_text()) == json.loads(explanation.to_json())
    page = (tmp_path / "seven.html").read_text(encoding="utf-8")
    (command,) = re.findall(r"<code>(elman explain [^<]*)</code>", page)
    assert command == (
        "elman explain tagger.safetensors steps.npz --index 7 --html seven.html --step 2"
    )
    again = run(*command.removeprefix("elman explain ").split())
    assert again.exit_code == 0
    assert (tmp_path / "seven.html").read_text(encoding="utf-8") == page


def test_separator_and_the_verdict_by_options(run, tmp_path):
    rows = ["id;x;label"]
    for i in range(12):
        rows += [f"s{i};{0.1 * (i + t) % 1};{i % 2}" for t in range(40)]
    (tmp_path / "data.txt").write_text("\n".join(rows).replace(";", "~"))
    X, y, _ = elman.read_sequences("data.txt", id="id", label="label", separator="~")
    model = plain_model(RNNClassifier, 3, cell="gru", readout="last", frame=None, **TINY)
    model.fit(X, y).save("gru")
    result = run("gru", "data.txt", "--separator", "~")
    assert result.exit_code == 0, result.output
    assert "data.txt, sequence 0 (id 's0'): " in result.output
    assert "The gradient vanishes: 16 steps back" in result.output  # of 40; 13 get through
    assert "Try fewer and larger steps, with --frame 3:3." in result.output
    page = (tmp_path / "explanation.html").read_text(encoding="utf-8")
    (command,) = re.findall(r"<code>(elman explain [^<]*)</code>", page)
    assert command.endswith("--html explanation.html --separator &#x27;~&#x27;")


def test_a_terminal_sees_that_it_works(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        with working("explaining"):
            pass
        assert ("explaining" in stream.getvalue()) == shown


def test_json_alone_writes_no_page(run, files, tmp_path):
    result = run("classifier.safetensors", "ragged.npz", "--json", "numbers.json")
    assert result.exit_code == 0, result.output
    assert not list(tmp_path.glob("*.html"))


@pytest.mark.parametrize("cell", ["lstm", "gru", "leaky"])
def test_cells_with_gates(run, tmp_path, cell):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 6, 2))
    y = X.sum(axis=(1, 2)) > 0
    np.savez(tmp_path / "data.npz", X=X, y=y)
    plain_model(RNNClassifier, (4, 3), cell=[cell, "tanh"], **TINY).fit(X, y).save(
        tmp_path / "model.safetensors"
    )
    result = run("model.safetensors", "data.npz", "--json", "numbers.json", "--html", "page.html")
    assert result.exit_code == 0, result.output
    assert "data.npz, sequence 0: 6 of 6 terms proved" in result.output
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert numbers["cell"] == cell
    assert list(numbers["states"]) == (["h", "s"] if cell == "lstm" else ["h"])
    assert "".join(numbers["gates"]) == {"lstm": "ifgo", "gru": "rznm", "leaky": ""}[cell]
    assert all(check["passed"] for check in numbers["backward"])
    assert "Gates and states by step" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_numbers(run, tmp_path):
    X = np.random.default_rng(0).standard_normal((20, 6, 2))
    y = 100 + 20 * X.sum(axis=(1, 2))
    np.savez(tmp_path / "data.npz", X=X, y=y)
    plain_model(RNNRegressor, 4, **TINY).fit(X, y).save(tmp_path / "model.safetensors")
    result = run("model.safetensors", "data.npz", "--index", 3, "--json", "numbers.json")
    assert result.exit_code == 0, result.output
    assert "data.npz, sequence 3: 6 of 6 terms proved" in result.output
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert numbers["y"][-1] == [pytest.approx((y[3] - y.mean()) / y.std())]
    assert numbers["labels"] is None


def test_options_reach_the_explanation(run, files, tmp_path):
    arguments = ["classifier.safetensors", "ragged.npz", "--layer", 2, "--truncate", 1]
    result = run(*arguments, "--no-check", "--json", "n.json", "--html", "n.html")
    assert result.exit_code == 0, result.output
    numbers = json.loads((tmp_path / "n.json").read_text())
    assert (numbers["layer"], numbers["truncate"], numbers["checks"]) == (2, 1, None)
    assert "not checked" in result.output
    page = (tmp_path / "n.html").read_text(encoding="utf-8")
    assert "--layer 2 --truncate 1 --no-check" in page


def test_small_model_on_other_digits(run, tmp_path):
    result = run("digits", "--binary", 3, 8, "--steps", "flat", "--index", 1)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "explanation.html").read_text(encoding="utf-8")
    assert "--steps flat --binary 3 8" in page


def test_exit_code_1_if_a_proof_fails(run, files, monkeypatch, tmp_path):
    monkeypatch.setattr(proof, "TOLERANCE", -1.0)
    result = run("tagger.safetensors", "steps.npz")
    assert result.exit_code == 1
    assert "error: not everything is proved" in result.output
    assert "Not proved." in (tmp_path / "explanation.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tagger.safetensors"], "a model file and its data"),
        (["tagger.safetensors", "iris"], "'iris' is neither a data set"),
        (
            ["tagger.safetensors", "steps.npz", "--index", 20],
            "20 sequences to choose from, 0 to 19",
        ),
        (["tagger.safetensors", "steps.npz", "--index", -1], "--index"),
        (["tagger.safetensors", "steps.npz", "--step", 99], "--step must be from 1 to"),
        (["tagger.safetensors", "steps.npz", "--layer", 2], "--layer must be"),
        (["tagger.safetensors", "steps.npz", "--truncate", -1], "--truncate"),
        (["tagger.safetensors", "steps.npz", "--binary", 3, 8], "it has no effect on steps.npz"),
        (["tagger.safetensors", "steps.npz", "--jason"], "No such option"),
        (["digits", "--html", "no/page.html"], "there is no directory no"),
        (["digits", "--json", "no/n.json"], "there is no directory no"),
        (["digits", "--binary", 3, 3], "expected two different digits"),
    ],
)
def test_wrong_use_is_exit_code_2(run, files, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    words = re.sub(r"[\s│]+", " ", result.output)
    assert message in words


def test_what_fails_is_exit_code_1(run, files):
    result = run("nowhere.safetensors", "steps.npz")
    assert result.exit_code == 1
    assert "error:" in result.output
    result = run("tagger.safetensors", "ragged.npz")  # a label a sequence
    assert result.exit_code == 1
    assert "error:" in result.output
