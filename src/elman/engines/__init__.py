"""Engines compute one function, forward and backward, each in its own way."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

from elman.engines.carry import Carry, n_states
from elman.engines.interface import Engine, Evaluation, Member
from elman.engines.reference import ReferenceEngine
from elman.engines.streaming import State

if TYPE_CHECKING:
    from elman.engines.compiled.summing import Reducer

ENGINES = ("compiled", "reference")
"""The engines by name."""


def get_engine(
    name: str = "compiled",
    n_jobs: int | None = None,
    checkpoint_steps: str | int | None = "auto",
    reducer: Reducer | None = None,
) -> Engine:
    """Make an engine.

    Parameters
    ----------
    name : str
        ``"compiled"``, which is fast, or ``"reference"``, which is the notes' equations as written.
    n_jobs : int, optional
        How many threads the compiled engine computes in, at most; left out, or -1, or where that is
        more, as many as there are cores for this process. It never changes a result.
    checkpoint_steps : "auto", int or None
        Of how many steps the compiled engine keeps states at a time, on the way back through a
        sequence; those of the others it computes a second time, from states kept every so many steps.
        None: of all, at the cost of memory. ``"auto"``: of all while they take less than 128 MB in
        each thread, and else of √T of T steps (Chen et al. 2016; Gruslys et al. 2016). It never
        changes a result. A network in both directions keeps all, and so does the reference engine.
    reducer : Reducer, optional
        What adds up the shards of several processes, each of which computes some; the reference
        engine computes all in each.

    Raises
    ------
    ValueError
        If there is no such engine, or the number of threads or steps is none.
    """
    given: Any = n_jobs
    if given is not None and (not isinstance(given, Integral) or (given < 1 and given != -1)):
        raise ValueError(f"n_jobs must be at least 1, or -1 or None for all cores; got {n_jobs!r}")
    given = checkpoint_steps
    if given is not None and given != "auto" and (not isinstance(given, Integral) or given < 1):
        raise ValueError(
            f'checkpoint_steps must be "auto", None or at least 1; got {checkpoint_steps!r}'
        )
    if not isinstance(name, str) or name not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}; got {name!r}")
    if name == "reference":
        return ReferenceEngine()
    from elman.engines.compiled import CompiledEngine  # Numba takes a while to import

    return CompiledEngine(None if n_jobs == -1 else n_jobs, checkpoint_steps, reducer)


__all__ = [
    "ENGINES",
    "Carry",
    "Engine",
    "Evaluation",
    "Member",
    "ReferenceEngine",
    "State",
    "get_engine",
    "n_states",
]
