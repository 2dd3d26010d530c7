"""Missing values: refused with their places, or filled as the training data were."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import elman
from elman import DataError, RNNClassifier
from elman.data import Sequences
from elman.reading.missing import Filling
from reading.frames import LIBRARIES, frame_of

nan = np.nan
COLUMNS = {"id": ["a", "a", "b", "b", "b"], "x": [nan, 4.0, nan, 1.0, nan], "z": [1.0, 2, 3, 4, 5]}


@pytest.mark.parametrize("library", LIBRARIES)
def test_they_are_refused_with_place_and_count(library):
    columns = {**COLUMNS, "x": [None if x != x else x for x in COLUMNS["x"]]}
    message = (
        r"3 values are missing \('x' 3\); the first in column 'x', row 1 \(id 'a'\). Fill them"
    )
    with pytest.raises(DataError, match=message):
        elman.read_sequences(frame_of(columns, library))


@pytest.mark.parametrize(
    ("missing", "x"),
    [
        ("mean", [2.5, 4, 2.5, 1, 2.5]),
        ("forward", [2.5, 4, 2.5, 1, 1]),  # not from one sequence to the next
        ("indicator", [2.5, 4, 2.5, 1, 2.5]),
    ],
)
def test_they_are_filled(missing, x):
    X, _, info = elman.read_sequences(frame_of(COLUMNS), missing=missing)
    np.testing.assert_array_equal(X.values[:, 0], x)
    np.testing.assert_array_equal(X.values[:, 1], COLUMNS["z"])
    assert info.filled == 3
    if missing == "indicator":
        assert X.names == ("x", "z", "x is missing")
        np.testing.assert_array_equal(X.values[:, 2], [1, 0, 1, 0, 1])


def naive(values, offsets, filling):
    filled = values.copy()
    for start, end in pairwise(offsets):
        last = list(filling.means)
        for t in range(start, end):
            for j in range(values.shape[1]):
                if np.isnan(values[t, j]):
                    filled[t, j] = last[j] if filling.policy == "forward" else filling.means[j]
                else:
                    last[j] = values[t, j]
    return filled


@given(
    values=arrays.arrays(float, (12, 2), elements=st.sampled_from([nan, 1.0, 2.0, 3.5])),
    policy=st.sampled_from(["forward", "mean"]),
)
def test_whole_sequences_and_streams_are_filled_alike(values, policy):
    values[0] = 1  # each feature has a value
    offsets = np.array([0, 3, 4, 12])
    filling = Filling.measured(policy, Sequences(values, offsets))
    filled = filling.fill(Sequences(values, offsets)).values
    np.testing.assert_array_equal(filled, naive(values, offsets, filling))
    for start, end in pairwise(offsets):
        last = None
        for t in range(start, end):
            x_t, last = filling.fill_step(values[t], last)
            np.testing.assert_array_equal(x_t, filled[t])


def test_a_model_fills_as_it_was_trained():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(60)
    x[::7] = nan
    columns = {"id": np.repeat(np.arange(20), 3), "x": x, "label": np.repeat([0, 1] * 10, 3)}
    X, y, _ = elman.read_sequences(frame_of(columns), missing="mean")
    model = RNNClassifier(3, max_iter=1, random_state=0, engine="reference").fit(X, y)
    new = {"id": [1, 1], "x": [nan, 5.0]}
    Z, _, _ = elman.read_sequences(frame_of(new), like=model)
    assert Z.values[0, 0] == pytest.approx(np.nanmean(x))  # not of the new data
    with pytest.raises(
        DataError, match=r"NaN.*\(table, like=model\) fills .*; for an array, np.nan_"
    ):
        model.predict(np.array([[[nan], [5.0]]]))


def test_a_feature_without_values_is_refused():
    with pytest.raises(DataError, match="feature 'x' has no value anywhere"):
        elman.read_sequences(frame_of({"id": [1, 1], "x": [nan, nan]}), missing="mean")


@pytest.mark.parametrize(
    "settings",
    [
        {"policy": "zero", "means": [0.0], "indicated": []},
        {"policy": "mean", "means": [nan], "indicated": []},
        {"policy": "mean", "means": ["0"], "indicated": []},
        {"policy": "indicator", "means": [0.0], "indicated": [1]},
        {},
    ],
)
def test_damaged_settings_are_refused(settings):
    with pytest.raises(DataError, match="damaged"):
        Filling.from_settings(settings)
