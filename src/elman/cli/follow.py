"""``elman predict --follow``: rows from standard input, each answered as soon as it comes.

A sequence's state is carried from row to row, so that an answer costs one step, however long the
sequence is. Rows of several sequences may come mixed; each has a state of its own.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from math import isfinite, isinf
from typing import TYPE_CHECKING, Any

from elman.cli.output import check_delivered, printable, say_error
from elman.cli.parameters import by_options
from elman.cli.tables import answer_names, probability_names, rounded, write_table

if TYPE_CHECKING:
    from elman.cli.evaluate import Estimator
    from elman.reading.columns import Columns


def follow_input(estimator: Estimator, probabilities: bool, separator: str | None) -> int:
    """Answer standard input line by line until it ends.

    The first line names the columns; of a model that was trained without names, the lines are numbers.

    A line that is not what the model takes, or whose time is before that of the row above in its
    sequence, is reported on standard error, by its number and column, and answered by nothing in the
    columns of answers; its sequence goes on as if it were not there.

    Returns
    -------
    n_refused : int
        How many lines were such.

    Raises
    ------
    DataError
        If the first line does not have the model's columns.
    """
    import numpy as np

    from elman.errors import DataError
    from elman.reading.columns import Columns
    from elman.reading.missing import Filling

    estimator.initial_state()  # refuses what cannot go step by step, before anything is read
    reading = getattr(estimator, "reading_", None)
    stream: Any = sys.stdin
    if stream is None:
        raise DataError("no input: standard input is closed.")
    stream.reconfigure(errors="surrogateescape")  # a line that is no text does not end it
    lines = enumerate(stream, start=1)
    labels, id_at, time_at, filling = ["prediction"], None, None, None
    if reading is None:
        convert: Callable[[list[str]], Any] = _numbers(estimator.n_features_in_)
        separator = separator or ","
    else:
        columns = Columns.from_settings(reading)
        if columns.layout == "wide":
            raise DataError(
                "the model was trained on a table with a row a sequence; it cannot follow rows."
            )
        header = next(lines, (0, ""))[1].rstrip("\r\n").removeprefix("\ufeff")
        if not header:
            raise DataError("no input: the first line has to name the columns.")
        _require_text([header])
        separator = separator or next((mark for mark in ",;\t|" if mark in header), ",")
        names = next(csv.reader([header], delimiter=separator), [])
        convert = _selected(names, columns, reading)
        labels = list(columns.label) or labels
        id_at = None if columns.id is None else names.index(columns.id)
        time_at = names.index(columns.time) if columns.time in names else None
        if reading.get("missing") is not None:
            filling = Filling.from_settings(reading["missing"])
    beside = [at for at in (id_at, time_at) if at is not None]
    write = sys.stdout.write
    titles = [] if reading is None else [names[at] for at in beside]
    if not hasattr(estimator, "classes_"):
        labels = answer_names(
            labels, estimator.network_.parameters.architecture.n_outputs, estimator
        )
    answers = [*labels, *(probability_names(estimator) if probabilities else [])]
    write("".join(write_table([*titles, *answers], [])))
    sys.stdout.flush()

    clock = None if time_at is None else _Clock(time_at, names[time_at])
    states: dict[str | None, Any] = {}
    last: dict[str | None, Any] = {}
    classes = estimator.classes_.tolist() if hasattr(estimator, "classes_") else None
    n_refused = 0
    for number, fields in _fields(lines, separator):
        key = None if id_at is None else fields[id_at] if id_at < len(fields) else ""
        state, before = states.get(key) or estimator.initial_state(), last.get(key)
        try:
            _require_text(fields)
            x_t = convert(fields)
            if clock is not None:
                time = clock.read(key, fields[clock.at])
            if filling is not None:
                x_t, before = filling.fill_step(x_t, before)
            y_hat, states[key] = estimator.step(x_t, state)
        except DataError as error:
            n_refused += 1
            say_error(f"line {number:,}: {error}")
            known_fields = [fields[at] if at < len(fields) else "" for at in beside]
            _answer(write, known_fields + [""] * len(answers))
            continue
        last[key] = before
        if clock is not None:
            clock.last[key] = time
            fields[clock.at] = time[1]
        if classes is None:
            answer = [repr(value) for value in rounded(np.ravel(y_hat), estimator).tolist()]
        else:
            known = y_hat[0] == y_hat[0]  # NaN before the first frame is complete
            answer = [str(classes[int(y_hat.argmax())]) if known else ""]
        if probabilities:
            answer += [f"{p:.6f}" for p in y_hat.tolist()]
        _answer(write, [fields[at] for at in beside] + answer)
    check_delivered()
    return n_refused


def _fields(lines: Iterator[tuple[int, str]], separator: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in lines:
        line = line.rstrip("\r\n")
        if '"' in line:
            yield number, next(csv.reader([line], delimiter=separator))
        else:
            yield number, line.split(separator)


def _require_text(fields: list[str]) -> None:
    """Refuse what was no UTF-8."""
    from elman.errors import DataError

    for field in fields:
        if not field.isascii() and (byte := re.search("[\udc80-\udcff]", field)):
            raise DataError(
                f"{field!r} has the byte 0x{ord(byte[0]) - 0xDC00:02x}, which is not UTF-8 text. Write "
                "the rows as UTF-8."
            )


def _answer(write: Callable[[str], Any], fields: list[str]) -> None:
    """Write a line at once: whoever reads it is waiting for it."""
    text = ",".join(
        f'"{field.replace(chr(34), chr(34) * 2)}"' if "," in field or '"' in field else field
        for field in fields
    )
    write(printable(text) + "\n")
    sys.stdout.flush()


class _Clock:
    """Reads times, and sees to it that those of a sequence come in order.

    Attributes
    ----------
    at : int
        The place of their column in a row.
    name : str
    last : dict of str to (date or number, str)
        Of each sequence the time of the last row that was answered.
    """

    def __init__(self, at: int, name: str) -> None:
        self.at, self.name = at, name
        self.last: dict[str | None, tuple[Any, str]] = {}

    def read(self, key: str | None, text: str) -> tuple[Any, str]:
        """Read a time: to compare it, and as it is written in a table of answers."""
        from elman.errors import DataError
        from elman.reading.frames import MISSING_TEXT
        from elman.reading.times import time_of

        if text in MISSING_TEXT:
            raise DataError(f"time {self.name!r} is missing. Write it, or leave the row out.")
        time, shown = time_of(text, self.name)
        before, shown_before = self.last.get(key, (time, shown))
        if isinstance(time, float) != isinstance(before, float):
            raise DataError(
                f"time {self.name!r} is {shown}, and {shown_before} in the row before it; expected "
                "numbers in all rows, or dates."
            )
        if time < before:
            raise DataError(
                f"time {self.name!r} is {shown}, earlier than {shown_before} in the row before it, of "
                "the same sequence; expected rows in the order of their times."
            )
        return time, shown


def _numbers(n: int) -> Callable[[list[str]], Any]:
    """Read lines of n numbers."""
    import numpy as np

    from elman.errors import DataError
    from elman.reading.values import as_number

    def convert(fields: list[str]) -> Any:
        x_t = [as_number(field) for field in fields]
        if None in x_t:
            text = fields[x_t.index(None)]
            raise DataError(f"{text!r} is no number; expected {n} numbers.")
        for place, number in enumerate(x_t, start=1):
            if number is not None and not isfinite(number):
                raise DataError(f"number {place} is {number}; expected finite numbers.")
        if len(x_t) != n:
            raise DataError(f"{len(x_t)} number{'s' * (len(x_t) != 1)}; expected {n}.")
        return np.array(x_t)

    return convert


def _selected(
    names: list[str], columns: Columns, reading: Mapping[str, Any]
) -> Callable[[list[str]], Any]:
    """Read the columns of a model out of lines, in its order; NaN is a value that is missing."""
    import numpy as np

    from elman.errors import DataError
    from elman.reading.columns import require_column
    from elman.reading.frames import MISSING_TEXT
    from elman.reading.missing import TRAIN_AGAIN
    from elman.reading.values import as_number

    for name in (columns.id, *columns.features):
        if name is not None:
            require_column(name, names, "the first line", ", which the model was trained with")
    categories, booleans = reading.get("categories", {}), reading.get("booleans", ())
    decimal = reading.get("decimal", ".")
    places = [(names.index(name), name, categories.get(name)) for name in columns.features]
    missing = frozenset(MISSING_TEXT)

    def convert(fields: list[str]) -> Any:
        if len(fields) != len(names):
            n = len(fields)
            found = "an empty line" if fields == [""] else f"{n} column{'s' * (n != 1)}"
            raise DataError(f"{found}; expected {len(names)} columns.")
        x_t: list[float] = []
        for at, name, known in places:
            text = fields[at]
            if text in missing and reading.get("missing") is None:
                raise DataError(f"column {name!r} has no value. {by_options(TRAIN_AGAIN)}")
            if known is not None:
                if text not in known and text not in missing:
                    raise DataError(
                        f"column {name!r}: {text!r} is none of the categories "
                        f"{', '.join(map(repr, known))}."
                    )
                x_t += [float("nan") if text in missing else float(text == k) for k in known]
                continue
            value = float("nan") if text in missing else as_number(text.replace(decimal, "."))
            if value is None and name in booleans:
                value = {"true": 1.0, "false": 0.0}.get(text.lower())
            if value is None:
                raise DataError(f"column {name!r}: {text!r} is no number.")
            if isinf(value):
                raise DataError(f"column {name!r} is infinite, {text!r}; expected a number.")
            x_t.append(value)
        return np.array(x_t)

    return convert
