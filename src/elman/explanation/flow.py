"""How gradients flow back through time over a whole data set, and what to change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from elman._typing import Array, IntArray
from elman.data import Batch, Shard
from elman.engines.reference import forward
from elman.equations import LayerTrace, Trace, errors_through_time, network
from elman.equations.forward import order_of
from elman.equations.readouts import READOUTS, errors_of_states
from elman.errors import DataError
from elman.explanation import spectra, terms
from elman.explanation.arrays import name_of
from elman.explanation.diagnosis import diagnose
from elman.explanation.one_thread import one_thread
from elman.explanation.slopes import (
    is_plain,
    jacobians,
    openness_of,
    remembers,
    slopes_of_backward,
)
from elman.explanation.subject import Subject, subject
from elman.explanation.wanted import Wanted
from elman.parameters import Parameters

_SHARD = 128  # sequences at a time, so that their arrays of a step stay in the cache
_JACOBIANS = 64
_LYAPUNOV = 16
_EXPONENTS = 8
_COMMON = 10  # the verdict uses lags that at least a tenth of the sequences have


@dataclass(frozen=True, eq=False)
class GradientFlow:
    """How errors go back through time, over many sequences. Made by ``elman.gradient_flow``.

    T is the number of steps of the longest sequence.

    Attributes
    ----------
    layer : int
    cell : str
    n_sequences : int
    norms : array (n_lags,)
        By lag k = 0, 1, …: how much of an error is left k steps back, ‖δ_{T,T-k}‖ / ‖Vᵀ(ŷ_T - y_T)‖, as
        the median over all sequences that are long enough. NaN if there is no error. There is only lag
        0 if neither this layer nor one above has a W. If the output reads all steps, k counts from the
        last step at which an error enters.
    quantiles : array (2, n_lags)
        The 10 % and 90 % quantiles over the sequences.
    counts : array (n_lags,)
        The number of sequences that have each lag.
    saturated : array (T,)
        At each step, the share of units (over all sequences that have the step) whose f' is below
        0.1; for tanh, h below -0.95 or above 0.95.
    saturated_share : float
        The same over all steps.
    singular : array (n_jacobians,)
        The largest singular values of at most 64 random Jacobians ∂h_t/∂h_{t-1}, t ≥ 2, in ascending
        order. Empty if there are none.
    lyapunov : array (min(H, 8),)
        The largest finite-time Lyapunov exponents, per step, as a mean over at most 16 random sequences
        of two steps or more. NaN if there are none.
    kind : {"vanishing", "exploding", "saturated", "healthy"}
    verdict : str
        The same in words, and what to change.
    of_all_steps : bool
        Whether the output reads all steps.
    reverse : bool
        Whether the layer runs from the last step to the first.
    """

    layer: int
    cell: str
    n_sequences: int
    norms: Array
    quantiles: Array
    counts: Array
    saturated: Array
    saturated_share: float
    singular: Array
    lyapunov: Array
    kind: str
    verdict: str
    of_all_steps: bool = False
    reverse: bool = False


@one_thread
def gradient_flow(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    layer: int = 1,
    reverse: bool = False,
    seed: int = 0,
) -> GradientFlow:
    """Diagnose how errors go back through time, over a whole data set.

    The error of each sequence's last loss is carried back to its first step, exactly as in training
    (N7). It takes one forward pass, in the model's own dtype, and one backward pass. Singular values
    and Lyapunov exponents are those of a random sample, because they take much longer.

    Parameters
    ----------
    model : RNNClassifier, RNNTagger, RNNRegressor, RNNStepRegressor or Network
        An estimator has to be fitted; its front end is applied. With ``frame`` a lag is one frame.
    X : array (n_samples, n_timesteps, n_features), or list of (n_timesteps, n_features)
        As the model takes it; lengths may differ.
    y : labels, optional
        As the model takes them. If left out, the label is the least probable class of each last step,
        so that there is always an error; a number is one below the prediction.
    layer : int
        The layer to look at, counted from 1, the lowest.
    reverse : bool
        For a bidirectional network: whether to look at the layer that runs from the last step to the
        first; its lags count from the first step. Errors go back through the layers of one direction;
        paths through both directions are left out.
    seed : int
        For the random samples.

    Returns
    -------
    GradientFlow

    Raises
    ------
    DataError, ValueError, TypeError, NotFittedError
        If an argument is not as above.

    Examples
    --------
    >>> import numpy as np
    >>> import elman
    >>> network = elman.Network(n_features=2, hidden=8, n_outputs=3, seed=0)
    >>> network.parameters["W1"][...] *= 0.2
    >>> X = np.random.default_rng(0).standard_normal((50, 20, 2))
    >>> elman.gradient_flow(network, X).kind
    'vanishing'
    """
    who = subject(model, X, y, exact=False)
    exact = who.parameters.astype(np.float64)
    layer = who.layer(layer)
    who.check_reverse(reverse)
    number = (layer - 1) * len(exact.architecture.directions) + reverse
    here = who.parameters.layers[number]
    T, n = int(who.sequences.lengths.max()), len(who.sequences)

    reach = np.full((T, n), np.nan)  # by lag
    n_saturated = np.zeros(T)
    done = 0
    # If each step has a target, a reverse layer's last state is read by the loss of step 1, beside the
    # forward layer's first state. Otherwise only one loss of each sequence is needed.
    all_losses = who.every_step and exact.architecture.bidirectional
    for shard in Batch.all_of(who.sequences, every_step=all_losses).shards(_SHARD):
        trace = _forward(who.parameters, shard)
        of_shard, openness = _reach(who, exact, shard, trace, layer, reverse)
        reach[: len(of_shard), done : done + of_shard.shape[1]] = of_shard
        done += of_shard.shape[1]
        for t, of_step in enumerate(openness):
            n_saturated[t] += np.count_nonzero(of_step < terms.SATURATED)
    if not any(map(remembers, who.parameters.architecture.layer_cells[layer - 1 :])):
        reach = reach[:1]
    counts = (~np.isnan(reach)).sum(axis=1)
    low, norms, high = np.full((3, len(reach)), np.nan)
    for k in np.flatnonzero(counts):
        of_lag = reach[k, ~np.isnan(reach[k])]
        low[k], norms[k], high[k] = np.quantile(of_lag, [0.1, 0.5, 0.9])

    n_units = (who.sequences.lengths > np.arange(T)[:, None]).sum(axis=1) * here.n_units
    saturated_share = float(n_saturated.sum() / n_units.sum())
    singular, exponents = _spectra(who, number, np.random.default_rng(seed))
    common = np.where(counts * _COMMON >= counts.max(), norms, np.nan)
    of_all_steps = READOUTS[exact.architecture.readout].of_all_steps
    kind, verdict = diagnose(
        common,
        saturated_share,
        here.W,
        plain=is_plain(here.cell),
        of_all_steps=of_all_steps,
        takes_frames=who.takes_frames,
    )
    return GradientFlow(
        layer=layer,
        reverse=reverse,
        cell=name_of(who.parameters.architecture.cells[layer - 1]),
        n_sequences=n,
        norms=norms,
        quantiles=np.array([low, high]),
        counts=counts,
        saturated=n_saturated / n_units,
        saturated_share=saturated_share,
        singular=singular,
        lyapunov=exponents,
        kind=kind,
        verdict=verdict,
        of_all_steps=of_all_steps,
    )


def _forward(parameters: Parameters, shard: Shard) -> Trace:
    with np.errstate(over="ignore", invalid="ignore"):  # looked at below
        trace = forward(parameters, shard)
    if not np.isfinite(trace.y_unactivated).all():
        raise DataError(
            "the network's states overflow on these sequences; expected finite numbers. Take a model "
            "with smaller weights, or scale X."
        )
    return trace


def _reach(
    who: Subject, exact: Parameters, shard: Shard, trace: Trace, layer: int, reverse: bool
) -> tuple[Array, list[Array]]:
    """Carry each sequence's last loss back.

    Returns
    -------
    reach : array (lags, sequences)
        ‖δ_{T,T-k}‖ / ‖Vᵀ(ŷ_T - y_T)‖.
    openness : T blocks (H, n_t)
        How much of an error the layer's units let back: f' for tanh and relu.
    """
    n_directions = len(exact.architecture.directions)
    of_direction = slice((layer - 1) * n_directions + reverse, None, n_directions)
    traces = [_in_float64(of_layer) for of_layer in trace.layers[of_direction]]
    rows = shard.rows  # the rows of sequences, in the order in which they end; or of all steps
    if who.every_step and not exact.architecture.bidirectional:
        rows = who.sequences.offsets[rows + 1] - 1
    loss, z = exact.architecture.loss_function, trace.y_unactivated.astype(np.float64)
    K, n = z.shape
    if who.targets is not None:
        y = loss.columns(who.targets[rows], K)
    elif loss.takes_classes:
        y = loss.columns(z.argmin(axis=0), K)
    else:
        y = loss.activate(z) - 1
    layers, V = exact.layers[of_direction], _of_direction(exact["V"], n_directions, reverse)
    output_signal = V.T @ Wanted(loss, y, np.full(n, True)).error(z)
    readout, carried = exact.architecture.readout, trace.carried[reverse]
    dh = network.answers_to_states(output_signal, traces[-1], shard.answers_from, readout)
    if READOUTS[readout].of_all_steps:
        dh = errors_of_states(READOUTS[readout], dh, traces[-1].h, carried)
    dh, entering, entered = _last_entries(dh, reverse)
    signal_size = terms.size(entering.T)  # (n,)
    for k in reversed(range(len(layers))):
        cell = layers[k].cell
        with np.errstate(over="ignore", invalid="ignore"):  # an infinity is noticed
            delta, _ = errors_through_time(dh, traces[k], layers[k])
            if k:
                U = _of_direction(layers[k].U, n_directions, reverse)
                dh = [U.T @ cell.rows_reading("x", d) for d in delta]
            else:
                dh = delta
    openness = [
        openness_of(layers[0].cell, step.kept, step.states, traces[0].before(t))
        for t, step in enumerate(traces[0].steps)
    ]

    sizes = _sizes(dh)  # (T, n)
    lags = np.arange(len(sizes))[:, None]
    steps = entered + lags if reverse else entered - lags  # (lags, n): the step at each lag
    widths = np.array([block.shape[1] for block in dh])
    is_step = (steps >= 0) & (steps < (widths[:, None] > np.arange(widths[0])).sum(axis=0))
    reach = np.take_along_axis(sizes, np.where(is_step, steps, 0), axis=0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        reach = np.nan_to_num(reach / signal_size, nan=np.inf)  # beyond all numbers: the largest
    return np.where(is_step & (signal_size > 0), reach, np.nan), openness


def _of_direction(matrix: Array, n_directions: int, reverse: bool) -> Array:
    """The columns of a matrix that read the states of one direction."""
    return np.split(matrix, n_directions, axis=1)[reverse]


def _last_entries(dh: list[Array], reverse: bool) -> tuple[list[Array], Array, IntArray]:
    """Keep only the last error, in the layer's order, that enters in each sequence.

    Parameters
    ----------
    dh : T blocks (H, n_t)
        The errors of the top layer's states from the output.

    Returns
    -------
    dh : T blocks (H, n_t)
    entering : array (H, n_1)
        The errors that are kept; zeros if nothing enters.
    entered : array (n_1,)
        Their steps, from 0; -1 if nothing enters.
    """
    entered, entering = np.full(dh[0].shape[1], -1), np.zeros_like(dh[0])
    kept = [np.broadcast_to(0.0, block.shape) for block in dh]
    for t in order_of(len(dh), not reverse):
        n_t = dh[t].shape[1]
        enters = (entered[:n_t] < 0) & dh[t].any(axis=0)
        if enters.any():
            entered[:n_t][enters] = t
            kept[t] = np.where(enters, dh[t], 0)
            entering[:, :n_t] += kept[t]
    return kept, entering, entered


def _in_float64(trace: LayerTrace) -> LayerTrace:
    def cast(arrays: Iterable[Array]) -> tuple[Array, ...]:
        return tuple(array.astype(np.float64, copy=False) for array in arrays)

    steps = [step._replace(states=cast(step.states), kept=cast(step.kept)) for step in trace.steps]
    return LayerTrace(cast(trace.initial), steps, trace.reverse)


def _sizes(blocks: list[Array]) -> Array:
    """The norms of columns, zeros where a sequence has ended: T blocks (H, n_t) to (T, n_1)."""
    sizes = np.zeros((len(blocks), blocks[0].shape[1]))
    for row, block in zip(sizes, blocks, strict=True):
        row[: block.shape[1]] = terms.size(block.T)
    return sizes


def _spectra(who: Subject, number: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Take the Jacobians of a sample: their largest singular values, and Lyapunov exponents."""
    here = who.parameters.layers[number]
    W = None if here.W is None else here.W.astype(np.float64)
    long = np.flatnonzero(who.sequences.lengths > 1)
    exponents = np.full(min(here.n_units, _EXPONENTS), np.nan)
    if not remembers(here.cell) or not len(long):
        return np.empty(0), exponents
    sample = rng.choice(long, min(len(long), _JACOBIANS), replace=False)
    (shard,) = Batch.of(who.sequences, sample, every_step=False).shards(len(sample))
    trace = _in_float64(_forward(who.parameters, shard).layers[number])
    partials = [  # of each step (n_t, S, G + S, H)
        np.moveaxis(slopes_of_backward(here.cell, step.kept, step.states, trace.before(t)), -1, 0)
        for t, step in enumerate(trace.steps)
    ]
    n_alive = np.array([*(len(of_step) for of_step in partials), 0])
    # At each step, the sequences, longest first, that have a step before; in the layer's order.
    going_on = [(t, n_alive[t + here.reverse]) for t in range(len(partials))]
    going_on = going_on[-2::-1] if here.reverse else going_on[1:]
    order = rng.permutation(len(sample))
    steps = [rng.choice([t for t, n in going_on if n > i]) for i in order]
    drawn = [
        jacobians(here.cell, partials[t][i : i + 1], W)[0]
        for i, t in zip(order, steps, strict=True)
    ]
    some = np.sort(order[:_LYAPUNOV])
    of_steps = (jacobians(here.cell, partials[t][some[some < n]], W) for t, n in going_on)
    of_sequences = spectra.lyapunov(of_steps, len(exponents), n_sequences=len(some))
    return np.sort(spectra.largest_singular(drawn)), of_sequences.mean(axis=0)
