"""Going through sequences step by step behind a front end, or a vocabulary."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from elman._typing import Array
from elman.data import FrontEnd, Vocabulary
from elman.engines import Carry, Engine, State
from elman.engines.streaming import check_step, not_finite
from elman.parameters import Parameters


def begin(
    engine: Engine,
    parameters: Parameters,
    front_end: FrontEnd,
    n_sequences: int | None,
    names: tuple[str, ...] | None,
    carry: Carry | None,
) -> State:
    """Begin to go through ``n_sequences`` side by side; see ``Engine.initial_state``.

    The front end must have no level, because that needs a whole sequence.
    """
    if front_end.standardizes_alone:  # the engine does that itself
        mean, scale = front_end.mean, front_end.scale
        return engine.initial_state(parameters, n_sequences, mean, scale, names, carry)
    D, dtype = front_end.n_inputs, parameters.vector.dtype
    state = engine.initial_state(
        parameters, n_sequences, np.zeros(D, dtype), np.ones(D, dtype), carry=carry
    )
    digest = sha256(state.origin + repr((names, front_end.settings)).encode())
    for array in front_end.arrays.values():
        digest.update(array.tobytes())
    sequences = () if n_sequences is None else (n_sequences,)
    y_hat = np.full((*sequences, parameters.architecture.n_outputs), np.nan, dtype)
    return FrontEndState(state, digest.digest(), front_end, names, y_hat)


def with_vocabulary(
    state: State, vocabulary: Vocabulary, n_sequences: int | None, dtype: np.dtype[Any]
) -> TokenState:
    """Wrap a state so that it takes tokens, where the network takes the numbers of their columns."""
    digest = sha256(state.origin + repr(vocabulary.settings).encode())
    return TokenState(state, digest.digest(), vocabulary, n_sequences, dtype)


@dataclass(frozen=True, eq=False)
class Around(State):
    """A network's state, and how to turn given steps into the network's steps.

    Attributes
    ----------
    state : State
        The network's state.
    digest : bytes
        The digest of what it was made from.
    """

    state: State
    digest: bytes

    @property
    def carry(self) -> Carry:
        """See ``State.carry``."""
        return self.state.carry

    @property
    def origin(self) -> bytes:
        """See ``State.origin``."""
        return self.digest


@dataclass(frozen=True, eq=False)
class FrontEndState(Around):
    """The state of a network behind a front end, with the samples that later steps need.

    Attributes
    ----------
    front_end : FrontEnd
    names : tuple of D str, or None
    y_hat : array (n, K), or (K,)
        The answer so far; NaN before the first.
    samples : tuple of arrays (n, F)
        The last samples, at most as many as a frame has.
    n_samples : int
        The number of samples so far.
    """

    front_end: FrontEnd
    names: tuple[str, ...] | None
    y_hat: Array
    samples: tuple[Array, ...] = ()
    n_samples: int = 0

    def step(self, x_t: npt.ArrayLike) -> tuple[Array, FrontEndState]:
        """See ``State.step``."""
        front_end, frame, n = self.front_end, self.front_end.frame, self.n_samples + 1
        mean, scale, sequences = front_end.mean, front_end.scale, self.y_hat.shape[:-1]
        x_t = check_step(x_t, (*sequences, len(mean)), self.y_hat.dtype, self.names)
        with np.errstate(over="ignore"):  # an infinity is noticed
            x: Any = (np.atleast_2d(x_t) - mean) / scale
        if not np.isfinite(x).all():
            raise not_finite(x_t, mean, scale)
        sample = front_end.sample(x, self.samples[-1] if self.samples else None)

        length, stride, aligned = (1, 1, True) if frame is None else frame
        before = (sample,) * (length - 1) if aligned and not self.samples else self.samples
        samples = (*before, sample)[-length:]
        after = replace(self, samples=samples, n_samples=n)
        if aligned or (n >= length and (n - length) % stride == 0):
            step = np.concatenate(samples, axis=1).reshape(*sequences, -1)
            y_hat, state = self.state.step(step)
            after = replace(after, y_hat=y_hat, state=state)
        return after.y_hat.copy(), after

    @property
    def waits(self) -> bool:
        """See ``State.waits``."""
        frame = self.front_end.frame
        return frame is not None and not frame.aligned and self.n_samples < frame.length


@dataclass(frozen=True, eq=False)
class TokenState(Around):
    """The state of a network of tokens; its steps are tokens of the vocabulary.

    Attributes
    ----------
    vocabulary : Vocabulary
    n_sequences : int or None
    dtype : dtype
        The network's dtype.
    """

    vocabulary: Vocabulary
    n_sequences: int | None
    dtype: np.dtype[Any]

    def step(self, x_t: Any) -> tuple[Array, TokenState]:
        """See ``State.step``; x_t is a token, or a list of them, one for each sequence."""
        columns = self.vocabulary.of_step(x_t, self.n_sequences, self.dtype)
        y_hat, state = self.state.step(columns)
        return y_hat, replace(self, state=state)
