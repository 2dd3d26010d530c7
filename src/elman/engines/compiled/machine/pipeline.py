"""How Numba compiles the functions of this package: its usual passes, but those that find nothing here.

Compiled functions here own no memory: they get arrays, and make none. So no references to arrays are
counted: each count would be an atomic operation, on which threads wait for each other. Only the errors
of checked mode need it. Passes that look for closures, lists and loops in parallel are left out.
"""

from __future__ import annotations

from copy import copy
from functools import cache
from hashlib import sha256
from typing import Any

from numba import types
from numba.core import cgutils, typed_passes, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import LoweringPass, PassManager, register_pass
from numba.core.funcdesc import default_mangler
from numba.core.lowering import Lower

from elman.engines.compiled.machine.memory import CHECKED

OPTIONS = {
    "nopython": True,
    "nogil": True,
    "boundscheck": None,  # as the environment says
    "error_model": "numpy",  # to divide by zero raises nothing
    "no_cfunc_wrapper": True,
    "_nrt": CHECKED,  # the runtime that counts references
}


class Program(JITCodeLibrary):
    """What becomes machine code. As vectors are written out here, LLVM need not look for more."""

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        passes, builder = self._codegen._module_pass_manager(opt=2, loop_vectorize=False)
        passes.run(self._final_module, builder)


class Part(Program):
    """A program that stays as it is written, for those that it becomes a part of."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        for function in self._final_module.functions:
            if not function.is_declaration:
                function.linkage = "linkonce_odr"  # several parts may bring it along
        self._shared_module = self._final_module
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """A part is never loaded by itself, so no function has an address."""
        return 0

    @property
    def codegen(self) -> Part:
        """What Numba asks to ``set_env``."""
        return self

    def set_env(self, name: str, env: Any) -> None:
        """Do nothing: functions that are not loaded have no environment."""


class Writer(Lower):
    """Writes a program in which no variable is cleared, nor described to a debugger."""

    def alloca_lltype(self, name: str, kind: Any, datamodel: Any = None) -> Any:
        """Make room for a variable."""
        return cgutils.alloca_once(self.builder, kind, name=name)

    def storevar(self, value: Any, name: str, argidx: int | None = None) -> None:
        """Set a variable."""
        self._alloca_var(name, self.typeof(name))
        if name in self._singly_assigned_vars:
            self._blk_local_varmap[name] = value
        else:
            self.builder.store(value, self.getvar(name))

    def delvar(self, name: str) -> None:
        """Let a variable be; one that is not set yet will be used by another block."""
        if name not in self._blk_local_varmap:
            self._singly_assigned_vars.discard(name)


@register_pass(mutates_CFG=False, analysis_only=False)
class MakeProgram(LoweringPass):
    """Has the next pass write into a ``Program``."""

    _name = "elman_make_program"
    library = Program

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        """See ``LoweringPass``."""
        state.library = self.library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return True


@register_pass(mutates_CFG=False, analysis_only=False)
class MakePart(MakeProgram):
    """Has the next pass write into a ``Part``."""

    _name = "elman_make_part"
    library = Part


@register_pass(mutates_CFG=True, analysis_only=False)
class Write(typed_passes.BaseNativeLowering):
    """Has a ``Writer`` write the program."""

    _name = "elman_write"
    lowering_class = Lower if CHECKED else Writer


class Compiler(CompilerBase):
    """Numba's, with the passes that functions of this package need."""

    make: type[LoweringPass] = MakeProgram

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.state.typingctx = remembering(self.state.typingctx)
        self.state.targetctx.mangler = short_name

    def define_pipelines(self) -> list[PassManager]:
        """See ``CompilerBase``."""
        passes = PassManager("elman")
        for each in (
            untyped_passes.TranslateByteCode,
            untyped_passes.FixupArgs,
            untyped_passes.IRProcessing,
            untyped_passes.DeadBranchPrune,  # of arguments that are None
            untyped_passes.GenericRewrites,
            untyped_passes.ReconstructSSA,
            typed_passes.NopythonTypeInference,
            typed_passes.PreLowerStripPhis,
            typed_passes.IRLegalization,
            typed_passes.AnnotateTypes,
            self.make,
            Write,
            typed_passes.NoPythonBackend,
        ):
            passes.add_pass(each, each.__name__)
        passes.finalize()
        return [passes]


class PartCompiler(Compiler):
    """The same for a function whose program becomes a ``Part``."""

    make = MakePart


@cache
def remembering(context: Any) -> Any:
    """A typing context like another, that finds out what a call returns once, not at each such call."""
    ours, known = copy(context), {}

    def resolve_function_type(function: Any, arguments: Any, keywords: Any) -> Any:
        def resolve() -> Any:
            return type(ours).resolve_function_type(ours, function, arguments, keywords)

        if keywords or not isinstance(function, types.Type):  # there may be more than types
            return resolve()
        key = function, tuple(arguments)
        if key not in known:
            known[key] = resolve()
        return known[key]

    ours.resolve_function_type = resolve_function_type
    return ours


def short_name(name: str, arguments: Any, *, abi_tags: Any = (), uid: Any = None) -> str:
    """A function's name in a program, with a digest of types whose own names would fill pages."""
    digest = sha256(repr((arguments, abi_tags)).encode()).hexdigest()[:16]
    return str(default_mangler(name, (), abi_tags=(digest,), uid=uid))
