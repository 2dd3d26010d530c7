"""The picture: accuracy and seconds of each contender, set by set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.learn.report import BEST, LABELS, cpu_seconds, runs_of, score, scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLES = {
    "elman": ("#222222", "o"),
    "forest-flat": ("#56b4e9", "s"),
    "forest-summary": ("#0072b2", "s"),
    "forest-window": ("#0072b2", "P"),
    "logistic": ("#999999", "v"),
    BEST: ("#d55e00", "D"),
    "rocket": ("#009e73", "^"),
}
"""Colours that stay apart for people who confuse red and green, and markers for those who see none."""


def draw(results: dict[str, Any], to: Path) -> Path | None:
    """Draw what was measured. Needs matplotlib."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    problems = [name for name, runs in results["runs"].items() if runs]
    names = [n for n in STYLES if any(runs_of(n, results["runs"][p]) for p in problems)]
    if not names:
        return None
    with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}):
        width = max(6.5, 1.6 * len(problems))
        figure = Figure(figsize=(width, 7), layout="constrained", dpi=150)
        above, below = figure.subplots(2, 1, height_ratios=[3, 2], sharex=True)
        _scores(above, results, problems, names)
        _seconds(below, results, problems, names)
        figure.legend(
            *above.get_legend_handles_labels(),
            loc="outside lower center",
            ncols=min(4, len(names)),
            frameon=False,
        )
        figure.suptitle(_title(results))
        figure.savefig(to)
    return to


def _title(results: dict[str, Any]) -> str:
    machine = results["machine"]
    options = ", ".join(f"{key}={value}" for key, value in results["options"].items())
    n = len(results["seeds"])
    what = f"elman {machine['elman']} with {options or 'nothing but random_state'}"
    where = "3-fold cross-validation on the training parts" if results["cv"] else "test parts"
    return f"{what}\n{where}, {n} seed{'s' * (n != 1)}; {machine['cpu']}"


def _scores(ax: Axes, results: dict[str, Any], problems: list[str], names: list[str]) -> None:
    lowest = 1.0
    for name, at, runs in _points(results, problems, names):
        colour, marker = STYLES[name]
        values = scores(runs)
        lowest = min(lowest, *values)
        ax.plot([at, at], [min(values), max(values)], color=colour, linewidth=1.5, alpha=0.6)
        ax.plot(at, score(runs), marker, color=colour, markersize=6 + (name == "elman"))
    for name in names:
        colour, marker = STYLES[name]
        ax.plot([], [], marker, color=colour, label=LABELS[name])
    ax.set_ylim(min(lowest, 0.95) - 0.03, 1.02)
    kinds = {results["problems"][name]["kind"] for name in problems}
    what = "Accuracy" if kinds <= {"labels", "tags"} else "Accuracy, or R² of values"
    ax.set_title(f"{what}: mean over the seeds, and their range", loc="left", fontweight="bold")
    _sides(ax, problems)


def _seconds(ax: Axes, results: dict[str, Any], problems: list[str], names: list[str]) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    for name, at, runs in _points(results, problems, names):
        colour, marker = STYLES[name]
        ax.plot(at, cpu_seconds(runs), marker, color=colour, markersize=6 + (name == "elman"))
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} s"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_title(
        "Processor seconds to fit, all threads together: median", loc="left", fontweight="bold"
    )
    _sides(ax, problems)


def _points(results: dict[str, Any], problems: list[str], names: list[str]) -> list[Any]:
    step = 0.8 / len(names)
    return [
        (name, i + (j - (len(names) - 1) / 2) * step, runs)
        for i, problem in enumerate(problems)
        for j, name in enumerate(names)
        if (runs := runs_of(name, results["runs"][problem]))
    ]


def _sides(ax: Axes, problems: list[str]) -> None:
    for i in range(0, len(problems), 2):
        ax.axvspan(i - 0.5, i + 0.5, color="#f3f3f3", zorder=0)
    ax.set_xlim(-0.5, len(problems) - 0.5)
    ax.set_xticks(range(len(problems)), problems)
    ax.tick_params(axis="x", length=0)
    ax.grid(axis="y", color="#dddddd")
    ax.set_axisbelow(True)
