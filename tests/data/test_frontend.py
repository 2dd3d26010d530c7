"""The front end, against loops over sequences, steps and frames as they are described."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman import DataError
from elman.data import Frame, FrontEnd, as_sequences
from elman.data import frontend as module
from elman.data.standardizing import standardized
from tolerances import ROUNDING, VERSUS_NAIVE, relative_error

DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]


def naive(front_end, x):
    """What the network takes of one sequence (T, D), sample by sample, and frame by frame."""
    T, D = x.shape
    mean, scale = front_end.mean, front_end.scale
    exact = x.astype(np.float64)
    samples, levels = [], []
    for t in range(T):
        sample = [(x[t] - mean) / scale]
        if front_end.level is not None:
            z = [
                0.0
                if constant(exact[:, d])
                else (exact[t, d] - exact[:, d].mean()) / exact[:, d].std()
                for d in range(D)
            ]
            sample.append(np.array(z).astype(x.dtype))
        if front_end.differences:
            before = samples[-1][-2 * D : -D] if samples else sample[-1]
            sample.append(sample[-1] - before)
        samples.append(np.concatenate(sample))
    if front_end.level is not None:
        ratios = [
            0.0 if np.ptp(exact[:, d]) == 0 else exact[:, d].std() / scale[d] for d in range(D)
        ]
        levels = [math.log(ratios[d] + 1e-6) - front_end.level[d] for d in range(D)]
    frame = front_end.frame or Frame(1, 1)
    steps = []
    if frame.aligned:
        for t in range(T):
            taken = [samples[max(t - k, 0)] for k in reversed(range(frame.length))]
            steps.append(np.concatenate([*taken, levels]))
    else:
        samples += [samples[-1]] * max(0, frame.length - T)
        for start in range(0, len(samples) - frame.length + 1, frame.stride):
            steps.append(np.concatenate([*samples[start : start + frame.length], levels]))
    return np.array(steps).astype(x.dtype)


def constant(series):
    return series.std() <= 1e-6 * abs(series.mean())


def ragged(lengths, D, dtype, seed=0):
    """Sequences of other means and deviations each, one in three with a constant feature."""
    rng = np.random.default_rng(seed)
    X = []
    for i, T in enumerate(lengths):
        x = rng.normal(rng.normal(0, 3, D), rng.uniform(0.2, 5, D), (T, D))
        if i % 3 == 2:
            x[:, i % D] = rng.normal()
        X.append(x.astype(dtype))
    return X


frames = st.one_of(
    st.none(),
    st.builds(Frame, st.integers(1, 7), st.integers(1, 9), st.just(False)),
    st.builds(Frame, st.integers(1, 7), st.just(1), st.just(True)),
)
cases = st.fixed_dictionaries(
    {
        "lengths": st.lists(st.integers(1, 14), min_size=1, max_size=6),
        "D": st.integers(1, 3),
        "dtype": st.sampled_from(DTYPES),
        "seed": st.integers(0, 99),
        "standardize": st.sampled_from([False, True, "sequence"]),
        "differences": st.booleans(),
        "frame": frames,
    }
)


def measured(sequences, **parameters):
    return FrontEnd.measured(sequences, np.ones(len(sequences.values)), **parameters)


def of_case(lengths, D, dtype, seed, **parameters):
    X = ragged(lengths, D, dtype, seed)
    front_end = measured(as_sequences(X), **parameters)
    return X, front_end


@given(cases)
@settings(max_examples=200, deadline=None)
def test_front_end_is_what_loops_over_steps_come_to(case):
    X, front_end = of_case(**case)
    found = front_end.apply(as_sequences(X))
    expected = [naive(front_end, x) for x in X]
    assert found.values.dtype == case["dtype"]
    assert found.lengths.tolist() == [len(x) for x in expected]
    assert found.n_features == front_end.n_inputs == len(front_end.feature_names())
    for actual, wanted in zip(found, expected, strict=True):
        assert relative_error(actual, wanted) <= VERSUS_NAIVE[case["dtype"]]
        if case["standardize"] != "sequence":
            np.testing.assert_array_equal(actual, wanted)


@given(cases, st.sampled_from([8, 40, 1 << 18]))
@settings(max_examples=150, deadline=None)
def test_what_is_beside_a_sequence_makes_no_difference(case, block):
    """Not even to the bit; and not in how large blocks it is done."""
    X, front_end = of_case(**case)
    together = front_end.apply(as_sequences(X))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        in_blocks = front_end.apply(as_sequences(X))
        for i, x in enumerate(X):
            assert front_end.apply(as_sequences([x])).values.tobytes() == together[i].tobytes()
    assert in_blocks.values.tobytes() == together.values.tobytes()


def test_long_sequences_are_the_same_alone_and_among_others():
    """Sums of many numbers go by an order of their own."""
    X = ragged([3000, 1, 999, 4097, 130], 2, np.float32)
    front_end = measured(as_sequences(X), standardize="sequence", differences=True)
    together = front_end.apply(as_sequences(X))
    for i, x in enumerate(X):
        assert front_end.apply(as_sequences([x])).values.tobytes() == together[i].tobytes()


@pytest.mark.parametrize("frame", [None, Frame(3, 2), Frame(3, 1, aligned=True)])
@pytest.mark.parametrize("standardize", [False, True, "sequence"])
@pytest.mark.parametrize("differences", [False, True])
def test_what_a_caller_gave_is_left_as_it_was(frame, standardize, differences):
    X = np.random.default_rng(0).standard_normal((4, 5, 2))
    before = X.copy()
    sequences = as_sequences(X)
    front_end = measured(sequences, standardize=standardize, differences=differences, frame=frame)
    front_end.apply(sequences)
    np.testing.assert_array_equal(X, before)


def test_standardising_alone_is_what_it_was():
    """The same bits as ever, in place."""
    X = ragged([4, 9, 1], 2, np.float32)
    sequences = as_sequences(X)
    front_end = measured(sequences)
    assert front_end.standardizes_alone
    values = sequences.values
    expected = standardized(as_sequences(X), front_end.mean, front_end.scale)
    found = front_end.apply(sequences)
    assert found.values is values
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(
        found.values, (np.concatenate(X) - front_end.mean) / front_end.scale
    )


# By sequence


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, -1e-30, 1e300])
@pytest.mark.parametrize("T", [1, 7, 1000])
def test_z_of_a_constant_sequence_is_0(value, T):
    X = [np.full((T, 1), value), np.array([[value], [value + 1], [value + 3]])]
    front_end = measured(as_sequences(X), standardize="sequence")
    _, z, level = front_end.apply(as_sequences(X[:1])).values.T
    np.testing.assert_array_equal(z, 0)
    np.testing.assert_allclose(level, math.log(1e-6) - front_end.level[0], rtol=1e-9)


def test_variation_of_a_millionth_of_the_mean_is_the_least_that_counts():
    for share, is_there in [(3e-6, True), (0.5e-6, False)]:
        X = [1000 * (1 + share * np.array([[1.0], [-1.0]]))]
        front_end = measured(as_sequences(X), standardize="sequence")
        assert front_end.apply(as_sequences(X)).values[:, 1].any() == is_there


@pytest.mark.parametrize("power", [-1000, -300, 500, 1000])
def test_sizes_of_numbers_make_no_difference_to_z(power):
    x = np.random.default_rng(0).normal(3, 2, (9, 2))
    X = [x, x[:4] * 2]
    huge = [np.ldexp(x, power) for x in X]
    plain, scaled = (
        FrontEnd(np.zeros(2), np.full(2, one), np.zeros(2)).apply(as_sequences(given)).values
        for given, one in ((X, 1.0), (huge, np.ldexp(1.0, power)))
    )
    np.testing.assert_array_equal(plain, scaled)


def test_level_of_standardised_series_is_nothing():
    """In natural units: what is alike is not blown up to a deviation of 1."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 50, 2))
    X = ((X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)).astype(np.float32)
    front_end = measured(as_sequences(X), standardize="sequence")
    assert np.abs(front_end.apply(as_sequences(X)).values[:, 4:]).max() < 1e-6


def test_level_is_relative_to_the_training_sequences():
    x = np.random.default_rng(0).normal(size=(30, 1))
    X = [x, x * math.e, x * math.e**2]
    front_end = measured(as_sequences(X), standardize="sequence")
    levels = [step[0] for step in np.split(front_end.apply(as_sequences(X)).values[:, 2], 3)]
    np.testing.assert_allclose(levels, [-1, 0, 1], atol=1e-5)


def test_weight_of_2_is_two_sequences():
    X = ragged([4, 9, 6], 2, np.float64)
    sequences = as_sequences(X)
    weighted = FrontEnd.measured(
        sequences, np.repeat([1, 0.5, 0.5], sequences.lengths), standardize="sequence"
    )
    copied = measured(as_sequences([X[0], *X]), standardize="sequence")
    for name in ("mean", "scale", "level"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(copied, name), rtol=1e-12)


@pytest.mark.parametrize("low", [1e-300, 1e-6, 0.5, 0.99])
def test_logarithm(low):
    x = np.random.default_rng(0).uniform(low, 3 * low, 2000)
    expected = np.array([math.log(value) for value in x])
    np.testing.assert_allclose(module.log(x), expected, rtol=ROUNDING, atol=0)
    assert module.log(np.array([1.0])) == 0


# Frames


@pytest.mark.parametrize(
    ("T", "frame", "expected"),
    [
        (5, Frame(3, 2), [[0, 1, 2], [2, 3, 4]]),
        (6, Frame(3, 2), [[0, 1, 2], [2, 3, 4]]),  # the last sample is in none
        (7, Frame(3, 2), [[0, 1, 2], [2, 3, 4], [4, 5, 6]]),
        (2, Frame(4, 2), [[0, 1, 1, 1]]),
        (1, Frame(1, 3), [[0]]),
        (5, Frame(1, 3), [[0], [3]]),
        (3, Frame(3, 1, aligned=True), [[0, 0, 0], [0, 0, 1], [0, 1, 2]]),
    ],
    ids=str,
)
def test_frames(T, frame, expected):
    front_end = FrontEnd(np.zeros(1), np.ones(1), frame=frame)
    X = [np.arange(T, dtype=float)[:, None], np.full((4, 1), 9.0)]
    found = front_end.apply(as_sequences(X))
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(found[1], 9)


@pytest.mark.parametrize(
    ("lengths", "n_numbers", "frame"),
    [
        ([1], 1, None),  # a quarter of 1 is none, a stride is 1: one sample, as without frames
        ([7], 3, None),  # 7 // 4 = 1
        ([10] * 3, 1, (2, 1)),  # a quarter
        ([32, 32], 3, (8, 1)),  # a quarter, and 8 strides
        ([191], 1, (8, 1)),  # 191 / 128 rounds to 1
        ([193, 193], 1, (16, 2)),  # and 193 / 128 to 2
        ([1, 640, 650], 3, (40, 5)),  # of the median
        ([640], 12, (40, 5)),  # 480 numbers
        ([640], 18, (28, 5)),  # 512 // 18
        ([640], 200, (5, 5)),  # 512 // 200 = 2, but a frame is a stride at least
        ([100], 600, None),  # no room for two samples
    ],
)
def test_automatic_frames(lengths, n_numbers, frame):
    found = Frame.of("auto", np.array(lengths), aligned=False, n_numbers=n_numbers)
    assert (found and found[:2]) == frame
    assert Frame.of("auto", np.array(lengths), aligned=True, n_numbers=n_numbers) is None


@pytest.mark.parametrize(
    ("given", "aligned", "message"),
    [
        ("automatic", False, r"frame='automatic'; expected \(length, stride\), 'auto' or None"),
        ((4,), False, r"two whole numbers of samples, each 1 or more: frame=\(16, 4\)"),
        ((4, 0), False, "each 1 or more"),
        ((4.0, 2), False, "whole numbers"),
        ((4, 2), True, r"its stride must be 1\. Set frame=\(4, 1\)\."),
    ],
)
def test_frames_that_make_no_sense_are_refused(given, aligned, message):
    with pytest.raises(ValueError, match=message):
        Frame.of(given, np.array([9]), aligned)


def test_names():
    front_end = FrontEnd(np.zeros(2), np.ones(2), np.zeros(2), differences=True, frame=Frame(2, 1))
    assert front_end.feature_names(["temp", "wind"]) == [
        "temp[-1]", "wind[-1]", "z temp[-1]", "z wind[-1]", "Δ temp[-1]", "Δ wind[-1]",
        "temp[0]", "wind[0]", "z temp[0]", "z wind[0]", "Δ temp[0]", "Δ wind[0]",
        "level temp", "level wind",
    ]  # fmt: skip
    assert FrontEnd(np.zeros(2), np.ones(2)).feature_names() == ["x0", "x1"]


def test_every_name_says_what_its_feature_is():
    X = ragged([9, 5], 2, np.float64)
    front_end = measured(
        as_sequences(X), standardize="sequence", differences=True, frame=Frame(3, 2)
    )
    plain = replace_frame(front_end, None)
    steps, samples = front_end.apply(as_sequences(X))[0], plain.apply(as_sequences(X))[0]
    of_samples = dict(zip(plain.feature_names(), samples.T, strict=True))
    for name, values in zip(front_end.feature_names(), steps.T, strict=True):
        base, _, place = name.partition("[")
        ends = np.arange(2, 9, 2) + (int(place[:-1]) if place else 0)
        np.testing.assert_array_equal(values, of_samples[base][ends])


def replace_frame(front_end, frame):
    return FrontEnd(front_end.mean, front_end.scale, front_end.level, front_end.differences, frame)


# What is refused


def test_differences_that_overflow_are_refused_with_their_place():
    X = [np.ones((3, 1)), np.array([[0.0], [1e308], [-1e308]])]
    with pytest.raises(DataError, match=r"sequence 1, step 2 of X and the step before are too far"):
        FrontEnd(np.zeros(1), np.ones(1), differences=True).apply(as_sequences(X))


def test_numbers_that_overflow_on_standardising_are_refused_with_their_place():
    X = [np.ones((3, 1)), np.array([[0.0], [1e308], [-1e308]])]
    with pytest.raises(DataError, match=r"sequence 1, step 1, feature 0, which is too large"):
        FrontEnd(np.zeros(1), np.full(1, 0.1), np.zeros(1)).apply(as_sequences(X))


def test_frames_beyond_all_memory_are_refused():
    X = as_sequences(np.ones((2, 1000, 1)))
    front_end = FrontEnd(np.zeros(1), np.ones(1), frame=Frame(10**13, 1, aligned=True))
    with pytest.raises(MemoryError, match=r"2,000 steps of 10,000,000,000,000 features needs"):
        front_end.apply(X)


SPOILT = {
    "a level that is NaN": {"level": np.full(2, np.nan)},
    "a level of float32": {"level": np.zeros(2, np.float32)},
    "a level too few": {"level": np.zeros(1)},
    "a scale of 0": {"scale": np.zeros(2)},
    "a scale too few": {"scale": np.ones(1)},
    "differences that are no truth value": {"differences": 1},
    "a stride of 0": {"frame": Frame(2, 0)},
    "a length that is no number": {"frame": Frame("2", 1)},
    "steps that are skipped": {"frame": Frame(2, 2, aligned=True)},
    "alignment that is no truth value": {"frame": Frame(2, 1, aligned=1)},
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT)
def test_parts_that_make_no_front_end_are_refused(spoilt):
    parts = {"mean": np.zeros(2), "scale": np.ones(2)}
    FrontEnd(**parts).check()
    with pytest.raises(ValueError, match=r"level|mean_|differences|frame|aligned"):
        FrontEnd(**parts | spoilt).check()


@given(cases)
@settings(max_examples=30, deadline=None)
def test_settings_and_arrays_make_it_again(case):
    X, front_end = of_case(**case)
    again = FrontEnd.from_model(front_end.settings, front_end.arrays)
    again.check()
    assert again.feature_names() == front_end.feature_names()
    assert again.frame == front_end.frame
    found, expected = again.apply(as_sequences(X)), front_end.apply(as_sequences(X))
    np.testing.assert_array_equal(found.values, expected.values)
