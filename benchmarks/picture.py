"""The picture of all results, a panel a question."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import job, predict, step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    "elman": "#222222",
    "reference": "#999999",
    "torch": "#d55e00",
    "jax": "#0072b2",
    "onnx": "#009e73",
    "before": "#cc79a7",
}


def draw(results: dict[str, Any], to: Path) -> Path | None:
    """Draw the parts that were measured. Needs matplotlib."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    panels: list[Callable[[Axes], None]] = []
    if rows := results.get("step"):
        panels.append(lambda ax: _ratios(ax, rows, step.RIVALS, "Training step"))
        panels.append(lambda ax: _shares(ax, rows))
    if answers := results.get("predict"):
        panels.append(lambda ax: _ratios(ax, answers, predict.RIVALS, "Prediction"))
    if whole := results.get("job"):
        panels.append(lambda ax: _job(ax, whole))
    if not panels:
        return None
    n_rows, n_columns = -(-len(panels) // 2), min(2, len(panels))
    with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}):
        figure = Figure(figsize=(5.4 * n_columns, 4 * n_rows), layout="constrained", dpi=150)
        for i, panel in enumerate(panels):
            panel(figure.add_subplot(n_rows, n_columns, i + 1))
        machine = results["machine"]
        figure.suptitle(
            f"elman {machine['elman']}, {machine['cpu']}, {machine['threads']} threads, "
            f"medians of {results['settings']['n_rounds']} rounds"
        )
        figure.savefig(to)
    return to


def _ratios(ax: Axes, rows: list[dict[str, Any]], rivals: dict[str, str], what: str) -> None:
    for name, label in rivals.items():
        points = [(row["ratios"][name], i) for i, row in enumerate(rows) if name in row["ratios"]]
        if points:
            ax.scatter(*zip(*points, strict=True), color=COLOURS[name], label=label, s=28, zorder=3)
    ax.axvline(1, color=COLOURS["elman"], linewidth=1)
    ax.set_xscale("log")
    ticks = [0.5, 1, 2, 5, 10, 20, 50, 100]
    low, high = ax.get_xlim()
    ax.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.set_xlim(min(low, 0.9), high)
    ax.grid(axis="x", color="#dddddd")
    _name_rows(ax, [row["shape"] for row in rows])
    ax.set_title(f"{what}: the others' time, in elman's", loc="left", fontweight="bold")
    ax.legend(frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.06), handletextpad=0)


def _shares(ax: Axes, rows: list[dict[str, Any]]) -> None:
    ax.barh(range(len(rows)), [row["share_of_sgemm"] for row in rows], color="#56b4e9", height=0.6)
    for i, row in enumerate(rows):
        share, required = row["share_of_sgemm"], step.required_share(row)
        beside = max(share, required or 0) + 0.01
        ax.text(beside, i, f"{share:.0%}   {row['gflops']:.0f} GFLOP/s", va="center")
        if required is not None:
            ax.plot([required] * 2, [i - 0.4, i + 0.4], color=COLOURS["elman"], linewidth=2)
    ax.set_xlim(0, 1.45)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    _name_rows(ax, [row["shape"] for row in rows])
    ax.set_title("Share of a 1024³ sgemm; the mark is the bar", loc="left", fontweight="bold")


def _job(ax: Axes, section: dict[str, Any]) -> None:
    names = [name for name in job.LABELS if name in section["seconds"]]
    for i, name in enumerate(names):
        seconds = statistics.median(section["seconds"][name])
        ax.barh(i, seconds, color=COLOURS[name], height=0.5)
        accuracy = section["accuracy"][name]
        ax.text(seconds, i, f" {seconds:.1f} s  ({accuracy:.2%} right)", va="center")
    ax.set_xlim(0, 1.45 * max(map(statistics.median, section["seconds"].values())))
    ax.set_xlabel("seconds, from the start of the process to its end")
    ax.set_ylim(-1, len(names))
    _name_rows(ax, [job.LABELS[name] for name in names])
    ax.set_title("The whole job: MNIST by rows", loc="left", fontweight="bold")


def _name_rows(ax: Axes, names: list[str]) -> None:
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
