"""Columns as numbers: text, categories, truth values, and what is neither."""

import numpy as np
import pytest

import elman
from elman import DataError
from reading.frames import LIBRARIES, frame_of


def read(library="pandas", **columns):
    n = len(next(iter(columns.values())))
    return elman.read_sequences(frame_of({"id": ["a"] * n, **columns}, library), layout="long")


@pytest.mark.parametrize("library", LIBRARIES)
def test_text_becomes_categories(library):
    X, _, info = read(library, gear=["up", "down", "up"], on=[True, False, True], n=[1, 2, 3])
    assert info.features == ("gear=down", "gear=up", "on", "n")
    assert X[0].tolist() == [[0, 1, 1, 1], [1, 0, 0, 2], [0, 1, 1, 3]]
    assert info.categories == {"gear": ["down", "up"]}
    assert '"gear" as 2 features of 0 and 1' in str(info)


@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_in_text_are_numbers(library):
    X, _, _ = read(library, x=["1.5", "-2", "3e4"])
    assert X[0].ravel().tolist() == [1.5, -2, 30000]


@pytest.mark.parametrize("library", LIBRARIES)
def test_digits_with_underscores_are_text(library):
    X, _, info = read(library, zone=["1_1", "1_2", "1_1"])
    assert info.features == ("zone=1_1", "zone=1_2")
    assert X[0].tolist() == [[1, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize("library", LIBRARIES)
def test_text_among_numbers_is_named(library):
    with pytest.raises(
        DataError, match=r"'x' holds numbers and, in row 3 \(id 'a'\), the text '1,5'"
    ):
        read(library, x=["1", "2", "1,5", "4", "oops"])


def test_text_of_many_kinds_is_no_feature():
    with pytest.raises(DataError, match="'note' holds text with 21 different values"):
        read(note=[f"word {chr(97 + i)}" for i in range(21)])


def test_float32_stays():
    X, _, _ = read("polars", x=np.array([1, 2], np.float32))
    assert X.values.dtype == np.float32


def test_dates_are_no_feature():
    when = np.array(["2026-01-01", "2026-01-02"], "datetime64[us]")
    columns = {"id": ["a", "a"], "when": when, "x": [1.0, 2.0]}
    with pytest.raises(DataError, match=r"'when' holds Datetime.* neither numbers nor text"):
        elman.read_sequences(frame_of(columns), features=["when", "x"])
