"""``elman train``."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from elman._signals import Uninterrupted
from elman.cli.evaluate import Json, evaluate_estimator
from elman.cli.sources import (
    Binary,
    DataDir,
    EngineName,
    Source,
    StepsOption,
    check_writable,
    open_dataset,
)

if TYPE_CHECKING:
    from elman.datasets import Dataset
    from elman.estimators import RNNClassifier, RNNTagger
    from elman.training import Progress


class Cell(StrEnum):  # typer takes no list of Literals
    """The cells by name."""

    TANH = "tanh"
    RELU = "relu"
    DENSE = "dense"


Solver = Literal["sgd", "momentum", "nesterov", "rmsprop", "adam"]

_NETWORK, _LEARNING, _STOPPING = "The network", "How it learns", "When it stops"


def train(
    source: Source,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The model file; if left out, DATASET.safetensors."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the learning curve to this file.")] = None,
    diagnose: Annotated[
        bool,
        typer.Option(
            "--diagnose",
            help="Say after each epoch what is left of the gradient so many steps back.",
        ),
    ] = False,
    data_dir: DataDir = None,
    steps: StepsOption = None,
    binary: Binary = None,
    test_size: Annotated[
        float | None,
        typer.Option(help="FILE: the share kept aside for the test; 0.2 if left out."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone.")] = False,
    as_json: Json = False,
    hidden: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Units of a layer; once a layer.", rich_help_panel=_NETWORK),
    ] = None,
    cell: Annotated[
        list[Cell] | None,
        typer.Option(help="The cell of all layers, or once a layer.", rich_help_panel=_NETWORK),
    ] = None,
    bias: Annotated[
        bool | None, typer.Option(help="Whether there are b and c.", rich_help_panel=_NETWORK)
    ] = None,
    standardize: Annotated[
        bool | None,
        typer.Option(help="Bring each feature to mean 0, deviation 1.", rich_help_panel=_NETWORK),
    ] = None,
    step_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="FILE with a 2-D X: columns that make a step.", rich_help_panel=_NETWORK
        ),
    ] = None,
    engine: Annotated[
        EngineName | None,
        typer.Option(help="What computes.", rich_help_panel=_NETWORK),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(help="Threads, at most; all cores if left out.", rich_help_panel=_NETWORK),
    ] = None,
    solver: Annotated[
        Solver | None, typer.Option(help="The optimizer.", rich_help_panel=_LEARNING)
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="The highest; 0.001 suits adam and rmsprop, 0.1 the others.",
            rich_help_panel=_LEARNING,
        ),
    ] = None,
    schedule: Annotated[
        Literal["cosine", "constant"] | None,
        typer.Option(help="How the learning rate changes.", rich_help_panel=_LEARNING),
    ] = None,
    warmup: Annotated[
        float | None,
        typer.Option(help="Share of the updates in which it rises.", rich_help_panel=_LEARNING),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Sequences to an update.", rich_help_panel=_LEARNING)
    ] = None,
    clip: Annotated[
        float | None,
        typer.Option(help="The gradient's largest norm; 0 for any.", rich_help_panel=_LEARNING),
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Penalty on squared weights.", rich_help_panel=_LEARNING)
    ] = None,
    momentum: Annotated[
        float | None,
        typer.Option(help="For momentum and nesterov.", rich_help_panel=_LEARNING),
    ] = None,
    beta_1: Annotated[
        float | None,
        typer.Option("--beta-1", help="For adam.", rich_help_panel=_LEARNING),
    ] = None,
    beta_2: Annotated[
        float | None,
        typer.Option("--beta-2", help="For adam and rmsprop.", rich_help_panel=_LEARNING),
    ] = None,
    epsilon: Annotated[
        float | None, typer.Option(help="For adam and rmsprop.", rich_help_panel=_LEARNING)
    ] = None,
    class_weight: Annotated[
        Literal["none", "balanced"],
        typer.Option(help="Weigh classes by how rare they are.", rich_help_panel=_LEARNING),
    ] = "none",
    shuffle: Annotated[
        bool | None,
        typer.Option(help="A new order of the sequences each epoch.", rich_help_panel=_LEARNING),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="The same seed, the same bits.", rich_help_panel=_LEARNING)
    ] = 0,
    epochs: Annotated[int | None, typer.Option(help="At most.", rich_help_panel=_STOPPING)] = None,
    early_stopping: Annotated[
        bool | None,
        typer.Option(
            help="Keep sequences aside and end with the weights best on them.",
            rich_help_panel=_STOPPING,
        ),
    ] = None,
    validation_fraction: Annotated[
        float | None, typer.Option(help="The share kept aside.", rich_help_panel=_STOPPING)
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Epochs without improvement.", rich_help_panel=_STOPPING),
    ] = None,
    tol: Annotated[
        float | None, typer.Option(help="Less is no improvement.", rich_help_panel=_STOPPING)
    ] = None,
) -> None:
    """Train a network on labelled sequences, test it on others, and save it.

    Labels may be one a sequence, or one a step. What is left out follows the data set's recipe, and
    for a FILE the defaults of RNNClassifier. Ctrl-C saves the best model so far.
    """
    if output is None:
        parts = (Path(source).stem, *(binary or ()), *([steps] if steps else ()))
        output = Path("-".join(map(str, parts)) + ".safetensors")
    with Uninterrupted():  # an import that is broken off leaves half a module
        from elman import LearningCurveDisplay
        from elman.cli.diagnose import diagnosis, in_words
        from elman.engines import get_engine

        get_engine(engine or "compiled")

    check_writable(output, "--output")
    if plot is not None:
        check_writable(plot, "--plot")
        _check_drawable(plot)
    dataset = open_dataset(source, data_dir, steps, binary, test_size, step_size)
    cells = tuple(map(str, cell or ()))
    given = {
        "hidden_layer_sizes": tuple(hidden) if hidden else None,
        "cell": cells[0] if len(cells) == 1 else cells or None,
        "bias": bias,
        "standardize": standardize,
        "step_size": step_size,
        "engine": engine,
        "n_jobs": jobs,
        "solver": solver,
        "learning_rate_init": learning_rate,
        "learning_rate": schedule,
        "warmup": warmup,
        "batch_size": batch_size,
        "clip_norm": clip,
        "alpha": alpha,
        "momentum": momentum,
        "beta_1": beta_1,
        "beta_2": beta_2,
        "epsilon": epsilon,
        "class_weight": class_weight if class_weight != "none" else None,
        "shuffle": shuffle,
        "random_state": seed,
        "max_iter": epochs,
        "early_stopping": early_stopping,
        "validation_fraction": validation_fraction,
        "n_iter_no_change": patience,
        "tol": tol,
    }
    params = dataset.recipe | {name: value for name, value in given.items() if value is not None}
    if clip == 0:
        params["clip_norm"] = None
    estimator = _make_estimator(dataset.y_train, params)

    if not (quiet or as_json):
        typer.echo(_plan(estimator, dataset))
    diagnoses: list[dict[str, Any]] = []

    def after_epoch(row: dict[str, float]) -> None:
        # For a person alone: nothing that is learnt depends on it.
        if plot is not None:
            row["test_accuracy"] = estimator.score(dataset.X_test, dataset.y_test)
        if diagnose:
            diagnoses.append(diagnosis(int(row["epoch"]), estimator, dataset))
            if not as_json:
                with suppress(BrokenPipeError):  # nobody reads on; the training is wanted still
                    typer.echo(in_words(diagnoses[-1]), err=quiet)

    seconds = _fit(estimator, dataset, output, quiet or as_json, after_epoch)
    estimator.save(output)
    if plot is not None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 3.6), layout="constrained", dpi=150)  # it needs no screen
        LearningCurveDisplay.from_estimator(estimator, ax=figure.subplots(1, 2))
        figure.savefig(plot)
    evaluation = evaluate_estimator(estimator, dataset.X_test, dataset.y_test)
    if as_json:
        result = {
            "source": source,
            "estimator": type(estimator).__name__,
            "params": estimator.get_params(),
            "seconds": seconds,
            "test": evaluation,
            "history": estimator.history_,
            "model": str(output),
            "plot": plot and str(plot),
        }
        if diagnose:
            result["diagnoses"] = diagnoses
        typer.echo(json.dumps(result))
    elif quiet:
        typer.echo(f"{evaluation['accuracy']:.4f}")
    else:
        from elman.cli.console import console, print_evaluation

        console.print()
        print_evaluation(evaluation, "test")
        files = f"model: {output}" + (f"   learning curve: {plot}" if plot else "")
        for line in (_summary(estimator, seconds), files):
            console.print(line, markup=False, soft_wrap=True)


def _check_drawable(path: Path) -> None:
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError:
        raise typer.BadParameter(
            "drawing needs matplotlib: pip install 'elman[plot]'", param_hint="--plot"
        ) from None
    known = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in known:
        raise typer.BadParameter(
            f"{path} is no kind of picture that can be drawn: {', '.join(sorted(known))}",
            param_hint="--plot",
        )


def _make_estimator(y: Any, params: dict[str, Any]) -> RNNClassifier | RNNTagger:
    from elman import RNNClassifier, RNNTagger
    from elman.data.targets import has_step_labels

    return RNNTagger(**params) if has_step_labels(y) else RNNClassifier(**params)


def _fit(
    estimator: RNNClassifier | RNNTagger,
    dataset: Dataset,
    output: Path,
    quiet: bool,
    after_epoch: Callable[[dict[str, float]], None],
) -> float:
    """Fit, and return the seconds it took. What was learnt before an interrupt is saved."""
    from sklearn.utils._param_validation import InvalidParameterError

    from elman import DivergenceError
    from elman.cli.console import training_progress

    started = time.perf_counter()
    try:
        with training_progress(quiet) as show:

            def callback(progress: Progress) -> None:
                if show is not None:
                    show(progress)
                if progress.row is not None:
                    after_epoch(progress.row)

            estimator.fit(dataset.X_train, dataset.y_train, callback=callback)
    except InvalidParameterError as error:
        raise typer.BadParameter(str(error)) from None
    except (KeyboardInterrupt, DivergenceError) as error:
        message = "interrupted" if isinstance(error, KeyboardInterrupt) else f"error: {error}"
        typer.secho(message, fg=typer.colors.RED, err=True)
        _rescue(estimator, output, isinstance(error, KeyboardInterrupt))
        raise typer.Exit(1) from None
    return time.perf_counter() - started


def _rescue(estimator: RNNClassifier | RNNTagger, output: Path, interrupted: bool) -> None:
    """Save what was learnt before training broke off, and say what that is."""
    if getattr(estimator, "history_", None):
        what = f"the weights of the best of {estimator.n_iter_} epochs"
    elif interrupted and hasattr(estimator, "network_"):
        what = "the weights as they were in the first epoch"
    else:
        typer.echo("nothing was learnt yet; nothing is saved", err=True)
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C is not to undo the first
    estimator.save(output)
    typer.echo(f"saved {what} to {output}", err=True)


def _summary(estimator: RNNClassifier | RNNTagger, seconds: float) -> str:
    n_epochs = estimator.n_iter_
    line = f"trained {n_epochs} epoch{'s' * (n_epochs != 1)} in {seconds:.1f} s"
    if n_epochs < estimator.max_iter:
        what = "validation" if estimator.early_stopping else "loss"
        patience, tol = estimator.n_iter_no_change, estimator.tol
        line += f" (stopped: {what} better by less than {tol:g} for {patience} epochs)"
    return line


def _plan(estimator: RNNClassifier | RNNTagger, dataset: Dataset) -> str:
    """Say in a line what is going to be trained, and on how much."""
    hidden, cell = estimator.hidden_layer_sizes, estimator.cell
    sizes = "+".join(map(str, hidden if isinstance(hidden, tuple) else (hidden,)))
    cells = cell if isinstance(cell, str) else "+".join(cell)
    return (
        f"{len(dataset.X_train):,} sequences, {sizes} {cells} units, {estimator.solver} at "
        f"{estimator.learning_rate_init:g}, seed {estimator.random_state}"
    )
