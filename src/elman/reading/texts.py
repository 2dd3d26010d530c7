"""A table in which each row is a text: the characters of a column are the steps."""

from __future__ import annotations

import narwhals as nw
import numpy as np

from elman.data.tokens import as_sequences_of_characters
from elman.errors import DataError
from elman.reading.info import Info, count_classes
from elman.reading.opened import Opened
from elman.reading.raw import Raw
from elman.reading.values import refuse_ids_as_labels
from elman.reading.wide import answers


def from_texts(table: Opened, source: str, notes: tuple[str, ...] = ()) -> Raw:
    """Make sequences of characters from a table in which each row is a text.

    Raises
    ------
    DataError
        If the column holds no text, or is empty in a row; the message names column and place.
    """
    frame, columns, place = table.frame, table.columns, table.place
    (name,) = columns.features
    dtype = frame.schema[name]
    if not isinstance(dtype, nw.String | nw.Categorical | nw.Object):
        raise DataError(f"column {name!r} holds {dtype}; expected text.")
    texts = frame[name].to_list()
    for row, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            raise DataError(
                f"column {name!r} has no text in {place(row)}; every sequence needs at least one "
                "character. Leave the row out."
            )
    n_rows = len(frame)
    y = None if not columns.label else answers(frame, columns, place)
    is_label = bool(columns.label) and columns.task == "classification"
    if is_label:
        refuse_ids_as_labels(columns.label[0], np.asarray(y), n_rows)
    sequences = as_sequences_of_characters(texts, {**columns.settings, "categories": {}})
    info = Info(
        source=source,
        columns=tuple(frame.columns),
        features=columns.features,
        id=columns.id,
        ids=np.arange(n_rows) if columns.id is None else np.array(frame[columns.id].to_list()),
        lengths=sequences.lengths,
        label=columns.label,
        classes=count_classes(np.asarray(y)) if is_label else None,
        notes=("a row a text, a step a character", *notes),
    )

    def where(row: int) -> str:
        number = int(np.searchsorted(sequences.offsets, row, "right")) - 1
        return f"{place(number)}, character {row - sequences.offsets[number] + 1}"

    return Raw(sequences, y, info, where)
