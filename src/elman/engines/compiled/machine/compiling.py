"""When the functions of this package are compiled, and where that is kept."""

from __future__ import annotations

import gc
import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

import llvmlite
import numba
from numba.core.caching import CompileResultCacheImpl, NullCache
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher
from numba.core.serialize import dumps

from elman import equations
from elman._signals import Uninterrupted
from elman.engines.compiled.machine.memory import CHECKED
from elman.engines.compiled.machine.pipeline import OPTIONS, Compiler

logger = logging.getLogger("elman.compiling")

COMPILING = "compiling for this kind of network: some seconds, once on this computer"

SOURCES = sha256(
    b"".join(
        path.read_bytes()
        for folder in (Path(__file__).parents[1], Path(equations.__file__).parent)
        for path in sorted(folder.rglob("*.py"))
    )
).hexdigest()
"""Stands for all that a function of this package may be made of: it is compiled anew for another."""

BUILD = (numba.__version__, llvmlite.__version__, sys.version, CHECKED)
DIGEST_BYTES = 32


def entry(function: Callable[..., Any], key: str = "", on_disk: bool = True) -> Any:
    """Compile a function when it is first called, and keep it on disk.

    It is kept beside the package or, where that may not be written to, in the user's cache; where
    neither may, for this process. NUMBA_CACHE_DIR names another place.

    Parameters
    ----------
    function : callable
    key : str
        What the function depends on, beside the sources of this package and the equations.
    on_disk : bool
        Whether that is all it depends on, so that it may be kept.
    """
    made = Entry(function, targetoptions=OPTIONS, pipeline_class=Compiler)
    if on_disk:
        made.enable_caching(key)
    return made


class Entry(CPUDispatcher):
    """A compiled function that Python calls."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._of_kind: dict[Any, Callable[..., Any]] = {}

    def of_kind(self, kind: Any, *arguments: Any) -> Any:
        """Compute, with arguments that have the same types whenever they are of this kind.

        Numba finds the types of arguments anew for each call, and of tuples and tables takes as long
        as a short sequence takes to compute. Here they are found in the first call. Later only the
        axes of arrays and the sizes of their numbers are compared: a strided array, or int64 in
        place of float64, would be read wrongly. Checked mode compares all.
        """
        compiled = self._of_kind.get(kind)
        if compiled is not None and not CHECKED:
            return compiled(*arguments)
        result = self(*arguments)
        types = tuple(map(numba.typeof, arguments))
        known = self._of_kind.setdefault(kind, self.overloads[types].entry_point)
        if known is not self.overloads[types].entry_point:
            raise TypeError(f"arguments of other types for {self.__name__}, kind {kind}: {types}")
        return result

    def enable_caching(self, key: str) -> None:
        """Look for code on disk before compiling, and keep it there."""
        self._cache = Cache(self.py_func, key)

    def compile(self, signature: Any) -> Any:
        """Compile, or load what is on disk."""
        # Broken off by Ctrl-C, Numba would keep LLVM's lock: whoever compiles next, a thread of ours
        # perhaps, would wait for ever.
        # Numba's own lock, taken first: otherwise two threads could leave garbage collection off.
        with Uninterrupted(), global_compiler_lock, without_collecting():
            return super().compile(signature)


@contextmanager
def without_collecting() -> Iterator[None]:
    """Keep Python from looking for garbage, which takes 7 % of the time that compiling takes."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Cache(NullCache):
    """A function's compiled code on disk: a file for each signature, processor, and build of Python.

    A file begins with a digest of its name and of all that follows. What is cut, damaged or somebody
    else's is neither unpickled nor run: the function is compiled, and the file replaced.
    """

    def __init__(self, function: Callable[..., Any], key: str) -> None:
        self._name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"
        self._of = key
        self._files: Any = None
        with suppress(RuntimeError):  # there is no folder to write to
            self._files = CompileResultCacheImpl(function)

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """Return the function for a signature, None if it is to be compiled."""
        target_context.refresh()
        codegen = target_context.codegen()
        warn_without_fma(*codegen.magic_tuple())
        code = None if self._files is None else read(self._path(signature, codegen))
        if code is None:
            if logger.isEnabledFor(logging.INFO):  # else it was not said yet
                say_once(logging.INFO, COMPILING)
            return None
        return self._files.rebuild(target_context, pickle.loads(code))

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep what was compiled, if that is possible."""
        if self._files is None or not self._files.check_cachable(result):
            return
        path = self._path(signature, result.codegen)
        write(path, dumps(self._files.reduce(result)))
        with suppress(OSError):
            for other in path.parent.glob(f"{self._name}-*"):
                if not other.name.startswith(self._name_now):  # of other sources
                    other.unlink(missing_ok=True)

    @property
    def _name_now(self) -> str:
        return f"{self._name}-{SOURCES[:16]}"

    def _path(self, signature: Any, codegen: Any) -> Path:
        key = repr((signature, codegen.magic_tuple(), BUILD, SOURCES, self._of))
        name = f"{self._name_now}-{sha256(key.encode()).hexdigest()[:32]}.nbc"
        return Path(self._files.locator.get_cache_path(), name)


def read(path: Path) -> bytes | None:
    """Return what ``write`` wrote, None if that is not there, whole and in safe hands."""

    def without_waiting(name: str, flags: int) -> int:  # as one would for the writer of a pipe
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    try:
        with open(path, "rb", opener=without_waiting) as file:
            if not is_trusted(os.fstat(file.fileno())):
                say_once(
                    logging.WARNING,
                    f"compiled functions in {path.parent} are not used: they belong to another user, "
                    "or others may write to them",
                )
                return None
            content = file.read()
    except OSError:
        return None
    code = content[DIGEST_BYTES:]
    return code if content == digest(path, code) + code else None


def write(path: Path, code: bytes) -> None:
    """Put a file in its place at once, whole; do without where that fails."""
    temporary = path.with_name(f"{path.name}.{token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(temporary, flags, 0o644), "wb") as file:  # others may read
                file.write(digest(path, code) + code)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        say_once(
            logging.WARNING,
            f"compiled functions cannot be kept on disk ({error.strerror}): the next process "
            "compiles them again",
        )


def digest(path: Path, code: bytes) -> bytes:
    """What a file begins with."""
    return sha256(path.name.encode() + code).digest()


def is_trusted(status: os.stat_result) -> bool:
    """Whether a file comes from somebody whose code runs here anyway, and from nobody else."""
    if not hasattr(os, "geteuid"):
        return True
    owners = {os.geteuid(), 0, Path(__file__).stat().st_uid}
    return status.st_uid in owners and not status.st_mode & 0o022


def warn_without_fma(triple: str, processor: str, features: str) -> None:
    """Say that a processor lacks the instruction that all products are made of."""
    if triple.startswith(("x86", "i686", "i386")) and "+fma" not in features.split(","):
        say_once(
            logging.WARNING,
            f"the processor ({processor}) has no fused multiply-add (FMA); in software it takes "
            "hundreds of times as long. Here engine='reference' (--engine reference) is faster.",
        )


@cache
def say_once(level: int, message: str) -> None:
    """Log something, once in a process."""
    logger.log(level, message)
