"""Going through sequences step by step: what a state is, and how its steps are checked."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from elman._typing import Array
from elman.data.arrays import column_names, numeric
from elman.data.tokens import require_tokens
from elman.engines.carry import Carry
from elman.errors import DataError
from elman.parameters import Architecture, Parameters


class State:
    """Sequences between two steps: h of every layer, and the parameters they began with."""

    __slots__ = ()

    def step(self, x_t: npt.ArrayLike) -> tuple[Array, State]:
        """Take one step; the state is left as it was.

        Parameters
        ----------
        x_t : array (n, D), or (D,) if there is one sequence without an axis

        Returns
        -------
        y_hat : array (n, K), or (K,)
        state : State
            After this step.

        Raises
        ------
        DataError
            If x_t is not that, has names that are not those of the features, is not finite, or
            overflows on standardising.
        """
        raise NotImplementedError

    @property
    def carry(self) -> Carry:
        """The states, a copy, with a row a sequence: what other sequences may go on from.

        What a readout of all steps has read so far is not among them.
        """
        raise NotImplementedError

    @property
    def origin(self) -> bytes:
        """What it was made from, as ``origin_of`` says it."""
        raise NotImplementedError

    @property
    def waits(self) -> bool:
        """Whether no answer can be given yet, and y_hat is NaN."""
        return False


def origin_of(
    engine: str, parameters: Parameters, mean: Array, scale: Array, names: tuple[str, ...] | None
) -> bytes:
    """Digest what the answers of a state depend on: states of equal digests answer alike.

    Parameters
    ----------
    engine : str
        Its name.
    parameters, mean, scale, names
        As in ``Engine.initial_state``.
    """
    digest = sha256(
        repr((engine, parameters.architecture, parameters.vector.dtype, names)).encode()
    )
    for array in (parameters.vector, mean, scale):
        digest.update(array.tobytes())
    return digest.digest()


class Streams:
    """The states that a network or an estimator knows as its own.

    They are those that it began, also before its parameters changed, and those that an equal one
    began: a copy, or the same model file in another process.
    """

    def __init__(self) -> None:
        self._origins: set[bytes] = set()

    def begin(self, state: State) -> State:
        """Know a state as one's own, and those that follow it."""
        self._origins.add(state.origin)
        return state

    def step(
        self, x_t: npt.ArrayLike, state: State, begin: Callable[[], State]
    ) -> tuple[Array, State]:
        """Call ``state.step``, where ``state`` comes from a caller.

        Parameters
        ----------
        x_t : array
        state : State
        begin : function
            Makes a state of the network as it is.

        Raises
        ------
        TypeError
            If it is no state.
        ValueError
            If it is a state of another network.
        """
        if not isinstance(state, State):
            raise TypeError(
                f"state is of type {type(state).__name__}; expected the State of initial_state(), or "
                "of the step before: probabilities, state = model.step(x_t, state)."
            )
        if state.origin not in self._origins:
            own = self.begin(begin())
            if state.origin != own.origin:
                theirs, ours = state.carry.architecture, own.carry.architecture
                differ = (
                    f"of {theirs.unlike(ours)}"
                    if theirs != ours
                    else "with other parameters, another standardisation or another engine"
                )
                raise ValueError(
                    f"state is that of another network, {differ}. Give a state of this one's "
                    "initial_state(), or of the step before."
                )
        return state.step(x_t)


def check_step(
    x_t: npt.ArrayLike,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    names: tuple[str, ...] | None = None,
) -> Array:
    """Check what ``State.step`` is given, but for NaN and infinity."""
    if type(x_t) is not np.ndarray or x_t.dtype is not dtype or not x_t.flags.carray:
        for part in x_t if isinstance(x_t, list | tuple) else (x_t,):
            found = column_names(part)
            if names is not None and found is not None and found != names:
                raise DataError(
                    f"x_t has the features {', '.join(found)}; the model was fitted on "
                    f"{', '.join(names)}, in this order. Reorder them: "
                    "x_t[list(model.feature_names_in_)]."
                )
        given = numeric(x_t, "x_t", f"numbers of shape {shape}, the features of one step")
        with np.errstate(over="ignore"):  # an infinity shows
            x_t = np.array(given, dtype, order="C")
    if x_t.shape != shape:
        raise DataError(
            f"x_t has shape {x_t.shape}; expected {shape}: the features of one step"
            + (", for each of the sequences side by side." if len(shape) > 1 else ".")
        )
    return x_t


def check_token(architecture: Architecture, x_t: Array) -> None:
    """Refuse an x_t that is to be a token and is none."""
    if architecture.tokens:
        require_tokens(x_t, architecture.n_features, "x_t")


def not_finite(x_t: Array, mean: Array, scale: Array) -> DataError:
    """Say that (x_t - mean) / scale is not, and why."""
    finite = np.isfinite(x_t)
    if not finite.all():
        *sequence, feature = np.unravel_index(np.argmin(finite), finite.shape)
        of_sequence = f" of sequence {sequence[0]}" if sequence else ""
        what = "NaN" if np.isnan(x_t[*sequence, feature]) else "infinity"
        return DataError(
            f"x_t contains {what}, feature {feature}{of_sequence}; expected finite numbers. Correct "
            "the value, or leave the step out: the state stays what it was."
        )
    with np.errstate(over="ignore"):
        finite = np.isfinite((x_t - mean) / scale)
    *_, feature = np.unravel_index(np.argmin(finite), finite.shape)
    return DataError(
        f"x_t contains {x_t.flat[np.argmin(finite)]:g}, feature {feature}, which is too large to be "
        f"standardised in {x_t.dtype}: the mean in fitting was {mean[feature]:g}, the deviation "
        f"{scale[feature]:g}. Correct the value, or fit anew, on data of that size or with "
        "standardize=False."
    )


def shapes_of(architecture: Architecture, n: int | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of x_t and ŷ_t for n sequences side by side, or for one without an axis.

    Raises
    ------
    ValueError
        If n is no number of sequences, or the network needs the whole sequence for an answer.
    """
    if architecture.bidirectional:
        raise ValueError(
            "a bidirectional network cannot answer step by step: its reverse layers begin at the end "
            "of the sequence. Train one with bidirectional=False."
        )
    given: Any = n
    if given is not None and (not isinstance(given, Integral) or given < 1):
        raise ValueError(f"n_sequences must be an integer of at least 1, or None; got {n!r}")
    sequences = () if n is None else (int(n),)
    return (*sequences, architecture.n_inputs), (*sequences, architecture.n_outputs)
