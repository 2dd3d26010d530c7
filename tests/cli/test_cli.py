import itertools
import json
import logging
import os
import pty
import re
import resource
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
from llvmlite import binding
from typer.testing import CliRunner

import elman
import elman.datasets
from elman import RNNClassifier, RNNTagger
from elman.cli import app
from elman.cli.options import Cell, Schedule, Solver
from elman.cli.sources import EngineName
from elman.data import read_npz
from elman.engines import ENGINES
from elman.equations import CELLS
from elman.training import OPTIMIZERS, SCHEDULES

SMALL = ["--hidden", "16", "--epochs", "3", "--batch-size", "64"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(a) for a in arguments])


@pytest.fixture
def files(tmp_path):
    """Ragged sequences with a label each, the same with a label a step, and rows."""
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 2)) for n in rng.integers(2, 7, size=60)]
    y_steps = [np.where(x.cumsum(axis=0)[:, 0] > 0, "up", "down") for x in X]
    y = [labels[-1] for labels in y_steps]
    flat = {"X": np.concatenate(X), "lengths": [len(x) for x in X]}
    np.savez(tmp_path / "ragged.npz", y=y, **flat)
    np.savez(tmp_path / "steps.npz", y=np.concatenate(y_steps), **flat)
    np.savez(tmp_path / "rows.npz", X=rng.standard_normal((60, 6)), y=y)


def test_train_leaves_a_model_that_evaluates_alike(run):
    trained = run("train", "digits", *SMALL)
    assert trained.exit_code == 0, trained.output
    evaluated = run("evaluate", "digits.safetensors", "digits")
    accuracy = re.search(r"test accuracy [\d.]+%", trained.output).group()
    assert accuracy in evaluated.output
    assert "answers (columns)" in evaluated.output


def test_plain_lines_when_not_on_a_terminal(run):
    lines = [x for x in run("train", "digits", *SMALL).stdout.splitlines() if "epoch" in x]
    assert [re.match(r"epoch (\d)/3 ", x).group(1) for x in lines[:3]] == ["1", "2", "3"]
    assert "\x1b" not in "".join(lines)


def test_a_bar_on_a_terminal(tmp_path):
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "elman", "train", "digits", *SMALL, "--diagnose"]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=slave, stderr=slave, env=environment
    ) as process:
        os.close(slave)
        shown = b""
        try:
            while chunk := os.read(master, 4096):
                shown += chunk
        except OSError:  # how Linux says that the other side has closed
            pass
    os.close(master)
    assert process.returncode == 0
    assert b"epoch 3/3" in shown
    assert "━".encode() in shown
    assert b"seq/s" in shown
    assert b"epoch 2: gradient " in shown


def test_quiet_prints_the_accuracy_alone(run):
    assert re.fullmatch(r"0\.\d{4}\n", run("train", "digits", *SMALL, "--quiet").stdout)


def test_quiet_does_not_say_that_something_is_compiled(run, monkeypatch):
    logger, seen = logging.getLogger("elman.compiling"), []

    def train(self, form):
        seen.append((form, logger.isEnabledFor(logging.INFO), logger.isEnabledFor(logging.WARNING)))

    monkeypatch.setattr("elman.cli.training.Training.run", train)
    before = logger.parent.level
    logger.parent.setLevel(logging.INFO)  # as main does
    try:
        run("train", "digits", "--quiet")
        run("train", "digits")
    finally:
        logger.parent.setLevel(before)
    assert seen == [("quiet", False, True), ("plain", True, True)]


def test_json_is_one_object_with_everything(run):
    result = json.loads(run("train", "digits", *SMALL, "--json").stdout)
    assert result["params"]["hidden_layer_sizes"] == [16]
    assert [row["epoch"] for row in result["history"]] == [1, 2, 3]
    assert np.sum(result["test"]["confusion"]) == result["test"]["n"] == 360
    assert np.trace(result["test"]["confusion"]) == result["test"]["n_right"]


def test_same_seed_same_file(run, tmp_path):
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        run("train", "digits", *SMALL, "--seed", seed, "--output", f"{name}.model")
    a, b, c = ((tmp_path / f"{name}.model").read_bytes() for name in "abc")
    assert a == b
    assert elman.load(tmp_path / "a.model").loss_ != elman.load(tmp_path / "c.model").loss_
    assert a != c


def test_every_option_reaches_the_estimator(run):
    options = {
        "hidden_layer_sizes": ("--hidden 8 --hidden 6", (8, 6)),
        "cell": ("--cell tanh --cell relu", ("tanh", "relu")),
        "bias": ("--no-bias", False),
        "bidirectional": ("--bidirectional", True),
        "n_members": ("--members 2", 2),
        "learn_initial_state": ("--learn-initial-state", True),
        "readout": ("--readout mean", "mean"),
        "dropout": ("--dropout 0.1", 0.1),
        "recurrent_dropout": ("--recurrent-dropout 0.2", 0.2),
        "standardize": ("--standardize sequence", "sequence"),
        "differences": ("--differences", True),
        "frame": ("--frame 4:2", (4, 2)),
        "step_size": ("--step-size 2", 2),
        "engine": ("--engine reference", "reference"),
        "n_jobs": ("--jobs 2", None),  # not stored
        "solver": ("--solver nesterov", "nesterov"),
        "learning_rate_init": ("--learning-rate 0.01", 0.01),
        "learning_rate": ("--schedule constant", "constant"),
        "recurrent_rate": ("--recurrent-rate 0.1", 0.1),
        "warmup": ("--warmup 0.2", 0.2),
        "batch_size": ("--batch-size 50", 50),
        "clip_norm": ("--clip 2", 2.0),
        "alpha": ("--alpha 0.01", 0.01),
        "momentum": ("--momentum 0.8", 0.8),
        "beta_1": ("--beta-1 0.8", 0.8),
        "beta_2": ("--beta-2 0.9", 0.9),
        "epsilon": ("--epsilon 1e-6", 1e-6),
        "class_weight": ("--class-weight balanced", "balanced"),
        "shuffle": ("--no-shuffle", False),
        "random_state": ("--seed 3", 3),
        "max_iter": ("--epochs 12", 12),
        "early_stopping": ("--early-stopping", True),
        "validation_fraction": ("--validation-fraction 0.2", 0.2),
        "n_iter_no_change": ("--patience 1", 1),
        "tol": ("--tol 0.5", 0.5),
    }
    arguments = " ".join(text for text, _ in options.values()).split()
    result = run("train", "digits", *arguments)
    assert result.exit_code == 0, result.output
    params = elman.load("digits.safetensors").get_params()
    assert {name: params[name] for name in options} == {
        name: value for name, (_, value) in options.items()
    }
    # a process trains once, and has its own --quiet; where states are kept changes no result
    untouchable = {"verbose", "warm_start", "checkpoint_steps"}
    of_steps = {"tbptt_steps"}  # digits are answered once a sequence
    of_texts = {"tokens", "min_frequency"}  # test_texts.py
    assert set(params) == set(options) | untouchable | of_steps | of_texts


def test_windows_are_for_what_answers_each_step(run, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 40))
    rows = [
        f"{i},{float(value)!r},{'up' if value > 0 else 'down'}" for i in range(6) for value in x[i]
    ]
    (tmp_path / "stream.csv").write_text("\n".join(["id,x,way", *rows]) + "\n")
    arguments = ["--id", "id", "--label", "way", "--task", "tag", "--hidden", 4, "--epochs", 2]
    result = run("train", "stream.csv", *arguments, "--tbptt-steps", 10)
    assert result.exit_code == 0, result.output
    assert elman.load("stream.safetensors").tbptt_steps == 10
    refused = run("train", "digits", *SMALL, "--tbptt-steps", 10)
    assert refused.exit_code == 2
    assert "--tbptt-steps 10 is for estimators that answer each step" in refused.output


def test_epochs_and_batches_of_auto(run):
    result = run("train", "digits", "--hidden", 4, "--max-iter", "auto", "--batch-size", "auto")
    assert result.exit_code == 0, result.output
    model = elman.load("digits.safetensors")
    assert (model.max_iter, model.batch_size, model.n_iter_) == ("auto", "auto", 17)
    assert "17 epochs of 90 updates (--epochs auto)" in result.output
    assert "epoch 1/17  loss" in result.output


def test_what_stopped_training_is_said(run):
    few = ["--hidden", 8, "--epochs", 90, "--patience", 2, "--tol", 0.2, "--learning-rate", 0.01]
    result = run("train", "digits", *few)
    assert "s; stopped after epoch" in result.output
    assert "the loss got better by less than 0.2 for 2 epochs" in result.output


def test_choices_are_those_of_the_library():
    """The command line repeats them, so that its help need not import the library."""
    assert set(Cell) == set(CELLS)
    assert get_args(Solver) == OPTIMIZERS
    assert get_args(EngineName) == ENGINES
    assert set(get_args(Schedule)) == set(SCHEDULES)


@pytest.mark.parametrize(
    ("options", "standardize"),
    [
        (("--standardize", "none"), False),
        (("--standardize", "all"), True),
    ],
    ids=str,
)
def test_what_is_standardised(run, options, standardize):
    assert run("train", "digits", *SMALL, *options).exit_code == 0
    assert elman.load("digits.safetensors").standardize is standardize


@pytest.mark.parametrize(("text", "frame"), [("auto", "auto"), ("none", None), ("3:1", (3, 1))])
def test_frames(run, text, frame):
    result = run("train", "digits", *SMALL, "--frame", text)
    assert result.exit_code == 0, result.output
    assert elman.load("digits.safetensors").frame == frame


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--frame", "4"), "as in 16:4, or auto, or none; got '4'"),
        (("--frame", "0:1"), "expected LENGTH:STRIDE, two whole numbers of at least 1"),
        (("--schedule", "0.01"), "'constant'. The rate itself is --learning-rate."),
        (("--learning-rate", "cosine"), "got 'cosine'. How it changes over time is --schedule."),
        (("--clip", "-1"), "expected a norm above 0, or 0, which does not clip; got -1"),
        (("--test-size", "2"), "expected a share above 0 and below 1, as in 0.2; got 2"),
        (("--cell", "gru", "--cell", "lstm"), "--hidden and --cell: 2 cells for 1 layer; expected"),
    ],
    ids=str,
)
def test_front_end_that_makes_no_sense_is_refused(run, options, message):
    result = run("train", "digits", *SMALL, *options)
    assert result.exit_code == 2
    words = " ".join(result.stderr.replace("│", " ").split())
    assert message in words


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--solver", "adamw", f"'adamw' is not one of {', '.join(map(repr, OPTIMIZERS))}."),
        ("--cell", "elman", f"'elman' is not one of {', '.join(map(repr, CELLS))}."),
        ("--hidden", "many", "expected a whole number of at least 1; got 'many'."),
        ("--hidden", "0", "expected a whole number of at least 1; got '0'."),
        ("--test-size", "most", "expected a number; got most"),
    ],
)
def test_wrong_values_are_refused_in_a_sentence(run, option, value, message):
    result = run("train", "digits", option, value)
    assert result.exit_code == 2
    words = " ".join(result.stderr.replace("│", " ").split())
    assert f"Invalid value for '{option}': {message}" in words


def test_no_clipping(run):
    run("train", "digits", *SMALL, "--clip", 0)
    assert elman.load("digits.safetensors").clip_norm is None


@pytest.mark.parametrize(("name", "kind"), [("ragged", RNNClassifier), ("steps", RNNTagger)])
def test_files_with_labels_for_sequences_or_steps(run, files, name, kind):
    assert run("train", f"{name}.npz", *SMALL).exit_code == 0
    model = elman.load(f"{name}.safetensors")
    assert type(model) is kind
    X, y = read_npz(f"{name}.npz")
    answers = [np.atleast_1d(answer).tolist() for answer in model.predict(X)]
    printed = run("predict", f"{name}.safetensors", f"{name}.npz").stdout.splitlines()
    assert printed == [" ".join(answer) for answer in answers]
    as_json = json.loads(run("predict", f"{name}.safetensors", f"{name}.npz", "--json").stdout)
    assert [np.atleast_1d(answer).tolist() for answer in as_json["labels"]] == answers
    evaluation = json.loads(run("evaluate", f"{name}.safetensors", f"{name}.npz", "--json").stdout)
    assert evaluation["accuracy"] == model.score(X, y)


@pytest.mark.parametrize(("name", "kind"), [("ragged", RNNClassifier), ("steps", RNNTagger)])
def test_evaluation_goes_through_the_network_once(run, files, monkeypatch, name, kind):
    run("train", f"{name}.npz", *SMALL)
    probabilities, calls = kind._outputs, []

    def counted(self, X, *arguments, **options):
        calls.append(len(X))
        return probabilities(self, X, *arguments, **options)

    monkeypatch.setattr(kind, "_outputs", counted)
    assert run("evaluate", f"{name}.safetensors", f"{name}.npz").exit_code == 0
    assert calls == [60]


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ((4, 6, 2), np.zeros((4, 5), int), r"y\[0\] has 5 entries, but sequence 0 has 6 step\(s\)"),
        ((4, 6, 2), np.full((4, 6), np.nan), "contains missing labels"),
        ((4, 6, 2), np.full((4, 6), 0.5), "Unknown label type"),
    ],
)
def test_labels_of_another_shape_or_kind_are_refused(run, tmp_path, X, y, message):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(X)
    RNNTagger(3, max_iter=1).fit(X, rng.integers(2, size=X.shape[:2])).save("model")
    np.savez("data.npz", X=X, y=y)
    assert re.search(message, run("evaluate", "model", "data.npz").stderr)


def test_one_hot_labels_and_columns(run, tmp_path):
    """Where there are as many classes as steps, too: a tagger is not what is meant."""
    X, codes = np.random.default_rng(0).standard_normal((30, 3, 2)), np.arange(30) % 3
    np.savez("one-hot.npz", X=X, y=np.eye(3)[codes])
    result = run("train", "one-hot.npz", *SMALL)
    assert result.exit_code == 1
    assert "y has shape (30, 3), and in each row a single 1: it looks one-hot" in result.stderr
    np.savez(  # as advised
        "steps.npz", X=np.concatenate(X), y=np.concatenate(np.eye(3)[codes]), lengths=[3] * 30
    )
    assert run("train", "steps.npz", *SMALL).exit_code == 0
    assert isinstance(elman.load("steps.safetensors"), RNNTagger)
    np.savez("column.npz", X=X, y=codes[:, None])
    np.savez("flat.npz", X=X, y=np.argmax(np.eye(3)[codes], axis=1))
    for name in ("column", "flat"):
        assert run("train", f"{name}.npz", *SMALL).exit_code == 0
        evaluated = run("evaluate", f"{name}.safetensors", "column.npz", "--json")
        assert json.loads(evaluated.stdout)["unit"] == "sequences"
    refused = run("evaluate", "flat.safetensors", "one-hot.npz")
    assert refused.exit_code == 1
    assert "looks one-hot" in refused.stderr
    vectors = [
        elman.load(f"{n}.safetensors").network_.parameters.vector for n in ("column", "flat")
    ]
    np.testing.assert_array_equal(*vectors)


def test_file_is_known_by_its_content_not_its_name(run, files, tmp_path):
    (tmp_path / "ragged.npz").rename(tmp_path / "measured")
    assert run("train", "measured", *SMALL).exit_code == 0
    assert run("evaluate", "measured.safetensors", "measured").exit_code == 0
    (tmp_path / "text").write_text("a,b")
    result = run("train", "text", *SMALL)
    assert result.exit_code == 1
    assert "text has no rows, only the columns a, b" in result.stderr


def test_padding_with_nan_is_no_steps(run, files):
    X, y = read_npz("steps.npz")
    longest = max(map(len, X))
    stack, labels = np.full((60, longest, 2), np.nan), np.full((60, longest), "", "<U4")
    for i, (x, y_i) in enumerate(zip(X, y, strict=True)):
        stack[i, : len(x)], labels[i, : len(x)] = x, y_i
    np.savez("padded.npz", X=stack, y=labels)
    for name in ("padded", "steps"):
        assert run("train", f"{name}.npz", *SMALL).exit_code == 0
    padded, ragged = (elman.load(f"{n}.safetensors") for n in ("padded", "steps"))
    assert padded.classes_.tolist() == ["down", "up"]
    np.testing.assert_array_equal(
        padded.network_.parameters.vector, ragged.network_.parameters.vector
    )
    evaluations = [
        json.loads(run("evaluate", "padded.safetensors", f"{n}.npz", "--json").stdout)
        for n in ("padded", "steps")
    ]
    assert evaluations[0]["accuracy"] == evaluations[1]["accuracy"]


def test_predicted_probabilities(run, files):
    run("train", "rows.npz", *SMALL, "--step-size", 2)
    lines = run("predict", "rows.safetensors", "rows.npz", "--probabilities").stdout.splitlines()
    X = np.load("rows.npz")["X"]
    printed = np.array([line.split() for line in lines], dtype=float)
    np.testing.assert_allclose(
        printed, elman.load("rows.safetensors").predict_proba(X), atol=5e-7, rtol=0
    )


def test_binary_and_flat(run):
    assert run("train", "digits", "--binary", 3, 8, "--steps", "flat", *SMALL).exit_code == 0
    name = "digits-3-8-flat.safetensors"
    model = elman.load(name)
    assert model.classes_.tolist() == [3, 8]
    assert model.n_features_in_ == 64
    assert model.cell == "dense"
    right = run("evaluate", name, "digits", "--binary", 3, 8, "--steps", "flat")
    assert right.exit_code == 0
    wrong = run("evaluate", name, "digits", "--binary", 3, 8)
    assert wrong.exit_code == 1
    assert "expecting 64 features" in wrong.stderr
    wrong = run("evaluate", name, "digits", "--steps", "flat")
    assert wrong.exit_code == 1
    assert "labels that the model does not know: [0, 1, 2, 4, 5, 6, 7, 9]" in wrong.stderr


def test_the_learning_curve_is_a_picture(run, tmp_path):
    pytest.importorskip("matplotlib")
    result = run("train", "digits", *SMALL, "--plot", "curve.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    history = elman.load("digits.safetensors").history_
    assert f"{history[-1]['test_accuracy']:.2%}" in result.output


def test_diagnose_prints_the_flow_of_each_epoch(run):
    lines = run("train", "digits", *SMALL, "--diagnose").stdout.splitlines()
    assert [line.split()[1] for line in lines[1:7]] == ["1/3", "1:", "2/3", "2:", "3/3", "3:"]
    shape = (
        r"epoch 3: gradient (healthy|vanishing|exploding|saturated), [\d.e-]+ left 7 steps back, "
        r"\d+% saturated, largest σ \d+\.\d\d"
    )
    assert re.fullmatch(shape, lines[6])


def test_diagnose_beside_quiet_and_json(run):
    quiet = run("train", "digits", *SMALL, "--diagnose", "--quiet")
    assert re.fullmatch(r"0\.\d{4}\n", quiet.stdout)
    assert [line.split(":")[0] for line in quiet.stderr.splitlines()] == [
        f"epoch {n}" for n in (1, 2, 3)
    ]
    result = json.loads(run("train", "digits", *SMALL, "--diagnose", "--json").stdout)
    assert [found["epoch"] for found in result["diagnoses"]] == [1, 2, 3]

    model = elman.load("digits.safetensors")
    data = elman.datasets.load_digits()
    chosen = np.sort(np.random.default_rng(0).permutation(len(data.X_train))[:256])
    flow = elman.gradient_flow(model, data.X_train[chosen], data.y_train[chosen])
    assert result["diagnoses"][-1] == {
        "epoch": 3,
        "kind": flow.kind,
        "left": flow.norms[7],
        "lag": 7,
        "saturated": flow.saturated_share,
        "singular": flow.singular[-1],
    }
    without = json.loads(run("train", "digits", *SMALL, "--json").stdout)
    assert "diagnoses" not in without
    assert [row["loss"] for row in without["history"]] == [row["loss"] for row in result["history"]]


@pytest.mark.parametrize("name", ["ragged", "steps", "rows"])
def test_diagnose_takes_what_training_takes(run, files, name):
    result = run("train", f"{name}.npz", *SMALL, "--diagnose")
    assert result.exit_code == 0, result.output
    assert result.stdout.count(": gradient ") == 3


def test_diagnose_layers_without_recurrence(run):
    result = run("train", "digits", "--steps", "flat", *SMALL, "--diagnose", "--json")
    last = json.loads(result.stdout)["diagnoses"][-1]
    assert (last["lag"], last["singular"]) == (0, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "cifar"], "neither a data set"),
        (["train", "digits", "--solver", "lbfgs"], "lbfgs"),
        (["train", "digits", "--hidden", "0"], "hidden"),
        (["train", "digits", "--learning-rate", "-1"], "expected a number above 0; got '-1'"),
        (["train", "absent.npz", "--tol", "-1"], "expected a number of at least 0; got '-1'"),
        (["train", "digits", "--cell", "tanh", "--cell", "tanh", "--hidden", "3"], "cell"),
        (["train", "digits", "--engine", "warp"], "engine"),
        (["train", "digits", "--output", "nowhere/model"], "no directory"),
        (["train", "digits", "--output", "."], "is a directory"),
        (["train", "digits", "--plot", "curve.foo"], "no kind of picture"),
        (["train", "digits", "--test-size", "0.5"], "has no effect on digits"),
        (["train", "digits", "--data-dir", "."], "has no effect on digits"),
        (["train", "x.npz", "--binary", "3", "8"], "has no effect on x.npz"),
        (["inspect", "digits"], "digits is a data set of elman's, not a file"),
        (["evaluate", "model"], "Missing argument"),
        (["check", "--engine", "warp"], "warp"),
        (["fly"], "No such command"),
        (["trian"], "Did you mean 'train'? "),
        (["train", "digits", "--epochs", "0"], "'0' is neither a whole"),
        (["train", "digits", "--batch-size", "all"], "'all' is neither a whole"),
    ],
)
def test_wrong_use_exits_2(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "absent.npz"], "absent.npz"),
        (["train", "broken.npz"], "not an .npz file"),
        (["train", "mnist", "--data-dir", "absent"], "no directory absent"),
        (["evaluate", "absent", "digits"], "absent"),
        (["evaluate", "broken.npz", "digits"], "not a model file"),
        (["predict", "broken.npz", "broken.npz"], "not a model file"),
    ],
)
def test_failures_exit_1_with_one_line(run, tmp_path, arguments, message):
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 no zip")
    result = run(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": np.ones((9, 3, 2)), "y": np.linspace(0, 1, 9)}, "continuous"),
        ({"X": np.ones((9, 3, 2)), "y": [np.nan] * 9}, "NaN"),
        ({"X": np.ones(9), "y": [0, 1, 0] * 3}, "dimension|1D"),
        ({"X": np.full((9, 4), "a"), "y": [0, 1, 0] * 3}, "string|text"),
        ({"X": np.full((9, 4), 1j), "y": [0, 1, 0] * 3}, "[Cc]omplex"),
    ],
)
def test_files_of_wrong_data_exit_1_with_one_line(run, arrays, message):
    np.savez("data.npz", **arrays)
    result = run("train", "data.npz", *SMALL)
    assert result.exit_code == 1
    assert re.match("error: .*", result.stderr)
    assert re.search(message, result.stderr)


@pytest.mark.parametrize(
    ("name", "replacement"),
    [
        ("os.access", lambda path, mode, **_: False),  # which typer asks
        ("pathlib.Path.is_file", None),
    ],
)
def test_a_file_without_permission_is_named_in_words(run, tmp_path, monkeypatch, name, replacement):
    (tmp_path / "a.csv").write_text("id,x\n")

    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(name, replacement or forbidden)
    result = run("inspect", tmp_path / "a.csv")
    assert result.exit_code in (1, 2)
    words = re.sub(r"[\s│]+", "", result.stderr)
    assert f"{tmp_path}/a.csvcannotberead:youhavenopermission.Askitsowner" in words
    assert "Errno" not in words


def test_a_message_names_the_sequence_of_the_file(run):
    X = np.ones((20, 4, 2))
    X[3, 2, 1] = np.nan
    np.savez("data.npz", X=X, y=[0, 1] * 10)
    assert "NaN at sequence 3, step 2, feature 1" in run("train", "data.npz").stderr


def test_a_model_of_other_labels_is_refused(run, files):
    run("train", "ragged.npz", *SMALL)
    run("train", "steps.npz", *SMALL)
    np.savez("numbers.npz", X=np.zeros((3, 4, 2)), y=[0, 1, 2])
    for arguments, message in [
        (("ragged.safetensors", "numbers.npz"), "both text, or both numbers"),
        (
            ("ragged.safetensors", "steps.npz"),
            "one label for each sequence; y has a label for each",
        ),
        (("steps.safetensors", "ragged.npz"), "a label for each step; y has one label for each"),
    ]:
        result = run("evaluate", *arguments)
        assert result.exit_code == 1
        assert message in result.stderr


def test_names_are_not_markup(run, tmp_path):
    X = np.random.default_rng(0).standard_normal((20, 3, 2))
    np.savez(tmp_path / "data.npz", X=X, y=["[red]a", "[/]b"] * 10)
    result = run("train", "data.npz", *SMALL, "--output", "a[b].model")
    assert result.exit_code == 0, result.output
    assert "model: a[b].model" in result.stdout
    assert "[red]a" in result.stdout
    assert "[/]b" in result.stdout


def test_divergence_keeps_the_last_good_weights(run):
    result = run("train", "digits", *SMALL, "--cell", "relu", "--learning-rate", 1e30, "--clip", 0)
    assert result.exit_code == 1
    assert "--learning-rate" in result.stderr or "learning_rate" in result.stderr
    assert "Traceback" not in result.output


def test_check_prints_a_table_and_passes(run):
    result = run("check")
    assert result.exit_code == 0
    assert "loss and gradients right" in result.stdout
    assert "3 × tanh" in result.stdout
    assert "\nloss " in result.stdout
    as_json = json.loads(run("check", "--json").stdout)
    assert as_json["passed"]
    assert all(row["errors"]["loss"] <= as_json["worst"] for row in as_json["rows"])
    assert run("check", "--quiet").stdout == ""


def test_check_fails_on_a_wrong_gradient(run, monkeypatch):
    from elman.equations import network

    right = network.recurrent_gradients

    def without_last_step(delta, *arguments):
        return right([*delta[:-1], 0 * delta[-1]], *arguments)

    monkeypatch.setattr(network, "recurrent_gradients", without_last_step)
    result = run("check", "--engine", "reference")
    assert result.exit_code == 1
    assert "gradients wrong" in result.stdout
    assert "failed W1" in result.stdout or "failed U1" in result.stdout


def test_check_fails_on_a_wrong_loss(run, monkeypatch):
    from elman.engines.compiled.engine import TreeSum

    right = TreeSum.add
    monkeypatch.setattr(
        TreeSum, "add", lambda self, i, loss, *rest: right(self, i, 2 * loss, *rest)
    )
    result = run("check")
    assert result.exit_code == 1
    assert "loss and gradients wrong" in result.stdout
    assert (
        "failed loss (cross_entropy, last, 1 tanh, bias, one label, equal lengths, forward): "
        "error 1.0e+00" in result.stdout
    )
    rows = json.loads(run("check", "--json").stdout)["rows"]
    errors = [row["errors"] for row in rows if row["loss"] == "cross_entropy"]
    assert all(row.pop("loss") == pytest.approx(1) and max(row.values()) <= 1e-13 for row in errors)


def test_help_takes_little_more_than_what_draws_it():
    def seconds(*arguments):  # of the processor: other tests run beside this one
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def least(*arguments):
        return min(seconds(*arguments) for _ in range(6))  # the first run writes the byte code

    libraries = least("-c", "import typer.main, typer.rich_utils, rich.markdown, rich.columns")
    assert least("-m", "elman", "--help") < 2.5 * libraries  # with scikit-learn it would be 8 times


def test_help_imports_nothing_heavy():
    code = (
        "import sys, elman.cli; "
        "heavy = {'numpy', 'sklearn', 'pooch', 'matplotlib', 'safetensors'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("command", ["train", "predict", "tune", "resume"])
def test_help_has_full_lines_and_plain_switches(run, command):
    text = run(command, "--help").stdout
    assert "<bool>" not in text
    prose = text.partition("Usage:")[2].partition("╭")[0].splitlines()[1:]
    for is_empty, paragraph in itertools.groupby(prose, lambda line: not line.strip()):
        lines = [] if is_empty else list(paragraph)
        for line, after in itertools.pairwise(lines):
            first = after.split()[0]
            assert len(line.rstrip()) + 1 + len(first) > 79, line


@pytest.mark.parametrize(
    ("name", "features", "expected"),
    [
        ("haswell", "+sse2,+avx,+avx2,-avx512f", "haswell (AVX2, 8 float32 lanes)"),
        ("skylake-avx512", "+avx2,+avx512f", "skylake-avx512 (AVX-512, 16 float32 lanes)"),
        ("apple-m1", "+neon", "apple-m1 (NEON, 4 float32 lanes)"),
        ("generic", None, "generic"),
    ],
)
def test_version_says_what_the_engine_is_compiled_for(run, monkeypatch, name, features, expected):
    monkeypatch.setenv("NUMBA_CPU_NAME", name)
    monkeypatch.delenv("NUMBA_CPU_FEATURES", raising=False)
    if features is not None:
        monkeypatch.setenv("NUMBA_CPU_FEATURES", features)

    said = run("--version").stdout

    assert said.startswith(f"elman {elman.__version__}, engine compiled for {expected}, Python 3")
    assert said.count("\n") == 1


def test_version_knows_this_processor_as_numba_does(run):
    from numba import config
    from numba.core.codegen import get_host_cpu_features

    said = run("--version").stdout
    features = config.CPU_FEATURES if config.CPU_FEATURES is not None else get_host_cpu_features()

    assert (config.CPU_NAME or binding.get_host_cpu_name()) in said
    assert ("AVX2" in said) == ("+avx2" in features and "+avx512f" not in features)
    assert ("AVX-512" in said) == ("+avx512f" in features)


def test_frames_by_themselves_are_said_before_training(run, tmp_path):
    X = np.random.default_rng(0).standard_normal((20, 40, 1))
    np.savez(tmp_path / "long.npz", X=X, y=np.arange(20) % 2)
    result = run("train", "long.npz", *SMALL)
    assert "frames of 8 samples every 1 (--frame auto)\n" in result.stdout
    assert elman.load("long.safetensors").frame_ == (8, 1)
    assert "frames of" not in run("train", "long.npz", *SMALL, "--frame", "none", "--force").stdout
