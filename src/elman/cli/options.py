"""The options of ``elman train``: what each takes, what it is called, and what it is for.

Each is left out as None, for the data set's recipe or the estimator's default to hold.
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import typer

from elman.cli.columns import TaskName
from elman.cli.sources import EngineName


def number_or_auto(given: str) -> int | str:
    """Take a whole number of at least 1, or "auto".

    Raises
    ------
    BadParameter
        If it is neither.
    """
    if given == "auto":
        return given
    try:
        number = int(given)
    except ValueError:
        number = 0
    if number < 1:
        raise typer.BadParameter(f"{given!r} is neither a whole number of at least 1 nor 'auto'.")
    return number


def seconds_of(text: str) -> float:
    """Read a time: 90s, 2m, 1h.

    Raises
    ------
    BadParameter
        If it is none.
    """
    from elman.tuning import seconds_in

    try:
        return seconds_in(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


class Cell(StrEnum):  # typer takes no list of Literals
    """The cells by name."""

    TANH = "tanh"
    RELU = "relu"
    DENSE = "dense"
    LEAKY = "leaky"
    GRU = "gru"
    LSTM = "lstm"


_network = partial(typer.Option, rich_help_panel="The network")
_learning = partial(typer.Option, rich_help_panel="How it learns")
_stopping = partial(typer.Option, rich_help_panel="When it stops")

# What is read and written

Output: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="The model file; if left out, DATASET.safetensors.", metavar="FILE"
    ),
]
Plot: TypeAlias = Annotated[
    Path | None, typer.Option(help="Draw the learning curve to this file.", metavar="FILE")
]
LogFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--log", help="Write the history to this file: a line of JSON an epoch.", metavar="FILE"
    ),
]
CheckpointFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        help="Keep in this file, epoch by epoch, what elman resume goes on from.",
        metavar="FILE",
    ),
]
Every: TypeAlias = Annotated[
    Any,
    typer.Option(
        parser=seconds_of,
        metavar="TIME",
        help="--checkpoint: write it after so much time, within epochs too: 30s, 5m, 1h.",
    ),
]
Diagnose: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--diagnose", help="Say after each epoch what is left of the gradient so many steps back."
    ),
]
TestSize: TypeAlias = Annotated[
    float | None,
    typer.Option(help="FILE: the share kept aside for the test; 0.2 if left out.", metavar="SHARE"),
]
Validation: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Another file to watch, with labels: end with the weights best on it.",
        metavar="FILE",
    ),
]
ValidationFraction: TypeAlias = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="--early-stopping: the share kept aside for it."),
]
Missing: TypeAlias = Annotated[
    Literal["forward", "mean", "indicator"] | None,
    typer.Option(
        metavar="HOW",
        rich_help_panel="Columns of a table",
        help="How missing values are filled, here and in prediction: forward (the last one before), "
        "mean, or indicator (the mean, and a feature that says so).",
    ),
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone.")]

# What is predicted

LossName: TypeAlias = Literal["squared_error", "absolute_error", "quantile", "poisson"]

Task: TypeAlias = Annotated[
    TaskName,
    typer.Option(
        metavar="TASK",
        help="FILE: classification (a label a sequence, or in .npz a step), tag (a label a row), or "
        "regression (numbers).",
    ),
]
LossOption: TypeAlias = Annotated[
    LossName | None,
    _learning(
        "--loss",
        help="regression: squared_error, absolute_error, quantile or poisson.",
        metavar="NAME",
    ),
]
Quantiles: TypeAlias = Annotated[
    list[float] | None,
    _learning("--quantile", help="--loss quantile: which; repeat it for several.", metavar="Q"),
]

# The network

Hidden: TypeAlias = Annotated[
    list[int] | None,
    _network(min=1, help="Units of a layer; repeat it for more layers.", metavar="N"),
]
Cells: TypeAlias = Annotated[
    list[Cell] | None,
    _network(
        help="tanh, relu, dense, leaky, gru or lstm, for all layers; repeat it for one a layer. FILE: "
        "gru if left out.",
        metavar="CELL",
    ),
]
Bidirectional: TypeAlias = Annotated[
    bool | None,
    _network(
        "--bidirectional/--one-direction",
        help="Whether beside each layer another one goes from the last step to the first.",
    ),
]
Members: TypeAlias = Annotated[
    Any,
    _network(
        "--members",
        parser=number_or_auto,
        metavar="N|auto",
        help="Networks trained side by side, whose answers are averaged; auto: 4 or 2 "
        "where sequences are answered once and there is time for it, else 1.",
    ),
]
LearnInitialState: TypeAlias = Annotated[
    bool | None,
    _network(
        "--learn-initial-state/--from-zeros",
        help="Whether the states before the first step are learned.",
    ),
]
ReadoutName: TypeAlias = Literal["auto", "last", "mean", "max"]
ReadoutOption: TypeAlias = Annotated[
    ReadoutName | None,
    _network(
        "--readout",
        help="What the output sees: the last state, or mean or max of all; auto: max, mean for a "
        "number a sequence, last where each step is answered.",
        metavar="HOW",
    ),
]
Bias: TypeAlias = Annotated[bool | None, _network(help="Whether there are b and c.")]
Standardize: TypeAlias = Annotated[
    Literal["auto", "all", "sequence", "none"] | None,
    _network(
        metavar="HOW",
        help="Bring each feature to mean 0, deviation 1: over all sequences, in each by itself beside "
        "that (sequence), or none; auto: sequence, or all where each step is answered.",
    ),
]
NoStandardize: TypeAlias = Annotated[
    bool, _network("--no-standardize", help="The same as --standardize none.")
]
Differences: TypeAlias = Annotated[
    bool | None,
    _network(
        "--differences/--no-differences",
        help="Whether the network also sees how features differ from the step before.",
    ),
]


def frame_of(text: str) -> tuple[int, int] | Literal["auto", "none"]:
    """Read what ``--frame`` is given."""
    if text in ("auto", "none"):
        return text  # type: ignore[return-value]
    try:
        length, stride = map(int, text.split(":"))
    except ValueError:
        raise typer.BadParameter(
            f"expected LENGTH:STRIDE, as in 16:4, or auto, or none; got {text!r}"
        ) from None
    return length, stride


FrameOption: TypeAlias = Annotated[
    Any,
    _network(
        "--frame",
        parser=frame_of,
        metavar="L:S",
        help="Take L steps of a sequence as one, every S; auto: by their lengths; none: one by one.",
    ),
]
StepSize: TypeAlias = Annotated[
    int | None, _network(min=1, help="FILE with a 2-D X: columns that make a step.", metavar="N")
]
Tokens: TypeAlias = Annotated[
    bool | None,
    _network("--tokens/--no-tokens", help="Whether a step is one symbol; text is, if left out."),
]
MinFrequency: TypeAlias = Annotated[
    int | None,
    _network(min=1, help="Symbols that come less often are as good as unknown.", metavar="N"),
]
Engine: TypeAlias = Annotated[
    EngineName | None, _network(help="What computes: compiled or reference.", metavar="NAME")
]
Jobs: TypeAlias = Annotated[
    int | None, _network(help="Threads, at most; all cores if left out.", metavar="N")
]

# How it learns

Solver = Literal["sgd", "momentum", "nesterov", "rmsprop", "adam"]
Schedule = Literal["cosine", "constant"]

SolverOption: TypeAlias = Annotated[
    Solver | None,
    _learning(help="The optimizer: sgd, momentum, nesterov, rmsprop or adam.", metavar="NAME"),
]
LearningRate: TypeAlias = Annotated[
    float | None,
    _learning(
        help="The highest; 0.003 or less suits adam and rmsprop, 0.1 the others.", metavar="RATE"
    ),
]
ScheduleOption: TypeAlias = Annotated[
    Schedule | None,
    _learning(help="How the learning rate changes: cosine or constant.", metavar="NAME"),
]
RecurrentRate: TypeAlias = Annotated[
    float | None, _learning(help="Multiplies the learning rate of the recurrent weights W.")
]
Warmup: TypeAlias = Annotated[
    float | None,
    _learning(help="Share of the updates in which the learning rate rises.", metavar="SHARE"),
]
BatchSize: TypeAlias = Annotated[
    Any,
    _learning(parser=number_or_auto, metavar="N|auto", help="Sequences to an update."),
]
TbpttSteps: TypeAlias = Annotated[
    int | None,
    _learning(
        min=1,
        metavar="N",
        help="An update each N steps, the states carried on; where each step is answered.",
    ),
]
Clip: TypeAlias = Annotated[
    float | None, _learning(help="Clip the gradient to this norm; 0: do not clip.", metavar="NORM")
]
DropoutRate: TypeAlias = Annotated[
    float | None,
    _learning("--dropout", help="Share of the units left out on their way up.", metavar="SHARE"),
]
RecurrentDropout: TypeAlias = Annotated[
    float | None,
    _learning(help="Share of the units left out on their way to the next step.", metavar="SHARE"),
]
Alpha: TypeAlias = Annotated[
    float | None, _learning(help="Penalty on squared weights.", metavar="A")
]
Momentum: TypeAlias = Annotated[
    float | None, _learning(help="For momentum and nesterov.", metavar="M")
]
Beta1: TypeAlias = Annotated[float | None, _learning("--beta-1", help="For adam.", metavar="B")]
Beta2: TypeAlias = Annotated[
    float | None, _learning("--beta-2", help="For adam and rmsprop.", metavar="B")
]
Epsilon: TypeAlias = Annotated[float | None, _learning(help="For adam and rmsprop.", metavar="E")]
ClassWeight: TypeAlias = Annotated[
    Literal["none", "balanced"],
    _learning(help="Weigh classes by how rare they are: none or balanced.", metavar="HOW"),
]
Shuffle: TypeAlias = Annotated[
    bool | None, _learning(help="A new order of the sequences each epoch.")
]
Seed: TypeAlias = Annotated[
    int, _learning(min=0, help="The same seed, the same bits.", metavar="N")
]

# When it stops

Epochs: TypeAlias = Annotated[
    Any,
    _stopping(
        "--epochs",
        "--max-iter",
        parser=number_or_auto,
        metavar="N|auto",
        help="Epochs to train, at most; auto: as many as make 1,500 updates, 10 at least.",
    ),
]
EarlyStopping: TypeAlias = Annotated[
    bool | None, _stopping(help="Keep sequences aside and end with the weights best on them.")
]
Patience: TypeAlias = Annotated[
    int | None,
    _stopping(
        min=1, metavar="N", help="Stop after N epochs without improvement; never if left out."
    ),
]
Tol: TypeAlias = Annotated[
    float | None, _stopping(help="A smaller improvement does not count.", metavar="TOL")
]
