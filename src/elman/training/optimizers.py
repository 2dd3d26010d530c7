"""Optimizers: vectors in, vectors out. Each turns a gradient into a step on the parameters.

θ parameters, g gradient, α learning rate. Where the literature splits, the variant is PyTorch's, so
that a recipe carries over: the momentum buffer holds gradients, and α multiplies it as it is applied.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from elman._typing import Array
from elman.equations import descend

_BLOCK = 1 << 14  # numbers at a time: what is computed stays in the cache


class Optimizer(Protocol):
    """What an optimizer does. Its state begins at zero, with the first gradient it sees."""

    def apply(self, parameters: Array, gradient: Array, learning_rate: float | Array) -> None:
        """Step the parameters, in place; the rate is one for all, or one for each, (n_parameters,)."""
        ...

    def reset(self) -> None:
        """Forget all gradients, and begin anew with the next."""
        ...


class SGD:
    """θ ← θ - α g: the notes' own learning rule (N4)."""

    def apply(self, parameters: Array, gradient: Array, learning_rate: float | Array) -> None:
        """See ``Optimizer.apply``."""
        descend(parameters, gradient, learning_rate)

    def reset(self) -> None:
        """See ``Optimizer.reset``."""
        return  # it remembers none


class Momentum:
    """v ← μ v + g;  θ ← θ - α v (Polyak 1964).

    Parameters
    ----------
    momentum : float
        μ, in [0, 1).
    """

    def __init__(self, momentum: float = 0.9) -> None:
        self.momentum = momentum
        self.velocity: Array | None = None

    def apply(self, parameters: Array, gradient: Array, learning_rate: float | Array) -> None:
        """See ``Optimizer.apply``."""
        descend(parameters, self._accumulate(gradient), learning_rate)

    def reset(self) -> None:
        """See ``Optimizer.reset``."""
        self.velocity = None

    def _accumulate(self, gradient: Array) -> Array:
        if self.velocity is None:
            self.velocity = np.zeros_like(gradient)
        self.velocity *= self.momentum
        self.velocity += gradient
        return self.velocity


class Nesterov(Momentum):
    """v ← μ v + g;  θ ← θ - α (g + μ v) (Sutskever et al. 2013, in PyTorch's form)."""

    def apply(self, parameters: Array, gradient: Array, learning_rate: float | Array) -> None:
        """See ``Optimizer.apply``."""
        look_ahead = gradient + self.momentum * self._accumulate(gradient)
        descend(parameters, look_ahead, learning_rate)


class RMSprop:
    """s ← ρ s + (1 - ρ) g²;  θ ← θ - α g / (√s + ε) (Tieleman and Hinton 2012, lecture 6e).

    Parameters
    ----------
    rho : float
        ρ, in [0, 1).
    epsilon : float
        Outside the root.
    """

    def __init__(self, rho: float = 0.99, epsilon: float = 1e-8) -> None:
        self.rho = rho
        self.epsilon = epsilon
        self.square: Array | None = None

    def apply(self, parameters: Array, gradient: Array, learning_rate: float | Array) -> None:
        """See ``Optimizer.apply``."""
        if self.square is None:
            self.square = np.zeros_like(gradient)
        self.square += (1 - self.rho) * (gradient**2 - self.square)
        descend(parameters, gradient / (np.sqrt(self.square) + self.epsilon), learning_rate)

    def reset(self) -> None:
        """See ``Optimizer.reset``."""
        self.square = None


class Adam:
    """m, s ← running means of g, g²;  θ ← θ - α m̂ / (√ŝ + ε) (Kingma and Ba 2015, algorithm 1).

    Parameters
    ----------
    beta_1, beta_2 : float
        Decay of the two means, in [0, 1).
    epsilon : float
        Outside the root, after the bias correction.
    """

    def __init__(self, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.beta_1 = float(beta_1)  # NumPy's would be computed with in float64
        self.beta_2 = float(beta_2)
        self.epsilon = epsilon
        self.mean: Array | None = None
        self.square: Array | None = None
        self.reset()

    def apply(self, parameters: Array, gradient: Array, learning_rate: float | Array) -> None:
        """See ``Optimizer.apply``."""
        if self.mean is None or self.square is None:
            self.mean, self.square = np.zeros_like(gradient), np.zeros_like(gradient)
        self.decay_1 *= self.beta_1
        self.decay_2 *= self.beta_2
        for start in range(0, len(gradient), _BLOCK):
            some = slice(start, start + _BLOCK)
            g, m, s = gradient[some], self.mean[some], self.square[some]
            step = g - m
            step *= 1 - self.beta_1
            m += step
            root = np.square(g)
            root -= s
            root *= 1 - self.beta_2
            s += root
            np.divide(m, 1 - self.decay_1, step)
            np.divide(s, 1 - self.decay_2, root)
            np.sqrt(root, root)
            root += self.epsilon
            step /= root
            rate = learning_rate[some] if isinstance(learning_rate, np.ndarray) else learning_rate
            descend(parameters[some], step, rate)

    def reset(self) -> None:
        """See ``Optimizer.reset``."""
        self.decay_1 = self.decay_2 = 1.0  # the betas to the power of the steps
        self.mean = self.square = None


OPTIMIZERS = ("sgd", "momentum", "nesterov", "rmsprop", "adam")


def make_optimizer(
    name: str,
    *,
    momentum: float = 0.9,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
) -> Optimizer:
    """Make an optimizer by its name; it takes those of the settings that it knows.

    ``rmsprop`` takes ``beta_2`` for its ρ.
    """
    match name:
        case "sgd":
            return SGD()
        case "momentum":
            return Momentum(momentum)
        case "nesterov":
            return Nesterov(momentum)
        case "rmsprop":
            return RMSprop(beta_2, epsilon)
        case "adam":
            return Adam(beta_1, beta_2, epsilon)
    raise ValueError(f"solver must be one of {', '.join(OPTIMIZERS)}; got {name!r}")


_KINDS: dict[str, type[Optimizer]] = {
    kind.__name__: kind for kind in (SGD, Momentum, Nesterov, RMSprop, Adam)
}


def optimizer_settings(optimizer: Optimizer) -> dict[str, Any]:
    """What a model file holds of an optimizer, beside its arrays: its kind, and its numbers."""
    numbers = {name: v for name, v in vars(optimizer).items() if not isinstance(v, np.ndarray)}
    return {"kind": type(optimizer).__name__, **numbers}


def optimizer_arrays(optimizer: Optimizer) -> dict[str, Array]:
    """What a model file holds of an optimizer, beside its settings."""
    return {name: v for name, v in vars(optimizer).items() if isinstance(v, np.ndarray)}


def optimizer_from(
    settings: Mapping[str, Any], arrays: Mapping[str, Array], vector: Array
) -> Optimizer:
    """Put an optimizer together again.

    Parameters
    ----------
    settings : mapping
        From ``optimizer_settings``.
    arrays : mapping of str to array
        From ``optimizer_arrays``.
    vector : array (n_parameters,)
        Of the parameters that it is for.

    Raises
    ------
    LookupError, ValueError
        If the parts do not make an optimizer of these parameters.
    """
    optimizer = _KINDS[settings["kind"]]()
    numbers = {name: value for name, value in settings.items() if name != "kind"}
    if {*numbers, *arrays} != {*vars(optimizer)}:
        raise ValueError(f"{', '.join([*numbers, *arrays])} make no {settings['kind']}")
    for name, value in numbers.items():
        if not isinstance(value, float | None):
            raise ValueError(f"{name} of the {settings['kind']} is {value!r:.50}")
    for name, array in arrays.items():
        if (array.shape, array.dtype) != (vector.shape, vector.dtype):
            raise ValueError(
                f"{name} of the {settings['kind']} is {array.dtype} {array.shape}; the parameters are "
                f"{vector.dtype} {vector.shape}"
            )
    vars(optimizer).update(numbers | dict(arrays))
    return optimizer


def clip_norm(gradient: Array, max_norm: float | None) -> float:
    """Scale a gradient down, in place, to a norm of at most ``max_norm`` (Pascanu et al. 2013).

    Parameters
    ----------
    gradient : array (n_parameters,)
        The gradient of all parameters as one vector.
    max_norm : float or None
        None leaves it as it is.

    Returns
    -------
    float
        The norm before clipping.
    """
    norm = math.sqrt(np.square(gradient).sum())  # BLAS would sum in an order of the processor's
    if max_norm is not None and norm > max_norm:
        gradient *= max_norm / norm
    return norm
