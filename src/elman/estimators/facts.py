"""What the ranks of an MPI job have to have in common before they train one model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any
from zlib import crc32

import numpy as np
from sklearn.base import BaseEstimator

from elman.estimators.fitted import Fitted
from elman.training import Trainer

_OF_EACH = ("n_jobs", "random_state", "verbose")  # of a rank's own, or seen in what was drawn


def facts(
    estimator: BaseEstimator, fitted: Fitted, trainer: Trainer, data: Mapping[str, str]
) -> dict[str, Any]:
    """Name all that has to be the same, by its value or by a digest of it; ``data`` has digests."""
    sequences, vocabulary = trainer.examples.sequences, fitted.format.vocabulary
    settings = {
        name: value
        for name, value in sorted(estimator.get_params(deep=False).items())
        if name not in _OF_EACH and isinstance(value, bool | int | float | str | tuple | None)
    }
    return {
        "the version of elman": sys.modules["elman"].__version__,
        "the version of NumPy": np.__version__,
        "the version of Numba": version("numba"),
        "the estimator": type(estimator).__name__,
        **settings,
        "the number of sequences": len(sequences),
        "the number of steps": len(sequences.values),
        "the lengths of the sequences": _digest(sequences.lengths),
        **{name: f"data with digest {crc32(of.encode()):08x}" for name, of in data.items()},
        "the tokens that are known": vocabulary and _digest_of_text(repr(vocabulary.tokens)),
        "the mean of X": _digest(fitted.front_end.mean),
        "the deviation of X": _digest(fitted.front_end.scale),
        "the network": fitted.network.architecture,
        "the parameters to begin with": _digest(trainer.members.vector),
        "the state of random numbers": _digest_of_text(repr(fitted.rng.bit_generator.state)),
    }


def outcome(trainer: Trainer) -> dict[str, Any]:
    """Name what has to be the same when training ends."""
    return {"the weights in the end": _digest(trainer.members.vector)}


def _digest_of_text(text: str) -> str:
    return _digest(np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8))


def _digest(values: Any) -> str:
    array = np.ascontiguousarray(values)
    return f"{array.shape} {array.dtype} with digest {crc32(array.reshape(-1).view(np.uint8).data):08x}"
