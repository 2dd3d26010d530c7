"""One BLAS thread while the reference engine computes.

Its products are small. A second thread gains nothing below some 256 units, waits for the first by
spinning, and where another process wants the core makes the whole 20 times slower (OpenBLAS, two
cores). One thread is also the same order of sums on every number of cores.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_n_inside = 0
_exit_stack = ExitStack()


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through the loaded libraries: 8 ms, so once


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread, and leave it as found.

    The setting is the process's. Where several threads of Python are inside, the first to enter
    makes it and the last to leave takes it back.
    """
    global _n_inside
    with _lock:
        if _n_inside == 0:
            _exit_stack.enter_context(_controller().limit(limits=1, user_api="blas"))
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if _n_inside == 0:
                _exit_stack.close()
