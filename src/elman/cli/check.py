"""``elman check``."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Annotated

import typer

from elman._json import dumps
from elman._signals import Interruptible
from elman.cli.options import whole
from elman.cli.output import check_delivered, say
from elman.cli.sources import EngineName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from elman.check import GradientCheck, GridCell


def check(
    engine: Annotated[EngineName, typer.Option(help="Compute engine to check.")] = "compiled",
    seed: Annotated[
        int, typer.Option(parser=whole(0), metavar="N", help="Seed of networks and data.")
    ] = 0,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing; exit 1 on failure.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove loss and gradients by complex-step differentiation."""
    import numpy as np
    from rich.progress import track

    from elman.check import GRID, TOLERANCE, check_grid
    from elman.cli.console import console

    cells: Iterable[GridCell] = check_grid(engine, seed)
    with Interruptible():  # a bar hides the cursor, and shows it again
        if console.is_terminal and not (quiet or as_json):
            cells = track(
                cells, "differentiating", total=len(GRID), console=console, transient=True
            )
        grid = list(cells)
    failures = [(cell, c) for cell in grid for c in cell.checks if not c.passed]
    n_entries = sum(c.n_entries for cell in grid for c in cell.checks)
    worst = np.max([c.error for cell in grid for c in cell.checks])  # NaN if one is

    if as_json:
        rows = [
            {
                "loss": cell.loss,
                "readout": cell.readout,
                "cell": cell.cell,
                "n_layers": cell.n_layers,
                "bias": cell.bias,
                "every_step": cell.every_step,
                "ragged": cell.ragged,
                "bidirectional": cell.bidirectional,
                "errors": {c.name: c.error for c in cell.checks},
            }
            for cell in grid
        ]
        say(dumps({"passed": not failures, "worst": worst, "tolerance": TOLERANCE, "rows": rows}))
    elif not quiet:
        console.print(_table(grid))
        console.print()
        for cell, failed in failures[:10]:
            console.print(
                f"[red]failed[/] {failed.name} ({_describe(cell)}): error {failed.error:.1e}, "
                f"largest entry {failed.largest:.1e}",
                soft_wrap=True,
            )
        if len(failures) > 10:
            console.print(f"… and {len(failures) - 10} more")
        verdict = "[bold red]wrong[/]" if failures else "[bold green]right[/]"
        console.print(
            f"loss and gradients {verdict}: {n_entries:,} entries of {len(grid):,} networks, "
            f"worst error {worst:.1e}, allowed {TOLERANCE:.0e}",
            soft_wrap=True,
        )
    check_delivered()
    if failures:
        raise typer.Exit(1)


def _table(grid: list[GridCell]) -> Table:
    """Draw the worst error of each combination: loss and networks down, labels and biases across."""
    import numpy as np
    from rich.table import Table
    from rich.text import Text

    from elman.check import MIXED

    table = Table(
        title="worst error of loss or gradient, relative to its largest entry\n"
        "(of each loss; of the gradients, over all losses, both directions,\n"
        f"equal lengths and ragged ones; mixed: {', '.join(MIXED)})",
        title_style="dim",
        box=None,
        pad_edge=False,
    )
    table.add_column("layers")
    columns = [(every_step, bias) for every_step in (False, True) for bias in (True, False)]
    for every_step, bias in columns:
        label = "label per step" if every_step else "one label"
        table.add_column(f"{label}\n{'bias' if bias else 'no bias'}", justify="right")
    found: dict[tuple[str, bool, bool], list[GradientCheck]] = defaultdict(list)
    for cell in sorted(grid, key=lambda cell: (cell.cell, cell.n_layers)):
        for check in cell.checks:
            row = cell.loss if check.name == "loss" else f"{cell.n_layers} × {cell.cell}"
            if cell.readout != "last":
                row = f"{cell.readout} of steps"
            found[row, cell.every_step, cell.bias].append(check)
    rows = dict.fromkeys(row for row, _, _ in found)  # networks in order; before them the losses
    for row in sorted(rows, key=lambda row: " × " in row):
        texts = []
        for column in columns:
            checks = found[row, *column]
            if not checks:  # a readout of all steps has no label a step
                texts.append(Text("–"))
                continue
            error = np.max([check.error for check in checks])  # NaN if one is
            passed = all(check.passed for check in checks)
            texts.append(Text(f"{error:.1e}", style="green" if passed else "bold red"))
        table.add_row(row, *texts)
    return table


def _describe(cell: GridCell) -> str:
    return (
        f"{cell.loss}, {cell.readout}, {cell.n_layers} {cell.cell}, "
        f"{'bias' if cell.bias else 'no bias'}, "
        f"{'label per step' if cell.every_step else 'one label'}, "
        f"{'ragged' if cell.ragged else 'equal lengths'}, "
        f"{'both directions' if cell.bidirectional else 'forward'}"
    )
