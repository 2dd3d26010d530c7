"""Applying gradients: optimizers, learning-rate schedules, clipping, and the loop over epochs."""

from elman.training.loop import Progress, Run, Trainer, train
from elman.training.optimizers import OPTIMIZERS, Optimizer, clip_norm, make_optimizer
from elman.training.schedules import SCHEDULES, constant, cosine

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "Optimizer",
    "Progress",
    "Run",
    "Trainer",
    "clip_norm",
    "constant",
    "cosine",
    "make_optimizer",
    "train",
]
