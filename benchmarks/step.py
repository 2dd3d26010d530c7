"""The training step: forward, loss, all gradients, over ten shapes."""

from __future__ import annotations

import statistics
from dataclasses import replace
from functools import partial
from typing import Any

from rich.table import Table

from benchmarks.contenders import SGEMM, STEP, STEP_TRUTH, Contender, earlier_step
from benchmarks.harness import Say, Settings, compete, geometric_mean, ratio
from benchmarks.problems import RAGGED, SHAPES, Problem
from benchmarks.report import Bar, columns, duration, times

RIVALS = {"reference": "reference", "torch": "PyTorch", "jax": "JAX", "before": "before"}

# The geometric mean over the shapes and the least of them, by cell and rival.
REQUIRED = {
    "tanh": {"torch": (6.0, 1.5), "jax": (3.0, 1.4)},
    "gru": {"torch": (3.5, 1.2), "jax": (2.0, 1.2)},
    "lstm": {"torch": (2.5, 1.2), "jax": (2.0, 1.2)},
}
REQUIRED_RAGGED = {"tanh": 5.0, "gru": 1.2, "lstm": 1.2}
REQUIRED_BEFORE = 0.97


def measure(settings: Settings, say: Say) -> list[dict[str, Any]]:
    """Time every contender on every shape; return a row a shape."""
    problems = [replace(problem, cell=settings.cell) for problem in (*SHAPES, RAGGED)]
    contenders = dict(STEP)
    if settings.before is not None:
        make = partial(earlier_step, root=settings.before)
        contenders["before"] = Contender("elman before", "elman", make)
    seconds = compete(contenders, problems, STEP_TRUTH, settings, say)
    return [_row(problem, seconds[str(problem)]) for problem in problems]


def _row(problem: Problem, seconds: dict[str, list[float]]) -> dict[str, Any]:
    products = [of_each for name, of_each in seconds.items() if name.startswith("sgemm")]
    of_sgemm = [
        (problem.operations / mine) / (2 * SGEMM**3 / min(of_products))
        for mine, *of_products in zip(seconds["elman"], *products, strict=True)
    ]
    return {
        "shape": str(problem),
        "cell": problem.cell,
        "B": problem.B,
        "H": problem.H,
        "ragged": problem.shortest is not None,
        "operations": problem.operations,
        "gflops": problem.operations / statistics.median(seconds["elman"]) / 1e9,
        "share_of_sgemm": statistics.median(of_sgemm),
        "limit": problem.limit,
        "ratios": {rival: ratio(seconds, rival) for rival in RIVALS if rival in seconds},
        "seconds": seconds,
    }


def table(rows: list[dict[str, Any]]) -> Table:
    """Draw a line a shape."""
    cell = rows[0]["cell"]
    title = f"The training step, {cell}: elman, and how many times as long the others take"
    rivals = [rival for rival in RIVALS if rival in rows[0]["ratios"]]
    names = [RIVALS[rival] for rival in rivals]
    drawn = columns("T/D/B/H", "elman", "GFLOP/s", "of sgemm", "limit", *names, title=title)
    for row in rows:
        drawn.add_row(
            row["shape"],
            duration(statistics.median(row["seconds"]["elman"])),
            f"{row['gflops']:.1f}",
            f"{row['share_of_sgemm']:.0%}",
            f"{row['limit']:.0%}",
            *(times(row["ratios"].get(rival)) for rival in rivals),
        )
    return drawn


def bars(rows: list[dict[str, Any]]) -> list[Bar]:
    """Judge: against PyTorch, against JAX, and against the machine's own product."""
    even, cell = [row for row in rows if not row["ragged"]], rows[0]["cell"]
    judged = []
    for rival, (of_mean, of_least) in REQUIRED[cell].items():
        if ratios := {row["shape"]: row["ratios"][rival] for row in even if rival in row["ratios"]}:
            name, slowest = RIVALS[rival], min(ratios, key=ratios.__getitem__)
            mean = geometric_mean(list(ratios.values()))
            judged.append(Bar(f"step, {name}: geometric mean", mean, of_mean))
            judged.append(Bar(f"step, {name}: least ({slowest})", ratios[slowest], of_least))
        for row in rows:
            if row["ragged"] and rival in row["ratios"]:
                what = f"step, {RIVALS[rival]}: ragged ({row['shape']})"
                judged.append(Bar(what, row["ratios"][rival], REQUIRED_RAGGED[cell]))
    for row in rows:
        if "before" in row["ratios"]:
            what = f"step, before: {row['shape']}"
            judged.append(Bar(what, row["ratios"]["before"], REQUIRED_BEFORE))
    for row in rows:
        if (required := required_share(row)) is not None:
            what = f"step, share of sgemm: {row['shape']}"
            judged.append(Bar(what, row["share_of_sgemm"], required, form="{:.0%}"))
    return judged


def required_share(row: dict[str, Any]) -> float | None:
    """What share of the large product a shape has to reach, if any."""
    if row["ragged"] or row["B"] < 64:
        return None
    if row["H"] >= 256:
        return 0.85 if row["cell"] == "tanh" else 0.75
    return {128: 0.75, 64: 0.6}.get(row["H"])
