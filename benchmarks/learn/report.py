"""Tables of accuracy and seconds, and the bars."""

from __future__ import annotations

import math
import statistics
from typing import Any

from rich.table import Table

from benchmarks.learn.contenders import CONTENDERS, LSTMS, NOTES
from benchmarks.learn.problems import SETS
from benchmarks.report import Bar, columns

ACCURACY, SPREAD, SECONDS, BEHIND_ROCKET = 0.85, 0.05, 30.0, 0.03
BEST = "lstm-best"
LABELS = {**{name: one.label for name, one in CONTENDERS.items()}, BEST: "LSTM, best"}
VARIANTS = {name: CONTENDERS[name].label.removeprefix("LSTM, ") for name in LSTMS}


def scores(runs: list[dict[str, Any]]) -> list[float]:
    """Give each seed's score; of cross-validation the folds' mean."""
    return [statistics.fmean(run["scores"]) for run in runs]


def score(runs: list[dict[str, Any]]) -> float:
    """Give the mean over seeds."""
    return statistics.fmean(scores(runs))


def spread(runs: list[dict[str, Any]]) -> float:
    """How far the best seed is from the worst; of a single one, NaN."""
    if len(runs) < 2:
        return math.nan
    return round(max(scores(runs)) - min(scores(runs)), 6)


def seconds(runs: list[dict[str, Any]], of: str = "seconds") -> float:
    """The median of the seconds to fit."""
    return statistics.median(second for run in runs for second in run[of])


def cpu_seconds(runs: list[dict[str, Any]]) -> float:
    """The same in processor time, all threads together: other work on the machine hardly matters."""
    return seconds(runs, "cpu_seconds")


TIMES = (
    ("Seconds to fit, median", seconds),
    ("Processor seconds to fit, all threads together, median", cpu_seconds),
)


def best_lstm(of_problem: dict[str, Any]) -> str | None:
    """Name the variant with the best score on a problem."""
    there = [name for name in LSTMS if name in of_problem]
    return max(there, key=lambda name: score(of_problem[name]), default=None)


def runs_of(name: str, of_problem: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Give a contender's runs, or those of the best LSTM."""
    chosen = best_lstm(of_problem) if name == BEST else name
    return of_problem.get(chosen)


def tables(results: dict[str, Any]) -> list[Table]:
    """Draw score, spread and seconds: a row a contender, a column a problem."""
    where = "3-fold cross-validation on the training part" if results["cv"] else "the test part"
    drawn = []
    for problems, what in _groups(results):
        for title, of, form in (
            (f"{what} on {where}: mean of {_seeds(results)}", score, "{:.3f}"),
            ("Its spread over the seeds, largest − smallest", spread, "{:.3f}"),
            *((title, of, "{:.1f}") for title, of in TIMES),
        ):
            has_mean = problems == list(SETS)
            table = columns("", *problems, *["mean"] * has_mean, title=title)
            for name in _names(results, problems):
                cells = [_cell(results, name, problem, of, form) for problem in problems]
                if has_mean:
                    cells.append(_mean(results, name, of, form))
                table.add_row(LABELS[name], *cells, style="bold" if name == "elman" else "")
            drawn.append(table)
    return drawn


def _seeds(results: dict[str, Any]) -> str:
    n = len(results["seeds"])
    return f"{n} seed{'s' * (n != 1)}"


def _groups(results: dict[str, Any]) -> list[tuple[list[str], str]]:
    sets = [name for name in results["runs"] if name in SETS]
    others: dict[str, list[str]] = {"labels": [], "tags": [], "value": [], "values": []}
    for name, problem in results["problems"].items():
        if name not in SETS:
            others[problem["kind"]].append(name)
    groups = [(sets, "Accuracy"), (others["labels"], "Accuracy"), (others["tags"], "Accuracy")]
    groups.append((others["value"] + others["values"], "R²"))
    return [group for group in groups if group[0]]


def _names(results: dict[str, Any], problems: list[str]) -> list[str]:
    there = {name for problem in problems for name in results["runs"][problem]}
    order = [*CONTENDERS]
    order.insert(order.index(LSTMS[-1]) + 1, BEST)
    return [name for name in order if name in there or (name == BEST and there & set(LSTMS))]


def _cell(results: dict[str, Any], name: str, problem: str, of: Any, form: str) -> str:
    runs = runs_of(name, results["runs"][problem])
    if not runs:
        return "–"
    return _write(of(runs), form) + _marks(results, runs)


def _write(value: float | None, form: str) -> str:
    return "–" if value is None or math.isnan(value) else form.format(value)


def _marks(results: dict[str, Any], runs: list[dict[str, Any]]) -> str:
    fewer = "*" * (len(runs) < len(results["seeds"]))
    return fewer + "°" * any(run["is_old"] for run in runs)


def _mean(results: dict[str, Any], name: str, of: Any, form: str) -> str:
    return _write(mean_over_sets(results, name, of), form)


def mean_over_sets(results: dict[str, Any], name: str, of: Any = score) -> float | None:
    """Average over the six sets, if there is a result for each."""
    found = [runs_of(name, results["runs"].get(problem, {})) for problem in SETS]
    return statistics.fmean(of(runs) for runs in found if runs) if all(found) else None


def remarks(results: dict[str, Any]) -> list[str]:
    """What the tables do not say."""
    lines = []
    everything = [
        (problem, name, run)
        for problem, of_problem in results["runs"].items()
        for name, runs in of_problem.items()
        for run in runs
    ]
    best = {name: best_lstm(of_problem) for name, of_problem in results["runs"].items()}
    named = [f"{name} {VARIANTS[variant]}" for name, variant in best.items() if variant]
    if named:
        lines.append(f"LSTM, best: {'; '.join(named)}")
    counts = {
        name: {run["n_threads"] for _, n, run in everything if n == name} for name in CONTENDERS
    }
    threads = [f"{LABELS[n]} {'/'.join(map(str, sorted(c)))}" for n, c in counts.items() if c]
    if threads:
        lines.append(f"threads: {'; '.join(threads)}")
    if results["options"]:
        lines.append("elman with " + ", ".join(f"{k}={v!r}" for k, v in results["options"].items()))
    for name, label in LABELS.items():
        fewer = [
            f"{problem} {len(of_problem[name])}"
            for problem, of_problem in results["runs"].items()
            if len(of_problem.get(name, results["seeds"])) < len(results["seeds"])
        ]
        if fewer:
            lines.append(f"* {label}, fewer seeds than asked for: {', '.join(fewer)}")
    if any(_waited(run) for *_, run in everything):
        lines.append(
            "Some waited for the processor more than they computed: other programs were running. "
            "Compare processor seconds."
        )
    if any(run["is_old"] for *_, run in everything):
        lines.append("° kept from another version, other data or other settings, and not redone")
    return lines


def _waited(run: dict[str, Any]) -> bool:
    taken, computed = sum(run["seconds"]), sum(run["cpu_seconds"])
    return taken > max(2 * computed, 1.0)


def bars(results: dict[str, Any]) -> list[Bar]:
    """Judge the defaults on the test parts of the six sets; nothing else is judged."""
    mean = mean_over_sets(results, "elman")
    if results["cv"] or results["options"] or mean is None:
        return []
    form = "{:.3f}"
    judged = [Bar("mean accuracy of the six sets", mean, ACCURACY, form=form)]
    rocket = mean_over_sets(results, "rocket")
    if rocket is not None:
        aim = f"the same, within {BEHIND_ROCKET} of ROCKET (an aim)"
        judged.append(Bar(aim, mean, rocket - BEHIND_ROCKET, form=form))
    for name in SETS:
        of_problem = results["runs"][name]
        for rival, label in ((BEST, "the best LSTM"), ("logistic", "logistic regression")):
            if theirs := runs_of(rival, of_problem):
                bar = Bar(f"{name}, {label}", score(of_problem["elman"]), score(theirs), form=form)
                judged.append(bar)
    elman = {name: results["runs"][name]["elman"] for name in SETS}
    widest = max(SETS, key=lambda name: spread(elman[name]))
    slowest = max(SETS, key=lambda name: _longest(elman[name]))
    if len(results["seeds"]) > 1:
        judged.append(Bar(f"spread ({widest})", spread(elman[widest]), SPREAD, False, form))
    longest = _longest(elman[slowest])
    judged.append(Bar(f"longest fit ({slowest})", longest, SECONDS, False, "{:.1f} s"))
    return judged


def _longest(runs: list[dict[str, Any]]) -> float:
    return max(second for run in runs for second in run["seconds"])


def markdown(results: dict[str, Any], bars: list[Bar]) -> str:
    """Write the tables, who the contenders are, and the bars."""
    machine = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    lines = ["# What elman learns by default", "", machine, ""]
    where = "3-fold cross-validation on the training part" if results["cv"] else "the test part"
    shown: set[str] = set()
    for problems, what in _groups(results):
        names = _names(results, problems)
        shown |= set(names)
        mean = ["mean"] * (problems == list(SETS))
        head = ["", *problems, *mean]
        lines += [
            f"{what} on {where}: mean of {_seeds(results)} (largest − smallest)",
            "",
            *_rows(head, [[LABELS[n], *_both(results, n, problems, bool(mean))] for n in names]),
            "",
        ]
        for title, of in TIMES:
            rows = []
            for name in names:
                row = [_cell(results, name, problem, of, "{:.1f}") for problem in problems]
                row += [_mean(results, name, of, "{:.1f}") for _ in mean]
                rows.append([LABELS[name], *row])
            lines += [title, "", *_rows(head, rows), ""]
    lines += [f"- {_escape(line)}" for line in remarks(results)]
    lines += [f"- {name}: {p['what']}" for name, p in results["problems"].items() if p["what"]]
    for name, note in NOTES.items():
        if any(one.startswith(name) for one in shown):
            lines.append(f"- {LABELS.get(name, 'LSTM')}: {note}")
    if bars:
        lines += ["", *_rows(["bar", "required", "measured", ""], [_bar(bar) for bar in bars])]
    return "\n".join(lines) + "\n"


def _both(results: dict[str, Any], name: str, problems: list[str], has_mean: bool) -> list[str]:
    cells = []
    for problem in problems:
        runs = runs_of(name, results["runs"][problem])
        marks = _escape(_marks(results, runs)) if runs else ""
        cells.append(
            f"{score(runs):.3f} ({_write(spread(runs), '{:.3f}')}){marks}" if runs else "–"
        )
    return [*cells, *[_mean(results, name, score, "{:.3f}")] * has_mean]


def _bar(bar: Bar) -> list[str]:
    sign = "≥" if bar.at_least else "≤"
    verdict = "reached" if bar.reached else "**not reached**"
    return [
        bar.what,
        f"{sign} {bar.form.format(bar.required)}",
        bar.form.format(bar.value),
        verdict,
    ]


def _escape(text: str) -> str:
    return text.replace("*", r"\*")


def _rows(head: list[str], rows: list[list[str]]) -> list[str]:
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]
