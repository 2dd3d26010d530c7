"""What becomes of a training that diverged: it goes on from good weights, slower, or it is an error."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from elman.errors import DivergenceError
from elman.training.trainer import Trainer

logger = logging.getLogger("elman")

MAX_WITHOUT_AN_EPOCH = 5
"""Recoveries without a complete epoch between them, before it is an error."""

MAX_IN_ALL = 8
"""Recoveries of one training, before it is an error: by then the rate is 1/256 of what was asked."""


@dataclass
class Recovery:
    """The recoveries of one training: how many there were, and what to say of them.

    Attributes
    ----------
    n_in_all, n_without_an_epoch : int
    first : str
        What happened first, of those without an epoch between them.
    said : list of str
        What to say of the epoch that is not complete yet.
    """

    n_in_all: int = 0
    n_without_an_epoch: int = 0
    first: str = ""
    said: list[str] = field(default_factory=list)

    def go_on(self, trainer: Trainer, n_updates: int, error: DivergenceError) -> None:
        """Let a trainer go on, whose weights are good again: from so many updates, at half the rate.

        Raises
        ------
        DivergenceError
            If there have been enough of these.
        """
        self.first = self.first or str(error)
        if self.n_in_all == MAX_IN_ALL or self.n_without_an_epoch == MAX_WITHOUT_AN_EPOCH:
            raise DivergenceError(self._in_vain(trainer.rate_factor)) from None
        self.n_in_all += 1
        self.n_without_an_epoch += 1
        trainer.back_off(n_updates)
        note = (
            f"{error} It went on from the last good weights, with {_share(trainer.rate_factor)} of "
            "the learning rate."
        )
        logger.info(note)
        self.said.append(note)

    def notes(self) -> str:
        """What happened on the way to an epoch that is now complete; no text if nothing did."""
        text = " ".join(self.said)
        self.said.clear()
        self.n_without_an_epoch, self.first = 0, ""
        return text

    def _in_vain(self, rate_factor: float) -> str:
        """Say what happened first, what was tried, and what is left to do."""
        return (
            f"{self.first} {self.n_in_all} times the last good weights came back and the learning "
            f"rate was halved, at last to {_share(rate_factor)} of it; it diverged again. Lower the "
            "learning rate (learning_rate_init), or clip the gradient to a smaller norm (clip_norm). "
            "The last good weights are kept."
        )


def _share(factor: float) -> str:
    return f"1/{1 / factor:.0f}"
