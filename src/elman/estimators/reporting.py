"""What ``verbose`` prints: a line for each epoch, and that functions are being compiled."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from elman.mpi import rank
from elman.training import Callback, Progress

_compiling = logging.getLogger("elman.compiling")


def _print(record: logging.LogRecord) -> bool:
    """Print what the engine compiles, and hide it from other handlers; leave warnings to them."""
    if record.levelno > logging.INFO:
        return True
    print(record.getMessage(), flush=True)
    return False


@contextmanager
def reporting(verbose: object, callback: Callback | None) -> Iterator[Callback | None]:
    """Yield a callback that, with ``verbose``, prints each epoch before it calls the given one.

    Inside the block, what the engine compiles is printed, too, unless the program's logging shows it.
    """
    if not verbose or rank() > 0:
        yield callback
        return

    def report(progress: Progress) -> None:
        if progress.row is not None:
            print(progress, *progress.notes, sep="\n  ", flush=True)
        if callback is not None:
            callback(progress)

    is_shown = _compiling.isEnabledFor(logging.INFO) and _compiling.hasHandlers()
    if is_shown or _print in _compiling.filters:  # or a fit in another thread prints it
        yield report
        return
    level = _compiling.level
    _compiling.addFilter(_print)
    _compiling.setLevel(logging.INFO)
    try:
        yield report
    finally:
        _compiling.removeFilter(_print)
        _compiling.setLevel(level)
