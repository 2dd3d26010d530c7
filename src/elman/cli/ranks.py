"""The command line as a rank of an MPI job: the first alone prints and writes.

``elman.mpi`` is imported by the command that asks for it.
"""

from __future__ import annotations

import os
import sys

_module = "elman.mpi"


def begin_ranks() -> None:
    """Begin, before anything is read: an error of one rank then ends all in words."""
    from elman.mpi import ranks

    found = ranks()
    if found is not None and found.rank:
        for name in ("stdout", "stderr"):
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123


def rank() -> int:
    """The number of this process among those that train one model; 0 where it is alone."""
    mpi = sys.modules.get(_module)
    return 0 if mpi is None else int(mpi.rank())


def leave_words(message: str) -> None:
    """Let the others hear why this rank ends."""
    from elman.mpi import ranks

    found = ranks()
    if found is not None:
        found.last_words = message
