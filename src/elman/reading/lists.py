"""Large Arrow files with a column of lists: each row is a sequence, and the numbers stay in the file.

In an Arrow file (Feather, version 2) that is not compressed, the numbers of all lists of a record batch
stand one behind another, as they do in an array (Arrow's columnar format, "Variable-size List Layout").
So such a file is read like any other file of steps: batch by batch, by ``data.blocks.Files``.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np

from elman._typing import IntArray
from elman.data import rows as stored
from elman.data.blocks import Files, Part
from elman.data.rows import Rows
from elman.reading.cells import Cells, names_of
from elman.reading.opened import Opened, Plan

_HEAD = 1000  # rows, which show what the columns are


def open_lists(path: Path, plan: Plan) -> Opened | None:
    """Open an Arrow file with one column of lists of numbers, or of lists of lists of one size.

    Returns
    -------
    Opened, whose ``values`` are read when they are needed. Or None if the file has to be read as a
    whole: without pyarrow, if it is small or compressed, if values are missing, or if there are several
    columns of lists.
    """
    if find_spec("pyarrow") is None or path.stat().st_size <= stored.LARGE:
        return None
    import pyarrow as pa

    content = pa.memory_map(str(path)).read_buffer()
    try:
        reader = pa.ipc.open_file(content)
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
    except pa.ArrowInvalid:
        return None  # reading it as a whole gives the error
    nested = [field.name for field in reader.schema if pa.types.is_nested(field.type)]
    if len(nested) != 1 or not batches:
        return None
    head = nw.from_native(pa.Table.from_batches(batches[:1]).slice(0, _HEAD), eager_only=True)
    columns = plan(head)
    if columns.layout != "wide" or columns.features != (nested[0],):
        return None
    parts: list[Part] = []
    starts, lengths, kinds, n_rows = [], [], set(), 0
    for batch in batches:
        found = _numbers(batch.column(nested[0]))
        if found is None:
            return None
        numbers, offsets, n_features = found
        dtype = np.dtype(numbers.type.to_pandas_dtype())
        position = numbers.buffers()[1].address + numbers.offset * dtype.itemsize - content.address
        if not 0 <= position < content.size:
            return None  # it was compressed
        kinds.add((dtype, n_features))
        parts.append(Part(str(path), position, len(numbers) // n_features))
        starts.append(n_rows + offsets[:-1])
        lengths.append(np.diff(offsets))
        n_rows += parts[-1].n_rows
    if len(kinds) != 1:
        return None
    ((dtype, n_features),) = kinds
    files = Files(parts, dtype, n_features)
    values: Any = Rows(files, np.concatenate(starts), np.concatenate(lengths), dtype)
    others = pa.Table.from_batches(batches).drop_columns(nested)
    return Opened(
        nw.from_native(others, eager_only=True),
        columns,
        tuple(reader.schema.names),
        head.schema,
        cells=Cells(values, np.concatenate(lengths), names_of(nested[0], n_features)),
    )


def _numbers(column: Any) -> tuple[Any, IntArray, int] | None:
    """The numbers of all lists, where each list begins and ends in steps, and the numbers of a step."""
    import pyarrow as pa

    kinds = pa.types
    if column.null_count:
        return None
    if kinds.is_fixed_size_list(column.type):
        size = column.type.list_size
        offsets = (column.offset + np.arange(len(column) + 1)) * size
    elif kinds.is_list(column.type) or kinds.is_large_list(column.type):
        offsets = np.asarray(column.offsets).astype(np.int64)
    else:
        return None
    steps, n_features = column.values, 1
    if kinds.is_fixed_size_list(steps.type):
        if steps.null_count or steps.offset:
            return None
        steps, n_features = steps.values, steps.type.list_size
    is_number = kinds.is_floating(steps.type) or kinds.is_integer(steps.type)
    if steps.null_count or not is_number or not len(steps):
        return None
    return steps, offsets, n_features
