"""From a table to sequences: each row is a step (long), or all rows are one sequence.

There is no loop over rows in Python: a sequence begins where the id changes, and rows are sorted only
if they are not in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from elman._typing import Array, IntArray
from elman.data import Sequences
from elman.errors import DataError, warn
from elman.reading.columns import Columns
from elman.reading.frames import Frame
from elman.reading.info import Info, count_classes, listed
from elman.reading.opened import Opened
from elman.reading.raw import Raw
from elman.reading.runs import Runs
from elman.reading.times import as_text, as_times, distances, gaps, have_zone
from elman.reading.values import Place, labels, matrix, refuse_ids_as_labels


def from_rows(
    table: Opened,
    source: str,
    categories: Mapping[str, list[str]] | None = None,
    notes: tuple[str, ...] = (),
) -> Raw:
    """Make sequences from a table in which each row is a step.

    Parameters
    ----------
    table : Opened
    source : str
        The name of the table in messages.
    categories : mapping, optional
        Those of the model for which the table is read.
    notes : tuple of str
        What has been guessed so far.

    Raises
    ------
    DataError
        If the table is not what it is said to be; the message names column and place.
    """
    frame, columns, place, values = table.frame, table.columns, table.place, table.values
    n_rows = len(table)
    times = None if columns.time is None else as_times(frame[columns.time], place)
    if columns.time is not None and have_zone(frame[columns.time]):
        notes = (*notes, "times brought to UTC")
    by_id = None if columns.id is None else _ids(table.runs(columns.id), place)
    starts = _starts(by_id)
    distance = None if times is None else distances(times, starts)
    is_together = by_id is None or by_id.values.n_unique() == len(by_id)
    order: IntArray | None = None
    if not is_together or (distance is not None and bool((distance < 0).any())):
        order = _order(n_rows, by_id, times)
        frame = frame[order] if frame.columns else frame
        values = None if values is None else values[order]
        times = None if times is None else times[order]
        place = lambda row: table.place(int(order[row]))  # noqa: E731
        by_id = None if by_id is None else by_id.reordered(order)
        starts = _starts(by_id)
        distance = None if times is None else distances(times, starts)
        notes = (*notes, "rows sorted by " + ("time" if is_together else "id"))
    ids = [0] if by_id is None else by_id.values.to_list()
    offsets = np.append(starts, n_rows)

    def where(row: int) -> str:
        if columns.id is None:
            return place(row)
        return (
            f"{place(row)} ({columns.id} {ids[int(np.searchsorted(starts, row, 'right')) - 1]!r})"
        )

    found_categories: dict[str, list[str]] = {}
    features = columns.features
    if values is None:
        values, features, found_categories = matrix(frame, features, where, categories)
    y: Array | list[Array] | None = None
    of_steps = False
    if not columns.label:
        pass
    elif columns.task == "tag":
        y, of_steps = np.split(labels(frame[columns.label[0]], where), starts[1:]), True
    elif columns.task == "regression":
        y, of_steps = _numbers(frame, columns, starts, where)
    else:
        label = table.runs(columns.label[0])
        label = label if order is None else label.reordered(order)
        y = _labels(label, starts, where, _NAME_IT if categories is None else _CORRECT_IT)
        of_steps = False
    settings = {**columns.settings, "categories": found_categories}
    sequences = Sequences(values, offsets, names=features, reading=settings)
    for name, known in found_categories.items():
        notes = (*notes, f'"{name}" as {len(known)} features of 0 and 1')
    is_label = bool(columns.label) and columns.task != "regression"
    flat = np.concatenate(y) if isinstance(y, list) else np.asarray(y)
    if is_label:
        refuse_ids_as_labels(columns.label[0], flat, len(flat))
    if times is not None and distance is not None:
        _report_times(times, distance, starts, ids, columns)
    info = Info(
        source=source,
        columns=table.names,
        features=features,
        id=columns.id,
        ids=_as_ids(ids) if columns.id is not None else np.arange(len(starts)),
        lengths=np.diff(offsets),
        time=columns.time,
        times=times,
        label=columns.label,
        classes=count_classes(flat) if is_label else None,
        of_steps=of_steps,
        categories=found_categories,
        notes=notes,
    )
    return Raw(sequences, y, info, where, table.short)


def _as_ids(ids: list[Any]) -> Array:
    array = np.array(ids)
    return array if array.dtype.kind in "iuUM" and array.ndim == 1 else np.array(ids, object)


def _ids(ids: Runs, place: Place) -> Runs:
    if ids.missing is not None:
        name, where = ids.values.name, place(ids.missing)
        raise DataError(f"id {name!r} is missing in {where}. Write it, or leave the row out.")
    return ids


def _starts(ids: Runs | None) -> IntArray:
    """The rows in which sequences begin."""
    return np.zeros(1, np.int64) if ids is None else ids.starts


def _order(n_rows: int, ids: Runs | None, times: Array | None) -> IntArray:
    """The order of rows: by the first row of their id, then by time, then by place in the table."""
    keys = [np.arange(n_rows)] if times is None else [times]
    if ids is not None:
        keys.append(np.repeat(ids.firsts(), ids.lengths))
    return np.lexsort(keys)


def _report_times(
    times: Array, distance: Array, starts: IntArray, ids: list[Any], columns: Columns
) -> None:
    """Warn of times that occur twice, and of missing steps."""

    def of(rows: IntArray) -> str:
        numbers = np.unique(np.searchsorted(starts, rows, "right") - 1)
        if columns.id is None:
            return ""
        return f", in {columns.id} {listed([repr(ids[i]) for i in numbers])}"

    twice = np.flatnonzero(distance == 0) + 1
    if len(twice):
        warn(
            f"time {columns.time!r} occurs twice in {len(twice):,} row{'s' * (len(twice) > 1)}"
            f"{of(twice)}; the first is {as_text(times[twice[:1]])[0]}. Both rows are kept, in their "
            "order in the table. Remove one if it is a copy; if another column tells sequences apart, "
            "name it: id='…' (--id).",
        )
    rows, n_missing = gaps(distance, starts)
    if len(rows):
        before, after = as_text(times[[rows[0] - 1, rows[0]]])
        warn(
            f"{n_missing:,} step{'s seem' if n_missing > 1 else ' seems'} to be missing, by time "
            f"{columns.time!r}{of(rows)}; the first between {before} and {after}. The network sees "
            "steps, not times: add rows with empty cells for them, and fill these (--missing).",
        )


_NAME_IT = (
    "If another column names the sequences, say so: id='…' (--id); for a label a row: task='tag' "
    "(--task tag)."
)
_CORRECT_IT = "Correct the labels. To predict, leave their column out: nothing needs it."


def _labels(label: Runs, starts: IntArray, place: Place, advice: str) -> Array:
    """The label of each sequence, which is the same in all its rows."""
    if label.missing is None:
        changed = np.setdiff1d(label.starts, starts, assume_unique=True)
        if len(changed):
            row = int(changed[0])
            before, after = label.at(np.array([row - 1, row])).to_list()
            raise DataError(
                f"label {label.values.name!r} changes within a sequence: {before!r} in "
                f"{place(row - 1)}, {after!r} in {place(row)}. One label a sequence is the same in all "
                f"its rows. {advice}"
            )
        return labels(label.at(starts), lambda i: place(int(starts[i])))
    return labels(label.values, lambda run: place(int(label.starts[run])))  # raises the error


def _numbers(
    frame: Frame, columns: Columns, starts: IntArray, place: Place
) -> tuple[Array | list[Array], bool]:
    values, names, text = matrix(frame, columns.label, place)
    if text:
        raise DataError(
            f"label {next(iter(text))!r} holds text, such as {next(iter(text.values()))[0]!r}; "
            "expected numbers. For labels leave task='regression' (--task regression) out."
        )
    finite = np.isfinite(values)
    if not finite.all():
        row = int(np.argmin(finite.all(axis=1)))
        raise DataError(
            f"label {names[int(np.argmin(finite[row]))]!r} is missing in {place(row)}. Write it, or "
            "leave the sequence out."
        )
    differ = np.flatnonzero((values[1:] != values[:-1]).any(axis=1)) + 1
    of_steps = len(np.setdiff1d(differ, starts, assume_unique=True)) > 0
    if values.shape[1] == 1:
        values = values[:, 0]
    return (np.split(values, starts[1:]), True) if of_steps else (values[starts], False)
