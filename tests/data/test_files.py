import gzip
import io
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from elman.data import read_idx, read_npz
from elman.errors import DataError

IDX_TYPES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array):
    big_endian = array.astype(array.dtype.newbyteorder(">"))
    code = IDX_TYPES[array.dtype.str[1:]]
    header = bytes([0, 0, code, array.ndim])
    return header + np.array(array.shape, ">i4").tobytes() + big_endian.tobytes()


@pytest.fixture
def content():
    return idx_bytes(np.arange(1, 25, dtype="u1").reshape(2, 3, 4))


def write(path, content):
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["numbers", "numbers.gz"])
@pytest.mark.parametrize("shape", [(7,), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("dtype", IDX_TYPES)
def test_idx_comes_back_as_it_was(tmp_path, dtype, shape, name):
    rng = np.random.default_rng(0)
    expected = rng.integers(1, 100, shape).astype(dtype) - np.array(3, dtype)
    array = read_idx(write(tmp_path / name, idx_bytes(expected)))
    assert array.dtype == np.dtype(dtype)
    assert array.dtype.isnative
    assert array.flags.writeable
    np.testing.assert_array_equal(array, expected)


def test_idx_path_may_be_text(tmp_path, content):
    assert read_idx(str(write(tmp_path / "numbers", content))).shape == (2, 3, 4)


@pytest.mark.parametrize("name", ["numbers", "numbers.gz"])
def test_idx_cut_anywhere_is_refused(tmp_path, content, name):
    for size in range(len(content)):
        with pytest.raises(DataError, match="numbers"):
            read_idx(write(tmp_path / name, content[:size]))


def test_idx_that_is_cut_says_so(tmp_path, content):
    with pytest.raises(DataError, match="ends inside its header"):
        read_idx(write(tmp_path / "numbers", content[:9]))
    with pytest.raises(DataError, match=r"shape \(2, 3, 4\) needs 40 bytes, the file has 39"):
        read_idx(write(tmp_path / "numbers", content[:-1]))


def test_idx_with_trailing_bytes_is_refused(tmp_path, content):
    with pytest.raises(DataError, match="needs 40 bytes, the file has 41"):
        read_idx(write(tmp_path / "numbers", content + b"\x07"))


@pytest.mark.parametrize(
    "start", [b"\x89PNG", b"\x01\0\x08\x03", b"\0\x01\x08\x03", b"\0\0\x0a\x03", b"\0\0\x07\x03"]
)
def test_idx_of_wrong_magic_is_refused(tmp_path, content, start):
    with pytest.raises(DataError, match=f"not an IDX file.*found {start.hex(' ')}"):
        read_idx(write(tmp_path / "numbers", start + content[4:]))


def test_idx_with_an_axis_below_zero_is_refused(tmp_path, content):
    altered = bytearray(content)
    altered[4:8] = np.array(-2, ">i4").tobytes()
    altered[8:12] = np.array(-3, ">i4").tobytes()
    with pytest.raises(DataError, match="damaged"):
        read_idx(write(tmp_path / "numbers", bytes(altered)))


def test_gzip_damaged_anywhere_is_refused_or_read_right(tmp_path, content):
    packed = gzip.compress(content, mtime=0)
    expected = read_idx(write(tmp_path / "numbers", content))
    n_refused = 0
    for position in range(len(packed)):
        altered = bytearray(packed)
        altered[position] ^= 0x5A
        (tmp_path / "numbers.gz").write_bytes(altered)
        try:
            array = read_idx(tmp_path / "numbers.gz")
        except DataError:
            n_refused += 1
        else:  # gzip's header has bytes that mean nothing to the content
            np.testing.assert_array_equal(array, expected)
    assert n_refused > len(packed) // 2


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"no gzip at all"])
def test_what_is_no_gzip_is_refused(tmp_path, content):
    (tmp_path / "numbers.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"numbers\.gz"):
        read_idx(tmp_path / "numbers.gz")


@pytest.mark.parametrize("read", [read_idx, lambda path: read_npz(path, "X")])
def test_missing_file_speaks_for_itself(tmp_path, read):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read(tmp_path / "nowhere")


# NumPy's .npz


def ragged(lengths=(3, 1, 4), dtype=np.float64):
    rng = np.random.default_rng(1)
    X = np.empty(len(lengths), object)
    X[:] = [rng.standard_normal((n, 2)).astype(dtype) for n in lengths]
    return X


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_comes_back_as_it_was(tmp_path, save):
    X, y = np.arange(1.0, 25.0).reshape(2, 3, 4), np.array(["up", "down"])
    save(tmp_path / "data.npz", X=X, y=y, other=np.arange(3))
    y_read, X_read = read_npz(tmp_path / "data.npz", "y", "X")
    np.testing.assert_array_equal(X_read, X, strict=True)
    np.testing.assert_array_equal(y_read, y, strict=True)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, bool, "U4"])
def test_ragged_npz_comes_back_as_it_was(tmp_path, dtype):
    X = np.empty(3, object)
    X[:] = [np.ones((n, 2)).astype(dtype) for n in (3, 1, 4)]
    np.savez(tmp_path / "data.npz", X=X)
    (X_read,) = read_npz(tmp_path / "data.npz", "X")
    assert X_read.shape == (3,)
    for actual, expected in zip(X_read, X):
        np.testing.assert_array_equal(actual, expected, strict=True)


def test_ragged_npz_of_an_older_numpy_is_read(tmp_path):
    """It spells numpy._core as numpy.core."""
    pickled = pickle.dumps(ragged(), protocol=3)
    older = pickled.replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray")
    assert older != pickled
    write_npz(tmp_path / "data.npz", object_npy(older))
    (X,) = read_npz(tmp_path / "data.npz", "X")
    np.testing.assert_array_equal(X[2], ragged()[2])


def write_npz(path, npy, member="X.npy"):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, npy)
    return path


def object_npy(pickled):
    stream = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": (1,)}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + pickled


class Touches:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def by_reference(path):
    """Reach for exec in a pickle by hand, through the module that dtypes are looked up in."""
    code = f"open({str(path)!r}, 'w').close()"
    return b"".join(
        [
            pickle.PROTO + b"\x04",
            *(_text(part) for part in ("numpy.dtypes", "__builtins__.get")),
            pickle.STACK_GLOBAL,
            _text("exec") + pickle.TUPLE1 + pickle.REDUCE,
            _text(code) + pickle.TUPLE1 + pickle.REDUCE,
            pickle.STOP,
        ]
    )


def _text(text):
    encoded = text.encode()
    return pickle.BINUNICODE + len(encoded).to_bytes(4, "little") + encoded


def object_array_of(item):
    array = np.empty(1, object)
    array[0] = item
    return array


@pytest.mark.parametrize(
    "malicious",
    [
        lambda path: pickle.dumps(object_array_of(Touches(path))),
        lambda path: pickle.dumps(Touches(path)),
        lambda path: pickle.dumps(object_array_of(Touches(path)), protocol=0),
        by_reference,
    ],
    ids=["in an array", "bare", "protocol 0", "through numpy.dtypes"],
)
def test_pickle_that_would_run_is_refused_before_it_runs(tmp_path, malicious):
    harm = tmp_path / "harm"
    pickled = malicious(harm)
    pickle.loads(pickled)
    assert harm.exists(), "the pickle is no threat, so that the test proves nothing"
    harm.unlink()

    write_npz(tmp_path / "data.npz", object_npy(pickled))
    with pytest.raises(DataError, match="only arrays of numbers and text are read"):
        read_npz(tmp_path / "data.npz", "X")
    assert not harm.exists()


def test_pickle_of_no_array_is_refused(tmp_path):
    write_npz(tmp_path / "data.npz", object_npy(pickle.dumps([1, 2])))
    with pytest.raises(DataError, match=r"holds a list"):
        read_npz(tmp_path / "data.npz", "X")


def test_missing_array_is_named_with_those_there_are(tmp_path):
    np.savez(tmp_path / "data.npz", X=ragged(), labels=np.arange(3))
    with pytest.raises(DataError, match=r"data\.npz has no array 'y', only X, labels"):
        read_npz(tmp_path / "data.npz", "X", "y")


def test_array_without_its_suffix_is_missing(tmp_path):
    write_npz(tmp_path / "data.npz", b"", member="X")
    with pytest.raises(DataError, match="data"):
        read_npz(tmp_path / "data.npz", "X")


@pytest.mark.parametrize("content", [b"", b"X,y\n1,2\n", b"\x93NUMPY", b"PK\x03\x04"])
def test_what_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"data\.npz is not an \.npz file.*numpy\.savez"):
        read_npz(tmp_path / "data.npz", "X")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("X", [ragged(), np.arange(1.0, 25.0).reshape(2, 3, 4)])
def test_npz_damaged_anywhere_is_refused_or_read(tmp_path, X, save):
    """Never an error of another kind, wherever the file is cut or altered."""
    save(tmp_path / "whole.npz", X=X)
    whole = (tmp_path / "whole.npz").read_bytes()
    rng = np.random.default_rng(2)
    path = tmp_path / "data.npz"

    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError):
            read_npz(path, "X")
    n_refused = 0
    for position in range(len(whole)):
        altered = bytearray(whole)
        altered[position] ^= rng.integers(1, 256)
        path.write_bytes(altered)
        try:
            read_npz(path, "X")
        except DataError:
            n_refused += 1
    assert n_refused > len(whole) // 2


@pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file required additional header")
@pytest.mark.parametrize("X", [ragged(), np.arange(1.0, 25.0).reshape(2, 3, 4)])
def test_array_damaged_before_it_was_zipped_is_refused_or_read(tmp_path, X):
    """Here the zip's checksum is right, so that the array's own reader is on trial."""
    stream = io.BytesIO()
    np.save(stream, X)
    whole = stream.getvalue()
    rng = np.random.default_rng(3)
    path = tmp_path / "data.npz"
    for size in range(0, len(whole), 7):
        with pytest.raises(DataError):
            read_npz(write_npz(path, whole[:size]), "X")
    for position in range(len(whole)):
        altered = bytearray(whole)
        altered[position] ^= rng.integers(1, 256)
        with suppress(DataError):
            read_npz(write_npz(path, bytes(altered)), "X")
