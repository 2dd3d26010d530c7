import json
import os
import pty
import re
import select
import signal

import numpy as np
import pytest
from typer.testing import CliRunner

import elman
from elman import RNNClassifier, RNNTagger
from elman.cli import app
from elman.tuning import suggest
from elman.tuning.space import SPACES
from processes import SECONDS, Run

ARGUMENTS = ["tune", "walks.npz", "--trials", "3", "--folds", "2"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind in (RNNClassifier, RNNTagger):
        monkeypatch.setitem(SPACES, kind, {"learning_rate_init": [0.001, 0.01]})
    monkeypatch.setattr("elman.training.budget.N_UPDATES", 40)
    monkeypatch.setattr("elman.training.budget.MIN_EPOCHS", 4)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(a) for a in arguments])


@pytest.fixture(autouse=True)
def _files(tmp_path):
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 1)).cumsum(axis=0) for n in rng.integers(6, 12, 32)]
    flat = {"X": np.concatenate(X), "lengths": [len(x) for x in X]}
    y_steps = [np.where(x[:, 0] > 0, "up", "down") for x in X]
    np.savez(tmp_path / "walks.npz", y=[labels[-1] for labels in y_steps], **flat)
    np.savez(tmp_path / "steps.npz", y=np.concatenate(y_steps), **flat)
    rows = ["id,value,label"]
    rows += [f"{i},{v[0]},{y_steps[i][-1]}" for i, x in enumerate(X) for v in x]
    (tmp_path / "walks.csv").write_text("\n".join(rows))


def test_model_and_table_stand_beside_each_other(run, tmp_path):
    result = run(*ARGUMENTS, "-o", "m.safetensors")
    assert result.exit_code == 0, result.output
    assert "32 sequences, RNNClassifier, 2 folds, 3 candidates, seed 0" in result.stdout
    assert "model: m.safetensors   table: m.tune.json" in result.stdout
    table = json.loads((tmp_path / "m.tune.json").read_text())
    assert [row["rank"] for row in table["table"]] == [1, 2, 3]
    assert sum(row["chosen"] for row in table["table"]) == 1
    model = elman.load(tmp_path / "m.safetensors")
    for name, value in table["settings"].items():
        assert getattr(model, name) == value
    assert run("evaluate", "m.safetensors", "walks.npz").exit_code == 0


def test_lines_through_a_pipe_are_readable_at_80_columns(run):
    lines = run(*ARGUMENTS).stdout.splitlines()
    scored = [line for line in lines if re.match(r"after \d+ s: score [01]\.\d{4} ± ", line)]
    assert len(scored) == 5  # three short trainings, two whole ones
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in "".join(lines)


def test_same_seed_same_model(run, tmp_path):
    for name in "ab":
        run(*ARGUMENTS, "-o", f"{name}.safetensors")
    a, b = ((tmp_path / f"{name}.safetensors").read_bytes() for name in "ab")
    assert a == b


def test_forms(run):
    assert re.fullmatch(r"[01]\.\d{4}\n", run(*ARGUMENTS, "--quiet").stdout)
    assert json.loads(run(*ARGUMENTS, "--json").stdout)["source"] == "walks.npz"


def test_tags_by_another_metric(run, tmp_path):
    arguments = [argument.replace("walks", "steps") for argument in ARGUMENTS]
    result = run(*arguments, "--scoring", "f1_macro")
    assert result.exit_code == 0, result.output
    assert isinstance(elman.load(tmp_path / "steps.safetensors"), RNNTagger)


def test_table(run, tmp_path):
    result = run("tune", "walks.csv", "--trials", "2", "--folds", "2")
    assert result.exit_code == 0, result.output
    assert 'id "id" (32 sequences' in result.stdout
    assert elman.load(tmp_path / "walks.safetensors").reading_["id"] == "id"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--budget", "soon"], 2, "expected a time: 60s, 2m or 1h"),
        (["--scoring", "f2"], 2, "f2"),
        (["--folds", "40"], 1, "take fewer folds"),
        (["--steps", "rows"], 2, "it has no effect on walks.npz"),
        (["--output", "walks.npz"], 2, "is the file that is read"),
        (["--output", "there.safetensors"], 2, "nothing in it says that it is a JSON"),
    ],
)
def test_what_is_refused(run, tmp_path, arguments, code, message):
    (tmp_path / "there.tune.json").write_text("mine")
    result = run(*ARGUMENTS, *arguments)
    assert result.exit_code == code
    assert message in " ".join(result.output.replace("│", " ").split())
    assert (tmp_path / "there.tune.json").read_text() == "mine"


def test_a_model_that_is_there_is_replaced_and_this_is_said(run, tmp_path):
    for _ in range(2):
        result = run("train", "walks.npz", "--epochs", "1", "--hidden", "2")
        assert result.exit_code == 0, result.output
    assert "walks.safetensors exists and will be replaced in the end" in result.stdout
    model = (tmp_path / "walks.safetensors").read_bytes()
    result = run(*ARGUMENTS)
    assert "walks.safetensors exists and will be replaced in the end" in result.stdout
    assert "--output FILE" in result.stdout
    assert (tmp_path / "walks.safetensors").read_bytes() != model
    other = run(*ARGUMENTS, "--output", "other.safetensors")
    assert "will be replaced" not in other.stdout


def test_a_model_stays_where_there_was_no_time_to_compare_anything(run, tmp_path, monkeypatch):
    def without_time(*arguments, **options):
        found = suggest(*arguments, **options)
        for row in found.table:
            row["scores"] = []
        return found

    monkeypatch.setattr("elman.tuning.suggest", without_time)
    assert run(*ARGUMENTS).exit_code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    result = run(*ARGUMENTS)
    assert result.exit_code == 1
    message = " ".join(result.stderr.split())
    assert "no time to compare anything, so walks.safetensors stays as it was" in message
    assert "are saved to walks.uncompared.safetensors. Take a larger --budget." in message
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {name: after[name] for name in before} == before
    new = {"walks.uncompared.safetensors", "walks.uncompared.tune.json"}
    assert after.keys() - before.keys() == new


# In a process of its own


def test_interrupted_search_saves_the_best(tmp_path):
    (tmp_path / "walks.safetensors").write_bytes(b"")
    with Run(["tune", "walks.npz", "--budget", "10m"], tmp_path) as run:
        run.wait_for("the defaults\n")
        run.signal(signal.SIGINT)
        assert run.end() == 1
    assert "the best so far is saved to walks.interrupted.safetensors" in run.errors
    assert "Traceback" not in run.errors
    assert elman.load(tmp_path / "walks.interrupted.safetensors").n_iter_ > 0
    table = json.loads((tmp_path / "walks.interrupted.tune.json").read_text())
    assert table["interrupted"]
    assert (tmp_path / "walks.safetensors").read_bytes() == b""


def test_a_bar_on_a_terminal(tmp_path):
    ours, terminal = pty.openpty()
    environment = {"TERM": "xterm", "COLUMNS": "80"}
    arguments = ["tune", "walks.npz", "--trials", "2", "--folds", "2"]
    with Run(arguments, tmp_path, stdout=os.ttyname(terminal), environment=environment) as run:
        shown = b""
        while b"model: " not in shown and select.select([ours], [], [], SECONDS)[0]:
            shown += os.read(ours, 65536)
        assert run.end() == 0
    os.close(terminal)
    os.close(ours)
    assert "━".encode() in shown
    assert b"the winner on all data" in shown
    assert b"defaults 0." in shown
