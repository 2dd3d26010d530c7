"""Ignoring the warnings of a search's threads, and no other warnings.

``warnings.catch_warnings`` cannot do this: it swaps the filters of the whole process, and Numba's
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
"""The beginning of these threads' names."""


class _OfThreads:
    """Takes the place of a filter's regular expression for messages, but matches by thread."""

    pattern = "(?!)"  # matches nothing: scikit-learn compiles copies of filters for its own threads

    def match(self, _: str) -> bool:
        return current_thread().name.startswith(THREADS)


_FILTER = ("ignore", _OfThreads(), Warning, None, 0)


@contextmanager
def quiet_threads() -> Iterator[None]:
    """Ignore the warnings of threads with such names.

    A copy of the filter may stay in a list that a thread puts back; it matches no other thread.
    """
    before = _filters()
    before.insert(0, _FILTER)
    try:
        yield
    finally:
        now = _filters()  # a different list while some thread is in catch_warnings
        for filters in [now] if now is before else [now, before]:
            if _FILTER in filters:
                filters.remove(_FILTER)


def _filters() -> Any:
    return warnings.filters
