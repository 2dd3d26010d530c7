"""Functions that others are made of.

Of a compiled function that others call, Numba makes a program of its own: with what Python and C need
to call it, optimised, and as machine code. Of helpers only what they become within an entry ever
runs, so that all this would be done in vain; for some eighty of them it took as long as all the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

from numba import njit
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import AnnotateTypes

from elman.engines.compiled.memory import CHECKED


def helper(function: Callable[..., Any], inlined: bool = False) -> Any:
    """Compile a function as a part of others, where LLVM thinks it best as one that they call.

    It allocates nothing, so no references to arrays are counted: each count would be an atomic
    operation, on which threads wait for each other. The errors of checked mode need it.
    """
    options = {
        "nopython": True,
        "_nrt": CHECKED,
        "nogil": True,
        "boundscheck": None,  # as the environment says
        "no_cpython_wrapper": True,
        "no_cfunc_wrapper": True,
        "forceinline": inlined,
    }
    return Helper(function, targetoptions=options, pipeline_class=Compiler)


inlined = partial(helper, inlined=True)
"""Compile a function that no time may be lost to call: of a tile, in registers, or of each step."""


class Helper(CPUDispatcher):
    """A function that compiled functions call; called by Python, it is compiled once more, alone."""

    def __call__(self, *arguments: Any) -> Any:
        """Compute."""
        return self._alone(*arguments)

    @cached_property
    def _alone(self) -> Any:
        return njit(nogil=True)(self.py_func)


class Compiler(CompilerBase):
    """Numba's, but that a program becomes a ``Part``."""

    def define_pipelines(self) -> list[Any]:
        """See ``CompilerBase``."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(MakePart, AnnotateTypes)  # the next one writes the program
        passes.finalize()
        return [passes]


class Part(JITCodeLibrary):
    """A program that stays as it is written, for those that it becomes a part of."""

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """No function is in memory."""
        return 0

    @property
    def codegen(self) -> Part:
        """What Numba asks to ``set_env``."""
        return self

    def set_env(self, name: str, env: Any) -> None:
        """Leave it: it is for functions in memory."""


@register_pass(mutates_CFG=False, analysis_only=False)
class MakePart(LoweringPass):
    """Has the next pass write into a ``Part``."""

    _name = "elman_make_part"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        """See ``LoweringPass``."""
        state.library = Part(state.targetctx.codegen(), state.func_id.func_qualname)
        return True
