"""Tables in files: read by polars, pandas or pyarrow, whichever is there (the fastest first).

Everything above sees them through narwhals, and so does not care which it was. A file that cannot be
read is looked at line by line, for its line to be named.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeAlias

import narwhals as nw

from elman._files import open_file
from elman._memory import require_memory
from elman.errors import DataError
from elman.reading.files import HEAD, Kind, head_of

Frame = nw.DataFrame[Any]

LIBRARIES = ("polars", "pandas", "pyarrow")
MISSING_TEXT = ["", "NA", "N/A", "n/a", "<NA>", "NaN", "nan", "NULL", "null", "None", "?"]
_SEPARATORS = ",;\t|"
_DECIMAL = re.compile(r"[-+]?\d+([.,])\d+")


Types: TypeAlias = Literal["first", "all", "text"]
_TYPES: tuple[Types, ...] = ("first", "all", "text")


@dataclass(frozen=True)
class Dialect:
    """How a text file separates its columns, and writes its numbers."""

    separator: str = ","
    decimal: str = "."
    has_header: bool = True


def library() -> str:
    """The library that reads tables here.

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


def read_table(path: Path, kind: Kind, separator: str | None = None) -> tuple[Frame, Dialect]:
    """Read a file with a table.

    Parameters
    ----------
    path : Path
    kind : {"parquet", "feather", "text"}
    separator : str, optional
        Of a text file; left out, it is guessed from the first lines.

    Returns
    -------
    frame : narwhals.DataFrame
    dialect : Dialect

    Raises
    ------
    DataError
        If the file is no table; the message says where, and what to do.
    ImportError
        If no library is there that reads it.
    """
    name = library()
    with open_file(path) as stream:  # no pipe, which would be waited for
        require_memory(2 * stream.seek(0, io.SEEK_END), f"reading {path}")
    dialect = Dialect()
    if kind == "text":
        dialect = _dialect(path, separator)
        frame = _read_text(name, path, dialect)
    else:
        frame = _read_binary(name, path, kind)
    if kind == "text":
        if nw.Binary in frame.schema.values():  # pyarrow's text that is none
            _refuse_lines(path, dialect)
        if not dialect.has_header:
            names = ["label", *map(str, range(len(frame.columns) - 1))]
            frame = frame.rename(dict(zip(frame.columns, names, strict=True)))
    return frame, dialect


def _read_binary(name: str, path: Path, kind: Kind) -> Frame:
    try:
        return nw.from_native(_BINARY[name](path, kind), eager_only=True)
    except (MemoryError, ImportError, OSError):
        raise
    # What libraries raise has no common base.
    except Exception as error:  # noqa: BLE001
        raise DataError(
            f"{path} is a damaged {kind} file: {error!s:.200}. Write it again."
        ) from None


def _read_text(name: str, path: Path, dialect: Dialect) -> Frame:
    """Read a text file by the types that its first rows have, else all of them, else as text."""
    for types in _TYPES:
        try:
            frame: Frame = nw.from_native(_TEXT[name](path, dialect, types), eager_only=True)
            if name == "polars" and _has_missing_text(frame):
                native = _text_by_polars(path, dialect, types, MISSING_TEXT)
                frame = nw.from_native(native, eager_only=True)
        except (MemoryError, ImportError, OSError):
            raise
        # What libraries raise has no common base.
        except Exception:
            if types == "first":
                _refuse_lines(path, dialect)
            if types == "text":
                raise
        else:
            break
    return frame


def _dialect(path: Path, separator: str | None) -> Dialect:
    """Guess from the first lines how a text file is written."""
    head = head_of(path)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in head[:1000]:
        raise DataError(
            f"{path} is not UTF-8 text (UTF-16, or no text at all). Write it again as UTF-8; on the "
            f"command line: iconv -f UTF-16 -t UTF-8 {path} > new.csv"
        )
    if separator is not None and len(separator) != 1:
        raise DataError(f"separator is {separator!r}; expected one character, such as ';'.")
    lines = head.decode("utf-8", "replace").removeprefix("\ufeff").splitlines()
    first = next(csv.reader(lines[:1], delimiter=separator or ","), [])
    counts = {mark: lines[0].count(mark) for mark in _SEPARATORS}
    likely = max(counts, key=lambda mark: counts[mark])
    if separator is None:
        separator = likely if (counts[likely] and len(first) < 2) or path.suffix == ".tsv" else ","
        separator = separator if counts[separator] else likely
    if not counts.get(separator, lines[0].count(separator)):
        hint = f" Its first line has {likely!r}: pass that." if counts[likely] else ""
        raise DataError(
            f"{path} has one column, {lines[0][:60]!r}: expected columns separated by {separator!r}."
            + hint
        )
    fields = next(csv.reader(lines[:1], delimiter=separator))
    is_number = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*|nan", re.IGNORECASE)
    has_header = not all(is_number.fullmatch(field) for field in fields)
    if not has_header and path.suffix != ".tsv":
        raise DataError(
            f"{path} has no header: its first line is {lines[0][:60]!r}. Write the names of the "
            "columns above it. (A .tsv file without one is taken for UCR's: the label, then the steps.)"
        )
    decimal = "."
    if separator != ",":
        if len(head) == HEAD:  # the last field may be cut
            lines[-1] = lines[-1].rpartition(separator)[0]
        decimal = "," if _has_decimal_commas(lines, separator) else "."
    return Dialect(separator, decimal, has_header)


def _has_decimal_commas(lines: list[str], separator: str) -> bool:
    """Whether a column has numbers with a decimal comma, and none with a point."""
    marks: dict[int, set[str]] = {}
    for row in csv.reader(lines, delimiter=separator):
        for at, field in enumerate(row):
            if match := _DECIMAL.fullmatch(field.strip()):
                marks.setdefault(at, set()).add(match[1])
    return {","} in marks.values()


def _lines(path: Path) -> Iterator[bytes]:
    with open_file(path) as stream:
        is_packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        yield from gzip.GzipFile(fileobj=stream) if is_packed else stream


def _refuse_lines(path: Path, dialect: Dialect) -> None:
    """Name the first line that is not UTF-8, or has more or fewer columns than the first."""
    for number, line in enumerate(_lines(path), start=1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            column = line[: error.start].count(dialect.separator.encode()) + 1
            raise DataError(
                f"{path} is not UTF-8 text: line {number:,}, column {column} has the byte "
                f"0x{line[error.start]:02x}. If it is Latin-1, as older programs write it: "
                f"iconv -f ISO-8859-1 -t UTF-8 {path} > new.csv"
            ) from None
    texts = (line.decode() for line in _lines(path))
    rows = csv.reader(texts, delimiter=dialect.separator)
    for header in islice(rows, 1):
        for row in rows:
            if row and len(row) != len(header):
                raise DataError(
                    f"{path} has {len(row)} columns in line {rows.line_num:,}, and "
                    f"{len(header)} in line 1, separated by {dialect.separator!r}. Correct the line; "
                    f"a text that holds {dialect.separator!r} goes in quotation marks."
                )


# The libraries


def _has_missing_text(frame: Frame) -> bool:
    """Whether a text says that a value is missing.

    polars takes a quarter longer where it is told of such texts; so it is told only if there are any.
    """
    texts = [n for n, dtype in frame.schema.items() if dtype == nw.String]
    return any(bool(frame[name].is_in(MISSING_TEXT).any()) for name in texts)


def _text_by_polars(
    path: Path, dialect: Dialect, types: Types, missing: list[str] | None = None
) -> Any:
    import polars as pl

    return pl.read_csv(
        path,
        separator=dialect.separator,
        decimal_comma=dialect.decimal == ",",
        has_header=dialect.has_header,
        null_values=missing,
        infer_schema_length={"first": 1000, "all": None, "text": 0}[types],
    )


def _text_by_pandas(path: Path, dialect: Dialect, types: Types) -> Any:
    import pandas as pd

    is_old = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)  # later ones are exact
    exact = {"float_precision": "round_trip"} if is_old else {}
    return pd.read_csv(
        path,
        sep=dialect.separator,
        decimal=dialect.decimal,
        header=0 if dialect.has_header else None,
        na_values=MISSING_TEXT,
        dtype=str if types == "text" else None,
        low_memory=False,
        **exact,
        compression="infer",
        index_col=False,
        on_bad_lines="error",
    ).rename(columns=str)


def _text_by_pyarrow(path: Path, dialect: Dialect, types: Types) -> Any:
    import pyarrow as pa
    from pyarrow import csv as arrow

    names = head_of(path).decode("utf-8", "replace").removeprefix("\ufeff").splitlines()[0]
    columns = next(csv.reader([names], delimiter=dialect.separator))
    return arrow.read_csv(
        path,
        read_options=arrow.ReadOptions(autogenerate_column_names=not dialect.has_header),
        parse_options=arrow.ParseOptions(delimiter=dialect.separator),
        convert_options=arrow.ConvertOptions(
            null_values=MISSING_TEXT,
            strings_can_be_null=True,
            decimal_point=dialect.decimal,
            column_types=dict.fromkeys(columns, pa.string()) if types == "text" else None,
        ),
    )


def _binary_by_polars(path: Path, kind: Kind) -> Any:
    import polars as pl

    return pl.read_parquet(path) if kind == "parquet" else pl.read_ipc(path)


def _binary_by_pandas(path: Path, kind: Kind) -> Any:
    import pandas as pd

    try:
        return pd.read_parquet(path) if kind == "parquet" else pd.read_feather(path)
    except ImportError:
        raise ImportError(
            f"a {kind} file needs polars (or pyarrow): pip install 'elman[tables]'"
        ) from None


def _binary_by_pyarrow(path: Path, kind: Kind) -> Any:
    from pyarrow import feather, parquet

    return parquet.read_table(path) if kind == "parquet" else feather.read_table(path)


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
