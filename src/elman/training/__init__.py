"""Training: optimizers, learning-rate schedules, clipping, and the loop over epochs."""

from elman.training.budget import (
    MANY_MEMBERS,
    N_UPDATES,
    batch_size_for,
    batch_size_of,
    epochs_for,
    epochs_of,
    members_for,
    steps_of_batches,
)
from elman.training.optimizers import (
    OPTIMIZERS,
    Optimizer,
    clip_norm,
    make_optimizer,
    optimizer_arrays,
    optimizer_from,
    optimizer_settings,
)
from elman.training.progress import Callback, Progress, Row
from elman.training.run import Moment, Run, train
from elman.training.schedules import SCHEDULES, constant, cosine
from elman.training.state import State, go_on, state_of
from elman.training.trainer import Trainer

__all__ = [
    "MANY_MEMBERS",
    "N_UPDATES",
    "OPTIMIZERS",
    "SCHEDULES",
    "Callback",
    "Moment",
    "Optimizer",
    "Progress",
    "Row",
    "Run",
    "State",
    "Trainer",
    "batch_size_for",
    "batch_size_of",
    "clip_norm",
    "constant",
    "cosine",
    "epochs_for",
    "epochs_of",
    "go_on",
    "make_optimizer",
    "members_for",
    "optimizer_arrays",
    "optimizer_from",
    "optimizer_settings",
    "state_of",
    "steps_of_batches",
    "train",
]
