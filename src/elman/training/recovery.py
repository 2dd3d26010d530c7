"""What happens when training diverges: it goes on from good weights, at half the rate, or it fails."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from elman.errors import DivergenceError
from elman.training.trainer import Trainer

logger = logging.getLogger("elman")

MAX_WITHOUT_AN_EPOCH = 5
"""After so many recoveries without a complete epoch, the next divergence is an error."""

MAX_IN_ALL = 8
"""After so many recoveries in all, the next divergence is an error; the rate is 1/256 by then."""


@dataclass
class Recovery:
    """The recoveries of one training: how many there were, and messages about them.

    Attributes
    ----------
    n_in_all, n_without_an_epoch : int
        The recoveries in all, and those since the last complete epoch.
    first : str
        The message of the first divergence since the last complete epoch.
    said : list of str
        The messages for the row of the epoch that is not complete yet.
    """

    n_in_all: int = 0
    n_without_an_epoch: int = 0
    first: str = ""
    said: list[str] = field(default_factory=list)

    def go_on(self, trainer: Trainer, n_updates: int, error: DivergenceError) -> None:
        """Let a trainer go on after a divergence, at half the learning rate.

        The caller has restored good weights. The schedule goes on after ``n_updates`` updates.

        Raises
        ------
        DivergenceError
            If there were too many recoveries.
        """
        self.first = self.first or str(error)
        if self.n_in_all == MAX_IN_ALL or self.n_without_an_epoch == MAX_WITHOUT_AN_EPOCH:
            raise DivergenceError(self._in_vain(trainer.rate_factor)) from None
        self.n_in_all += 1
        self.n_without_an_epoch += 1
        trainer.back_off(n_updates)
        share = _share(trainer.rate_factor)
        note = f"{error} It went on from the last good weights, with {share} of the learning rate."
        if self.n_in_all > 1:  # the first message said how it happened
            note = f"{str(error).partition(':')[0]}; it went on with {share} of the learning rate."
        logger.info(note)
        self.said.append(note)

    def notes(self) -> str:
        """Return the messages for an epoch that is now complete, as one text, and forget them."""
        text = " ".join(self.said)
        self.said.clear()
        self.n_without_an_epoch, self.first = 0, ""
        return text

    def _in_vain(self, rate_factor: float) -> str:
        """Say what happened first, what was tried, and what the user can do."""
        return (
            f"{self.first} It had gone on {self.n_in_all} times from the last good weights, at last "
            f"with {_share(rate_factor)} of the learning rate. Lower the learning rate "
            "(learning_rate_init), or clip the gradient to a smaller norm (clip_norm)."
        )


def _share(factor: float) -> str:
    return f"1/{1 / factor:.0f}"
