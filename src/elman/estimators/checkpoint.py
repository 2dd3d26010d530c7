"""Checkpoints: model files from which a training can be continued, written while it runs.

In addition to a model file with ``optimizer=True``, a checkpoint has ``training`` in its settings (what
``training.state`` collects, digests of the data, when it is written) and arrays whose names begin with
``training.``. So ``elman.load`` reads one as the model that it was at that moment.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import InvalidParameterError

from elman._files import try_to_replace
from elman._typing import Array
from elman.data import Examples
from elman.data.digest import digests, storage
from elman.engines import Engine
from elman.errors import DataError, ModelFileError
from elman.estimators.answers import Classes, Numbers
from elman.estimators.files import encode_params, fitted_from, model_of, params_from
from elman.estimators.fitted import Fitted
from elman.persistence import (
    Model,
    NotFiniteError,
    fitting_together,
    plain,
    read_model,
    write_model,
)
from elman.training import Moment, Run, State, Trainer, go_on, state_of

logger = logging.getLogger("elman")

VERSION = 2
"""The version of the contents of ``training``."""

_SHARE = 20
"""At the end of epochs, writing takes at most the time divided by this."""

# Parameters that change no bit of the result.
_FREE = {"verbose", "warm_start", "n_jobs", "checkpoint_steps"}

_PREFIX = "training."


@dataclass(frozen=True)
class Checkpoint:
    """Where, and how often, to save a training so that it can be continued.

    The file is always replaced as a whole. If it cannot be written during training, the log says so
    once, and training continues; the last file that was written stays.

    Parameters
    ----------
    path : path
        The file. Training does not begin if it exists already.
    every : float, optional
        Seconds between two writings, also within an epoch; 0 writes after each update. If left out,
        the file is written at the end of each epoch, but less often if writing would take more than a
        twentieth of the time. It is always written when training ends.
    about : mapping, optional
        Anything else that the file should hold: plain numbers, text, lists and mappings of text.
    """

    path: str | os.PathLike[str]
    every: float | None = None
    about: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse a value that is not a length of time."""
        if self.every is not None and not 0 <= self.every < float("inf"):
            raise ValueError(f"every={self.every!r} of a Checkpoint; expected seconds, 0 or more")


class Resumed:
    """A training that is continued from its checkpoint.

    Parameters
    ----------
    path : path
    estimator : BaseRNN
        The estimator that continues; its parameters must be those of the file.

    Raises
    ------
    ModelFileError
        If the file is damaged, is not a checkpoint, or is that of another kind of estimator.
    InvalidParameterError
        If a parameter that changes the result is different.
    OSError
        If there is no such file, or it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str], estimator: BaseEstimator) -> None:
        self.path = path
        self.model = read_model(path, kind=type(estimator).__name__)
        self.settings = training_of(self.model, path)
        with fitting_together(path):
            before = type(estimator)(**params_from(self.model)).get_params()
        _require_same_params(path, before, estimator)

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint to write while the training continues, unless the user gives another."""
        return Checkpoint(self.path, self.settings["every"], self.settings["about"])

    @property
    def _arrays(self) -> dict[str, Array]:
        return {
            name.removeprefix(_PREFIX): array
            for name, array in self.model.arrays.items()
            if name.startswith(_PREFIX)
        }

    @property
    def parts(self) -> tuple[Array, Array] | None:
        """The numbers of the sequences to learn from, and of those kept aside; None if none are."""
        arrays = self._arrays
        return (arrays["kept"], arrays["held_out"]) if "kept" in arrays else None

    @property
    def n_members(self) -> int:
        """The number of networks that are trained side by side."""
        return int(self.settings.get("n_members", 1))

    def require_data(self, found: Mapping[str, str]) -> None:
        """Raise a DataError if the data differ from those at the start of the training."""
        begun = self.settings["data"]
        differing = [name for name in {**begun, **found} if begun.get(name) != found.get(name)]
        if differing:
            raise DataError(
                f"{self.path} belongs to a training on other data: {', '.join(differing)} "
                f"{'are' if len(differing) > 1 else 'is'} not the same as at its start. Pass the same "
                "data, in the same order, or start a new training."
            )

    def fitted(self, answers: type[Classes | Numbers], engine: Engine) -> Fitted:
        """The state of fitting that is in the file."""
        with fitting_together(self.path):
            return fitted_from(self.model, answers, engine, random_state=0)

    def go_on(self, trainer: Trainer, run: Run) -> None:
        """Bring a trainer and a run to the state in the file."""
        with fitting_together(self.path):
            go_on(trainer, run, State(self.settings, self._arrays))


def training_of(model: Model, path: str | os.PathLike[str]) -> dict[str, Any]:
    """The part of a checkpoint about its training.

    Raises
    ------
    ModelFileError
        If the file is only a model, or a checkpoint of a version that this elman does not know.
    """
    settings: Any = model.settings.get("training")
    if not isinstance(settings, dict):
        raise ModelFileError(
            f"{path} is a model, not a checkpoint: it does not hold what is needed to continue its "
            "training. A training that can be continued has a checkpoint: fit(…, checkpoint=…), on the "
            "command line elman train … --checkpoint FILE. A model is trained further in Python, by "
            "partial_fit or with warm_start=True."
        )
    if settings.get("version") != VERSION:
        raise ModelFileError(
            f"{path} is a checkpoint of version {settings.get('version')!s:.20}; this elman reads "
            f"version {VERSION}. Use the version of elman that wrote it."
        )
    return settings


def _require_same_params(
    path: str | os.PathLike[str], before: Mapping[str, Any], estimator: BaseEstimator
) -> None:
    def as_in_a_file(params: Mapping[str, Any]) -> dict[str, Any]:
        encoded: dict[str, Any] = json.loads(json.dumps(encode_params(params), default=plain))
        return encoded

    begun, now = as_in_a_file(before), as_in_a_file(estimator.get_params())
    differing = [name for name in now if begun[name] != now[name] and name not in _FREE]
    if differing:
        of = ", ".join(f"{name}={begun[name]!r} (here {now[name]!r})" for name in differing)
        raise InvalidParameterError(
            f"{path} was begun by a {type(estimator).__name__} with {of}. Set "
            f"{'them' if len(differing) > 1 else 'it'} back, or begin anew."
        )


def checkpoint_for(
    given: str | os.PathLike[str] | Checkpoint | None, resumed: Resumed | None
) -> Checkpoint | None:
    """Find out where to save a training, if anywhere, and check that it can be written.

    Raises
    ------
    FileExistsError
        If a new training would replace a file.
    OSError
        If the file cannot be written.
    """
    if given is None:
        checkpoint = None if resumed is None else resumed.checkpoint
    elif isinstance(given, Checkpoint):
        checkpoint = given
    else:
        checkpoint = Checkpoint(given)
    if checkpoint is None:
        return None
    path = Path(checkpoint.path)
    if path.exists() and not (resumed is not None and path.samefile(resumed.path)):
        raise FileExistsError(
            f"{path} exists already. To go on from it: fit(…, resume={str(path)!r}), or `elman resume "
            f"{path}`. To begin anew, remove it or take another name."
        )
    try_to_replace(path)
    if resumed is not None and checkpoint.about is None:
        checkpoint = replace(checkpoint, about=resumed.settings["about"])
    return checkpoint


def digests_of(examples: Examples, validation: Examples | None) -> dict[str, str]:
    """Digests of the data of a training."""
    found = digests(examples)
    found["how X is stored (in memory, or in a file)"] = storage(examples)
    if validation is not None:
        found["validation_data"] = " ".join(digests(validation).values())
    return found


class Origin(NamedTuple):
    """The parts of a checkpoint that do not change during the training.

    Attributes
    ----------
    kind : str
        The estimator's class.
    params : dict
        From ``get_params``.
    fitted : Fitted
        Its parts are changed in place.
    data : dict
        From ``digests_of``.
    parts : (array, array) or None
        The numbers of the sequences to learn from, and of those kept aside.
    """

    kind: str
    params: dict[str, Any]
    fitted: Fitted
    data: dict[str, str]
    parts: tuple[Array, Array] | None


class Keeper:
    """Writes a checkpoint whenever it is due; ``train`` calls it."""

    def __init__(self, checkpoint: Checkpoint, origin: Origin, trainer: Trainer, run: Run) -> None:
        self.checkpoint = checkpoint
        self.origin = origin
        self.trainer = trainer
        self.run = run
        self.is_written = True
        self._n_before = len(run.history)
        self._ended, self._took = time.monotonic(), 0.0  # the last writing

    def __call__(self, moment: Moment) -> None:
        """Write, if it is due."""
        every, since = self.checkpoint.every, time.monotonic() - self._ended
        if every is not None:
            is_due = since >= every
        else:
            is_due = moment == "epoch" and since >= (_SHARE - 1) * self._took
        if is_due or moment == "end":
            started = time.monotonic()
            self._write()
            self._ended = time.monotonic()
            self._took = self._ended - started

    def _write(self) -> None:
        path = self.checkpoint.path
        try:
            write_model(path, *self._model())
        except NotFiniteError:  # training diverges; the next update reports it
            return
        except OSError as error:
            if self.is_written:
                logger.warning(
                    "the checkpoint could not be written: %s; training goes on, and what was written "
                    "last stays",
                    error,
                )
            self.is_written = False
        else:
            if not self.is_written:
                logger.warning("the checkpoint is written again: %s", path)
            self.is_written = True

    def _model(self) -> Model:
        kind, params, fitted, data, parts = self.origin
        fitted = replace(fitted)
        n_epochs = len(self.run.history) - self._n_before
        fitted.saw(len(self.trainer.examples.sequences), n_epochs)
        model = model_of(kind, params, fitted, optimizer=True)
        settings, arrays = state_of(self.trainer, self.run)
        if parts is not None:
            arrays = {**arrays, "kept": parts[0], "held_out": parts[1]}
        training = {
            "version": VERSION,
            "every": self.checkpoint.every,
            "about": self.checkpoint.about,
            "data": data,
            **settings,
        }
        return Model(
            kind,
            {**model.settings, "training": training},
            {**model.arrays, **{_PREFIX + name: array for name, array in arrays.items()}},
        )
