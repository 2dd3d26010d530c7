"""NumPy's products in one thread: several gain nothing here, and lose much beside other work.

Products of small matrices follow one another by thousands, and at each the BLAS's threads wait for one
another without sleeping. Where another process has the core of one of them, that lasts until the system
takes it away: ``gradient_flow`` took 25 times as long.
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
    """Compute products so while a function runs; those of other threads are limited meanwhile, too.

    Of several such functions at a time only the first sets the limit, and takes it off: what the
    others would find and put back is the limit.
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
