"""The losses: how far answers are from their targets. One file each, and a table of them."""

from __future__ import annotations

from typing import Any

from elman.equations.losses.absolute_error import AbsoluteError
from elman.equations.losses.cross_entropy import CrossEntropy
from elman.equations.losses.loss import Loss
from elman.equations.losses.poisson import Poisson
from elman.equations.losses.quantile import Quantile
from elman.equations.losses.squared_error import SquaredError
from elman.equations.naming import decode, encode, require_hashable

LOSSES: dict[str, type[Loss]] = {
    loss.name: loss for loss in (CrossEntropy, SquaredError, AbsoluteError, Quantile, Poisson)
}
"""The losses by name."""


def as_loss(loss: Any) -> Loss:
    """Return the loss of this name, or a loss as it is.

    Raises
    ------
    ValueError
        If it is neither the name of a loss nor a loss.
    """
    if isinstance(loss, Loss):
        require_hashable(loss)
        return loss
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(
            f"loss must be one of {', '.join(LOSSES)}, or an instance of elman.Loss; got {loss!r}"
        )
    return LOSSES[loss]()


def encode_loss(loss: str | Loss) -> str | dict[str, Any]:
    """Return a loss's name, or its name and settings, in plain types for a model file."""
    return encode(loss, LOSSES)


def decode_loss(encoded: Any) -> str | Loss:
    """Make a loss from what ``encode_loss`` returned.

    Raises
    ------
    ValueError
        If there is no loss of that name here, or it does not take these settings.
    """
    loss: str | Loss = decode(encoded, LOSSES, Loss, "loss")
    return loss


__all__ = [
    "LOSSES",
    "AbsoluteError",
    "CrossEntropy",
    "Loss",
    "Poisson",
    "Quantile",
    "SquaredError",
    "as_loss",
    "decode_loss",
    "encode_loss",
]
