"""Proof that loss and gradients are right: every entry against complex-step differentiation.

This uses only the forward equations (``derivatives``), so an error in the backward ones shows. The
engine's loss is compared with the loss that the forward equations give.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from elman._typing import Array, SequencesLike
from elman.derivatives import loss_derivatives
from elman.engines.reference import loss as reference_loss
from elman.equations import CELLS
from elman.equations.dropout import Dropout
from elman.equations.losses import LOSSES, Quantile
from elman.equations.readouts import READOUTS
from elman.network import Network
from elman.parameters import Parameters

TOLERANCE = 1e-13


@dataclass(frozen=True)
class GradientCheck:
    """How the loss, or one parameter's gradient, compares with what it has to be.

    Attributes
    ----------
    name : str
        ``"loss"``, or the parameter's.
    n_entries : int
        1 for the loss.
    largest : float
        The largest entry that was expected, by magnitude.
    error : float
        The largest difference of an entry, relative to ``largest``.
    """

    name: str
    n_entries: int
    largest: float
    error: float

    @property
    def passed(self) -> bool:
        """Whether the error is at most 1e-13."""
        return self.error <= TOLERANCE  # False for NaN


def check_gradients(
    network: Network,
    X: SequencesLike,
    y: Any,
    sample_weight: Any = None,
    dropout: Dropout | None = None,
) -> list[GradientCheck]:
    """Check the loss of a network, and every entry of every gradient.

    The engine's loss is compared with the loss of the reference equations, its gradients with
    complex-step differentiation of that loss. The check is made in float64, whatever the network's
    dtype. If the terms of a loss or a gradient cancel to almost nothing, its relative error is large:
    take data for which they do not.

    Parameters
    ----------
    network : Network
    X, y, sample_weight, dropout
        As in ``Network.loss_and_gradients``. Masks of dropout are the same in the proof.

    Returns
    -------
    list of GradientCheck
        One for the loss, then one for each parameter.

    Raises
    ------
    DataError
        If X, y or the weights are not what the network takes.

    Examples
    --------
    >>> import numpy as np
    >>> from elman import Network, check_gradients
    >>> network = Network(n_features=2, hidden=[4], n_outputs=3, seed=0)
    >>> X = np.random.default_rng(0).standard_normal((5, 7, 2))
    >>> all(check.passed for check in check_gradients(network, X, y=[0, 1, 2, 1, 0]))
    True
    """
    network = network.astype(np.float64)
    loss, gradients = network.loss_and_gradients(X, y, sample_weight, dropout)
    complex_network = network.astype(np.complex128)
    parameters = complex_network.parameters
    batch, targets = complex_network.batch(X, y, sample_weight)
    (shard,) = batch.shards(len(batch))

    expected_loss = reference_loss(parameters, shard, targets, dropout=dropout).real
    checks = [_compare("loss", np.array(loss), np.array(expected_loss))]
    derivative = loss_derivatives(parameters, shard, targets, dropout)
    for name, expected in Parameters(network.architecture, derivative).items():
        checks.append(_compare(name, gradients[name], expected))
    return checks


def _compare(name: str, actual: Array, expected: Array) -> GradientCheck:
    largest = float(np.abs(expected).max())
    error = float(np.abs(actual - expected).max())
    return GradientCheck(name, expected.size, largest, _relative(error, largest))


def _relative(error: float, largest: float) -> float:
    if largest == 0:  # what has to vanish
        return 0.0 if error == 0 else np.inf
    return error / largest


@dataclass(frozen=True)
class GridCell:
    """One combination that ``check_grid`` goes through, and its checks."""

    every_step: bool
    n_layers: int
    cell: str
    bias: bool
    ragged: bool
    bidirectional: bool
    loss: str
    readout: str
    checks: list[GradientCheck]

    @property
    def worst(self) -> GradientCheck:
        """The loss or gradient with the largest error."""
        return max(self.checks, key=lambda check: (np.isnan(check.error), check.error))


DRAW = 10  # chosen so that with seed 0 no parameter of any network has a gradient of about zero
MIXED = ("relu", "lstm", "dense")

NETWORKS = [
    *product(
        (False, True),
        (1, 2, 3),
        (*CELLS, "mixed"),
        (True, False),
        (False, True),
        (False, True),
    )
]

# A readout stands before V and a loss behind it, so not every pair of them has to be checked.
OUTPUTS = [(loss, "last") for loss in LOSSES]
OUTPUTS += [("cross_entropy", readout) for readout in READOUTS if readout != "last"]

GRID = [
    (*of_network, loss, readout)
    for loss, readout in OUTPUTS
    for of_network in NETWORKS
    if readout == "last" or not of_network[0]
]


def check_grid(engine: str = "compiled", seed: int = 0) -> Iterator[GridCell]:
    """Check loss and gradients over combinations of loss, readout, label, layers, cell, bias, lengths.

    Parameters
    ----------
    engine : str
    seed : int
        For parameters, sequences, labels and weights.

    Yields
    ------
    GridCell
        In the order of ``GRID``.
    """
    for every_step, n_layers, cell, bias, ragged, bidirectional, loss, readout in GRID:
        # Every loss and readout sees the same networks and sequences.
        number = NETWORKS.index((every_step, n_layers, cell, bias, ragged, bidirectional))
        rng = np.random.default_rng([seed, DRAW, number])
        network = Network(
            n_features=3,
            hidden=(3, 2, 4)[:n_layers],
            n_outputs=3,
            cell=MIXED[:n_layers] if cell == "mixed" else cell,
            bias=bias,
            bidirectional=bidirectional,
            dtype=np.float64,
            loss=Quantile((0.2, 0.5, 0.9)) if loss == "quantile" else loss,
            readout=readout,
            engine=engine,
        )
        # Large enough to bend tanh, and no zeros, so that a forgotten bias or step shows. Shifted,
        # so that few layers of relu are dead.
        for array in network.parameters.values():
            drawn = 0.4 + 0.8 * rng.standard_normal(array.shape)
            array[...] = drawn / np.sqrt(array.shape[-1])
        lengths = (3, 4, 1, 4, 2) if ragged else (4,) * 4
        X = [rng.standard_normal((length, 3)) for length in lengths]
        weights: Any = rng.uniform(0.5, 2.0, len(X))
        if every_step:
            weights = [rng.uniform(0.5, 2.0, length) for length in lengths]
        y = [_target(loss, length if every_step else None, rng) for length in lengths]
        checks = check_gradients(network, X, y, weights)
        yield GridCell(
            every_step, n_layers, cell, bias, ragged, bidirectional, loss, readout, checks
        )


def _target(loss: str, length: int | None, rng: np.random.Generator) -> Any:
    """Draw the target of a sequence, or of each of its steps."""
    shape = () if length is None else (length,)
    if loss == "cross_entropy":
        return rng.integers(3, size=shape)
    n_numbers = () if loss == "quantile" else (3,)
    if loss == "poisson":
        return rng.poisson(2.0, shape + n_numbers)
    return rng.standard_normal(shape + n_numbers)
