"""Advice after a training that learned nothing, from measurements.

Letters: T steps, K outputs.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from elman._typing import Array
from elman.data import Examples, Frame
from elman.engines import get_engine
from elman.engines.reference import forward
from elman.parameters import Parameters
from elman.training import N_UPDATES, Run, Trainer
from elman.training.optimizers import Adam, RMSprop

ENOUGH_UPDATES = 100
"""With fewer updates, the final loss says nothing about a training."""

EXPLAINED = 0.01
"""The share by which the loss must be below that of guessing; otherwise nothing was learned."""

BY_HEART = 0.5
"""From this share on, training has learned its data, although the kept weights have not."""

NEGLIGIBLE = 1e-3
"""If less than this is left of an error, it has vanished; more than 1 / this has exploded."""

MANY_SATURATED, ALMOST_ONE = 0.9, 0.95
"""From this share of saturated states on, saturation is the cause; the size of a saturated one."""

SAFE_RATE = 0.003
"""A learning rate that suits Adam: both are the estimators' defaults."""

MUCH_LOWER = 0.1
"""If nothing was learned, a rate of at most this share of it is the cause."""

WORSE = 2
"""A loss so many times that of guessing is worse than random weights: steps were too large."""

_FEW = 20  # steps
_SAMPLE = 8  # sequences
_TOO_LONG = 10  # norms of the gradient, in those it is clipped to


def unlearnt(
    trainer: Trainer, run: Run, *, tol: float, cell: Any, readout: str | None, frame: Frame | None
) -> str:
    """Say that training ended no better than guessing, and what to try; "" if it ended better.

    Parameters
    ----------
    trainer : Trainer
        As it is after the training.
    run : Run
        The result of the training.
    tol : float
        If the loss of guessing is not above the perfect loss by more than this, there is nothing to
        say.
    cell : str, Cell or list of these
    readout : str or None
        None if each step is answered.
    frame : Frame or None
    """
    guessing = trainer.guessing
    if trainer.n_updates < ENOUGH_UPDATES or guessing.loss - guessing.perfect <= tol:
        return ""
    # The weights may come from an earlier fit, whose loss is not known here.
    if math.isnan(run.data_loss) or guessing.explained(run.data_loss) >= EXPLAINED:
        return ""
    if guessing.explained(trainer.data_loss) >= BY_HEART:
        return (
            f"has learned its training data by heart (its loss in the last epoch was "
            f"{trainer.data_loss:.4g}), but on the sequences kept aside no epoch scored better than "
            f"epoch {run.best_epoch}, whose weights it has. Try more sequences, a smaller network "
            "(hidden_layer_sizes) or dropout, and check whether X says anything about y."
        )
    takes_classes = trainer.parameters.architecture.loss_function.takes_classes
    what = "the classes by how frequent they are" if takes_classes else "one number for all"
    return (
        f"has learned next to nothing: its loss on the training data is {run.data_loss:.4g}, and "
        f"guessing {what} has {guessing.loss:.4g}. {_advice(trainer, run, cell, readout, frame)}"
    )


def _advice(trainer: Trainer, run: Run, cell: Any, readout: str | None, frame: Frame | None) -> str:
    reach, saturated = _measured(trainer.parameters, trainer.examples)
    norm = float(np.median([row["gradient_norm"] for row in run.history[-10:]]))
    limit = trainer.max_norm or 1.0
    highest = max(row["learning_rate"] for row in run.history)
    lower, has_safe_rate = highest / 10, isinstance(trainer.optimizer, Adam | RMSprop)
    if has_safe_rate:
        lower = min(lower, SAFE_RATE)
    if saturated >= MANY_SATURATED:
        return (
            f"{saturated:.0%} of the states are at the largest or smallest value that they can have, "
            f"and let no error through. Try a lower learning rate, learning_rate_init={lower:.1g}."
        )
    if has_safe_rate and highest <= MUCH_LOWER * SAFE_RATE and norm <= _TOO_LONG * limit:
        return (
            f"The learning rate was {highest:.2g} at most, and so weights hardly moved. Try a higher "
            f"one, learning_rate_init={SAFE_RATE}."
        )
    if reach is not None and reach <= NEGLIGIBLE:
        tries = ['readout="max"'] if readout == "last" else []
        if cell != "leaky":
            tries.append('cell="leaky"')
        tries.append("fewer and larger steps")
        if readout is not None and frame is None:  # otherwise it has frames, or answers each step
            n = max(2, round(float(np.median(trainer.examples.sequences.lengths)) / _FEW))
            tries[-1] += f", frame=({n}, {n})"
        return (
            f"The gradient vanishes: at a sequence's first step {reach:.2g} of an error at its end is "
            f"left. Try {', '.join(tries[:-1])}{' or ' if tries[1:] else ''}{tries[-1]}."
        )
    if (reach is not None and reach * NEGLIGIBLE >= 1) or norm > _TOO_LONG * limit:
        return (
            f"The gradient explodes: its norm was {norm:.2g} in the last epochs. Try a lower learning "
            f"rate, learning_rate_init={lower:.1g}."
        )
    if trainer.guessing.explained(run.data_loss) <= 1 - WORSE:
        return (
            "That is worse than guessing: each update goes too far. Try a lower learning rate, "
            f"learning_rate_init={lower:.1g}."
        )
    if trainer.n_updates < N_UPDATES:
        return (
            f'There were {trainer.n_updates:,} updates. Try more: max_iter="auto" makes '
            f"{N_UPDATES:,}."
        )
    return (
        "Its gradient is neither too small nor too large. Try a larger network (hidden_layer_sizes) "
        "and a longer training (max_iter), and check whether X says anything about y."
    )


def _measured(parameters: Parameters, examples: Examples) -> tuple[float | None, float]:
    """Measure how much of an error at a sequence's last step is left before its first step.

    Returns
    -------
    reach : float or None
        ‖∂L/∂h_0‖ / ‖Vᵀ(ŷ - y)‖ in the lowest layer, the median over some sequences; None if there is no
        error at all, or no recurrence.
    saturated : float
        The share of these sequences' states there that are above 0.95, below -0.95, or 0.
    """
    architecture = replace(parameters.architecture, learn_initial_state=True)
    if not any(spec.role == "recurrent" for spec in architecture.specs.values()):
        return None, 0.0
    exact = Parameters.zeros(architecture, np.float64)  # with initial states, zeros if not learned
    for name in parameters:
        exact[name][...] = parameters[name]
    engine, loss = get_engine("reference"), architecture.loss_function
    found, ends = [], []
    n = len(examples.sequences)
    for i in np.unique(np.linspace(0, n - 1, _SAMPLE).astype(int)):
        one = _last_alone(examples.take(np.array([i])).made())
        batch, _ = one.batch(np.array([0]))
        y_hat = np.empty((len(one.targets), architecture.n_outputs))
        with np.errstate(all="ignore"):  # an overflow is not finite, and left out
            engine.probabilities(exact, batch, y_hat)
            y = loss.columns(one.targets.values[-1:], architecture.n_outputs)
            error = loss.error(y_hat[-1:].T, y, *loss.constants(architecture.n_outputs))
            gradients = engine.loss_and_gradients(exact, batch, one.targets).gradients
            (shard,) = batch.shards(1)
            h = [step.states[0] for step in forward(exact, shard).layers[0].steps]
            ends.append(np.mean([(np.abs(h_t) > ALMOST_ONE) | (h_t == 0) for h_t in h]))
            output_signal = _norm(exact["V"].T @ error)
            left = _norm(*(gradients[f"initial1{way}"] for way in architecture.directions))
        if output_signal > 0 and np.isfinite(output_signal):
            found.append(left / output_signal if np.isfinite(left) else np.inf)
    return float(np.median(found)) if found else None, float(np.mean(ends))


def _last_alone(one: Examples) -> Examples:
    """Give a sequence a target at its last step only, with weight 1."""
    targets = one.targets
    weights = np.zeros(len(targets))
    weights[-1] = 1.0
    values = one.sequences.values.astype(np.float64)
    return Examples(replace(one.sequences, values=values), replace(targets, weights=weights))


def _norm(*arrays: Array) -> float:
    return float(np.sqrt(sum(np.square(array).sum() for array in arrays)))
