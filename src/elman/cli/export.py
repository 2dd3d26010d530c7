"""``elman export``."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated, Literal

import typer

from elman._files import is_ours, replace_file
from elman._json import dumps
from elman.cli.evaluate import Json, Model
from elman.cli.output import check_delivered, say, say_in_words


def export(
    model: Model,
    to: Annotated[
        Literal["onnx", "torch", "c"],
        typer.Option(help="ONNX, PyTorch weights (.pt) or C99 functions."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="MODEL with another suffix if left out."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there already.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Convert a model to ONNX, C or PyTorch.

    The file runs without elman; it includes standardisation and units.
    """
    import elman
    from elman.exporting import KINDS, exported

    path = model.with_suffix(KINDS[to]) if output is None else output
    if path.suffix.lower() != KINDS[to]:
        raise typer.BadParameter(
            f"--to {to} writes {KINDS[to]} files; got {path}", param_hint="--output"
        )
    if path.exists() and not force and not is_ours(path, path.suffix.lower()):
        raise typer.BadParameter(
            f"{path} is there already, and elman did not write it; replace it with --force, or choose "
            "another name",
            param_hint="--output",
        )
    replace_file(path, exported(elman.load(model)._portable(), path))  # --force: whatever it is
    size = path.stat().st_size
    if as_json:
        say(dumps({"model": str(model), "to": to, "output": str(path), "bytes": size}))
    else:
        say(f"{path}: {size:,} bytes")
        say(_next(to, path))
        if to == "onnx":
            say_in_words(_ITS_WARNING)
    check_delivered()


_ITS_WARNING = (
    "ONNX Runtime may warn of initializers in graph inputs: it means inputs that can be left out, as "
    "is intended (onnxruntime.set_default_logger_severity(3) hides it)"
)


def _next(to: str, path: Path) -> str:
    """Say how the file is used."""
    from elman.exporting.c import identifier

    name = identifier(path.stem)
    functions = f"{name}_begin and {name}_step"
    if to == "c" and f"void {name}_step(" not in path.read_text():
        functions = f"{name}_predict"
    return {
        "onnx": f'next: onnxruntime.InferenceSession("{path}").run(None, {{"x": x}}); x is an array '
        "(n_sequences, n_steps, n_features)",
        "torch": f'next: elman.load(model).to_torch(), or torch.load("{path}", weights_only=True)',
        "c": f"next: cc -std=c99 -O2 -c {quote(str(path))}; then call {functions}",
    }[to]
