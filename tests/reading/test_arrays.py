"""Files of arrays, and folders of one file a sequence."""

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

import elman
from elman import DataError, Network
from elman.reading import frames
from reading.frames import LIBRARIES


def test_npz_and_safetensors(tmp_path):
    pieces = [np.ones((3, 2)), np.zeros((5, 2))]
    flat = {"X": np.concatenate(pieces), "lengths": np.array([3, 5]), "y": np.array([1, 0])}
    np.savez(tmp_path / "a.npz", **flat)
    save_file(flat, tmp_path / "a.safetensors")
    for name in ("a.npz", "a.safetensors"):
        X, y, info = elman.read_sequences(tmp_path / name)
        assert X.lengths.tolist() == [3, 5]
        np.testing.assert_array_equal(X.values, flat["X"])
        assert y.tolist() == [1, 0]
        assert str(info) == '2 features, 2 sequences, 3 to 5 steps, label "y" (2 classes: 1/1)'


def test_a_model_is_no_data(tmp_path):
    Network(3, 5, 2, seed=0).save(tmp_path / "model")
    with pytest.raises(DataError, match="model is a model of elman, not data"):
        elman.read_sequences(tmp_path / "model")


def test_npy_and_no_pickles(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(12.0).reshape(2, 3, 2))
    X, y, _ = elman.read_sequences(tmp_path / "a.npy")
    assert (X.lengths.tolist(), y) == ([3, 3], None)
    np.save(tmp_path / "b.npy", np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(DataError, match=r"not an .npy file of numbers"):
        elman.read_sequences(tmp_path / "b.npy")


def test_idx_takes_the_labels_beside_it(tmp_path):
    images = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    header = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in images.shape)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(header + images.tobytes())
    X, y, _ = elman.read_sequences(tmp_path / "t10k-images-idx3-ubyte")
    np.testing.assert_array_equal(X[1], images[1])
    assert y is None
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x02\x05\x07")
    assert elman.read_sequences(tmp_path / "t10k-images-idx3-ubyte")[1].tolist() == [5, 7]


@pytest.mark.parametrize("kind", ["csv", "npy"])
def test_folders(tmp_path, kind):
    pieces = {"up/a": [1.0, 2.0], "up/b": [3.0], "down/c": [4.0, 5.5, 6.0]}
    for name, values in pieces.items():
        path = tmp_path / "data" / f"{name}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "csv":
            pd.DataFrame({"x": values, "z": 1}).to_csv(path, index=False)
        else:
            np.save(path, np.array(values))
    X, y, info = elman.read_sequences(tmp_path / "data")
    assert info.ids.tolist() == ["down/c", "up/a", "up/b"]
    assert [x[:, 0].tolist() for x in X] == [[4, 5.5, 6], [1, 2], [3]]
    assert y.tolist() == ["down", "up", "up"]


def test_names_of_files_are_no_features_unless_they_are_named(tmp_path):
    for folder, file, machine in [("up", "a", 0), ("up", "b", 1), ("down", "c", 2)]:
        path = tmp_path / "data" / folder / f"{file}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"machine,x,failed\n{machine},1,no\n{machine},2,no\n")
    X, _, info = elman.read_sequences(tmp_path / "data", label="failed")
    assert X.names == ("x",)
    assert info.id == "machine"
    model = elman.RNNClassifier(2, max_iter=1, n_members=1).fit(X, [0, 1, 0])
    new = tmp_path / "new.csv"
    new.write_text("machine,x\n7,1\n7,2\n")
    assert len(elman.read_sequences(new, like=model)[0]) == 1
    named = elman.read_sequences(tmp_path / "data", label="failed", features=["x", "file"])[0]
    assert len(named.names) > 1


def test_a_folder_is_named_as_one(tmp_path, monkeypatch):
    folder = tmp_path / "walks"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.csv").write_text(f"x,z\n{i},1\n2,2\n")
    assert str(elman.read_sequences(folder)[2]).endswith('from all files of the folder "walks"')
    monkeypatch.chdir(folder)
    assert str(elman.read_sequences(".")[2]).endswith('from all files of the folder "walks"')
    assert "folder" not in str(elman.read_sequences("0.csv", layout="one")[2])


def test_folders_of_several_kinds(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match="has no files"):
        elman.read_sequences(tmp_path / "data")
    (tmp_path / "data" / "a.csv").write_text("x,z\n1,1\n")
    np.save(tmp_path / "data" / "b.npy", np.zeros(3))
    with pytest.raises(DataError, match="files of several kinds"):
        elman.read_sequences(tmp_path / "data")
    (tmp_path / "data" / "b.npy").unlink()
    (tmp_path / "data" / "b.csv").write_text("x,y\n1,1\n")
    with pytest.raises(
        DataError, match=r"b.csv has the columns x, y, .*a.csv has x, z; expected the sam"
    ):
        elman.read_sequences(tmp_path / "data")


@pytest.mark.parametrize("library", LIBRARIES)
def test_folders_of_tables_that_differ_slightly(tmp_path, library, monkeypatch):
    monkeypatch.setattr(frames, "LIBRARIES", (library,))
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.csv").write_text("t,x,y\n1,,a\n2,,b\n")
    (folder / "b.csv").write_text("t,x,y\n1,1.5,b\n2,2,a\n")
    (folder / "c.csv").write_text("t,x,y\n1,1,\n2,2,\n")
    X, _, _ = elman.read_sequences(folder, features=["x", "y"], missing="mean")
    assert X.names == ("x", "y=a", "y=b")
    np.testing.assert_allclose(X[1], [[1.5, 0, 1], [2, 1, 0]])
    np.testing.assert_allclose(X[2], [[1, 0.5, 0.5], [2, 0.5, 0.5]])
    (folder / "c.csv").write_text("t,x\n1,1\n")
    with pytest.raises(DataError, match=r"c.csv has the columns t, x, .*a.csv has t, x, y; exp"):
        elman.read_sequences(folder)
    (folder / "c.csv").write_text("t,x,y\n1,what,a\n")
    with pytest.raises(
        DataError, match=r"c.csv has String in column 'x', .*b.csv has Float64; exp"
    ):
        elman.read_sequences(folder)


def test_columns_of_arrays_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 2)))
    with pytest.raises(DataError, match=r"a.npy has no columns; leave id, label out"):
        elman.read_sequences(tmp_path / "a.npy", id="machine", label="failed")
