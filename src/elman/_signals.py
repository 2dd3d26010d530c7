"""Ctrl-C at a time when breaking off would leave something half done."""

from __future__ import annotations

import signal
from threading import current_thread, main_thread
from typing import Any


class Uninterrupted:
    """Holds Ctrl-C, and SIGTERM where that counts as it, back until a block is left.

    Blocks may lie within each other. Python hands signals to the main thread alone: in others
    there is nothing to hold back.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._came: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        """Hold back from here on."""
        if current_thread() is not main_thread():
            return
        self._depth += 1
        if self._depth == 1:
            for number in (signal.SIGINT, signal.SIGTERM):
                handler = signal.getsignal(number)
                if callable(handler):  # neither ignored nor left to the system
                    self._before[number] = handler
                    signal.signal(number, lambda number, _: self._came.append(number))

    def __exit__(self, *_: object) -> None:
        """Let through what came meanwhile."""
        if current_thread() is not main_thread() or self._depth == 0:
            return
        self._depth -= 1
        if self._depth == 0:
            before, came = dict(self._before), self._came[:1]
            self._before.clear()
            self._came.clear()
            for number, handler in before.items():
                signal.signal(number, handler)
            for number in came:
                before[number](number, None)
