"""What the parts of the suite hand back: tables for people, and bars that are reached or not."""

from __future__ import annotations

from typing import NamedTuple

from rich.table import Table


class Bar(NamedTuple):
    """What is required of a number.

    Attributes
    ----------
    what : str
    value, required : float
    at_least : bool
        Whether it has to be as large as that; else it must not be larger.
    form : str
        How a number is written.
    """

    what: str
    value: float
    required: float
    at_least: bool = True
    form: str = "{:.2f}×"

    @property
    def reached(self) -> bool:
        """Whether the number is as required."""
        return self.value >= self.required if self.at_least else self.value <= self.required


def bars_table(bars: list[Bar]) -> Table:
    """Draw the bars, a line each."""
    table = columns("bar", "required", "measured", "", title="The bars")
    for bar in bars:
        sign = "≥" if bar.at_least else "≤"
        verdict = "[green]reached[/]" if bar.reached else "[bold red]not reached[/]"
        required = f"{sign} {bar.form.format(bar.required)}"
        table.add_row(bar.what, required, bar.form.format(bar.value), verdict)
    return table


def columns(first: str, *others: str, title: str) -> Table:
    """Begin a table: names at the left, numbers at the right."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def duration(seconds: float) -> str:
    """Write seconds in the unit that suits them."""
    for unit, factor in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1 or unit == "µs":
            break
    value = seconds * factor
    return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f} {unit}"


def times(ratio: float | None) -> str:
    """Write a ratio, or that there is none."""
    return "–" if ratio is None else f"{ratio:.2f}×"
