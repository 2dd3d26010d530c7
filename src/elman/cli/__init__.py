"""The command line: a thin layer over the public API.

What takes long to import (NumPy, scikit-learn) is imported inside the commands, so that ``--help``
answers at once.
"""

from __future__ import annotations

import signal
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from elman import __version__
from elman.cli.check import check
from elman.cli.evaluate import evaluate, predict
from elman.cli.explain import explain
from elman.cli.train import train
from elman.errors import ElmanError


class _Commands(TyperGroup):
    """Turns what is meant for a person into one line and an exit code; a bug stays a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # nobody reads on; typer ends quietly
            raise
        except (ElmanError, OSError, ValueError) as error:  # scikit-learn refuses by ValueError
            typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.secho("interrupted", fg=typer.colors.RED, err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    name="elman",
    cls=_Commands,
    help="Recurrent networks trained by the written-out equations of back-propagation through time.",
    epilog="Exit codes: 0 done, 1 failed or interrupted, 2 wrong use.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (train, evaluate, predict, check, explain):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"elman {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    # What asks the process to end is treated as Ctrl-C is: what was learnt is saved.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(1)
