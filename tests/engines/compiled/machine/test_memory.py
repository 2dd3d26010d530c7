"""Checked mode: every access is allowed exactly where all its elements are in the array."""

import itertools
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from numba import njit

from elman import Network
from elman.engines.compiled import bidirectional, packing, panels, rows, threads
from elman.engines.compiled.layout import Targets
from elman.engines.compiled.machine import memory, pointwise, tiles
from elman.engines.compiled.machine.memory import CHECKED, OutOfBoundsError
from elman.engines.compiled.panels import answers

checked = pytest.mark.skipif(not CHECKED, reason="this is for make test-checked")
FENCE = 400  # numbers around an array: where a check is missing, no other memory is touched


@pytest.mark.skipif(CHECKED, reason="this is checked mode")
def test_nothing_is_checked_in_normal_mode():
    load(np.zeros(100), 0, 1)
    Network(2, 3, 2, seed=0).forward(np.ones((5, 2, 2)))
    assert memory.refuse_outside.signatures == []


# Operations on tiles. Each function accesses ``array``, and nothing else outside its own arrays.


@njit
def load(array, offset, step):
    tiles.load(array, offset, step, 3, 2)


@njit
def store(array, offset, step):
    tiles.store(tiles.zeros(array, 3, 2), array, offset, step)


@njit
def load_apart(array, offset, step, apart):
    tiles.load(array, offset, step, 3, 2, apart)


@njit
def store_apart(array, offset, step, apart):
    tiles.store(tiles.zeros(array, 3, 2), array, offset, step, apart)


@njit
def broadcast_rows(array, offset):
    tiles.broadcast_rows(array, offset, 4, 1)


@njit
def transpose_from(array, offset, step):
    tiles.transpose(array, offset, step, np.empty(256, array.dtype), 0, 16)


@njit
def transpose_to(array, offset, step):
    tiles.transpose(np.zeros(256, array.dtype), 0, 16, array, offset, step)


@njit
def multiply_add_A(array, offset, row, step, n):
    B = np.zeros(32, array.dtype)
    tiles.multiply_add(tiles.zeros(array, 4, 2), array, offset, row, step, B, 0, 0, n)


@njit
def multiply_add_B(array, offset, step, n):
    A = np.zeros(8, array.dtype)
    tiles.multiply_add(tiles.zeros(array, 4, 2), A, 0, 1, 0, array, offset, step, n)


@njit
def multiply_add_B_apart(array, offset, step, n, apart):
    A = np.zeros(8, array.dtype)
    tiles.multiply_add(tiles.zeros(array, 4, 2), A, 0, 1, 0, array, offset, step, n, 4, apart)


# The function, what the error calls it, the range of each of its further arguments, and the elements
# that it accesses, counted from the offset, for vectors of L lanes.
OPERATIONS = {
    "load": (
        load, "load", [(0, 1, 16, 35)],
        lambda L, step: [r * step + j for r in range(3) for j in range(2 * L)],
    ),
    "store": (
        store, "store", [(0, 1, 16, 35)],
        lambda L, step: [r * step + j for r in range(3) for j in range(2 * L)],
    ),
    "load apart": (
        load_apart, "load", [(0, 16, 35), (0, 1, 40)],
        lambda L, step, apart: [
            r * step + v * apart + j for r in range(3) for v in range(2) for j in range(L)
        ],
    ),
    "store apart": (
        store_apart, "store", [(0, 16, 35), (0, 1, 40)],
        lambda L, step, apart: [
            r * step + v * apart + j for r in range(3) for v in range(2) for j in range(L)
        ],
    ),
    "broadcast_rows": (broadcast_rows, "broadcast_rows", [], lambda L: range(4)),
    "transpose from": (
        transpose_from, "transpose, source,", [(0, 1, 8, 19)],
        lambda L, step: [i * step + j for i in range(L) for j in range(L)],
    ),
    "transpose to": (
        transpose_to, "transpose, target,", [(0, 1, 8, 19)],
        lambda L, step: [i * step + j for i in range(L) for j in range(L)],
    ),
    "multiply_add A": (
        multiply_add_A, "multiply_add, A,", [(0, 1, 7), (0, 1, 9), (0, 1, 2, 5)],
        lambda L, row, step, n: [r * row + k * step for r in range(4) for k in range(n)],
    ),
    "multiply_add B": (
        multiply_add_B, "multiply_add, B,", [(0, 1, 16, 35), (0, 1, 2, 5)],
        lambda L, step, n: [k * step + j for k in range(n) for j in range(2 * L)],
    ),
    "multiply_add B apart": (
        multiply_add_B_apart, "multiply_add, B,", [(0, 16, 35), (0, 1, 5), (0, 1, 40)],
        lambda L, step, n, apart: [
            k * step + v * apart + j for k in range(n) for v in range(2) for j in range(L)
        ],
    ),
}  # fmt: skip


def fenced(n, dtype=np.float64):
    """An array of n numbers, and a larger one that it is in the middle of."""
    whole = np.full(n + 2 * FENCE, 7.25, dtype)
    return whole[FENCE : n + FENCE], whole


@checked
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_raises_exactly_where_it_leaves_the_array(name, dtype):
    function, called, ranges, accessed = OPERATIONS[name]
    outcomes = []
    for arguments in itertools.product(*ranges):
        elements = accessed(64 // np.dtype(dtype).itemsize, *arguments)
        extent = max(elements, default=-1) + 1
        for offset, n in itertools.product((-1, 0, 1, 3), (extent - 1, extent, extent + 3)):
            array, whole = fenced(max(n, 0), dtype)
            leaves = extent > 0 and (offset < 0 or offset + extent > len(array))
            outcomes.append(leaves)
            if not leaves:
                function(array, offset, *arguments)
                continue
            with pytest.raises(OutOfBoundsError) as raised:
                function(array, offset, *arguments)
            assert str(raised.value) == (
                f"{__name__}.{function.__name__}: {called} of elements {offset} to "
                f"{offset + extent - 1} of an array of length {len(array)}"
            )
            assert (whole == 7.25).all()
    assert {True, False} == set(outcomes)


@checked
def test_steps_back_are_followed_too():
    array, _ = fenced(40)
    load(array, 20, -10)
    for offset in (19, 25):
        with pytest.raises(OutOfBoundsError):
            load(array, offset, -10)


@checked
def test_prefetch_may_leave_an_array():
    njit(lambda array, offset: tiles.prefetch(array, offset))(np.zeros(3), 1000)


# Indexes as NumPy writes them, in functions of the engine


def copy_transposed(source, at, target, to):
    packing.copy_transposed(source, at, 2, 3, 2, target, to, 4)


@checked
@pytest.mark.parametrize(
    ("n_read", "at", "n_written", "to", "asked"),
    [
        (6, -1, 7, 0, "-1 to -1 of an array of length 6"),
        (6, 1, 7, 0, "6 to 6 of an array of length 6"),
        (6, 0, 7, -1, "-1 to -1 of an array of length 7"),
        (6, 0, 7, 1, "7 to 7 of an array of length 7"),
    ],
)
def test_index_raises_where_it_leaves_the_array(n_read, at, n_written, to, asked):
    (source, _), (target, whole) = fenced(n_read), fenced(n_written)
    copy_transposed(source, 0, target, 0)
    whole[:] = 7.25
    with pytest.raises(
        OutOfBoundsError, match=rf"packing\.copy_transposed: index of elements {asked}"
    ):
        copy_transposed(source, at, target, to)
    assert (whole[:FENCE] == 7.25).all()
    assert (whole[n_written + FENCE :] == 7.25).all()


@checked
@pytest.mark.parametrize(("place", "n_classes"), [(-1, 3), (2, 3), (1, 4)])
def test_index_of_two_axes_raises_where_it_leaves_either(place, n_classes):
    L, K = 8, 3
    y_hat = fenced(2 * n_classes)[0].reshape(2, n_classes)
    answers.write_answers(np.zeros(K * L), 0, np.array([0, 1]), 0, np.zeros((2, K)))
    with pytest.raises(OutOfBoundsError, match=r"answers\.write_answers: index of elements"):
        answers.write_answers(np.zeros(K * L), 0, np.array([0, place]), 0, y_hat)


@checked
@pytest.mark.parametrize("place", [-1, 2])
def test_labels_and_weights_beyond_their_arrays_raise(place):
    L, K = 8, 3
    none = np.empty((0, K))
    work, targets = np.zeros((K + 2) * L), Targets(np.zeros(2, np.int64), none, np.ones(2), 1, none)
    answers.error_of_classes(work, 0, K, targets, np.array([0, 1]), 0, K * L)
    with pytest.raises(OutOfBoundsError, match=r"answers\.error_of_classes: index of elements"):
        answers.error_of_classes(work, 0, K, targets, np.array([0, place]), 0, K * L)


@pytest.mark.skipif(CHECKED, reason="then indexes are looked at")
@pytest.mark.parametrize("module", [rows.training, panels.steps, packing, bidirectional, pointwise])
def test_no_time_is_lost_on_the_sign_of_an_index(module, monkeypatch):
    def count_from_end(*_):
        pytest.fail("looks for a sign")

    monkeypatch.setattr(memory, "count_from_end", count_from_end)
    context = SimpleNamespace(
        fndesc=SimpleNamespace(modname=module.__name__), cast=lambda builder, index, *_: index
    )
    index = object()
    assert memory.own_index(context, None, None, index, None) is index


@checked
def test_indexes_of_other_peoples_functions_count_from_the_end():
    assert njit(lambda array, i: array[i])(np.arange(3.0), -1) == 2


# Whole calls of the engine


@checked
@pytest.mark.parametrize("name", ["room_to_train", "room_to_predict"])
@pytest.mark.parametrize(("module", "n"), [(rows, 2), (panels, 9), (bidirectional, 9)])
def test_room_that_is_too_small_raises(monkeypatch, module, n, name):
    room = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *arguments: room(*arguments) // 2)
    both, X = module is bidirectional, np.ones((n, 4, 2))
    network = Network(2, 17, 3, seed=0, dtype=np.float64, bidirectional=both)
    message = rf"{module.__name__}(\.\w+)+: .* of an array of length"
    arguments = (X, [0] * n) if name == "room_to_train" else (X,)
    compute = network.loss_and_gradients if name == "room_to_train" else network.forward
    with pytest.raises(OutOfBoundsError, match=message):
        compute(*arguments)


@checked
@pytest.mark.parametrize("in_helper", [False, True])
def test_error_in_any_thread_reaches_the_caller(in_helper):
    both_there = threading.Barrier(2, timeout=60)
    array, _ = fenced(100)
    compiled = njit(nogil=True)(load.py_func)
    compiled(array, 0, 16)

    def task(i):
        both_there.wait()
        is_helper = threading.current_thread() is not threading.main_thread()
        compiled(array, -1 if is_helper == in_helper else 0, 16)

    with pytest.raises(
        OutOfBoundsError, match="load of elements -1 to 46 of an array of length 100"
    ):
        threads.run(task, 2, 2)


@checked
def test_bell_that_is_not_there_raises():
    nothing, bell = np.zeros(1, np.int64), np.zeros(0, np.int64)
    with pytest.raises(
        OutOfBoundsError, match=r"threads\.watch: look of elements 0 to 0 of an array"
    ):
        threads.watch(nothing, bell, 1, 0)


@checked
def test_what_is_compiled_is_not_kept_on_disk():
    entries = [packing.pack, packing.unpack, rows.streaming.step]
    entries += [panels.predicting.predict_shards, panels.training.train_shards]
    entries += [rows.predicting.predict_sequences, rows.training.train_sequences]
    entries += [bidirectional.predict_shards, bidirectional.train_shard]
    assert all(entry.stats.cache_path is None for entry in entries)
