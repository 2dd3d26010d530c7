"""Run the suite: print tables and which bars are reached, write JSON and a picture."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import busy, first, job, predict, step
from benchmarks.harness import Settings
from benchmarks.picture import draw
from benchmarks.problems import SIZES
from benchmarks.report import Bar, bars_table

PARTS = {"step": step, "predict": predict, "busy": busy, "first": first, "job": job}
CELLS = {"job": ["tanh"]}  # of a part that has not all of them
PACKAGES = ("elman", "numpy", "numba", "torch", "jax", "onnxruntime")
DATA_DIR = Path("../shared/data/mnist")


def main() -> None:
    """Read the options; measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all if left out")
    parser.add_argument("--cell", choices=list(SIZES), default="tanh")
    parser.add_argument("--before", type=_checkout, help="another checkout of elman, for step")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None, help="all cores if left out")
    parser.add_argument("--turn", type=float, default=0.2, help="seconds of a contender's turn")
    parser.add_argument("--data-dir", type=Path, default=DATA_DIR if DATA_DIR.is_dir() else None)
    parser.add_argument("--output", type=Path, default=Path("bench"))
    options = parser.parse_args()
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"there is no part {part!r}; there are {', '.join(PARTS)}")
        if options.cell not in CELLS.get(part, SIZES):
            parser.error(f"the part {part} is not measured with --cell {options.cell}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and the workers end too
    n_threads = _use_threads(options.threads)
    settings = Settings(n_threads, options.rounds, options.turn, options.cell, options.before)

    console = Console(highlight=False)
    results: dict[str, Any] = {"machine": describe(settings), "settings": settings._asdict()}
    console.print("   ".join(f"{name} {value}" for name, value in results["machine"].items()), "\n")
    options.output.mkdir(parents=True, exist_ok=True)
    name_of_file = "results" if options.cell == "tanh" else f"results-{options.cell}"
    to = options.output / f"{name_of_file}.json"
    bars: list[Bar] = []
    parts = options.parts or [name for name in PARTS if options.cell in CELLS.get(name, SIZES)]
    for name in parts:
        part = PARTS[name]
        more = {"data_dir": options.data_dir} if part is job else {}
        section = part.measure(settings, partial(_say, console, name), **more)
        if section is None:
            continue
        console.print("", part.table(section), "")
        bars += part.bars(section)
        results[name] = section
        results["bars"] = [bar._asdict() | {"reached": bar.reached} for bar in bars]
        to.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    if bars:
        console.print(bars_table(bars), "")
    picture = draw(results, to.with_suffix(".png"))
    console.print(f"{to}   {picture or ''}")


def _checkout(path: str) -> str:
    root = Path(path).resolve()
    if not (root / "benchmarks" / "contenders.py").is_file():
        raise argparse.ArgumentTypeError(f"{path} is no checkout of elman")
    return str(root)


def _say(console: Console, part: str, line: str) -> None:
    console.print(f"{part}: {line}", style="dim", markup=False)


def _use_threads(wanted: int | None) -> int:
    """Keep this process and all it starts to so many cores; return how many."""
    cores = sorted(os.sched_getaffinity(0))[:wanted]
    os.sched_setaffinity(0, cores)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.pop(name, None)  # libraries count the cores they may use
    return len(cores)


def describe(settings: Settings) -> dict[str, Any]:
    """Say on what, and with what, it is measured."""
    machine = {
        "cpu": _processor(),
        "threads": settings.n_threads,
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            machine[package] = version(package)
        except PackageNotFoundError:
            machine[package] = "–"
    return machine | {"date": datetime.now(UTC).date().isoformat()}


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "?")


if __name__ == "__main__":
    main()
