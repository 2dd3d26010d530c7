"""The options that say what the columns of a table are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

import typer

TaskName: TypeAlias = Literal["classification", "tag", "regression"]
Layout: TypeAlias = Literal["long", "wide", "one", "text"]

PANEL = "Columns of a table"


def _character(separator: str) -> str:
    return {"tab": "\t", r"\t": "\t"}.get(separator, separator)


Id: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="COLUMN",
        rich_help_panel=PANEL,
        help="Column that names a row's sequence, or none; guessed if left out.",
    ),
]
Time: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        rich_help_panel=PANEL,
        help="Column that orders a sequence's rows, or none; guessed if left out.",
    ),
]
Features: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="A,B,...", rich_help_panel=PANEL, help="Columns of a step; all others if left out."
    ),
]
Label: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN", rich_help_panel=PANEL, help="Column to predict; guessed if left out."
    ),
]
LayoutOption: TypeAlias = Annotated[
    Layout | None,
    typer.Option(
        "--layout",
        metavar="HOW",
        rich_help_panel=PANEL,
        help="long: a row a step; wide: a row a sequence; text; one: one sequence.",
    ),
]
Text: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        rich_help_panel=PANEL,
        help="Column of texts: each is a sequence, its characters are the steps.",
    ),
]
Separator: TypeAlias = Annotated[
    str | None,
    typer.Option(
        parser=_character,
        metavar="C",
        rich_help_panel=PANEL,
        help="Character between the columns of a text file.",
    ),
]


@dataclass(frozen=True)
class TableOptions:
    """What says what the columns of a table are; None is guessed."""

    id: str | None = None
    time: str | None = None
    features: list[str] | None = None
    label: list[str] | None = None
    layout: Layout | None = None
    separator: str | None = None
    missing: str | None = None
    text: str | None = None

    @property
    def given(self) -> dict[str, Any]:
        """By the options' names."""
        return {f"--{name}": value for name, value in vars(self).items()}

    @property
    def naming(self) -> dict[str, Any]:
        """Those that name columns."""
        return {name: value for name, value in self.given.items() if name != "--separator"}

    @property
    def keywords(self) -> dict[str, Any]:
        """As ``read_raw`` takes them."""
        keywords = {
            "id": self.id,
            "time": self.time,
            "features": _split(self.features),
            "label": _split(self.label),
            "layout": self.layout,
            "separator": self.separator,
        }
        if self.text is not None:
            from elman.reading.read import of_text

            keywords |= of_text(self.text, keywords)
        return keywords


def _split(names: list[str] | None) -> tuple[str, ...]:
    return tuple(part for name in names or () for part in name.split(",") if part)
