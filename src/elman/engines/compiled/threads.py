"""A few threads for work that releases the interpreter lock.

To wake a thread that sleeps takes about as long as a step of a small network. So whoever waits here,
a helper for work or its caller for its end, looks out for it at first, for some hundred
microseconds, and sleeps only then. To wait for the interpreter lock is to sleep, too: so one looks
without it, and goes on only when who rang has let go of it.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from functools import cache
from threading import Lock, Thread
from time import perf_counter, thread_time
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from elman._typing import IntArray
from elman.engines.compiled.machine.compiling import entry
from elman.engines.compiled.machine.memory import CHECKED, INDEX, check

LOOKING = 200e-6  # seconds before sleeping
HANDOVER = 25e-6  # seconds until a caller that has rung has let go of the interpreter lock
ALONE = 16  # times as long as a job that helpers made longer, the caller works alone
ALONE_AT_MOST = 10.0  # seconds: a job is long, too, if its process was stopped meanwhile (Ctrl-Z)


def run(task: Callable[[int], None], n_tasks: int, n_threads: int) -> None:
    """Call ``task(0)`` … ``task(n_tasks - 1)``, in several threads, this one among them.

    Which thread takes which task is left to chance. If a task fails, or Ctrl-C comes, no more are
    begun, and the error goes on to the caller once those that run have ended.

    Where other processes keep the cores busy, a helper waits for one, and the caller for the helper. So
    when a job took longer than the caller's own tasks say that all of them take, it works alone for
    a while.
    """
    global _alone_until
    n_helpers = min(n_threads, n_tasks) - 1
    started = perf_counter()
    # at the interpreter's end no helper wakes any more
    if n_helpers <= 0 or started < _alone_until or sys.is_finalizing():
        for i in range(n_tasks):
            task(i)
        return
    job = Job(task, n_tasks)
    try:
        job.call(n_helpers)
        began = thread_time()
        n_own = job.work()
        own_seconds = thread_time() - began
    finally:
        job.is_stopped = True
        job.wait()
    if job.error is not None:
        raise job.error
    ended = perf_counter()
    # 0 seconds are those of a clock that is too coarse to tell
    if n_own and ended - started > n_tasks * own_seconds / n_own > 0:
        _alone_until = ended + min(ALONE * (ended - started), ALONE_AT_MOST)


_alone_until = 0.0


class Job:
    """Tasks that are taken one by one, by helpers and by the caller."""

    def __init__(self, task: Callable[[int], None], n_tasks: int) -> None:
        self.task = task
        self.is_stopped = False
        self.error: BaseException | None = None
        self._tasks = iter(range(n_tasks))
        self._ends: list[End] = []

    def call(self, n_helpers: int) -> None:
        """Give the job to helpers that are idle, or new."""
        nothing = np.zeros(1, np.int64)
        watch(nothing, nothing, 0, 0)  # compiled here, where somebody hears of an error
        for _ in range(n_helpers):
            try:
                helper = _idle.pop()
            except IndexError:
                try:
                    helper = Helper()
                except RuntimeError:  # no more threads: fewer do as well
                    return
            end = End()
            helper.take(self, end)
            self._ends.append(end)

    def work(self) -> int:
        """Do tasks while there are any; return how many."""
        n_done = 0
        try:
            while not self.is_stopped and (i := next(self._tasks, None)) is not None:
                self.task(i)
                n_done += 1
        except BaseException:
            self.is_stopped = True
            raise
        return n_done

    def wait(self) -> None:
        """Wait until all helpers have ended, however often Ctrl-C comes meanwhile."""
        nothing, interrupt = np.zeros(1, np.int64), None
        for end in self._ends:
            while not end.is_over:
                try:
                    watch(nothing, end.said, looks_in(LOOKING), 0)
                    end.lock.acquire()
                except KeyboardInterrupt as error:
                    interrupt = error
        if interrupt is not None:
            raise interrupt


class End:
    """Where a helper says that it has ended: to who looks, and to who sleeps."""

    def __init__(self) -> None:
        self.said = np.zeros(1, np.int64)
        self.is_over = False
        self.lock = Lock()
        self.lock.acquire()


class Helper:
    """A thread that works on one job after another, for as long as the process lives."""

    def __init__(self) -> None:
        self._job: Job
        self._end: End
        self._bell = np.zeros(1, np.int64)
        self._is_called = Lock()
        self._is_called.acquire()
        Thread(target=self._serve, daemon=True).start()

    def take(self, job: Job, end: End) -> None:
        """Work on a job."""
        self._job, self._end = job, end
        self._bell[0] = 1
        self._is_called.release()

    def _serve(self) -> None:
        said = np.zeros(1, np.int64)
        while True:
            watch(said, self._bell, looks_in(LOOKING), looks_in(HANDOVER))
            self._is_called.acquire()
            self._bell[0] = 0
            job, end = self._job, self._end
            del self._job, self._end
            try:
                job.work()
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                job.error = error
            said = end.said
            _idle.append(self)
            end.is_over = True
            end.lock.release()
            del job, end


_idle: list[Helper] = []

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _idle.clear())  # the threads are not in the child


@intrinsic
def look(_: Any, array: Any) -> Any:
    """The first number of an array of integers, as other threads left it, after a short pause."""

    def codegen(context: Any, builder: ir.IRBuilder, types_of: Any, args: Any) -> Any:
        if platform.machine() in ("x86_64", "AMD64"):
            nothing = ir.FunctionType(ir.VoidType(), [])
            name = "llvm.x86.sse2.pause"
            builder.call(cgutils.get_or_insert_function(builder.module, nothing, name), [])
        numbers = context.make_array(types_of.args[0])(context, builder, args[0])
        if CHECKED:
            check("look", context, builder, numbers.nitems, INDEX(0), (1, 1))
        return builder.load_atomic(numbers.data, "acquire", 8)

    return types.int64(array), codegen


@entry
def watch(said: IntArray, bell: IntArray, looks: int, handover: int) -> None:
    """Say something; return ``handover`` looks after somebody has rung, or after so many looks."""
    said[0] = 1
    for _ in range(looks):
        if look(bell):
            for _ in range(handover):
                look(bell)
            return


def looks_in(seconds: float) -> int:
    """How many looks take so long."""
    return int(seconds / _seconds_of_a_look())


@cache
def _seconds_of_a_look() -> float:
    """Measure it: on one processor a pause takes five times as long as on another."""
    nothing, n = np.zeros(1, np.int64), 1000
    watch(nothing, nothing, 0, 0)  # compiled first
    nothing[0] = 0  # where nobody rings
    fastest = float("inf")
    for _ in range(5):
        started = perf_counter()
        watch(nothing.copy(), nothing, n, 0)
        fastest = min(fastest, (perf_counter() - started) / n)
    return max(fastest, 1e-9)  # a clock may be too coarse to tell


def available_threads(wanted: int | None = None) -> int:
    """How many threads this process should use: as many as are wanted, but no more than its cores.

    Where no number is wanted, OMP_NUM_THREADS counts: joblib sets it in its workers, so that several
    of them do not get in each other's way. Cores are counted within containers' limits.
    """
    if wanted is None:
        of_openmp = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
        wanted = int(of_openmp) if of_openmp.isdecimal() else 0
    return min(wanted, _cores()) if wanted else _cores()


@cache
def _cores() -> int:
    from joblib import cpu_count

    return int(cpu_count())
