"""Tables in files: read by polars, pandas or pyarrow, whichever is there (the fastest first).

The rest of the code uses them through narwhals, so it does not depend on the library. If a text file
cannot be read, its lines are checked one by one, so that the error can name the line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import narwhals as nw

from elman._files import open_file
from elman._memory import require_memory
from elman.errors import DataError
from elman.reading.files import Kind, head_of
from elman.reading.text import Dialect, dialect_of, is_packed, mean_line, refuse_lines

Frame = nw.DataFrame[Any]
T = TypeVar("T")

LIBRARIES = ("polars", "pandas", "pyarrow")
MISSING_TEXT = ["", "NA", "N/A", "n/a", "<NA>", "NaN", "nan", "NULL", "null", "None", "?"]
_ROWS = 1 << 16  # rows of a batch, at least: each batch costs some milliseconds, however short
_BYTES = 1 << 24  # bytes of a batch, at least, if rows are long
_HEAD = 1000  # rows of the first batch, at least: they show what the columns are

Types: TypeAlias = Literal["first", "all", "text"]
_TYPES: tuple[Types, ...] = ("first", "all", "text")


@dataclass(frozen=True)
class Batches:
    """Frames that are read one after another.

    Attributes
    ----------
    frames : iterator of narwhals.DataFrame
        All have the same columns.
    n_rows : int or None
        About how many rows there are in all, if this is known before reading.
    check : callable
        Must be called with the kept part of each batch after the first. It raises an error if a text
        means a missing value; then reading begins again. Libraries that recognise such texts do not
        need it.
    """

    frames: Iterator[Frame]
    n_rows: int | None = None
    check: Callable[[Frame], None] = lambda _: None

    def __iter__(self) -> Iterator[Frame]:
        return self.frames


def library() -> str:
    """The installed library that reads tables.

    Raises
    ------
    ImportError
        If there is none; the message has the command that installs one.
    """
    for name in LIBRARIES:
        if find_spec(name) is not None:
            return name
    raise ImportError(
        "reading tables needs polars (or pandas, or pyarrow): pip install 'elman[tables]'"
    )


def whole(batches: Batches) -> Frame:
    """Put a file's batches one below another."""
    frame = nw.concat(list(batches))
    batches.check(frame)
    return frame


def read_table(
    path: Path,
    kind: Kind,
    separator: str | None,
    collect: Callable[[Batches], T],
    texts: str | None = None,
) -> tuple[T, Dialect]:
    """Read a file with a table.

    Parameters
    ----------
    path : Path
    kind : {"parquet", "feather", "text"}
    separator : str or None
        The separator of a text file; None: it is guessed from the first lines.
    collect : callable
        Makes a result from the batches. It is called again, with new ones, if a later row shows that a
        column has another type than the first rows had.
    texts : str, optional
        The column of texts, which may be the only column of the file.

    Returns
    -------
    collected : what ``collect`` returns
    dialect : Dialect

    Raises
    ------
    DataError
        If the file is not a table; the message says where, and what to do.
    ImportError
        If no library that reads it is installed.
    """
    name = library()
    with open_file(path) as stream:  # refuses a pipe, which might never end
        size = stream.seek(0, io.SEEK_END)
        require_memory(2 * size, f"reading {path}")
    if kind == "text":
        dialect = dialect_of(path, separator, texts)
        return _read_text(name, path, dialect, size, collect), dialect
    return _read_binary(name, path, kind, collect), Dialect()


def _read_binary(name: str, path: Path, kind: Kind, collect: Callable[[Batches], T]) -> T:
    try:
        return collect(_BINARY[name](path, kind))
    except (DataError, MemoryError, ImportError, OSError):
        raise
    # The libraries' errors have no common base.
    except Exception as error:  # noqa: BLE001
        raise DataError(
            f"{path} is a damaged {kind} file: {error!s:.200}. Write it again."
        ) from None


def _read_text(
    name: str, path: Path, dialect: Dialect, size: int, collect: Callable[[Batches], T]
) -> T:
    """Read a text file with the types of its first rows, or else of all rows, or else as text."""
    n_rows = None if is_packed(path) else round(size / mean_line(path))
    missing: list[str] | None = None if name == "polars" else MISSING_TEXT

    def batches(types: Types) -> Batches:
        frames = _text_frames(_TEXT[name](path, dialect, types, missing), path, dialect)
        if missing is not None:
            return Batches(frames, n_rows)
        return Batches(_first_checked(frames), n_rows, _refuse_missing_text)

    for types in _TYPES:
        try:
            try:
                return collect(batches(types))
            except _MissingText:
                missing = MISSING_TEXT
                return collect(batches(types))
        except (DataError, MemoryError, ImportError, OSError):
            raise
        # The libraries' errors have no common base.
        except Exception:
            if types == "first":
                refuse_lines(path, dialect)
            if types == "text":
                raise
    raise AssertionError("every text can be read as text")


class _MissingText(Exception):  # noqa: N818
    """A text means a missing value, and the library had not been told of such texts."""


def _text_frames(batches: Batches, path: Path, dialect: Dialect) -> Iterator[Frame]:
    """Name the columns of a file without a header, and check what only text files may have."""
    for frame in batches:
        if nw.Binary in frame.schema.values():  # text that is not UTF-8, in pyarrow
            refuse_lines(path, dialect)
        if not dialect.has_header:
            names = ["label", *map(str, range(len(frame.columns) - 1))]
            frame = frame.rename(dict(zip(frame.columns, names, strict=True)))
        yield frame


def _first_checked(frames: Iterator[Frame]) -> Iterator[Frame]:
    for number, frame in enumerate(frames):
        if number == 0:
            _refuse_missing_text(frame)
        yield frame


def _refuse_missing_text(frame: Frame) -> None:
    """Begin again if texts mean missing values: polars takes a quarter longer if it looks for them."""
    import polars as pl

    texts = frame.to_native().select(pl.selectors.string().is_in(MISSING_TEXT).any())
    if any(any(row) for row in texts.rows()):  # there are no rows without a column of text
        raise _MissingText


# The libraries


def _text_by_polars(
    path: Path, dialect: Dialect, types: Types, missing: list[str] | None
) -> Batches:
    import polars as pl

    options: dict[str, Any] = {
        "separator": dialect.separator,
        "decimal_comma": dialect.decimal == ",",
        "has_header": dialect.has_header,
        "null_values": missing,
        "infer_schema_length": {"first": 1000, "all": None, "text": 0}[types],
    }
    if is_packed(path):
        return _one(pl.read_csv(path, **options))
    return Batches(_polars_batches(pl.scan_csv(path, **options)))


def _polars_batches(table: Any) -> Iterator[Frame]:
    """Batches as polars reads them; the whole table if polars is too old for batches."""
    if not hasattr(table, "collect_batches"):
        yield nw.from_native(table.collect())
        return
    batches = table.collect_batches(maintain_order=True)
    waiting: list[Frame] = []
    is_empty = True
    try:
        for frame in batches:
            is_empty = False
            waiting.append(nw.from_native(frame))
            n_rows = sum(map(len, waiting))
            n_bytes = sum(part.estimated_size() for part in waiting)
            if n_rows >= _ROWS or (n_rows >= _HEAD and n_bytes >= _BYTES):
                yield nw.concat(waiting)
                waiting = []
        if is_empty:  # only a header
            waiting = [nw.from_native(table.collect())]
        if waiting:
            yield nw.concat(waiting)
    finally:  # otherwise it would go on reading
        stop = getattr(batches, "stop", None)
        if stop is not None:
            stop()


def _one(native: Any) -> Batches:
    frame: Frame = nw.from_native(native, eager_only=True)
    return Batches(iter([frame]), len(frame))


def _text_by_pandas(path: Path, dialect: Dialect, types: Types, missing: list[str]) -> Batches:
    import pandas as pd

    is_old = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)  # later ones are exact
    exact = {"float_precision": "round_trip"} if is_old else {}
    frame = pd.read_csv(
        path,
        sep=dialect.separator,
        decimal=dialect.decimal,
        header=0 if dialect.has_header else None,
        na_values=missing,
        dtype=str if types == "text" else None,
        low_memory=False,
        **exact,
        compression="infer",
        index_col=False,
        on_bad_lines="error",
    )
    return _one(frame.rename(columns=str))


def _text_by_pyarrow(path: Path, dialect: Dialect, types: Types, missing: list[str]) -> Batches:
    import pyarrow as pa
    from pyarrow import csv as arrow

    names = head_of(path).decode("utf-8", "replace").removeprefix("\ufeff").splitlines()[0]
    columns = next(csv.reader([names], delimiter=dialect.separator))
    frame = arrow.read_csv(
        path,
        read_options=arrow.ReadOptions(autogenerate_column_names=not dialect.has_header),
        parse_options=arrow.ParseOptions(delimiter=dialect.separator),
        convert_options=arrow.ConvertOptions(
            null_values=missing,
            strings_can_be_null=True,
            decimal_point=dialect.decimal,
            column_types=dict.fromkeys(columns, pa.string()) if types == "text" else None,
        ),
    )
    return _one(frame)


def _binary_by_polars(path: Path, kind: Kind) -> Batches:
    import polars as pl

    table = pl.scan_ipc(path) if kind == "feather" else pl.scan_parquet(path)
    return Batches(_polars_batches(table), table.select(pl.len()).collect().item())


def _binary_by_pandas(path: Path, kind: Kind) -> Batches:
    import pandas as pd

    try:
        return _one(pd.read_parquet(path) if kind == "parquet" else pd.read_feather(path))
    except ImportError:
        raise ImportError(
            f"a {kind} file needs polars (or pyarrow): pip install 'elman[tables]'"
        ) from None


def _binary_by_pyarrow(path: Path, kind: Kind) -> Batches:
    from pyarrow import feather, parquet

    return _one(parquet.read_table(path) if kind == "parquet" else feather.read_table(path))


_TEXT: dict[str, Any] = {
    "polars": _text_by_polars,
    "pandas": _text_by_pandas,
    "pyarrow": _text_by_pyarrow,
}
_BINARY: dict[str, Any] = {
    "polars": _binary_by_polars,
    "pandas": _binary_by_pandas,
    "pyarrow": _binary_by_pyarrow,
}
