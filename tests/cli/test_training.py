"""What is left when ``elman train`` ends early, and when its messages reach nobody."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import elman
from elman import datasets
from elman.cli import app
from elman.estimators import saving
from elman.training import Trainer
from processes import ENDLESS, Run

SMALL = ["train", "digits", "--hidden", "8", "--epochs", "4"]
SAVED = (
    r"interrupted; the weights after epoch \d+, the best so far, are saved to digits.safetensors\n"
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(a) for a in arguments])


@pytest.fixture
def at_epoch(monkeypatch):
    """Let something happen when an epoch begins."""
    epoch = Trainer.epoch

    def arrange(number, do):
        def replaced(self, n, *arguments):
            if n == number:
                do()
            return epoch(self, n, *arguments)

        monkeypatch.setattr(Trainer, "epoch", replaced)

    return arrange


def interrupt():
    raise KeyboardInterrupt


def test_recipe_may_give_a_cell_rather_than_its_name(run, monkeypatch):
    recipe = datasets._DIGITS_RECIPE | {"cell": datasets._MNIST_PIXELS_RECIPE["cell"]}
    monkeypatch.setattr(datasets, "_DIGITS_RECIPE", recipe)
    result = run(*SMALL)
    assert result.exit_code == 0, result.output
    assert "8 Tanh units" in result.stdout
    assert elman.load("digits.safetensors").cell == recipe["cell"]


def test_long_training_prints_few_lines_where_there_is_no_terminal(run):
    result = run("train", "digits", "--hidden", "2", "--epochs", "60", "--batch-size", "1437")
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stdout.splitlines() if line.startswith("epoch ")]
    numbers = [int(line.removeprefix("epoch ").partition("/")[0]) for line in lines]
    assert numbers == [*range(1, 11), *range(12, 61, 3)]


# In a process that is asked to end


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_was_learnt_is_saved_and_then_said(tmp_path, stop):
    with Run(ENDLESS, tmp_path) as run:
        run.wait_for("epoch 2/")
        run.signal(stop)
        assert run.end() == 1
    assert re.fullmatch(SAVED, run.errors)
    assert elman.load(tmp_path / "digits.safetensors").n_iter_ >= 2


def test_nobody_reads_the_message_and_it_is_saved(tmp_path):
    with Run(ENDLESS, tmp_path) as run:
        run.wait_for("epoch 2/")
        run.close_pipes()
        run.signal(signal.SIGINT)
        assert run.end() == 1
    assert elman.load(tmp_path / "digits.safetensors").n_iter_ >= 2


def test_nobody_reads_on_and_training_ends_as_it_should(tmp_path):
    with Run([*SMALL, "--epochs", 20, "--diagnose"], tmp_path) as run:
        run.wait_for("epoch 2/")
        run.close_pipes()
        assert run.end() == 0
    assert elman.load(tmp_path / "digits.safetensors").n_iter_ == 20


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")  # noqa: PTH110
@pytest.mark.parametrize(("form", "code"), [([], 0), (["--json"], 1), (["--quiet"], 1)])
def test_disk_that_takes_no_message(tmp_path, form, code):
    """The model is what training is for; the other forms are asked for on standard output."""
    with Run([*SMALL, *form], tmp_path, stdout="/dev/full") as run:
        assert run.end() == code
    assert elman.load(tmp_path / "digits.safetensors").n_iter_ == 4


def test_closed_terminal(tmp_path):
    """The bar cannot be drawn any more, and the process is sent SIGHUP."""
    ours, terminal = pty.openpty()
    with Run(ENDLESS, tmp_path, stdout=os.ttyname(terminal)) as run:
        while not re.search(rb"epoch [1-9]\d", os.read(ours, 65536)):  # it is drawn now and then
            pass
        os.close(terminal)
        os.close(ours)
        assert run.end() == 1
    assert elman.load(tmp_path / "digits.safetensors").n_iter_ >= 2


def test_many_signals_are_as_good_as_one(tmp_path):
    with Run(ENDLESS, tmp_path) as run:
        run.wait_for("epoch 2/")
        for _ in range(5):
            run.signal(signal.SIGINT)
            run.signal(signal.SIGTERM)
            run.wait_for("epoch 2/")  # reads on
        assert run.end() == 1
    assert re.match(SAVED, run.errors)
    assert "Traceback" not in run.errors
    assert elman.load(tmp_path / "digits.safetensors").n_iter_ >= 2


def test_reader_that_is_interrupted_too(tmp_path):
    """The shell's own: ``2>&1 | tee``, and Ctrl-C for both."""
    command = " ".join([sys.executable, "-m", "elman", *ENDLESS])
    with subprocess.Popen(
        ["bash", "-c", f"{command} 2>&1 | tee log; echo ${{PIPESTATUS[0]}} >code"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # bash goes on after its children, and says what elman's code was
    ) as shell:
        while "epoch 2/" not in shell.stdout.readline():
            pass
        os.killpg(shell.pid, signal.SIGINT)
        shell.communicate(timeout=60)
    assert elman.load(tmp_path / "digits.safetensors").n_iter_ >= 2


# What is saved, and where


def test_interrupt_in_the_first_epoch_saves_nothing(run, at_epoch, tmp_path):
    at_epoch(1, interrupt)
    result = run(*SMALL)
    assert result.exit_code == 1
    assert result.stderr == "interrupted; no epoch was complete; nothing is saved\n"
    assert not list(tmp_path.iterdir())


def test_interrupt_leaves_the_model_that_is_there(run, at_epoch, tmp_path):
    assert run(*SMALL).exit_code == 0
    before = (tmp_path / "digits.safetensors").read_bytes()
    at_epoch(3, interrupt)
    names = [f"digits.interrupted{number}.safetensors" for number in ("", "-2", "-3")]
    for name in names:  # nor is what was rescued before replaced
        result = run(*SMALL)
        assert result.exit_code == 1
        assert f"after epoch 2, the best so far, are saved to {name}" in result.stderr
        assert elman.load(name).n_iter_ == 2
    assert (tmp_path / "digits.safetensors").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 4


def test_what_is_saved_is_the_best(run, monkeypatch):
    """And not the last: each epoch is made to look worse than the one before."""
    epoch, weights = Trainer.epoch, []

    def worse(self, number, *arguments):
        if number == 4:
            raise KeyboardInterrupt
        row = epoch(self, number, *arguments)
        weights.append(self.parameters.vector.copy())
        return row | {"loss": float(number)}

    monkeypatch.setattr(Trainer, "epoch", worse)
    assert "after epoch 1, the best so far, are saved to digits.safetensors" in run(*SMALL).stderr
    saved = elman.load("digits.safetensors").network_.parameters.vector
    np.testing.assert_array_equal(saved, weights[0])


def test_diverged_training_saves_what_was_learnt_before(run, at_epoch, tmp_path):
    def diverge():
        raise elman.DivergenceError("training diverged")

    at_epoch(4, diverge)
    result = run(*SMALL)
    assert result.exit_code == 1
    (error,) = result.stderr.splitlines()
    assert error.startswith("error: training diverged It had gone on 5 times from the last good")
    assert error.endswith("The last good weights, after epoch 2, are saved to digits.safetensors.")
    (tmp_path / "digits.safetensors").unlink()

    at_epoch(2, diverge)  # then the last good weights are the first ones
    result = run(*SMALL)
    assert result.stderr.endswith(" The last good weights are the first ones: nothing is saved.\n")
    assert not list(tmp_path.iterdir())


def test_error_in_the_middle_saves_what_was_learnt_before(run, at_epoch):
    def fail():
        raise MemoryError("Unable to allocate 9 GB")

    at_epoch(3, fail)
    result = run(*SMALL)
    assert result.exit_code == 1
    assert "after epoch 2, the best so far, are saved to digits.safetensors" in result.stderr
    assert "error: there is too little memory. Unable to allocate 9 GB" in result.stderr
    assert elman.load("digits.safetensors").n_iter_ == 2


def test_folder_that_vanishes(run, at_epoch, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "folder"
    folder.mkdir()
    at_epoch(4, lambda: shutil.rmtree(folder))
    result = run(*SMALL, "--output", folder / "model.safetensors")
    assert result.exit_code == 1
    (saved,) = re.findall(r"the model was saved to (\S+) instead", result.stderr)
    assert saved.startswith(str(tmp_path / "cache"))
    assert elman.load(saved).n_iter_ == 4
    assert f"model: {saved}" in result.stdout
    assert "test accuracy" in result.stdout


def test_folder_that_vanishes_before_an_interrupt(run, at_epoch, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "folder"
    folder.mkdir()

    def do():
        shutil.rmtree(folder)
        raise KeyboardInterrupt

    at_epoch(3, do)
    result = run(*SMALL, "--output", folder / "model.safetensors")
    assert result.exit_code == 1
    (saved,) = re.findall(r"are saved to (\S+)", result.stderr)
    assert elman.load(saved).n_iter_ == 2


def test_interrupt_after_training_says_where_the_model_is(run, monkeypatch):
    monkeypatch.setattr("elman.cli.training.evaluate_estimator", lambda *_: interrupt())
    result = run(*SMALL)
    assert result.exit_code == 1
    assert result.stderr == "interrupted; the model is saved to digits.safetensors\n"
    assert elman.load("digits.safetensors").n_iter_ == 4


def test_interrupt_while_the_model_is_saved_waits_for_it(run, monkeypatch):
    write = saving.write_model

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        write(*arguments)

    monkeypatch.setattr(saving, "write_model", interrupted)
    result = run(*SMALL)
    assert result.exit_code == 1
    assert result.stderr == "interrupted; the model is saved to digits.safetensors\n"
    assert elman.load("digits.safetensors").n_iter_ == 4


def test_json_has_no_nan(run, monkeypatch):
    monkeypatch.setattr(
        "elman.cli.diagnose.diagnosis", lambda *_: {"left": np.nan, "singular": np.float32("inf")}
    )
    result = run(*SMALL, "--json", "--diagnose")

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    found = json.loads(result.stdout, parse_constant=refuse)["diagnoses"]
    assert found == [{"left": None, "singular": None}] * 4
