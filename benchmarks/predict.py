"""Prediction: the answers to a batch, and one step of a stream."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

from rich.table import Table

from benchmarks.contenders import PREDICT, PREDICT_TRUTH, STREAM
from benchmarks.harness import Say, Settings, compete, geometric_mean, ratio
from benchmarks.problems import ONE_STREAM, SHAPES
from benchmarks.report import Bar, columns, duration, times

RIVALS = {"torch": "PyTorch", "onnx": "ONNX Runtime"}


def measure(settings: Settings, say: Say) -> list[dict[str, Any]]:
    """Time batches of every shape, then the stream; return a row each."""
    problems = [replace(problem, cell=settings.cell) for problem in (*SHAPES, ONE_STREAM)]
    batches = compete(PREDICT, problems[:-1], PREDICT_TRUTH, settings, say)
    stream = compete(STREAM, problems[-1:], PREDICT_TRUTH, settings, say)
    cell = settings.cell
    return [_row(shape, cell, times) for shape, times in batches.items()] + [
        _row("stream", cell, times) for times in stream.values()
    ]


def _row(name: str, cell: str, seconds: dict[str, list[float]]) -> dict[str, Any]:
    ratios = {rival: ratio(seconds, rival) for rival in RIVALS if rival in seconds}
    return {"shape": name, "cell": cell, "ratios": ratios, "seconds": seconds}


def table(rows: list[dict[str, Any]]) -> Table:
    """Draw a line a shape."""
    title = f"Prediction, {rows[0]['cell']}: elman, and how many times as long the others take"
    drawn = columns("T/D/B/H", "elman", *RIVALS.values(), title=title)
    for row in rows:
        name = (
            f"one step ({ONE_STREAM.B}, H {ONE_STREAM.H})"
            if row["shape"] == "stream"
            else row["shape"]
        )
        drawn.add_row(
            name,
            duration(statistics.median(row["seconds"]["elman"])),
            *(times(row["ratios"].get(rival)) for rival in RIVALS),
        )
    return drawn


def bars(rows: list[dict[str, Any]]) -> list[Bar]:
    """Judge batches and the stream against each rival; with gates, how long a step takes alone."""
    *batches, stream = rows
    judged = []
    for rival, name in RIVALS.items():
        if rival in stream["ratios"] and stream["cell"] == "tanh":
            ratios = {row["shape"]: row["ratios"][rival] for row in batches}
            slowest, mean = (
                min(ratios, key=ratios.__getitem__),
                geometric_mean(list(ratios.values())),
            )
            judged.append(Bar(f"batch, {name}: geometric mean", mean, 2.0))
            judged.append(Bar(f"batch, {name}: least ({slowest})", ratios[slowest], 2.0))
            judged.append(Bar(f"one step of a stream, {name}", stream["ratios"][rival], 5.0))
    microseconds = statistics.median(stream["seconds"]["elman"]) * 1e6
    required = 10.0 if stream["cell"] == "tanh" else 12.0
    judged.append(Bar("one step of a stream", microseconds, required, False, "{:.1f} µs"))
    return judged
