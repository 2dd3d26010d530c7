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
    takes_frames: bool = False,
) -> Diagnosis:
    """Judge how far errors get back through time.

    Parameters
    ----------
    reach : array (n_lags,)
        By lag k = 0, 1, …: ‖δ_{t,t-k}‖ / ‖Vᵀ(ŷ_t - y_t)‖, the error k steps back, relative to the
        error that reaches the state from the output. NaN where there is none.
    saturated : float
        The share of saturated units, 0 … 1, over all steps.
    W : array (G_h H, H), or None
        For what to change.
    plain : bool
        Whether the cell is h = f(h_unactivated); the advice for one with gates is another.
    of_all_steps : bool
        Whether the output reads all steps, so that errors enter at each, and lags count from there.
    takes_frames : bool
        Whether ``frame`` can put steps together, and does not yet.

    Returns
    -------
    Diagnosis
        Exploding if an error grows to 1000 times its first size; else, if it falls below a
        thousandth, saturated or vanishing, as three quarters of the units are saturated or not;
        else healthy.
    """
    n_steps = len(reach)
    lags = np.flatnonzero(~np.isnan(reach))
    if not len(lags):
        return Diagnosis("healthy", "The output has no error, so there is no gradient to judge.")
    reach = reach[lags]
    share = f"{saturated:.0%} of the units are saturated"
    largest = int(np.argmax(reach))
    if reach[largest] * NEGLIGIBLE >= 1:
        return Diagnosis(
            "exploding",
            f"The gradient explodes: {_back(lags[largest])} the error is {reach[largest]:.2g} times "
            "as large as at the output. Clip it (clip_norm=1), or lower the learning rate.",
        )
    lost = reach <= NEGLIGIBLE
    if not lost.any():
        return Diagnosis(
            "healthy",
            f"The gradient is healthy: {_back(lags[-1])} the error is {reach[-1]:.2g} times as "
            f"large as at the output. {share}.",
        )
    where = f"{_back(lags[np.argmax(lost)])} less than a thousandth of the error is left"
    if saturated >= MANY_SATURATED:
        return Diagnosis(
            "saturated",
            f"{share} (at their limits), and let no error through: {where}. Standardise the inputs, or "
            "lower the learning rate.",
        )
    sigma = 1.0 if W is None else float(np.linalg.norm(W, ord=2))
    if plain and sigma < SMALL:
        advice = (
            f"W is small: its largest singular value is {sigma:.2g}. Begin with an orthogonal W, as a "
            "new network does, and lower alpha."
        )
    elif plain:
        advice = 'Try cell="gru" or "lstm", or fewer and larger steps.'
    else:
        advice = "Try fewer and larger steps"
        n = -(-n_steps // max(2, int(lags[np.argmax(lost)])))  # so many as get through
        n = min(max(2, n), n_steps // 2)
        advice += "." if not takes_frames or n < 2 else f", with frame=({n}, {n})."
    learns = (
        " The network still learns from each step that the output reads." if of_all_steps else ""
    )
    return Diagnosis("vanishing", f"The gradient vanishes: {where}.{learns} {advice}")


def _back(lag: int) -> str:
    return ("at the output's own step", "1 step back")[lag] if lag < 2 else f"{lag} steps back"
