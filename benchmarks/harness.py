"""Contenders in processes of their own, measured in turn, round after round.

The speed of a machine drifts, so that only ratios within one round mean anything; what is reported
is the median of the rounds' ratios. A process whose turn it is not is stopped (SIGSTOP): threads
that wait by spinning would take the cores from the one that is measured.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import signal
import statistics
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from benchmarks.contenders import Contender
from benchmarks.problems import Problem

TOLERANCE = 1e-4  # of the largest entry, in float32, over up to 1000 steps

Say = Callable[[str], None]
Seconds = dict[str, dict[str, list[float]]]
"""Of a problem and a contender, the median of each round."""


class Settings(NamedTuple):
    """How to measure."""

    n_threads: int
    n_rounds: int
    turn_seconds: float
    cell: str = "tanh"
    before: str | None = None  # another checkout of elman


class Worker:
    """A contender in a process of its own, stopped but while it is asked something."""

    def __init__(self, contender: Contender, n_threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.label = contender.label
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, contender, n_threads), daemon=True
        )
        with patch.dict(os.environ, dict(contender.environment)):
            self._process.start()
        theirs.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # one that is stopped hears nothing else
        self._process.join()

    def ask(self, what: str, problem: Problem, *arguments: Any) -> Any:
        """Have a function of this module called in the process."""
        pid = self._process.pid
        assert pid is not None
        os.kill(pid, signal.SIGCONT)
        self._connection.send((what, problem, *arguments))
        try:
            failed, answer = self._connection.recv()
        except EOFError:
            raise RuntimeError(f"{self.label}, {problem}: the process died") from None
        os.kill(pid, signal.SIGSTOP)
        if failed:
            raise RuntimeError(f"{self.label}, {problem}, {what}:\n{answer}")
        return answer


def _serve(connection: Connection, contender: Contender, n_threads: int) -> None:
    made: dict[Problem, Any] = {}
    questions = {"result": _result, "seconds": _seconds, "memory": _memory}
    while True:
        what, problem, *arguments = connection.recv()
        try:
            if what == "first":
                answer, made[problem] = _first(contender, problem, n_threads)
            else:
                if problem not in made:
                    made[problem] = contender.make(problem, n_threads)
                answer = questions[what](*made[problem], *arguments)
        except Exception:  # noqa: BLE001 - told where it is seen
            connection.send((True, traceback.format_exc()))
        else:
            connection.send((False, answer))


def _first(contender: Contender, problem: Problem, n_threads: int) -> tuple[float, Any]:
    """Seconds from nothing imported to a first run's end."""
    started = time.perf_counter()
    run, result = contender.make(problem, n_threads)
    run()
    return time.perf_counter() - started, (run, result)


def _result(run: Callable[[], Any], result: Callable[[], Any]) -> Any:
    return result()


def _seconds(run: Callable[[], Any], result: Callable[[], Any], at_least: float) -> float:
    """Return the median of as many runs as fill the time, three at least."""
    run()  # caches are another contender's still
    seconds: list[float] = []
    ends = time.perf_counter() + at_least
    while len(seconds) < 3 or time.perf_counter() < ends:
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _memory(run: Callable[[], Any], result: Callable[[], Any]) -> int:
    """By how many bytes the first run makes the process grow, at its peak."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    run()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - resident


def present(contenders: Mapping[str, Contender], say: Say) -> dict[str, Contender]:
    """Leave out, with a word, those whose package is not installed."""
    there = {}
    for name, contender in contenders.items():
        if find_spec(contender.package) is None:
            say(f"{contender.label} is not installed here, and left out")
        else:
            there[name] = contender
    return there


def compete(
    contenders: Mapping[str, Contender],
    problems: list[Problem],
    truth: Contender,
    settings: Settings,
    say: Say,
) -> Seconds:
    """Check every contender's results against the truth, then time them in turn.

    Raises
    ------
    AssertionError
        If a result is wrong.
    """
    contenders = present(contenders, say)
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(contender, settings.n_threads))
            for name, contender in contenders.items()
        }
        errors = []
        with Worker(truth, settings.n_threads) as oracle:
            for problem in problems:
                expected = oracle.ask("result", problem)
                for name in _who(contenders, problem):
                    actual = workers[name].ask("result", problem)
                    errors.append(check(actual, expected, f"{name}, {problem}"))
        say(f"results agree to {max(errors):.1e} of the largest entry")
        seconds: Seconds = {
            str(problem): {name: [] for name in _who(contenders, problem)} for problem in problems
        }
        for number in range(settings.n_rounds):
            for problem in problems:
                who = _who(contenders, problem)
                for name in who[number % len(who) :] + who[: number % len(who)]:
                    answer = workers[name].ask("seconds", problem, settings.turn_seconds)
                    seconds[str(problem)][name].append(answer)
            say(f"round {number + 1}/{settings.n_rounds}")
    return seconds


def _who(contenders: Mapping[str, Contender], problem: Problem) -> list[str]:
    ragged = problem.shortest is not None
    return [name for name, one in contenders.items() if one.takes_ragged or not ragged]


def check(actual: dict[str, Any], expected: dict[str, Any], who: str) -> float:
    """Assert that results are right; return the worst error, relative to the largest entry."""
    worst = 0.0
    for name, value in actual.items():
        scale = np.abs(expected[name]).max()
        error = np.abs(np.asarray(value, np.float64) - expected[name]).max() / scale
        assert error <= TOLERANCE, f"{who}: {name} is off by {error:.1e} of its largest entry"
        worst = max(worst, float(error))
    return worst


def ratio(seconds: Mapping[str, list[float]], of: str, to: str = "elman") -> float:
    """The median of the rounds' ratios: how many times as long the one takes as the other."""
    return statistics.median(a / b for a, b in zip(seconds[of], seconds[to], strict=True))


def geometric_mean(values: list[float]) -> float:
    """The n-th root of the product."""
    return math.exp(statistics.fmean(map(math.log, values)))
