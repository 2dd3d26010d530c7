"""``read_sequences``: from a file, a folder or a table to sequences, answers, and what was found."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import narwhals as nw
import numpy as np

from elman.data import Sequences, as_sequences
from elman.errors import DataError
from elman.reading.arrays import of_arrays, read_arrays, read_folder
from elman.reading.columns import Columns, Layout, Task, choose, require_column, steps_like
from elman.reading.files import kind_of, no_file
from elman.reading.frames import Dialect, Frame, read_table
from elman.reading.info import Info
from elman.reading.missing import FILL, TRAIN_AGAIN, Filling
from elman.reading.raw import Raw
from elman.reading.table import from_rows
from elman.reading.ts import read_arff, read_ts
from elman.reading.wide import from_wide, is_nested

Names = str | Sequence[str] | None


def read_sequences(
    source: Any,
    *,
    id: str | None = None,
    time: str | None = None,
    features: Names = None,
    label: Names = None,
    task: Task = "classification",
    layout: Layout | None = None,
    missing: str | None = None,
    separator: str | None = None,
    like: Any = None,
) -> tuple[Sequences, Any, Info]:
    """Read sequences and what belongs to them from a file, a folder, or a data frame.

    What is left out is guessed from the names of the columns; ``print(info)`` says what was.

    Parameters
    ----------
    source : path, or data frame
        A file: CSV, Parquet, Feather, ``.ts``, ``.arff``, UCR's ``.tsv``, ``.npz``, ``.npy``,
        safetensors or IDX, known by its first bytes. A folder of one file a sequence; folders in it
        are classes. Or a data frame of pandas, polars or pyarrow: a row a step; with two levels of
        the index (sequence, time); a row a sequence, its steps in columns, or arrays in its cells.
    id : str, optional
        The column that says to which sequence a row belongs.
    time : str, optional
        The column that orders the steps. Without one they are in the order of the rows.
    features : str or list of str, optional
        What a step has; left out, all other columns. Text becomes a feature of 0 and 1 for each of its
        categories.
    label : str or list of str, optional
        What is to be predicted; of numbers there may be several.
    task : {"classification", "tag", "regression"}
        One label a sequence, a label a row, or numbers: one a sequence if they are the same in all its
        rows, else one a row.
    layout : {"long", "wide", "one"}, optional
        A row a step, a row a sequence, or a row a step of one single sequence.
    missing : {"forward", "mean", "indicator"}, optional
        How missing values are filled: by the last one before in the sequence, by the mean of what is
        read, or by the mean with a feature more that says where. Left out, they are refused.
    separator : str, optional
        Of the columns of a text file; left out, it is guessed from its first line.
    like : estimator, optional
        A model that was fitted on sequences that this function read, by which columns, categories and
        means are taken; then nothing but ``separator`` may be given. Labels may be missing.

    Returns
    -------
    X : Sequences
        What estimators take: ``len(X)``, ``X[i]`` is an array (n_timesteps, n_features), ``X[a:b]``
        some of them. The steps of ``.npy`` and safetensors files above 64 MiB stay in the file.
    y : array (n_sequences,), list of arrays (n_timesteps,), or None where there is no label
    info : Info

    Raises
    ------
    DataError
        If the source is not what it is said to be. The message names column and row, counted from 1
        below the header.
    ImportError
        If there is no library that reads it; the message has the command that installs one.
    OSError
        If there is no such file, or it cannot be read.

    Warns
    -----
    UserWarning
        If times are there twice, or steps seem to be missing.

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
    if like is None:
        raw = read_raw(source, separator=separator, **cast(Any, given))
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
) -> Raw:
    """Read sequences as they stand: what is missing is NaN. See ``read_sequences``."""
    _check_choices(task, layout)
    found = _open(source, separator, task)
    if isinstance(found, Raw):
        given = {"id": id, "time": time, "features": features, "label": label, "layout": layout}
        if idle := [name for name, value in given.items() if value]:
            raise DataError(f"{found.info.source} has no columns; leave {', '.join(idle)} out.")
        return found
    frame, name, dialect, index = found
    if len(index) > 2 and (id is None or time is None):
        raise DataError(
            f"{name} has an index of {len(index)} levels, {', '.join(map(repr, index))}; expected two, "
            "sequence and time. Name them: id=... and time=...; the others are columns then."
        )
    if index and id is None and layout is None:
        id, time = index[0], time or index[1]
    if layout is None and is_nested(frame, tuple(frame.columns)):
        layout = "wide"
    columns = choose(
        frame, name, id=id, time=time, label=label, features=features, task=task, layout=layout
    )
    return _from_frame(frame, columns, name, dialect)


def read_like(
    source: Any, reading: Mapping[str, Any], *, separator: str | None = None, labels: bool = False
) -> tuple[Raw, Filling | None]:
    """Read sequences as those of a model were read, whose ``reading_`` that is.

    With ``labels`` they have to be there, too.
    """
    columns = Columns.from_settings(reading)
    found = _open(source, separator, columns.task)
    if isinstance(found, Raw):
        raise DataError(
            f"{found.info.source} has no columns; the model reads {', '.join(columns.features)}."
        )
    frame, name, dialect, _ = found
    why = ", which the model was trained with"
    wanted = (columns.id, columns.time, *columns.features, *(columns.label if labels else ()))
    if columns.layout == "wide" and not is_nested(frame, columns.features[:1]):
        # as many steps as there are: features are known by their stems
        free = [column for column in frame.columns if column not in (columns.id, *columns.label)]
        columns = replace(columns, features=steps_like(columns.features, free, name, why))
        wanted = (columns.id, *(columns.label if labels else ()))
    for column in wanted:
        if column is not None:
            require_column(column, frame.columns, name, why)
    columns = replace(columns, label=_present(columns.label, frame))
    raw = _from_frame(frame, columns, name, dialect, reading.get("categories"))
    filling = reading.get("missing")
    return raw, None if filling is None else Filling.from_settings(filling)


def _present(label: tuple[str, ...], frame: Frame) -> tuple[str, ...]:
    return label if all(name in frame.columns for name in label) else ()


def _from_frame(
    frame: Frame,
    columns: Columns,
    name: str,
    dialect: Dialect,
    categories: Mapping[str, list[str]] | None = None,
) -> Raw:
    notes: tuple[str, ...] = ()
    if dialect.separator not in (",", "\t"):
        notes = (f'separator "{dialect.separator}"',)
    if dialect.decimal != ".":
        notes += ("decimal comma",)
    if columns.layout == "wide":
        return from_wide(frame, columns, name, notes)
    raw = from_rows(frame, columns, name, categories, notes)
    # what a stream has to know, of which each line is read alone
    booleans = [column for column in columns.features if frame.schema[column] == nw.Boolean]
    stream = {"booleans": booleans, "decimal": dialect.decimal.replace(".", "")}
    reading = {**(raw.sequences.reading or {}), **{n: v for n, v in stream.items() if v}}
    return replace(raw, sequences=replace(raw.sequences, reading=reading))


def _open(
    source: Any, separator: str | None, task: Task
) -> Raw | tuple[Frame, str, Dialect, tuple[str, ...]]:
    """Open what there is: sequences of arrays; or a frame, its name, and an index of several levels."""
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            folder = read_folder(path, separator, task)
            if isinstance(folder, Raw):
                return folder
            return folder, path.name, Dialect(), ()
        if not path.exists():
            raise no_file(path)
        kind = kind_of(path)
        if kind == "ts":
            return read_ts(path)
        if kind == "arff":
            return read_arff(path), path.name, Dialect(), ()
        if kind in ("parquet", "feather", "text"):
            frame, dialect = read_table(path, kind, separator)
            return _with_rows(frame, path.name), path.name, dialect, ()
        return read_arrays(path, kind, task)
    index: tuple[str, ...] = ()
    if getattr(getattr(source, "index", None), "nlevels", 1) > 1:  # a panel of pandas
        names = [
            str(n) if n is not None else f"level {i}" for i, n in enumerate(source.index.names)
        ]
        source = source.rename_axis(index=names).reset_index()
        index = tuple(names)
    elif hasattr(source, "columns") and hasattr(source, "iloc"):
        source = source.reset_index(drop=True)
    if hasattr(source, "iloc"):
        source = source.rename(columns=str)
    try:
        frame = nw.from_native(source, eager_only=True)
    except TypeError:
        if isinstance(source, list | np.ndarray | Sequences):
            return of_arrays(as_sequences(cast(Any, source)), None, "the list", task)
        raise DataError(
            f"source is a {type(source).__name__}; expected a path, or a data frame of pandas, polars "
            "or pyarrow."
        ) from None
    return _with_rows(frame, "the table"), "the table", Dialect(), index


def _with_rows(frame: Frame, name: str) -> Frame:
    if len(frame) == 0:
        raise DataError(f"{name} has no rows, only the columns {', '.join(frame.columns)}.")
    return frame


def _check_choices(task: str, layout: str | None) -> None:
    if task not in ("classification", "tag", "regression"):
        raise DataError(f"task={task!r}; expected 'classification', 'tag' or 'regression'.")
    if layout not in ("long", "wide", "one", None):
        raise DataError(f"layout={layout!r}; expected 'long', 'wide', 'one' or None.")


def _listed(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())
