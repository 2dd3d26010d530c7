"""What a parameter may be: scikit-learn's checks and messages, with simpler names."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, Options


class Choice(Options):
    """One of some names or whole numbers; messages list them in this order."""

    def __init__(self, *choices: str | int) -> None:
        super().__init__(
            type=str if isinstance(choices[0], str) else Integral, options=set(choices)
        )
        self.choices = choices

    def __str__(self) -> str:
        listed = ", ".join(map(repr, self.choices))
        return listed if len(self.choices) == 1 else f"one of {listed}"


class Switch(Options):
    """True or False, also NumPy's."""

    def __init__(self) -> None:
        super().__init__(type=(bool, np.bool_), options={True, False})

    def __str__(self) -> str:
        return "True or False"


class Whole(Interval):
    """A whole number of at least ``left``."""

    def __init__(self, left: int) -> None:
        super().__init__(Integral, left, None, closed="left")

    def __str__(self) -> str:
        return f"a whole number of at least {self.left}"


class Number(Interval):
    """A number above ``left``, or equal to it if ``closed``, and below ``right``."""

    def __init__(self, left: int, right: int | None = None, *, closed: bool = True) -> None:
        super().__init__(Real, left, right, closed="left" if closed else "neither")

    def __str__(self) -> str:
        from_left = f"{'of at least' if self.closed == 'left' else 'above'} {self.left}"
        return f"a number {from_left}" + ("" if self.right is None else f" and below {self.right}")
