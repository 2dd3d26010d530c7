"""Blocks of shards, and their sums: without MPI, threads are the ranks."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier

import numpy as np
import pytest

from elman.engines.compiled.buffers import Buffers
from elman.engines.compiled.summing import TreeSum, blocks_of, places
from elman.mpi.joining import join

RANKS = range(1, 9)
HEAD = np.arange(8, dtype=np.uint8)


def parts_of(n, n_numbers, dtype):
    rng = np.random.default_rng(n)
    sizes = 10.0 ** rng.integers(-8, 8, (n, n_numbers))  # so that the order shows
    gradients = (rng.standard_normal((n, n_numbers)) * sizes).astype(dtype)
    return gradients, rng.standard_normal(n).tolist(), rng.standard_normal(n).tolist()


def tree_of(parts, block):
    gradients, losses, corrects = parts
    tree = TreeSum(len(losses), Buffers())
    for i in block:
        tree.add(i, losses[i], corrects[i], gradients[i].copy())
    return tree


def joined(parts, blocks):
    """What each of several ranks comes to: in threads, that hand each other messages."""
    P, (gradients, *_) = len(blocks), parts
    board, turn = [[None] * P for _ in range(P)], Barrier(P)

    def of_rank(rank):
        def exchange(messages, sizes):
            for to, message in enumerate(messages):
                board[rank][to] = message.copy()
            turn.wait(10)
            received = [board[other][rank] for other in range(P)]
            turn.wait(10)
            assert [len(message) for message in received] == sizes
            return received

        tree = tree_of(parts, blocks[rank])
        return join(exchange, rank, tree, blocks, gradients.shape[1], gradients.dtype, HEAD)

    with ThreadPoolExecutor(P) as pool:
        return list(pool.map(of_rank, range(P)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ranks_come_to_the_bits_of_one_process(dtype):
    for n in range(1, 41):
        parts = parts_of(n, 11, dtype)
        expected = tree_of(parts, range(n)).root
        costs = np.random.default_rng(n).integers(1, 30, n)
        for P in RANKS:
            for loss, correct, gradients in joined(parts, blocks_of(costs, P)):
                assert (loss, correct) == (expected.loss, expected.correct)
                np.testing.assert_array_equal(gradients, expected.gradients)


def test_another_order_would_show():
    gradients, *_ = parts_of(40, 11, np.float32)
    expected = tree_of(parts_of(40, 11, np.float32), range(40)).root
    assert (gradients.sum(axis=0) != expected.gradients).any()


def test_more_ranks_than_numbers():
    parts = parts_of(5, 3, np.float32)
    expected = tree_of(parts, range(5)).root
    for total in joined(parts, blocks_of(np.ones(5, int), 8)):
        np.testing.assert_array_equal(total.gradients, expected.gradients)


@pytest.mark.parametrize("P", RANKS)
def test_blocks_have_each_shard_once_and_about_the_same_cost(P):
    for n in range(1, 41):
        for seed in range(3):
            costs = np.sort(np.random.default_rng(seed).integers(1, 100, n))[::-1]
            blocks = blocks_of(costs, P)
            assert len(blocks) == P
            assert [i for block in blocks for i in block] == list(range(n))
            share = costs.sum() / P
            assert all(sum(costs[i] for i in block) <= share + costs.max() for block in blocks)


@pytest.mark.parametrize(("n", "P"), [(8, 2), (8, 4), (32, 8), (4, 4)])
def test_blocks_of_equal_shards_are_one_place_each(n, P):
    blocks = blocks_of(np.full(n, 7), P)
    assert {len(block) for block in blocks} == {n // P}
    assert {len(places(n, block)) for block in blocks} == {1}


def test_places_are_where_sums_wait():
    for n in range(1, 41):
        parts = parts_of(n, 1, np.float64)
        for start, end in pairwise([0, n // 3, n // 2, n]):
            tree = tree_of(parts, range(start, end))
            assert places(n, range(start, end)) == sorted(tree.waiting)


def test_buffers_come_back():
    parts = parts_of(7, 5, np.float32)
    tree = tree_of(parts, range(7))
    n_given = len(tree.buffers._free[5, np.dtype(np.float32)])
    join(lambda messages, sizes: messages, 0, tree, [range(7)], 5, np.dtype(np.float32), HEAD)
    assert len(tree.buffers._free[5, np.dtype(np.float32)]) == n_given  # one given, one taken
