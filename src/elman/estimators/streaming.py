"""Going through sequences step by step, as their steps come in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elman._typing import Array
from elman.engines import Engine, State
from elman.errors import DataError


class Stream(NamedTuple):
    """Where some sequences are between two steps, and the model they go through.

    Attributes
    ----------
    engine : Engine
    state : State
    mean, scale : arrays (n_features,)
        What standardises a step.
    alone : bool
        Whether steps and answers have no axis for sequences, because there is one.
    """

    engine: Engine
    state: State
    mean: Array
    scale: Array
    alone: bool

    def step(self, x_t: npt.ArrayLike) -> tuple[Array, Stream]:
        """Take one step; see ``BaseRNN.step``."""
        engine, state, mean, scale, alone = self
        x_t = np.asarray(x_t, mean.dtype)
        expected = mean.shape if alone else (state.n_sequences, *mean.shape)
        if x_t.shape != expected:
            raise DataError(
                f"x_t has shape {x_t.shape}; expected {expected}: the features of one step"
                + ("." if alone else ", for each of the sequences side by side.")
            )
        if not np.isfinite(x_t).all():
            raise DataError("x_t contains NaN or infinity; expected finite numbers.")
        x_t = (x_t - mean) / scale
        y_hat, state = engine.step(x_t[None] if alone else x_t, state)
        return y_hat[0] if alone else y_hat, Stream(engine, state, mean, scale, alone)
