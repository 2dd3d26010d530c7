"""What each column of a table is, as the user says, or guessed by its name; ``Info`` reports it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, TypeAlias

import narwhals as nw

from elman._files import nearest
from elman.errors import DataError
from elman.reading.frames import Frame

Task: TypeAlias = Literal["classification", "tag", "regression"]
Layout: TypeAlias = Literal["long", "wide", "one", "text"]

OF_FOLDER = ("file", "folder")  # the columns that are added to the tables of a folder

# The likeliest names first
_IDS = (
    "id",
    "sequence",
    "series",
    "case",
    "instance",
    "machine",
    "unit",
    "subject",
    "patient",
    "file",
)
_TIMES = ("time", "timestamp", "datetime", "date", "at", "t", "step", "cycle", "ts")
_LABELS = ("label", "class", "target", "y", "outcome", "folder")
_NUMBERED = re.compile(r"(.*?)[ _.\-]?(\d+)")
NONE = "none"  # as id or time: there is no such column, unless one has this name
ROW_NUMBERS = ("", "Unnamed: 0", "__index_level_0__")  # as pandas calls them


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are.

    Attributes
    ----------
    layout : {"long", "wide", "one", "text"}
        Each row is a step; a sequence; a step of one single sequence; or a text.
    features : tuple of str
        In the order in which a step has them. In a wide table, all columns of steps; with texts, their
        column.
    id, time : str or None
        The column that names the sequence of a row, and the one that orders its steps.
    label : tuple of str
        The columns to predict: one; or several, if they are numbers.
    task : {"classification", "tag", "regression"}
        One label for each sequence; one for each row; or numbers.
    """

    layout: Layout
    features: tuple[str, ...]
    id: str | None = None
    time: str | None = None
    label: tuple[str, ...] = ()
    task: Task = "classification"

    @property
    def settings(self) -> dict[str, Any]:
        """The settings for a model file."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {n: list(v) if isinstance(v, tuple) else v for n, v in values.items()}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Make it again from ``settings``.

        Raises
        ------
        DataError
            If something other than ``settings`` was given.
        """
        known = {field.name: settings.get(field.name) for field in fields(cls)}
        lists: Any = [known["features"], known["label"]]
        texts = [known["id"], known["time"], known["layout"], known["task"]]
        if not (
            all(isinstance(names, list | tuple) for names in lists)
            and all(isinstance(name, str) for names in lists for name in names)
            and all(isinstance(name, str | None) for name in texts)
            and known["layout"] in ("long", "wide", "one", "text")
            and (known["layout"] != "text" or len(lists[0]) == 1)
        ):
            raise DataError(
                "the model does not say how its data were read; expected a model that was fitted on "
                "what elman.read_sequences returned."
            )
        return cls(**{n: tuple(v) if isinstance(v, list) else v for n, v in known.items()})  # type: ignore[arg-type]


def choose(
    frame: Frame,
    source: str,
    *,
    id: str | None = None,
    time: str | None = None,
    label: tuple[str, ...] = (),
    features: tuple[str, ...] = (),
    task: Task = "classification",
    layout: Layout | None = None,
    of_folder: bool = False,
) -> Columns:
    """Find out what the columns of a table are: as the arguments say, the rest is guessed.

    Parameters
    ----------
    frame : narwhals.DataFrame
    source : str
        The name of the table in messages.
    id, time, label, features, task, layout
        As in ``Columns``; empty or None if it is to be guessed.
    of_folder : bool
        Whether the table comes from a folder: then ``OF_FOLDER`` are features only if they are named,
        because new data will be in other files.

    Raises
    ------
    DataError
        If a column is missing or named twice, or nothing says to which sequence a row belongs.
    """
    names, schema = frame.columns, frame.schema
    has_no_id, has_no_time = (name == NONE and NONE not in names for name in (id, time))
    id, time = None if has_no_id else id, None if has_no_time else time
    if has_no_id and layout is None:
        layout = "one"
    given = [name for name in (id, time, *label, *features) if name is not None]
    for name in given:
        require_column(name, names, source)
        if given.count(name) > 1:
            raise DataError(f"{source}: column {name!r} is named twice; each has one part.")
    free = [name for name in names if name not in given and not _counts_rows(frame, name)]
    if not label:
        label = tuple(_first(_LABELS, free)[:1])
        free = [name for name in free if name not in label]
    guessed = _first(_IDS, free) or [n for n in free if re.search("[_ ]id$", n, re.IGNORECASE)]
    has_one_row_each = not guessed or bool(frame[guessed[0]].head(1000).is_unique().all())
    is_open = layout is None and id is None and has_one_row_each
    if is_open and _are_numbered(frame, features or tuple(free)):
        layout = "wide"
    if id is None and layout != "one" and not has_no_id:
        id = next(iter(guessed), None)
    if layout in ("wide", "text"):
        time = None
    elif time is None and not has_no_time:
        free = [name for name in free if name != id]
        dates = [name for name in free if schema[name].is_temporal()]
        time = next(iter(_first(_TIMES, free) or (dates if len(dates) == 1 else [])), None)
    if not features:
        none = (id, time, *(OF_FOLDER if of_folder else ()))
        features = tuple(name for name in free if name not in none)
        if layout == "wide":
            features = tuple(n for n in features if _may_be_steps(schema[n]))
    if layout == "text" and len(features) != 1:
        raise DataError(
            f"{source} has the columns {', '.join(map(repr, features))}: which one holds the texts? "
            "Name it: text=... (--text)."
        )
    if not features:
        raise DataError(
            f"{source} has no columns left for features: {', '.join(map(repr, names))}. Name them."
        )
    if id is None and layout is None:
        raise DataError(
            f"{source} has the columns {', '.join(map(repr, names[:20]))}: which one says to which "
            "sequence a row belongs? Name it: id=... (--id). If each row is a sequence: layout='wide' "
            "(--layout wide); if all rows are one sequence: layout='one' (--layout one)."
        )
    return Columns(layout or "long", features, id, time, label, task)


def require_column(
    name: str, names: list[str], source: str, why: str = "", advice: str = ""
) -> None:
    """Refuse a name that no column has, and suggest the most similar one."""
    if name in names:
        return
    listed = ", ".join(map(repr, names[:30])) + (" ..." if len(names) > 30 else "")
    stem, unit = split_unit(name)
    other = [n for n in names if unit is not None and split_unit(n)[0] == stem]
    hint = f" {other[0]!r} is in another unit: convert it." if other else nearest(name, names)
    raise DataError(f"{source} has no column {name!r}{why}; it has {listed}.{hint}{advice}")


def split_unit(name: str) -> tuple[str, str | None]:
    """Take the unit off a column's name: ``temp [°C]`` and ``temp (°C)`` are in °C."""
    match = re.fullmatch(r"(.*\S)\s*(?:\[([^\[\]]+)\]|\(([^()]+)\))", name)
    return (name, None) if match is None else (match[1], match[2] or match[3])


def numbered(features: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """Group the columns of a wide table: each feature with its columns, step by step.

    ``temp_0, temp_1, vib_0, vib_1`` are two features of two steps. If the columns have no
    numbers, or these do not agree, all are steps of one feature, in their order.
    """
    groups = _by_stem(features)
    if groups is None:
        return [("value", list(features))]
    return [(stem or "value", [group[n] for n in sorted(group)]) for stem, group in groups.items()]


def steps_like(
    trained: tuple[str, ...], names: list[str], source: str, why: str
) -> tuple[str, ...]:
    """All columns of steps among ``names``, however many: those with the stems of ``trained``.

    If the names in ``trained`` have no numbers that tell steps apart, they must be the same.

    Raises
    ------
    DataError
        If a column is missing.
    """
    groups = _by_stem(trained)
    if groups is None:
        for name in trained:
            require_column(name, names, source, why)
        return trained
    stems = {name: match[1] for name in names if (match := _NUMBERED.fullmatch(name))}
    for stem, group in groups.items():
        if stem not in stems.values():
            require_column(group[min(group)], names, source, why)
    return tuple(name for name, stem in stems.items() if stem in groups)


def _by_stem(features: tuple[str, ...]) -> dict[str, dict[int, str]] | None:
    """The columns of each stem by their numbers; None if the numbers do not tell steps apart."""
    groups: dict[str, dict[int, str]] = {}
    for name in features:
        match = _NUMBERED.fullmatch(name)
        if match is None or int(match[2]) in groups.get(match[1], {}):
            return None
        groups.setdefault(match[1], {})[int(match[2])] = name
    return groups if len({tuple(sorted(group)) for group in groups.values()}) == 1 else None


def _first(wanted: tuple[str, ...], names: list[str]) -> list[str]:
    """The columns that have one of these names, the likeliest first."""
    by_name = {name.casefold(): name for name in reversed(names)}
    return [by_name[name] for name in wanted if name in by_name]


def _counts_rows(frame: Frame, name: str) -> bool:
    """Whether a column just numbers the rows, from any number on: this says nothing about new data."""
    if name not in ROW_NUMBERS or not frame.schema[name].is_integer():
        return False
    return bool((frame[name].head(1000).diff().drop_nulls() == 1).all())


def _may_be_steps(dtype: Any) -> bool:
    return bool(dtype.is_numeric() or dtype.is_nested() or dtype == nw.Object)


def _are_numbered(frame: Frame, names: tuple[str, ...]) -> bool:
    """Whether most columns are numbers with a number in the name, or hold whole sequences."""
    schema = frame.schema
    nested = [n for n in names if isinstance(schema[n], nw.List | nw.Array)]
    if nested:
        return True
    steps = [n for n in names if _NUMBERED.fullmatch(n) and schema[n].is_numeric()]
    counts = sorted({int(match[2]) for n in steps if (match := _NUMBERED.fullmatch(n))})
    has_long_run = len(steps) >= 10 or counts[:3] in ([0, 1, 2], [1, 2, 3])
    return len(steps) > len(names) / 2 and len(steps) >= 3 and has_long_run
