"""Buffers: where they begin, which come again, and what stays."""

import numpy as np
import pytest

from elman.engines.compiled.buffers import FEW_BUFFERS, SMALL_BUFFER, Buffers


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.mark.parametrize("n", [1, 16, 1001])
def test_buffers_begin_at_a_cache_line_and_come_again(dtype, n):
    buffers = Buffers()
    first, second = buffers.take(n, dtype), buffers.take(n, dtype)
    assert not np.shares_memory(first, second)
    for array in (first, second):
        assert (array.shape, array.dtype) == ((n,), dtype)
        assert array.ctypes.data % 64 == 0
    buffers.give(first)
    assert buffers.take(n + 1, dtype) is not first
    assert buffers.take(n, np.dtype(np.int64)) is not first
    assert buffers.take(n, dtype) is first


def test_new_arrays_are_zeros_whatever_the_memory_had():
    """Denormal numbers beside those of a network take some processors many times as long."""
    old = np.full(SMALL_BUFFER // 4, 1e-40, np.float32)
    del old  # the next array of its size stands there
    buffers = Buffers()
    for take in (buffers.take, buffers.take_room):
        assert not take(SMALL_BUFFER // 4 - 16, np.dtype(np.float32)).any()


def test_room_is_the_shortest_free_one_that_will_do(dtype):
    buffers = Buffers()
    rooms = [buffers.take_room(n, dtype) for n in (30, 10, 20)]
    for room in rooms:
        buffers.give_room(room)
    assert buffers.take_room(11, dtype) is rooms[2]
    assert buffers.take_room(11, dtype) is rooms[0]
    assert len(buffers.take_room(11, dtype)) == 11  # in place of the one of 10
    assert len(buffers.take_room(5, dtype)) == 5


def test_rooms_are_no_more_than_were_in_use_at_a_time():
    buffers, dtype = Buffers(), np.dtype(np.float32)
    for n in range(1, 50):
        two = [buffers.take_room(n, dtype), buffers.take_room(50 - n, dtype)]
        assert [len(room) >= size for room, size in zip(two, (n, 50 - n), strict=True)] == [
            True,
            True,
        ]
        for room in two:
            assert room.ctypes.data % 64 == 0
            buffers.give_room(room)
    assert len(buffers._rooms[dtype]) == 2


def test_released_are_all_but_small_buffers(dtype):
    buffers = Buffers()
    n_small = SMALL_BUFFER // dtype.itemsize
    taken = [buffers.take(n, dtype) for n in (n_small, n_small + 1)]
    rooms = [buffers.take_room(n, dtype) for n in (n_small, n_small + 1)]
    for array, room in zip(taken, rooms, strict=True):
        buffers.give(array)
        buffers.give_room(room)
    buffers.release()
    assert buffers.take(n_small, dtype) is taken[0]
    assert buffers.take_room(1, dtype) is rooms[0]
    assert buffers.take(n_small + 1, dtype) is not taken[1]
    assert buffers.take_room(1, dtype) is not rooms[1]


def test_of_many_small_buffers_a_few_stay(dtype):
    buffers = Buffers()
    n_small = SMALL_BUFFER // dtype.itemsize
    for array in [buffers.take(n_small, dtype) for _ in range(20)] + [
        buffers.take(n_small + 1, dtype)
    ]:
        buffers.give(array)
    buffers.release()
    assert buffers.nbytes == FEW_BUFFERS
