"""Engines compute one function, forward and backward, each in its own way."""

from elman.engines.interface import Engine, State
from elman.engines.reference import ReferenceEngine

ENGINES: dict[str, type[Engine]] = {"reference": ReferenceEngine}
"""The engines by name."""


def get_engine(name: str) -> Engine:
    """Make an engine by its name."""
    if name not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}; got {name!r}")
    return ENGINES[name]()


__all__ = ["ENGINES", "Engine", "ReferenceEngine", "State", "get_engine"]
