"""Messages between the ranks of an MPI job.

Ranks communicate only by an *exchange*: each sends one message to every other, and receives one from
every other. A rank that leaves, by an error, Ctrl-C or its end, sends a note in place of its next
message, and receives theirs. So no other rank waits for it, and all are in step again.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from elman._typing import Array
from elman.errors import RankError

DATA, WORDS, NOTE = 1, 2, 3
"""Tags of messages: sums, facts to compare, and the note of a rank that leaves."""

NOTE_BYTES = 512
"""The longest note, in bytes. There is room for it wherever a message is expected."""

INTERRUPTED = "interrupted"
"""The note of a rank that leaves by Ctrl-C."""

ENDED = "it has ended"
"""The beginning of the note of a rank that takes part in no more exchanges."""

_LOOKS, _YIELDS = 200, 20_000  # tests for messages before yielding the core, before sleeping
_SECONDS = 1e-4  # how long to sleep


class InterruptedElsewhere(KeyboardInterrupt):
    """Ctrl-C has come to another rank, and all stop."""


class Messages:
    """The messages that ranks send each other, in step.

    Parameters
    ----------
    MPI : module
        ``mpi4py.MPI``.
    comm : mpi4py.MPI.Comm
        Used only for these messages.

    Attributes
    ----------
    rank, size : int
        The number of this process, and how many there are.
    in_step : bool
        Whether no exchange was broken off.
    has_ended : bool
        Whether a rank has ended: then there are no more exchanges.
    """

    def __init__(self, MPI: Any, comm: Any) -> None:
        self.MPI = MPI
        self.comm = comm
        self.rank: int = comm.rank
        self.size: int = comm.size
        self.in_step = True
        self.has_ended = False
        self._others = [r for r in range(self.size) if r != self.rank]
        self.release()

    def exchange(self, messages: list[Array], sizes: list[int], tag: int = DATA) -> list[Array]:
        """Send a message to every rank, and receive one from each.

        Parameters
        ----------
        messages : list of arrays of uint8
            One for each rank; the message to this rank itself comes back.
        sizes : list of int
            The largest number of bytes that come from each rank.
        tag : int

        Returns
        -------
        list of arrays of uint8
            They are valid until the exchange after the next one reuses their memory: to touch new
            memory takes ten times as long as a message.

        Raises
        ------
        InterruptedElsewhere
            If Ctrl-C has come to another rank.
        RankError
            If another rank has failed or ended, or sends something else.
        """
        if self.has_ended or not self.in_step:
            raise RankError("another rank has ended, or an exchange was broken off")
        self.in_step = False
        MPI, comm, others = self.MPI, self.comm, self._others
        self._rooms.reverse()
        rooms = self._rooms[0]
        for r in others:
            if len(rooms[r]) < sizes[r]:
                rooms[r] = np.empty(sizes[r], np.uint8)
        statuses = [MPI.Status() for _ in range(2 * len(others))]
        requests = [comm.Irecv([rooms[r], MPI.BYTE], r) for r in others]
        requests += [comm.Isend([messages[r], MPI.BYTE], r, tag) for r in others]
        wait_for(MPI, requests, statuses)
        self.in_step = True
        received, notes = list(messages), {}
        for r, status in zip(others, statuses, strict=False):
            received[r] = rooms[r][: status.Get_count(MPI.BYTE)]
            if status.tag == NOTE:
                notes[r] = self._read(received[r])
            elif status.tag != tag:
                notes[r] = "it is at another place of the script"
        if notes:
            raise _of_notes(notes, self.size)
        return received

    def release(self) -> None:
        """Free the memory that messages are received in."""
        self._rooms = [[np.empty(NOTE_BYTES, np.uint8) for _ in range(self.size)] for _ in range(2)]

    def leave(self, note: str, seconds: float | None = None) -> bool:
        """Tell all others, in place of the next message, that this rank does not go on.

        Parameters
        ----------
        note : str
        seconds : float, optional
            The longest time to wait for their messages.

        Returns
        -------
        bool
            Whether each of them has sent its next message.
        """
        if self.has_ended or not self.in_step:
            return self.has_ended
        self.in_step = False
        MPI, comm = self.MPI, self.comm
        text = note.encode()[:NOTE_BYTES].decode(errors="ignore").encode()
        content, waiting = np.frombuffer(text, np.uint8), set(self._others)
        requests = [comm.Isend([content, MPI.BYTE], r, NOTE) for r in self._others]
        notes = []
        started = time.monotonic()
        while waiting:
            for r in sorted(waiting):
                status = MPI.Status()
                message = comm.Improbe(r, MPI.ANY_TAG, status)
                if message is not None:
                    room = np.empty(status.Get_count(MPI.BYTE), np.uint8)
                    requests.append(message.Irecv([room, MPI.BYTE]))
                    notes += [room] if status.tag == NOTE else []
                    waiting.remove(r)
            if waiting:
                if seconds is not None and time.monotonic() > started + seconds:
                    return False
                time.sleep(_SECONDS)
        wait_for(MPI, requests)
        self.in_step = True
        for each in notes:
            self._read(each)
        self.has_ended |= note.startswith(ENDED)
        return True

    def _read(self, content: Array) -> str:
        note = content.tobytes().decode()
        self.has_ended |= note.startswith(ENDED)
        return note


def wait_for(MPI: Any, requests: list[Any], statuses: list[Any] | None = None) -> None:
    """Wait until all is sent and received, without blocking the core for other threads."""
    n = 0
    while not MPI.Request.Testall(requests, statuses):
        n += 1
        if n > _YIELDS:
            time.sleep(_SECONDS)
        elif n > _LOOKS and hasattr(os, "sched_yield"):
            os.sched_yield()


def _of_notes(notes: dict[int, str], size: int) -> BaseException:
    """The error that notes lead to."""
    if INTERRUPTED in notes.values():
        return InterruptedElsewhere()
    number, note = min(notes.items())
    return RankError(f"rank {number} of {size} does not go on: {note}")
