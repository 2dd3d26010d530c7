"""Columns whose values repeat: runs answer what a look at each row would."""

from itertools import groupby, pairwise

import narwhals as nw
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.reading.runs import Runs

LIBRARIES = ["polars", "pandas", "pyarrow"]
values = st.one_of(
    st.lists(st.sampled_from(["a", "b", "long enough for no short text"]), min_size=1),
    st.lists(st.integers(-2, 2), min_size=1),
    st.lists(st.sampled_from(["a", "b", None]), min_size=1).filter(lambda v: set(v) != {None}),
)


def column(listed, library="polars"):
    dtype = nw.Int64 if isinstance(listed[0], int) else nw.String
    return nw.new_series("id", listed, dtype, backend=library)


def expanded(runs):
    """Each row's value."""
    kept = [None if value != value else value for value in runs.values.to_list()]  # pandas has NaN
    return [value for value, n in zip(kept, runs.lengths, strict=True) for _ in range(n)]


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_rows_are_no_runs(library):
    none = nw.new_series("id", [], nw.Int64, backend=library)
    assert len(Runs.of(none)) == 0


@pytest.mark.parametrize("library", LIBRARIES)
@given(listed=values)
def test_runs_are_those_of_the_rows(library, listed):
    runs = Runs.of(column(listed, library))
    assert expanded(runs) == listed
    assert runs.n_rows == len(listed)
    if None in listed:
        assert runs.missing == listed.index(None)
        return
    assert runs.missing is None
    assert len(runs) == len(list(groupby(listed)))
    kept = runs.values.to_list()
    assert runs.firsts().tolist() == [kept.index(value) for value in kept]
    rows = np.arange(len(listed))[::-1]
    assert runs.at(rows).to_list() == listed[::-1]


@given(listed=values, cuts=st.lists(st.integers(1, 5), max_size=4))
def test_parts_are_one_column(listed, cuts):
    ends = [min(end, len(listed)) for end in np.cumsum([0, *cuts, len(listed)])]
    whole = column(listed)
    joined = Runs.joined([Runs.of(whole[np.arange(a, b)]) for a, b in pairwise(ends) if a < b])
    expected = Runs.of(whole)
    assert expanded(joined) == listed
    assert joined.missing == expected.missing
    if None not in listed:  # else the batch that has none missing has fewer runs
        np.testing.assert_array_equal(joined.starts, expected.starts)


@given(listed=values.filter(lambda v: None not in v), seed=st.integers(0, 99))
def test_another_order_is_that_of_the_rows(listed, seed):
    order = np.random.default_rng(seed).permutation(len(listed))
    expected = Runs.of(column([listed[i] for i in order]))
    found = Runs.of(column(listed)).reordered(order)
    np.testing.assert_array_equal(found.starts, expected.starts)
    assert found.values.to_list() == expected.values.to_list()
