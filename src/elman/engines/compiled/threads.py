"""A plain thread pool for work that releases the interpreter lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from itertools import count

_pool: ThreadPoolExecutor | None = None


def run(task: Callable[[int], None], n_tasks: int, n_threads: int) -> None:
    """Call ``task(0)`` … ``task(n_tasks - 1)``, in several threads, this one among them.

    Which thread takes which task is left to chance. If a task fails, or Ctrl-C comes, no more are
    begun, and the error goes on to the caller once those that run have ended.
    """
    n_helpers = min(n_threads, n_tasks) - 1
    if n_helpers <= 0:
        for i in range(n_tasks):
            task(i)
        return
    tasks = count()
    stopped = False

    def work() -> None:
        nonlocal stopped
        try:
            while not stopped and (i := next(tasks)) < n_tasks:
                task(i)
        except BaseException:
            stopped = True
            raise

    helpers = []
    try:
        for _ in range(n_helpers):
            helpers.append(_executor().submit(work))
    except RuntimeError:  # no more threads, or the interpreter is ending: fewer do as well
        pass
    try:
        work()
    finally:
        stopped = True
        wait([helper for helper in helpers if not helper.cancel()])
    for helper in helpers:
        if not helper.cancelled():
            helper.result()


def _executor() -> ThreadPoolExecutor:
    """The process's own pool; its threads begin when they are first needed, and wait for work."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(max_workers=256, thread_name_prefix="elman")
    return _pool


def _forget_pool() -> None:
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)  # its threads are not in the child


def available_threads() -> int:
    """How many threads this process should use: its cores, or fewer where OMP_NUM_THREADS says so.

    Containers' limits count. joblib sets OMP_NUM_THREADS in its workers, so that several of them do
    not get in each other's way.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return min(int(wanted), _cores()) if wanted.isdecimal() and int(wanted) else _cores()


@cache
def _cores() -> int:
    from joblib import cpu_count

    return int(cpu_count())
