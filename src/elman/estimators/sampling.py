"""Drawing sequences from a model that predicts the next token."""

from __future__ import annotations

from typing import Any

import numpy as np

from elman._typing import Array
from elman.data.tokens import Token, token_lists
from elman.engines import Engine
from elman.errors import DataError
from elman.estimators.fitted import Fitted


def sampled(
    fitted: Fitted,
    engine: Engine,
    classes: Array,
    n: int,
    prompt: Any,
    temperature: float,
    rng: np.random.Generator,
) -> str | list[Token]:
    """Draw tokens one after another, each from the answer to those before it.

    Parameters
    ----------
    fitted : Fitted
    engine : Engine
    classes : array (K,)
        The labels that the model predicts.
    n, prompt, temperature
        As in ``RNNTagger.sample``.
    rng : numpy.random.Generator

    Raises
    ------
    DataError
        If the model was not trained on the next token, or the prompt is not tokens of its kind.
    """
    vocabulary, parameters = fitted.format.vocabulary, fitted.network.parameters
    tokens: list[Token] = classes.tolist()
    if vocabulary is None or not any(token in vocabulary.columns for token in tokens):
        raise DataError(
            "sample draws the next token, and this model's labels are "
            f"{', '.join(map(repr, tokens[:3]))}, which are no tokens of its X. Fit it with the "
            "next token at each step for y: fit([text[:-1]], [text[1:]])."
        )
    dtype = parameters.vector.dtype
    find, unknown = vocabulary.columns.get, vocabulary.unknown
    column_of = np.array([[find(token, unknown)] for token in tokens], dtype)  # (K, 1)
    steps = np.array([[unknown]], dtype)  # no token comes before
    if len(prompt):
        steps = vocabulary.encoded(token_lists([prompt], "prompt"), dtype, "prompt").values
    state = engine.initial_state(parameters, None, np.zeros(1, dtype), np.ones(1, dtype))
    for x_t in steps:
        y_hat, state = state.step(x_t)
    drawn = []
    for _ in range(n):
        k = _drawn(y_hat, temperature, rng)
        drawn.append(tokens[k])
        y_hat, state = state.step(column_of[k])
    return "".join(map(str, drawn)) if vocabulary.are_characters else drawn


def _drawn(y_hat: Array, temperature: float, rng: np.random.Generator) -> int:
    """Draw k with probability ŷ_k^(1/temperature) / Σ; at 0, the most probable one."""
    if temperature == 0:
        return int(y_hat.argmax())
    with np.errstate(divide="ignore"):  # a probability may have underflowed to 0
        z = np.log(y_hat.astype(np.float64))
    with np.errstate(over="ignore"):  # near temperature 0, all but the highest are far below it
        until = np.cumsum(np.exp((z - z.max()) / temperature))
    return int(np.searchsorted(until, rng.random() * until[-1], side="right"))
