"""A table in which each row is a sequence: steps in columns, or whole sequences in cells."""

from __future__ import annotations

import numpy as np

from elman._typing import Array
from elman.data import Sequences
from elman.errors import DataError
from elman.reading.cells import is_nested, of_cells
from elman.reading.columns import Columns, numbered
from elman.reading.frames import Frame
from elman.reading.info import Info, count_classes
from elman.reading.opened import Opened
from elman.reading.raw import Raw
from elman.reading.values import Place, labels, matrix, refuse_ids_as_labels


def from_wide(table: Opened, source: str, notes: tuple[str, ...] = ()) -> Raw:
    """Make sequences from a table in which each row is a sequence.

    Steps at the end of a row without a value in any feature are left out, so sequences can differ in
    length.

    Raises
    ------
    DataError
        If the table is not what it is said to be; the message names column and place.
    """
    frame, columns, place = table.frame, table.columns, table.place
    n_rows = len(table)
    values: Array
    if table.cells is not None:
        values, lengths, features = table.cells
    elif is_nested(frame, columns.features):
        values, lengths, features = of_cells(frame, columns.features, place)
    else:
        groups = numbered(columns.features)
        names = tuple(name for _, steps in groups for name in steps)
        stack, _, text = matrix(frame, names, place, {})
        if text:
            raise DataError(
                f"column {next(iter(text))!r} holds text; the steps of a row are numbers."
            )
        stack = stack.reshape(n_rows, len(groups), -1).transpose(0, 2, 1)  # (n, D, T) → (n, T, D)
        there = np.asarray((~np.isnan(stack)).any(axis=2))
        lengths = there.shape[1] - there[:, ::-1].argmax(axis=1)
        lengths = np.where(there.any(axis=1), lengths, 0)
        values = stack[np.arange(there.shape[1]) < lengths[:, None]]
        features = tuple(stem for stem, _ in groups)
    if not lengths.all():
        raise DataError(
            f"{place(int(np.argmin(lengths)))} of {source} has no step with a value. Leave it out."
        )
    offsets = np.append(0, np.cumsum(lengths))
    y = None if not columns.label else answers(frame, columns, place)
    is_label = bool(columns.label) and columns.task == "classification"
    if is_label:
        refuse_ids_as_labels(columns.label[0], np.asarray(y), n_rows)
    ids = np.arange(n_rows) if columns.id is None else np.array(frame[columns.id].to_list())
    info = Info(
        source=source,
        columns=table.names,
        features=features,
        id=columns.id,
        ids=ids,
        lengths=lengths,
        label=columns.label,
        classes=count_classes(np.asarray(y)) if is_label else None,
        notes=("a row a sequence", *notes),
    )
    settings = {**columns.settings, "categories": {}, "steps_of": list(features)}
    sequences = Sequences(values, offsets, names=features, reading=settings)

    def where(row: int) -> str:
        number = int(np.searchsorted(offsets, row, "right")) - 1
        return f"{place(number)}, step {row - offsets[number] + 1}"

    return Raw(sequences, y, info, where)


def answers(frame: Frame, columns: Columns, place: Place) -> Array:
    """Read one label for each row, or its numbers."""
    if columns.task == "tag":
        raise DataError(
            "a table with a row a sequence has one label for each; task='tag' (--task tag) takes a row "
            "a step."
        )
    if columns.task == "classification":
        return labels(frame[columns.label[0]], place)
    values, _, text = matrix(frame, columns.label, place)
    if text or not np.isfinite(values).all():
        raise DataError(
            f"label {columns.label[0]!r} has values that are no numbers, or are missing. For labels "
            "leave task='regression' (--task regression) out."
        )
    return values[:, 0] if values.shape[1] == 1 else values
