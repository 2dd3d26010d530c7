"""Text that no terminal takes for commands, and that can always be printed."""

import io
import logging
import os
import pty
import re
import select
from functools import partial

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import elman
from elman import RNNClassifier
from elman.cli import app
from elman.cli.console import confusion_table
from elman.cli.output import Log, in_one_line, printable, say_error, say_in_words
from plain import plain_model
from processes import SECONDS, Run

SMALL = ["train", "digits", "--hidden", "8", "--epochs", "2"]
EVIL = "a\x1b[2J\nb\u202e"  # clears the screen, begins a line, turns the direction


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, ß, ☃, 👩\u200d🔬, a\xa0b", "plain, ß, ☃, 👩\u200d🔬, a\xa0b"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\nb\tc\rd\0", r"a\nb\tc\rd\x00"),
        ("\x7f\x80\x9b\x9f", r"\x7f\x80\x9b\x9f"),
        ("a\u2028b\u202ec\u2066d", r"a\u2028b\u202ec\u2066d"),
        ("\udcff", r"\udcff"),
        (7, "7"),
    ],
)
def test_control_characters_are_shown(text, expected):
    assert printable(text) == expected


def test_message_of_several_lines_is_one():
    assert in_one_line("Found NaN.\n  Remove it.\r\nSee \x1b[1m.") == (
        r"Found NaN. Remove it. See \x1b[1m."
    )


@pytest.fixture
def evil(tmp_path):
    """A file and its labels, each with all that a terminal would obey."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 3, 2)), np.array([EVIL, "[red]b"] * 20)
    np.savez(tmp_path / f"{EVIL}.npz", X=X, y=y)
    np.savez(tmp_path / "numbers.npz", X=X, y=np.arange(40) % 2)
    model = plain_model(RNNClassifier, 3, max_iter=1, random_state=0).fit(X, y)
    model.save(tmp_path / f"{EVIL}.model")
    return f"{EVIL}.npz", f"{EVIL}.model"


def test_foreign_text_is_shown_and_not_obeyed(run, evil):
    data, model = evil
    good = [
        ("train", data, "--hidden", 3, "--epochs", 1, "--output", f"{EVIL}.new", "--force"),
        ("evaluate", model, data),
        ("predict", model, data),
        ("explain", model, data, "--html", f"{EVIL}.html"),
    ]
    bad = [
        ("evaluate", data, data),
        ("evaluate", f"{EVIL}.nowhere", data),
        ("predict", model, model),
        ("train", f"{EVIL}.nowhere"),
        ("train", data, "--output", data),
        ("train", data, "--output", f"{EVIL}/model"),
        ("train", data, f"--{EVIL}"),
        ("train", data, "--cell", EVIL),
        ("evaluate", model, "numbers.npz"),
        (EVIL,),
    ]
    for arguments in good + bad:
        result = run(*arguments)
        assert (result.exit_code == 0) == (arguments in good), result.output
        assert "Traceback" not in result.output
        assert not set("\x1b\x9b\u202e\r") & set(result.output), arguments
        assert not re.search(r"^b", result.output, re.MULTILINE), arguments
        assert r"a\x1b[2J" in result.output, arguments


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
def test_any_encoding_will_do(tmp_path, encoding):
    np.savez(tmp_path / "ŷ.npz", X=np.ones((9, 3, 2)), y=["ŷ…", "\udcff", "ß"] * 3)
    with Run([*SMALL, "--diagnose"], tmp_path, encoding=encoding) as run:
        assert run.end() == 0
        assert not run.errors
    train = ["train", "ŷ.npz", "--hidden", 3, "--epochs", 1, "--readout", "last"]
    train += ["--output", "ŷ.model"]
    with Run(train, tmp_path, encoding=encoding) as run:
        assert run.end() == 0
        assert not run.errors
    if encoding == "ascii":
        assert r"\u0177..." in run.output
        assert r"\udcff" in run.output
    with Run(["evaluate", "…", "…"], tmp_path, encoding=encoding) as run:
        assert run.end() == 1
        assert run.errors.startswith("error: ")
    with Run(["explain", "ŷ.model", "ŷ.npz", "--json", "n", "--html", "h"], tmp_path) as run:
        assert run.end() == 0
    assert "\udcff" in elman.load(tmp_path / "ŷ.model").classes_


def on_a_terminal(arguments, folder, environment):
    """Return what a person sees, colours and all."""
    ours, terminal = pty.openpty()
    shown = b""
    with Run(arguments, folder, stdout=os.ttyname(terminal), environment=environment) as run:
        while ours in select.select([ours, run.process.sentinel], [], [], SECONDS)[0]:
            shown += os.read(ours, 65536)
        run.end()
    os.close(terminal)
    os.close(ours)
    return shown.decode()


COLOUR = re.compile(r"\x1b\[(\d+;)*[349]\d")


@pytest.mark.parametrize("arguments", [SMALL, ["evaluate", "no", "no"], ["fly"]], ids=str)
def test_colours_where_they_are_wanted(tmp_path, arguments):
    assert COLOUR.search(on_a_terminal(arguments, tmp_path, {"TERM": "xterm", "NO_COLOR": None}))
    plain = on_a_terminal(arguments, tmp_path, {"TERM": "xterm", "NO_COLOR": "1"})
    assert plain
    assert not COLOUR.search(plain)
    dumb = on_a_terminal(arguments, tmp_path, {"TERM": "dumb", "NO_COLOR": None})
    assert dumb
    assert "\x1b" not in dumb


def test_a_bar_of_many_epochs_is_one_line_of_80_columns(monkeypatch):
    from rich.console import Console
    from rich.text import Text

    from elman.cli import console
    from elman.training import Progress

    output = io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(
        console, "console", Console(file=output, force_terminal=True, width=80, highlight=False)
    )
    with console.training_progress(False) as show:
        show(Progress(130, 500, 60, 120, 0.0007, 1.0, 0.05))
    lines = [
        line for line in Text.from_ansi(output.getvalue()).plain.splitlines() if "epoch" in line
    ]
    assert "1,200 seq/s" in lines[-1]


@pytest.mark.parametrize("name", ["training_progress", "search_progress"])
def test_a_bar_leaves_room_for_what_ctrl_c_prints(name, monkeypatch):
    """A terminal echoes ^C behind the bar: in a full line that begins another, and the bar stays."""
    from rich.console import Console
    from rich.text import Text

    from elman.cli import console

    output = io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(
        console, "console", Console(file=output, force_terminal=True, width=80, highlight=False)
    )
    with getattr(console, name)(False):
        pass
    lines = Text.from_ansi(output.getvalue()).plain.splitlines()
    assert "━" in "".join(lines)
    assert max(map(len, lines)) <= 80 - 2 * len("^C")


def test_columns_of_long_labels_have_numbers(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    long = ["walking upstairs fast", "walking downstairs slow", "sitting on a chair", "lying"]
    for classes, header in ((long, ["(1)", "(2)", "(3)", "(4)"]), (list("abcd"), list("abcd"))):
        terminal = Console(width=80, file=io.StringIO())
        monkeypatch.setattr("elman.cli.console.console", terminal)
        terminal.print(confusion_table({"classes": classes, "confusion": [[30, 1, 0, 2]] * 4}))
        lines = terminal.file.getvalue().splitlines()
        assert lines[0].split() == [*header, "right"]
        assert len(lines) == 5  # no label is broken
        assert all(name in line for name, line in zip(classes, lines[1:], strict=True))


@pytest.mark.parametrize("say", [partial(say_in_words, err=True), say_error])
def test_sentences_are_broken_between_words_on_a_terminal_alone(say, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    sentence = "error: choose another name, or take --recurrent-dropout 0.1 away " * 3
    for is_terminal in (True, False):
        stream = io.StringIO()
        stream.isatty = lambda answer=is_terminal: answer
        monkeypatch.setattr("sys.stderr", stream)
        monkeypatch.setenv("COLUMNS", "60")
        say(sentence.strip())
        lines = stream.getvalue().splitlines()
        assert " ".join(lines) == sentence.strip()
        assert (max(map(len, lines)) <= 60) == is_terminal


def test_what_is_logged_names_options(capsys):
    Log().emit(logging.makeLogRecord({"msg": "early_stopping keeps %d aside", "args": (3,)}))
    assert capsys.readouterr().err == "elman: --early-stopping keeps 3 aside\n"


def test_a_long_path_in_an_error_stays_whole_on_a_terminal(monkeypatch):
    path = "/a/very/long/path/that/is/longer/than/the/terminal/model.safetensors"
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("COLUMNS", "40")
    say_error(f"{path} is not a model file")
    assert path in stream.getvalue()
