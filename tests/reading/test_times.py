"""Times: sorted, and doubled or missing ones reported by id."""

from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import elman
from elman import DataError
from elman.reading.times import distances, time_of
from reading.frames import LIBRARIES, frame_of


def read(columns, library="pandas"):
    return elman.read_sequences(frame_of(columns, library))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "times",
    [
        [2, 0, 1],
        [0.2, 0.0, 0.1],
        ["10", "8", "9.5"],
        ["2026-03-01 12:00:02", "2026-03-01 12:00:00", "2026-03-01 12:00:01"],
        [np.datetime64("2026-03-03"), np.datetime64("2026-03-01"), np.datetime64("2026-03-02")],
    ],
)
def test_rows_are_sorted_by_numbers_and_dates(library, times):
    if isinstance(times[0], np.datetime64):
        times = np.array(times, "datetime64[us]")
    X, _, info = read({"id": ["a"] * 3, "at": times, "x": [2.0, 0.0, 1.0]}, library)
    assert X[0].ravel().tolist() == [0, 1, 2]
    assert (np.diff(info.times) > np.array(0, np.diff(info.times).dtype)).all()
    assert "rows sorted by time" in str(info)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["0", "1", "soon"], "is 'soon' in row 3; expected a number, or a date"),
        (["2026-01-01", "2026-01-02", "soon"], "is 'soon' in row 3; expected a number, or a date"),
    ],
)
def test_text_that_is_no_time_is_named(times, message):
    with pytest.raises(DataError, match=message):
        read({"id": ["a"] * 3, "at": times, "x": [2.0, 0.0, 1.0]}, "polars")


def test_doubled_times_are_reported_by_id():
    columns = {"id": ["a", "a", "b", "b", "b"], "at": [0, 1, 5, 5, 6], "x": [1.0, 2, 3, 4, 5]}
    with pytest.warns(
        UserWarning, match=r"'at' occurs twice in 1 row, in id 'b'; the first is 5.*\(--id\)"
    ):
        X, _, _ = read(columns)
    assert X[1].ravel().tolist() == [3, 4, 5]


def test_missing_times_are_reported_by_id():
    at = [*range(10), *range(10), 15]
    columns = {"id": ["a"] * 10 + ["b"] * 11, "at": at, "x": np.arange(21.0)}
    with pytest.warns(
        UserWarning, match="5 steps seem to be missing, by time 'at', in id 'b'; the fi"
    ):
        read(columns)


def test_times_without_a_pattern_have_no_gaps():
    at = np.cumsum([1, 4, 2, 8, 3, 9, 1, 7])
    read({"id": ["a"] * 8, "at": at, "x": np.arange(8.0)})  # a warning would be an error


def test_the_step_from_one_sequence_to_the_next_is_none():
    read({"id": ["a"] * 5 + ["b"] * 5, "at": [*range(5), *range(100, 105)], "x": np.arange(10.0)})


def test_times_with_a_zone():
    at = pd.to_datetime(["2026-03-01 12:00", "2026-03-01 13:00"]).tz_localize("Europe/Vienna")
    text = pd.DataFrame({"id": [1, 1], "at": at.map(lambda t: t.isoformat()), "x": [1.0, 2.0]})
    for frame in (pd.DataFrame({"id": [1, 1], "at": at, "x": [1.0, 2.0]}), text):
        _, _, info = elman.read_sequences(frame)
        assert info.times[0] == np.datetime64("2026-03-01T11:00")
        assert str(info).endswith("times brought to UTC")
    plain = text.assign(at=["2026-03-01 12:00", "2026-03-01 13:00"])
    assert "UTC" not in str(elman.read_sequences(plain)[2])


lengths_of = st.lists(st.integers(2, 7), min_size=1, max_size=6)


def times_of(lengths, step):
    """Times that begin anew with each sequence, and where sequences begin."""
    pieces = [10 * i + step * np.arange(n) for i, n in enumerate(lengths)]
    return np.concatenate(pieces), np.cumsum([0, *lengths[:-1]])


@patch("elman.reading.times._BLOCK", 3)
@given(lengths=lengths_of, step=st.integers(1, 3))
def test_regular_times_are_seen(lengths, step):
    assert distances(*times_of(lengths, step)) is None


@patch("elman.reading.times._BLOCK", 3)
@given(lengths=lengths_of, step=st.integers(-1, 2), row=st.integers(0, 41), later=st.integers(0, 2))
def test_distances_are_those_of_the_rows(lengths, step, row, later):
    times, starts = times_of(lengths, step)
    times[row % len(times)] += later
    expected = np.diff(times)
    inside = np.delete(expected, starts[1:] - 1)
    expected[starts[1:] - 1] = 1
    found = distances(times, starts)
    if found is None:
        assert len(set(inside)) == 1
        assert inside[0] > 0
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2024-01-01", "2024-01-01"),
        ("20240101T103000", "2024-01-01T10:30:00"),
        ("2024-01-01T10", "2024-01-01T10:00:00"),
        ("2024-01-01 00:00", "2024-01-01T00:00:00"),
    ],
)
def test_a_time_of_day_is_shown_however_it_is_written(text, shown):
    assert time_of(text, "at")[1] == shown


def test_a_time_that_utc_does_not_have_is_refused():
    with pytest.raises(DataError, match="0001-01-01T00:00:00\\+05:00 is before the year 1"):
        time_of("0001-01-01T00:00:00+05:00", "at")
