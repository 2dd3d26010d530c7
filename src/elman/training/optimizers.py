"""Optimizers: each changes a vector of parameters by a vector of gradients.

θ parameters, g gradient, α learning rate. If the literature has several variants, this is PyTorch's, so
that settings can be copied: the momentum buffer is a sum of gradients, and α multiplies it in the step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from elman._typing import Array
from elman.equations import descend

_BLOCK = 1 << 14  # numbers at a time, so that results stay in the cache


class Optimizer(Protocol):
    """What an optimizer does. Its state is zero before the first gradient."""

    def apply(self, parameters: Array, gradient: Array, learning_rate: float | Array) -> None:
        """Change the parameters in place; ``learning_rate`` is one number, or (n_parameters,)."""
        ...

    def reset(self) -> None:
        """Set the state back to zero."""
        ...


class SGD:
    """θ ← θ - α g: the notes' own learning rule (N4)."""

    def apply(self, parameters: Array, gradient: Array, learning_rate: float | Array) -> None:
        """See ``Optimizer.apply``."""
        descend(parameters, gradient, learning_rate)

    def reset(self) -> None:
        """See ``Optimizer.reset``."""
        return  # it has no state


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
        Added to the root, not inside it.
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
        The decay of the two means, in [0, 1).
    epsilon : float
        Added to the root, not inside it, after the bias correction.
    """

    def __init__(self, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.beta_1 = float(beta_1)  # a NumPy number would make the arithmetic float64
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
    """Make an optimizer by its name. Settings that it does not have are ignored.

    ``beta_2`` is also the ρ of ``rmsprop``.
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
    """Return the kind and the numbers of an optimizer, for a model file."""
    numbers = {name: v for name, v in vars(optimizer).items() if not isinstance(v, np.ndarray)}
    return {"kind": type(optimizer).__name__, **numbers}


def optimizer_arrays(optimizer: Optimizer) -> dict[str, Array]:
    """Return the arrays of an optimizer, for a model file."""
    return {name: v for name, v in vars(optimizer).items() if isinstance(v, np.ndarray)}


def optimizer_from(
    settings: Mapping[str, Any], arrays: Mapping[str, Array], vector: Array
) -> Optimizer:
    """Make an optimizer from what a model file has of it.

    Parameters
    ----------
    settings : mapping
        From ``optimizer_settings``.
    arrays : mapping of str to array
        From ``optimizer_arrays``.
    vector : array (n_parameters,)
        The parameters that it is for.

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
    """Clip a gradient in place, so that its norm is at most ``max_norm`` (Pascanu et al. 2013).

    Parameters
    ----------
    gradient : array (n_parameters,)
        The gradient of all parameters as one vector.
    max_norm : float or None
        If None, the gradient stays as it is.

    Returns
    -------
    float
        The norm before clipping.
    """
    norm = math.sqrt(np.square(gradient).sum())  # BLAS's order depends on the processor
    if max_norm is not None and norm > max_norm:
        gradient *= max_norm / norm
    return norm
