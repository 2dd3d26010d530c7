"""The engine's own tanh, exp and log, and sigmoid made of them, against NumPy's in a wider type."""

import numpy as np
import pytest

from elman.engines.compiled.machine import functions, vectors
from elman.equations import functions as of_cells
from tiled import over_arrays
from tolerances import ULPS

tanh, exp, log, without_tiny = (
    over_arrays(getattr(functions, name)) for name in ("tanh", "exp", "log", "without_tiny")
)


@over_arrays
def sigmoid(x: vectors.Vector) -> vectors.Vector:
    return of_cells.sigmoid(x)


@over_arrays
def positive_part(x: vectors.Vector) -> vectors.Vector:
    return of_cells.where(of_cells.positive(x), x, 0.0)


F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
WIDER = {F32: F64, F64: np.dtype(np.longdouble)}
LARGEST = {F32: np.finfo(F32).max, F64: np.finfo(F64).max}
# Where the nearest number to tanh x has become 1: 2 exp(-2 x) is below half the last place under 1.
TANH_ROUNDS_TO_1 = {F32: np.float32(13 * np.log(2)), F64: 27.5 * np.log(2)}

needs_wider_type = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant <= 52, reason="there is nothing wider than float64 here"
)


@pytest.fixture(params=[F32, pytest.param(F64, marks=needs_wider_type)], ids=["float32", "float64"])
def dtype(request):
    return request.param


def between(low, high, step):
    """Each ``step``-th float32 number from one positive to another, and both."""
    low, high = (int(np.float32(x).view(np.uint32)) for x in (low, high))
    return np.append(np.arange(low, high, step, dtype=np.uint32), np.uint32(high)).view(F32)


def all_binades(dtype):
    """Numbers of every binade, of denormals too: some, and those nearest to its ends."""
    info = np.finfo(dtype)
    word = np.dtype(f"u{dtype.itemsize}")
    n = 2000 if dtype == F32 else 300
    fractions = np.random.default_rng(0).integers(1 << info.nmant, size=n, dtype=word)
    ends = np.arange(20, dtype=word)
    fractions = np.concatenate([fractions, ends, (1 << info.nmant) - 1 - ends])
    binades = np.arange(2**info.nexp - 1, dtype=word)[:, None] << word.type(info.nmant)
    denormals = word.type(1) << np.arange(info.nmant, dtype=word)
    return np.concatenate([(binades | fractions).ravel(), denormals]).view(dtype)


def ulps(actual, exact, dtype):
    """Distances, in units of the last place that the exact result has in a dtype."""
    info = np.finfo(dtype)
    exponents = np.maximum(np.frexp(exact)[1] - 1, info.minexp) - info.nmant
    return np.abs(actual - exact) / np.ldexp(np.ones_like(exact), exponents)


def worst(compiled, exact_function, x):
    """The largest distance, where the exact result is in range."""
    assert x.dtype in WIDER
    y = compiled(x)
    assert y.dtype == x.dtype
    with np.errstate(over="ignore", under="ignore"):
        exact = exact_function(x.astype(WIDER[x.dtype]))
    inside = np.abs(exact) <= LARGEST[x.dtype]
    return ulps(y[inside].astype(exact.dtype), exact[inside], x.dtype).max()


def both_signs(x):
    return np.concatenate([x, -x])


def test_tanh_is_within_2_ulps_in_every_binade(dtype):
    assert worst(tanh, np.tanh, both_signs(all_binades(dtype))) <= ULPS


def test_tanh_is_within_2_ulps_where_it_bends():
    x = between(2**-14, 10, step=7)
    assert len(x) > 19e6
    assert max(worst(tanh, np.tanh, part) for part in np.array_split(x, 40)) <= ULPS


@needs_wider_type
def test_tanh_of_doubles_is_within_2_ulps_where_it_bends():
    x = np.random.default_rng(0).uniform(0, 21, 400_000)
    assert worst(tanh, np.tanh, np.concatenate([x, x / 20, x / 400])) <= ULPS


def test_tanh_is_odd_and_at_most_1(dtype):
    x = all_binades(dtype)
    y = tanh(x)
    assert (tanh(-x) == -y).all()
    assert (y <= 1).all()
    assert (y[x > 0] > 0).all()


def test_tanh_becomes_exactly_1(dtype):
    last = TANH_ROUNDS_TO_1[dtype]
    x = np.concatenate([np.linspace(1.01 * last, 30, 10_000), all_binades(dtype), [np.inf]])
    x = x[x > 1.01 * last].astype(dtype)
    assert (tanh(x) == 1).all()
    assert (tanh(-x) == -1).all()
    assert tanh(np.array([0.8 * last], dtype)) < 1


def test_tanh_of_the_smallest_numbers_is_themselves(dtype):
    x = all_binades(dtype)
    x = both_signs(x[x < 2.0 ** -(np.finfo(dtype).nmant + 2)])
    np.testing.assert_array_equal(tanh(x), x)


def test_zeros_keep_their_sign(dtype):
    zeros = np.array([0.0, -0.0], dtype)
    np.testing.assert_array_equal(np.signbit(tanh(zeros)), [False, True])
    np.testing.assert_array_equal(tanh(zeros), zeros)


def test_exp_is_within_2_ulps_in_every_binade(dtype):
    assert worst(exp, np.exp, both_signs(all_binades(dtype))) <= ULPS


@pytest.mark.parametrize("sign", [1, -1])
def test_exp_is_within_2_ulps_where_it_bends(sign):
    assert worst(exp, np.exp, sign * between(2**-4, 104, step=101)) <= ULPS


@needs_wider_type
@pytest.mark.parametrize("limits", [(-746, 710), (-1, 1), (-745.2, -708)], ids=str)
def test_exp_of_doubles_is_within_2_ulps_where_it_bends(limits):
    assert worst(exp, np.exp, np.random.default_rng(0).uniform(*limits, 400_000)) <= ULPS


def test_exp_reaches_down_to_the_smallest_number(dtype):
    smallest = np.finfo(dtype).smallest_subnormal
    x = np.log(WIDER[dtype].type(smallest)) + np.linspace(-0.6, 3, 1000, dtype=WIDER[dtype])
    y = exp(x.astype(dtype))
    assert (np.diff(y) >= 0).all()
    assert y[0] == smallest
    assert y[-1] > 10 * smallest


def test_exp_saturates(dtype):
    info = np.finfo(dtype)
    too_small = np.log(WIDER[dtype].type(info.smallest_subnormal)) - 0.75
    below = -np.array([-too_small, 1e3, 1e4, info.max, np.inf], dtype)
    np.testing.assert_array_equal(exp(below), np.zeros(5, dtype))
    highest = np.log(WIDER[dtype].type(info.max))
    last = np.nextafter(dtype.type(highest), dtype.type(0))
    assert np.isfinite(exp(np.array([last])))
    above = np.array([highest + 0.001, 1e3, 1e4, info.max, np.inf], dtype)
    np.testing.assert_array_equal(exp(above), np.full(5, np.inf, dtype))


def test_exp_of_0_is_1(dtype):
    np.testing.assert_array_equal(exp(np.array([0.0, -0.0], dtype)), np.ones(2, dtype))


def test_log_is_within_2_ulps_in_every_binade(dtype):
    x = all_binades(dtype)
    assert worst(log, np.log, x[x >= np.finfo(dtype).tiny]) <= ULPS


def test_log_is_within_2_ulps_about_1():
    assert worst(log, np.log, between(0.4, 2.9, step=11)) <= ULPS


@needs_wider_type
@pytest.mark.parametrize("limits", [(0.4, 2.9), (0.99, 1.01), (1, 200)], ids=str)
def test_log_of_doubles_is_within_2_ulps(limits):
    assert worst(log, np.log, np.random.default_rng(0).uniform(*limits, 400_000)) <= ULPS


def test_log_of_1_is_0(dtype):
    (y,) = log(np.ones(1, dtype))
    assert y == 0
    assert not np.signbit(y)


def exact_sigmoid(x):
    return np.where(x > 0, 1, np.exp(-abs(x))) / (1 + np.exp(-abs(x)))


def test_sigmoid_is_within_3_ulps_in_every_binade(dtype):
    assert worst(sigmoid, exact_sigmoid, both_signs(all_binades(dtype))) <= ULPS + 1


@needs_wider_type
def test_sigmoid_of_doubles_is_within_3_ulps_where_it_bends():
    x = np.random.default_rng(0).uniform(-700, 40, 400_000)
    assert worst(sigmoid, exact_sigmoid, np.concatenate([x, x / 20, x / 400])) <= ULPS + 1


@pytest.mark.parametrize(
    "function", [tanh, exp, log, sigmoid], ids=["tanh", "exp", "log", "sigmoid"]
)
def test_nan_stays_in_its_lane(function, dtype):
    x = np.full(16, 0.5, dtype)
    x[5] = np.nan
    y = function(x)
    assert np.isnan(y[5])
    assert np.isfinite(np.delete(y, 5)).all()


def test_where_chooses_lane_by_lane(dtype):
    x = np.append(both_signs(all_binades(dtype)), dtype.type(np.nan))
    np.testing.assert_array_equal(positive_part(x), np.where(x > 0, x, 0))


def test_only_errors_that_are_nearly_denormal_vanish(dtype):
    x = both_signs(all_binades(dtype))
    y = without_tiny(x)
    kept = y != 0
    np.testing.assert_array_equal(y[kept], x[kept])
    info = np.finfo(dtype)
    assert abs(y[kept]).min() > info.tiny
    assert abs(x[~kept]).max() < info.tiny / info.eps
    special = np.array([np.nan, np.inf, -np.inf, 1, -1], dtype)
    np.testing.assert_array_equal(without_tiny(special), special)
