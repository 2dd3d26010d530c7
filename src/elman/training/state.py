"""The state of a training as plain numbers and arrays, from which it is resumed to the same bits.

A checkpoint also has the contents of a model file, and the optimizer (``optimizer_from``). For an
incomplete epoch, it has the state of the generator when the epoch began, so that the order can be drawn
again, and the sums over the batches that are complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from elman._typing import Array
from elman.training.optimizers import optimizer_arrays, optimizer_from, optimizer_settings
from elman.training.recovery import Recovery
from elman.training.run import Patience, Run
from elman.training.trainer import Trainer, UnderWay

_OF_TRAINER = ("n_updates", "rate_factor", "data_loss", "first_loss")
_OF_RUN = (
    "best_loss",
    "best_score",
    "best_epoch",
    "converged",
    "data_loss",
    "first",
    "ended",
    "n_updates",
)
_VECTORS = ("best", "safe", "before")
_OPTIMIZER = "optimizer."


class State(NamedTuple):
    """The state of a training, apart from its model and its optimizer.

    Attributes
    ----------
    settings : dict
        Numbers, text, lists, and mappings with text as keys.
    arrays : dict of str to array
    """

    settings: dict[str, Any]
    arrays: dict[str, Array]


def state_of(trainer: Trainer, run: Run) -> State:
    """Collect the state of a training between two updates.

    If several networks are trained, the state has their weights and the optimizer too, because a model
    has only the network that they are merged into.
    """
    under_way, patience, dropout = trainer.under_way, run.patience, trainer.dropout
    settings = {
        "trainer": {name: getattr(trainer, name) for name in _OF_TRAINER},
        "rng": trainer.rng.bit_generator.state,
        "under_way": None if under_way is None else asdict(under_way),
        "dropout_seed": None if dropout is None else dropout.seed,
        "run": {name: getattr(run, name) for name in _OF_RUN},
        "recovery": asdict(run.recovery),
        "patience": None if patience is None else asdict(patience),
    }
    kept = {name: getattr(run, name) for name in _VECTORS}
    arrays = {name: vector for name, vector in kept.items() if vector is not None}
    if trainer.states is not None and under_way is not None and under_way.n_windows:
        # between two windows; a row for each sequence of the batch, of one network behind another
        arrays["states"] = np.concatenate([carry.values for carry in trainer.states])
    if len(trainer.members.each) > 1:
        settings["n_members"] = len(trainer.members.each)
        settings["optimizer"] = optimizer_settings(trainer.optimizer)
        arrays["members"] = trainer.members.vector
        of_optimizer = optimizer_arrays(trainer.optimizer).items()
        arrays |= {_OPTIMIZER + name: array for name, array in of_optimizer}
    return State(settings, {**arrays, "high": np.array(trainer.high, dtype=bool)})


def go_on(trainer: Trainer, run: Run, state: State) -> None:
    """Bring a new trainer and a new run to the state that ``state_of`` collected.

    The trainer must have the same number of networks. If that is one, its weights and its optimizer
    must be those of that moment already.

    Raises
    ------
    LookupError, TypeError, ValueError
        If the state does not belong to such a training.
    """
    settings, arrays = state
    for name in _OF_TRAINER:
        setattr(trainer, name, _number(settings["trainer"], name))
    for name in _OF_RUN:
        setattr(run, name, _number(settings["run"], name))
    trainer.rng.bit_generator.state = settings["rng"]
    trainer.high.extend(arrays["high"].tolist())
    if settings["under_way"] is not None:
        trainer.under_way = UnderWay(**settings["under_way"])
    if trainer.under_way is not None and trainer.under_way.n_windows:
        n_left = len(trainer.examples.sequences) - trainer.under_way.n_done
        trainer.states = trainer.states_of(min(trainer.batch_size, n_left))
        if trainer.states is not None:
            parts = np.split(arrays["states"], len(trainer.states))
            for carry, part in zip(trainer.states, parts, strict=True):
                carry.values[...] = _like(carry.values, part)
    if trainer.dropout is not None:
        trainer.dropout = trainer.dropout._replace(seed=_number(settings, "dropout_seed"))
    run.recovery = Recovery(**settings["recovery"])
    if settings["patience"] is not None:
        run.patience = Patience(**settings["patience"])
    if "members" in arrays:
        vector = trainer.members.vector
        trainer.members.restore(_like(vector, arrays["members"]))
        of_optimizer = {
            name.removeprefix(_OPTIMIZER): array.copy()  # a file's arrays are read-only
            for name, array in arrays.items()
            if name.startswith(_OPTIMIZER)
        }
        trainer.optimizer = optimizer_from(settings["optimizer"], of_optimizer, vector)
    for name in _VECTORS:
        if name in arrays:
            setattr(run, name, _like(trainer.members.vector, arrays[name]))


def _number(settings: Mapping[str, Any], name: str) -> Any:
    value = settings[name]
    if not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r:.50}; expected a number")
    return value


def _like(expected: Array, found: Array) -> Array:
    if (found.shape, found.dtype) != (expected.shape, expected.dtype):
        raise ValueError(
            f"{found.dtype} {found.shape} where {expected.dtype} {expected.shape} belongs"
        )
    return found
