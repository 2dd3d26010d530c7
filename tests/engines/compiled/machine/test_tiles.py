"""Tiles, against the same done number by number."""

import numpy as np
import pytest
from numba import njit

from elman.engines.compiled.machine import tiles

DTYPES = [np.float32, np.float64]


@pytest.fixture(params=DTYPES, ids=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


def n_lanes(dtype):
    return 64 // dtype.itemsize


def n_rows(dtype):
    return tiles.TILE_ROWS[8 * dtype.itemsize]


def numbers(n, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(n).astype(dtype)


@njit
def move(source, offset, step, target, to, to_step):
    tiles.store(tiles.load(source, offset, step, 3, 2), target, to, to_step)
    return tiles.lanes(source)


def test_tile_moves_from_anywhere_to_anywhere(dtype):
    L = n_lanes(dtype)
    source, target = numbers(8 * L, dtype), np.zeros(9 * L, dtype)
    assert move(source, 5, 2 * L + 3, target, 7, 2 * L + 1) == L
    expected = np.zeros_like(target)
    for row in range(3):
        start, end = 5 + row * (2 * L + 3), 7 + row * (2 * L + 1)
        expected[end : end + 2 * L] = source[start : start + 2 * L]
    np.testing.assert_array_equal(target, expected)


@njit
def multiply(A, a, a_row, a_step, B, b, b_step, n, C):
    tile = tiles.load(C, 0, 2 * tiles.lanes(C), tiles.tile_rows(C), 2)
    tile = tiles.multiply_add(tile, A, a, a_row, a_step, B, b, b_step, n)
    tiles.store(tile, C, 0, 2 * tiles.lanes(C))


@pytest.mark.parametrize("n", [0, 1, 2, 17, tiles.SPREAD // 8])  # the last of them is spread
@pytest.mark.parametrize("transposed", [False, True])
def test_product_is_the_sum_term_by_term_rounded_once_each(dtype, n, transposed):
    R, L = n_rows(dtype), n_lanes(dtype)
    a_row, a_step = (1, R + 2) if transposed else (20, 1)
    n_of_A = 3 + (R - 1) * a_row + (n - 1) * a_step + 1  # up to the last one read, and no further
    n_of_B = 5 + (n - 1) * 3 * L + 2 * L
    A, B = numbers(max(n_of_A, 0), dtype), numbers(max(n_of_B, 0), dtype, 1)
    C = numbers(2 * L * R, dtype)
    if dtype == np.float64:  # nothing wider to round from: small whole numbers have exact sums
        A, B, C = (np.round(array * 100) for array in (A, B, C))
    expected = C.reshape(R, 2 * L).copy()
    for k in range(n):
        column = A[3 + k * a_step : 3 + k * a_step + R * a_row : a_row][:R].astype(np.float64)
        row = B[5 + k * 3 * L : 5 + k * 3 * L + 2 * L].astype(np.float64)
        expected = (np.outer(column, row) + expected).astype(dtype)
    multiply(A, 3, a_row, a_step, B, 5, 3 * L, n, C)
    np.testing.assert_array_equal(C.reshape(R, 2 * L), expected)


@njit
def multiply_apart(A, B, b_apart, C, c_apart, n):
    L, R = tiles.lanes(C), tiles.tile_rows(C, c_apart)
    tile = tiles.load(C, 0, L, R, tiles.tile_vectors(c_apart), c_apart)
    tile = tiles.multiply_add(tile, A, 0, 1, R, B, 0, L, n, R, b_apart)
    tiles.store(tile, C, 0, L, c_apart)


def test_vectors_of_a_row_may_stand_apart(dtype):
    n, L, R = 7, n_lanes(dtype), tiles.PAIR_ROWS[8 * dtype.itemsize]
    b_apart, c_apart = n * L + 3, R * L + 5
    sizes = R * n, b_apart + n * L, c_apart + R * L
    A, B, C = (np.round(100 * numbers(size, dtype, size)) for size in sizes)  # exact sums
    expected = C.copy()
    for b, c in ((0, 0), (b_apart, c_apart)):
        product = A.reshape(n, R).T @ B[b : b + n * L].reshape(n, L)
        expected[c : c + R * L] += product.ravel()
    multiply_apart(A, B, b_apart, C, c_apart, n)
    np.testing.assert_array_equal(C, expected)


@njit
def multiply_used(A, B, C, n, used):
    R, L = tiles.tile_rows(C), tiles.lanes(C)
    tile = tiles.multiply_add(tiles.load(C, 0, L, R, 1), A, 0, 1, R, B, 0, L, n, used)
    tiles.store(tile, C, 0, L)


@pytest.mark.parametrize("n", [3, tiles.SPREAD // 4])
def test_rows_that_are_used_are_the_same_however_many_are(dtype, n):
    R, L = n_rows(dtype), n_lanes(dtype)
    A, B = numbers(R * n, dtype), numbers(n * L, dtype, 1)
    whole = numbers(R * L, dtype, 2)
    found = {}
    for used in (1, R // 2, R // 2 + 1, R):
        C = whole.copy()
        multiply_used(A, B, C, n, used)
        found[used] = C.reshape(R, L)[:used]
    for used, rows in found.items():
        np.testing.assert_array_equal(rows, found[R][:used])
    assert not np.array_equal(found[R], whole.reshape(R, L))


def product(terms, dtype):
    """Σ a b over pairs, in the first number of a tile."""
    R, L = n_rows(dtype), n_lanes(dtype)
    A, B, C = (
        np.zeros(16 * R, dtype),
        np.zeros(2 * L * len(terms), dtype),
        np.zeros(2 * L * R, dtype),
    )
    A[: len(terms)], B[:: 2 * L] = zip(*terms, strict=True)
    multiply(A, 0, 8, 1, B, 0, 2 * L, len(terms), C)
    return C[0]


def test_product_is_fused_with_the_sum(dtype):
    small = 2.0 ** -(np.finfo(dtype).nmant // 2 + 1)
    terms = [(-1, 1 + 2 * small), (1 + small, 1 + small)]
    assert product(terms, dtype) == small**2  # rounded twice it is 0


def test_products_are_added_in_their_order(dtype):
    large = 2.0 ** (np.finfo(dtype).nmant + 1)
    assert product([(1, large), (1, 1), (1, -large)], dtype) == 0
    assert product([(1, large), (1, -large), (1, 1)], dtype) == 1


@njit
def transpose(source, offset, step, target, to, to_step):
    tiles.transpose(source, offset, step, target, to, to_step)


def test_transpose_moves_each_number_of_a_square(dtype):
    L = n_lanes(dtype)
    source, target = numbers((L + 3) * (L + 1), dtype), np.zeros((L + 5) * (L + 1), dtype)
    transpose(source, 2, L + 3, target, 4, L + 5)
    square = np.stack([source[2 + i * (L + 3) :][:L] for i in range(L)])
    expected = np.zeros_like(target)
    for j in range(L):
        expected[4 + j * (L + 5) :][:L] = square[:, j]
    np.testing.assert_array_equal(target, expected)


@njit
def keep(x, first, last):
    tiles.store(tiles.keep(tiles.load(x, 0, 0, 1, 1), first, last), x, 0, 0)


def test_keep_clears_all_other_lanes_nan_too(dtype):
    L = n_lanes(dtype)
    for first, last in [(0, 0), (0, 1), (0, L), (3, 5), (L - 1, L), (5, 3)]:
        x = numbers(L, dtype)
        kept = x[first:last].copy()
        x[:first] = x[max(first, last) :] = np.nan
        if last <= first:
            x[:] = np.inf
        keep(x, first, last)
        np.testing.assert_array_equal(x[first:last], kept)
        assert not np.delete(x, np.s_[first:last]).any()


@njit
def spread(x, y):
    tiles.store(tiles.broadcast_rows(x, 3, 4, 1), y, 0, tiles.lanes(x))
    tiles.store(tiles.zeros(x, 2, 1), y, 4 * tiles.lanes(x), tiles.lanes(x))


def test_rows_are_filled_with_a_number_each(dtype):
    L = n_lanes(dtype)
    x, y = numbers(9, dtype), np.full(7 * L, np.nan, dtype)
    spread(x, y)
    np.testing.assert_array_equal(y[: 4 * L], np.repeat(x[3:7], L))
    np.testing.assert_array_equal(y[4 * L :], np.repeat([0.0, np.nan], [2 * L, L]))


def test_rows_of_a_tile_divide_the_lanes_of_both_types():
    assert {n_lanes(np.dtype(dtype)) % n_rows(np.dtype(dtype)) for dtype in DTYPES} == {0}
