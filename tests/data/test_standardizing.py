"""Mean and deviation of all steps. (What fitting makes of them is tests/estimators'.)"""

import numpy as np
import pytest

from elman.data import as_sequences
from elman.data.standardizing import standardization

rng = np.random.default_rng(0)
RAGGED = [rng.standard_normal((n, 2)) for n in (3, 1, 4, 2, 6, 5, 3, 1, 4, 2, 6, 5)]


def test_mean_and_deviation_are_those_of_all_steps():
    sequences = as_sequences(RAGGED)
    weights = rng.uniform(0.5, 2, len(sequences.values))
    mean, deviation = standardization(sequences, weights)
    expected = np.average(sequences.values, axis=0, weights=weights)
    variance = np.average((sequences.values - expected) ** 2, axis=0, weights=weights)
    np.testing.assert_allclose(mean, expected, rtol=1e-12)
    np.testing.assert_allclose(deviation, np.sqrt(variance), rtol=1e-12)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1 / 3, -1e6, 3.3e-7, 1e-30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 7, 1000])
def test_deviation_of_what_does_not_vary_is_1(constant, dtype, n):
    sequences = as_sequences(np.full((n, 9, 1), constant, dtype))
    mean, deviation = standardization(sequences, np.linspace(0.1, 1, 9 * n).astype(dtype))
    assert deviation == 1
    np.testing.assert_allclose(mean, dtype(constant), rtol=1e-6)


def test_small_variation_about_a_large_mean_is_kept():
    values = 1e6 + rng.standard_normal((50, 9, 1))
    _, deviation = standardization(as_sequences(values), np.ones(450))
    np.testing.assert_allclose(deviation, values.std(), rtol=1e-6)


@pytest.mark.parametrize("power", [-1000, 60, 511, 1000])
def test_mean_and_deviation_are_computed_without_overflow(power):
    values = np.random.default_rng(0).normal([0, 1e3], 1, (50, 9, 2))
    mean, deviation = standardization(as_sequences(values), np.ones(450))
    found = standardization(as_sequences(np.ldexp(values, power)), np.ones(450))
    np.testing.assert_array_equal(found[0], np.ldexp(mean, power))
    if power > 0:  # squares underflow, and so small a variation counts as none
        np.testing.assert_array_equal(found[1], np.ldexp(deviation, power))


def test_mean_and_deviation_of_many_float32_steps_are_exact():
    """Sums of float32 lose digits as they grow."""
    values = rng.uniform(200, 255, (200_000, 1, 2)).astype(np.float32)
    mean, deviation = standardization(as_sequences(values), np.ones(200_000, np.float32))
    flat = values[:, 0].astype(np.float64)
    assert mean.dtype == deviation.dtype == np.float32
    np.testing.assert_allclose(mean, flat.mean(axis=0), rtol=2e-7)
    np.testing.assert_allclose(deviation, flat.std(axis=0), rtol=2e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("power", [-140, -20, 0, 7, 100, 126, 140, 1000])
def test_one_look_at_size_and_sum_gives_the_bits_of_two(power, dtype, monkeypatch):
    monkeypatch.setattr("elman.data.totals.BLOCK", 64)
    with np.errstate(over="ignore", under="ignore"):
        values = np.ldexp(rng.standard_normal((20, 9, 3)), [power, power - 9, 0]).astype(dtype)
    sequences = as_sequences(values[:, :, np.isfinite(values).all(axis=(0, 1))])
    weights = rng.uniform(0, 1, 180)
    flat, n_rows = sequences.values, -(-64 // sequences.n_features)
    _, exponents = np.frexp(np.abs(flat).max(axis=0))
    factors = np.ldexp(1.0, -np.maximum(exponents, 0))
    sums = np.zeros(sequences.n_features)
    for start in range(0, 180, n_rows):
        some = slice(start, start + n_rows)
        sums += (flat[some] * factors * weights[some, None]).sum(axis=0)
    expected = (sums / weights.sum() / factors).astype(dtype)
    np.testing.assert_array_equal(standardization(sequences, weights)[0], expected)
