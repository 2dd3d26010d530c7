"""Warnings of the threads of a search are ignored, and nobody else's.

``warnings.catch_warnings`` is no way to do so: it swaps the filters of the whole process, and Numba's
compiler does the same in a thread that may end after the search, which then puts the filters of the
search back.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread
from typing import Any

THREADS = "elman-tune"
"""What the names of these threads begin with."""


class _OfThreads:
    """Stands where a filter has the regular expression of messages; matches by thread instead."""

    pattern = "(?!)"  # matches nothing: scikit-learn compiles filters anew, for threads of its own

    def match(self, _: str) -> bool:
        return current_thread().name.startswith(THREADS)


_FILTER = ("ignore", _OfThreads(), Warning, None, 0)


@contextmanager
def quiet_threads() -> Iterator[None]:
    """Ignore what threads with such names warn of.

    A copy of the filter may stay in a list that a thread puts back; nobody else matches it.
    """
    before = _filters()
    before.insert(0, _FILTER)
    try:
        yield
    finally:
        now = _filters()  # another list, while some thread is in catch_warnings
        for filters in [now] if now is before else [now, before]:
            if _FILTER in filters:
                filters.remove(_FILTER)


def _filters() -> Any:
    return warnings.filters
