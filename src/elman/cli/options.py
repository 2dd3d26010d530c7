"""The options of ``elman train``: what each takes, what it is called, and what it is for.

Each is left out as None, for the data set's recipe or the estimator's default to hold.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import typer

from elman.cli.columns import PANEL, TaskName
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


def whole(least: int) -> Callable[[Any], int]:
    """Make what reads a whole number of at least ``least``."""

    def number(given: Any) -> int:
        try:
            if (found := int(given)) >= least:
                return found
        except ValueError:
            pass
        raise typer.BadParameter(f"expected a whole number of at least {least}; got {given!r}.")

    return number


def number_for(parameter: str) -> Callable[[Any], float]:
    """Make what reads a number that this parameter of the estimators may be."""

    def number(given: Any) -> float:
        from elman.estimators.hyperparameters import Hyperparameters

        expected = Hyperparameters._parameter_constraints[parameter][0]
        with suppress(ValueError):
            if expected.is_satisfied_by(found := float(given)):
                return found
        raise typer.BadParameter(f"expected {expected}; got {given!r}")

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


# Panels, in the order in which people need them; ``cli.columns`` has one of its own.
_common = partial(typer.Option, rich_help_panel="Network and training")
_testing = partial(typer.Option, rich_help_panel="Test and early stopping")
_following = partial(typer.Option, rich_help_panel="Log and checkpoint")
_inputs = partial(typer.Option, rich_help_panel="Inputs, in detail")
_network = partial(typer.Option, rich_help_panel="Network, in detail")
_learning = partial(typer.Option, rich_help_panel="Training, in detail")

# What is read and written

Output: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Model file; DATASET.safetensors if left out.", metavar="FILE"
    ),
]
Plot: TypeAlias = Annotated[
    Path | None, typer.Option(help="Draw the learning curve to this file.", metavar="FILE")
]
Quiet: TypeAlias = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only the accuracy, or the score.")
]
Missing: TypeAlias = Annotated[
    Literal["forward", "mean", "indicator"] | None,
    typer.Option(
        metavar="HOW",
        rich_help_panel=PANEL,
        help="Fill missing values: forward (the last one), mean or indicator.",
    ),
]

# What is predicted

LossName: TypeAlias = Literal["squared_error", "absolute_error", "quantile", "poisson"]

Task: TypeAlias = Annotated[
    TaskName,
    typer.Option(
        metavar="TASK",
        show_default=False,
        help="classification (the default), tag (a label a step) or regression.",
    ),
]
LossOption: TypeAlias = Annotated[
    LossName | None,
    _learning(
        "--loss",
        metavar="NAME",
        help="squared_error, absolute_error, quantile or poisson (regression).",
    ),
]
Quantiles: TypeAlias = Annotated[
    list[float] | None,
    _learning("--quantile", metavar="Q", help="For --loss quantile; repeat it for several."),
]

# The network and its training: what most people set

Hidden: TypeAlias = Annotated[
    list[int] | None,
    _common(parser=whole(1), metavar="N", help="Units of a layer; repeat it for more layers."),
]
Cells: TypeAlias = Annotated[
    list[Cell] | None,
    _common(metavar="CELL", help="tanh, relu, dense, leaky, gru or lstm; once, or once a layer."),
]
Epochs: TypeAlias = Annotated[
    Any,
    _common(
        "--epochs",
        "--max-iter",
        parser=number_or_auto,
        metavar="N|auto",
        help="Epochs at most; auto: 1,500 updates, but 10 epochs at least.",
    ),
]
BatchSize: TypeAlias = Annotated[
    Any, _common(parser=number_or_auto, metavar="N|auto", help="Sequences in an update.")
]
LearningRate: TypeAlias = Annotated[
    float | None,
    _common(
        parser=number_for("learning_rate_init"),
        metavar="RATE",
        help="The highest; 0.003 or less suits adam, 0.1 suits sgd.",
    ),
]
Members: TypeAlias = Annotated[
    Any,
    _common(
        "--members",
        parser=number_or_auto,
        metavar="N|auto",
        help="Networks whose answers are averaged; auto: 4, 2 or 1.",
    ),
]
Seed: TypeAlias = Annotated[
    int, _common(parser=whole(0), metavar="N", help="The same seed, the same bits.")
]
Jobs: TypeAlias = Annotated[
    int | None,
    _common(parser=whole(1), metavar="N", help="Threads at most; all cores if left out."),
]

# Test and early stopping

TestSize: TypeAlias = Annotated[
    float | None,
    _testing(metavar="SHARE", help="Share of a FILE kept aside for the test; 0.2 if left out."),
]
Validation: TypeAlias = Annotated[
    Path | None,
    _testing(metavar="FILE", help="Labelled file to watch: end with the weights best on it."),
]
EarlyStopping: TypeAlias = Annotated[
    bool, _testing("--early-stopping", help="Keep sequences aside, and watch these.")
]
ValidationFraction: TypeAlias = Annotated[
    float | None,
    _testing(
        parser=number_for("validation_fraction"),
        metavar="SHARE",
        help="Share that --early-stopping keeps aside.",
    ),
]
Patience: TypeAlias = Annotated[
    int | None,
    _testing(parser=whole(1), metavar="N", help="Stop after N epochs without improvement."),
]
Tol: TypeAlias = Annotated[
    float | None,
    _testing(parser=number_for("tol"), metavar="TOL", help="A smaller improvement does not count."),
]

# Log and checkpoint

LogFile: TypeAlias = Annotated[
    Path | None,
    _following("--log", metavar="FILE", help="Write the history: a line of JSON an epoch."),
]
CheckpointFile: TypeAlias = Annotated[
    Path | None,
    _following("--checkpoint", metavar="FILE", help="Write what `elman resume` continues from."),
]
Every: TypeAlias = Annotated[
    Any,
    _following(
        parser=seconds_of,
        metavar="TIME",
        help="Time between two checkpoints: 30s, 5m, 1h; an epoch if left out.",
    ),
]
Diagnose: TypeAlias = Annotated[
    bool,
    _following(
        "--diagnose", help="Say after each epoch whether the gradient vanishes or explodes."
    ),
]

# Inputs, in detail

Standardize: TypeAlias = Annotated[
    Literal["auto", "all", "sequence", "none"] | None,
    _inputs(metavar="HOW", help="all, sequence (each by itself), none or auto."),
]
Differences: TypeAlias = Annotated[
    bool | None,
    _inputs(
        "--differences/--no-differences", help="Add each feature's change since the last step."
    ),
]


def frame_of(text: str) -> tuple[int, int] | Literal["auto", "none"]:
    """Read what ``--frame`` is given."""
    if text in ("auto", "none"):
        return text  # type: ignore[return-value]
    try:
        length, stride = map(int, text.split(":"))
    except ValueError:
        length = stride = 0
    if min(length, stride) < 1:
        raise typer.BadParameter(
            "expected LENGTH:STRIDE, two whole numbers of at least 1, as in 16:4, or auto, or none; "
            f"got {text!r}"
        )
    return length, stride


FrameOption: TypeAlias = Annotated[
    Any,
    _inputs(
        "--frame",
        parser=frame_of,
        metavar="L:S",
        help="Take L steps as one, every S; or auto, none.",
    ),
]
Tokens: TypeAlias = Annotated[
    bool | None, _inputs("--tokens/--no-tokens", help="A step is one symbol; text always is.")
]
MinFrequency: TypeAlias = Annotated[
    int | None,
    _inputs(parser=whole(1), metavar="N", help="Treat symbols that are rarer as unknown."),
]
StepSize: TypeAlias = Annotated[
    int | None,
    _inputs(parser=whole(1), metavar="N", help="Columns that make a step (.npz with a 2-D X)."),
]

# The network, in detail

Bidirectional: TypeAlias = Annotated[
    bool | None,
    _network(
        "--bidirectional/--no-bidirectional",
        help="Add layers that run from the end.",
    ),
]
ReadoutName: TypeAlias = Literal["auto", "last", "mean", "max"]
ReadoutOption: TypeAlias = Annotated[
    ReadoutName | None,
    _network(
        "--readout",
        metavar="HOW",
        help="States to read: last, mean, max or auto.",
    ),
]
LearnInitialState: TypeAlias = Annotated[
    bool, _network("--learn-initial-state", help="Learn the states before the first step.")
]
NoBias: TypeAlias = Annotated[bool, _network("--no-bias", help="Leave out the biases b and c.")]
DropoutRate: TypeAlias = Annotated[
    float | None,
    _network(
        "--dropout",
        parser=number_for("dropout"),
        metavar="SHARE",
        help="Share of a layer's outputs to drop.",
    ),
]
RecurrentDropout: TypeAlias = Annotated[
    float | None,
    _network(
        parser=number_for("recurrent_dropout"),
        metavar="SHARE",
        help="Share of states to drop between steps.",
    ),
]
Engine: TypeAlias = Annotated[
    EngineName | None, _network(metavar="NAME", help="compiled (the default) or reference.")
]

# The training, in detail

Solver = Literal["sgd", "momentum", "nesterov", "rmsprop", "adam"]
Schedule = Literal["cosine", "constant"]

ClassWeight: TypeAlias = Annotated[
    Literal["none", "balanced"],
    _learning(
        metavar="HOW", show_default=False, help="balanced: rare classes weigh more; or none."
    ),
]
SolverOption: TypeAlias = Annotated[
    Solver | None, _learning(metavar="NAME", help="sgd, momentum, nesterov, rmsprop or adam.")
]
ScheduleOption: TypeAlias = Annotated[
    Schedule | None, _learning(metavar="NAME", help="Learning rate over time: cosine or constant.")
]
Warmup: TypeAlias = Annotated[
    float | None,
    _learning(
        parser=number_for("warmup"),
        metavar="SHARE",
        help="Share of the updates in which the learning rate rises.",
    ),
]
RecurrentRate: TypeAlias = Annotated[
    float | None,
    _learning(
        parser=number_for("recurrent_rate"),
        metavar="FACTOR",
        help="Multiplies the learning rate of the recurrent weights W.",
    ),
]
Clip: TypeAlias = Annotated[
    float | None, _learning(metavar="NORM", help="Clip the gradient to this norm; 0 does not clip.")
]
Alpha: TypeAlias = Annotated[
    float | None,
    _learning(parser=number_for("alpha"), metavar="A", help="Penalty on squared weights."),
]
TbpttSteps: TypeAlias = Annotated[
    int | None,
    _learning(parser=whole(1), metavar="N", help="Update every N steps of a sequence (BPTT(N))."),
]
Momentum: TypeAlias = Annotated[
    float | None,
    _learning(parser=number_for("momentum"), metavar="M", help="For momentum and nesterov."),
]
Beta1: TypeAlias = Annotated[
    float | None, _learning("--beta-1", parser=number_for("beta_1"), metavar="B", help="For adam.")
]
Beta2: TypeAlias = Annotated[
    float | None,
    _learning("--beta-2", parser=number_for("beta_2"), metavar="B", help="For adam and rmsprop."),
]
Epsilon: TypeAlias = Annotated[
    float | None, _learning(parser=number_for("epsilon"), metavar="E", help="For adam and rmsprop.")
]
NoShuffle: TypeAlias = Annotated[
    bool, _learning("--no-shuffle", help="Keep the order of the sequences, each epoch.")
]
