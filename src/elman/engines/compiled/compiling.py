"""When the functions of this package are compiled, and where that is kept."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from numba import njit
from numba.core import event

from elman._signals import Uninterrupted
from elman.engines.compiled.memory import CHECKED

helper = njit(nogil=True)
"""Compile a function as a part of others."""


def entry(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, and keep it on disk.

    It is kept beside the package or, where that may not be written to, in the user's cache; where
    neither may, for this process. It is compiled anew when its file changes; where it calls
    functions of other files, the type of an argument has to have their digest (``layout.LAYER``).
    In checked mode it is compiled for this process: neither mode ever finds the other's code.
    """
    if CHECKED:
        return helper(function)
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # nowhere to write to
        return helper(function)


class Announcement(event.Listener):
    """Says, once in a process, that something of this package is being compiled."""

    made = False

    def on_start(self, event: Any) -> None:
        """Numba begins to compile a function that is not on disk."""
        module = event.data["dispatcher"].py_func.__module__ or ""  # code that was made has none
        if module.startswith(f"{__package__}.") and not self.made:
            self.made = True
            print("elman: compiling for this processor, once; some seconds …", file=sys.stderr)

    def on_end(self, event: Any) -> None:
        """Nothing to say."""


class Protection(event.Listener):
    """Holds Ctrl-C back while Numba compiles or loads: broken off, it would keep LLVM's lock.

    Then whoever compiles next, a helper perhaps, would wait for ever.
    """

    def __init__(self) -> None:
        self._held_back = Uninterrupted()

    def on_start(self, event: Any) -> None:
        """Numba is about to take its lock."""
        self._held_back.__enter__()

    def on_end(self, event: Any) -> None:
        """Numba has given its lock back."""
        self._held_back.__exit__()


event.register("numba:compile", Announcement())
event.register("numba:compiler_lock", Protection())
