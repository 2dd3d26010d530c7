"""``elman predict``: a file's answers as a table beside its ids, or line by line as they come."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from elman._json import dumps
from elman.cli.columns import Features, Id, LayoutOption, Separator, TableOptions, Text, Time
from elman.cli.evaluate import Json, Model, load_estimator, refuse_naming
from elman.cli.output import check_delivered, say
from elman.cli.sources import is_npz, refuse_dataset, refuse_idle
from elman.cli.targets import Force, Target, check_targets

if TYPE_CHECKING:
    from elman.cli.evaluate import Estimator


def predict(
    model: Model,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A file like the one of the training; or .npz with X."),
    ] = None,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities",
            help="Add the probability of each label (.npz: give only these).",
        ),
    ] = False,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Answer rows of standard input one by one."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the table here, as CSV."),
    ] = None,
    force: Force = False,
    id: Id = None,
    time: Time = None,
    features: Features = None,
    text: Text = None,
    layout: LayoutOption = None,
    separator: Separator = None,
    as_json: Json = False,
) -> None:
    """Predict an answer for each sequence of a file, as a table (CSV).

    The table has a row for each sequence, with its id; or a row for each step, if the model answers
    at each step. For an .npz file it is a line for each sequence.

    --follow needs a model that does not look ahead: one that answers at each step, or one trained with
    --standardize all --frame none. A bidirectional model cannot follow. Rows of a sequence have to
    come in the order of their times.

    A model of `elman train` knows its columns. Name them for a model that was trained on arrays.
    """
    estimator = load_estimator(model, file)
    if probabilities and not hasattr(estimator, "classes_"):
        raise typer.BadParameter(
            f"an {type(estimator).__name__} predicts numbers, not labels",
            param_hint="--probabilities",
        )
    options = TableOptions(id, time, features, None, layout, separator, text=text)
    if follow:
        given = {"FILE": file, "--output": output, "--json": as_json or None, **options.naming}
        for option, value in given.items():
            if value is not None:
                raise typer.BadParameter(
                    "--follow reads standard input and answers on standard output; leave it out",
                    param_hint=option,
                )
        if hasattr(estimator, "vocabulary_"):
            raise typer.BadParameter(
                "the model answers whole texts; give it a FILE of them", param_hint="--follow"
            )
        from elman.cli.follow import follow_input

        if follow_input(estimator, probabilities, separator):
            raise typer.Exit(1)
        return
    if file is None:
        raise typer.BadParameter(
            "name a file, or take rows from elsewhere by --follow", param_hint="FILE"
        )
    refuse_dataset(file)
    if is_npz(file):
        if output is not None:
            raise typer.BadParameter(
                "an .npz file has no table; leave it out", param_hint="--output"
            )
        refuse_idle(str(file), options.naming)
        _predict_npz(estimator, file, probabilities, as_json)
        return
    target = None if output is None else Target(output, "--output", "table", force)
    check_targets([target], [model, file])
    refuse_naming(estimator, options)
    _predict_table(estimator, file, probabilities, as_json, options, target)


def _predict_table(
    estimator: Estimator,
    file: Path,
    probabilities: bool,
    as_json: bool,
    options: TableOptions,
    target: Target | None,
) -> None:
    from elman.cli.tables import answer_table, read_as_trained, write_table

    raw = read_as_trained(estimator, file, labels=False, options=options)
    header, rows = answer_table(estimator, raw, probabilities, exact=as_json)
    if as_json:
        say(dumps({"columns": header, "rows": [list(row) for row in rows]}))
        check_delivered()
        return
    if target is None:
        if sys.stdout is not None:
            for text in write_table(header, rows):
                sys.stdout.write(text)
        check_delivered()
        return
    from elman._files import replace_file

    content = "".join(write_table(header, rows)).encode()
    place = target.save(lambda path: replace_file(path, content))
    n = len(raw.sequences)
    say(f"wrote {place}: {n:,} sequence{'s' * (n != 1)} answered")
    if place != target.path:
        raise typer.Exit(1)


def _predict_npz(estimator: Any, file: Path, probabilities: bool, as_json: bool) -> None:
    import numpy as np

    from elman.cli.tables import rounded
    from elman.data import read_npz

    has_classes = hasattr(estimator, "classes_")
    X, _ = read_npz(file)
    found = estimator.predict_proba(X) if probabilities else estimator.predict(X)
    if not as_json:
        found = [rounded(answer, estimator) for answer in found]
    answers = [np.asarray(answer).tolist() for answer in found]
    if as_json:
        kind = "probabilities" if probabilities else "labels" if has_classes else "numbers"
        say(dumps({**({"classes": estimator.classes_} if has_classes else {}), kind: answers}))
    else:
        for answer in answers:
            say(_line(answer, "{:.6f}" if probabilities else "{}"))
    check_delivered()


def _line(answer: Any, number: str) -> str:
    if not isinstance(answer, list):
        return number.format(answer)
    separator = ";" if answer and isinstance(answer[0], list) else " "
    return separator.join(_line(part, number) for part in answer)
