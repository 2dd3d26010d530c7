"""``elman resume``: what ``elman train --checkpoint`` leaves is gone on with, from the file alone."""

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from sklearn.model_selection import train_test_split
from typer.testing import CliRunner

import elman
from elman import RNNClassifier
from elman.cli import app
from elman.data import read_npz
from elman.persistence import read_model, write_model
from elman.training import Trainer
from processes import Run

TRAIN = ["train", "walks.npz", "--hidden", "3", "--epochs", "5", "--batch-size", "8"]
TRAIN += ["--engine", "reference", "--checkpoint", "run.ckpt"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 1)).cumsum(axis=0) for n in rng.integers(6, 12, 40)]
    y = [int(x[-1, 0] > 0) for x in X]
    np.savez("walks.npz", X=np.concatenate(X), lengths=[len(x) for x in X], y=y)
    rows = [f"{i},{v[0]},{label}" for i, (x, label) in enumerate(zip(X, y, strict=True)) for v in x]
    (tmp_path / "walks.csv").write_text("\n".join(["id,value,label", *rows]))
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(a) for a in arguments])


@pytest.fixture
def interrupted(monkeypatch):
    """Let the next training be interrupted in its third epoch, after an update."""
    epoch = Trainer.epoch

    def replaced(self, number, n_epochs, callback=None):
        if number < 3:
            return epoch(self, number, n_epochs, callback)
        monkeypatch.setattr(Trainer, "epoch", epoch)

        def interrupt(progress):
            callback(progress)
            if progress.n_done > 8:
                raise KeyboardInterrupt

        return epoch(self, number, n_epochs, interrupt)

    monkeypatch.setattr(Trainer, "epoch", replaced)


def content(name):
    model = read_model(name)
    return model.settings["history"], {n: a.tobytes() for n, a in model.arrays.items()}


def test_it_goes_on_to_the_model_that_would_have_been(run, interrupted, tmp_path):
    result = run(*TRAIN, "--log", "log.jsonl", "--every", "0.001s", "-o", "m")
    assert result.exit_code == 1
    assert result.stderr == (
        "interrupted; the weights after epoch 2, the best so far, are saved to m; "
        "to go on: elman resume run.ckpt\n"
    )
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
    result = run("resume", "run.ckpt")
    assert result.exit_code == 0, result.output
    assert "32 sequences, 3 gru units" in result.stdout
    assert "run.ckpt: 2 epochs complete; training continues in epoch 3\n" in result.stdout
    assert re.search(r"^epoch 3/5 ", result.stdout, re.MULTILINE)
    assert "epoch 2/5" not in result.stdout
    assert "trained 5 epochs, 2 of them before; the other 3 took " in result.stdout
    assert "model: m\n" in result.stdout
    run(*TRAIN[:-2], "-o", "at-once", "--log", "at-once.jsonl")
    assert content("m") == content("at-once")
    lines, expected = (
        [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        for name in ("log.jsonl", "at-once.jsonl")
    )
    assert lines == expected
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5]


def test_it_may_be_called_elsewhere(run, interrupted, tmp_path, monkeypatch):
    run(*TRAIN, "--validation", "walks.npz")
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    result = run("resume", "../run.ckpt", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["source"] == str(tmp_path / "walks.npz")
    assert elman.load(tmp_path / "walks.safetensors").n_iter_ == len(said["history"]) == 5
    assert said["history"][-1]["validation_score"] >= 0


def test_tables_are_read_as_they_were(run, interrupted):
    table = ["--label", "label", "--features", "value", "--test-size", "0.3"]
    assert run("train", "walks.csv", *TRAIN[2:], *table).exit_code == 1
    result = run("resume", "run.ckpt", "--quiet")
    assert result.exit_code == 0, result.output
    run("train", "walks.csv", *TRAIN[2:-2], *table, "-o", "at-once")
    assert content("walks.safetensors") == content("at-once")


def test_training_that_has_ended_is_reported_again(run):
    first = run(*TRAIN, "--quiet")
    assert run("resume", "run.ckpt", "--quiet").stdout == first.stdout
    again = run("resume", "run.ckpt").stdout
    assert "run.ckpt: this training had ended after 5 epochs\n" in again
    assert "trained 5 epochs\n" in again


def test_a_checkpoint_is_there_already(run):
    run(*TRAIN, "--quiet")
    result = run(*TRAIN)
    assert result.exit_code == 2
    assert "To go on from it: elman resume run.ckpt." in re.sub(r"[\s│]+", " ", result.stderr)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--every", "5m"], "it needs --checkpoint FILE"),
        (["--checkpoint", "c", "--every", "soon"], "expected a time"),
        (["--checkpoint", "walks.npz"], "walks.npz exists already"),
        (["--checkpoint", "m", "--output", "m"], "is also the file of --output"),
        (["--log", "walks.csv"], "nothing in it says that it is a log"),
    ],
)
def test_options_that_make_no_sense(run, options, message):
    result = run("train", "walks.npz", "--epochs", "1", *options)
    assert result.exit_code == 2
    assert message in re.sub(r"[\s│]+", " ", result.stderr)


def refused(result, *parts):
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    for part in parts:
        assert part in result.stderr


def test_data_are_gone_or_others(run, interrupted, tmp_path):
    run(*TRAIN)
    (tmp_path / "walks.npz").rename(tmp_path / "moved.npz")
    refused(run("resume", "run.ckpt"), "walks.npz, which run.ckpt was trained on, is not there.")
    data = dict(np.load("moved.npz"))
    np.savez("walks.npz", **data | {"X": data["X"] + 1})
    refused(run("resume", "run.ckpt"), "run.ckpt belongs to a training on other data")


def test_other_data_in_the_test_part_alone(run, interrupted, tmp_path):
    run(*TRAIN)
    X, y = read_npz("walks.npz")
    _, held_out = train_test_split(np.arange(len(X)), test_size=0.2, random_state=0)
    begun = (tmp_path / "walks.npz").read_bytes()
    X[held_out[0]] = X[held_out[0]] + 1  # the fit does not see it
    np.savez("walks.npz", X=np.concatenate(X), lengths=[len(x) for x in X], y=y)
    refused(run("resume", "run.ckpt"), "the sequences for the test are not the same")
    (tmp_path / "walks.npz").write_bytes(begun)
    assert run("resume", "run.ckpt").exit_code == 0


def test_what_is_no_checkpoint_of_the_command_line(run):
    X, y = np.random.default_rng(0).standard_normal((20, 3, 2)), np.arange(20) % 2
    RNNClassifier(2, max_iter=1, engine="reference").fit(X, y, checkpoint="program.ckpt")
    refused(run("resume", "program.ckpt"), "in a Python program", "fit(…, resume='program.ckpt')")
    elman.load("program.ckpt").save("model")
    refused(run("resume", "model"), "model is a model, not a checkpoint")
    words = run("resume", "model").stderr
    assert "on the command line elman train … --checkpoint FILE" in words
    assert "in Python, by partial_fit or with warm_start=True" in words
    refused(run("resume", "walks.npz"), "walks.npz is not a model file")
    refused(run("resume", "nothing"), "nothing")
    model = read_model("program.ckpt")
    model.settings["training"]["about"] = {"source": "walks.npz"}
    write_model("program.ckpt", *model)
    refused(run("resume", "program.ckpt"), "does not say what `elman train` was asked for")


def test_history_that_cannot_be_written_is_no_reason_to_stop(run, tmp_path):
    log = tmp_path / "log.jsonl"

    def make_it_a_folder(self, number, n_epochs, callback=None, epoch=Trainer.epoch):
        if number == 3:
            log.unlink()
            log.mkdir()
        return epoch(self, number, n_epochs, callback)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "epoch", make_it_a_folder)
        result = run(*TRAIN, "--log", "log.jsonl")
    assert result.exit_code == 0
    assert result.stderr.count("error: log.jsonl could not be written") == 1
    assert elman.load("walks.safetensors").n_iter_ == 5


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_killed_process(run, tmp_path):
    """Twice, each wherever it is when a line comes; then the end, in a process started anew."""
    arguments = [*TRAIN, "--epochs", "30", "--every", "0.01s"]
    for command, line in ((arguments, "epoch 4/"), (["resume", "run.ckpt"], "epoch 15/")):
        with Run(command, tmp_path) as process:
            process.wait_for(line)
            process.signal(signal.SIGKILL)
            process.end()
    resume = [sys.executable, "-m", "elman", "resume", "run.ckpt", "--quiet"]
    result = subprocess.run(resume, capture_output=True, text=True, check=True)
    at_once = run(*TRAIN[:-2], "--epochs", "30", "--quiet", "-o", "at-once")
    assert content("walks.safetensors") == content("at-once")
    assert result.stdout == at_once.stdout
