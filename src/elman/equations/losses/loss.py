"""What a loss is: three functions of an answer, and the form of its targets.

Letters: m answers, one a column, K outputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from elman._typing import Array


class Loss(ABC):
    """How far a prediction is from its target.

    A loss of your own is a subclass with ``value`` and ``error``, and with ``activate`` where ŷ is
    not z. They are pointwise: entry (k, j) of the result depends only on entries (k, j) of the
    arguments. Write them with + - * / and ``elman.equations.functions``: then they also run in the
    compiled engine, and on complex numbers, by which ``check_gradients`` proves them. If a loss has
    settings, make it a frozen dataclass with these as fields, numbers or tuples of numbers; a model
    file stores them with the name of the class.

    Attributes
    ----------
    name : str
        The name to show; the class's name unless it is set. ``loss=`` and model files use it for
        elman's own losses; for yours they use the class.
    takes_classes : bool
        Whether targets are classes 0 … K - 1, rather than numbers.
    standardizes : bool
        Whether an estimator may bring targets to mean 0 and deviation 1. Set it to False if the loss
        needs them as they are, for example counts, or if a setting is in their units.
    outputs_a_number : int
        How many outputs there are for each number of a target: 1, or the number of quantiles.

    Examples
    --------
    >>> import numpy as np
    >>> from elman import Loss, Network, check_gradients
    >>> class FourthPower(Loss):
    ...     def value(self, z, y):
    ...         d = z - y
    ...         return d * d * d * d / 4
    ...
    ...     def error(self, y_hat, y):
    ...         d = y_hat - y
    ...         return d * d * d
    >>> network = Network(2, 4, 1, loss=FourthPower(), seed=0)
    >>> X = np.random.default_rng(0).standard_normal((5, 7, 2))
    >>> all(check.passed for check in check_gradients(network, X, X[:, -1, 0]))
    True
    """

    name: ClassVar[str] = ""
    takes_classes: ClassVar[bool] = False
    standardizes: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Name the loss after its class, where it has no name of its own."""
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__name__

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *sorted(vars(self).items())))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @property
    def outputs_a_number(self) -> int:
        """How many outputs answer each number of a target."""
        return 1

    def constants(self, n_outputs: int) -> tuple[Array, ...]:
        """Constants that differ from output to output, arrays (K, 1), for ``value`` and ``error``."""
        return ()

    def activate(self, z: Any) -> Any:
        """Compute ŷ from z = ``y_unactivated``; the identity, unless the loss has another function."""
        return z

    def link(self, y_hat: Array) -> Array:
        """Return the z from which ``activate`` computes ŷ; an estimator uses it for the initial c."""
        return y_hat

    @abstractmethod
    def value(self, z: Any, y: Any, *constants: Any) -> Any:
        """The loss, entry by entry.

        Parameters
        ----------
        z : array (K, m)
            ``y_unactivated``, not ŷ: a logarithm of ŷ may be finite where ŷ has underflowed.
        y : array (K, m)
            The targets.
        *constants : arrays (K, 1)
            What ``constants`` returns.

        Returns
        -------
        array (K, m)
            The loss of an answer is the sum over its outputs.
        """

    @abstractmethod
    def error(self, y_hat: Any, y: Any, *constants: Any) -> Any:
        """dL/dz, the ŷ - y of N5.

        Parameters
        ----------
        y_hat : array (K, m)
            What ``activate`` returns.
        y, constants
            As in ``value``.

        Returns
        -------
        array (K, m)
        """

    def check(self, y: Array) -> str:
        """Say what is wrong with numbers as targets, for an error message; "" if nothing is."""
        return ""

    def columns(self, values: Array, n_outputs: int) -> Array:
        """Bring targets into the form that ``value`` takes.

        Parameters
        ----------
        values : array (m, K / outputs_a_number)
        n_outputs : int

        Returns
        -------
        array (K, m)
        """
        return np.repeat(values.T, self.outputs_a_number, axis=0)
