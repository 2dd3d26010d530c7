"""The training step: forward, loss, all gradients, over ten shapes."""

from __future__ import annotations

import statistics
from typing import Any

from rich.table import Table

from benchmarks.contenders import SGEMM, STEP, STEP_TRUTH
from benchmarks.harness import Say, Settings, compete, geometric_mean, ratio
from benchmarks.problems import RAGGED, SHAPES, Problem
from benchmarks.report import Bar, columns, duration, times

RIVALS = {"reference": "reference", "torch": "PyTorch", "jax": "JAX"}


def measure(settings: Settings, say: Say) -> list[dict[str, Any]]:
    """Time every contender on every shape; return a row a shape."""
    problems = [*SHAPES, RAGGED]
    seconds = compete(STEP, problems, STEP_TRUTH, settings, say)
    return [_row(problem, seconds[str(problem)]) for problem in problems]


def _row(problem: Problem, seconds: dict[str, list[float]]) -> dict[str, Any]:
    of_sgemm = [
        (problem.operations / mine) / (2 * SGEMM**3 / sgemm)
        for mine, sgemm in zip(seconds["elman"], seconds["sgemm"], strict=True)
    ]
    return {
        "shape": str(problem),
        "B": problem.B,
        "H": problem.H,
        "ragged": problem.shortest is not None,
        "operations": problem.operations,
        "gflops": problem.operations / statistics.median(seconds["elman"]) / 1e9,
        "share_of_sgemm": statistics.median(of_sgemm),
        "ratios": {rival: ratio(seconds, rival) for rival in RIVALS if rival in seconds},
        "seconds": seconds,
    }


def table(rows: list[dict[str, Any]]) -> Table:
    """Draw a line a shape."""
    title = "The training step: elman, and how many times as long the others take"
    drawn = columns("T/D/B/H", "elman", "GFLOP/s", "of sgemm", *RIVALS.values(), title=title)
    for row in rows:
        drawn.add_row(
            row["shape"],
            duration(statistics.median(row["seconds"]["elman"])),
            f"{row['gflops']:.1f}",
            f"{row['share_of_sgemm']:.0%}",
            *(times(row["ratios"].get(rival)) for rival in RIVALS),
        )
    return drawn


def bars(rows: list[dict[str, Any]]) -> list[Bar]:
    """Judge: against PyTorch, against JAX, and against the machine's own product."""
    even = [row for row in rows if not row["ragged"]]
    judged = []
    for rival, of_mean, of_least in (("torch", 6.0, 1.5), ("jax", 3.0, 1.4)):
        if ratios := {row["shape"]: row["ratios"][rival] for row in even if rival in row["ratios"]}:
            name, slowest = RIVALS[rival], min(ratios, key=ratios.__getitem__)
            mean = geometric_mean(list(ratios.values()))
            judged.append(Bar(f"step, {name}: geometric mean", mean, of_mean))
            judged.append(Bar(f"step, {name}: least ({slowest})", ratios[slowest], of_least))
        for row in rows:
            if row["ragged"] and rival in row["ratios"]:
                what = f"step, {RIVALS[rival]}: ragged ({row['shape']})"
                judged.append(Bar(what, row["ratios"][rival], 5.0))
    for row in rows:
        if (required := required_share(row)) is not None:
            what = f"step, share of sgemm: {row['shape']}"
            judged.append(Bar(what, row["share_of_sgemm"], required, form="{:.0%}"))
    return judged


def required_share(row: dict[str, Any]) -> float | None:
    """What share of the large product a shape has to reach, if any."""
    if row["ragged"] or row["B"] < 64:
        return None
    return 0.85 if row["H"] >= 256 else {128: 0.75, 64: 0.6}.get(row["H"])
