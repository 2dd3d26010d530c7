"""In words: whether the gradient vanishes, explodes, meets saturated units, or is healthy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from elman._typing import Array
from elman.explanation.terms import NEGLIGIBLE

MANY_SATURATED = 0.75
"""The share of saturated units from which on they are to blame (half of relu's may well be off)."""

SMALL = 0.9
"""A largest singular value of W below which W itself is to blame for what vanishes."""


class Diagnosis(NamedTuple):
    """``"vanishing"``, ``"exploding"``, ``"saturated"`` or ``"healthy"``, and a sentence or two."""

    kind: str
    words: str


def diagnose(
    reach: Array,
    saturated: float,
    W: Array | None,
    *,
    plain: bool = True,
    of_all_steps: bool = False,
) -> Diagnosis:
    """Judge how far errors get back through time.

    Parameters
    ----------
    reach : array (n_lags,)
        By lag k = 0, 1, …: ‖δ_{t,t-k}‖ / ‖Vᵀ(ŷ_t - y_t)‖, what is left k steps back of what the
        answer told its state. NaN where it told nothing.
    saturated : float
        The share of saturated units, 0 … 1, over all steps.
    W : array (G_h H, H), or None
        For what to change.
    plain : bool
        Whether the cell is h = f(h_unactivated); the advice for one with gates is another.
    of_all_steps : bool
        Whether the output reads all steps, so that errors enter at each, and lags count from there.

    Returns
    -------
    Diagnosis
        Exploding if an error grows to 1000 times what the answer said; else, if it falls below a
        thousandth, saturated or vanishing, as three quarters of the units are saturated or not;
        else healthy.
    """
    lags = np.flatnonzero(~np.isnan(reach))
    if not len(lags):
        return Diagnosis(
            "healthy", "The answer is right to the last digit: there is no error to send back."
        )
    reach = reach[lags]
    share = f"{saturated:.0%} of the units are saturated"
    largest = int(np.argmax(reach))
    if reach[largest] * NEGLIGIBLE >= 1:
        return Diagnosis(
            "exploding",
            f"The gradient explodes: {_back(lags[largest])} an error is {reach[largest]:.2g} times "
            "what the answer said. Clip it (clip_norm=1), lower the learning rate, and keep the "
            "weights small (a larger alpha).",
        )
    lost = reach <= NEGLIGIBLE
    if not lost.any():
        return Diagnosis(
            "healthy",
            f"The gradient is healthy: {_back(lags[-1])} an error is still {reach[-1]:.2g} times what "
            f"the answer said, and {share}.",
        )
    closed = "their f' is almost 0 and lets" if plain else "they let almost"
    where = f"{_back(lags[np.argmax(lost)])} less than a thousandth of an error is left"
    if saturated >= MANY_SATURATED:
        return Diagnosis(
            "saturated",
            f"{share[0].upper()}{share[1:]}: {closed} no error through, so that "
            f"{where}. Standardise the inputs, keep the weights small (a larger alpha), and lower the "
            "learning rate.",
        )
    before = (
        "The steps that the output reads learn all the same; what led to them from further back hardly "
        "does."
        if of_all_steps
        else "What came before is hardly learned from."
    )
    steps = (
        "or take fewer and larger steps"
        if of_all_steps
        else (
            "take fewer and larger steps, or give earlier steps targets of their own (RNNTagger, "
            "RNNStepRegressor)"
        )
    )
    if not plain:
        return Diagnosis(
            "vanishing",
            f"The gradient vanishes: {where}, and {share}. {before} "
            "The units let go of it step by step: let the gate that holds the state begin open (a "
            "subclass of elman.equations.cells.LSTM or GRU with a larger first_bias of f or z), "
            f"{steps}.",
        )
    sigma = 1.0 if W is None else float(np.linalg.norm(W, ord=2))
    return Diagnosis(
        "vanishing",
        f"The gradient vanishes: {where}, and {share}. {before} "
        + (
            f"W is small, it stretches nothing by more than {sigma:.2g}: begin with an orthogonal one, "
            "as a new network does, and penalise it less (a smaller alpha)."
            if sigma < SMALL
            else "It is f' below 1 that shrinks it step by step: keep U and the inputs small, take "
            f'cells of cell="gru" or "lstm", {steps.replace("take ", "")}.'
        ),
    )


def _back(lag: int) -> str:
    return ("at its own step", "1 step back")[lag] if lag < 2 else f"{lag} steps back"
