"""The facts that must be the same for all ranks of an MPI job before they train one model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any
from zlib import crc32

import numpy as np
from sklearn.base import BaseEstimator

from elman.data import Sequences
from elman.data.totals import Readers
from elman.estimators.fitted import Fitted
from elman.mpi import taking_part
from elman.training import Trainer

_OF_EACH = ("n_jobs", "random_state", "verbose")  # may differ, or differ in the weights


def readers_of(estimator: BaseEstimator, goes_on: bool, sequences: Sequences) -> Readers | None:
    """Return the ranks that read sequences together; None if each reads all, as it does in memory.

    Before that, the ranks compare what they are about to read, and with which settings.
    """
    ranks = taking_part()
    if ranks is None:
        return None
    stored = "in a file" if sequences.in_files else "in memory"
    ranks.compare(
        _shape(estimator, sequences)
        | {
            "whether training goes on from a model": "yes" if goes_on else "no",
            "the number of features": sequences.n_features,
            "the type of X": sequences.values.dtype,
            "how X is stored (in memory, or in a file)": stored,
        }
    )
    return ranks if sequences.in_files else None


def of_data(digests: Mapping[str, str]) -> dict[str, Any]:
    """The data, by their digests."""
    return {name: f"data with digest {crc32(of.encode()):08x}" for name, of in digests.items()}


def facts(estimator: BaseEstimator, fitted: Fitted, trainer: Trainer) -> dict[str, Any]:
    """All other facts that have to be the same, by value or by digest."""
    vocabulary = fitted.format.vocabulary
    return {
        **_shape(estimator, trainer.examples.sequences),
        "the tokens that are known": vocabulary and _digest_of_text(repr(vocabulary.tokens)),
        "the mean of X": _digest(fitted.front_end.mean),
        "the deviation of X": _digest(fitted.front_end.scale),
        "the network": fitted.network.architecture,
        "the parameters to begin with": _digest(trainer.members.vector),
        "the state of random numbers": _digest_of_text(repr(fitted.rng.bit_generator.state)),
    }


def _shape(estimator: BaseEstimator, sequences: Sequences) -> dict[str, Any]:
    """The versions, the settings, and the lengths of the sequences."""
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
    }


def outcome(trainer: Trainer) -> dict[str, Any]:
    """The fact that has to be the same when training ends."""
    return {"the weights in the end": _digest(trainer.members.vector)}


def _digest_of_text(text: str) -> str:
    return _digest(np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8))


def _digest(values: Any) -> str:
    array = np.ascontiguousarray(values)
    return f"{array.shape} {array.dtype} with digest {crc32(array.reshape(-1).view(np.uint8).data):08x}"
