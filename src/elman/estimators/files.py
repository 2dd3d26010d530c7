"""A fitted estimator as a model file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from elman.engines import ENGINES
from elman.estimators.fitted import Fitted
from elman.estimators.hyperparameters import generator
from elman.estimators.inputs import InputFormat
from elman.network import Network, parameters_from
from elman.persistence import Model, write_model

if TYPE_CHECKING:
    from elman.estimators.base import BaseRNN

RNN = TypeVar("RNN", bound="BaseRNN")


def write_estimator(estimator: BaseRNN, fitted: Fitted, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator to a model file."""
    format = fitted.format
    settings = {
        "params": _encode_params(estimator.get_params()),
        "architecture": asdict(fitted.network.architecture),
        "classes": fitted.classes.tolist(),
        "classes_dtype": fitted.classes.dtype.str,
        "n_features_in": format.n_columns,
        "feature_names_in": list(format.names or ()),
        "fitted_on_rows": format.on_rows,
        "history": fitted.history,
    }
    arrays = {**fitted.network.parameters, "mean": fitted.mean, "scale": fitted.scale}
    write_model(path, type(estimator).__name__, settings, arrays)


def estimator_from(kind: type[RNN], model: Model) -> RNN:
    """Put an estimator together again from what a model file holds of it."""
    _, settings, arrays = model
    estimator = kind(**_decode_params(settings["params"]))
    parameters = parameters_from(settings["architecture"], arrays)
    D, K = parameters.architecture.n_features, parameters.architecture.n_outputs
    format = InputFormat(
        n_columns=settings["n_features_in"],
        n_features=D,
        on_rows=settings["fitted_on_rows"],
        names=tuple(settings["feature_names_in"]) or None,
    )
    fitted = Fitted(
        Network.from_parameters(parameters, estimator._make_engine()),
        arrays["mean"],
        arrays["scale"],
        np.array(settings["classes"], dtype=settings["classes_dtype"]),
        format,
        generator(estimator.random_state),
        settings["history"],
    )
    if (
        fitted.mean.shape != (D,)
        or fitted.scale.shape != (D,)
        or fitted.classes.shape != (K,)
        or format.n_columns % D
        or (format.n_columns != D and not format.on_rows)
    ):
        raise ValueError(f"classes or features are not those of {parameters.architecture}")
    estimator._fitted = fitted
    return estimator


def _encode_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Make parameters plain: JSON has no tuples, and its mappings have no keys but text."""
    encoded = dict(params, n_jobs=None)  # a matter of the machine, not of the model
    if not isinstance(params["random_state"], Integral):
        encoded["random_state"] = None
    if isinstance(params["class_weight"], dict):
        encoded["class_weight"] = list(params["class_weight"].items())
    return encoded


def _decode_params(encoded: Mapping[str, Any]) -> dict[str, Any]:
    params = {
        name: tuple(value) if isinstance(value, list) else value for name, value in encoded.items()
    }
    if params["engine"] not in ENGINES:  # another version's; any engine computes the same
        del params["engine"]
    if isinstance(params["class_weight"], tuple):
        params["class_weight"] = dict(params["class_weight"])
    return params
