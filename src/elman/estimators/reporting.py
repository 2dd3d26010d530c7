"""What ``verbose`` prints: a line an epoch, and why the first one may be long in coming."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from elman.mpi import rank
from elman.training import Callback, Progress

_compiling = logging.getLogger("elman.compiling")


class _Printed(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), flush=True)


@contextmanager
def reporting(verbose: object, callback: Callback | None) -> Iterator[Callback | None]:
    """Give a callback that prints each epoch before it calls another, where that is wanted.

    Meanwhile it is printed if the engine compiles, unless the program shows what is logged anyway.
    """
    if not verbose or rank() > 0:
        yield callback
        return

    def report(progress: Progress) -> None:
        if progress.row is not None:
            print(progress, *progress.notes, sep="\n  ", flush=True)
        if callback is not None:
            callback(progress)

    if _compiling.isEnabledFor(logging.INFO) and _compiling.hasHandlers():
        yield report
        return
    handler, level = _Printed(), _compiling.level
    _compiling.addHandler(handler)
    _compiling.setLevel(logging.INFO)
    try:
        yield report
    finally:
        _compiling.removeHandler(handler)
        _compiling.setLevel(level)
