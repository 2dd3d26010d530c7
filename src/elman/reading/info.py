"""What was found in a file or table, and the sentence that says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

import numpy as np

from elman._typing import Array
from elman.reading.columns import ROW_NUMBERS, split_unit

_WIDTH = 80  # of a terminal


@dataclass(frozen=True, eq=False, repr=False)
class Info:
    """What ``read_sequences`` found. ``print(info)`` prints it as one sentence.

    Attributes
    ----------
    source : str
        The file's name, or ``"the table"``.
    columns : tuple of str
        All columns of the source; empty if it holds arrays.
    features : tuple of str
        The features of a step, as in the sequences.
    id : str or None
        The column that names the sequences.
    ids : array (n_sequences,)
        The name of each sequence; numbers from 0 if there is no such column.
    lengths : array (n_sequences,)
        The number of steps of each sequence.
    time : str or None
        The column of times.
    times : array (n_steps_in_all,) or None
        The times of all steps, sequence by sequence: numbers, or datetime64.
    label : tuple of str
        The columns to predict.
    classes : mapping, or None
        How often each label occurs; None for numbers, or if there are no labels.
    of_steps : bool
        Whether each step has a label.
    units : mapping of str to str
        The units of features whose names have one, such as ``temp [°C]``.
    categories : mapping of str to list of str
        The categories of each column of text.
    filled : int
        How many missing values were filled.
    notes : tuple of str
        What else was guessed or done.
    """

    source: str
    columns: tuple[str, ...]
    features: tuple[str, ...]
    id: str | None
    ids: Array
    lengths: Array
    time: str | None = None
    times: Array | None = None
    label: tuple[str, ...] = ()
    classes: Mapping[Any, int] | None = None
    of_steps: bool = False
    categories: Mapping[str, list[str]] = field(default_factory=dict)
    filled: int = 0
    notes: tuple[str, ...] = ()

    @property
    def units(self) -> dict[str, str]:
        """The units of the features that have one in their name."""
        found = {name: split_unit(name)[1] for name in self.features}
        return {name: unit for name, unit in found.items() if unit is not None}

    def __repr__(self) -> str:
        return shorten(f"<Info of {self.source}: {self}", 2 * _WIDTH, placeholder=" ...") + ">"

    def __str__(self) -> str:
        n, k = len(self.ids), len(self.features)
        short, long = (int(f(self.lengths)) for f in (np.min, np.max)) if n else (0, 0)
        sequences = f"{n:,} sequence{'s' * (n != 1)}, {steps_in_words(short, long)}"
        parts = [f"{k} feature{'s' * (k != 1)}"]
        parts.append(sequences if self.id is None else f'id "{self.id}" ({sequences})')
        if self.time is not None:
            parts.append(f'time "{self.time}"')
        if self.label:
            parts.append(self._label())
        parts += [
            f'row numbers "{name}" (not used)'
            for name in self.columns
            if name in ROW_NUMBERS and name not in (*self.features, self.id, self.time, *self.label)
        ]
        k = len(self.columns)
        lead = f"{k} column{'s' * (k != 1)}: " if k else ""
        return lead + ", ".join([*parts, *self.notes])

    def _label(self) -> str:
        names = ", ".join(f'"{name}"' for name in self.label)
        each = "a step" if self.of_steps else "a sequence"
        if self.classes is None:
            return f"to predict {names} (numbers, one {each})"
        counts = [f"{count:,}" for count in self.classes.values()]
        listed = "/".join(counts if len(counts) <= 10 else [*counts[:9], "..."])
        per_step = ", one a step" if self.of_steps else ""
        classes = "class" if len(counts) == 1 else "classes"
        return f"label {names} ({len(counts)} {classes}{per_step}: {listed})"


def steps_in_words(shortest: int, longest: int) -> str:
    """How many steps sequences have."""
    if shortest < longest:
        return f"{shortest:,} to {longest:,} steps"
    return f"{longest:,} step{'s' * (longest != 1)}"


def count_classes(labels: Array) -> dict[Any, int]:
    """How often each label occurs, in ascending order of labels."""
    values, counts = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def listed(names: list[Any], most: int = 3) -> str:
    """The first few of many names, in words."""
    n = len(names)
    text = ", ".join(map(str, names[:most]))
    return text if n <= most else f"{text} and {n - most:,} more"


def features_in_words(reading: Mapping[str, Any] | None) -> str:
    """Name the columns that a network is given, in one line; no text where there are no columns.

    Parameters
    ----------
    reading : mapping or None
        ``Sequences.reading``.
    """
    if reading is None:
        return ""
    lead = {"wide": "steps", "text": "texts"}.get(reading["layout"], "features")
    names = list(reading["features"])
    lines = (f"{lead}: {listed(names, most)}" for most in range(min(len(names), 20), 1, -1))
    return next((s for s in lines if len(s) <= _WIDTH), f"{lead}: {listed(names, 1)}")
