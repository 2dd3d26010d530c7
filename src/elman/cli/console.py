"""What a person sees: a progress bar, plain lines, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.constrain import Constrain
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from elman.cli.output import printable, say
from elman.cli.parameters import by_options

if TYPE_CHECKING:
    from elman.training import Progress as TrainingProgress
    from elman.tuning import Progress as SearchProgress

MAX_CONFUSION_CLASSES = 20

console = Console(highlight=False)


class _Rate(ProgressColumn):
    def get_table_column(self) -> Column:
        return Column(no_wrap=True)  # the bar gives way instead

    def render(self, task: Task) -> Text:
        rate = task.fields["rate"]  # 0 before the first batch is done
        return Text(f"{rate:,.0f} seq/s" if rate else "", style="progress.data.speed")


class _Bar(Progress):
    """Leaves room for the ^C that a terminal shows: on a line of its own it would leave two bars."""

    def get_renderable(self) -> RenderableType:
        return Constrain(super().get_renderable(), console.width - 4)


@contextmanager
def working(words: str) -> Iterator[None]:
    """Show on a terminal what goes on, and for how long, where nobody knows how much is left."""
    terminal = Console(stderr=True)
    if not terminal.is_terminal or terminal.is_dumb_terminal:
        yield
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=terminal, transient=True) as bar:
        bar.add_task(words, total=None)
        yield


FIRST, LINES = 10, 20
"""Epochs that have a line each where there is no terminal, and how many of the others have one."""


@contextmanager
def training_progress(quiet: bool) -> Iterator[Callable[[TrainingProgress], None] | None]:
    """Give a callback that shows how training goes: a bar on a terminal, else lines.

    Each of the first epochs and the last has a line, as has one that something is noted of; of those
    between, about ``LINES`` have one.
    """
    if quiet:
        yield None
        return
    if not console.is_terminal or console.is_dumb_terminal:

        def line(progress: TrainingProgress) -> None:
            number, n = progress.epoch, progress.n_epochs
            is_due = number <= FIRST or number == n or number % max(1, n // LINES) == 0
            if progress.row is not None and (is_due or progress.notes):
                say(str(progress))

        yield line
        return

    with _Bar(
        TextColumn("{task.fields[place]}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[loss]}"),
        TextColumn("{task.fields[accuracy]}"),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        expand=True,
    ) as bar:
        task = bar.add_task(
            "", total=None, start=False, place="preparing", loss="", accuracy="", rate=0
        )

        def show(progress: TrainingProgress) -> None:
            n_before = (progress.epoch - 1) * progress.n_sequences
            if bar.tasks[task].total is None:
                bar.start_task(task)
            bar.update(
                task,
                total=progress.n_epochs * progress.n_sequences,
                completed=n_before + progress.n_done,
                place=progress.place,
                loss=f"loss {progress.loss:.4f}",
                accuracy=""
                if progress.accuracy is None
                else f"training acc {progress.accuracy:.1%}",
                rate=progress.n_done / progress.seconds,
            )

        yield show


@contextmanager
def search_progress(quiet: bool) -> Iterator[Callable[[SearchProgress], None] | None]:
    """The same of a search: a bar of its time or its candidates, or a line a candidate."""
    if quiet:
        yield None
        return
    if not console.is_terminal or console.is_dumb_terminal:

        def line(progress: SearchProgress) -> None:
            trial = progress.trial
            if trial is not None:
                say(
                    f"after {progress.seconds:.0f} s: score {trial.mean:.4f} ± {trial.spread:.4f}, "
                    f"{trial.share:.0%} trained: {by_options(trial.words)}"
                )

        yield line
        return

    with _Bar(
        TextColumn("{task.fields[place]}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[scores]}"),
        TextColumn("{task.fields[time]}"),
        console=console,
        expand=True,
    ) as bar:
        task = bar.add_task("", total=None, place="preparing", scores="", time="")

        def show(progress: SearchProgress) -> None:
            by_time = progress.budget is not None
            scores = "" if progress.default is None else f"defaults {progress.default:.3f}"
            if progress.best is not None:
                scores = f"best {progress.best:.3f}, {scores}"
            bar.update(
                task,
                total=progress.budget if by_time else progress.n_in_all,
                completed=progress.seconds if by_time else progress.n_done,
                place=f"{progress.n_done} scored; {progress.doing}",
                scores=scores,
                time=f"{progress.seconds:.0f}" + (f"/{progress.budget:g} s" if by_time else " s"),
            )

        yield show


def confusion_table(evaluation: dict[str, Any]) -> Table:
    """Draw a confusion matrix: a row for each label, a column for each answer.

    Columns have numbers where their labels would not stand beside each other; rows have both then.
    """
    classes = [printable(label) for label in evaluation["classes"]]
    table = _confusion_table(evaluation, classes, classes)
    unlimited = console.options.update(max_width=100_000)
    if console.measure(table, options=unlimited).maximum <= console.width:
        return table
    numbers = [f"({k})" for k in range(1, len(classes) + 1)]
    rows = [f"{name} {number}" for name, number in zip(classes, numbers, strict=True)]
    return _confusion_table(evaluation, rows, numbers)


def _confusion_table(evaluation: dict[str, Any], rows: list[str], columns: list[str]) -> Table:
    table = Table(box=None)
    table.add_column("", justify="right", style="bold")
    for name in columns:
        table.add_column(Text(name), justify="right", header_style="bold", no_wrap=True)
    table.add_column("right", justify="right", header_style="dim", style="dim", no_wrap=True)
    for i, (name, row) in enumerate(zip(rows, evaluation["confusion"], strict=True)):
        cells = [
            Text(str(n), style="green" if i == j else "red") if n else Text("·", style="dim")
            for j, n in enumerate(row)
        ]
        share = f"{row[i] / sum(row):.1%}" if sum(row) else "–"
        table.add_row(Text(name), *cells, share)
    return table


def _number(value: float) -> str:
    """Write four digits, or all of a large number that is not too long: 12,346."""
    return f"{value:,.0f}" if 1e4 <= value < 1e15 else f"{value:.4g}"


def print_evaluation(evaluation: dict[str, Any], of_what: str) -> None:
    """Print accuracy, and the confusion table if it is not too large to read; or errors of numbers."""
    if "classes" not in evaluation:
        line = Text(
            f"{printable(of_what)} {evaluation['metric']} {evaluation['score']:.4f}", style="bold"
        )
        line.append(f"  ({evaluation['n']:,} {evaluation['unit']})", "not bold")
        console.print(line, soft_wrap=True)
        if "mean_absolute_error" in evaluation:
            console.print(
                f"mean absolute error {_number(evaluation['mean_absolute_error'])}, root mean "
                f"squared error {_number(evaluation['root_mean_squared_error'])}",
                soft_wrap=True,
            )
        return
    n_classes = len(evaluation["classes"])
    if n_classes <= MAX_CONFUSION_CLASSES:
        console.print("[dim]answers (columns) to each label (rows)[/]")
        console.print(confusion_table(evaluation))
        console.print()
    line = Text(f"{printable(of_what)} accuracy {evaluation['accuracy']:.2%}", style="bold")
    line.append(
        f"  ({evaluation['n_right']:,} of {evaluation['n']:,} {evaluation['unit']})", "not bold"
    )
    console.print(line, soft_wrap=True)
