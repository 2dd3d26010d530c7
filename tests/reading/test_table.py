"""A row a step: sequences have the numbers of the rows, in whatever order these stand."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import elman
from elman import DataError
from reading.frames import LIBRARIES, columns_of, frame_of


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_row_a_step(library):
    lengths = [3, 1, 4]
    columns, values = columns_of(np.random.default_rng(0), lengths)
    X, y, info = elman.read_sequences(frame_of(columns, library), label="state")
    assert [len(x) for x in X] == lengths
    np.testing.assert_array_equal(np.concatenate(list(X)), values)
    assert y.tolist() == ["good", "bad", "good"]
    assert info.ids.tolist() == ["m0", "m1", "m2"]
    assert X.names == info.features == ("fa", "fb")
    np.testing.assert_array_equal(info.times, columns["at"])
    assert str(info) == (
        '5 columns: 2 features, id "machine" (3 sequences, 1 to 4 steps), time "at", '
        'label "state" (2 classes: 1/2)'
    )


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "__index_level_0__"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_row_numbers_are_no_feature_unless_they_are_named(library, name):
    columns, _ = columns_of(np.random.default_rng(0), [3, 1, 4])
    numbers = np.arange(900, 908)
    X, _, info = elman.read_sequences(frame_of({name: numbers, **columns}, library), label="state")
    assert X.names == ("fa", "fb")
    assert str(info).endswith(f', row numbers "{name}" (not used)')
    frame = frame_of({name: numbers[[1, 0, *range(2, 8)]], **columns}, library)
    assert elman.read_sequences(frame, label="state")[0].names == (name, "fa", "fb")
    frame = frame_of({name: numbers, **columns}, library)
    X, *_ = elman.read_sequences(frame, label="state", features=[name, "fa"])
    assert X.names == (name, "fa")


@given(
    lengths=st.lists(st.integers(1, 6), min_size=2, max_size=6),  # one alone is refused
    seed=st.integers(0, 1000),
    library=st.sampled_from(LIBRARIES),
    numeric_ids=st.booleans(),
)
def test_shuffled_rows_give_the_same_numbers(lengths, seed, library, numeric_ids):
    rng = np.random.default_rng(seed)
    columns, values = columns_of(rng, lengths)
    if numeric_ids:
        columns["machine"] = [int(name[1:]) for name in columns["machine"]]
    order = rng.permutation(len(values))
    shuffled = {name: [column[i] for i in order] for name, column in columns.items()}
    X, y, info = elman.read_sequences(frame_of(shuffled, library), label="state", id="machine")
    offsets = np.append(0, np.cumsum(lengths))
    first_seen = list(dict.fromkeys(shuffled["machine"]))
    assert info.ids.tolist() == first_seen
    for x, label, name in zip(X, y, first_seen, strict=True):
        i = int(str(name).removeprefix("m"))
        np.testing.assert_array_equal(x, values[offsets[i] : offsets[i + 1]])
        assert label == ("bad" if i % 2 else "good")


def test_without_times_rows_of_a_sequence_keep_their_order():
    frame = pd.DataFrame({"id": [1, 2, 1, 2], "x": [1.0, 2.0, 3.0, 4.0]})
    X, y, info = elman.read_sequences(frame)
    assert y is None
    assert [x[:, 0].tolist() for x in X] == [[1, 3], [2, 4]]
    assert "rows sorted by id" in str(info)


def test_a_panel_of_two_levels():
    index = pd.MultiIndex.from_product([["a", "b"], [0, 1, 2]], names=["case", None])
    frame = pd.DataFrame({"x": np.arange(6.0), "y_": np.arange(6.0) ** 2}, index=index)
    X, _, info = elman.read_sequences(frame)
    assert (info.id, info.time, info.features) == ("case", "level 1", ("x", "y_"))
    assert X[1].tolist() == [[3, 9], [4, 16], [5, 25]]


def test_a_label_a_row_and_numbers():
    columns, _ = columns_of(np.random.default_rng(0), [3, 2])
    columns["state"] = ["ok", "ok", "bad", "bad", "ok"]
    columns["rul"] = np.array([5.0, 4, 3, 9, 8])
    columns["cost"] = np.array([1.0, 1, 1, 2, 2])
    frame = frame_of(columns)
    features = ["fa", "fb"]
    _, y, info = elman.read_sequences(frame, label="state", features=features, task="tag")
    assert [labels.tolist() for labels in y] == [["ok", "ok", "bad"], ["bad", "ok"]]
    assert info.of_steps
    keywords = {"features": features, "task": "regression"}
    _, y, _ = elman.read_sequences(frame, label="rul", **keywords)
    assert [numbers.tolist() for numbers in y] == [[5, 4, 3], [9, 8]]
    _, y, info = elman.read_sequences(frame, label="cost", **keywords)
    assert y.tolist() == [1, 2]
    assert 'to predict "cost" (numbers, one a sequence)' in str(info)
    _, y, _ = elman.read_sequences(frame, label=["cost", "rul"], **keywords)
    assert y[1].tolist() == [[2, 9], [2, 8]]


def test_one_recording():
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    X, _, info = elman.read_sequences(frame, layout="one")
    assert (len(X), len(X[0]), info.id) == (1, 3, None)


def test_some_of_the_sequences_keep_what_they_are():
    columns, values = columns_of(np.random.default_rng(0), [3, 1, 4])
    X, _, _ = elman.read_sequences(frame_of(columns), label="state")
    some = X[1:]
    np.testing.assert_array_equal(some.values, values[3:])
    assert some.names == X.names
    np.testing.assert_array_equal(X[-1], values[4:])
    assert X[[2, 0]].lengths.tolist() == [4, 3]
    assert repr(X) == "<3 sequences of 1 to 4 steps, 2 features>"
    assert repr(X[:1]) == "<1 sequence of 3 steps, 2 features>"


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("change", "keywords", "message"),
    [
        (
            {"state": ["a", "b", "a", "a", "a"]},
            {"label": "state"},
            r"'state' changes within a sequence: 'a' in row 1 \(machine 'm0'\), 'b' in row 2 .*--id",
        ),
        (
            {"state": ["a", "a", "a", None, None]},
            {},
            r"label 'state' is missing in row 4 \(machine",
        ),
        ({"machine": ["a", "a", None, "b", "b"]}, {}, "id 'machine' is missing in row 3"),
        ({}, {"label": "sate"}, "has no column 'sate'; .* Did you mean 'state'?"),
        ({}, {"id": "machine", "time": "machine"}, "'machine' is named twice"),
        ({}, {"features": ["fa", "FB"]}, "no column 'FB'.*Did you mean 'fb'?"),
        ({"at": [0, 1, None, 0, 1]}, {}, "time 'at' is missing in row 3"),
        ({"at": ["x", "y", "z", "u", "v"]}, {}, "time 'at' is 'x' in row 1; expected"),
        (
            {"fb": [1.0, 2.0, np.inf, 1.0, 1.0]},
            {},
            r"column 'fb' is infinite in row 3 \(machine 'm0'",
        ),
    ],
)
def test_what_is_wrong_is_named_by_column_and_row(library, change, keywords, message):
    columns, _ = columns_of(np.random.default_rng(0), [3, 2])
    frame = frame_of({**columns, **change}, library)
    with pytest.raises(DataError, match=message):
        elman.read_sequences(frame, **{"label": "state", **keywords})


def test_ids_as_labels_are_refused():
    n = 10_000
    frame = pd.DataFrame({"id": range(n), "x": np.zeros(n), "serial": [f"s{i}" for i in range(n)]})
    with pytest.raises(
        DataError, match="'serial' has 10,000 classes for 10,000 answers: is it an id"
    ):
        elman.read_sequences(frame, id="id", features="x", label="serial")
    frame["serial"] = np.arange(n)
    with pytest.raises(DataError, match="If it is a number, say so: task='regression'"):
        elman.read_sequences(frame, id="id", features="x", label="serial")


@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_that_are_not_whole_are_no_labels(library):
    columns = {"id": [1, 1, 2, 2], "x": [1.0, 2.0, 3.0, 4.0], "wear": [2.0, 2.0, 0.5, 0.5]}
    with pytest.raises(DataError, match=r"'wear' is 0.5 in row 3 .*expected whole.*regression"):
        elman.read_sequences(frame_of(columns, library), label="wear")
    columns["wear"] = [2.0, 2.0, 0.0, 0.0]
    _, y, _ = elman.read_sequences(frame_of(columns, library), label="wear")
    assert y.tolist() == [2, 0]


def test_nothing_says_what_a_sequence_is():
    frame = pd.DataFrame({"x": [1.0], "z": [2.0]})
    with pytest.raises(DataError, match="which one says to which sequence a row belongs"):
        elman.read_sequences(frame)


def test_wrong_words_are_refused():
    frame = pd.DataFrame({"id": [1, 1], "x": [1.0, 2.0]})
    for keywords in ({"task": "tagging"}, {"layout": "tall"}, {"missing": "zero"}):
        with pytest.raises(DataError, match="; expected '"):
            elman.read_sequences(frame, **keywords)
    with pytest.raises(DataError, match="source is of type int; expected a path, or a data frame"):
        elman.read_sequences(3)
    with pytest.raises(DataError, match=r"source is of type LazyFrame; .*\.collect\(\)"):
        elman.read_sequences(pl.LazyFrame(frame))
    with pytest.raises(DataError, match="has no rows"):
        elman.read_sequences(frame.head(0))
