"""Sums over shards: the tree, whatever the order, and no buffer lost."""

import numpy as np
import pytest

from elman.engines.compiled.buffers import Buffers
from elman.engines.compiled.summing import TreeSum
from elman.engines.interface import Evaluation
from elman.engines.reference import tree_sum
from elman.parameters import Architecture, Parameters


def parts_of(n):
    """Evaluations whose sum shows the order they were added in."""
    architecture = Architecture(2, (1,), ("dense",), 1, False)
    rng = np.random.default_rng(n)
    for _ in range(n):
        vector = rng.standard_normal(3) * 10.0 ** rng.integers(-8, 8)
        yield Evaluation(float(vector[0]), 1, Parameters(architecture, vector))


@pytest.mark.parametrize("n", range(1, 14))
def test_sum_is_the_tree_sum_in_whatever_order_its_parts_come(n):
    parts = list(parts_of(n))
    expected = tree_sum(parts)
    for seed in range(10):
        total = TreeSum(n, Buffers())
        for i in np.random.default_rng(seed).permutation(n):
            part = parts[i]
            total.add(int(i), part.loss, part.correct, part.gradients.vector.copy())
        loss, correct, gradients = total.root
        assert (loss, correct) == (expected.loss, expected.correct)
        np.testing.assert_array_equal(gradients, expected.gradients.vector)


def test_sum_gives_all_buffers_back_but_its_own():
    buffers = Buffers()
    total = TreeSum(5, buffers)
    for i in range(5):
        gradients = buffers.take(3, np.dtype(np.float64))
        gradients[:] = 2**i
        total.add(i, 0.0, 0, gradients)
    assert total.root[2].tolist() == [31] * 3
    (free,) = buffers._free.values()
    assert len({array.ctypes.data for array in [*free, total.root[2]]}) == len(free) + 1
