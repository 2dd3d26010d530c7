"""``elman predict --follow``: each row is answered as it comes, as the whole sequence would be."""

import csv
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import elman
from elman import DataError, RNNClassifier, RNNStepRegressor, RNNTagger
from elman.cli import app
from elman.cli.follow import follow_input
from elman.cli.tables import rounded
from plain import plain_model


def frame_of(n, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "machine": np.repeat([f"m{i}" for i in range(n)], 4),
            "at": np.tile(np.arange(4), n),
            "temp": rng.standard_normal(4 * n),
            "gear": rng.choice(["up", "down"], 4 * n),
            "state": rng.choice(["a", "b"], 4 * n),
        }
    )


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = frame_of(10)
    frame.loc[::6, "temp"] = np.nan
    X, y, _ = elman.read_sequences(frame, label="state", task="tag", missing="forward")
    plain_model(RNNTagger, 4, max_iter=1, random_state=0, engine="reference").fit(X, y).save(
        "tagger"
    )
    runner = CliRunner()
    return lambda *arguments, **keywords: runner.invoke(
        app, [str(a) for a in arguments], **keywords
    )


def follow(run, text, *arguments, model="tagger"):
    return run("predict", model, "--follow", *arguments, input=text)


def test_rows_of_several_sequences_mixed(run):
    frame = frame_of(3, seed=1).drop(columns="state")
    frame.loc[[0, 5, 6], "temp"] = np.nan
    mixed = frame.sort_values(["at", "machine"])[["gear", "at", "temp", "machine"]]
    result = follow(run, mixed.to_csv(index=False), "--probabilities")
    assert result.exit_code == 0, result.output
    header, *rows = csv.reader(io.StringIO(result.stdout))
    assert header == ["machine", "at", "state", "p(a)", "p(b)"]
    model = elman.load("tagger")
    X, _, info = elman.read_sequences(frame, like=model)
    whole = dict(zip(info.ids.tolist(), model.predict_proba(X), strict=True))
    assert len(rows) == 12
    for machine, at, state, *p in rows:
        expected = whole[machine][int(at)]
        assert p == [f"{value:.6f}" for value in expected]
        assert state == "ab"[int(expected.argmax())]


def test_closed_input_is_said(run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(DataError, match="no input: standard input is closed"):
        follow_input(elman.load("tagger"), False, None)


def test_each_answer_comes_before_the_next_row(tmp_path, run):
    command = [sys.executable, "-m", "elman", "predict", "tagger", "--follow"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        process.stdin.write("machine,at,temp,gear\n")
        process.stdin.flush()
        assert process.stdout.readline() == 'machine,at,"state"\n'
        for at in range(3):
            process.stdin.write(f"m1,{at},0.5,up\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(f"m1,{at},")
        process.stdin.close()
        assert process.wait(20) == 0


def test_numbers_and_models_without_names(run):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 5, 2)), rng.standard_normal((20, 5))
    # whose steps have the bits of whole sequences, on any processor
    model = plain_model(RNNStepRegressor, 3, max_iter=1, random_state=0, engine="compiled")
    model.fit(X, y).save("model")
    text = "".join(",".join(map(repr, row)) + "\n" for row in X[0].tolist())
    lines = follow(run, text, model="model").stdout.splitlines()
    assert lines[0] == "prediction"
    expected = rounded(model.predict(X[:1])[0], model)
    np.testing.assert_array_equal([float(line) for line in lines[1:]], expected)
    assert "line 1: '1_0' is no number; expected 2" in follow(run, "1_0,2", model="model").stderr


def test_the_header_names_each_number_as_that_of_a_file_does(run):
    frame = frame_of(6).assign(load=np.linspace(0.0, 1.0, 24)).drop(columns=["gear", "state"])
    X, y, _ = elman.read_sequences(frame, label="load", task="regression")
    keywords = {"engine": "reference", "loss": "quantile", "quantile": [0.1, 0.5, 0.9]}
    model = plain_model(RNNStepRegressor, 3, max_iter=1, random_state=0, **keywords).fit(X, y)
    model.save("quantiles")
    frame.to_csv("new.csv", index=False)
    lines = follow(run, frame.to_csv(index=False), model="quantiles").stdout.splitlines()
    assert lines[0] == 'machine,at,load 0.1,load 0.5,"load 0.9"'
    assert {line.count(",") for line in lines} == {4}
    assert run("predict", "quantiles", "new.csv").stdout.splitlines()[0] == lines[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "machine,at,gear\n",
            "the first line has no column 'temp', which the model was trained with",
        ),
        (
            "machine,at,temp,gear\nm,0,1,up\nm,1,hot,up\n",
            "line 3: column 'temp': 'hot' is no number",
        ),
        (
            "machine,at,temp,gear\nm,0,1_0,up\n",
            "line 2: column 'temp': '1_0' is no number",
        ),
        (
            "machine,at,temp,gear\nm,0,-inf,up\n",
            "line 2: column 'temp' is infinite, '-inf'; expected",
        ),
        ("", "error: no input: the first line has to name the columns."),
        ("machine,at,temp,gear\nm\n", "line 2: 1 column; expected 4"),
        ("machine,at,temp,gear\nm,0,1\n", "line 2: 3 columns; expected 4"),
        ("machine,at,temp,gear\nm,0,1,side\n", "line 2: column 'gear': 'side' is none of the cat"),
    ],
)
def test_bad_lines_are_named(run, text, message):
    result = follow(run, text)
    assert result.exit_code == 1
    assert message in result.stderr


def test_a_missing_value_is_named_where_the_model_fills_none(run):
    X, y, _ = elman.read_sequences(frame_of(10), label="state", task="tag")
    model = plain_model(RNNTagger, 4, max_iter=1, engine="reference")
    model.fit(X, y).save("complete")
    text = "machine,at,temp,gear\nm,0,nan,up\nm,0,1,\nm,0,1,up\n"
    result = follow(run, text, model="complete")
    assert result.exit_code == 1
    advice = " has no value. The model was trained where nothing was missing: leave the rows out"
    assert f"line 2: column 'temp'{advice}" in result.stderr
    assert f"line 3: column 'gear'{advice}" in result.stderr
    assert "missing=" not in result.stderr
    assert len(result.stdout.splitlines()[-1]) > len("m,0,")
    model.fit([np.eye(2)] * 4, [["a", "b"]] * 4).save("arrays")
    assert "line 2: number 1 is nan" in follow(run, "1,2\nnan,2\n", model="arrays").stderr


def test_a_line_that_is_no_text_does_not_end_it(run):
    rows = "machine,at,temp,gear\nm,0,1,up\nmü,0,1,up\nm,1,1,up\n".encode("latin-1")
    result = follow(run, rows)
    assert result.exit_code == 1
    assert "line 3: 'm" in result.stderr
    assert "has the byte 0xfc, which is not UTF-8 text. Write the rows as UTF-8." in result.stderr
    assert [line[:4] for line in result.stdout.splitlines()[3:]] == ["m,1,"]
    assert "has the byte 0xe9" in follow(run, rows.replace(b"gear", b"g\xe9ar")).stderr


def test_a_bad_line_is_reported_and_the_others_answered_as_without_it(run):
    lines = ["machine,at,temp,gear", "m,0,1,up", "m,1,0.5,down", "m,2,,up"]
    clean = follow(run, "\n".join(lines), "--probabilities")
    assert clean.exit_code == 0
    lines[2:2] = ["m,9,hot,up", "m,9"]
    result = follow(run, "\n".join(lines), "--probabilities")
    assert result.exit_code == 1
    assert "line 3: column 'temp': 'hot' is no number" in result.stderr
    assert "line 4: 2 columns; expected 4" in result.stderr
    answers = result.stdout.splitlines()
    assert answers[2:4] == ["m,9,,,", "m,9,,,"]
    assert answers[:2] + answers[4:] == clean.stdout.splitlines()


def test_times_are_written_as_in_the_table_of_a_file(run):
    frame = frame_of(6).assign(gear=lambda f: f["temp"])
    days = pd.date_range("2026-03-01 23:00", periods=24, freq="30min")
    X, y, _ = elman.read_sequences(frame.assign(at=days), label="state", task="tag")
    model = plain_model(RNNTagger, 3, max_iter=1, random_state=0, engine="reference").fit(X, y)
    model.save("dated")
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S+01:00", "%Y-%m-%d %H:%M:%S.250"):
        text = frame.assign(at=days.strftime(form)).to_csv(index=False)
        Path("new.csv").write_text(text)
        result = follow(run, text, model="dated")
        assert result.exit_code == 0, result.output
        assert result.stdout == run("predict", "dated", "new.csv").stdout


def test_rows_come_in_the_order_of_their_times(run):
    lines = [
        "machine,at,temp,gear",
        "m,2026-03-01,1,up",
        "m,2026-02-28 12:00,1,up",
        "m,2026-03-01,1,up",
        "n,03.02.2026,1,up",
        "m,soon,1,up",
        "m,,1,up",
        "m,7,1,up",
    ]
    result = follow(run, "\n".join(lines))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[2:] == [
        "m,2026-02-28 12:00,",
        "m,2026-03-01,a",
        "n,2026-02-03,a",
        "m,soon,",
        "m,,",
        "m,7,",
    ]
    assert re.findall(r"line (\d): time 'at' is (.*?)[;.]", result.stderr) == [
        (
            "3",
            "2026-02-28T12:00:00, earlier than 2026-03-01 in the row before it, of the same sequence",
        ),
        ("6", "'soon' in this line"),
        ("7", "missing"),
        ("8", "7, and 2026-03-01 in the row before it"),
    ]


def test_an_empty_line_is_answered_as_other_bad_ones(run):
    result = follow(run, "machine,at,temp,gear\n\nm,0,1,up\n")
    assert (result.exit_code, result.stdout.splitlines()[1]) == (1, ",,")
    assert "line 2: an empty line; expected 4 columns." in result.stderr


def test_truth_values_and_decimal_commas_are_read_as_in_training(run):
    frame = frame_of(6).assign(on=[True, False] * 12).drop(columns="gear")
    text = frame.to_csv(index=False, sep=";", decimal=",")
    Path("new.csv").write_text(text)
    X, y, _ = elman.read_sequences("new.csv", label="state", task="tag")
    assert X.names == ("temp", "on")
    model = plain_model(RNNTagger, 3, max_iter=1, random_state=0, engine="reference").fit(X, y)
    model.save("truths")
    result = follow(run, text, "--probabilities", model="truths")
    assert result.exit_code == 0, result.output
    lines = run("predict", "truths", "new.csv", "--probabilities").stdout
    assert result.stdout == lines
    result = follow(run, "machine;at;temp;on\nm;0;1,5;maybe\n", model="truths")
    assert "line 2: column 'on': 'maybe' is no number" in result.stderr


def test_separators_and_quotes(run):
    text = '"machine";"at";"temp";"gear"\n"a;b";0;1.5;"up"\n'
    lines = follow(run, text).stdout.splitlines()
    assert lines[1].startswith("a;b,0,")
    text = "machine\tat\ttemp\tgear\na;b\t0\t1.5\tup\n"
    assert follow(run, text, "--separator", "tab").stdout.splitlines() == lines


def test_there_is_no_label_before_the_first_frame(run):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 5, 2)), np.arange(20) % 2
    model = plain_model(RNNClassifier, 3, max_iter=1, frame=(3, 1), engine="reference")
    model.fit(X, y).save("framed")
    text = "".join(",".join(map(repr, row)) + "\n" for row in X[0].tolist())
    lines = follow(run, text, model="framed").stdout.splitlines()
    assert lines[1:3] == ["", ""]
    assert lines[5] == str(model.predict(X[:1])[0])


def test_what_cannot_follow_is_refused_at_once(run):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 5, 2)), np.arange(20) % 2
    both = plain_model(
        RNNClassifier, 3, max_iter=1, bidirectional=True, random_state=0, engine="reference"
    )
    both.fit(X, y).save("both")
    result = follow(run, "1,2\n", model="both")
    assert result.exit_code == 1
    assert "a bidirectional network cannot answer step by step" in result.stderr
    RNNClassifier(3, max_iter=1, engine="reference").fit(X, y).save("of wholes")
    result = follow(run, "1,2\n", model="of wholes")
    assert result.exit_code == 1
    assert (
        "cannot answer step by step: --standardize sequence, which 'auto' is here" in result.stderr
    )
    assert "Train one with --standardize all and --frame none:" in result.stderr
    result = run("predict", "tagger", "new.csv", "--follow")
    assert result.exit_code == 2
    assert "--follow reads standard input" in result.output
    assert run("predict", "tagger").exit_code == 2
