"""What several commands take: sequences, by a data set's name or from a file, an engine, files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from elman._signals import Interruptible
from elman.cli.columns import TableOptions, TaskName

if TYPE_CHECKING:
    from elman.datasets import Dataset

EngineName: TypeAlias = Literal["compiled", "reference"]

DATASETS = ("digits", "mnist")
_PANEL = "The data sets digits and mnist"

Source: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="DATASET|FILE",
        help="digits, mnist, or a file (CSV, .ts, .npz, ...).",
    ),
]
DataDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        rich_help_panel=_PANEL,
        help="Folder with the four files of mnist.",
    ),
]
StepsOption: TypeAlias = Annotated[
    Literal["rows", "pixels", "flat"] | None,
    typer.Option(
        metavar="HOW",
        rich_help_panel=_PANEL,
        help="A step is a row (rows), a pixel (pixels) or the whole digit (flat).",
    ),
]
Binary: TypeAlias = Annotated[
    tuple[int, int] | None,
    typer.Option(metavar="A B", rich_help_panel=_PANEL, help="Keep only these two digits."),
]


def open_dataset(
    source: str,
    data_dir: Path | None,
    steps: Literal["rows", "pixels", "flat"] | None,
    binary: tuple[int, int] | None,
    test_size: float | None = None,
    step_size: int | None = None,
    task: TaskName = "classification",
    table: TableOptions | None = None,
) -> Dataset:
    """Load a data set by its name, or from a file."""
    if binary is not None and (len(set(binary)) < 2 or not all(0 <= k <= 9 for k in binary)):
        raise typer.BadParameter(
            f"expected two different digits from 0 to 9; got {binary[0]} {binary[1]}",
            param_hint="--binary",
        )
    from elman.datasets import load_digits, load_mnist, load_npz

    table = table or TableOptions()
    if is_file(source):
        refuse_idle(source, {"--data-dir": data_dir, "--steps": steps, "--binary": binary})
        if not is_npz(source):
            from elman.cli.tables import open_table

            refuse_idle(source, {"--step-size": step_size})
            return open_table(Path(source), table, task, 0.2 if test_size is None else test_size)
        refuse_idle(source, {**table.given, "--task tag": task == "tag" or None})
        numbers = task == "regression"
        return load_npz(source, 0.2 if test_size is None else test_size, step_size or 1, numbers)
    if source not in DATASETS:
        raise typer.BadParameter(
            f"{source!r} is neither a data set (digits, mnist) nor a file",
            param_hint="DATASET|FILE",
        )
    other_task = {f"--task {task}": task != "classification" or None}
    refuse_idle(source, {"--test-size": test_size, **other_task, **table.given})
    if source == "mnist":
        with Interruptible():  # a download that is broken off leaves no half file
            return load_mnist(data_dir, steps or "rows", binary)
    refuse_idle(source, {"--data-dir": data_dir})
    return load_digits(steps or "rows", binary)


def is_file(source: str) -> bool:
    """Whether a source is a file, whatever its name, rather than a data set's name."""
    path = Path(source)
    return source not in DATASETS and bool(path.suffix or path.name != source or path.exists())


def refuse_dataset(file: Path) -> None:
    """Say what a data set's name is, where a file is expected."""
    if str(file) in DATASETS and not file.exists():
        raise typer.BadParameter(
            f"{file} is a data set of elman's, not a file; `elman train {file}` takes it",
            param_hint="FILE",
        )


def is_npz(source: str | Path) -> bool:
    """Whether a file is an .npz file, by its content.

    Raises
    ------
    OSError
        If there is no such file; the message says which is like it.
    """
    from elman.reading.files import kind_of

    path = Path(source)
    return not path.is_dir() and kind_of(path) == "npz"


def refuse_idle(source: str, options: dict[str, Any]) -> None:
    """Refuse options that would do nothing, rather than seem to obey them."""
    for option, value in options.items():
        if value is not None:
            raise typer.BadParameter(
                f"it has no effect on {source}; leave it out", param_hint=option
            )


def files_read(source: str, data_dir: Path | None) -> list[Path]:
    """List the files that a command reads its sequences from."""
    if is_file(source):
        return [Path(source)]
    return [] if data_dir is None else list(data_dir.rglob("*ubyte*"))
