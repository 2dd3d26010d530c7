from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from elman.data.arrays import (
    all_finite,
    column_names,
    numeric,
    refuse_mask,
    refuse_table,
    text_in,
)
from elman.errors import DataError


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float16, np.float32, np.float64])
def test_real_numbers_stay_as_they_are(dtype):
    given = np.arange(1, 7).reshape(2, 3).astype(dtype)
    array = numeric(given, "x")
    assert array.dtype == dtype
    np.testing.assert_array_equal(array, given)


@pytest.mark.parametrize("shape", [(1,), (7,), (5, 40)])
def test_one_number_that_is_not_finite_is_found_wherever_it_is(shape):
    array = np.ones(shape, np.float32)
    assert all_finite(array)
    for place in np.ndindex(shape):
        for wrong in (np.nan, np.inf, -np.inf):
            array[place] = wrong
            assert not all_finite(array)
        array[place] = 1


def test_objects_that_are_numbers_become_doubles():
    array = numeric(np.array([[True, 2], [2.5, np.float32(3)]], object), "x")
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, [[1, 2], [2.5, 3]])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (None, r"x is None; expected an array \(n_timesteps, n_features\)"),
        ([[1.0, 2.0], [3.0]], "x is not a rectangular array: its rows differ in length"),
        (np.full((3, 1), "a"), "x has dtype <U1; expected real numbers. Encode text"),
        ([[1.0, {}]], "x holds dict objects; expected numbers"),
        ([[1.0, None]], r"x holds missing values \(NoneType\); expected numbers"),
        (np.array([["a", 1.0]], object), "x holds text; expected numbers"),
        ([[10**400]], "x holds a whole number too large for float64"),
        (np.ones((3, 1)) * 1j, "x has dtype complex128; expected real numbers"),
        (
            np.ones((3, 1)).astype("M8[s]"),
            "x holds times; expected numbers. Leave them out, or make",
        ),
        (np.ones((3, 1)).astype("m8[s]"), "x holds times; expected numbers"),
        ([[1.0, datetime(2020, 1, 1)]], "x holds times; expected numbers"),
        (np.ma.array([1.0, 2.0], mask=[False, True]), "x is an array with a mask"),
    ],
)
def test_what_holds_no_real_numbers_is_refused_in_words(bad, message):
    with pytest.raises(DataError, match=message):
        numeric(bad, "x")


def test_a_mask_that_hides_nothing_is_none():
    refuse_mask(np.ma.array([1.0, 2.0]), "x")


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table], ids=lambda f: f.__module__)
def test_columns_have_the_names_of_their_library(make):
    frame = make({"speed": [1.0, 2.0], "load": [3.0, 4.0]})
    assert column_names(frame) == ("speed", "load")


def test_what_has_no_names_of_columns():
    assert column_names(np.ones((2, 2))) is None
    assert column_names(pd.DataFrame(np.ones((2, 2)))) is None
    with pytest.raises(DataError, match="names that are not all text: 'a', 0"):
        column_names(pd.DataFrame({"a": [1.0], 0: [2.0]}))


def test_text_is_placed_in_its_column():
    frame = pd.DataFrame({"load": [1.0], "kind": ["fast"]})
    assert str(text_in(frame, "x")).startswith("x holds text in column 'kind'")
    assert "column" not in str(text_in(["a"], "x"))


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table], ids=lambda f: f.__module__)
@pytest.mark.parametrize("others", [{}, {"load": [1.0]}], ids=["alone", "beside numbers"])
def test_times_are_placed_in_their_column(make, others):
    frame = make(others | {"when": [datetime(2020, 1, 1)]})
    with pytest.raises(DataError, match=r"^x holds times in column 'when'; expected numbers"):
        numeric(frame, "x")


def test_groups_are_refused_with_what_makes_a_list_of_them():
    frame = pd.DataFrame({"id": [0, 0, 1], "load": [1.0, 2.0, 3.0]})
    with pytest.raises(DataError, match=r"is a DataFrameGroupBy; .*for _, frame in groups\]"):
        refuse_table(frame.groupby("id"), "groups")
    refuse_table(frame, "frame")
