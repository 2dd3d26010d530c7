"""Matrix products in one thread: more threads gain nothing here, and lose much if other programs run.

There are thousands of products of small matrices, and in each the threads of BLAS wait for one another
without sleeping. If another process has the core of one of them, this lasts until the system gives the
core back: ``gradient_flow`` took 25 times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any, TypeVar, cast

from threadpoolctl import threadpool_limits

F = TypeVar("F", bound=Callable[..., Any])

_limited = Lock()


def one_thread(function: F) -> F:
    """Decorate a function so that products have one thread while it runs, in other threads, too.

    If several such functions run at a time, only the first sets the limit and removes it, because the
    others would save the limit itself, and put it back.
    """

    @wraps(function)
    def limited(*args: Any, **kwargs: Any) -> Any:
        if not _limited.acquire(blocking=False):
            return function(*args, **kwargs)
        try:
            with threadpool_limits(limits=1, user_api="blas"):
                return function(*args, **kwargs)
        finally:
            _limited.release()

    return cast("F", limited)
