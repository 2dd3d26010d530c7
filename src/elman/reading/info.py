"""What was found in a file or table, and the sentence that says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from elman._typing import Array
from elman.reading.columns import split_unit


@dataclass(frozen=True, eq=False)
class Info:
    """What ``read_sequences`` found.

    Its text is one sentence of it: ``print(info)``.

    Attributes
    ----------
    source : str
        The file's name, or ``"the table"``.
    columns : tuple of str
        All that the source has; empty of arrays.
    features : tuple of str
        Those of a step, as the sequences have them.
    id : str or None
        The column that names the sequences.
    ids : array (n_sequences,)
        What it calls each; numbers from 0 where there is none.
    lengths : array (n_sequences,)
        Steps of each.
    time : str or None
        The column of times.
    times : array (n_steps_in_all,) or None
        Those of all steps, sequence by sequence: numbers, or datetime64.
    label : tuple of str
        The column that is to be predicted, or several.
    classes : mapping, or None
        How often there is each label; None of numbers, or where there are no labels.
    of_steps : bool
        Whether each step has a label.
    units : mapping of str to str
        Of the features that have one in their name, such as ``temp [°C]``.
    categories : mapping of str to list of str
        What each column of text may hold.
    filled : int
        How many missing values were filled in.
    notes : tuple of str
        What was guessed or done beside that.
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
        """Of the features that have one in their name."""
        found = {name: split_unit(name)[1] for name in self.features}
        return {name: unit for name, unit in found.items() if unit is not None}

    def __str__(self) -> str:
        n, k = len(self.ids), len(self.features)
        short, long = (int(f(self.lengths)) for f in (np.min, np.max)) if n else (0, 0)
        steps = f"{short:,} steps" if short == long else f"{short:,} to {long:,} steps"
        sequences = f"{n:,} sequence{'s' * (n != 1)}, {steps}"
        parts = [f"{k} feature{'s' * (k != 1)}"]
        parts.append(sequences if self.id is None else f'id "{self.id}" ({sequences})')
        if self.time is not None:
            parts.append(f'time "{self.time}"')
        if self.label:
            parts.append(self._label())
        lead = f"{len(self.columns)} columns: " if self.columns else ""
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


def count_classes(labels: Array) -> dict[Any, int]:
    """How often there is each label, in ascending order."""
    values, counts = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def listed(names: list[Any], most: int = 3) -> str:
    """A few of many, in words."""
    n = len(names)
    text = ", ".join(map(str, names[:most]))
    return text if n <= most else f"{text} and {n - most:,} more"
