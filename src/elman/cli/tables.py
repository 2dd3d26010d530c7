"""Tables on the command line: read with a bar, split for the test, and answered by a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from elman._signals import Interruptible
from elman.cli.columns import TableOptions, TaskName
from elman.cli.output import printable

if TYPE_CHECKING:
    from elman.datasets import Dataset
    from elman.reading.raw import Raw

_ROWS = 10_000  # that are written at once
_LONG = 0.5  # seconds of reading from which a bar is shown


@contextmanager
def reading_bar(path: Path) -> Iterator[Callable[[float], None]]:
    """Show on a terminal which share of a file has been read, once that has taken a while.

    Yields what is to be told the share; until it is, the bar says only that something goes on.
    """
    from threading import Timer

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal or path.is_dir() or not path.exists():
        yield lambda share: None
        return
    size = f"{path.stat().st_size / 1e6:,.1f} MB"
    bar = Progress(
        TextColumn("reading {task.fields[name]} ({task.fields[size]})"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task("", total=None, name=printable(path.name), size=size)
    later = Timer(_LONG, bar.start)
    later.daemon = True
    later.start()
    try:
        yield lambda share: bar.update(task, total=1.0, completed=share)
    finally:
        later.cancel()
        later.join()
        bar.stop()


def open_table(path: Path, options: TableOptions, task: TaskName, test_size: float) -> Dataset:
    """Read a table, and keep a share of the sequences aside for the test, of each class alike.

    Of one sequence whose steps have answers, the last steps are kept aside.

    Missing values are filled by what the training part has.
    """
    import numpy as np

    from elman.datasets import Dataset, classes_of_test_alone
    from elman.errors import DataError
    from elman.reading.info import features_in_words, listed
    from elman.reading.missing import Filling
    from elman.reading.read import read_raw

    with reading_bar(path) as progress, Interruptible():
        raw = read_raw(path, task=task, progress=progress, **options.keywords)
    found = [str(raw.info), features_in_words(raw.sequences.reading)]
    n_steps = int(raw.info.lengths[0])
    if raw.y is None:
        raise DataError(
            f"{path} has no column that is called label, class or target. Name the column to predict: "
            "--label COLUMN."
        )
    if len(raw.sequences) == 1 and raw.info.of_steps and n_steps > 1:
        n_test = min(ceil(test_size * n_steps), n_steps - 1)
        found.append(f"one sequence: its last {n_test:,} of {n_steps:,} steps are for the test")
        raw, parts = raw.cut(n_steps - n_test), ([0], [1])
        if raw.info.classes is not None and (unseen := np.setdiff1d(raw.y[1], raw.y[0]).tolist()):
            found.append(f"labels of the test steps alone: {listed(unseen)}")
    else:
        parts = _split(raw, path, test_size)
        if isinstance(raw.y, np.ndarray) and raw.info.classes is not None:
            found += classes_of_test_alone(*(raw.y[part] for part in parts))
    kept, held_out = (raw.take(np.array(part)) for part in parts)
    filling = None
    if options.missing is not None:
        filling = Filling.measured(options.missing, kept.sequences)
    else:
        raw.complete(None)  # so that a message counts what is missing in all of the file
    kept, held_out = kept.complete(filling), held_out.complete(filling)
    return Dataset(
        kept.sequences,
        kept.y,
        held_out.sequences,
        held_out.y,
        recipe={},
        found=tuple(filter(None, found)),
    )


def _split(raw: Raw, path: Path, test_size: float) -> Any:
    """The numbers of the sequences to train on, and of those for the test."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    from elman.datasets import require_both_parts
    from elman.errors import DataError

    n = len(raw.sequences)
    if n < 2 and raw.info.of_steps:
        raise DataError(f"{path} has one row: there is nothing to test on.")
    if n < 2:
        raise DataError(
            f"{path} has one sequence, {raw.info.id or 'all rows'}"
            + (f" {raw.info.ids.tolist()[0]!r}" if raw.info.id else "")
            + ": there is nothing to test on. Name the column that tells sequences apart, --id COLUMN; "
            "or, if each row has a label of its own, --task tag."
        )
    strata = None
    if isinstance(raw.y, np.ndarray) and raw.info.classes is not None:
        rarest, n_test = min(raw.info.classes.values()), test_size * n
        if rarest > 1 and min(n_test, n - n_test) >= len(raw.info.classes):
            strata = raw.y
    require_both_parts(path, n, test_size)
    return train_test_split(np.arange(n), test_size=test_size, random_state=0, stratify=strata)


def read_as_trained(estimator: Any, path: Path, *, labels: bool, options: TableOptions) -> Raw:
    """Read a file as the one was read which the model was trained on.

    ``labels`` says whether they are needed; if not, nobody looks at them.

    The model knows its columns, unless it was fitted in a program, on arrays or texts: then
    ``options`` name them.
    """
    from elman.errors import DataError
    from elman.reading.missing import TRAIN_AGAIN
    from elman.reading.read import read_like, read_raw

    reading = getattr(estimator, "reading_", None)
    with reading_bar(path) as progress, Interruptible():
        if reading is None:
            keywords = options.keywords
            if takes_texts(estimator):
                keywords["layout"] = "text"
            else:
                keywords["task"] = _task(estimator)
            wanted: Literal["optional", "ignored"] = "optional" if labels else "ignored"
            raw = read_raw(path, labels=wanted, progress=progress, **keywords)
            filling = None
        else:
            raw, filling = read_like(
                path,
                reading,
                separator=options.separator,
                labels="required" if labels else "ignored",
                progress=progress,
            )
        raw = raw.complete(filling, TRAIN_AGAIN)
    if labels and raw.y is None:
        advice = " Name their column: --label COLUMN." if reading is None else ""
        raise DataError(f"{path} has no labels to compare answers with.{advice}")
    if reading is None and not takes_texts(estimator):
        _require_features(raw, estimator, path)
    return raw


def _task(estimator: Any) -> TaskName:
    """What a model predicts."""
    from elman import RNNRegressor, RNNStepRegressor, RNNTagger

    if isinstance(estimator, RNNTagger):
        return "tag"
    is_regressor = isinstance(estimator, RNNRegressor | RNNStepRegressor)
    return "regression" if is_regressor else "classification"


def _require_features(raw: Raw, estimator: Any, path: Path) -> None:
    """Refuse a table with other columns than the model has features, where nobody named them."""
    from elman import DataError, Network

    if isinstance(estimator, Network):
        return
    expected, found = estimator._state.format.n_features, raw.info.features
    if raw.info.columns and len(found) != expected:
        raise DataError(
            f"{path} has {len(found)} features, {', '.join(found[:20])}; the model takes {expected}. "
            "Name them in the order of its training: --features A,B,..."
        )


def takes_texts(estimator: Any) -> bool:
    """Whether the steps of a model are the characters of texts."""
    vocabulary = estimator._state.format.vocabulary if hasattr(estimator, "vocabulary_") else None
    return vocabulary is not None and vocabulary.are_characters


def answer_table(
    estimator: Any, raw: Raw, probabilities: bool, *, exact: bool = False
) -> tuple[list[str], Iterable[tuple[Any, ...]]]:
    """Answer sequences beside their ids: the header, and rows, one a sequence or one a step.

    Numbers are as a person reads them (see ``rounded``), or ``exact``.
    """
    import numpy as np

    header, columns = [raw.info.id or "sequence"], _beside(estimator, raw)
    if estimator._every_step:
        header.append(raw.info.time or "step")
    answers: Any = estimator.predict(raw.sequences)
    flat = np.concatenate(list(answers)) if estimator._every_step else np.asarray(answers)
    names = list((getattr(estimator, "reading_", None) or {}).get("label") or ["prediction"])
    flat = (flat if exact else rounded(flat, estimator)).reshape(len(flat), -1)
    header = [*header, *answer_names(names, flat.shape[1], estimator)]
    columns += [flat[:, j].tolist() for j in range(flat.shape[1])]
    if probabilities:
        y_hat: Any = estimator.predict_proba(raw.sequences)
        y_hat = np.concatenate(list(y_hat)) if estimator._every_step else y_hat
        header += probability_names(estimator)
        columns += [[f"{p:.6f}" for p in y_hat[:, j]] for j in range(y_hat.shape[1])]
    return header, zip(*columns, strict=True)


def rounded(answers: Any, estimator: Any) -> Any:
    """Round numbers that were predicted to seven digits, about what a float32 has.

    They count from the deviation of the numbers in training, where that is smaller than the number:
    numbers that lie within 1 of 20,000 are written as 20000.123456. Labels stay as they are.
    """
    import numpy as np

    if not hasattr(estimator, "target_scale_"):
        return answers
    K, scale = estimator.network_.architecture.n_outputs, estimator.target_scale_
    flat = np.reshape(answers, (-1, K))
    ratio = np.abs(flat) / np.repeat(scale, K // len(scale))
    digits = 7 + np.ceil(np.log10(np.fmax(ratio, 1.0))).astype(int)
    texts = [f"{y:.{n}g}" for y, n in zip(flat.flat, digits.flat, strict=True)]
    return np.array(texts, float).reshape(np.shape(answers))


def answer_names(labels: list[str], n: int, estimator: Any) -> list[str]:
    """Name the columns of answers: the labels; of quantiles, with which each is."""
    if n == len(labels):
        return labels
    quantile = getattr(estimator, "quantile", None)
    if isinstance(quantile, tuple | list) and n == len(labels) * len(quantile):
        return [f"{label} {q:g}" for label in labels for q in quantile]
    return [f"{labels[0]} {j}" for j in range(n)]


def probability_names(estimator: Any) -> list[str]:
    """Name the columns of probabilities."""
    return [f"p({printable(label)})" for label in estimator.classes_.tolist()]


def _beside(estimator: Any, raw: Raw) -> list[list[Any]]:
    """The columns of ids, and where each step is answered of times, or of the numbers of steps."""
    import numpy as np

    ids: Any = raw.info.ids
    if not estimator._every_step:
        return [ids.tolist()]
    return [np.repeat(ids, raw.info.lengths).tolist(), _times(raw)]


def _times(raw: Raw) -> list[Any]:
    import numpy as np

    from elman.reading.times import as_text

    times: Any = raw.info.times
    if times is None:
        lengths: Any = raw.info.lengths
        first = np.cumsum(lengths) - lengths
        numbers: list[Any] = (np.arange(lengths.sum()) - np.repeat(first, lengths)).tolist()
        return numbers
    return as_text(times)


def write_table(header: list[str], rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    """Write a table as CSV, some thousand rows at a time; each text ends without a new line.

    The last name of the header stands in quotation marks, which it needs not and, if it has no space,
    no other program does to it alone: so a file shows that elman wrote it, and any reader of CSV
    reads it.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = [printable(name) for name in header]
    writer.writerow(names)
    if buffer.getvalue().endswith(f",{names[-1]}\n"):
        buffer.seek(buffer.tell() - len(names[-1]) - 1)
        buffer.write(f'"{names[-1]}"\n')
    for number, row in enumerate(rows, start=1):
        writer.writerow([printable(v) if isinstance(v, str) else v for v in row])
        if number % _ROWS == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()
