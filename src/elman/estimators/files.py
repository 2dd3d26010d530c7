"""The state and the parameters of an estimator as a model file."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from elman.data import FrontEnd, Vocabulary
from elman.engines import ENGINES, Engine
from elman.equations import Cell
from elman.equations.cells import decode_cell, encode_cell
from elman.equations.losses import Loss, decode_loss, encode_loss
from elman.estimators.answers import Classes, Numbers
from elman.estimators.fitted import Fitted
from elman.estimators.hyperparameters import generator
from elman.estimators.inputs import InputFormat
from elman.network import Network
from elman.persistence import Model, parameters_from
from elman.training import optimizer_arrays, optimizer_from, optimizer_settings

_OPTIMIZER = "optimizer."
"""The beginning of the names of the optimizer's arrays."""


def model_of(
    kind: str, params: Mapping[str, Any], fitted: Fitted, *, optimizer: bool = False
) -> Model:
    """The contents of a model file for a fitted estimator.

    Parameters
    ----------
    kind : str
        The estimator's class.
    params : dict
        From ``get_params``.
    fitted : Fitted
    optimizer : bool
        Whether to include the optimizer and the generator, so that training can be continued.

    Raises
    ------
    ValueError
        If its parts do not make a model, because the file could not be loaded.
    """
    _check_parts(fitted)
    answers, format = fitted.answers, fitted.format
    settings = {
        "params": encode_params(params),
        "architecture": fitted.network.architecture.settings,
        **answers.settings,
        "n_features_in": format.n_columns,
        "feature_names_in": list(format.names or ()),
        "fitted_on_rows": format.on_rows,
        "front_end": fitted.front_end.settings,
        "history": fitted.history,
        **({} if format.reading is None else {"reading": format.reading}),
        **({} if format.vocabulary is None else {"vocabulary": format.vocabulary.settings}),
        "n_sequences_seen": fitted.n_seen,
        **({} if fitted.n_members == 1 else {"n_members": fitted.n_members}),
    }
    arrays = {**fitted.network.parameters, **fitted.front_end.arrays, **answers.arrays}
    if optimizer:
        settings["generator"] = fitted.rng.bit_generator.state
        if fitted.optimizer is not None:
            settings["optimizer"] = optimizer_settings(fitted.optimizer)
            of_optimizer = optimizer_arrays(fitted.optimizer).items()
            arrays |= {_OPTIMIZER + name: array for name, array in of_optimizer}
    return Model(kind, settings, arrays)


def params_from(model: Model) -> dict[str, Any]:
    """Return an estimator's parameters from a model file's contents."""
    return _decode_params(model.settings["params"])


def fitted_from(
    model: Model, kind: type[Classes | Numbers], engine: Engine, random_state: Any
) -> Fitted:
    """Make a fitted state again from a model file; the caller gives what the file does not have.

    ``random_state`` makes a generator if the file has none.
    """
    _, settings, arrays = model
    parameters = parameters_from(settings["architecture"], arrays)
    front_end = FrontEnd.from_model(settings.get("front_end"), arrays)
    names = settings["feature_names_in"]
    format = InputFormat(
        n_columns=settings["n_features_in"],
        n_features=front_end.n_features,
        on_rows=settings["fitted_on_rows"],
        names=tuple(names) if names else None,
        reading=settings.get("reading"),
        vocabulary=Vocabulary.from_settings(settings["vocabulary"])
        if "vocabulary" in settings
        else None,
    )
    fitted = Fitted(
        Network.from_parameters(parameters, engine),
        front_end,
        kind.from_model(settings, arrays, parameters.architecture.loss_function),
        format,
        _generator(settings["generator"]) if "generator" in settings else generator(random_state),
        settings["history"],
        n_seen=settings.get("n_sequences_seen"),
        n_members=settings.get("n_members", 1),
    )
    _check_parts(fitted)
    if "optimizer" in settings:
        of_optimizer = {
            name.removeprefix(_OPTIMIZER): array.copy()  # a file's arrays are read-only
            for name, array in arrays.items()
            if name.startswith(_OPTIMIZER)
        }
        fitted.optimizer = optimizer_from(settings["optimizer"], of_optimizer, parameters.vector)
    return fitted


def _generator(state: Mapping[str, Any]) -> np.random.Generator:
    rng = np.random.default_rng(0)
    rng.bit_generator.state = state
    return rng


def _check_parts(fitted: Fitted) -> None:
    """Refuse an estimator whose parts would give wrong answers, or none."""
    architecture, format = fitted.network.architecture, fitted.format
    fitted.answers.check(architecture)
    fitted.front_end.check()
    D, n_inputs = fitted.front_end.n_features, fitted.front_end.n_inputs
    if n_inputs != architecture.n_inputs:
        raise ValueError(
            f"the front end makes {n_inputs} features of the {D} of a step; the network takes "
            f"{architecture.n_inputs}"
        )
    vocabulary = format.vocabulary
    if architecture.tokens != (vocabulary is not None):
        raise ValueError("a vocabulary belongs to a network of tokens, and to no other")
    if vocabulary is not None:
        vocabulary.check()
        if len(vocabulary) != architecture.n_features or not fitted.front_end.changes_nothing:
            raise ValueError(
                f"a vocabulary of {len(vocabulary)} columns for a network of "
                f"{architecture.n_features}; tokens go into it as they are"
            )
    n_columns: Any = format.n_columns  # from a file, anything
    if not isinstance(n_columns, Integral) or n_columns < 1 or n_columns % D:
        raise ValueError(f"n_features_in_ is {n_columns!r}; expected a multiple of {D}")
    if n_columns != D and not format.on_rows:
        raise ValueError(f"n_features_in_ is {n_columns}; expected {D}")
    names = format.names
    if names is not None and (
        len(names) != n_columns or not all(isinstance(name, str) for name in names)
    ):
        raise ValueError(f"feature_names_in_ must be {n_columns} names; got {len(names)}")
    if not isinstance(format.reading, Mapping | None):
        raise ValueError(f"reading must be a mapping; got {format.reading!r:.50}")
    n_seen: Any = fitted.n_seen
    if n_seen is not None and (isinstance(n_seen, bool) or not isinstance(n_seen, int)):
        raise ValueError(f"n_sequences_seen_ is {n_seen!r}; expected a whole number")
    M: Any = fitted.n_members
    if not isinstance(M, int) or M < 1 or any(H % M for H in architecture.hidden):
        raise ValueError(f"n_members is {M!r}, of layers of {architecture.hidden} units")
    if not all(
        isinstance(row, dict) and isinstance(row.get("loss"), Real) for row in fitted.history
    ):
        raise ValueError("history_ must be a list of dicts, each with the loss of an epoch")


def encode_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Turn parameters into JSON's types, which has no tuples, and only text as keys."""
    # they depend on the machine, not on the model
    encoded = dict(params, n_jobs=None, checkpoint_steps="auto")
    if not isinstance(params["hidden_layer_sizes"], Integral):
        encoded["hidden_layer_sizes"] = list(params["hidden_layer_sizes"])
    cell = params["cell"]
    is_one = isinstance(cell, str | Cell)
    encoded["cell"] = encode_cell(cell) if is_one else [encode_cell(one) for one in cell]
    if not isinstance(params["random_state"], Integral):
        encoded["random_state"] = None
    if isinstance(params.get("class_weight"), dict):
        encoded["class_weight"] = list(params["class_weight"].items())
    if isinstance(params.get("loss"), Loss):
        encoded["loss"] = encode_loss(params["loss"])
    if not isinstance(params.get("quantile"), Real | None):
        encoded["quantile"] = list(params["quantile"])
    return encoded


def _decode_params(encoded: Mapping[str, Any]) -> dict[str, Any]:
    # Older files do not have front ends, readouts, a rate of W and members.
    params: dict[str, Any] = {
        "frame": None,
        "differences": False,
        "readout": "last",
        "recurrent_rate": 1.0,
        "n_members": 1,
    }
    params |= {
        name: tuple(value) if isinstance(value, list) else value for name, value in encoded.items()
    }
    cell = params["cell"]
    is_one = not isinstance(cell, tuple)
    params["cell"] = decode_cell(cell) if is_one else tuple(decode_cell(one) for one in cell)
    if params["engine"] not in ENGINES:  # any engine computes the same
        del params["engine"]
    if isinstance(params.get("class_weight"), tuple):
        params["class_weight"] = dict(params["class_weight"])
    if isinstance(params.get("loss"), dict):
        params["loss"] = decode_loss(params["loss"])
    return params
