"""Messages between ranks: how long what comes stays. Without MPI; the other rank is a list."""

from types import SimpleNamespace

import numpy as np
import pytest

from elman.errors import RankError
from elman.mpi.messages import DATA, NOTE, WORDS, Messages


class Comm:
    """Of two ranks, the first one: the other sends what is put into ``incoming``, in turn."""

    rank, size = 0, 2

    def __init__(self):
        self.incoming = []

    def Irecv(self, buffer, source):
        room, _ = buffer
        self.tag, content = self.incoming.pop(0)
        room[: len(content)] = content
        return len(content)

    def Isend(self, buffer, to, tag):
        return 0


@pytest.fixture
def messages():
    comm = Comm()

    def all_done(requests, statuses):
        for status, n in zip(statuses, requests, strict=True):
            status.Get_count = lambda _, n=n: n
            status.tag = comm.tag
        return True

    MPI = SimpleNamespace(
        Status=SimpleNamespace, BYTE=None, Request=SimpleNamespace(Testall=all_done)
    )
    return Messages(MPI, comm)


def exchanged(messages, content, tag=DATA):
    """What comes from the other rank."""
    messages.comm.incoming.append((tag, content))
    own = np.zeros(3, np.uint8)
    received = messages.exchange([own, own], [3, len(content)])
    assert received[0] is own
    return received[1]


def test_message_stays_while_the_next_one_comes(messages):
    contents = [np.full(n, value, np.uint8) for value, n in enumerate([5, 1000, 7, 2000, 2000, 3])]
    before = exchanged(messages, contents[0])
    for last, content in enumerate(contents[1:]):
        found = exchanged(messages, content)
        np.testing.assert_array_equal(found, content)
        np.testing.assert_array_equal(before, contents[last])
        before = found


def test_memory_of_messages_is_used_again(messages):
    found = [exchanged(messages, np.zeros(n, np.uint8)) for n in (1000, 1000, 900, 1000)]
    assert np.shares_memory(found[0], found[2])
    assert np.shares_memory(found[1], found[3])
    assert not np.shares_memory(found[0], found[1])
    messages.release()
    assert not np.shares_memory(exchanged(messages, np.zeros(1000, np.uint8)), found[0])


def test_note_in_the_place_of_a_message_is_an_error(messages):
    note = np.frombuffer(b"ValueError: it is full", np.uint8)
    with pytest.raises(RankError, match="rank 1 of 2 does not go on: ValueError: it is full"):
        exchanged(messages, note, NOTE)
    with pytest.raises(RankError, match="it is at another place of the script"):
        exchanged(messages, note, WORDS)
