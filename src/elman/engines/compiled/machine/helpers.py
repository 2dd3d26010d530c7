"""Functions that others are made of.

Of a compiled function that others call, Numba makes a program of its own: with what Python and C need
to call it, optimised, and as machine code. Of helpers only what they become within an entry ever
runs, so that all this would be done in vain; for some eighty of them it took as long as all the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

from numba import njit, types
from numba.core.registry import CPUDispatcher

from elman.engines.compiled.machine.pipeline import OPTIONS, PartCompiler


def helper(function: Callable[..., Any], inlined: bool = False) -> Any:
    """Compile a function as a part of others, where LLVM thinks it best as one that they call."""
    options = OPTIONS | {"no_cpython_wrapper": True, "forceinline": inlined}
    return Helper(function, targetoptions=options, pipeline_class=PartCompiler)


inlined = partial(helper, inlined=True)
"""Compile a function that no time may be lost to call: of a tile, in registers, or of each step."""


class Helper(CPUDispatcher):
    """A function that compiled functions call; called by Python, it is compiled once more, alone."""

    def __call__(self, *arguments: Any) -> Any:
        """Compute."""
        return self._alone(*arguments)

    def get_call_template(self, arguments: Any, keywords: Any) -> Any:
        """See ``CPUDispatcher``. What is passed as a literal, as 0, makes no function of its own."""
        _, arguments = self._compiler.fold_argument_types(arguments, keywords)
        return super().get_call_template(tuple(map(types.unliteral, arguments)), {})

    @cached_property
    def _alone(self) -> Any:
        return njit(nogil=True)(self.py_func)


@helper
def round_up(n: int, step: int) -> int:
    """The least multiple of a step that is not below n."""
    return (n + step - 1) // step * step
