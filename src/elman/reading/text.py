"""How a text file with a table is written: separators and decimal marks; and the lines of rows."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from shlex import quote
from typing import IO

from elman._files import open_file
from elman.errors import DataError
from elman.reading.files import HEAD, head_of

_SEPARATORS = ",;\t|"
_DECIMAL = re.compile(r"[-+]?\d+([.,])\d+")


@dataclass(frozen=True)
class Dialect:
    """How a text file separates its columns, and writes its numbers."""

    separator: str = ","
    decimal: str = "."
    has_header: bool = True


def mean_line(path: Path) -> float:
    """The mean number of bytes in the first lines below the header."""
    lines = head_of(path).splitlines(keepends=True)[1:-1]
    return sum(map(len, lines)) / len(lines) if lines else HEAD


def dialect_of(path: Path, separator: str | None, texts: str | None = None) -> Dialect:
    """Guess from the first lines how a text file is written.

    ``texts`` names the column of texts, if that is known: it may be the only column of the file.
    """
    head = head_of(path)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(
            f"{path} is not UTF-8 text, but UTF-16. Write it again as UTF-8; on the command line: "
            f"{_in_utf8(path, 'UTF-16')}"
        )
    if b"\0" in head[:1000]:
        raise DataError(
            f"{path} is neither a table nor a model: it holds bytes that are no text. Expected CSV, "
            "Parquet, Feather, .npz, .npy, .ts, .arff, safetensors or IDX."
        )
    if separator is not None and len(separator) != 1:
        raise DataError(f"separator is {separator!r}; expected one character, such as ';'.")
    lines = head.decode("utf-8", "replace").removeprefix("\ufeff").splitlines()
    first = next(csv.reader(lines[:1], delimiter=separator or ","), [])
    counts = {mark: lines[0].count(mark) for mark in _SEPARATORS}
    likely = max(counts, key=lambda mark: counts[mark])
    is_guessed = separator is None
    if separator is None:
        separator = likely if (counts[likely] and len(first) < 2) or path.suffix == ".tsv" else ","
        separator = separator if counts[separator] else likely
    is_one = not counts.get(separator, lines[0].count(separator)) and first != [texts]
    if is_one and (is_guessed or counts[likely]):
        hint = "If one is right, as in a file of texts, say so: separator=',' (--separator ,)."
        if counts[likely]:
            hint = f"Its first line has {likely!r}: pass that."
        raise DataError(
            f"{path} has one column, {lines[0][:60]!r}: expected columns separated by {separator!r}. "
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
    dialect = Dialect(separator, decimal, has_header)
    if "\ufffd" in lines[0]:  # which polars accepts in a header
        _refuse_bytes(path, dialect)
    return dialect


def _in_utf8(path: Path, encoding: str) -> str:
    """The command that writes a file as UTF-8."""
    name, convert = quote(str(path)), f"iconv -f {encoding} -t UTF-8"
    return (
        f"gzip -dc {name} | {convert} > new.csv"
        if is_packed(path)
        else f"{convert} {name} > new.csv"
    )


def _has_decimal_commas(lines: list[str], separator: str) -> bool:
    """Whether a column has numbers with a decimal comma, and none with a decimal point."""
    marks: dict[int, set[str]] = {}
    for row in csv.reader(lines, delimiter=separator):
        for at, field in enumerate(row):
            if match := _DECIMAL.fullmatch(field.strip()):
                marks.setdefault(at, set()).add(match[1])
    return {","} in marks.values()


def is_packed(path: Path) -> bool:
    """Whether it is packed with gzip."""
    with open_file(path) as stream:
        return stream.read(2) == b"\x1f\x8b"


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    packed = is_packed(path)
    with open_file(path) as stream:
        yield gzip.GzipFile(fileobj=stream) if packed else stream  # type: ignore[misc]


def _lines(path: Path) -> Iterator[bytes]:
    with _unpacked(path) as stream:
        yield from stream


def line_of(path: Path, dialect: Dialect, row: int, counts_empty: bool) -> str:
    """Say in which line of a text file a row begins, counted from 1 as in an editor.

    Also say if the line has too few columns; the others count as missing values. A text in quotation
    marks may have several lines, so lines are counted only when this is called. ``counts_empty`` says
    whether the library that reads the file takes an empty line for a row.
    """
    rows = csv.reader((line.decode() for line in _lines(path)), delimiter=dialect.separator)
    number, begins = -1 if dialect.has_header else 0, 1
    n_columns = found = 0
    for fields in rows:
        n_columns = n_columns or len(fields)
        found = len(fields)
        if number == row and (fields or counts_empty):
            break
        number += bool(fields) or counts_empty
        begins = rows.line_num + 1
    short = f", which has {found} columns of {n_columns}" if found < n_columns else ""
    return f"line {begins:,}{short}"


def short_lines(path: Path, dialect: Dialect) -> str:
    """Say which line of a text file has fewer columns than the first; "" if none has."""
    if _adds_up(path, dialect.separator.encode()):
        return ""
    rows = csv.reader((line.decode() for line in _lines(path)), delimiter=dialect.separator)
    n_columns, begins = len(next(rows)), rows.line_num + 1
    short = []
    for row in rows:
        if row and len(row) < n_columns:
            short.append((begins, len(row)))
        begins = rows.line_num + 1
    if not short:
        return ""
    line, found = short[0]
    if len(short) == 1:
        return f"line {line:,} has {found} of {n_columns} columns"
    return (
        f"{len(short):,} lines have fewer than {n_columns} columns, the first of them line {line:,} "
        f"({found})"
    )


def _adds_up(path: Path, separator: bytes) -> bool:
    """Whether no line is too short, by the number of separators; False if there are quotes.

    A file with a line that is too long cannot be read, so a short line makes the number too small. To
    count takes less than a tenth of the time of checking each line.
    """
    with _unpacked(path) as stream:
        n_marks, n_lines, n_found, end = stream.readline().count(separator), 0, 0, b"\n"
        while part := stream.read(1 << 20):
            if b'"' in part:
                return False
            n_lines += part.count(b"\n")
            n_found += part.count(separator)
            end = part[-1:]
    return n_found == n_marks * (n_lines + (end != b"\n"))


def refuse_lines(path: Path, dialect: Dialect) -> None:
    """Name the first line that is not UTF-8, or has more or fewer columns than the first."""
    _refuse_bytes(path, dialect)
    texts = (line.decode() for line in _lines(path))
    rows = csv.reader(texts, delimiter=dialect.separator)
    for header in islice(rows, 1):
        for row in rows:
            if row and len(row) != len(header):
                n = len(row)
                raise DataError(
                    f"{path} has {n} column{'s' * (n != 1)} in line {rows.line_num:,}, and "
                    f"{len(header)} in line 1, separated by {dialect.separator!r}. Correct the line; "
                    f"a text that holds {dialect.separator!r} goes in quotation marks."
                )


def _refuse_bytes(path: Path, dialect: Dialect) -> None:
    """Name the first line that is not UTF-8."""
    for number, line in enumerate(_lines(path), start=1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            column = line[: error.start].count(dialect.separator.encode()) + 1
            raise DataError(
                f"{path} is not UTF-8 text: line {number:,}, column {column} has the byte "
                f"0x{line[error.start]:02x}. If it is Latin-1, as older programs write it: "
                f"{_in_utf8(path, 'ISO-8859-1')}"
            ) from None
