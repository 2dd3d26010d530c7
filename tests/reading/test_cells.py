"""Whole sequences in cells: what libraries take out of their buffers is what stands in each cell."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from narwhals import from_native

import elman
from elman import DataError
from elman.reading import cells
from elman.reading.frames import LIBRARIES

KINDS = {"f4": pa.float32(), "f8": pa.float64(), "i2": pa.int16()}


def place(row):
    return f"row {row + 1}"


@st.composite
def tables(draw):
    """A column of lists of numbers, or of lists of so many for each step; as a table of Arrow."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    n_features = draw(st.sampled_from([None, 1, 3]))
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    shape = lambda n: (n,) if n_features is None else (n, n_features)  # noqa: E731
    X = [draw(arrays.arrays(kind, shape(n), elements=st.integers(-9, 9))) for n in lengths]
    inner = KINDS[kind]
    if n_features is not None:
        inner = draw(st.sampled_from([pa.list_(inner), pa.list_(inner, n_features)]))
    column = pa.array([x.tolist() for x in X], pa.list_(inner))
    start = draw(st.integers(0, len(X) - 1))  # a slice, whose buffers hold more than it
    return X[start:], pa.table({"x": column}).slice(start)


@given(tables(), st.sampled_from(["polars", "pyarrow"]))
@settings(max_examples=40)
def test_buffers_hold_what_cells_hold(pair, library):
    X, table = pair
    frame = from_native(pl.from_arrow(table) if library == "polars" else table, eager_only=True)
    fast = cells._of_lists(frame["x"])
    assert fast is not None
    for found, expected in zip(fast, cells._one_by_one(frame["x"], place), strict=True):
        np.testing.assert_array_equal(found, expected)
    width = fast[0].shape[1]
    np.testing.assert_array_equal(fast[0], np.concatenate(X).reshape(-1, width))
    assert fast[0].dtype == (np.float32 if X[0].dtype == np.float32 else np.float64)


@pytest.mark.parametrize("library", LIBRARIES)
def test_files_are_read_part_by_part(tmp_path, monkeypatch, library):
    monkeypatch.setattr("elman.reading.frames.LIBRARIES", (library,))
    monkeypatch.setattr("elman.reading.frames._ROWS", 10)
    rng = np.random.default_rng(0)
    lengths = np.sort(rng.integers(1, 40, 100))  # those of the first part are the shortest
    X = [rng.standard_normal((n, 2), np.float32) for n in lengths]
    X[70][0, 1] = np.nan
    lists = {
        name: [[None if v != v else float(v) for v in x[:, j]] for x in X]
        for j, name in enumerate("ab")
    }
    schema = {"a": pl.List(pl.Float32), "b": pl.List(pl.Float32)}
    table = pl.DataFrame(lists, schema=schema).with_columns(
        nr=pl.Series(np.arange(100) + 7), y=pl.Series(["p", "q"] * 50)
    )
    table.write_parquet(tmp_path / "panel.parquet", row_group_size=10)
    table.write_ipc(tmp_path / "panel.feather", compression="lz4")
    for name in ("panel.parquet", "panel.feather"):
        found, y, info = elman.read_sequences(
            tmp_path / name, id="nr", features=["a", "b"], label="y", missing="mean"
        )
        assert info.filled == 1
        assert info.ids.tolist() == list(range(7, 107))
        assert y.tolist() == ["p", "q"] * 50
        assert found.values.dtype == np.float32
        for i, (one, x) in enumerate(zip(found, X, strict=True)):
            first = int(i == 70)  # where one was filled
            np.testing.assert_array_equal(one[first:], x[first:])


def test_what_is_wrong_in_a_later_part_is_named_by_its_row(tmp_path, monkeypatch):
    monkeypatch.setattr("elman.reading.frames._ROWS", 10)
    path = tmp_path / "panel.parquet"
    good = [[1.0, 2.0]] * 30

    def write(a, b):
        pl.DataFrame({"a": a, "b": b, "label": [0, 1] * 15}).write_parquet(path, row_group_size=10)

    write(good, [*good[:25], [1.0], *good[26:]])
    with pytest.raises(DataError, match="row 26 has 1 steps in column 'b' and 2 in 'a'"):
        elman.read_sequences(path)
    write([*good[:22], None, *good[23:]], good)
    with pytest.raises(DataError, match="column 'a' holds in row 23 an array of shape"):
        elman.read_sequences(path)
    write([*good[:22], [], *good[23:]], [*good[:22], [], *good[23:]])
    with pytest.raises(DataError, match=r"row 23 of panel\.parquet has no step"):
        elman.read_sequences(path)
    steps = [[[1.0, 2.0]]] * 20 + [[[1.0, 2.0, 3.0]]] * 10
    pl.DataFrame({"a": steps, "label": [0, 1] * 15}).write_parquet(path, row_group_size=10)
    with pytest.raises(DataError, match=r"3 features from row 21 on, and 2 before"):
        elman.read_sequences(path)
