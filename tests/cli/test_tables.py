"""Tables on the command line: looked at, trained on, evaluated, answered beside their ids."""

import csv
import io
import json
import re
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import confusion_matrix
from typer.testing import CliRunner

import elman
from elman import RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
from elman.cli import app
from elman.cli.tables import rounded

SMALL = ["--hidden", 4, "--epochs", 2, "--engine", "reference"]
COLUMNS = ["--id", "machine", "--time", "at", "--features", "temp,vib"]


def readings(n, seed=0, first=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 7, n)
    steps = int(lengths.sum())
    number = np.repeat(np.arange(n), lengths)
    temp = rng.standard_normal(steps).cumsum().round(3)
    return pd.DataFrame(
        {
            "machine": [f"m{first + i}" for i in number],
            "at": np.concatenate([np.arange(k) for k in lengths]),
            "temp": temp,
            "vib": rng.standard_normal(steps).round(3),
            "state": np.where(temp > 0, "hot", "cold"),
            "rul": 10.0 - np.concatenate([np.arange(k) for k in lengths]),
            "failed": np.where(number % 3, "no", "yes"),
        }
    )


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run in a folder with readings, and new ones that have nothing to predict."""
    monkeypatch.chdir(tmp_path)
    readings(30).to_csv("readings.csv", index=False)
    new = readings(4, seed=1, first=100)
    new.to_csv("full.csv", index=False)
    new[["vib", "machine", "at", "temp"]].to_csv("new.csv", index=False)
    runner = CliRunner()
    return lambda *arguments, **keywords: runner.invoke(
        app, [str(a) for a in arguments], **keywords
    )


def table(text):
    header, *rows = csv.reader(io.StringIO(text))
    return header, rows


def trained(run, *arguments):
    result = run("train", "readings.csv", *COLUMNS, *SMALL, *arguments)
    assert result.exit_code == 0, result.output
    return elman.load("readings.safetensors"), result


def test_every_command_takes_the_separator_tab(run):
    pd.read_csv("full.csv").to_csv("tabs.csv", sep="\t", index=False)
    tab = ["--separator", "tab"]
    trained(run, "--label", "failed")
    for command in ("predict", "evaluate"):
        result = run(command, "readings.safetensors", "tabs.csv", *tab)
        assert result.exit_code == 0, result.output
    columns = [*COLUMNS, "--label", "failed", *SMALL, "--validation", "tabs.csv"]
    result = run("train", "tabs.csv", *columns, *tab, "--output", "other")
    assert result.exit_code == 0, result.output
    assert (
        "expected one character" in run("predict", "other", "tabs.csv", "--separator", "t,").stderr
    )


def test_three_commands(run):
    model, result = trained(run, "--label", "failed")
    assert (
        '7 columns: 2 features, id "machine" (30 sequences, 3 to 6 steps), time "at", '
        'label "failed" (2 classes: 20/10)' in result.stdout
    )
    assert type(model) is RNNClassifier
    assert model.feature_names_in_.tolist() == ["temp", "vib"]
    X, _, info = elman.read_sequences("new.csv", like=model)
    header, rows = table(run("predict", "readings.safetensors", "new.csv").stdout)
    assert header == ["machine", "failed"]
    assert rows == [list(row) for row in zip(info.ids, model.predict(X), strict=True)]
    evaluated = json.loads(run("evaluate", "readings.safetensors", "full.csv", "--json").stdout)
    X, y, _ = elman.read_sequences("full.csv", like=model)
    assert evaluated["accuracy"] == model.score(X, y)


def test_labels_are_not_needed_to_predict(run):
    """Be they missing, or one a step where the model has one a sequence."""
    trained(run, "--label", "failed")
    expected = run("predict", "readings.safetensors", "new.csv").stdout
    full = pd.read_csv("full.csv")
    for number, labels in enumerate([np.where(full.index % 2, "no", "yes"), None]):
        full.assign(failed=labels).to_csv(f"odd-{number}.csv", index=False)
        result = run("predict", "readings.safetensors", f"odd-{number}.csv")
        assert (result.exit_code, result.stdout) == (0, expected), result.output
        assert run("evaluate", "readings.safetensors", f"odd-{number}.csv").exit_code == 1
    message = run("evaluate", "readings.safetensors", "odd-0.csv").stderr
    assert "changes within a sequence" in message
    assert "--id" not in message


def test_labels_are_not_needed_by_a_model_of_arrays(run):
    X = np.random.default_rng(0).standard_normal((6, 5, 2))
    RNNClassifier(3, max_iter=2, engine="reference").fit(X, [0, 1] * 3).save("arrays")
    full = pd.read_csv("full.csv")[["vib", "machine", "at", "temp"]]
    expected = run("predict", "arrays", "new.csv").stdout
    assert len(table(expected)[1]) == 4
    full.assign(label=full.index % 2).to_csv("odd.csv", index=False)
    result = run("predict", "arrays", "odd.csv")
    assert (result.exit_code, result.stdout) == (0, expected), result.output


ARRAYS = {
    RNNClassifier: ("failed", ["no", "yes"] * 3),
    RNNTagger: ("state", [["hot", "cold", "hot", "cold", "cold"]] * 6),
    RNNRegressor: ("number", np.arange(6.0)),
    RNNStepRegressor: ("rul", np.arange(30.0).reshape(6, 5)),
}


@pytest.mark.parametrize("kind", ARRAYS, ids=lambda kind: kind.__name__)
def test_a_model_of_arrays_is_told_the_columns(run, kind):
    """What messages advise is tried."""
    label, y = ARRAYS[kind]
    X = np.random.default_rng(0).standard_normal((6, 5, 2))
    model = kind(3, max_iter=2, engine="reference", standardize=False).fit(X, y)
    model.save("arrays")
    frame = pd.read_csv("full.csv").rename(columns={"machine": "who", "at": "when"})
    frame["number"] = frame["who"].str[1:].astype(float)
    frame.to_csv("odd.csv", index=False)
    assert "Name it: --id COLUMN." in run("predict", "arrays", "odd.csv").stderr
    who = ["--id", "who", "--time", "when"]
    assert "the model takes 2. Name them" in run("predict", "arrays", "odd.csv", *who).stderr
    features = ["--features", "vib,temp"]
    header, rows = table(run("predict", "arrays", "odd.csv", *who, *features).stdout)
    some, _, _ = elman.read_sequences("odd.csv", id="who", time="when", features=["vib", "temp"])
    answers = model.predict(some)
    expected = np.concatenate(list(answers)) if model._every_step else answers
    assert [row[-1] for row in rows] == [str(v) for v in rounded(expected, model).tolist()]
    assert header == ["who", *(["when"] if model._every_step else []), "prediction"]
    for command in ("evaluate", "explain"):
        result = run(command, "arrays", "odd.csv", *who, *features)
        assert "no labels to compare answers with. Name their column: --label" in result.stderr
        result = run(command, "arrays", "odd.csv", *who, *features, "--label", label)
        assert result.exit_code == 0, result.output
    page = Path("explanation.html").read_text()
    assert f"--id who --time when --features vib,temp --label {label}" in page


def test_probabilities_to_a_file(run):
    model, _ = trained(run, "--label", "failed")
    arguments = ["predict", "readings.safetensors", "new.csv", "--probabilities", "-o", "out.csv"]
    assert "wrote out.csv: 4 sequences answered" in run(*arguments).stdout
    found = pd.read_csv("out.csv")
    assert found.columns.tolist() == ["machine", "failed", "p(no)", "p(yes)"]
    X, _, _ = elman.read_sequences("new.csv", like=model)
    np.testing.assert_allclose(found[["p(no)", "p(yes)"]], model.predict_proba(X), atol=6e-7)
    as_json = json.loads(run(*arguments[:4], "--json").stdout)
    assert as_json["columns"] == found.columns.tolist()


@pytest.mark.parametrize(
    ("label", "task", "kind"),
    [
        ("state", "tag", RNNTagger),
        ("rul", "regression", RNNStepRegressor),
        ("failed", "classification", RNNClassifier),
    ],
)
def test_each_task(run, label, task, kind):
    model, result = trained(run, "--label", label, "--task", task)
    assert type(model) is kind
    assert ("loss summed over the steps" in result.stdout) == model._every_step
    X, _, info = elman.read_sequences("new.csv", like=model)
    header, rows = table(run("predict", "readings.safetensors", "new.csv").stdout)
    if model._every_step:
        assert header == ["machine", "at", label]
        assert [row[0] for row in rows] == np.repeat(info.ids, info.lengths).tolist()
        assert [int(row[1]) for row in rows] == info.times.tolist()
        answers = rounded(np.concatenate(list(model.predict(X))), model)
        assert [row[2] for row in rows] == [str(v) for v in answers]
    else:
        assert len(rows) == 4
    assert run("evaluate", "readings.safetensors", "full.csv").exit_code == 0


def test_numbers_of_sequences_and_quantiles(run):
    frame = readings(30)
    frame["end"] = frame.groupby("machine")["temp"].transform("last")
    frame.to_csv("readings.csv", index=False)
    quantiles = ["--loss", "quantile", "--quantile", 0.1, "--quantile", 0.9]
    model, _ = trained(run, "--label", "end", "--task", "regression", *quantiles)
    assert type(model) is RNNRegressor
    header, rows = table(run("predict", "readings.safetensors", "new.csv").stdout)
    assert header == ["machine", "end 0.1", "end 0.9"]
    X, _, _ = elman.read_sequences("new.csv", like=model)
    assert [[float(v) for v in row[1:]] for row in rows] == rounded(
        model.predict(X), model
    ).tolist()


def test_missing_values(run):
    frame = readings(30)
    frame.loc[::5, "vib"] = np.nan
    frame.to_csv("readings.csv", index=False)
    result = run("train", "readings.csv", "--label", "failed", *COLUMNS, *SMALL)
    assert result.exit_code == 1
    count = int(frame.vib.isna().sum())
    assert f"{count} values are missing ('vib' {count})" in result.stderr
    assert "line 2 (machine 'm0')" in result.stderr
    model, _ = trained(run, "--label", "failed", "--missing", "indicator")
    assert model.feature_names_in_.tolist() == ["temp", "vib", "vib is missing"]
    assert run("predict", "readings.safetensors", "readings.csv").exit_code == 0
    means = model.reading_["missing"]["means"]
    assert means[1] != pytest.approx(frame.vib.mean())  # of the training part alone
    trained(run, "--label", "failed", "--missing", "forward", "--validation", "readings.csv")


def test_a_file_that_was_cut_off_is_not_answered_in_silence(run):
    readings(30)[["machine", "failed", "at", "temp", "vib"]].to_csv("readings.csv", index=False)
    whole = Path("readings.csv").read_text()
    Path("readings.csv").write_text(whole.rstrip("\n").rpartition(",")[0])
    message = f"^readings.csv: line {whole.count(chr(10))} has 4 of 5 columns; .* is filled"
    with pytest.warns(UserWarning, match=message):
        trained(run, "--label", "failed", "--missing", "mean")
    for command in ("predict", "evaluate"):
        with pytest.warns(UserWarning, match=message):
            assert run(command, "readings.safetensors", "readings.csv").exit_code == 0


def test_a_model_without_a_policy_says_so(run):
    trained(run, "--label", "failed")
    new = pd.read_csv("new.csv")
    new.loc[2, "temp"] = np.nan
    new.to_csv("new.csv", index=False)
    result = run("predict", "readings.safetensors", "new.csv")
    assert result.exit_code == 1
    assert "column 'temp', line 4 (machine 'm100'). The model was trained where" in result.stderr


def test_other_columns_are_refused(run):
    trained(run, "--label", "failed")
    pd.read_csv("new.csv").rename(columns={"temp": "Temp"}).to_csv("new.csv", index=False)
    result = run("predict", "readings.safetensors", "new.csv")
    assert result.exit_code == 1
    assert "new.csv has no column 'temp', which the model was trained with" in result.stderr
    assert "Did you mean 'Temp'?" in result.stderr
    result = run("evaluate", "readings.safetensors", "new.csv")
    assert result.exit_code == 1


def test_other_formats(run):
    frame = readings(30)
    frame.to_parquet("readings.parquet")
    result = run("train", "readings.parquet", "--label", "failed", *COLUMNS, *SMALL)
    assert result.exit_code == 0, result.output
    one = elman.load("readings.safetensors")
    other, _ = trained(run, "--label", "failed")
    np.testing.assert_array_equal(one.network_.parameters.vector, other.network_.parameters.vector)
    lines = ["@problemName a\n@classLabel true a b\n@data\n"]
    lines += [f"{i},2,3:4,5,6:{'ab'[i % 2]}\n" for i in range(20)]
    Path("small.ts").write_text("".join(lines))
    assert run("train", "small.ts", *SMALL).exit_code == 0
    header, rows = table(run("predict", "small.safetensors", "small.ts").stdout)
    assert header == ["sequence", "prediction"]
    assert [row[0] for row in rows] == [str(i) for i in range(20)]
    assert run("evaluate", "small.safetensors", "small.ts").exit_code == 0


def test_explained(run):
    trained(run, "--label", "failed", "--readout", "last")
    result = run("explain", "readings.safetensors", "full.csv", "--html", "page.html")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["readings.csv", "--label", "faild"], "no column 'faild'.*Did you mean 'failed'", 1),
        (
            ["readings.csv", "--layout", "one", "--label", "failed", "--features", "temp"],
            "label 'failed' changes within",
            1,
        ),
        (["readings.csv", "--label", "failed", "--step-size", 2], "no effect on readings.csv", 2),
        (["new.csv", *COLUMNS], "no column that is called label.*--label COLUMN", 1),
        (
            ["readngs.csv", "--label", "failed"],
            "no file readngs.csv. Did you mean 'readings.csv'",
            1,
        ),
        (["digits", "--label", "failed"], "--label: it has no effect on digits", 2),
        (["digits", "--task", "tag"], "--task tag: it has no effect on digits", 2),
        (["readings.csv", "--missing", "zero"], "zero", 2),
    ],
)
def test_what_makes_no_sense_is_refused(run, arguments, message, code):
    result = run("train", *arguments)
    assert result.exit_code == code, result.output
    assert re.search(message, re.sub(r"[\s│]+", " ", result.output))


def test_one_sequence_is_nothing_to_test_on(run):
    readings(1).to_csv("readings.csv", index=False)
    result = run("train", "readings.csv", "--label", "failed", *COLUMNS)
    assert result.exit_code == 1
    assert "has one sequence, machine 'm0': there is nothing to test on" in result.stderr
    assert result.stderr.endswith("or, if each row has a label of its own, --task tag.\n")


@pytest.mark.parametrize("more", [[], ["--validation", "recording.csv"]])
@pytest.mark.parametrize("task", ["tag", "regression"])
def test_one_recording_with_an_answer_a_row(run, task, more):
    frame = readings(20).drop(columns="machine")
    frame.to_csv("recording.csv", index=False)
    columns = ["--task", task, "--label", "rul", "--id", "none", "--time", "none"]
    result = run("train", "recording.csv", *columns, *more, *SMALL)
    assert result.exit_code == 0, result.output
    n = len(frame)
    assert result.stdout.splitlines()[1:3] == [
        "features: at, temp, vib, state, failed",
        f"one sequence: its last {-(-n // 5)} of {n} steps are for the test",
    ]
    assert re.search(rf"test .*\b{-(-n // 5)} steps", result.stdout)
    assert len(table(run("predict", "recording.safetensors", "recording.csv").stdout)[1]) == n


def test_what_one_recording_cannot_be_used_for(run):
    readings(1).to_csv("one.csv", index=False)
    columns = ["--task", "tag", "--label", "state", "--id", "none"]
    result = run("train", "one.csv", *columns, *SMALL, "--early-stopping")
    assert result.stderr.endswith("Pass --validation, or leave --early-stopping out.\n")
    result = run("tune", "one.csv", *columns, "--trials", 2)
    assert "cross-validation needs two sequences at least, and there is one" in result.stderr


def test_labels_that_only_the_last_steps_have_are_named(run):
    run_to_failure = pd.DataFrame({"temp": np.arange(50.0), "state": ["ok"] * 40 + ["fault"] * 10})
    run_to_failure.to_csv("run.csv", index=False)
    columns = ["--task", "tag", "--label", "state", "--id", "none"]
    with pytest.warns(UserWarning, match="one class only"):
        result = run("train", "run.csv", *columns, *SMALL)
    assert "labels of the test steps alone: fault" in result.stdout
    run_to_failure[:1].to_csv("row.csv", index=False)
    result = run("train", "row.csv", *columns, *SMALL)
    assert result.stderr == "error: row.csv has one row: there is nothing to test on.\n"


def test_ids_that_are_commands_to_a_terminal(run):
    trained(run, "--label", "failed")
    new = pd.read_csv("new.csv")
    new["machine"] = "\x1b[31mred"
    new["at"] = range(len(new))
    new.to_csv("new.csv", index=False)
    printed = run("predict", "readings.safetensors", "new.csv").stdout
    assert "\x1b" not in printed
    assert r"\x1b[31mred," in printed


class TestInspect:
    def test_says_what_is_there(self, run):
        frame = readings(30)
        frame.loc[::5, "vib"] = np.nan
        frame["load [kW]"] = 3
        frame.to_csv("readings.csv", index=False)
        keep = ["--features", "temp,vib,load [kW]", "--label", "failed"]
        lines = run("inspect", "readings.csv", *keep).stdout.splitlines()
        assert lines[0].startswith(
            '8 columns: 3 features, id "machine" (30 sequences, 3 to 6 steps)'
        )
        steps = len(frame)
        assert lines[1] == "features: temp, vib, load [kW]"
        assert lines[2].startswith("lengths: 3 to 6 steps, half have at most ")
        assert lines[2].endswith(f"; {steps} steps in all")
        assert f"missing: {frame.vib.isna().sum()} values: vib" in lines[3]
        assert "constant: load [kW]" in lines
        assert "unit: load [kW] is in kW" in lines
        assert "class no          20   66.7%" in lines

    def test_as_json_and_as_a_picture(self, run):
        pytest.importorskip("matplotlib")
        keep = ["--features", "temp,vib", "--label", "failed"]
        found = json.loads(run("inspect", "readings.csv", *keep, "--json").stdout)
        assert found["classes"] == [["no", 20], ["yes", 10]]
        assert found["sequences"] == 30
        for _ in range(2):  # it may replace its own
            result = run("inspect", "readings.csv", *keep, "--plot", "contents.png")
            assert result.exit_code == 0, result.output
        assert Path("contents.png").read_bytes().startswith(b"\x89PNG")

    def test_features_go_into_a_line_and_categories_count_once(self, run):
        frame = readings(30).groupby("machine").head(3).drop(columns="failed")
        frame = frame.assign(**{f"sensor{i:02}": 0.0 for i in range(30)})
        frame.loc[::5, "state"] = None
        frame.to_csv("readings.csv", index=False)
        lines = run("inspect", "readings.csv").stdout.splitlines()
        assert re.fullmatch("features: temp, vib, state, .*sensor02 and 27 more", lines[1])
        assert len(lines[1]) <= 80
        assert lines[2:4] == ["lengths: 3 steps; 90 steps in all", "missing: 18 values: state 18"]
        result = run("train", "readings.csv", "--label", "rul", "--task", "regression")
        assert (
            "error: 18 values are missing ('state' 18); the first in column 'state', line 2 ("
            in (result.stderr)
        )

    def test_columns_of_wide_tables_and_texts(self, run):
        rows = pd.DataFrame(np.eye(4), columns=["v0", "v1", "v2", "v3"])
        rows.assign(label=[0, 1, 0, 1]).to_csv("wide.csv", index=False)
        assert "steps: v0, v1, v2, v3\n" in run("inspect", "wide.csv").stdout
        pd.DataFrame({"review": ["ab", "c"], "y": [0, 1]}).to_csv("texts.csv", index=False)
        assert "texts: review\n" in run("inspect", "texts.csv", "--text", "review").stdout

    def test_arrays_too(self, run):
        np.savez("a.npz", X=np.zeros((4, 3, 2)), y=[0, 1, 0, 1])
        assert "2 features, 4 sequences, 3 steps" in run("inspect", "a.npz").stdout


def test_inspect_says_what_a_model_is(run):
    model, _ = trained(run, "--label", "failed", "--missing", "mean", "--members", 2)
    result = run("inspect", "readings.safetensors")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("readings.safetensors: a model, RNNClassifier(engine='reference', ")
    n = model.network_.architecture.n_parameters
    assert re.fullmatch(
        rf"network: 8 gru units, \d+ inputs, 2 outputs; {n:,} parameters in float\d\d "
        r"\(2 networks side by side\)",
        lines[1],
    )
    assert lines[2:5] == [
        "a step has 2 features: temp, vib",
        "predicts one of 2 classes for each sequence: no, yes",
        "reads tables with id machine, time at, label failed, missing values mean",
    ]
    assert lines[5].startswith(
        f"trained 2 epochs, in the last: loss {model.loss_:.4f}, training accuracy"
    )
    found = json.loads(run("inspect", "readings.safetensors", "--json").stdout)
    assert found["epochs"] == 2
    assert found["classes"] == ["no", "yes"]
    assert found["last_epoch"]["loss"] == model.loss_
    refused = run("inspect", "readings.safetensors", "--label", "failed")
    assert "--label: it has no effect on readings.safetensors" in refused.stderr


def test_inspect_of_other_models(run):
    elman.Network(3, 5, 2, seed=0).save("network")
    lines = run("inspect", "network").stdout.splitlines()
    assert lines[0] == "network: a Network of elman, without labels or units"
    assert "5 tanh units, 3 inputs, 2 outputs; 57 parameters" in lines[1]
    trained(run, "--label", "rul", "--task", "regression", "--checkpoint", "run.ckpt")
    lines = run("inspect", "run.ckpt").stdout.splitlines()
    assert lines[0].startswith("run.ckpt: a checkpoint, RNNStepRegressor(")
    assert "predicts numbers for each step" in lines
    assert lines[-1] == "to go on with its training: elman resume run.ckpt"
    content = Path("network").read_bytes()
    Path("network").write_bytes(content[:-1])
    assert "network is damaged" in run("inspect", "network").stderr


@pytest.mark.parametrize("name", ["readings.csv", "arrays.npz", "empty", "random.safetensors"])
def test_what_is_no_model_is_named_as_none(run, name):
    np.savez("arrays.npz", X=np.zeros((2, 3, 1)))
    Path("empty").write_bytes(b"")
    Path("random.safetensors").write_bytes(np.random.default_rng(0).bytes(3000))
    result = run("predict", name, "readings.csv")
    assert result.exit_code == 1
    assert (
        f"{name} is not a model file or a checkpoint. Expected a file written by" in result.stderr
    )


@pytest.mark.parametrize("command", ["predict", "evaluate", "explain"])
def test_a_model_in_the_place_of_data(run, command):
    trained(run, "--label", "failed")
    model = "readings.safetensors"
    result = run(command, model, model)
    assert result.exit_code == 1
    assert f"{model} is a model of elman, not data" in result.stderr
    result = run(command, "full.csv", model)
    assert result.exit_code == 1
    assert "full.csv is not a model file" in result.stderr
    assert f"{model} is one: the model comes first." in result.stderr


@pytest.mark.parametrize("command", ["evaluate", "explain"])
def test_what_needs_labels_says_what_does_not(run, command):
    trained(run, "--label", "failed")
    words = run(command, "readings.safetensors", "new.csv").stderr
    assert "new.csv has no column 'failed', which the model was trained with" in words
    assert "evaluated or explained needs it; `elman predict` does not." in words
    assert run("predict", "readings.safetensors", "new.csv").exit_code == 0


def test_training_on_a_model_and_an_empty_file_beside_one(run):
    trained(run, "--label", "failed")
    result = run("train", "readings.safetensors", "--output", "other")
    assert "readings.safetensors is a model of elman, not data" in result.stderr
    Path("empty").write_bytes(b"")
    assert "comes first" not in run("predict", "new.csv", "empty").stderr


def test_a_class_that_the_test_alone_has_is_named(run):
    table = readings(30)
    rare = table.machine == table.machine.unique()[2]  # which the test has
    table.assign(failed=np.where(rare, "yes", "no")).to_csv("readings.csv", index=False)
    with pytest.warns(ConvergenceWarning, match="one class only"):
        _, result = trained(run, "--label", "failed")
    assert "classes of the test alone, which are not learned: yes (1 sequence)" in result.stdout


def test_one_class_alone_is_said_in_our_words(run):
    readings(30).assign(failed="no").to_csv("readings.csv", index=False)
    with pytest.warns(ConvergenceWarning) as caught:
        trained(run, "--label", "failed")
    assert ["one class only, 'no'" in str(w.message) for w in caught] == [True]
    result = run("evaluate", "readings.safetensors", "readings.csv", "--json")
    assert json.loads(result.stdout)["confusion"] == [[30]]


def test_confusion_is_by_label_and_answer(run):
    model, _ = trained(run, "--label", "failed")
    X, y, _ = elman.read_sequences("readings.csv", like=model)
    result = run("evaluate", "readings.safetensors", "readings.csv", "--json")
    assert json.loads(result.stdout)["confusion"] == confusion_matrix(y, model.predict(X)).tolist()


def test_inspect_says_what_is_infinite_empty_and_of_one_class(run):
    frame = readings(4)
    frame["failed"], frame["nothing"] = "no", np.nan
    frame.loc[[1, 3], "temp"] = [np.inf, -np.inf]
    frame.to_csv("odd.csv", index=False)
    keep = ["--features", "temp,vib,nothing", "--label", "failed"]
    result = run("inspect", "odd.csv", *keep)
    assert result.exit_code == 0, result.output
    assert "infinite: temp 2" in result.stdout
    assert "empty: nothing" in result.stdout
    assert "label: one class only" in result.stdout
    assert "(1 class: 4)" in result.stdout
    assert "constant" not in result.stdout
    found = json.loads(run("inspect", "odd.csv", *keep, "--json").stdout)
    assert found["infinite"] == {"temp": 2}
    assert found["empty"] == ["nothing"]
    assert found["range"]["nothing"] is None
    finite = frame["temp"][np.isfinite(frame["temp"])]
    assert found["range"]["temp"] == [finite.min(), finite.max()]
    usual = run("inspect", "readings.csv", "--features", "temp,vib", "--label", "failed").stdout
    assert not any(word in usual for word in ("infinite", "empty", "one class"))


def test_times_are_written_no_finer_than_they_are(run):
    frame = readings(30)
    frame["at"] = pd.Timestamp("2026-03-01 12:00") + pd.to_timedelta(frame["at"], "min")
    frame.to_csv("readings.csv", index=False)
    trained(run, "--label", "state", "--task", "tag")
    _, rows = table(run("predict", "readings.safetensors", "readings.csv").stdout)
    assert [row[1] for row in rows[:2]] == ["2026-03-01T12:00:00", "2026-03-01T12:01:00"]


def test_a_long_read_shows_its_share(tmp_path, monkeypatch):
    import rich.console

    from elman.cli import tables

    output = io.StringIO()
    terminal = partial(rich.console.Console, file=output, force_terminal=True, width=80)
    monkeypatch.setattr("rich.console.Console", lambda **_: terminal())
    monkeypatch.setattr(tables, "_LONG", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    path = tmp_path / "a.csv"
    path.write_text("id,x\n")
    with tables.reading_bar(path) as progress:
        progress(0.37)
        time.sleep(0.5)
    assert "reading a.csv (0.0 MB)" in output.getvalue()
    assert "37%" in output.getvalue()
    output.truncate(0)
    monkeypatch.setattr(tables, "_LONG", 60.0)
    with tables.reading_bar(path) as progress:
        progress(0.37)
    assert "reading" not in output.getvalue()


def test_own_older_table_is_replaced_and_no_other(run):
    trained(run, "--label", "failed")
    command = ["predict", "readings.safetensors", "new.csv", "--output", "answers.csv"]
    assert run(*command).exit_code == 0
    written = Path("answers.csv").read_bytes()
    assert table(written.decode())[0] == ["machine", "failed"]
    assert pd.read_csv("answers.csv").columns.tolist() == ["machine", "failed"]
    assert run(*command[:-2]).stdout.encode() == written  # the same to a pipe
    assert run(*command, "--probabilities").exit_code == 0
    assert table(Path("answers.csv").read_text())[0][2:] == ["p(no)", "p(yes)"]
    assert run(*command).exit_code == 0
    assert Path("answers.csv").read_bytes() == written
    frame = pd.read_csv("answers.csv")
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC):
        frame.to_csv("answers.csv", index=False, quoting=quoting)
        before = Path("answers.csv").read_bytes()
        result = run(*command)
        assert result.exit_code == 2
        assert "--force" in result.stderr
        assert Path("answers.csv").read_bytes() == before


def test_a_folder_names_model_and_guess(run, tmp_path, monkeypatch):
    folder = tmp_path / "walks"
    folder.mkdir()
    for name, rows in pd.read_csv("readings.csv").groupby("machine"):
        rows[["temp", "vib", "rul"]].to_csv(folder / f"{name}.csv", index=False)
    monkeypatch.chdir(folder)
    train = ["train", ".", "--label", "rul", "--task", "regression", *SMALL]
    refused = " ".join(run(*train).stderr.replace("│", " ").split())
    assert "--output: walks.safetensors would be in the folder that is read" in refused
    result = run(*train, "--output", "../walks.safetensors")
    assert result.exit_code == 0, result.output
    assert 'from all files of the folder "walks"' in " ".join(result.stdout.split())
    assert "model: ../walks.safetensors" in result.stdout
    Path("walks.safetensors").write_bytes(Path("../walks.safetensors").read_bytes())
    again = run(*train, "--output", "../walks.safetensors")
    assert "(walks.safetensors: safetensors, m0.csv: text)" in again.stderr
