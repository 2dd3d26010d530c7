"""Files of arrays: ``.npz``, ``.npy``, safetensors, IDX; and folders of such files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np

from elman._files import is_model, open_file
from elman._typing import Array
from elman.data import Sequences, as_sequences, read_idx, read_npz
from elman.data import rows as stored
from elman.data.labels import has_step_labels
from elman.data.numbers import are_step_numbers
from elman.errors import DataError
from elman.reading.columns import Task
from elman.reading.files import Kind, kind_of
from elman.reading.frames import Frame, read_table, whole
from elman.reading.info import Info, count_classes
from elman.reading.raw import Raw
from elman.reading.text import Dialect, short_lines


def read_arrays(path: Path, kind: Kind, task: Task) -> Raw:
    """Read a file of arrays.

    ``.npz`` and safetensors have ``X``, ``y`` and ``lengths``, as ``elman.data.read_npz`` says. Rows of
    a two-dimensional X are sequences of one feature. A large X in ``.npy`` or safetensors stays in the
    file until batches need it.

    Raises
    ------
    DataError
        If the file is damaged, or holds something else.
    """
    y: Any = None
    if kind == "npz":
        X, y = read_npz(path)
    elif kind == "safetensors":
        X, y = _of_safetensors(path)
    elif kind == "npy":
        X = _of_npy(path)
    else:
        X, y = read_idx(path), _labels_beside(path)
        X = X.astype(np.float32)
    return of_arrays(X, y, path.name, task)


def of_arrays(X: Any, y: Any, source: str, task: Task) -> Raw:
    """Make sequences from arrays as they were given."""
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype != object:
        X = X[:, :, None]
    sequences = as_sequences(X)
    if y is not None and len(y) != len(sequences):
        raise DataError(f"{source} has {len(sequences)} sequences in X and {len(y)} answers in y.")
    of_steps = y is not None and (
        are_step_numbers(X, y) if task == "regression" else has_step_labels(y)
    )
    if task == "tag" and y is not None and not of_steps:
        raise DataError(f"{source} has one label a sequence; task='tag' takes a label a step.")
    is_label = y is not None and task != "regression"
    flat = np.concatenate([np.ravel(piece) for piece in y]) if is_label and of_steps else y
    info = Info(
        source=source,
        columns=(),
        features=sequences.names or tuple(f"feature {i}" for i in range(sequences.n_features)),
        id=None,
        ids=np.arange(len(sequences)),
        lengths=sequences.lengths,
        label=() if y is None else ("y",),
        classes=count_classes(np.ravel(flat)) if is_label else None,
        of_steps=of_steps,
    )
    return Raw(sequences, y, info, sequences.locate)


def _of_safetensors(path: Path) -> tuple[Any, Any]:
    from safetensors import SafetensorError, safe_open

    with open_file(path) as stream:  # refuses a pipe, which might never end
        size = int.from_bytes(stream.read(8), "little")
        header = stream.read(min(size, 100_000_000))  # the most that the format allows
    try:
        with safe_open(path, framework="numpy") as file:  # checks the whole header
            names = set(file.keys())
            arrays = {name: file.get_tensor(name) for name in names & {"y", "lengths"}}
            about = json.loads(header)
            entry = about["X"] if "X" in names else None
            if entry is not None and entry["dtype"] not in _DTYPES:
                raise DataError(f"{path} has X of {entry['dtype']}; expected {', '.join(_DTYPES)}.")
    except DataError:
        raise
    except (SafetensorError, LookupError, TypeError, ValueError):
        raise DataError(
            f"{path} is not a safetensors file, or is damaged. Write it again."
        ) from None
    if is_model(header):
        raise DataError(
            f"{path} is a model of elman, not data. Name a file of sequences, such as a CSV file."
        )
    if entry is None:
        raise DataError(
            f"{path} has no array 'X', only {', '.join(sorted(names)) or 'nothing'}. Write it with "
            "safetensors.numpy.save_file({'X': ..., 'y': ..., 'lengths': ...}, path)."
        )
    position = 8 + size + int(entry["data_offsets"][0])
    X = _of_file(path, np.dtype(_DTYPES[entry["dtype"]]), position, tuple(entry["shape"]))
    y: Any = arrays.get("y")
    lengths = arrays.get("lengths")
    if lengths is None:
        return X, y
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or lengths.sum() != len(X):
        raise DataError(f"{path} has lengths that do not add up to the {len(X)} steps of X.")
    ends = np.cumsum(lengths)[:-1]
    if y is not None and len(y) == len(X):
        y = np.split(y, ends)
    if X.ndim == 2 and X.nbytes > stored.LARGE:
        return Sequences.of_rows(X, stored.offsets_of(lengths.astype(np.int64))), y
    return np.split(X, ends), y


_DTYPES = {"F64": "f8", "F32": "f4", "F16": "f2", "BOOL": "?"} | {
    f"{kind}{8 * n}": f"{kind.lower()}{n}" for kind in "IU" for n in (1, 2, 4, 8)
}
"""NumPy's names for the number types in safetensors files, which are little-endian."""


def _of_file(path: Path, dtype: np.dtype[Any], position: int, shape: tuple[int, ...]) -> Array:
    """The array that begins at a byte of a file: read if it is small, otherwise mapped."""
    n_bytes = prod(shape) * dtype.itemsize
    if n_bytes > stored.LARGE:
        return np.memmap(path, dtype.newbyteorder("<"), "r", position, shape)
    with open_file(path) as stream:
        stream.seek(position)
        return np.frombuffer(stream.read(n_bytes), dtype.newbyteorder("<")).reshape(shape)


def _of_npy(path: Path) -> Array:
    """Read an array, or map it if it is large; pickled objects are refused."""
    with open_file(path) as stream:
        is_large = stream.seek(0, 2) > stored.LARGE
        stream.seek(0)
        try:
            if is_large:
                return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
            return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
        except (ValueError, EOFError) as error:
            raise DataError(
                f"{path} is not an .npy file of numbers, or is damaged: {error}."
            ) from None


def _labels_beside(path: Path) -> Array | None:
    """The labels of MNIST's images: ``train-labels-idx1-ubyte`` beside ``train-images-idx3-ubyte``."""
    name = re.sub("images([-.])idx3", r"labels\1idx1", path.name)
    if name == path.name:
        return None
    for spelling in (name, name.removesuffix(".gz"), f"{name}.gz"):
        if path.with_name(spelling).is_file():
            return read_idx(path.with_name(spelling)).astype(np.int64)
    return None


def read_folder(
    folder: Path, separator: str | None, task: Task
) -> Raw | tuple[Frame, Callable[[], str]]:
    """Read a folder with one file for each sequence; folders in it are classes.

    Returns
    -------
    For ``.npy`` files, Raw. For tables, one table of all rows, with the columns ``file`` and, if there
    are folders in the folder, ``folder``; and a function that says which line of a text file is too
    short.

    Raises
    ------
    DataError
        If there is no file, or they differ in their columns.
    """
    paths = sorted(
        path
        for path in [*folder.glob("*"), *folder.glob("*/*")]
        if path.is_file() and not path.name.startswith(".")
    )
    if not paths:
        raise DataError(f"{folder} has no files; expected one a sequence, or a folder a class.")
    kinds = {kind_of(path): path for path in reversed(paths)}  # each kind with its first file
    in_folders = {path.parent != folder for path in paths}
    if len(kinds) > 1 or len(in_folders) > 1:
        raise DataError(
            f"{folder} has files of several kinds ("
            f"{', '.join(f'{path.name}: {kind}' for kind, path in sorted(kinds.items()))}), or both "
            "files and folders; expected one kind, all of them in it or all in folders that are the "
            "classes. Move other files elsewhere."
        )
    (kind,), (are_classes,) = kinds, in_folders
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
    if kind == "npy":
        y = np.array([path.parent.name for path in paths]) if are_classes else None
        pieces = [np.atleast_2d(_of_npy(path).T).T for path in paths]
        raw = of_arrays(pieces, y, folder.name, task)
        info = raw.info
        return Raw(
            raw.sequences,
            raw.y,
            Info(**{**vars(info), "id": "file", "ids": np.array(names)}),
            raw.place,
        )
    if kind not in ("text", "parquet", "feather"):
        raise DataError(f"{folder} has {kind} files; a folder takes tables or .npy files.")
    frames: list[Frame] = []
    columns: list[str] = []
    dialects: list[Dialect] = []
    for path, name in zip(paths, names, strict=True):
        frame, dialect = read_table(path, kind, separator, whole)
        dialects.append(dialect)
        columns = columns or frame.columns
        if frame.columns != columns:
            raise DataError(
                f"{path} has the columns {', '.join(frame.columns)}, {paths[0]} has "
                f"{', '.join(columns)}; expected the same."
            )
        numbers = nw.selectors.by_dtype(*_WHOLE).cast(nw.Float64)
        added = [nw.lit(name).alias("file")]
        if are_classes:
            added.append(nw.lit(path.parent.name).alias("folder"))
        frames.append(frame.with_columns(numbers, *added))

    def short() -> str:
        texts = zip(paths, dialects, strict=True) if kind == "text" else ()
        found = ((path, short_lines(path, dialect)) for path, dialect in texts)
        return next((f"{path.name}, {words}" for path, words in found if words), "")

    return _one_below_another(frames, paths), short


def _nothing(name: str, dtype: Any, frame: Frame) -> Any:
    """A column without values, for a frame; pandas before 3 would cast None to the text 'None'."""
    if dtype != nw.String:
        return nw.lit(None).cast(dtype).alias(name)
    backend = nw.get_native_namespace(frame)
    return nw.new_series(name, [None] * len(frame), nw.String, backend=backend)


def _one_below_another(frames: list[Frame], paths: list[Path]) -> Frame:
    """Put tables of the same columns one below another; an empty column takes the type of the others.

    Raises
    ------
    DataError
        If a column has another type in one table than in those before.
    """
    types: dict[str, tuple[Any, Path]] = {}
    for frame, path in zip(frames, paths, strict=True):
        for column, dtype in frame.schema.items():
            if frame[column].null_count() < len(frame):
                types.setdefault(column, (dtype, path))
    alike = []
    for frame, path in zip(frames, paths, strict=True):
        empty = []
        for column, dtype in frame.schema.items():
            wanted, first = types.get(column, (nw.Float64(), path))
            if dtype == wanted:
                continue
            if frame[column].null_count() < len(frame):
                raise DataError(
                    f"{path} has {dtype} in column {column!r}, {first} has {wanted}; expected the "
                    "same kind of values. Correct it."
                )
            empty.append(_nothing(column, wanted, frame))
        alike.append(frame.with_columns(*empty) if empty else frame)
    return nw.concat(alike)


_WHOLE = (nw.Int8, nw.Int16, nw.Int32, nw.Int64, nw.UInt8, nw.UInt16, nw.UInt32, nw.UInt64)
