import gzip
import io
import os
import pickle
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy

from elman import _memory
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
    with pytest.raises(DataError, match="its header is to have 3 axes, and it ends after 5 bytes"):
        read_idx(write(tmp_path / "numbers", content[:9]))
    with pytest.raises(DataError, match=r"shape \(2, 3, 4\) needs 24 bytes, the file has 23"):
        read_idx(write(tmp_path / "numbers", content[:-1]))


def test_idx_with_trailing_bytes_is_refused(tmp_path, content):
    with pytest.raises(DataError, match=r"needs 24 bytes, the file has (25|more)"):
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


@pytest.mark.parametrize("compress", [gzip.compress, bytes])
@pytest.mark.parametrize("name", ["numbers", "numbers.gz", "numbers.idx3-ubyte"])
def test_gzip_is_known_by_its_content(tmp_path, name, compress):
    content = bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 6, 7])
    (tmp_path / name).write_bytes(compress(content))
    assert read_idx(tmp_path / name).tolist() == [5, 6, 7]


@pytest.mark.parametrize("read", [read_idx, read_npz])
def test_missing_file_speaks_for_itself(tmp_path, read):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read(tmp_path / "nowhere")


# NumPy's .npz

rng = np.random.default_rng(1)
LENGTHS = [3, 1, 4]
RAGGED = [rng.standard_normal((length, 2)) for length in LENGTHS]
STACK = np.arange(1.0, 25.0).reshape(2, 3, 4)
SAVE = pytest.mark.parametrize("save", [np.savez, np.savez_compressed])


@SAVE
@pytest.mark.parametrize("y", [np.array(["up", "down"]), np.arange(6).reshape(2, 3)])
def test_npz_comes_back_as_it_was(tmp_path, save, y):
    save(tmp_path / "data.npz", X=STACK, y=y, other=np.arange(3))
    X_read, y_read = read_npz(tmp_path / "data.npz")
    np.testing.assert_array_equal(X_read, STACK, strict=True)
    np.testing.assert_array_equal(y_read, y, strict=True)


@SAVE
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, bool])
def test_ragged_npz_comes_back_as_it_was(tmp_path, save, dtype):
    sequences = [sequence.astype(dtype) for sequence in RAGGED]
    save(tmp_path / "data.npz", X=np.concatenate(sequences), lengths=LENGTHS)
    X, y = read_npz(str(tmp_path / "data.npz"))
    assert y is None
    for actual, expected in zip(X, sequences, strict=True):
        np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.mark.parametrize("n", [3, 8])
def test_labels_of_ragged_npz_may_be_a_column(tmp_path, n):
    X = np.ones((8, 2))
    for name, y in (("flat", np.arange(n)), ("column", np.arange(n)[:, None])):
        np.savez(tmp_path / f"{name}.npz", X=X, lengths=LENGTHS, y=y)
    flat, column = (read_npz(tmp_path / f"{name}.npz")[1] for name in ("flat", "column"))
    for a, b in zip(flat, column, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def test_labels_of_ragged_npz_are_a_sequences_or_a_steps(tmp_path):
    X = np.concatenate(RAGGED)
    np.savez(tmp_path / "sequences.npz", X=X, lengths=LENGTHS, y=["a", "b", "c"])
    assert read_npz(tmp_path / "sequences.npz")[1].tolist() == ["a", "b", "c"]
    np.savez(tmp_path / "steps.npz", X=X, lengths=LENGTHS, y=np.arange(8))
    labels = [piece.tolist() for piece in read_npz(tmp_path / "steps.npz")[1]]
    assert labels == [[0, 1, 2], [3], [4, 5, 6, 7]]


def test_labels_may_be_left_out(tmp_path):
    np.savez(tmp_path / "data.npz", X=STACK)
    assert read_npz(tmp_path / "data.npz")[1] is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": [1, 2]}, "has no array 'X', only y"),
        ({}, "has no array 'X', only nothing"),
        ({"X_train": STACK}, "has no array 'X', only X_train"),
        ({"X": 3.0}, r"X of shape \(\); expected arrays"),
        ({"X": STACK, "y": 3}, r"y of shape \(\); expected arrays"),
        (
            {"X": np.ones((8, 2)), "lengths": [3, 1]},
            r"2 lengths, 4 steps in all, but X of .*\(8, 2\)",
        ),
        (
            {"X": np.ones((8, 2)), "lengths": [3, 1, 4], "y": [1, 2]},
            r"3 lengths.*y of shape \(2,\)",
        ),
        ({"X": np.ones((8, 2)), "lengths": [9, -1]}, "lengths that are no list"),
        ({"X": np.ones((8, 2)), "lengths": [4.0, 4.0]}, "lengths that are no list"),
        ({"X": np.ones((8, 2)), "lengths": [[4, 4]]}, "lengths that are no list"),
        ({"X": np.ones((8, 2)), "lengths": 8}, "lengths that are no list"),
    ],
)
def test_npz_that_does_not_fit_together_is_refused(tmp_path, caplog, arrays, message):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(DataError, match=rf"data\.npz has .*{message.removeprefix('has ')}"):
        read_npz(tmp_path / "data.npz")
    assert not caplog.records  # one message for one fault


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
    """Reach exec through numpy.dtypes, which an unpickler might take for a place of dtypes only."""
    return b"".join(
        [
            pickle.PROTO + b"\x04",
            *(_text(part) for part in ("numpy.dtypes", "__builtins__.get")),
            pickle.STACK_GLOBAL,
            _text("exec") + pickle.TUPLE1 + pickle.REDUCE,
            _text(f"open({str(path)!r}, 'w').close()") + pickle.TUPLE1 + pickle.REDUCE,
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
@pytest.mark.parametrize("member", ["X.npy", "y.npy", "lengths.npy"])
def test_pickle_that_would_run_is_refused_before_it_runs(tmp_path, malicious, member):
    harm = tmp_path / "harm"
    pickled = malicious(harm)
    pickle.loads(pickled)
    assert harm.exists(), "the pickle is no threat, so that the test proves nothing"
    harm.unlink()

    np.savez(tmp_path / "data.npz", **({} if member == "X.npy" else {"X": STACK}))
    with zipfile.ZipFile(tmp_path / "data.npz", "a") as archive:
        archive.writestr(member, object_npy(pickled))
    with pytest.raises(DataError, match=r"data\.npz.*lengths=\[len\(x\) for x in sequences\]"):
        read_npz(tmp_path / "data.npz")
    assert not harm.exists()


def test_object_array_is_refused_with_the_way_to_write_it(tmp_path):
    X = np.empty(3, object)
    X[:] = RAGGED
    np.savez(tmp_path / "data.npz", X=X)
    with pytest.raises(DataError, match=r"X=numpy\.concatenate\(sequences\), lengths="):
        read_npz(tmp_path / "data.npz")


@pytest.mark.parametrize(
    "content", [b"", b"X,y\n1,2\n", b"\x93NUMPY", b"PK\x03\x04", pickle.dumps([1])]
)
def test_what_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"data\.npz is not an \.npz file.*numpy\.savez"):
        read_npz(tmp_path / "data.npz")


def test_npy_is_no_npz(tmp_path):
    np.save(tmp_path / "data.npy", STACK)
    with pytest.raises(DataError, match=r"data\.npy is not an \.npz file"):
        read_npz(tmp_path / "data.npy")


@SAVE
def test_npz_damaged_anywhere_is_refused_or_read(tmp_path, save):
    """Never an error of another kind, wherever the file is cut or altered."""
    save(tmp_path / "whole.npz", X=np.concatenate(RAGGED), lengths=LENGTHS, y=[1, 2, 3])
    whole = (tmp_path / "whole.npz").read_bytes()
    rng = np.random.default_rng(2)
    path = tmp_path / "data.npz"
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError):
            read_npz(path)
    n_refused = 0
    for position in range(len(whole)):
        altered = bytearray(whole)
        altered[position] ^= rng.integers(1, 256)
        path.write_bytes(altered)
        try:
            read_npz(path)
        except DataError:
            n_refused += 1
    assert n_refused > len(whole) // 2


@pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file required additional header")
def test_array_damaged_before_it_was_zipped_is_refused_or_read(tmp_path):
    """Here the zip's checksum is right, so that the array's own reader is on trial."""
    stream = io.BytesIO()
    np.save(stream, STACK)
    whole = stream.getvalue()
    rng = np.random.default_rng(3)
    path = tmp_path / "data.npz"
    for size in range(0, len(whole), 7):
        with pytest.raises(DataError):
            read_npz(write_npz(path, whole[:size]))
    for position in range(len(whole)):
        altered = bytearray(whole)
        altered[position] ^= rng.integers(1, 256)
        with suppress(DataError):
            read_npz(write_npz(path, bytes(altered)))


def test_members_that_nobody_asks_for_are_not_read(tmp_path):
    """Neither pickles, nor what unpacks to more than there is memory for."""
    path, harm = tmp_path / "data.npz", tmp_path / "harm"
    np.savez(path, X=STACK)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("other.npy", object_npy(pickle.dumps(Touches(harm))))
        archive.writestr("large.npy", bytes(10**8))
    np.testing.assert_array_equal(read_npz(path)[0], STACK)
    assert not harm.exists()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_bit_flipped_anywhere_is_refused_or_means_nothing(tmp_path, save):
    """NumPy does not read a member to its end, where the checksum is: X could be another in silence."""
    path = tmp_path / "data.npz"
    save(path, X=STACK, y=np.arange(len(STACK)))
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    n_refused = 0
    for _ in range(300):
        altered = bytearray(content)
        altered[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(altered)
        try:
            X, y = read_npz(path)
        except DataError:
            n_refused += 1
        else:
            np.testing.assert_array_equal(X, STACK)
            np.testing.assert_array_equal(y, range(len(STACK)))
    assert n_refused > 150


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_directory_with_a_bit_flipped_is_refused_or_means_nothing(tmp_path, save):
    """Nothing else says whether labels are there, or lengths, without which steps are sequences."""
    path = tmp_path / "data.npz"
    save(path, X=np.concatenate(RAGGED), y=[1, 2, 3], lengths=LENGTHS)
    content = path.read_bytes()
    expected = [x.tolist() for x in RAGGED], [1, 2, 3]
    messages = []
    for position in range(content.index(b"PK\1\2"), len(content)):
        for bit in range(8):
            altered = bytearray(content)
            altered[position] ^= 1 << bit
            path.write_bytes(altered)
            try:
                X, y = read_npz(path)
            except DataError as error:
                messages.append(str(error))
            else:
                assert ([x.tolist() for x in X], y.tolist()) == expected, (position, bit)
    assert len(messages) > 500
    assert max(map(len, messages)) < 600


def test_zip_with_a_comment_or_something_in_front_is_read(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, X=STACK)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"of last week"
    np.testing.assert_array_equal(read_npz(path)[0], STACK)
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    np.testing.assert_array_equal(read_npz(path)[0], STACK)


def write_bomb(path, n_bytes):
    """A small file with an X that unpacks to so many zeros."""
    header = io.BytesIO()
    npy.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (n_bytes // 4,)}
    )
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("X.npy", "w") as out,
    ):
        out.write(header.getvalue())
        for _ in range(n_bytes >> 20):
            out.write(bytes(1 << 20))


def test_what_unpacks_to_more_than_there_is_memory_for_is_refused_before(tmp_path, monkeypatch):
    monkeypatch.setattr(_memory, "available_memory", lambda: 10**7)
    write_bomb(tmp_path / "bomb.npz", 1 << 25)
    assert (tmp_path / "bomb.npz").stat().st_size < 10**5
    packed = bytes([0, 0, 8, 1, 2, 0, 0, 0]) + bytes(1 << 25)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(packed))
    for read, name in [(read_npz, "bomb.npz"), (read_idx, "bomb.gz")]:
        tracemalloc.start()
        with pytest.raises(MemoryError, match=rf"{name}.* needs 0\.0\d GB of memory; 0\.01 GB are"):
            read(tmp_path / name)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 10**7


@pytest.mark.parametrize("shape", [(10**9, 10**9), (2**40,), (7,)])
def test_header_that_is_not_what_the_file_has_is_refused(tmp_path, shape):
    header = io.BytesIO()
    npy.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("X.npy", header.getvalue() + bytes(24))
    with pytest.raises(DataError, match=r"X\.npy is to have \d+ bytes, and has 24"):
        read_npz(tmp_path / "data.npz")


@pytest.mark.parametrize("read", [read_idx, read_npz])
def test_pipe_is_refused_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is a pipe; expected a file"):
        read(tmp_path / "pipe")
