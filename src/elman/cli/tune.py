"""``elman tune``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from elman._files import replace_file
from elman._json import dumps
from elman._signals import Interruptible, Uninterrupted
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
from elman.cli.output import check_delivered, say, say_error, say_in_words
from elman.cli.parameters import by_options
from elman.cli.sources import (
    Binary,
    DataDir,
    Source,
    StepsOption,
    files_read,
    is_file,
    is_npz,
    open_dataset,
    refuse_idle,
)
from elman.cli.targets import Force, Target, check_targets, default_output, free_name
from elman.cli.training import Form

if TYPE_CHECKING:
    from elman.tuning import Suggestion


def tune(
    source: Source,
    output: options.Output = None,
    force: Force = False,
    budget: Annotated[
        Any,
        typer.Option(
            parser=options.seconds_of,
            metavar="TIME",
            help="Time for the whole search: 90s, 2m, 1h; 60s if left out.",
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            parser=options.whole(2),
            metavar="N",
            help="Number of candidates, in place of a time.",
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(parser=options.whole(2), metavar="N", help="Folds of the cross-validation."),
    ] = 3,
    scoring: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A metric of scikit-learn; accuracy or R² if left out."),
    ] = None,
    task: options.Task = "classification",
    id: Id = None,
    time: Time = None,
    features: Features = None,
    label: Label = None,
    text: Text = None,
    layout: LayoutOption = None,
    separator: Separator = None,
    missing: options.Missing = None,
    data_dir: DataDir = None,
    steps: StepsOption = None,
    binary: Binary = None,
    step_size: options.StepSize = None,
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Folds to run at once; as many as cores if left out."),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            parser=options.whole(0), metavar="N", help="The same seed, the same candidates."
        ),
    ] = 0,
    quiet: options.Quiet = False,
    as_json: Json = False,
) -> None:
    """Search for better settings than the defaults, and use them.

    The search uses the training part of digits and mnist, but all of a FILE: keep other sequences
    for the test.

    With --trials, the same seed finds the same settings, to the bit.

    MODEL.tune.json, beside the model, lists all candidates with their scores.

    Ctrl-C ends the search and trains with the best settings so far; a second Ctrl-C ends that, too.
    """
    model = Target(output or default_output(source, binary, steps), "--output", "model", force)
    table = Target(_beside(model.path), "--output", "JSON", force)
    check_targets([model, table], files_read(source, data_dir))

    columns = TableOptions(id, time, features, label, layout, separator, missing, text)
    X, y, how = _read(source, data_dir, steps, binary, step_size, task, columns)
    form: Form = "json" if as_json else "quiet" if quiet else "plain"
    estimator = _estimator(X, y, task, step_size)
    if form == "plain":
        for line in filter(None, how):
            say_in_words(line)
        model.say_if_replaced()
    places: list[Path] = []
    with Uninterrupted():  # from the end of the search until all is saved
        with Interruptible():
            found = _search(estimator, X, y, form, budget, trials, folds, scoring, jobs, seed)
        asked, compared = model.path, any(row["scores"] for row in found.table)
        if found.interrupted or not compared:  # replaces nothing
            why = "interrupted" if found.interrupted else "uncompared"
            model = replace(model, path=free_name(asked, why))
            table = replace(table, path=free_name(_beside(model.path), why))
        places.append(model.save(found.estimator._write))
        result = _result(found, source, seed, places[0])
        content = dumps(result).encode()
        places.append(table.save(partial(replace_file, content=content)))
    _report(found, form, result, places)
    if found.interrupted:
        say_error(f"interrupted; the best so far is saved to {places[0]}")
    elif model.path != asked:
        say_error(
            f"there was no time to compare anything, so {asked} stays as it was; the defaults, as far "
            f"as they were trained, are saved to {model.path}. Take a larger --budget."
        )
    if found.interrupted or model.path != asked or places != [model.path, table.path]:
        raise typer.Exit(1)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}.tune.json")


def _read(
    source: str,
    data_dir: Path | None,
    steps: Literal["rows", "pixels", "flat"] | None,
    binary: tuple[int, int] | None,
    step_size: int | None,
    task: TaskName,
    columns: TableOptions,
) -> tuple[Any, Any, tuple[str, ...]]:
    """Read all sequences of a file, or the training part of a data set; and say what was guessed."""
    if not is_file(source) or is_npz(source):
        dataset = open_dataset(source, data_dir, steps, binary, None, step_size, task, columns)
        if not is_file(source):
            return dataset.X_train, dataset.y_train, ()
        from elman.datasets import read_labelled_npz

        return *read_labelled_npz(source), ()
    idle = {"--data-dir": data_dir, "--steps": steps, "--binary": binary, "--step-size": step_size}
    refuse_idle(source, idle)
    from elman import DataError, read_sequences
    from elman.cli.tables import reading_bar
    from elman.reading.info import features_in_words

    with reading_bar(Path(source)), Interruptible():
        X, y, info = read_sequences(source, task=task, missing=columns.missing, **columns.keywords)
    if y is None:
        raise DataError(
            f"{source} has no column that is called label, class or target. Name the column to "
            "predict: --label COLUMN."
        )
    return X, y, (str(info), features_in_words(X.reading))


def _estimator(X: Any, y: Any, task: TaskName, step_size: int | None) -> Any:
    from elman import RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
    from elman.data.labels import has_step_labels
    from elman.data.numbers import are_step_numbers

    params: dict[str, Any] = {} if step_size is None else {"step_size": step_size}
    if task == "regression":
        return RNNStepRegressor(**params) if are_step_numbers(X, y) else RNNRegressor(**params)
    return RNNTagger(**params) if has_step_labels(y) else RNNClassifier(**params)


def _search(
    estimator: Any,
    X: Any,
    y: Any,
    form: Form,
    budget: float | None,
    trials: int | None,
    folds: int,
    scoring: str | None,
    jobs: int | None,
    seed: int,
) -> Suggestion:
    from sklearn.metrics import get_scorer

    from elman.cli.console import search_progress
    from elman.metrics import StepScorer
    from elman.tuning import suggest

    metric: Any = scoring
    if scoring is not None:
        try:
            get_scorer(scoring)
        except ValueError:
            raise typer.BadParameter(
                f"{scoring!r} is no metric of scikit-learn; expected its name, such as f1_macro, "
                "balanced_accuracy, neg_log_loss or, for numbers, neg_mean_absolute_error",
                param_hint="--scoring",
            ) from None
        metric = StepScorer(scoring) if estimator._every_step else scoring
    if form == "plain":
        n = len(X)
        limits = [f"{budget or 60.0:g} s"] if budget or not trials else []
        limits += [f"{trials} candidates"] if trials else []
        name = type(estimator).__name__
        say(
            f"{n:,} sequence{'s' * (n != 1)}, {name}, {folds} folds, {', '.join(limits)}, seed {seed}"
        )
    with search_progress(form != "plain") as show:
        return suggest(
            X,
            y,
            estimator,
            budget=budget,
            n_trials=trials,
            cv=folds,
            scoring=metric,
            n_jobs=jobs,
            random_state=seed,
            callback=show,
        )


def _result(found: Suggestion, source: str, seed: int, model: Path) -> dict[str, Any]:
    return {
        "generator": "elman",  # first: it is what says that elman wrote the file
        "source": source,
        "estimator": type(found.estimator).__name__,
        "seed": seed,
        "interrupted": found.interrupted,
        "settings": found.settings,
        "why": found.why,
        "notes": found.notes,
        "table": found.table,
        "params": found.estimator.get_params(),
        "model": str(model),
    }


def _report(found: Suggestion, form: Form, result: dict[str, Any], places: list[Path]) -> None:
    """Print the table and what was decided, the score of the winner alone, or all as JSON."""
    if form == "json":
        say(dumps(result))
    elif form == "quiet":
        (score,) = (row["mean_score"] for row in found.table if row["chosen"])
        say(f"{score:.4f}")
    else:
        from elman.cli.console import console
        from elman.tuning import as_text

        say("")
        for line in as_text(found.table, console.width, written=by_options).splitlines():
            say(line)
        say("")
        for words in (found.why, *found.notes):
            console.print(by_options(words), markup=False)
        say(f"model: {places[0]}   table: {places[1]}")
        return
    check_delivered()
