"""``elman explain``."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from elman._files import replace_file
from elman._signals import Interruptible
from elman.cli.columns import (
    Features,
    Id,
    Label,
    LayoutOption,
    Separator,
    TableOptions,
    Text,
    Time,
)
from elman.cli.evaluate import load_model
from elman.cli.options import whole
from elman.cli.output import say, say_error, say_in_words
from elman.cli.parameters import by_options
from elman.cli.sources import (
    Binary,
    DataDir,
    StepsOption,
    files_read,
    is_file,
    open_dataset,
    refuse_idle,
)
from elman.cli.targets import Force, Target, check_targets

if TYPE_CHECKING:
    from elman.estimators import RNNTagger
    from elman.explanation import Explanation
    from elman.reading import Info

_DEFAULT_PAGE = Path("explanation.html")


def explain(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A model file; a small network of digits if left out.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Argument(metavar="DATASET|FILE", help="digits, mnist, or a file with labels."),
    ] = None,
    index: Annotated[
        int,
        typer.Option(parser=whole(0), metavar="N", help="Sequence to explain, counted from 0."),
    ] = 0,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            "-o",
            metavar="FILE",
            help="Write the page here; explanation.html if left out.",
        ),
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all numbers here, as one JSON object."),
    ] = None,
    force: Force = False,
    step: Annotated[
        int | None,
        typer.Option(
            parser=whole(1), metavar="N", help="Step to open the page with; the last if left out."
        ),
    ] = None,
    layer: Annotated[
        int, typer.Option(parser=whole(1), metavar="N", help="Layer to explain; 1 is the lowest.")
    ] = 1,
    reverse: Annotated[
        bool, typer.Option("--reverse", help="Explain the reverse layer (bidirectional).")
    ] = False,
    truncate: Annotated[
        int | None,
        typer.Option(
            parser=whole(0), metavar="K", help="Show an update by terms at most K steps back."
        ),
    ] = None,
    no_check: Annotated[bool, typer.Option("--no-check", help="Do not prove the terms.")] = False,
    data_dir: DataDir = None,
    steps: StepsOption = None,
    binary: Binary = None,
    label: Label = None,
    id: Id = None,
    time: Time = None,
    features: Features = None,
    text: Text = None,
    layout: LayoutOption = None,
    separator: Separator = None,
) -> None:
    """Explain one sequence's gradient, term by term, as a web page.

    Every term has its number and a proof that it is right.
    """
    import elman
    from elman.cli.console import working
    from elman.errors import ElmanError
    from elman.explanation.writing import html_file, json_file

    check = not no_check
    if html is None and json is None:
        html = _DEFAULT_PAGE
    if model == "digits" and source is None:  # the model is what was left out
        model, source = None, "digits"
    if model is not None and source is None:
        raise typer.BadParameter(
            "give a model file and its data, as in `elman explain digits.safetensors digits`, or "
            "neither",
            param_hint="DATASET|FILE",
        )
    page = None if html is None else Target(html, "--html", "page", force)
    numbers = None if json is None else Target(json, "--json", "JSON", force)
    inputs = files_read(source or "digits", data_dir)
    check_targets([page, numbers], inputs if model is None else [*inputs, Path(model)])
    given = {"--data-dir": data_dir, "--steps": steps, "--binary": binary}
    learned: Any = None if model is None else load_model(Path(model), source)
    table = TableOptions(id, time, features, label, layout, separator, text=text)
    X, y, info = _labelled(source or "digits", given, table, learned)
    if index >= len(X):
        raise typer.BadParameter(
            f"{source or 'digits'} has {len(X):,} sequences to choose from, 0 to {len(X) - 1}; "
            f"got {index}",
            param_hint="--index",
        )
    if model is None:
        y = _at_each_step(X, y)
    if learned is None:
        learned = _small_model(given)
    try:
        what = "explaining, and proving each term" if check else "explaining"
        with Interruptible(), working(what):  # it hides the cursor, and shows it again
            explanation = elman.explain(
                learned,
                X[index],
                y[index],
                layer=layer,
                reverse=reverse,
                truncate=truncate,
                check=check,
            )
        if step is not None and step > explanation.T:
            raise ValueError(f"step must be from 1 to {explanation.T}; got {step}")
    except ElmanError:
        raise
    except ValueError as error:  # an option that this model or sequence does not have
        raise typer.BadParameter(by_options(str(error))) from None

    places: list[Path] = []
    written: list[str] = []
    if page is not None:
        options = {
            "--index": index,
            "--html": html,
            "--step": step,
            "--layer": layer if layer > 1 else None,
            "--truncate": truncate,
            **{
                name: ",".join(value) if isinstance(value, list) else value
                for name, value in table.given.items()
            },
            "--separator": "tab" if separator == "\t" else separator,
            **given,
        }
        command = _command([model, source], options, check, reverse)
        content = html_file(explanation, step=step, command=command)
        places.append(page.save(partial(replace_file, content=content)))
        size = f"{places[-1].stat().st_size / 1000:,.0f} kB"
        written.append(f"wrote {places[-1]} ({size}): open it in a browser")
    if numbers is not None:
        content = json_file(explanation.to_json())
        places.append(numbers.save(partial(replace_file, content=content)))
        written.append(f"wrote {places[-1]}")
    name = f"{source or 'digits'}, sequence {index}"
    if info is not None and info.id is not None:
        name += f" ({info.id} {info.ids.tolist()[index]!r})"
    say(f"{name}: {_result(explanation)}")
    say_in_words(by_options(explanation.verdict))
    for line in written:
        say(line)
    if not explanation.passed:
        say_error("error: not everything is proved")
    if not explanation.passed or places != [target.path for target in (page, numbers) if target]:
        raise typer.Exit(1)


def _labelled(
    source: str, given: dict[str, Any], table: TableOptions, model: Any
) -> tuple[Any, Any, Info | None]:
    if is_file(source):
        from elman.cli.evaluate import read_labelled

        refuse_idle(source, given)
        return read_labelled(model, source, table)
    refuse_idle(source, table.given)
    dataset = open_dataset(source, given["--data-dir"], given["--steps"], given["--binary"])
    return dataset.X_test, dataset.y_test, None


def _small_model(given: dict[str, Any]) -> RNNTagger:
    """Train for a second: the first try is to need nothing, and to have a loss at each step (N3)."""
    from elman import RNNTagger
    from elman.datasets import NOTES, load_digits

    dataset = load_digits(given["--steps"] or "rows", given["--binary"])
    say_in_words(
        "no model file: training 16 units to name the digit at each step, for this page alone"
    )
    settings = NOTES | {"cell": dataset.recipe["cell"], "engine": "reference"}
    estimator = RNNTagger(16, learning_rate_init=0.01, max_iter=15, random_state=0, **settings)
    estimator.fit(dataset.X_train, _at_each_step(dataset.X_train, dataset.y_train))
    return estimator


def _at_each_step(X: Any, y: Any) -> Any:
    """Repeat a sequence's label at each of its steps."""
    import numpy as np

    return np.repeat(y[:, None], X.shape[1], axis=1)


def _result(explanation: Explanation) -> str:
    ex = explanation
    if ex.checks_ is None:
        return f"{ex.n_terms:,} terms, not checked"
    return f"{ex.n_proved:,} of {ex.n_checked:,} terms proved, worst error {ex.worst_error:.1e}"


def _command(
    arguments: list[str | None], options: dict[str, Any], check: bool, reverse: bool
) -> str:
    """Write what makes the page again."""
    words = ["elman", "explain", *(word for word in arguments if word is not None)]
    for name, value in options.items():
        if value is not None:
            words += [name, *(map(str, value) if isinstance(value, tuple) else [str(value)])]
    words += ["--reverse"] * reverse + ["--no-check"] * (not check)
    return shlex.join(words)
