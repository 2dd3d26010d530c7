"""Tokens: steps that are one symbol each, text or a whole number, in place of features.

A vocabulary numbers them. With a one-hot x_t, U x_t is a column of U. The number of a token is the
number of its column, so one-hot vectors are never built.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from elman._typing import Array, IntArray
from elman.data.sequences import CODE_POINTS, Sequences
from elman.errors import DataError

Token: TypeAlias = str | int


def holds_text(X: Any) -> bool:
    """Whether X is sequences of text: texts, whose characters are tokens, or lists of words.

    Tables and two-dimensional arrays never are: text in them usually means categories that were not
    encoded.
    """
    if isinstance(X, str):
        return True
    if isinstance(X, Sequences):
        return X.are_characters
    if isinstance(X, Mapping) or hasattr(X, "columns") or getattr(X, "ndim", 1) != 1:
        return False
    if not (hasattr(X, "__len__") and hasattr(X, "__getitem__")):
        return False
    for x in _listed(X):
        if isinstance(x, str):
            return True
        if hasattr(x, "columns") or getattr(x, "ndim", 1) != 1:
            return False
        if isinstance(x, list | tuple) or hasattr(x, "__array__"):  # polars' Series have no ndim
            steps = _listed(x)
            if len(steps):
                return isinstance(steps[0], str)
        elif x == x and x is not None:  # a missing value says nothing about the others
            return False
    return False


def token_lists(X: Any, name: str = "X") -> list[str | list[Token]]:
    """Check sequences of tokens.

    Parameters
    ----------
    X : list of str, list of lists (or 1-D arrays) of str or int, array (n_samples, n_timesteps) of int
        An array of integers may have a last axis of 1.
    name : str
        The name of X in messages.

    Returns
    -------
    list of str, or of lists of str, or of lists of int

    Raises
    ------
    DataError
        If X is none of these; the message says where, and what to do.
    """
    if isinstance(X, str):
        raise DataError(f"{name} is one text; expected a list of texts. Pass [{name}].")
    if isinstance(X, Sequences):
        if X.are_characters:
            return list(X)
        X = np.split(_whole_numbers(X, name), X.offsets[1:-1])
    if hasattr(X, "columns") or not hasattr(X, "__len__"):
        raise DataError(
            f"{name} is of type {type(X).__name__}; expected a list of texts, or of lists of tokens. "
            f"Of a table pass the column of texts: {name}['text']."
        )
    if isinstance(X, np.ndarray) and X.ndim == 3 and X.shape[2] == 1:
        X = X[:, :, 0]
    found: list[str | list[Token]] = []
    kind: type | None = None
    for i, x in enumerate(_listed(X)):
        if not isinstance(x, str):
            x = _tokens(x, f"{name}[{i}]")
        if len(x) == 0:
            raise DataError(
                f"sequence {i} of {name} has no steps; every sequence needs at least one. Leave empty "
                "sequences (and their labels) out."
            )
        here = str if isinstance(x[0], str) else int
        if kind not in (None, here):
            raise DataError(
                f"{name}[{i}] has {_PLURAL[here]}, the sequences before {_PLURAL[kind]}; expected all "
                "of one kind."
            )
        kind = here
        found.append(x)
    if not found:
        raise DataError(f"{name} holds no sequences; expected at least one.")
    return found


def _whole_numbers(sequences: Sequences, name: str) -> IntArray:
    """Check that steps are one whole number each, (n_steps_in_all,)."""
    values = sequences.loaded().values
    if values.shape[1] != 1:
        raise DataError(
            f"{name} has {values.shape[1]} features a step; a token is one whole number. Give one "
            "feature, or leave tokens=True out."
        )
    with np.errstate(invalid="ignore"):  # NaN differs from its integer, too
        tokens = values[:, 0].astype(np.int64)
    if (wrong := tokens != values[:, 0]).any():
        row = int(wrong.argmax())
        raise DataError(
            f"{name} holds {values[row, 0]:g} in {sequences.locate(row)}; expected tokens, whole "
            "numbers. If the numbers measure something, leave tokens=True out."
        )
    return tokens


_PLURAL: dict[Any, str] = {str: "text", int: "whole numbers"}


def _tokens(x: Any, name: str) -> list[Token]:
    """Check the tokens of one sequence."""
    if isinstance(x, np.ndarray) and x.ndim == 2 and x.shape[1] == 1:
        x = x[:, 0]
    if not (isinstance(x, list | tuple) or (hasattr(x, "__array__") and np.ndim(x) == 1)):
        shape = f" of shape {np.shape(x)}" if isinstance(x, np.ndarray) else ""
        raise DataError(
            f"{name} is of type {type(x).__name__}{shape}; expected a text, or a list of tokens. Leave "
            "out what is missing (and its label)."
        )
    listed = list(_listed(x))
    kinds = set(map(type, listed))
    if not kinds <= {str} and not kinds <= {int}:
        if all(isinstance(token, str) for token in listed):
            return [str(token) for token in listed]
        if not all(isinstance(t, Integral) and not isinstance(t, bool) for t in listed):
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise DataError(
                f"{name} holds {names}; expected tokens, all text or all whole numbers. Numbers that "
                "measure something are features: pass arrays (n_timesteps, n_features)."
            )
        return [int(token) for token in listed]
    return listed


def _listed(X: Any) -> Any:
    """The values of an array, a Series or a list, as a list of Python's own objects."""
    for convert in ("to_pylist", "tolist", "to_list"):  # pyarrow's, NumPy's and pandas', polars'
        if hasattr(X, convert):
            return getattr(X, convert)()
    return X


def as_sequences_of_characters(texts: list[str], reading: Mapping[str, Any]) -> Sequences:
    """Lay texts out flat, by their code points; none is empty."""
    points = np.frombuffer("".join(texts).encode(CODE_POINTS, "surrogatepass"), np.uint32)
    offsets = np.cumsum([0, *map(len, texts)])
    return Sequences(
        points.astype(np.float32)[:, None], offsets, reading=reading, are_characters=True
    )


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that a model knows.

    Attributes
    ----------
    tokens : tuple of str, or of int
        In ascending order. The i-th has column i of U; the last column is for all other tokens.
    are_characters : bool
        Whether sequences are texts, of which each character is a token.
    """

    tokens: tuple[Token, ...]
    are_characters: bool = False

    @classmethod
    def learned(cls, X: Iterable[str | list[Token]], min_frequency: int = 1) -> Vocabulary:
        """Number the tokens of sequences in ascending order.

        Parameters
        ----------
        X : list of str, or of lists of tokens
            From ``token_lists``.
        min_frequency : int
            Tokens that occur less often are left out.

        Raises
        ------
        DataError
            If no token occurs so often.
        """
        sequences = list(X)
        counts = Counter(chain.from_iterable(sequences))
        tokens = sorted(t for t, n in counts.items() if n >= min_frequency)
        if not tokens:
            raise _too_rare(min_frequency, max(counts.values()))
        return cls(tuple(tokens), all(isinstance(x, str) for x in sequences))

    def __len__(self) -> int:
        """How many columns there are: D."""
        return len(self.tokens) + 1

    @property
    def unknown(self) -> int:
        """The column of all tokens that it does not know."""
        return len(self.tokens)

    @cached_property
    def columns(self) -> dict[Token, int]:
        """The column of each token."""
        return {token: column for column, token in enumerate(self.tokens)}

    @property
    def names(self) -> list[str]:
        """What the columns are called: tokens as Python writes them, and ``<unknown>``."""
        return [*map(repr, self.tokens), "<unknown>"]

    def encoded(
        self,
        X: Iterable[str | list[Token]],
        dtype: npt.DTypeLike = np.float32,
        name: str = "X",
        stacked: bool = False,
    ) -> Sequences:
        """Turn sequences of tokens into the numbers of their columns, laid out flat.

        Parameters
        ----------
        X : list of str, or of lists of tokens
            From ``token_lists``.
        dtype : dtype
        name : str
            The name of X in messages.
        stacked : bool
            As in ``Sequences``.

        Returns
        -------
        Sequences
            Of one number a step.

        Raises
        ------
        DataError
            If a sequence is a text but tokens are not characters, or tokens are of another kind.
        """
        sequences = list(X)
        for i, x in enumerate(sequences):
            self._require_kind(x, f"{name}[{i}]")
        lengths = np.array([len(x) for x in sequences], np.int64)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        find, unknown = self.columns.get, self.unknown
        columns = (find(token, unknown) for token in chain.from_iterable(sequences))
        values = np.fromiter(columns, dtype, int(offsets[-1]))
        return Sequences(values[:, None], offsets, stacked)

    def of_present(self, sequences: Sequences, min_frequency: int) -> tuple[Vocabulary, Sequences]:
        """Make a smaller vocabulary, as if it had been learned from some of the encoded sequences.

        Returns it, and the sequences in its numbers. Unknown tokens stay unknown. Parameters and errors
        are those of ``learned``.
        """
        columns = sequences.loaded().values[:, 0].astype(np.int64)
        counts = np.bincount(columns, minlength=len(self))[:-1]
        kept = np.flatnonzero(counts >= min_frequency)
        if not len(kept):
            raise _too_rare(min_frequency, counts.max())
        numbers = np.full(len(self), len(kept))
        numbers[kept] = np.arange(len(kept))
        values = numbers[columns].astype(sequences.values.dtype)
        vocabulary = replace(self, tokens=tuple(self.tokens[k] for k in kept))
        return vocabulary, replace(sequences, values=values[:, None])

    def decoded(self, sequences: Sequences) -> list[Any]:
        """Turn numbers of columns into tokens again: texts, or lists of tokens. All must be known."""
        found = [[self.tokens[int(column)] for column in x[:, 0]] for x in sequences]
        return ["".join(map(str, x)) for x in found] if self.are_characters else found

    def of_step(self, x_t: Any, n_sequences: int | None, dtype: npt.DTypeLike) -> Array:
        """Turn one step of sequences side by side into numbers of columns.

        Parameters
        ----------
        x_t : str or int, or list of n_sequences of them
        n_sequences : int or None
            None: one sequence, without an axis for it.
        dtype : dtype

        Returns
        -------
        array (1,), or (n_sequences, 1)

        Raises
        ------
        DataError
            If x_t is not one token, or not one for each sequence.
        """
        given = [x_t] if n_sequences is None else x_t
        if isinstance(given, str) or np.shape(given) != (n_sequences or 1,):
            wanted = "one token" if n_sequences is None else f"a list of {n_sequences} tokens"
            raise DataError(f"x_t is {x_t!r:.50}; expected {wanted}, the step of each sequence.")
        tokens = _tokens(list(given), "x_t")
        self._require_kind(tokens, "x_t")
        if self.are_characters and any(len(str(token)) != 1 for token in tokens):
            raise DataError(f"x_t is {x_t!r:.50}; expected one character, a step of a text.")
        columns = [self.columns.get(token, self.unknown) for token in tokens]
        values = np.array(columns, dtype)
        return values if n_sequences is None else values[:, None]

    def _require_kind(self, x: str | list[Token], name: str) -> None:
        """Refuse tokens of another kind: all would be unknown."""
        own = type(self.tokens[0])
        if not isinstance(x[0], own):
            raise DataError(
                f"{name} has {_PLURAL[str if own is int else int]}; the model's tokens are "
                f"{_PLURAL[own]}, such as {self.tokens[0]!r}."
            )
        if isinstance(x, str) and not self.are_characters:
            raise DataError(
                f"{name} is a text, and the model's tokens are whole words, such as "
                f"{self.tokens[0]!r}; expected a list of them, split as in fitting, such as "
                f"{name}.split()."
            )

    @property
    def settings(self) -> dict[str, Any]:
        """The settings for a model file."""
        return {"tokens": list(self.tokens), "are_characters": self.are_characters}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Vocabulary:
        """Make it again from the settings in a model file."""
        return cls(tuple(settings["tokens"]), settings["are_characters"])

    def check(self) -> None:
        """Raise a ValueError for values that would give wrong answers, or none."""
        kinds = set(map(type, self.tokens))
        if kinds not in ({str}, {int}):
            raise ValueError("the tokens of a vocabulary must be all text, or all whole numbers")
        if any(a >= b for a, b in zip(self.tokens, self.tokens[1:], strict=False)):  # type: ignore[operator]
            raise ValueError("the tokens of a vocabulary must be in ascending order, each once")
        if not isinstance(self.are_characters, bool) or (
            self.are_characters and any(len(str(token)) != 1 for token in self.tokens)
        ):
            raise ValueError("tokens that are characters must have one character each")


def _too_rare(min_frequency: int, most: int) -> DataError:
    return DataError(
        f"min_frequency={min_frequency} leaves no token: the most frequent one occurs {most} times. "
        "Set it to less."
    )


def require_tokens(values: Array, n_tokens: int, name: str = "X") -> None:
    """Refuse values that are not numbers of columns.

    Raises
    ------
    DataError
        If values are not whole numbers 0 … n_tokens - 1.
    """
    wrong = ~(
        (values.real >= 0) & (values.real < n_tokens) & (values.real == np.floor(values.real))
    )
    if wrong.any():
        raise DataError(
            f"{name} holds {values[wrong][0]:g}; expected tokens, whole numbers 0 … {n_tokens - 1}."
        )
