"""``read_sequences``: from a file, a folder or a table to sequences, their targets, and an ``Info``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, cast

import narwhals as nw
import numpy as np

from elman.data import Sequences, as_sequences
from elman.errors import DataError
from elman.reading.arrays import of_arrays, read_arrays, read_folder
from elman.reading.cells import is_nested
from elman.reading.columns import Columns, Layout, Task, choose, require_column, steps_like
from elman.reading.files import Kind, kind_of
from elman.reading.frames import Frame, read_table
from elman.reading.info import Info
from elman.reading.lists import open_lists
from elman.reading.missing import FILL, TRAIN_AGAIN, Filling
from elman.reading.opened import Opened, Progress, lay_out
from elman.reading.raw import Raw
from elman.reading.table import from_rows
from elman.reading.text import line_of, short_lines
from elman.reading.texts import from_texts
from elman.reading.ts import read_arff, read_ts
from elman.reading.values import Place
from elman.reading.wide import from_wide

Names = str | Sequence[str] | None

Labels: TypeAlias = Literal["required", "optional", "ignored"]
"""Whether a column of labels must be there, is read if it is there, or is ignored."""


def read_sequences(
    source: Any,
    *,
    id: str | None = None,
    time: str | None = None,
    features: Names = None,
    label: Names = None,
    task: Task = "classification",
    layout: Layout | None = None,
    text: str | None = None,
    missing: str | None = None,
    separator: str | None = None,
    like: Any = None,
) -> tuple[Sequences, Any, Info]:
    """Read sequences and their labels from a file, a folder, or a data frame.

    What you leave out is guessed from the names of the columns; ``print(info)`` shows the guesses.

    Parameters
    ----------
    source : path, or data frame
        A file: CSV, Parquet, Feather, ``.ts``, ``.arff``, UCR's ``.tsv``, ``.npz``, ``.npy``,
        safetensors or IDX, recognised by its first bytes. A folder with one file for each sequence;
        if it has folders, these are the classes. Or a data frame of pandas, polars or pyarrow: with
        a row for each step, which may have an index of two levels (sequence, time); or with a row
        for each sequence, whose steps are columns, or arrays in cells.
    id : str, optional
        The column that says to which sequence a row belongs. ``"none"`` says that no column does:
        all rows are one sequence.
    time : str, optional
        The column that orders the steps. Without it, steps are in the order of the rows. ``"none"``
        says that no column does, whatever its name.
    features : str or list of str, optional
        The columns that make a step; if left out, all other columns. A column of text becomes one
        feature of 0 and 1 for each of its categories.
    label : str or list of str, optional
        The column to predict. If numbers are predicted, there may be several.
    task : {"classification", "tag", "regression"}
        One label for each sequence, a label for each row, or numbers. There is one number for each
        sequence if it is the same in all rows of the sequence, otherwise one for each row.
    layout : {"long", "wide", "one", "text"}, optional
        A row is a step (``"long"``), a sequence (``"wide"``), a step of one single sequence
        (``"one"``), or a text.
    text : str, optional
        The column of texts, whose characters are the steps: the same as ``layout="text"`` with this
        column in ``features``.
    missing : {"forward", "mean", "indicator"}, optional
        How to fill missing values: with the last value before in the sequence, with the mean of all
        that is read, or with the mean, and one more feature that says where. If left out, missing
        values are an error.
    separator : str, optional
        The character between the columns of a text file. If left out, it is guessed from the first
        line.
    like : estimator, optional
        A model that was fitted on sequences from this function. The source is then read with the same
        columns, categories and means; give nothing else but ``separator``. Labels may be missing.

    Returns
    -------
    X : Sequences
        Estimators take them as they are. ``len(X)`` is their number, ``X[i]`` an array (n_timesteps,
        n_features), and ``X[a:b]`` are some of them. The steps of ``.npy`` and safetensors files above
        64 MiB stay in the file.
    y : array (n_sequences,), list of arrays (n_timesteps,), or None where there is no label
    info : Info

    Raises
    ------
    DataError
        If the source does not fit the arguments. The message names the column, and the line of a
        text file as an editor counts it (the header is line 1), or the row of another table (the
        first is row 1).
    ImportError
        If no library that reads it is installed; the message has the command that installs one.
    OSError
        If there is no such file, or it cannot be read.

    Warns
    -----
    UserWarning
        If a time occurs twice, steps seem to be missing, or a line is too short and is filled.

    Examples
    --------
    >>> import pandas as pd
    >>> import elman
    >>> frame = pd.DataFrame(
    ...     {
    ...         "machine": ["a", "a", "b", "b", "b"],
    ...         "temp": [20.5, 20.7, 31.0, 30.2, 33.9],
    ...         "failed": ["no", "no", "yes", "yes", "yes"],
    ...     }
    ... )
    >>> X, y, info = elman.read_sequences(frame, label="failed")
    >>> print(info)
    3 columns: 1 feature, id "machine" (2 sequences, 2 to 3 steps), label "failed" (2 classes: 1/1)
    >>> X[1].ravel().tolist(), y.tolist()
    ([31.0, 30.2, 33.9], ['no', 'yes'])
    """
    given = {
        "id": id,
        "time": time,
        "features": _listed(features),
        "label": _listed(label),
        "task": task,
        "layout": layout,
    }
    if text is not None:
        given |= of_text(text, given)
    if like is None:
        raw = read_raw(source, separator=separator, **cast(Any, given))
        _require_several(raw)
        filling = None if missing is None else Filling.measured(missing, raw.sequences)
    else:
        given["task"] = None if task == "classification" else task
        if idle := [name for name, value in {**given, "missing": missing}.items() if value]:
            raise DataError(f"like=... says how to read; leave {', '.join(idle)} out.")
        reading = like if isinstance(like, Mapping) else getattr(like, "reading_", {})
        raw, filling = read_like(source, reading, separator=separator)
    raw = raw.complete(filling, FILL if like is None else TRAIN_AGAIN)
    return raw.sequences, raw.y, raw.info


def read_raw(
    source: Any,
    *,
    id: str | None = None,
    time: str | None = None,
    features: tuple[str, ...] = (),
    label: tuple[str, ...] = (),
    task: Task = "classification",
    layout: Layout | None = None,
    separator: str | None = None,
    labels: Literal["optional", "ignored"] = "optional",
    progress: Progress | None = None,
) -> Raw:
    """Read sequences with NaN for missing values. See ``read_sequences``.

    ``progress`` is called with the share of a file that has been read, if that is known.
    """
    _check_choices(task, layout)
    given = {"id": id, "time": time, "features": features, "label": label, "layout": layout}
    is_folder = isinstance(source, str | os.PathLike) and Path(source).is_dir()

    def plan(frame: Frame, name: str, index: tuple[str, ...] = ()) -> Columns:
        if len(index) > 2 and (id is None or time is None):
            raise DataError(
                f"{name} has an index of {len(index)} levels, {', '.join(map(repr, index))}; expected "
                "two, sequence and time. Name them: id=... and time=...; the others are columns then."
            )
        said = dict(given)
        if index and id is None and layout is None:
            said |= {"id": index[0], "time": time or index[1]}
        if layout is None and is_nested(frame, tuple(frame.columns)):
            said["layout"] = "wide"
        columns = choose(frame, name, task=task, of_folder=is_folder, **cast(Any, said))
        return replace(columns, label=()) if labels == "ignored" else columns

    texts = features[0] if layout == "text" and features else None
    found = _open(source, separator, task, plan, progress, texts)
    if isinstance(found, Raw):
        if idle := [name for name, value in given.items() if value]:
            raise DataError(f"{found.info.source} has no columns; leave {', '.join(idle)} out.")
        raw = found
    else:
        raw = _from_table(*found)
    if is_folder:
        notes = (*raw.info.notes, f'from all files of the folder "{raw.info.source}"')
        raw = replace(raw, info=replace(raw.info, notes=notes))
    return raw


def read_like(
    source: Any,
    reading: Mapping[str, Any],
    *,
    separator: str | None = None,
    labels: Labels = "optional",
    progress: Progress | None = None,
) -> tuple[Raw, Filling | None]:
    """Read sequences as those of a model were read; ``reading`` is the model's ``reading_``."""
    trained = Columns.from_settings(reading)
    why = ", which the model was trained with"

    def plan(frame: Frame, name: str, index: tuple[str, ...] = ()) -> Columns:
        columns, label = trained, trained.label if labels == "required" else ()
        wanted = (columns.id, columns.time, *columns.features)
        if columns.layout == "wide" and not is_nested(frame, columns.features[:1]):
            # any number of steps: features are recognised by their stems
            free = [
                column for column in frame.columns if column not in (columns.id, *columns.label)
            ]
            columns = replace(columns, features=steps_like(columns.features, free, name, why))
            wanted = (columns.id,)
        there = frame.columns
        for column in wanted:
            if column is not None:
                require_column(column, there, name, why)
        for column in label:
            advice = " What is evaluated or explained needs it; `elman predict` does not."
            require_column(column, there, name, why, advice)
        is_read = labels != "ignored" and all(name in there for name in columns.label)
        return columns if is_read else replace(columns, label=())

    texts = trained.features[0] if trained.layout == "text" else None
    found = _open(source, separator, trained.task, plan, progress, texts)
    if isinstance(found, Raw):
        raise DataError(
            f"{found.info.source} has no columns; the model reads {', '.join(trained.features)}."
        )
    table, name = found
    raw = _from_table(table, name, reading.get("categories"))
    filling = reading.get("missing")
    return raw, None if filling is None else Filling.from_settings(filling)


def _from_table(table: Opened, name: str, categories: Mapping[str, list[str]] | None = None) -> Raw:
    columns, dialect = table.columns, table.dialect
    notes: tuple[str, ...] = ()
    if dialect.separator not in (",", "\t"):
        notes = (f'separator "{dialect.separator}"',)
    if dialect.decimal != ".":
        notes += ("decimal comma",)
    if columns.layout == "wide":
        return from_wide(table, name, notes)
    if columns.layout == "text":
        return from_texts(table, name, notes)
    raw = from_rows(table, name, categories, notes)
    # a stream needs to know this, because it reads each line by itself
    booleans = [column for column in columns.features if table.schema[column] == nw.Boolean]
    stream = {"booleans": booleans, "decimal": dialect.decimal.replace(".", "")}
    reading = {**(raw.sequences.reading or {}), **{n: v for n, v in stream.items() if v}}
    return replace(raw, sequences=replace(raw.sequences, reading=reading))


class _Plan(Protocol):
    """Takes the first rows of a table, its name, and the levels of its index; returns its columns."""

    def __call__(self, frame: Frame, name: str, index: tuple[str, ...] = ()) -> Columns: ...


def _open(
    source: Any,
    separator: str | None,
    task: Task,
    plan: _Plan,
    progress: Progress | None,
    texts: str | None,
) -> Raw | tuple[Opened, str]:
    """Open a source: return sequences if it holds arrays; otherwise a table, and its name."""
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        name = path.name
        if path.is_dir():
            path = path.resolve()  # so that "." has a name, too
            name = path.name
            folder = read_folder(path, separator, task)
            if isinstance(folder, Raw):
                return folder
            frame, short = folder
            return Opened.of_frame(frame, plan(frame, name), short=short), name
        kind = kind_of(path)
        if kind == "ts":
            return read_ts(path)
        if kind == "arff":
            frame = read_arff(path)
            return Opened.of_frame(frame, plan(frame, name)), name
        if kind == "feather":
            lists = open_lists(path, lambda frame: plan(frame, name))
            if lists is not None:
                return lists, name
        if kind in ("parquet", "feather", "text"):
            return _open_file(path, kind, separator, plan, progress, texts), name
        return read_arrays(path, kind, task)
    index: tuple[str, ...] = ()
    if getattr(getattr(source, "index", None), "nlevels", 1) > 1:  # of pandas
        names = [
            str(n) if n is not None else f"level {i}" for i, n in enumerate(source.index.names)
        ]
        source = source.rename_axis(index=names).reset_index()
        index = tuple(names)
    elif hasattr(source, "iloc") and hasattr(source, "columns"):
        source = source.reset_index(drop=True)
    if hasattr(source, "iloc"):
        source = source.rename(columns=str)
    try:
        frame = nw.from_native(source, eager_only=True)
    except TypeError:
        if isinstance(source, list | np.ndarray | Sequences):
            return of_arrays(as_sequences(cast(Any, source)), None, "the list", task)
        raise DataError(
            f"source is of type {type(source).__name__}; expected a path, or a data frame of pandas, "
            "polars or pyarrow." + " Read it first: .collect()." * hasattr(source, "collect")
        ) from None
    _require_rows(frame, "the table")
    return Opened.of_frame(frame, plan(frame, "the table", index)), "the table"


def _open_file(
    path: Path,
    kind: Kind,
    separator: str | None,
    plan: _Plan,
    progress: Progress | None,
    texts: str | None,
) -> Opened:
    def of_head(frame: Frame) -> Columns:
        _require_rows(frame, path.name)
        return plan(frame, path.name)

    table, dialect = read_table(
        path, kind, separator, lambda batches: lay_out(batches, of_head, progress), texts
    )
    if kind != "text":
        return table
    # polars takes an empty line for a row
    counts_empty = table.frame.implementation.is_polars()
    place: Place = lambda row: line_of(path, dialect, row, counts_empty)  # noqa: E731
    short = partial(short_lines, path, dialect)
    return replace(table, dialect=dialect, place=place, short=short)


def _require_several(raw: Raw) -> None:
    """Refuse a single sequence with one target, from which nothing can be learned."""
    info = raw.info
    if info.id is None or raw.y is None or info.of_steps or len(raw.sequences) > 1:
        return
    raise DataError(
        f"column {info.id!r} is {info.ids.tolist()[0]!r} in all rows: "
        "one sequence, with one answer. Name the column that tells sequences apart: id=... (--id)."
    )


def _require_rows(frame: Frame, name: str) -> None:
    if len(frame) == 0:
        raise DataError(f"{name} has no rows, only the columns {', '.join(frame.columns)}.")


def _check_choices(task: str, layout: str | None) -> None:
    if task not in ("classification", "tag", "regression"):
        raise DataError(f"task={task!r}; expected 'classification', 'tag' or 'regression'.")
    if layout not in ("long", "wide", "one", "text", None):
        raise DataError(f"layout={layout!r}; expected 'long', 'wide', 'one', 'text' or None.")


def of_text(text: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that ``text`` stands for; other arguments must not contradict it."""
    if idle := [name for name in ("time", "features", "layout") if given.get(name)]:
        raise DataError(
            f"text={text!r} says that a row is a text; leave {', '.join(idle)} out "
            f"({', '.join(f'--{name}' for name in idle)})."
        )
    return {"features": (text,), "layout": "text"}


def _listed(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())
