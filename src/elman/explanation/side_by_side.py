"""Forward passes side by side, as columns, each with a moved parameter; the proof uses them.

Pass j has W + s_j R instead of W, at one step or at all steps, for a direction R. If s_j is imaginary,
the imaginary parts of all results show how much they move (``proof``).

Letters: T steps, A losses, n passes side by side, D inputs of the layer, H units, K outputs, S states
and G gates of a cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from elman._typing import Array, IntArray
from elman.equations import Layer, output, recurrent_step
from elman.equations.forward import States, StepTrace
from elman.explanation.passes import Passes
from elman.explanation.slopes import STEP


class Moved(NamedTuple):
    """How much n passes move the A losses, their y_unactivated, and the states."""

    losses: Array  # (A, n)
    z: Array  # (A, K, n)
    inside: Array  # (A, n), Σ_j Σ_i |dL/ds_{j,i}| m_{j,i}, over all layers' states and steps j

    def summed(self, error: Array) -> Array:
        """Σ_k |ŷ_k - y_k| |z'_k|, (A, n), for ŷ - y, or what it is rounded by, (A, K)."""
        return np.asarray(np.einsum("ak,akn->an", np.abs(error), np.abs(self.z.imag)) / STEP)


class Own:
    """A parameter as the equations see it, U @ x and a + b[:, None]; pass j has its own, U + s_j R.

    If x is complex and U real, each column becomes two real ones, which is half the work.
    """

    __array_ufunc__ = None  # so that NumPy leaves a + b to __radd__

    def __init__(self, values: Array, R: Array | None = None, scales: Array | None = None) -> None:
        self.values, self.R, self.scales = values, R, scales

    def __matmul__(self, x: Array) -> Array:
        product = _real_times(self.values, x)
        return product if self.R is None else product + self.scales * _real_times(self.R, x)

    def __getitem__(self, index: Any) -> Any:
        return self  # b[:, None]

    def __radd__(self, a: Array) -> Array:
        total = np.asarray(a + self.values[:, None].astype(a.dtype))  # a column, and not a's size
        return total if self.R is None else total + self.scales * self.R[:, None]


def _real_times(matrix: Array, x: Array) -> Array:
    if np.isrealobj(x):
        return np.asarray(matrix @ x)
    return np.asarray((matrix @ np.ascontiguousarray(x).view(np.float64)).view(x.dtype))


def _with_own(layer: Layer, moved: Mapping[str, tuple[Array, Array]] | None = None) -> Layer:
    """A layer for passes side by side, some of whose parameters, U, W or b, move: R and scales."""
    parameters = zip("UWb", (layer.U, layer.W, layer.b), strict=True)
    own: dict[str, Any] = {
        name: Own(values, *(moved or {}).get(name, ()))
        for name, values in parameters
        if values is not None
    }
    return layer._replace(**own)


class Taken(NamedTuple):
    """A step of a layer that passes have taken, and their states before it."""

    before: States
    step: StepTrace


def taken(
    x: Iterable[Array], before: Sequence[States], layers: Iterable[Sequence[Layer]]
) -> Iterator[list[Taken]]:
    """Take passes forward side by side, longest first; only the current step is kept.

    Parameters
    ----------
    x : blocks (D, n_k)
        The input of the lowest layer k steps after the beginning; n_k passes have such a step.
    before : of each layer its states (H, n)
    layers : the layers, lowest first, as they are k steps on

    Yields
    ------
    list of Taken
        For each layer.
    """
    for x_k, of_step in zip(x, layers, strict=False):
        steps: list[Taken] = []
        h = x_k
        for states, layer in zip(before, of_step, strict=True):
            own = tuple(state[:, : h.shape[1]] for state in states)
            steps.append(Taken(own, recurrent_step(h, own, layer)))
            h = steps[-1].step.h_activated
        yield steps
        before = [step.states for _, step in steps]


class Sizes(NamedTuple):
    """What ``Moved.inside`` sums beside what moves: of a layer and each above, all without signs.

    Steps are last, as passes stand side by side.
    """

    errors: list[Array]  # (A, S H, T), |dL_t/d(states of a step)|
    slopes: list[Array]  # (S, G + S, H, T), of each cell, those inside it included
    last: IntArray  # (A,), the last step, from 0, at which a loss has such an error

    @classmethod
    def of(cls, passes: Passes, layer: int, dh: Sequence[Array], last: IntArray) -> Sizes:
        """Take them from dL_t/d(states of a step), (A, T, S H) of each layer."""
        return cls(
            [np.abs(of_layer.swapaxes(1, 2), order="C") for of_layer in dh],
            [
                (np.abs(of.states) + of.inside)[..., 0].swapaxes(2, 3).copy()
                for of in passes.slopes[layer - 1 :]
            ],
            last,
        )

    def add_to(self, inside: Array, at: IntArray | slice, of_layers: list[Taken]) -> None:
        """Add Σ_i |dL/ds_{j,i}| m_{j,i} of a step j of each pass to its column.

        Parameters
        ----------
        inside : array (A, n)
            A loss before all of the steps has no error there, and its row stays as it is.
        at : array (n,) or slice
            The steps, from 0, in ascending order.
        of_layers : list of Taken
        """
        n_before = self.last.searchsorted(at.start if isinstance(at, slice) else at[0])
        for errors, slopes, of_layer in zip(self.errors, self.slopes, of_layers, strict=True):
            m = magnitudes(_at(slopes, at), of_layer)  # (S H, n)
            inside[n_before:] += np.einsum("asn,sn->an", _at(errors[n_before:], at), m)


def _at(values: Array, steps: IntArray | slice) -> Array:
    """The last axis at some steps; a slice of them is no copy."""
    return values[..., steps] if isinstance(steps, slice) else values.take(steps, axis=-1)


def magnitudes(slopes: Array, of_layer: Taken) -> Array:
    """How much the states of a step and the values inside its cell move; magnitudes of all parts.

    Parameters
    ----------
    slopes : array (S, G + S, H, n)
        ``Sizes.slopes`` of each pass's own step.
    of_layer : Taken

    Returns
    -------
    array (S H, n)
        m, times STEP.
    """
    S, _, H, n = slopes.shape
    entering = [of_layer.step.h_unactivated, *of_layer.before]
    moved = np.abs(np.concatenate([value.imag for value in entering])).reshape(-1, H, n)
    return np.asarray(np.einsum("sehn,ehn->shn", slopes, moved).reshape(S * H, n))


def moved_by(
    passes: Passes,
    taus: IntArray,
    steps: Iterable[list[Taken]],
    sizes: Sizes | None = None,
    dtype: npt.DTypeLike = np.complex128,
) -> Moved:
    """Follow passes to their ends, and find how much they move.

    Parameters
    ----------
    passes : Passes
    taus : array (n,)
        The steps, from 0, at which the passes begin.
    steps : from ``taken``
        Of the lowest layer that moves, and those above.
    sizes : Sizes, optional
        Of the same layers.
    dtype : dtype
        That of the passes.

    Returns
    -------
    Moved
        With ``inside`` only where there are sizes.
    """
    answering, n = passes.answering, len(taus)
    V, c, reading = passes.parameters["V"], passes.parameters.get("c"), passes.reading
    inside = np.zeros((len(sizes.last) if sizes else 0, n))
    are_neighbours = bool((np.diff(taus) == 1).all())

    def states_of_the_top() -> Iterator[Array]:
        for k, of_layers in enumerate(steps):
            top = of_layers[-1].step.h_activated
            if sizes:
                n_k, at = top.shape[1], taus[: top.shape[1]] + k
                # A single step is copied, too: otherwise its sums would have another order.
                places = slice(at[0], at[-1] + 1) if are_neighbours and n_k > 1 else at
                sizes.add_to(inside[:, :n_k], places, of_layers)
            yield top

    z = np.repeat(passes.trace.y_unactivated.T[answering, :, None].astype(dtype), n, axis=2)
    for k, r_k in enumerate(reading.in_passes(states_of_the_top(), taus)):
        at = taus[: r_k.shape[1]] + k
        (columns,) = np.nonzero(passes.wanted.present[at])
        if len(columns):
            answers = output(r_k[:, columns], V, c)[0].T + passes.offset[at[columns]]
            z[np.searchsorted(answering, at[columns]), :, columns] = answers
    return Moved(passes.wanted.losses(z), z, inside / STEP)


def pass_forward(
    passes: Passes,
    layer: int,
    R: Mapping[str, Array],
    scales: Array,
    taus: IntArray,
    sizes: Sizes | None = None,
) -> Moved:
    """Go forward n times side by side; in pass j, step taus[j] has W + scales[j] R instead of W.

    If there is no W, or the step's h_{t-1} is 0, it has its own U in the same way.

    A pass begins at its step, with the states that the sequence has there. So passes are sequences
    of different lengths, longest first.

    Parameters
    ----------
    passes : Passes
    layer : int
        The layer that is moved, counted from 1.
    R : mapping of arrays
        Directions of W, (G_h H, H), if there is one, and of U, (G_x H, D).
    scales : array (n,)
    taus : array (n,)
        Steps, from 0, in ascending order.
    sizes
        As ``moved_by`` takes it.

    Returns
    -------
    Moved
    """
    layers = [_with_own(of) for of in passes.parameters.layers[layer - 1 :]]
    moved = {name: (of_name, scales) for name, of_name in R.items()}
    if "W" in R:
        moved["U"] = R["U"], scales * passes.are_from_zero(layer)[taus]
    there = _with_own(passes.parameters.layers[layer - 1], moved)
    x = passes.inputs(layer).T.astype(scales.dtype)  # (D, T)
    T = x.shape[1]
    before = [
        tuple(
            np.concatenate(state, axis=1).astype(scales.dtype)  # (H, n)
            for state in zip(*(trace.before(t) for t in taus), strict=True)
        )
        for trace in passes.trace.layers[layer - 1 :]
    ]
    blocks = (x[:, taus[taus + k < T] + k] for k in range(T - taus[0]))
    steps = taken(blocks, before, chain([[there, *layers[1:]]], repeat(layers)))
    return moved_by(passes, taus, steps, sizes, scales.dtype)


def moved_throughout(passes: Passes, R: Mapping[str, Array], names: Sequence[str]) -> Moved:
    """Go forward once for each parameter of the layers, side by side, moved along R at all steps."""
    parameters, n = passes.parameters, len(names)
    scales = dict(zip(names, 1j * STEP * np.eye(n), strict=True))
    layers: list[Layer] = []
    before: list[States] = []
    for k, layer in enumerate(parameters.layers, start=1):
        own = {of: f"{of}{k}" for of in "UWb"}
        moved = {of: (R[name], scales[name]) for of, name in own.items() if name in names}
        layers.append(_with_own(layer, moved))
        states = np.concatenate(layer.initial_states(n)).astype(np.complex128)
        if (name := f"initial{k}") in names:
            states += R[name][:, None] * scales[name]
        before.append(tuple(np.split(states, len(layer.cell.states))))
    blocks = (np.repeat(x_t[:, None], n, axis=1) for x_t in passes.x.astype(np.complex128))
    steps = taken(blocks, before, repeat(layers))
    together = [of_layer[None] for of_layer in passes.errors_of_states()]
    sizes = Sizes.of(passes, 1, together, np.array([len(passes.x) - 1]))
    return moved_by(passes, np.zeros(n, np.int64), steps, sizes)
