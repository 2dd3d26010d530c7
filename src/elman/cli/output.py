"""What the command line prints: text that no terminal takes for commands, and that never fails."""

from __future__ import annotations

import codecs
import errno
import io
import logging
import os
import re
import select
import shutil
import sys
import textwrap
from typing import Any

from elman.cli.parameters import by_options
from elman.cli.ranks import leave_words, rank

# Control characters, which move the cursor, colour, or end a line (C0, C1, line and paragraph
# separators), change the direction of what follows, or are no characters at all (surrogates).
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_ASCII = {"…": "...", "·": ".", "–": "-", "×": "x", "σ": "sigma"}


def printable(text: object) -> str:
    r"""Write control characters as Python does, ``\x1b``: for all text that comes from elsewhere.

    Labels, the names of files, and messages in which these may stand.
    """
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], str(text))


def in_one_line(message: object) -> str:
    """Make a message of several lines one, and printable."""
    return printable(" ".join(line.strip() for line in str(message).splitlines()))


def say(text: str, *, err: bool = False) -> None:
    """Print a line, in whatever encoding there is."""
    stream = sys.stderr if err else sys.stdout
    if stream is not None:  # it is closed
        print(printable(text), file=stream, flush=True)


def say_in_words(text: str, *, err: bool = False) -> None:
    """Print a sentence, on a terminal broken between words."""
    stream = sys.stderr if err else sys.stdout
    lines = [text]
    if stream is not None and stream.isatty():
        lines = _broken(printable(text))
    for line in lines:
        say(line, err=err)


def _broken(text: str) -> list[str]:
    width = shutil.get_terminal_size().columns
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def say_error(message: object) -> None:
    """Print a line to standard error, red where colours are wanted.

    Of an MPI job the first rank prints; it hears from the others why they end.
    """
    if rank() > 0:
        leave_words(in_one_line(message))
        return
    from rich.console import Console
    from rich.text import Text

    text, console = in_one_line(message), Console(stderr=True)
    if console.is_terminal:  # broken between words; a long path stays whole, to be copied
        text = "\n".join(_broken(text))
    console.print(Text(text, style="red"), soft_wrap=True)


class Log(logging.Handler):
    """Shows what the library logs, on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line."""
        say_in_words(f"elman: {by_options(record.getMessage())}", err=True)


def check_delivered() -> None:
    """Find out whether standard output took all that was printed, where that is the result.

    Raises
    ------
    OSError
        If it did not: BrokenPipeError if nobody reads on.
    """
    if sys.stdout is None:  # it was closed from the start
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")
    sys.stdout.flush()
    failure = getattr(_raw(sys.stdout), "failure", None)
    if failure is not None:
        raise OSError(failure.errno, failure.strerror, "standard output")


def make_streams_steady() -> None:
    """Let no writing to standard output or error fail, for an encoding or for want of a reader.

    A closed pipe, a full disk or a closed terminal must not end what is worth more than the message.
    """
    codecs.register_error("elman", _in_ascii)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(_raw(stream), io.FileIO):
            stream.flush()
            steady = io.TextIOWrapper(
                io.BufferedWriter(_Steady(stream.fileno(), "wb", closefd=False)),
                encoding=stream.encoding,
                errors="elman",
                line_buffering=stream.line_buffering,
            )
            setattr(sys, name, steady)


class _Steady(io.FileIO):
    """A file that takes everything; ``failure`` is what it met first, after which all is dropped."""

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Write as much as a file does at once."""
        try:
            while self.failure is None:
                n_bytes: int | None = super().write(data)
                if n_bytes is not None:
                    return n_bytes
                select.select([], [self], [])  # somebody made it one that does not wait
        except OSError as error:
            self.failure = error
        return memoryview(data).nbytes


def _raw(stream: Any) -> Any:
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Replace what an encoding lacks by something like it, or by its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_ASCII.get(c, ascii(c)[1:-1]) for c in lacking), error.end
