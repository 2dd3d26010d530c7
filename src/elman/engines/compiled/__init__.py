"""The compiled engine: the same function as the reference engine, as fast as the processor allows.

A batch is cut into shards of as many sequences as a vector register has lanes. One thread computes a
shard alone, through all steps and layers, forward and back, in one call of a compiled function that
does not hold the interpreter's lock (``panels``). The gradients of the shards are added in a binary
tree whose shape depends on their number alone. So a result does not depend on the number of threads.

Up to three sequences are computed one by one instead, with units in the lanes (``rows``).
"""

from numba import config

from elman.errors import ElmanError

if config.DISABLE_JIT:
    raise ElmanError(
        "the compiled engine needs Numba's compiler, which NUMBA_DISABLE_JIT turns off. "
        "Unset it, or choose engine='reference'."
    )

from elman.engines.compiled.engine import CompiledEngine

__all__ = ["CompiledEngine"]
