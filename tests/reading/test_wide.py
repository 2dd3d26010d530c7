"""A row a sequence, its steps in columns or whole sequences in cells."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import elman
from elman import DataError, RNNClassifier
from reading.frames import LIBRARIES, frame_of


@pytest.mark.parametrize("library", LIBRARIES)
def test_numbered_columns(library):
    values = np.random.default_rng(0).standard_normal((4, 3, 2))
    values[1, 2] = np.nan
    columns = {f"{name}_{t}": values[:, t, j] for j, name in enumerate("ab") for t in (2, 0, 1)}
    X, y, info = elman.read_sequences(frame_of({**columns, "label": list("uvuv")}, library))
    assert X.lengths.tolist() == [3, 2, 3, 3]
    np.testing.assert_array_equal(X[2], values[2])
    np.testing.assert_array_equal(X[1], values[1, :2])
    assert info.features == ("a", "b")
    assert y.tolist() == list("uvuv")
    assert str(info).endswith("a row a sequence")


def test_ucr_tsv_has_no_header(tmp_path):
    path = tmp_path / "GunPoint_TRAIN.tsv"
    path.write_text("1\t0.5\t0.25\t-1\n2\t1.5\t2.5\tNaN\n")
    X, y, _ = elman.read_sequences(path)
    assert [x.ravel().tolist() for x in X] == [[0.5, 0.25, -1], [1.5, 2.5]]
    assert y.tolist() == [1, 2]


def test_sequences_in_cells():
    cells = {"x": [[1.0, 2.0], [3.0]], "z": [[5, 6], [7]], "label": ["a", "b"]}
    nested = pd.DataFrame(
        {k: [pd.Series(v) for v in cells[k]] for k in "xz"} | {"label": ["a", "b"]}
    )
    for frame in (pl.DataFrame(cells), nested):
        X, y, info = elman.read_sequences(frame)
        assert [x.tolist() for x in X] == [[[1, 5], [2, 6]], [[3, 7]]]
        assert info.features == ("x", "z")
        assert y.tolist() == ["a", "b"]


def test_a_model_reads_rows_of_other_lengths():
    values = np.random.default_rng(0).standard_normal((6, 8))
    frame = pd.DataFrame(values, columns=[f"t{i}" for i in range(8)]).assign(label=[0, 1] * 3)
    X, y, _ = elman.read_sequences(frame)
    model = RNNClassifier(3, max_iter=1, random_state=0, engine="reference").fit(X, y)
    new = pd.DataFrame(values[:2, :5], columns=[f"t{i}" for i in range(5)])
    Z, y, _ = elman.read_sequences(new, like=model)
    assert Z.lengths.tolist() == [5, 5]
    assert y is None
    assert model.predict(Z).shape == (2,)


@pytest.mark.parametrize(
    ("names", "keywords", "beside"),
    [
        (["jan", "feb", "mar", "apr"], {"id": "nr", "layout": "wide"}, ["nr"]),
        (["s0", "s1", "s2", "s3"], {"features": ["s0", "s1", "s2", "s3"]}, ["age", "n1"]),
        (["s0", "s1", "s2", "s3"], {"id": "s9"}, ["s9"]),
    ],
)
def test_a_model_reads_the_steps_that_it_was_trained_on(names, keywords, beside):
    values = np.random.default_rng(0).standard_normal((6, 4))
    frame = pd.DataFrame(values, columns=names).assign(label=[0, 1] * 3)
    for at, name in enumerate(beside):
        frame.insert(at, name, np.arange(6.0))
    X, y, _ = elman.read_sequences(frame, **{"layout": "wide", **keywords})
    model = RNNClassifier(3, max_iter=1, random_state=0, engine="reference").fit(X, y)
    Z, again, info = elman.read_sequences(frame, like=model)
    np.testing.assert_array_equal(Z.values, X.values)
    assert (info.features, again.tolist()) == (X.names, y.tolist())
    other = frame.rename(columns=dict(zip(names, ["w", "x", "y", "z"], strict=True)))
    with pytest.raises(
        DataError, match=f"no column {names[0]!r}, which the model was trained with"
    ):
        elman.read_sequences(other, like=model)


@pytest.mark.parametrize(
    ("columns", "keywords", "message"),
    [
        ({"x0": [1.0, np.nan], "x1": [1.0, np.nan], "x2": [2.0, np.nan]}, {}, "row 2 .*no step"),
        (
            {"x0": [1.0], "x1": ["a"], "x2": [2.0]},
            {"features": ["x0", "x1", "x2"]},
            "'x1' holds text",
        ),
        (
            {"x0": [1.0], "x1": [1.0], "x2": [2.0], "y": ["a"]},
            {"task": "tag"},
            "one label for each",
        ),
    ],
)
def test_what_is_wrong_is_named(columns, keywords, message):
    with pytest.raises(DataError, match=message):
        elman.read_sequences(pd.DataFrame(columns), layout="wide", **keywords)


def test_cells_that_do_not_agree():
    with pytest.raises(DataError, match="row 2 has 2 steps in column 'z' and 1 in 'x'"):
        elman.read_sequences(pl.DataFrame({"x": [[1.0], [2.0]], "z": [[1.0], [2.0, 3.0]]}))
