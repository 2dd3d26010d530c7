"""Functions of vectors, as functions of arrays."""

import numpy as np
from numba import njit

from elman.engines.compiled.machine.elementwise import elementwise
from elman.engines.compiled.machine.tiles import lanes, load, store


def over_arrays(function):
    """Make a function of one vector one of flat arrays of any length."""
    of_tile = elementwise(function)

    @njit(nogil=True)
    def go_over(x, y):
        for i in range(0, len(x), lanes(x)):
            store(of_tile(load(x, i, 0, 1, 1)), y, i, 0)

    def apply(x):
        padded = np.resize(x, -(-len(x) // 16) * 16)
        y = np.empty_like(padded)
        go_over(padded, y)
        return y[: len(x)]

    return apply
