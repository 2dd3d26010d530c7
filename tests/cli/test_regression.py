"""Numbers on the command line: trained, evaluated, predicted; a validation file of one's own."""

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

import elman
from elman import RNNClassifier, RNNRegressor, RNNStepRegressor
from elman.cli import app
from elman.cli.tables import rounded
from elman.data import read_npz

SMALL = ["--hidden", 8, "--epochs", 4, "--batch-size", 16, "--learning-rate", 0.02]
REGRESSION = ["--task", "regression", *SMALL]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run in a folder with sequences that have numbers, of all kinds."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 2)) for n in rng.integers(2, 7, size=60)]
    y_steps = [10 * x.cumsum(axis=0) for x in X]
    flat = {"X": np.concatenate(X), "lengths": [len(x) for x in X]}
    np.savez("ragged", y=[y[-1, 0] for y in y_steps], **flat)
    np.savez("two", y=[y[-1] for y in y_steps], **flat)
    np.savez("steps", y=np.concatenate(y_steps)[:, 0], **flat)
    np.savez("steps2", y=np.concatenate(y_steps), **flat)
    np.savez("counts", y=rng.poisson(3, 60), **flat)
    np.savez("labels", y=[int(y[-1, 0] > 0) for y in y_steps], **flat)
    stack = rng.standard_normal((40, 5, 2))
    np.savez("stack", X=stack, y=stack.cumsum(axis=1)[:, :, 0])
    np.savez("stack2", X=stack, y=stack.sum(axis=1))
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize(
    ("name", "kind", "shape"),
    [
        ("ragged", RNNRegressor, ()),
        ("two", RNNRegressor, (2,)),
        ("steps", RNNStepRegressor, None),
        ("steps2", RNNStepRegressor, None),
        ("stack", RNNStepRegressor, (5,)),
        ("stack2", RNNRegressor, (2,)),
    ],
)
def test_numbers_are_trained_evaluated_and_predicted(run, name, kind, shape):
    trained = run("train", f"{name}.npz", *REGRESSION)
    assert trained.exit_code == 0, trained.output
    assert "accuracy" not in trained.output
    assert re.search(r"test R² -?\d+\.\d{4}  \(\d+ (steps|sequences)\)", trained.output)
    model = elman.load(f"{name}.safetensors")
    assert type(model) is kind
    X, y = read_npz(f"{name}.npz")
    evaluation = json.loads(run("evaluate", f"{name}.safetensors", f"{name}.npz", "--json").stdout)
    assert evaluation["score"] == pytest.approx(model.score(X, y))
    answers = json.loads(run("predict", f"{name}.safetensors", f"{name}.npz", "--json").stdout)
    for printed, answer in zip(answers["numbers"], model.predict(X), strict=True):
        assert shape is None or np.shape(printed) == shape
        np.testing.assert_array_equal(printed, answer)
    lines = run("predict", f"{name}.safetensors", f"{name}.npz").stdout.splitlines()
    printed = re.split("[ ;]", lines[0])[0]
    assert float(printed) == pytest.approx(np.ravel(model.predict(X)[0])[0], rel=1e-6)
    assert len(printed.strip("-").replace(".", "").lstrip("0")) <= 8


@pytest.mark.parametrize("loss", ["squared_error", "quantile"])
def test_numbers_have_the_digits_of_a_float32(run, loss):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 4, 2))
    y = np.stack([X[:, -1, 0], 20_000 + X[:, -1, 1]], axis=1)
    keywords = {"quantile": (0.2, 0.5)} if loss == "quantile" else {}
    model = RNNRegressor(4, loss=loss, max_iter=3, random_state=0, **keywords).fit(X, y)
    answers = rounded(model.predict(X), model)
    assert answers.shape == model.predict(X).shape
    np.testing.assert_allclose(answers, model.predict(X), rtol=0, atol=1e-6)
    for small, large in answers.reshape(30, 2, -1)[..., 0].tolist():
        assert len(repr(small).strip("-0").replace(".", "").lstrip("0")) <= 7
        assert len(repr(large)) <= len("20000.1234567")
    np.savez("new", X=X)
    model.save("model")
    line = run("predict", "model", "new.npz").stdout.splitlines()[0]
    assert [float(text) for text in re.split("[ ;]", line)] == answers[0].ravel().tolist()
    rows = json.loads(run("predict", "model", "new.npz", "--json").stdout)["numbers"]
    assert rows == model.predict(X).tolist()


def test_loss_and_quantiles_reach_the_estimator(run):
    run(
        "train",
        "ragged.npz",
        *REGRESSION,
        "--loss",
        "quantile",
        "--quantile",
        0.1,
        "--quantile",
        0.9,
    )
    model = elman.load("ragged.safetensors")
    assert (model.loss, model.quantile) == ("quantile", (0.1, 0.9))
    evaluated = run("evaluate", "ragged.safetensors", "ragged.npz")
    assert re.search(r"D² -?\d+\.\d{4}  \(60 sequences\)", evaluated.output)
    assert run("train", "counts.npz", *REGRESSION, "--loss", "poisson").exit_code == 0
    assert elman.load("counts.safetensors").loss == "poisson"


def test_quiet_prints_the_score_alone_and_json_everything(run):
    quiet = run("train", "ragged.npz", *REGRESSION, "--quiet")
    assert re.fullmatch(r"-?\d+\.\d{4}\n", quiet.stdout)
    result = json.loads(run("train", "ragged.npz", *REGRESSION, "--json").stdout)
    assert result["estimator"] == "RNNRegressor"
    assert f"{result['test']['score']:.4f}\n" == quiet.stdout
    assert "accuracy" not in result["history"][0]


def test_learning_curve_of_numbers(run):
    pytest.importorskip("matplotlib")
    result = run("train", "counts.npz", *REGRESSION, "--loss", "poisson", "--plot", "curve.svg")
    assert result.exit_code == 0, result.output
    history = elman.load("counts.safetensors").history_
    assert all("test_score" in row and "test_accuracy" not in row for row in history)


def test_validation_file_is_watched(run):
    for task, name, kind in (
        ("regression", "ragged", RNNRegressor),
        ("classification", "labels", RNNClassifier),
    ):
        result = run("train", f"{name}.npz", "--task", task, *SMALL, "--validation", f"{name}.npz")
        assert result.exit_code == 0, result.output
        model = elman.load(f"{name}.safetensors")
        assert type(model) is kind
        X, y = read_npz(f"{name}.npz")
        assert model.best_validation_score_ == pytest.approx(model.score(X, y))


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["ragged.npz", "--loss", "poisson"], "no effect with --task classification", 2),
        (["ragged.npz", *REGRESSION, "--class-weight", "balanced"], "no effect with --task reg", 2),
        (["ragged.npz", *REGRESSION, "--quantile", 0.5], "it needs --loss quantile", 2),
        (["digits", *REGRESSION], "it has no effect on digits", 2),
        (["ragged.npz", *REGRESSION, "--loss", "poisson"], "numbers below zero", 1),
        (["ragged.npz", *REGRESSION, "--validation", "two.npz"], "--validation: y has 2", 1),
        (["ragged.npz", *REGRESSION, "--validation", "absent.npz"], "absent.npz", 1),
    ],
)
def test_what_makes_no_sense_is_refused(run, arguments, message, code):
    result = run("train", *arguments)
    assert result.exit_code == code, result.output
    assert message in " ".join(result.output.split()).replace("│ ", "")


def test_what_numbers_do_not_have_is_refused(run):
    run("train", "ragged.npz", *REGRESSION)
    result = run("predict", "ragged.safetensors", "ragged.npz", "--probabilities")
    assert result.exit_code == 2


def test_numbers_are_diagnosed_and_explained(run):
    result = run("train", "ragged.npz", *REGRESSION, "--readout", "last", "--diagnose")
    assert "epoch 4: gradient " in result.output
    result = run("explain", "ragged.safetensors", "ragged.npz", "--html", "page.html")
    assert result.exit_code == 0, result.output
    assert "terms proved" in result.output
