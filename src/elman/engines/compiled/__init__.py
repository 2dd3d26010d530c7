"""The compiled engine: the same function as the reference engine, as fast as the processor allows.

A batch is cut into shards. One thread computes a shard alone, through all steps and layers, forward and
back, in one call of a compiled function that does not hold the interpreter's lock. The gradients of the
shards are added in a binary tree whose shape depends on their number alone (``summing``). So a result
does not depend on the number of threads.

There are three kernels. ``panels`` has a sequence in each lane of a vector, and so a shard of as many.
``rows`` is for a few sequences: it has units in the lanes. ``bidirectional`` is ``panels`` for layers
in both directions. A batch goes this way::

    arguments   what compiled functions take, checked
    layout      where everything stands
    packing     parameters into the order in which they are read
    panels, rows or bidirectional, in several threads
    summing     the gradients of all shards
    packing     and back into the order of the parameters

``engine`` calls all these, and ``stream`` takes single steps. How Python becomes vector instructions is
in ``machine``.
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
