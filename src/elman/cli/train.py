"""``elman train``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from elman.cli import options
from elman.cli.columns import (
    Features,
    Id,
    Label,
    LayoutOption,
    Separator,
    TableOptions,
    TaskName,
    Text,
    Time,
)
from elman.cli.evaluate import Json
from elman.cli.ranks import begin_ranks
from elman.cli.request import Request
from elman.cli.sources import Binary, DataDir, Source, StepsOption
from elman.cli.targets import Force, default_output
from elman.cli.training import Training

if TYPE_CHECKING:
    from elman.datasets import Dataset
    from elman.estimators import RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger


def train(
    source: Source,
    task: options.Task = "classification",
    output: options.Output = None,
    force: Force = False,
    plot: options.Plot = None,
    quiet: options.Quiet = False,
    as_json: Json = False,
    label: Label = None,
    id: Id = None,
    time: Time = None,
    features: Features = None,
    text: Text = None,
    layout: LayoutOption = None,
    missing: options.Missing = None,
    separator: Separator = None,
    hidden: options.Hidden = None,
    cell: options.Cells = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    members: options.Members = None,
    seed: options.Seed = 0,
    jobs: options.Jobs = None,
    test_size: options.TestSize = None,
    validation: options.Validation = None,
    early_stopping: options.EarlyStopping = False,
    validation_fraction: options.ValidationFraction = None,
    patience: options.Patience = None,
    tol: options.Tol = None,
    log: options.LogFile = None,
    checkpoint: options.CheckpointFile = None,
    every: options.Every = None,
    diagnose: options.Diagnose = False,
    steps: StepsOption = None,
    binary: Binary = None,
    data_dir: DataDir = None,
    standardize: options.Standardize = None,
    differences: options.Differences = None,
    frame: options.FrameOption = None,
    step_size: options.StepSize = None,
    tokens: options.Tokens = None,
    min_frequency: options.MinFrequency = None,
    bidirectional: options.Bidirectional = None,
    readout: options.ReadoutOption = None,
    learn_initial_state: options.LearnInitialState = False,
    no_bias: options.NoBias = False,
    dropout: options.DropoutRate = None,
    recurrent_dropout: options.RecurrentDropout = None,
    engine: options.Engine = None,
    loss: options.LossOption = None,
    quantile: options.Quantiles = None,
    class_weight: options.ClassWeight = "none",
    solver: options.SolverOption = None,
    schedule: options.ScheduleOption = None,
    warmup: options.Warmup = None,
    recurrent_rate: options.RecurrentRate = None,
    clip: options.Clip = None,
    alpha: options.Alpha = None,
    tbptt_steps: options.TbpttSteps = None,
    momentum: options.Momentum = None,
    beta_1: options.Beta1 = None,
    beta_2: options.Beta2 = None,
    epsilon: options.Epsilon = None,
    no_shuffle: options.NoShuffle = False,
) -> None:
    """Train a network on labelled sequences, test it and save it.

    Of a table, each row is a step: elman train readings.csv --id machine --label failed. A row may
    also be a text: elman train reviews.csv --text review --label stars.

    Ctrl-C saves the best model so far. On several processes or machines: mpiexec -n 4 elman train ….

    Options that you leave out have the defaults of RNNClassifier; digits and mnist have their own.
    """
    begin_ranks()
    if clip is not None and not clip >= 0:
        raise typer.BadParameter(
            f"expected a norm above 0, or 0, which does not clip; got {clip:g}", param_hint="--clip"
        )
    cells = tuple(map(str, cell or ()))
    given = {
        "hidden_layer_sizes": tuple(hidden) if hidden else None,
        "cell": cells[0] if len(cells) == 1 else cells or None,
        "bidirectional": bidirectional,
        "n_members": members,
        "learn_initial_state": learn_initial_state or None,
        "readout": readout,
        "bias": False if no_bias else None,
        "standardize": {"all": True, "none": False}.get(standardize or "", standardize),
        "differences": differences,
        "frame": frame,
        "step_size": step_size,
        "tokens": tokens,
        "min_frequency": min_frequency,
        "engine": engine,
        "n_jobs": jobs,
        "solver": solver,
        "learning_rate_init": learning_rate,
        "learning_rate": schedule,
        "recurrent_rate": recurrent_rate,
        "warmup": warmup,
        "batch_size": batch_size,
        "tbptt_steps": tbptt_steps,
        "clip_norm": clip,
        "dropout": dropout,
        "recurrent_dropout": recurrent_dropout,
        "alpha": alpha,
        "momentum": momentum,
        "beta_1": beta_1,
        "beta_2": beta_2,
        "epsilon": epsilon,
        "class_weight": class_weight if class_weight != "none" else None,
        "loss": loss,
        "quantile": None if not quantile else quantile[0] if len(quantile) == 1 else quantile,
        "shuffle": False if no_shuffle else None,
        "random_state": seed,
        "max_iter": epochs,
        "early_stopping": early_stopping or None,
        "validation_fraction": validation_fraction,
        "n_iter_no_change": patience,
        "tol": tol,
    }
    request = Request(
        source=source,
        output=output or default_output(source, binary, steps),
        plot=plot,
        log=log,
        checkpoint=checkpoint,
        every=every,
        force=force,
        diagnose=diagnose,
        data_dir=data_dir,
        steps=steps,
        binary=binary,
        task=task,
        test_size=test_size,
        step_size=step_size,
        validation=validation,
        table=TableOptions(id, time, features, label, layout, separator, missing, text),
    )
    request.check()
    _refuse_of_other_task(task, class_weight, loss, quantile)
    dataset = request.dataset()
    make = _make_regressor if task == "regression" else _make_classifier
    Training(request, dataset, make(dataset, given)).run(
        form="json" if as_json else "quiet" if quiet else "plain"
    )


def _refuse_of_other_task(
    task: TaskName,
    class_weight: str,
    loss: str | None,
    quantile: list[float] | None,
) -> None:
    """Refuse options that would do nothing."""
    idle: dict[str, Any]
    if task == "regression":
        idle = {"--class-weight": class_weight != "none"}
    else:
        idle = {"--loss": loss, "--quantile": quantile}
    if loss != "quantile" and quantile and task == "regression":
        raise typer.BadParameter("it needs --loss quantile", param_hint="--quantile")
    for option, given in idle.items():
        if given:
            raise typer.BadParameter(
                f"it has no effect with --task {task}; leave it out", param_hint=option
            )


def _make_classifier(dataset: Dataset, given: dict[str, Any]) -> RNNClassifier | RNNTagger:
    """Make an estimator for labels of sequences, or of steps."""
    from elman import RNNClassifier, RNNTagger
    from elman.data.labels import has_step_labels

    params = _params(dataset, given)
    return RNNTagger(**params) if has_step_labels(dataset.y_train) else RNNClassifier(**params)


def _make_regressor(dataset: Dataset, given: dict[str, Any]) -> RNNRegressor | RNNStepRegressor:
    """Make an estimator for numbers of sequences, or of steps."""
    from elman import RNNRegressor, RNNStepRegressor
    from elman.data.numbers import are_step_numbers

    params = _params(dataset, given)
    of_steps = are_step_numbers(dataset.X_train, dataset.y_train)
    return RNNStepRegressor(**params) if of_steps else RNNRegressor(**params)


def _params(dataset: Dataset, given: dict[str, Any]) -> dict[str, Any]:
    """Put together what is given, then the recipe."""
    params = dataset.recipe | {name: value for name, value in given.items() if value is not None}
    if given["clip_norm"] == 0:
        params["clip_norm"] = None
    if given["frame"] == "none":
        params["frame"] = None
    return params
