"""A small search over the few settings that matter."""

from elman.tuning.suggesting import Suggestion, suggest
from elman.tuning.trials import Progress, Trial

__all__ = ["Progress", "Suggestion", "Trial", "suggest"]
