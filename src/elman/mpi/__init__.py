"""Training by all processes of an MPI job at once: ``mpiexec -n 4 python train.py``.

Each process, a *rank*, runs the same script on the same data, holds all parameters and draws the same
random numbers. In ``fit`` each computes a block of every batch's shards, and they exchange sums of
gradients (``joining``). So any number of ranks gives the same bits.
"""

from elman.mpi.job import SWITCH, rank, ranks, taking_part, together

__all__ = ["SWITCH", "rank", "ranks", "taking_part", "together"]
