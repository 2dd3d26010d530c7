"""What the output reads, and what is dropped, on the command line."""

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

import elman
from elman.cli import app

SMALL = ["--hidden", 8, "--epochs", 2, "--batch-size", 16]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run in a folder with labelled sequences, and steps."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 5, 2))
    np.savez("labels", X=X, y=(X.sum(axis=(1, 2)) > 0).astype(int))
    np.savez("steps", X=X, y=(X[:, :, 0] > 0).astype(int))
    np.savez("numbers", X=X, y=X.sum(axis=(1, 2)))
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize("readout", ["last", "mean", "max"])
@pytest.mark.parametrize("name", ["labels", "numbers"])
def test_sequences_are_read_as_asked(run, name, readout):
    task = ["--task", "regression"] if name == "numbers" else []
    result = run("train", f"{name}.npz", *SMALL, *task, "--readout", readout, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["params"]["readout"] == readout
    assert elman.load(f"{name}.safetensors").network_.architecture.readout == readout
    assert run("evaluate", f"{name}.safetensors", f"{name}.npz").exit_code == 0


@pytest.mark.parametrize("readout", ["mean", "max"])
def test_what_was_read_is_diagnosed_and_explained(run, readout, tmp_path):
    frames = ["--frame", "2:1", "--differences", "--standardize", "sequence"]
    arguments = ["--cell", "gru", "--readout", readout, *frames, "--diagnose"]
    result = run("train", "labels.npz", *SMALL, *arguments)
    assert result.exit_code == 0, result.output
    assert "epoch 2: gradient " in result.output
    result = run("explain", "labels.safetensors", "labels.npz", "--json", "e.json")
    assert result.exit_code == 0, result.output
    assert "4 of 4 terms proved" in result.output
    written = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))
    assert written["readout"] == readout


def test_steps_are_not_read_together(run):
    result = run("train", "steps.npz", *SMALL, "--readout", "mean")
    assert result.exit_code == 2
    assert "answers a sequence once" in result.output


def test_units_are_dropped_as_asked(run):
    rates = ["--dropout", 0.25, "--recurrent-dropout", 0.5]
    result = run("train", "steps.npz", *SMALL, *rates, "--json")
    assert result.exit_code == 0, result.output
    params = json.loads(result.stdout)["params"]
    assert (params["dropout"], params["recurrent_dropout"]) == (0.25, 0.5)
    assert elman.load("steps.safetensors").recurrent_dropout == 0.5


@pytest.mark.parametrize("option", ["--dropout", "--recurrent-dropout"])
def test_a_rate_out_of_range_is_refused(run, option):
    result = run("train", "labels.npz", *SMALL, option, 1)
    assert result.exit_code == 2
    output = re.sub(r"[│\s]+", " ", result.output)
    assert f"'{option}': expected a number of at least 0 and below 1; got '1'" in output
