"""Where a command's sequences come from: a data set by its name, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

if TYPE_CHECKING:
    from elman.datasets import Dataset

Source: TypeAlias = Annotated[
    str, typer.Argument(metavar="DATASET|FILE", help="digits, mnist, or an .npz file with X and y.")
]
DataDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="mnist: a folder with its four files, instead of downloading them."),
]
StepsOption: TypeAlias = Annotated[
    Literal["rows", "pixels", "flat"],
    typer.Option(help="digits, mnist: a step is a row of the picture, a pixel, or all of it."),
]
Binary: TypeAlias = Annotated[
    tuple[int, int] | None,
    typer.Option(metavar="A B", help="digits, mnist: keep these two digits only."),
]


def open_dataset(
    source: str,
    data_dir: Path | None,
    steps: Literal["rows", "pixels", "flat"],
    binary: tuple[int, int] | None,
    **npz_options: Any,
) -> Dataset:
    """Load a data set by its name, or from a file."""
    from elman.datasets import load_digits, load_mnist, load_npz

    if source == "digits":
        return load_digits(steps, binary)
    if source == "mnist":
        return load_mnist(data_dir, steps, binary)
    if not source.endswith(".npz"):
        raise typer.BadParameter(
            f"{source!r} is neither a data set (digits, mnist) nor an .npz file",
            param_hint="source",
        )
    return load_npz(source, **npz_options)
