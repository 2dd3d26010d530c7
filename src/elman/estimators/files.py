"""A fitted estimator as a model file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from elman.engines import ENGINES
from elman.estimators.hyperparameters import generator
from elman.network import Network, parameters_from
from elman.persistence import Model, write_model

if TYPE_CHECKING:
    from elman.estimators.base import BaseRNN

RNN = TypeVar("RNN", bound="BaseRNN")


def write_estimator(estimator: BaseRNN, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator to a model file."""
    settings = {
        "params": _encode_params(estimator.get_params()),
        "architecture": asdict(estimator.network_.architecture),
        "classes": estimator.classes_.tolist(),
        "classes_dtype": estimator.classes_.dtype.str,
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": getattr(estimator, "feature_names_in_", np.empty(0)).tolist(),
        "fitted_on_rows": estimator._fitted_on_rows,
        "history": estimator.history_,
    }
    arrays = {
        **estimator.network_.parameters,
        "mean": estimator.mean_,
        "scale": estimator.scale_,
    }
    write_model(path, type(estimator).__name__, settings, arrays)


def estimator_from(kind: type[RNN], model: Model) -> RNN:
    """Put an estimator together again from what a model file holds of it."""
    _, settings, arrays = model
    estimator = kind(**_decode_params(settings["params"]))
    parameters = parameters_from(settings["architecture"], arrays)
    estimator.network_ = Network.from_parameters(parameters, estimator._make_engine())
    estimator.mean_, estimator.scale_ = arrays["mean"], arrays["scale"]
    estimator.classes_ = np.array(settings["classes"], dtype=settings["classes_dtype"])
    estimator.n_features_in_ = settings["n_features_in"]
    if settings["feature_names_in"]:
        estimator.feature_names_in_ = np.array(settings["feature_names_in"], dtype=object)
    estimator._fitted_on_rows = settings["fitted_on_rows"]
    estimator.history_ = settings["history"]
    estimator._rng = generator(estimator.random_state)

    D, K = parameters.architecture.n_features, parameters.architecture.n_outputs
    n_columns = estimator.n_features_in_
    if (
        estimator.mean_.shape != (D,)
        or estimator.scale_.shape != (D,)
        or estimator.classes_.shape != (K,)
        or n_columns % D
        or (n_columns != D and not estimator._fitted_on_rows)
    ):
        raise ValueError(f"classes or features are not those of {parameters.architecture}")
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
