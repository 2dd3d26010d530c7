"""Arrow files whose rows are sequences: their numbers stay in the file, and are those of the whole."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import elman
from elman import DataError, RNNClassifier
from elman.cli import app
from elman.data import rows as stored
from elman.data.blocks import Files

rng = np.random.default_rng(0)
LENGTHS = rng.integers(1, 9, 40)


def pieces(n_features=3, dtype=np.float32):
    return [rng.standard_normal((n, n_features)).astype(dtype) for n in LENGTHS]


def steps(X, kind):
    """A column of lists, with the numbers of all sequences as they stand."""
    flat = np.concatenate(X)
    values = pa.array(flat.ravel())
    if flat.shape[1] > 1:
        values = pa.FixedSizeListArray.from_arrays(values, flat.shape[1])
    offsets = np.cumsum([0, *map(len, X)])
    if kind == "list":
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), values)


def write(path, X, kind="list", n_batches=3, **options):
    table = pa.table(
        {
            "machine": [f"m{i}" for i in range(len(X))],
            "steps": steps(X, kind),
            "y": np.where(np.arange(len(X)) % 3, "no", "yes"),
        }
    )
    options = pa.ipc.IpcWriteOptions(**options)
    with (
        pa.OSFile(str(path), "wb") as sink,
        pa.ipc.new_file(sink, table.schema, options=options) as f,
    ):
        f.write_table(table, max_chunksize=-(-len(X) // n_batches))
    return path


def read(path, monkeypatch, large=0, **options):
    with monkeypatch.context() as m:
        m.setattr(stored, "LARGE", large)
        return elman.read_sequences(path, **options)


@pytest.mark.parametrize("kind", ["list", "large_list"])
@pytest.mark.parametrize(("n_features", "dtype"), [(1, "f4"), (3, "f4"), (2, "f8"), (2, "i2")])
def test_numbers_stay_in_the_file(tmp_path, monkeypatch, kind, n_features, dtype):
    X = [(100 * x).astype(dtype) for x in pieces(n_features)]
    path = write(tmp_path / "panel.arrow", X, kind)
    found, y, info = read(path, monkeypatch, label="y")
    assert found.unread is not None
    assert isinstance(found.unread.source, Files)
    whole, y_whole, info_whole = read(path, monkeypatch, 1 << 26, label="y")
    assert whole.unread is None
    for one, other, x in zip(found, whole, X, strict=True):
        np.testing.assert_array_equal(one, x)
        np.testing.assert_array_equal(other, x)
    assert y.tolist() == y_whole.tolist()
    assert str(info) == str(info_whole)
    assert info.features == info_whole.features == found.names
    assert info.ids.tolist() == info_whole.ids.tolist()


def test_polars_file_of_arrays_is_read_so_too(tmp_path, monkeypatch):
    X = np.stack([x[:1] for x in pieces(4)])
    path = tmp_path / "panel.arrow"
    pl.DataFrame({"steps": X[:, 0], "label": np.arange(40) % 2}).write_ipc(path)
    found, _, _ = read(path, monkeypatch)
    assert found.unread is not None
    np.testing.assert_array_equal(found[7], X[7, 0][:, None])


@pytest.mark.parametrize("case", ["compressed", "missing", "several"])
def test_what_cannot_stay_is_read_whole_or_refused(tmp_path, monkeypatch, case):
    X, path = pieces(1), tmp_path / "panel.arrow"
    if case == "compressed":
        write(path, X, compression="lz4")
        found, _, _ = read(path, monkeypatch, label="y")
        np.testing.assert_array_equal(found[5], X[5])
    elif case == "several":
        lists = [x[:, 0].tolist() for x in X]
        pl.DataFrame({"a": lists, "b": lists, "y": LENGTHS % 2}).write_ipc(path)
        found, _, _ = read(path, monkeypatch)
        assert found.names == ("a", "b")
    else:
        pl.DataFrame({"a": [[1.0, 2.0], None], "y": [0, 1]}).write_ipc(path)
        with pytest.raises(DataError, match="column 'a' holds in row 2"):
            read(path, monkeypatch)
        return
    assert found.unread is None


def test_a_model_of_the_file_is_that_of_the_data_in_memory(tmp_path, monkeypatch):
    X = pieces(2)
    path = write(tmp_path / "panel.arrow", X)
    monkeypatch.setattr(stored, "LARGE", 0)
    found, y, _ = elman.read_sequences(path, label="y")
    assert found.unread is not None
    options = {"max_iter": 2, "random_state": 0, "engine": "reference", "shuffle": False}
    ours = RNNClassifier(4, **options).fit(found, y)
    memory = RNNClassifier(4, **options).fit(X, y)
    np.testing.assert_array_equal(
        ours.network_.parameters.vector, memory.network_.parameters.vector
    )
    new, _, _ = elman.read_sequences(path, like=ours)
    np.testing.assert_array_equal(ours.predict_proba(new), memory.predict_proba(X))


def test_the_command_line_trains_on_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("panel.arrow", pieces(2))
    monkeypatch.setattr(stored, "LARGE", 0)
    small = ["--label", "y", "--hidden", "3", "--epochs", "1", "--engine", "reference"]
    result = CliRunner().invoke(app, ["train", "panel.arrow", *small])
    assert result.exit_code == 0, result.output
    assert '2 features, id "machine" (40 sequences, 1 to 8 steps)' in result.output
    result = CliRunner().invoke(app, ["predict", "panel.safetensors", "panel.arrow"])
    assert result.output.splitlines()[0] == 'machine,"y"'
    assert len(result.output.splitlines()) == 41


def test_lists_of_other_sizes_are_refused_by_row(tmp_path):
    path = tmp_path / "panel.parquet"
    pl.DataFrame({"a": [[[1.0, 2.0]], [[1.0], [2.0]]], "label": [0, 1]}).write_parquet(path)
    with pytest.raises(DataError, match=r"column 'a' holds in row 2 steps of shape \(1,\)"):
        elman.read_sequences(path)
