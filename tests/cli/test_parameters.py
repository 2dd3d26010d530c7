"""Messages name options, and help names all of them in full."""

import os
import re
import subprocess
import sys

import pytest
from typer.main import get_command

from elman import RNNClassifier, RNNRegressor
from elman.cli import app
from elman.cli.parameters import OPTIONS, by_options

COMMANDS = get_command(app).commands


def test_every_parameter_has_an_option_that_there_is():
    params = {**RNNClassifier().get_params(), **RNNRegressor().get_params()}
    assert set(OPTIONS) - {"validation_data"} == set(params) - {
        "verbose",
        "warm_start",
        "checkpoint_steps",
    }
    known = {name for option in COMMANDS["train"].params for name in option.opts}
    assert set(OPTIONS.values()) <= known


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("The 'tol' parameter of RNNClassifier must be", "--tol must be"),
        (
            "raise max_iter, or lower learning_rate_init.",
            "raise --epochs, or lower --learning-rate.",
        ),
        ("readout='mean' answers once", "--readout mean answers once"),
        ('Try cell="gru" or "lstm", or', "Try --cell gru or lstm, or"),
        ("missing='forward', 'mean' (--missing), or", "--missing forward, mean, or"),
        ("layout='wide' (--layout wide); id=... (--id).", "--layout wide; --id COLUMN."),
        ("name the features (--features).", "name the features (--features)."),
        ("reverse=True asks", "--reverse asks"),
        ("layer must be 1; a layer must be one", "--layer must be 1; a layer must be one"),
        ("there is no file in/id=3/label=4", "there is no file in/id=3/label=4"),
        ("hidden_layer_sizes and cell: 2 cells", "--hidden and --cell: 2 cells"),
        ("time=2024/part.csv is empty", "time=2024/part.csv is empty"),
        ("batch_size=16.csv is empty", "batch_size=16.csv is empty"),
        ("batch_size=16. Take", "--batch-size 16. Take"),
        ("Pass it, or set early_stopping=False.", "Pass it, or leave --early-stopping out."),
        ("the cell has a bias and no loss", "the cell has a bias and no loss"),
        ("there is no file max_iter.csv", "there is no file max_iter.csv"),
        ("cell='lstm', hidden_layer_sizes=(32,)", "--cell lstm, --hidden 32"),
        ("Set frame=(4, 1).", "Set --frame 4:1."),
        ("that streams: RNNRegressor(standardize=True).", "that streams: --standardize all."),
        (
            "with standardize=True, differences=False and frame=None, or",
            "with --standardize all, --no-differences and --frame none, or",
        ),
        ("validation_data: y has 2", "--validation: y has 2"),
    ],
)
def test_parameters_become_options(message, expected):
    assert by_options(message) == expected


def help_of(name, n_columns):
    return subprocess.run(
        [sys.executable, "-m", "elman", name, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": str(n_columns), "TERM": "dumb"},
    ).stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_has_a_line_for_each_option_at_100_columns(name):
    lines = [line for line in help_of(name, 100).splitlines() if line.startswith("│")]
    assert len(lines) >= len(COMMANDS[name].params)
    assert not [line for line in lines if line.startswith("│" + 12 * " ")]  # one that goes on


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_cuts_no_name_at_80_columns(name):
    shown = help_of(name, 80)
    words = set(re.split(r"[\s│,]+", shown))
    for option in COMMANDS[name].params:
        assert {n for n in [*option.opts, *option.secondary_opts] if n.startswith("--")} <= words
