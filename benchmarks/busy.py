"""The training step of a small network beside another process that computes all the time."""

from __future__ import annotations

import multiprocessing
import os
import statistics
from dataclasses import replace
from typing import Any

from rich.table import Table

from benchmarks.contenders import STEP, STEP_TRUTH, Contender, elman_step_alone
from benchmarks.harness import Say, Settings, compete, ratio
from benchmarks.problems import Problem
from benchmarks.report import Bar, columns, duration, times

SHAPE = Problem(28, 28, 32, 64)
ALONE = Contender("elman, one thread", "elman", elman_step_alone)
CONTENDERS = {"alone": ALONE} | {name: STEP[name] for name in ("elman", "torch", "jax")}
REQUIRED = 0.97


def measure(settings: Settings, say: Say) -> dict[str, Any]:
    """Time the contenders beside a process that spins, on the cores that they may use."""
    problem = replace(SHAPE, cell=settings.cell)
    spinning = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
    spinning.start()
    try:
        seconds = compete(CONTENDERS, [problem], STEP_TRUTH, settings, say)[str(problem)]
    finally:
        spinning.kill()
        spinning.join()
    return {"shape": str(problem), "cell": problem.cell, "seconds": seconds}


def _spin() -> None:
    parent = os.getppid()
    while os.getppid() == parent:  # and ends with it, however that ends
        sum(range(100_000))


def table(section: dict[str, Any]) -> Table:
    """Draw a line a contender."""
    title = f"The training step, {section['cell']} ({section['shape']}), beside a busy process"
    drawn = columns("", "step", "times elman's", title=title)
    for name, seconds in section["seconds"].items():
        times_elman = times(ratio(section["seconds"], name))
        drawn.add_row(CONTENDERS[name].label, duration(statistics.median(seconds)), times_elman)
    return drawn


def bars(section: dict[str, Any]) -> list[Bar]:
    """Judge: all threads may be no slower than one."""
    what = "beside a busy process: one thread, in times of all"
    return [Bar(what, ratio(section["seconds"], "alone"), REQUIRED)]
