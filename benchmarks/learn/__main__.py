"""Train by default on real sequences, against others: accuracy and seconds, in tables, a picture."""

from __future__ import annotations

import argparse
import ast
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.__main__ import describe
from benchmarks.harness import Settings
from benchmarks.learn import report
from benchmarks.learn.contenders import CONTENDERS
from benchmarks.learn.picture import draw
from benchmarks.learn.problems import SETS, Problem, pictures, read_set
from benchmarks.learn.runs import Plan, result
from benchmarks.learn.tasks import TASKS, task
from benchmarks.report import bars_table

DATA = Path("../shared/data/series")
PICTURES = ("digits", "mnist")
MNIST = Path("../shared/data/mnist")


def main() -> None:
    """Read the options; run what is not kept yet; print, write."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(highlight=False)
    n_threads = options.threads or len(os.sched_getaffinity(0))
    plan = Plan(options.output, n_threads, options.cv, options.again, dict(options.set))
    problems = [_problem(name, options) for name in options.sets]

    results: dict[str, Any] = {
        "machine": describe(Settings(n_threads, 1, 0)),
        "seeds": options.seeds,
        "cv": options.cv,
        "options": plan.options,
        "problems": {p.name: {"kind": p.kind, "what": p.what} for p in problems},
        "runs": {},
    }
    say = partial(console.print, style="dim", markup=False)
    for problem in problems:
        runs = results["runs"][problem.name] = {}
        for name, contender in CONTENDERS.items():
            if problem.kind not in contender.kinds:
                continue
            run = name in options.only
            found = [result(name, problem, seed, plan, run, say) for seed in options.seeds]
            if any(found):
                runs[name] = [one for one in found if one is not None]

    tables = report.tables(results)
    for table in tables:
        console.print("", table)
    for line in report.remarks(results):
        console.print(line, style="dim", markup=False)
    bars = report.bars(results)
    if bars:
        console.print("", bars_table(bars))
    results["bars"] = [bar._asdict() | {"reached": bar.reached} for bar in bars]
    name_of_file = "-".join(["learn", *["cv"] * plan.cv, *["set"] * bool(plan.options)])
    to = options.output / f"{name_of_file}.json"
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    to.with_suffix(".md").write_text(report.markdown(results, bars), "utf-8")
    picture = draw(results, to.with_suffix(".png"))
    console.print("", f"{to}   {to.with_suffix('.md').name}   {picture.name if picture else ''}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learn", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the six sets")
    every = [*SETS, *PICTURES, *TASKS]
    parser.add_argument(
        "--sets", nargs="+", choices=every, metavar="SET", help=f"of {', '.join(every)}"
    )
    parser.add_argument("--more", action="store_true", help="all of these, not the first six alone")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="SEED")
    parser.add_argument(
        "--only",
        nargs="*",
        choices=list(CONTENDERS),
        default=list(CONTENDERS),
        metavar="CONTENDER",
        help=f"run these (none: nothing), show of others what is kept: {', '.join(CONTENDERS)}",
    )
    parser.add_argument("--again", action="store_true", help="redo what is kept as well")
    parser.add_argument(
        "--cv",
        action="store_true",
        help="3-fold cross-validation on the training parts; the test parts are not looked at",
    )
    parser.add_argument(
        "--set",
        action="append",
        type=_setting,
        default=[],
        metavar="KEY=VALUE",
        help="a parameter of elman's estimators, as a Python value or a word",
    )
    parser.add_argument("--threads", type=int, help="of each contender; all cores if left out")
    parser.add_argument("--mnist", type=Path, default=MNIST if MNIST.is_dir() else None)
    parser.add_argument("--mnist-size", type=int, default=5000, help="pictures to train on")
    parser.add_argument("--output", type=Path, default=Path("bench/learn"))
    options = parser.parse_args()
    options.sets = options.sets or (every if options.more else list(SETS))
    missing = [n for n in SETS if n in options.sets and not (options.data / f"{n}.npz").is_file()]
    if missing:
        parser.error(
            f"{options.data} does not hold {', '.join(f'{name}.npz' for name in missing)}; give the "
            'folder that does: make learn ARGS="--data DIR". Each file holds X_train (all steps one '
            "behind another, n_steps × n_features), lengths_train and y_train, and the same for test; "
            'or choose what needs no files: make learn ARGS="--sets digits segments"'
        )
    return options


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not (key.isidentifier() and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    try:
        return key, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return key, value


def _problem(name: str, options: argparse.Namespace) -> Problem:
    if name in SETS:
        return read_set(options.data, name)
    if name in TASKS:
        return task(name)
    return pictures(name, options.mnist, options.mnist_size)


if __name__ == "__main__":
    main()
