"""A small search over the few settings that matter."""

from elman.tuning.suggesting import Suggestion, seconds_in, suggest
from elman.tuning.trials import Progress, Trial, as_text

__all__ = ["Progress", "Suggestion", "Trial", "as_text", "seconds_in", "suggest"]
