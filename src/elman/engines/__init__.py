"""Engines compute one function, forward and backward, each in its own way."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

from elman.engines.carry import Carry
from elman.engines.interface import Engine
from elman.engines.reference import ReferenceEngine
from elman.engines.streaming import State

if TYPE_CHECKING:
    from elman.engines.compiled.summing import Reducer

ENGINES = ("compiled", "reference")
"""The engines by name."""


def get_engine(
    name: str = "compiled", n_jobs: int | None = None, reducer: Reducer | None = None
) -> Engine:
    """Make an engine.

    Parameters
    ----------
    name : str
        ``"compiled"``, which is fast, or ``"reference"``, which is the notes' equations as written.
    n_jobs : int, optional
        How many threads the compiled engine computes in, at most; left out, or -1, or where that is
        more, as many as there are cores for this process. It never changes a result.
    reducer : Reducer, optional
        What adds up the shards of several processes, each of which computes some; the reference
        engine computes all in each.

    Raises
    ------
    ValueError
        If there is no such engine, or the number of threads is none.
    """
    given: Any = n_jobs
    if given is not None and (not isinstance(given, Integral) or (given < 1 and given != -1)):
        raise ValueError(f"n_jobs must be at least 1, or -1 or None for all cores; got {n_jobs!r}")
    if not isinstance(name, str) or name not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}; got {name!r}")
    if name == "reference":
        return ReferenceEngine()
    from elman.engines.compiled import CompiledEngine  # Numba takes a while to import

    return CompiledEngine(None if given == -1 else n_jobs, reducer)


__all__ = ["ENGINES", "Carry", "Engine", "ReferenceEngine", "State", "get_engine"]
