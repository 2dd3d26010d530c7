"""What a cell is: how the units of a layer compute their states from their inputs, and the way back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np

Values: TypeAlias = tuple[Any, ...]
"""One array (H, n), or vector of the compiled engine, for each gate, state, or value kept."""

FIRST_RECURRENCES = ("orthogonal", "identity", "rotations")
"""The initial values that W may have."""


class Cell(ABC):
    """Base of all cells. A subclass defines its gates, its states and its equations.

    A cell is pointwise: unit i of sequence j depends only on the inputs of unit i of sequence j. The
    input of gate g is its pre-activation

        a_g = U_g x_t + W_g h_{t-1} + b_g

    and the layer computes the matrix products. Write ``forward`` and ``backward`` with + - * / and
    ``elman.equations.functions``: then the same lines run in both engines and in the proof by the
    complex step. If a cell needs numbers, make it a frozen dataclass with these as fields.

    Attributes
    ----------
    gates : tuple of str
        The gates' names. Each has H rows in b, and in U and W if it reads what they multiply.
    states : tuple of str
        The values that pass from step to step. The first, h, is also the output of the layer, and W
        multiplies it; the others stay in the cell.
    reads : mapping from gate to {"xh", "x", "h"}
        The inputs of a gate: x_t by U, h_{t-1} by W. Gates that are not named have both.
    first_bias : mapping from gate to float
        The initial value of b; 0 for gates that are not named.
    first_recurrence : {"orthogonal", "identity", "rotations"}
        The initial W: a random orthogonal matrix, the identity, or units in pairs, each turned by
        a small angle (``elman.parameters.initialize``).
    """

    gates: ClassVar[tuple[str, ...]] = ("h",)
    states: ClassVar[tuple[str, ...]] = ("h",)
    reads: ClassVar[Mapping[str, str]] = {}
    first_bias: ClassVar[Mapping[str, float]] = {}
    first_recurrence: str = "orthogonal"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a cell whose gates make no sense, when it is defined.

        Raises
        ------
        TypeError
            If ``reads`` or ``first_bias`` name a gate that there is not, or no gate reads x.
        """
        super().__init_subclass__(**kwargs)
        for name in ("reads", "first_bias"):
            if unknown := set(getattr(cls, name)) - set(cls.gates):
                raise TypeError(
                    f"{cls.__name__}.{name} names {', '.join(sorted(map(repr, unknown)))}; the gates "
                    f"are {', '.join(cls.gates)}"
                )
        if not all(what in ("xh", "x", "h") for what in cls.reads.values()):
            raise TypeError(
                f'{cls.__name__}.reads must say "xh", "x" or "h"; got {dict(cls.reads)}'
            )
        if not any("x" in cls.reads.get(gate, "xh") for gate in cls.gates):
            raise TypeError(f"{cls.__name__}: some gate must read x")

    @abstractmethod
    def forward(self, a: Values, before: Values) -> tuple[Values, Values]:
        """Take a step.

        Parameters
        ----------
        a : one for each gate
            Pre-activations.
        before : one for each state
            The states of step t - 1.

        Returns
        -------
        after : one for each state
            The states of step t.
        kept : tuple
            What ``backward`` needs beside the states. If there are several gates and a value for each,
            in their order, explanations show them as the gates' values.
        """

    @abstractmethod
    def backward(
        self, d: Values, kept: Values, after: Values, before: Values
    ) -> tuple[Values, Values]:
        """Take the error of a step back through it.

        Parameters
        ----------
        d : one for each state
            dL/d(state of step t), with all that later steps send back.
        kept, after, before
            As in ``forward``.

        Returns
        -------
        da : one for each gate
            δ, dL/da.
        d_before : one for each state
            The part of dL/d(state of step t - 1) that does not come through W; None if there is none.
        """

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), tuple(sorted(vars(self).items()))))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({fields})"

    def gates_reading(self, what: str) -> list[int]:
        """The numbers of the gates that read ``"x"`` or ``"h"``."""
        return [g for g, gate in enumerate(self.gates) if what in self.reads.get(gate, "xh")]

    @property
    def recurrent(self) -> bool:
        """Whether any gate reads h_{t-1}, so that there is a W."""
        return bool(self.gates_reading("h"))

    def rows_reading(self, what: str, stacked: Any) -> Any:
        """The rows of an array (G·H, …), gate under gate, whose gates read ``"x"`` or ``"h"``."""
        gates = self.gates_reading(what)
        if len(gates) == len(self.gates):
            return stacked
        parts = stacked.reshape(len(self.gates), -1, *stacked.shape[1:])
        return np.concatenate([parts[g] for g in gates]) if gates else stacked[:0]
