"""The formats of the archives of time series: ``.ts`` (UEA, UCR) and ``.arff``.

``.arff`` is read by SciPy. No maintained library that reads ``.ts`` can be required: aeon and sktime
need older releases of Numba and NumPy. The format (timeseriesclassification.com, "File formats"): lines
that begin with ``@`` describe the data; then comes one line for each sequence, with features separated
by colons, their steps by commas, and at last the label. ``?`` is a missing value.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from shlex import quote
from typing import Any

import narwhals as nw
import numpy as np

from elman._files import read_file
from elman._typing import Array
from elman.data import Sequences
from elman.errors import DataError
from elman.reading.frames import Frame, library
from elman.reading.info import Info, count_classes
from elman.reading.raw import Raw

_STAMP = re.compile(r"\(([^(),]*),([^()]*)\)")  # (time,value,value)


def read_ts(path: Path) -> Raw:
    """Read a ``.ts`` file.

    Raises
    ------
    DataError
        If it is not a ``.ts`` file; the message names the line.
    """
    text = _text(path)
    header: dict[str, list[str]] = {}
    lines = enumerate(text.splitlines(), start=1)
    for _, line in lines:
        words = line.split()
        if words and words[0].startswith("@"):
            header[words[0].lower()] = words[1:]
            if words[0].lower() == "@data":
                break
    else:
        raise DataError(f"{path} has no line '@data'; expected a .ts file.")

    def says(name: str) -> bool:
        return header.get(name, ["false"])[0].lower() == "true"

    is_class, is_number = says("@classlabel"), says("@targetlabel")
    pieces: list[Array] = []
    answers: list[str] = []
    numbers: list[int] = []
    for number, line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.strip().split(":")
        if says("@timestamps"):  # times may contain colons, in brackets
            parts = re.split(r":(?![^(]*\))", line.strip())
        if is_class or is_number:
            answers.append(parts.pop().strip())
        pieces.append(_steps(parts, says("@timestamps"), f"{path}, line {number:,}"))
        numbers.append(number)
        if pieces[-1].shape[1] != pieces[0].shape[1]:
            raise DataError(
                f"{path}, line {number:,} has {pieces[-1].shape[1]} features; line {numbers[0]:,} "
                f"has {pieces[0].shape[1]}. Is a colon missing?"
            )
    if not pieces:
        raise DataError(f"{path} has no line after '@data'.")
    y = np.array(answers) if answers else None
    if is_number:
        y = np.array([_number(answer, str(path)) for answer in answers])
    lengths = np.array([len(piece) for piece in pieces])
    offsets = np.append(0, np.cumsum(lengths))
    info = Info(
        source=path.name,
        columns=(),
        features=tuple(f"feature {i}" for i in range(pieces[0].shape[1])),
        id=None,
        ids=np.arange(len(pieces)),
        lengths=lengths,
        label=("class" if is_class else "target",) if answers else (),
        classes=count_classes(y) if is_class and y is not None else None,
    )

    def place(row: int) -> str:
        number = int(np.searchsorted(offsets, row, "right")) - 1
        return f"line {numbers[number]:,}, step {row - offsets[number] + 1}"

    return Raw(Sequences(np.concatenate(pieces), offsets), y, info, place)


def _text(path: Path) -> str:
    try:
        return read_file(path, copies=4).decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text: line {error.object.count(10, 0, error.start) + 1:,} has the "
            f"byte 0x{error.object[error.start]:02x}. If it is Latin-1: "
            f"iconv -f ISO-8859-1 -t UTF-8 {quote(str(path))} > new{path.suffix}"
        ) from None


def _steps(parts: list[str], with_times: bool, where: str) -> Array:
    """One sequence (T, D) from the texts of its features; a shorter feature ends in NaN."""
    columns = []
    for number, part in enumerate(parts, start=1):
        values = [m[2] for m in _STAMP.finditer(part)] if with_times else part.split(",")
        try:
            columns.append(np.array([v.strip().replace("?", "nan") for v in values], np.float64))
        except ValueError as error:
            raise DataError(f"{where}, feature {number}: {error}. Correct it.") from None
    n = max((len(column) for column in columns), default=0)
    if n == 0:
        raise DataError(f"{where} has no values.")
    steps = np.full((n, len(columns)), np.nan)
    for j, column in enumerate(columns):
        steps[: len(column), j] = column
    return steps


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{where} has the target {text!r}; expected a number.") from None


def read_arff(path: Path) -> Frame:
    """Read an ``.arff`` file as a table in which each row is a sequence.

    Attributes are steps. With several features, each row of a relational attribute is a feature.

    Raises
    ------
    DataError
        If it is not an ``.arff`` file, or has text that is not a category.
    """
    from scipy.io import arff

    text = _text(path)
    try:
        rows, meta = arff.loadarff(io.StringIO(text))
        columns: dict[str, Any] = {}
        for name in meta.names():
            values = rows[name]
            if values.dtype == object:  # relational: (D, T) in each cell
                cells = [np.array(cell.tolist(), np.float64) for cell in values]
                for j in range(len(cells[0])):
                    columns[f"feature {j}"] = [cell[j].tolist() for cell in cells]
            elif values.dtype.kind == "S":
                columns[name] = [value.decode() for value in values]
            else:
                columns[name] = values
    except NotImplementedError:
        raise DataError(
            f"{path} has attributes of text or dates, which SciPy does not read. Take the .ts file "
            "of the same data."
        ) from None
    # SciPy's errors on damaged files have no common base.
    except (arff.ArffError, ValueError, StopIteration, IndexError) as error:
        raise DataError(f"{path} is not an .arff file, or is damaged: {error!s:.200}.") from None
    backend: Any = library()
    return nw.from_dict(columns, backend=backend)
