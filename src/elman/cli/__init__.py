"""The command line: a thin layer over the public API.

What takes long to import (NumPy, scikit-learn) is imported inside the commands, so that ``--help``
answers at once.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import cleandoc
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from elman._files import no_file, unreadable
from elman.cli.check import check
from elman.cli.evaluate import evaluate
from elman.cli.explain import explain
from elman.cli.export import export
from elman.cli.inspect import inspect
from elman.cli.output import Log, in_one_line, make_streams_steady, say, say_error, say_in_words
from elman.cli.parameters import by_options
from elman.cli.predict import predict
from elman.cli.resume import resume
from elman.cli.sample import sample
from elman.cli.train import train
from elman.cli.tune import tune
from elman.cli.version import version as version_line
from elman.errors import ElmanError

_UsageError: Any = typer.BadParameter.__base__  # click's, which typer has under several names


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn what is meant for a person into one line and an exit code; a bug stays a traceback."""
    try:
        yield
    except BrokenPipeError:  # nobody reads on
        raise typer.Exit(1) from None
    except MemoryError as error:
        say_error(f"error: there is too little memory. {error}")
    # scikit-learn refuses by ValueError; a library that there is no memory for is an ImportError
    except FileNotFoundError as error:
        say_error(f"error: {_no_file(error)}")
    except PermissionError as error:  # with a file name the words are the system's
        words = error if error.filename is None else unreadable(error.filename)
        say_error(f"error: {words}")
    except (ElmanError, OSError, ValueError, ImportError) as error:
        say_error(f"error: {by_options(str(error))}")
    except KeyboardInterrupt:
        say_error("interrupted")
    except _UsageError as error:
        option = next(iter(getattr(getattr(error, "param", None), "opts", ())), "")
        error.message = in_one_line(_expected(error))
        if option in _CONFUSED:
            error.message = error.message.rstrip(".") + _CONFUSED[option]
        raise
    else:
        return
    raise typer.Exit(1)


# What pydantic, by which typer reads numbers, calls each kind of error, and click, by which earlier
# releases of typer do, in words for a person.
_EXPECTED = {
    "float_parsing": "a number",
    "int_parsing": "a whole number",
    "float": "a number",
    "integer": "a whole number",
}


# Options taken for each other: scikit-learn calls these learning_rate_init and learning_rate
_CONFUSED = {
    "--learning-rate": ". How it changes over time is --schedule.",
    "--schedule": ". The rate itself is --learning-rate.",
}


def _expected(error: Any) -> str:
    """Say what was expected and what was given, where typer repeats the words of pydantic."""
    found: list[dict[str, Any]] = getattr(error.__cause__, "errors", list)()
    if found and (expected := _EXPECTED.get(found[0]["type"])):
        return f"expected {expected}; got {found[0]['input']}"
    message: str = error.message
    if earlier := re.fullmatch(r"'(.*)' is not a valid (float|integer)\.", message):
        return f"expected {_EXPECTED[earlier[2]]}; got {earlier[1]}"
    if forbidden := re.fullmatch(r".* '(.*)' is not readable\.", message):
        return str(unreadable(forbidden[1]))
    return message.removeprefix("Value error, ")


def _no_file(error: FileNotFoundError) -> object:
    """Say which file there is not, where the system's words are a number."""
    if error.errno is None or error.filename is None:
        return error
    return no_file(error.filename)


class _PlainFlags:
    """A switch is on or off: help does not say that it takes a ``<bool>``."""

    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_bool_flag", False) and param.metavar is None:
                param.metavar = ""
        return params


class _Command(_PlainFlags, TyperCommand):
    """A command; with ``--quiet`` it does not say that something is compiled."""

    def invoke(self, ctx: Any) -> Any:
        compiling = logging.getLogger("elman.compiling")
        level = compiling.level
        if ctx.params.get("quiet"):
            compiling.setLevel(logging.WARNING)
        try:
            return super().invoke(ctx)
        finally:
            compiling.setLevel(level)


class _Commands(_PlainFlags, TyperGroup):
    """All commands; what each raises is put in words here."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _in_words():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _in_words():
            return super().invoke(ctx)


app = typer.Typer(
    name="elman",
    cls=_Commands,
    help="Train recurrent neural networks on sequences, use them, and look inside.",
    epilog="Exit codes: 0 success, 1 failed or interrupted, 2 wrong usage.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (inspect, train, resume, tune, evaluate, predict, sample, check, explain, export):
    paragraphs = cleandoc(command.__doc__ or "").split("\n\n")
    lines = [" ".join(of.split()) for of in paragraphs]  # broken where the window ends
    app.command(cls=_Command, help="\n\n".join(lines))(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(version_line())
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; ``elman.__main__`` is where it begins."""
    make_streams_steady()
    logger = logging.getLogger("elman")
    logger.setLevel(logging.INFO)
    logger.addHandler(Log())
    warnings.showwarning = lambda message, *_, **__: say_in_words(
        f"warning: {by_options(in_one_line(message))}", err=True
    )
    app()
