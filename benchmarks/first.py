"""The first step: how long it takes with nothing compiled and with all in the cache, and its memory."""

from __future__ import annotations

import os
import statistics
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from rich.table import Table

from benchmarks.contenders import STEP
from benchmarks.harness import Say, Settings, Worker, present
from benchmarks.problems import Problem
from benchmarks.report import Bar, columns, duration

SHAPE = Problem(28, 28, 128, 128)
LARGE = Problem(200, 64, 256, 512)  # T·B·H numbers are 105 MB
CONTENDERS = ("elman", "reference", "torch", "jax")
COLD = {"tanh": 5.0, "lstm": 12.0}  # seconds, at most


def measure(settings: Settings, say: Say) -> list[dict[str, Any]]:
    """Time first steps in fresh processes; return a row a contender."""
    contenders = present({name: STEP[name] for name in CONTENDERS}, say)
    shape, large = replace(SHAPE, cell=settings.cell), replace(LARGE, cell=settings.cell)
    rows = []
    with TemporaryDirectory() as cache, patch.dict(os.environ, NUMBA_CACHE_DIR=cache):
        with Worker(STEP["elman"], settings.n_threads) as worker:
            cold = worker.ask("first", shape)
        for name, contender in contenders.items():
            warm = []
            for _ in range(settings.n_rounds):
                with Worker(contender, settings.n_threads) as worker:
                    warm.append(worker.ask("first", shape))
            with Worker(contender, settings.n_threads) as worker:
                worker.ask("first", shape)  # what is grown by once is not the step's
                grown = worker.ask("memory", large)
            rows.append(
                {
                    "contender": name,
                    "label": contender.label,
                    "cell": settings.cell,
                    "cold_seconds": cold if name == "elman" else None,
                    "warm_seconds": warm,
                    "bytes_grown": grown,
                    "arrays_of_states": grown / (4 * LARGE.T * LARGE.B * LARGE.H),
                }
            )
            say(contender.label)
    return rows


def table(rows: list[dict[str, Any]]) -> Table:
    """Draw a line a contender."""
    cell = rows[0]["cell"]
    title = f"The first step, {cell} ({SHAPE}), imports included; the peak memory of one of {LARGE}"
    drawn = columns("", "cold", "cache warm", "memory", "in arrays T·B·H", title=title)
    for row in rows:
        cold = row["cold_seconds"]
        drawn.add_row(
            row["label"],
            "–" if cold is None else duration(cold),
            duration(statistics.median(row["warm_seconds"])),
            f"{row['bytes_grown'] / 1e6:.0f} MB",
            f"{row['arrays_of_states']:.2f}",
        )
    return drawn


def bars(rows: list[dict[str, Any]]) -> list[Bar]:
    """Judge the cold start, and the memory: of tanh h and δ, and nothing else of that size.

    Of other cells, PyTorch's memory, and of the LSTM the cold start.
    """
    of = {row["contender"]: row for row in rows}
    grown, cell = of["elman"]["arrays_of_states"], of["elman"]["cell"]
    judged = []
    if cell == "tanh":
        judged.append(Bar("memory of a step, in arrays T·B·H", grown, 2.0, False, "{:.2f}"))
    elif "torch" in of:
        of_torch = of["torch"]["arrays_of_states"]
        judged.append(Bar("memory of a step, PyTorch's in elman's", of_torch / grown, 1.0))
    if cell in COLD:
        judged.append(Bar("cold start", of["elman"]["cold_seconds"], COLD[cell], False, "{:.1f} s"))
    return judged
