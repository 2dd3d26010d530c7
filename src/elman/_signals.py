"""The signals that ask a process to end: Ctrl-C (SIGINT), SIGTERM, and SIGHUP (its terminal closed)."""

from __future__ import annotations

import signal
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from threading import current_thread, main_thread
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_NUMBERS = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]


class _Handling(ABC):
    """Replaces the handlers of these signals until a block is left.

    A signal that is ignored, or left to the system, stays so. Python hands signals to the main
    thread only, so in other threads there is nothing to do.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}

    @abstractmethod
    def _handle(self, number: int, frame: object) -> None:
        """Handle a signal; the arguments are those of ``signal.signal``."""

    def _begin(self) -> None:
        handlers = {number: signal.getsignal(number) for number in _NUMBERS}
        self._before = {
            number: handler for number, handler in handlers.items() if callable(handler)
        }
        try:
            for number in self._before:
                signal.signal(number, self._handle)
        except BaseException:  # a new handler may already have raised KeyboardInterrupt
            self._end()
            raise

    def _end(self) -> None:
        try:
            self._put_back()
        except BaseException:  # an old handler, back already, may have raised it
            self._put_back()
            raise

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class Interruptible(_Handling):
    """Inside the block, each of these signals raises KeyboardInterrupt.

    But not within a second of the last one: a second Ctrl-C must not interrupt what the first has
    started.
    """

    _SECONDS = 1.0

    def __init__(self) -> None:
        super().__init__()
        self._last = -self._SECONDS
        self._ended = False

    def _handle(self, number: int, frame: object) -> None:
        if self._ended:  # a signal that comes while handlers are put back
            self._before[number](number, frame)
        elif time.monotonic() - self._last >= self._SECONDS:
            self._last = time.monotonic()
            raise KeyboardInterrupt

    def __enter__(self) -> None:
        """Raise from here on."""
        if _in_main_thread():
            self._begin()

    def __exit__(self, *_: object) -> None:
        """Put the earlier handlers back."""
        if _in_main_thread():
            self._ended = True
            self._end()


class Uninterrupted(_Handling):
    """Holds these signals back until a block is left. Blocks may be nested."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._came: list[int] = []

    def _handle(self, number: int, frame: object) -> None:
        self._came.append(number)

    def __enter__(self) -> None:
        """Hold back from here on."""
        if _in_main_thread():
            self._depth += 1
            if self._depth == 1:
                self._begin()

    def let_through(self) -> None:
        """Hand over the signals that have come so far, in the middle of a block."""
        if self._came:
            self._hand_over()

    def _hand_over(self) -> None:
        came, self._came = dict.fromkeys(self._came), []
        with ExitStack() as handlers:  # each is called, whatever the others raise
            for number in reversed(came):
                handlers.callback(self._before[number], number, None)

    def __exit__(self, *_: object) -> None:
        """Hand over the signals that came meanwhile."""
        if not _in_main_thread() or self._depth == 0:
            return
        self._depth -= 1
        if self._depth == 0:
            self._end()
            self._hand_over()


def _in_main_thread() -> bool:
    return current_thread() is main_thread()
