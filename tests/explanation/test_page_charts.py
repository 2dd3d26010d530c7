"""The page's charts, read back: titles of points, and places by what the ticks say."""

import re

import numpy as np
import pytest

from elman.explanation.page.markup import scientific
from elman.explanation.page.view import evenly
from pages import is_plain, openness, place, product, scaled, slope_of


def points_of(chart):
    """Read the titles of a chart's points."""
    return [circle.elements[0].text for circle in chart.all("circle")]


def written_points(name, x, y):
    return [f"{name}, {i:g}: {scientific(v)}" for i, v in zip(x, y, strict=True) if np.isfinite(v)]


class Axes:
    """Where a chart has its values, by what its ticks say."""

    def __init__(self, chart, logarithmic_x=False, logarithmic_y=False):
        ticks = chart.all("text", class_="tick")
        self.y = self._axis([t for t in ticks if t["text-anchor"] == "end"], "y", logarithmic_y)
        self.x = self._axis([t for t in ticks if t["text-anchor"] == "middle"], "x", logarithmic_x)

    @staticmethod
    def _axis(ticks, name, logarithmic):
        def value(tick):
            power = tick.all("tspan")
            return float(f"1e{power[0].text}" if power else tick.text)

        move = np.log10 if logarithmic else np.asarray
        away = 4 if name == "y" else 0  # a word stands so far below its line
        (first, last) = ((move(value(t)), place(t, name) - away) for t in (ticks[0], ticks[-1]))
        slope = (last[1] - first[1]) / (last[0] - first[0])
        return lambda values: first[1] + slope * (move(np.asarray(values, float)) - first[0])

    def agree(self, path, x, y):
        x, y = np.asarray(x, float), np.asarray(y, float)
        there = np.isfinite(y)
        found = np.array(re.findall(r"([-\d.]+) ([-\d.]+)", path["d"]), float)
        expected = np.stack([self.x(x[there]), self.y(y[there])], axis=1)
        assert found == pytest.approx(expected, abs=0.5)


def test_slopes(shown, pictures):
    ex, slope, steps = shown.ex, slope_of(shown.ex), range(1, shown.ex.T + 1)
    chart = pictures[f"Mean of {slope} by step"]
    lines = {f"mean {slope}": openness(ex)}
    if not is_plain(ex):  # what a state hands straight to itself: f of an LSTM, z of a GRU, 1 - α
        name, place = {"lstm": ("s", (1, 5))}.get(ex.cell, ("h", (0, -1)))
        lines[f"{name} straight on"] = ex.partials[:, *place]
    means = {name: values.mean(axis=1) for name, values in lines.items()}
    assert points_of(chart) == [
        title for name, values in means.items() for title in written_points(name, steps, values)
    ]
    if ex.T > 1:
        for path, values in zip(chart.all("path", class_="line"), means.values(), strict=True):
            Axes(chart).agree(path, steps, values)


def test_answers_and_targets(shown, pictures):
    ex, steps = shown.ex, range(1, shown.ex.T + 1)
    for k, name in enumerate(ex.classes[:3] if ex.labels is None else []):
        chart = pictures[f"Answers and targets, {name}"]
        assert points_of(chart) == written_points("ŷ", steps, ex.y_activated[:, k])
        axes = Axes(chart)
        axes.agree(chart.one("path", class_="line"), steps, ex.y_activated[:, k])
        axes.agree(chart.one("path", class_="points"), steps, ex.y[:, k])


def test_singular_values(shown, pictures):
    ex, chart, steps = shown.ex, pictures["Largest singular values"], range(2, shown.ex.T + 1)
    lines = {
        "one step": [np.linalg.norm(ex.jacobian(t), ord=2) for t in steps],
        "product from the last step": [np.linalg.norm(product(ex, t), ord=2) for t in steps],
    }
    there = {name: [v or np.nan for v in values] for name, values in lines.items()}
    assert points_of(chart) == [
        title for name, values in there.items() for title in written_points(name, steps, values)
    ]
    if ex.T > 1 and ex.W is not None:
        axes = Axes(chart, logarithmic_y=True)
        for path, values in zip(chart.all("path", class_="line"), there.values(), strict=True):
            axes.agree(path, steps, values)


def test_exponents(shown, pictures):
    exponents = shown.ex.lyapunov
    n = range(1, len(exponents) + 1)
    assert points_of(pictures["Lyapunov exponents"]) == written_points("exponent", n, exponents)


def test_reach(shown, pictures):
    if "What is left of an error" not in pictures:
        return
    chart = pictures["What is left of an error"]
    lines = chart.all("path", class_="line")
    cases = [scaled(shown.ex, factor) for factor in (0.1, 1, 10)]
    cases = [ex for ex in cases if not np.isnan(ex.reach).all()]
    classes = [line["class"].split()[1] for line in lines]
    assert classes == ["line-2", "line-1", "line-3"][: len(cases)]
    for ex, line in zip(cases, lines, strict=True):
        lags = range(len(ex.reach))
        Axes(chart, logarithmic_y=True).agree(line, lags, np.maximum(ex.reach, 1e-12))
    names = ["W × 0.1", "W × 1", "W × 10"]
    legends = [[name.text for name in ul.all("span")] for ul in shown.outline.panels[7].all("ul")]
    assert names in legends


def test_truncation(shown, pictures):
    cuts = shown.ex.truncation
    k = [cut["k"] for cut in cuts]
    for name, key, title in [
        ("relative error", "relative_error", "Relative error by truncation"),
        ("angle", "angle_degrees", "Angle by truncation"),
    ]:
        assert points_of(pictures[title]) == written_points(name, k, [cut[key] for cut in cuts])
    errors = np.array([cut["relative_error"] for cut in cuts])
    if len(k) > 1 and np.isfinite(errors).all():
        chart = pictures["Relative error by truncation"]
        told = [error for error in errors if error > 1e-10]
        floor = 10 ** np.floor(np.log10(min([*told, 0.009])))  # of the chart
        axes = Axes(chart, logarithmic_y=True)
        axes.agree(chart.one("path", class_="line"), k, errors.clip(min=floor))


def test_errors_of_the_proofs(shown, pictures):
    ex = shown.ex
    if ex.checks_ is None or ex.T == 1 or not any(check.error for check in ex.checks_):
        return
    chart = pictures["Error of each term by its size"]
    axes = Axes(chart, logarithmic_x=True, logarithmic_y=True)
    seen = sorted((c for c in ex.checks_ if c.size > 0), key=lambda c: c.size)
    allowed = evenly(seen, 60)
    if len(allowed) > 1:
        line = chart.one("path", class_="line")
        axes.agree(line, [c.size for c in allowed], [c.bound for c in allowed])
    paths = [p for p in chart.all("path", class_="points") if p["d"]]
    dots = [[c for c in seen if c.error and (c.error <= c.bound) == ok] for ok in (True, False)]
    dots = [checks for checks in dots if checks]
    for path, checks in zip(paths, dots, strict=True):
        assert path.has("class", "line-1" if checks[0].passed else "wrong")
        axes.agree(path, [c.size for c in checks], [c.error for c in checks])


def test_central_differences(shown, pictures):
    if "Central differences, for contrast" not in pictures:
        return
    chart, rows = pictures["Central differences, for contrast"], shown.ex.central
    steps, errors = ([row[key] for row in rows] for key in ("step", "relative_error"))
    assert points_of(chart) == written_points("central differences", steps, errors)
    axes = Axes(chart, logarithmic_x=True, logarithmic_y=True)
    axes.agree(chart.one("path", class_="line"), steps, errors)
    across = chart.one("path", class_="reference")
    height = float(re.match(r"M[\d.]+ ([\d.]+)H", across["d"]).group(1))
    assert height == pytest.approx(axes.y(max(shown.ex.worst_error, 1e-17)), abs=0.5)
