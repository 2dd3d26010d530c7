"""Missing values: refused with their places, or filled in the same way as in the training data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from elman._typing import Array
from elman.data import Sequences
from elman.errors import DataError

Policy: TypeAlias = Literal["forward", "mean", "indicator"]
POLICIES = ("forward", "mean", "indicator")


@dataclass(frozen=True)
class Filling:
    """How missing values are filled; measured once, on the training data.

    Attributes
    ----------
    policy : {"forward", "mean", "indicator"}
        With the last value before it in its sequence; with the mean; or with the mean, and one more
        feature is 1 where a value was missing. If there is no value before, it becomes the mean.
    means : tuple of float
        The mean of each feature, over all steps that have a value.
    indicated : tuple of int
        With ``"indicator"``, the numbers of the features that get an indicator: those that had missing
        values.
    """

    policy: Policy
    means: tuple[float, ...]
    indicated: tuple[int, ...] = ()

    @classmethod
    def measured(cls, policy: str, sequences: Sequences) -> Filling:
        """Measure the means of sequences, for one of the policies.

        Raises
        ------
        DataError
            If there is no such policy, or a feature has no value anywhere.
        """
        if policy not in POLICIES:
            raise DataError(
                f"missing={policy!r}; expected {', '.join(map(repr, POLICIES))} or None."
            )
        values = sequences.values
        absent = np.isnan(values)
        empty = np.flatnonzero(absent.all(axis=0))
        names = _names(sequences)
        if len(empty):
            raise DataError(
                f"feature {names[empty[0]]!r} has no value anywhere: there is no mean to fill in. "
                "Leave it out (--features)."
            )
        with np.errstate(over="ignore"):  # an infinity is found when sequences are checked
            means = np.nanmean(values, axis=0, dtype=np.float64)
        indicated = np.flatnonzero(absent.any(axis=0)) if policy == "indicator" else np.empty(0)
        return cls(policy, tuple(means.tolist()), tuple(indicated.tolist()))  # type: ignore[arg-type]

    def fill(self, sequences: Sequences) -> Sequences:
        """Fill missing values; with indicators, there are more features afterwards."""
        values = sequences.values
        absent = np.isnan(values)
        names = _names(sequences)
        if len(names) != len(self.means):
            raise DataError(f"there are {len(names)} features; expected {len(self.means)}.")
        filled = values
        if absent.any():
            if self.policy == "forward":
                filled = _forward(values, absent, sequences)
            filled = np.where(np.isnan(filled), np.array(self.means, values.dtype), filled)
        if self.indicated:
            filled = np.concatenate(
                [filled, absent[:, list(self.indicated)]], axis=1, dtype=values.dtype
            )
            names += [f"{names[i]} is missing" for i in self.indicated]
        return replace(sequences, values=filled, names=tuple(names))

    def fill_step(self, x_t: Array, before: Array | None) -> tuple[Array, Array]:
        """Fill one step (D,) of a stream.

        Returns
        -------
        x_t : array (D,), or with indicators (D + n,)
        last : array (D,)
            The last value of each feature so far; pass it as ``before`` next time.
        """
        absent = np.isnan(x_t)
        last = self.start if before is None else before
        filled = x_t
        if absent.any():
            fill = last if self.policy == "forward" else self.start
            filled = np.where(absent, fill, x_t)
        last = filled
        if self.indicated:
            filled = np.concatenate([filled, absent[list(self.indicated)]])
        return filled, last

    @property
    def start(self) -> Array:
        """The values before the first one, (D,): the means."""
        return np.array(self.means)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings for a model file."""
        return {
            "policy": self.policy,
            "means": list(self.means),
            "indicated": list(self.indicated),
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Make it again from ``settings``.

        Raises
        ------
        DataError
            If something other than ``settings`` was given.
        """
        policy, means, indicated = (settings.get(n) for n in ("policy", "means", "indicated"))
        if not (
            policy in POLICIES
            and isinstance(means, list)
            and isinstance(indicated, list)
            and all(isinstance(mean, float) and np.isfinite(mean) for mean in means)
            and all(isinstance(i, int) and 0 <= i < len(means) for i in indicated)
        ):
            raise DataError("the model's means for missing values are damaged. Train it again.")
        return cls(policy, tuple(means), tuple(indicated))


FILL = "Fill them: missing='forward', 'mean' or 'indicator' (--missing), or leave the rows out."


TRAIN_AGAIN = (
    "The model was trained where nothing was missing: leave the rows out, or train it again with "
    "missing='forward', 'mean' or 'indicator' (--missing)."
)


def refuse_missing(sequences: Sequences, place: Callable[[int], str], remedy: str = FILL) -> None:
    """Refuse missing values, with their count and the first place.

    Parameters
    ----------
    sequences : Sequences
    place : callable
        Says which row of the source a step is.
    remedy : str
        What to do.
    """
    values = sequences.values
    absent = np.isnan(values)
    if not absent.any():
        return
    by_column = count_missing(sequences)
    row = int(np.argmax(absent.any(axis=1)))
    column = _columns(sequences)[int(np.argmax(absent[row]))]
    listed = ", ".join(f"{n!r} {k:,}" for n, k in by_column.items())
    n = sum(by_column.values())
    raise DataError(
        f"{n:,} value{'s are' if n > 1 else ' is'} missing ({listed:.300}); the first in column "
        f"{column!r}, {place(row)}. {remedy}"
    )


def count_missing(sequences: Sequences) -> dict[str, int]:
    """The number of missing values in each column that has any.

    A column of categories counts once, although it has a feature for each category.
    """
    by_feature = np.isnan(sequences.values).sum(axis=0).tolist()
    return {n: k for n, k in zip(_columns(sequences), by_feature, strict=True) if k}


def _forward(values: Array, absent: Array, sequences: Sequences) -> Array:
    """Take the last value before, in the same sequence; NaN if there is none."""
    row = np.arange(len(values))[:, None]
    latest = np.maximum.accumulate(np.where(absent, -1, row), axis=0)
    first = np.repeat(sequences.offsets[:-1], sequences.lengths)[:, None]
    filled = np.take_along_axis(values, np.maximum(latest, 0), axis=0)
    return np.where(latest >= first, filled, np.nan)


def _columns(sequences: Sequences) -> list[str]:
    """The column of each feature. Several features may be the categories of one column."""
    known = (sequences.reading or {}).get("categories", {})
    of = {f"{column}={category}": column for column, all_ in known.items() for category in all_}
    return [of.get(name, name) for name in _names(sequences)]


def _names(sequences: Sequences) -> list[str]:
    names = sequences.names or tuple(f"feature {i}" for i in range(sequences.n_features))
    return list(names)
