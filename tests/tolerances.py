"""Every tolerance of the tests, in one place, as tight as the arithmetic allows.

Relative to the largest entry of what is compared, by dtype.
"""

import numpy as np

# One function of a few operations, on numbers near 1.
ROUNDING = 1e-14
# A few layers and steps written out by hand: some dozens of sums.
BY_HAND = 1e-13
# A step is a handful of sums of a few dozen products; the states they feed are at most 1.
VERSUS_NAIVE = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 5e-6}
# Another library's sums run in another order.
VERSUS_TORCH = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-5}
# What leaves elman answers as elman does: probabilities, or numbers relative to the largest.
EXPORTED = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-6}
# tanh, exp and log of the compiled engine, in units of the last place of what is exact.
ULPS = 2
# An update is about 15 operations: 200 of them, each off by 2^-53 in one direction, are 3.3e-13.
OPTIMIZER_VERSUS_TORCH = {np.dtype(np.float64): 1e-12}


def relative_error(actual, expected):
    """Largest difference, relative to the largest entry expected."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    scale = np.abs(expected).max(initial=0.0)
    difference = np.abs(actual - expected).max(initial=0.0)
    return difference / scale if scale else difference
