"""Tasks in threads: each once, errors to the caller, nothing left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import joblib
import numpy as np
import pytest

from elman.engines.compiled import threads
from elman.engines.compiled.threads import Job

TIMEOUT = 60  # seconds: what takes longer hangs


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8, 300])
@pytest.mark.parametrize("n_tasks", [0, 1, 2, 7, 100])
def test_each_task_is_called_once(n_threads, n_tasks):
    called = []
    threads.run(called.append, n_tasks, n_threads)
    assert sorted(called) == list(range(n_tasks))


def test_tasks_run_side_by_side():
    all_there = threading.Barrier(3, timeout=TIMEOUT)
    names = set()

    def task(i):
        all_there.wait()
        names.add(threading.current_thread().name)

    threads.run(task, 3, 3)
    assert len(names) == 3
    assert threading.current_thread().name in names


def test_one_thread_is_this_one_and_goes_in_order():
    called = []
    threads.run(lambda i: called.append((i, threading.current_thread())), 5, 1)
    assert called == [(i, threading.current_thread()) for i in range(5)]


def failing(in_helper, error):
    """A task that fails in one of two threads, and goes on for a moment in the other."""
    both_there = threading.Barrier(2, timeout=TIMEOUT)
    failed = threading.Event()
    begun, ended = [], []

    def task(i):
        begun.append(i)
        if i < 2:
            both_there.wait()
        if (threading.current_thread() is threading.main_thread()) != in_helper:
            failed.set()
            raise error
        failed.wait(TIMEOUT)
        time.sleep(0.05)
        ended.append(i)

    return task, begun, ended


@pytest.mark.parametrize(
    "error", [KeyError("a"), KeyboardInterrupt("b"), SystemExit("c")], ids=repr
)
@pytest.mark.parametrize("in_helper", [False, True])
def test_error_reaches_the_caller_once_all_have_stopped(in_helper, error):
    task, begun, ended = failing(in_helper, error)
    with pytest.raises(type(error)) as raised:
        threads.run(task, 1000, 2)
    assert raised.value is error
    assert sorted(begun) == [0, 1]  # no more were begun
    assert len(ended) == 1  # and the other one was waited for
    called = []
    threads.run(called.append, 10, 2)
    assert sorted(called) == list(range(10))


def test_error_in_one_thread_stops_the_rest():
    called = []

    def task(i):
        called.append(i)
        if i == 3:
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        threads.run(task, 10, 1)
    assert called == [0, 1, 2, 3]


def test_callers_in_several_threads_do_not_wait_for_each_other():
    """Even when all threads of the pool are taken, a caller does its own work."""
    all_there = threading.Barrier(4, timeout=TIMEOUT)
    results = [[] for _ in range(4)]

    def call(result):
        all_there.wait()
        for _ in range(50):
            threads.run(result.append, 7, 3)

    callers = [threading.Thread(target=call, args=[result]) for result in results]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(TIMEOUT)
    assert [sorted(result) for result in results] == [sorted(list(range(7)) * 50)] * 4


def test_tasks_may_call_run_themselves():
    called = []
    threads.run(lambda i: threads.run(lambda j: called.append((i, j)), 3, 3), 4, 4)
    assert sorted(called) == [(i, j) for i in range(4) for j in range(3)]


@pytest.mark.parametrize(
    ("took", "own_seconds", "works_alone"),
    [
        *[(1.9, 1.0, False), (2.1, 1.0, True), (2.1, 1.1, False)],
        (2.1, 0.0, False),  # of a coarse clock
        (50.0, 1.0, True),  # in which the process was stopped
    ],
)
def test_caller_works_alone_after_helpers_made_a_job_longer(
    monkeypatch, took, own_seconds, works_alone
):
    """Of two tasks each took the caller's ``own_seconds``: alone it would have needed twice that."""
    both_there = threading.Barrier(2, timeout=TIMEOUT)
    clock = iter([0.0, took, took + 0.1, took + 0.2, 100.0, 100.1])
    of_thread = iter([0, own_seconds])
    monkeypatch.setattr(threads, "_alone_until", 0.0)
    monkeypatch.setattr(threads, "ALONE", 16)
    monkeypatch.setattr(threads, "ALONE_AT_MOST", 40)
    monkeypatch.setattr(threads, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(threads, "thread_time", lambda: next(of_thread, 0))
    jobs = []
    monkeypatch.setattr(threads, "Job", lambda *of: jobs.append(Job(*of)) or jobs[-1])
    threads.run(lambda i: both_there.wait(), 2, 2)
    threads.run(lambda i: None, 2, 2)
    assert len(jobs) == (1 if works_alone else 2)
    if works_alone:
        until = took + min(16 * took, 40)
        clock = iter([until - 0.1, until + 0.1, 100.0])
        threads.run(lambda i: None, 2, 2)
        assert len(jobs) == 1
        threads.run(lambda i: None, 2, 2)
        assert len(jobs) == 2


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be taken away")
def test_two_threads_on_one_core_work_as_one(monkeypatch):
    """As beside a process that keeps the other core busy."""
    monkeypatch.setattr(threads, "ALONE", 16)
    monkeypatch.setattr(threads, "_alone_until", 0.0)
    monkeypatch.setattr(threads, "_idle", [])  # new ones inherit the caller's cores
    nothing, done = np.zeros(1, np.int64), []

    def task(i):
        threads.watch(nothing.copy(), nothing, 20_000, 0)  # a millisecond of the processor
        done.append(threading.current_thread() is threading.main_thread())

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        for _ in range(200):
            threads.run(task, 2, 2)
    finally:
        os.sched_setaffinity(0, cores)
    assert len(done) == 400
    assert sum(done) > 360


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_child_has_threads_of_its_own():
    threads.run(lambda i: time.sleep(0.01), 4, 4)  # so that there is a pool to inherit
    together = threading.Barrier(2, timeout=TIMEOUT)
    child = multiprocessing.get_context("fork").Process(
        target=threads.run, args=(lambda i: together.wait(), 2, 2)
    )
    child.start()
    child.join(TIMEOUT)
    exit_code = child.exitcode
    child.kill()
    child.join()
    assert exit_code == 0


def test_interpreter_ends_while_threads_wait():
    program = """
import time
from elman.engines.compiled.threads import run
run(lambda i: time.sleep(0.01), 8, 4)
"""
    command = [sys.executable, "-W", "error", "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    logged = ("compiling", "(FMA)")
    errors = [line for line in result.stderr.splitlines() if not any(x in line for x in logged)]
    assert (result.returncode, result.stdout, errors) == (0, "", [])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, 8), ("1", 1), ("3", 3), ("8", 8), ("9", 8), ("100000", 8), ("2,4", 2),
        ("", 8), ("0", 8), ("-1", 8), ("2.5", 8), ("many", 8), (",2", 8), ("²", 8),
    ],
)  # fmt: skip
def test_omp_num_threads_counts_if_it_is_a_number(monkeypatch, wanted, expected):
    monkeypatch.setattr(threads, "_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if wanted is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert threads.available_threads() == expected


def test_cores_are_those_joblib_counts(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads.available_threads() == joblib.cpu_count()


def test_workers_share_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(threads.available_threads)() for _ in "ab")
    assert found == [max(1, joblib.cpu_count() // 2)] * 2


def test_ctrl_c_while_waiting_for_a_helper_waits_on(monkeypatch):
    monkeypatch.setattr(threads, "LOOKING", 0.0)
    ended = []

    def interrupt():
        signal.raise_signal(signal.SIGINT)
        interrupted.set()

    def task(i):
        if threading.current_thread() is threading.main_thread():
            helper_runs.wait(TIMEOUT)
            threading.Timer(0.1, interrupt).start()
        else:
            helper_runs.set()
            interrupted.wait(TIMEOUT)
            time.sleep(0.1)
            ended.append(i)

    helper_runs, interrupted = threading.Event(), threading.Event()
    with pytest.raises(KeyboardInterrupt):
        threads.run(task, 2, 2)
    assert len(ended) == 1


def test_tasks_at_the_interpreters_end_need_no_helpers():
    program = """
import sys
from elman.engines.compiled.threads import run
run(lambda i: None, 4, 2)


class Last:
    def __del__(self, run=run, print=print):
        run(lambda i: None, 4, 2)
        print("done")


sys.modules["last"] = Last()
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    assert result.stdout == "done\n"
