import gzip
import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pooch
import pytest

from elman import DataError, RNNClassifier, datasets
from elman.datasets import load_digits, load_mnist, load_npz

SHARED_MNIST = Path(__file__).parents[2] / "shared" / "data" / "mnist"


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    return header + array.astype("u1").tobytes()


def tiny_mnist():
    """Images in which every pixel of a data set is another number, nearly."""
    parts = {}
    for part, n, first in (("train", 12, 1), ("t10k", 5, 77)):
        parts[f"{part}-images-idx3-ubyte"] = (first + np.arange(n * 6).reshape(n, 3, 2)) % 251
        parts[f"{part}-labels-idx1-ubyte"] = (first + np.arange(n)) % 4
    return parts


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name, array in tiny_mnist().items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array), mtime=0))
    return folder


STEPS = pytest.mark.parametrize(
    ("steps", "unfolded"),
    [
        ("rows", lambda images: images),
        ("pixels", lambda images: images.reshape(len(images), -1, 1)),
        ("flat", lambda images: images.reshape(len(images), 1, -1)),
    ],
)


@STEPS
def test_digits_are_all_there(steps, unfolded):
    digits = load_digits(steps)
    assert digits.X_train.shape == unfolded(np.empty((1437, 8, 8))).shape
    assert digits.X_test.shape == unfolded(np.empty((360, 8, 8))).shape
    assert digits.X_train.dtype == np.float32
    assert set(digits.y_train) == set(digits.y_test) == set(range(10))


@STEPS
def test_digits_unfold_the_same_images(steps, unfolded):
    rows, digits = load_digits("rows"), load_digits(steps)
    np.testing.assert_array_equal(digits.X_test, unfolded(rows.X_test))
    np.testing.assert_array_equal(digits.y_test, rows.y_test)


def test_digits_are_split_the_same_way_each_time_in_equal_shares():
    first, second = load_digits(), load_digits()
    np.testing.assert_array_equal(first.X_train, second.X_train)
    shares = np.bincount(first.y_test) / np.bincount(np.r_[first.y_train, first.y_test])
    np.testing.assert_allclose(shares, 360 / 1797, atol=0.005)
    test_images = {image.tobytes() for image in first.X_test}
    assert not any(image.tobytes() in test_images for image in first.X_train)


def test_binary_keeps_two_digits():
    whole, binary = load_digits(), load_digits(binary=(3, 7))
    assert set(binary.y_train) == set(binary.y_test) == {3, 7}
    keep = np.isin(whole.y_test, (3, 7))
    np.testing.assert_array_equal(binary.X_test, whole.X_test[keep])


@pytest.mark.parametrize("binary", [(3, 3), (3, 10), (-1, 2)])
def test_binary_of_other_digits_is_refused(binary):
    with pytest.raises(DataError, match="binary takes two different digits that there are; got"):
        load_digits(binary=binary)


@STEPS
def test_recipe_makes_an_estimator(steps, unfolded):
    recipe = load_digits(steps).recipe
    digits = load_digits(steps, binary=(0, 1))
    estimator = RNNClassifier(**recipe | {"max_iter": 1, "hidden_layer_sizes": 3}, random_state=0)
    assert estimator.fit(digits.X_train[:40], digits.y_train[:40]).n_iter_ == 1
    assert (estimator.cell == "dense") == (steps == "flat")


# MNIST


@STEPS
def test_mnist_is_read_from_a_folder(folder, steps, unfolded):
    images = tiny_mnist()
    mnist = load_mnist(folder, steps)
    np.testing.assert_array_equal(mnist.X_train, unfolded(images["train-images-idx3-ubyte"]))
    np.testing.assert_array_equal(mnist.y_train, images["train-labels-idx1-ubyte"])
    np.testing.assert_array_equal(mnist.X_test, unfolded(images["t10k-images-idx3-ubyte"]))
    np.testing.assert_array_equal(mnist.y_test, images["t10k-labels-idx1-ubyte"])
    assert mnist.X_train.dtype == np.float32
    assert mnist.y_train.dtype == np.int64


def test_mnist_may_be_unpacked(folder):
    packed = load_mnist(folder)
    for path in list(folder.iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    np.testing.assert_array_equal(load_mnist(str(folder)).X_test, packed.X_test)


@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw"])
@pytest.mark.parametrize("dot", ["-", "."])
@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("packed", [True, False])
def test_mnist_is_found_under_its_usual_names(folder, tmp_path, place, dot, end, packed):
    expected, root = load_mnist(folder), tmp_path / "elsewhere"
    (root / place).mkdir(parents=True)
    for path in folder.iterdir():
        content = path.read_bytes() if packed else gzip.decompress(path.read_bytes())
        name = path.name.removesuffix(".gz").replace("-idx", f"{dot}idx") + end
        (root / place / name).write_bytes(content)
    np.testing.assert_array_equal(load_mnist(root).X_train, expected.X_train)
    np.testing.assert_array_equal(load_mnist(root).y_test, expected.y_test)


def test_binary_of_mnist(folder):
    mnist = load_mnist(folder, binary=(0, 3))
    assert set(mnist.y_train) == set(mnist.y_test) == {0, 3}
    assert len(mnist.X_train) == len(mnist.y_train)


def test_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"there is no directory .*nowhere.*train-images-idx3-ubyte"
    ):
        load_mnist(tmp_path / "nowhere")


@pytest.mark.parametrize("name", tiny_mnist())
def test_file_that_is_not_there_is_named(folder, name):
    (folder / f"{name}.gz").unlink()
    with pytest.raises(DataError, match=f"has no {name} "):
        load_mnist(folder)


@pytest.mark.parametrize("part", ["train", "t10k"])
@pytest.mark.parametrize(
    "labels", [np.arange(1, 4), np.ones((12, 2)), np.ones((5, 1))], ids=["few", "wide", "column"]
)
def test_images_and_labels_that_differ_in_number_are_refused(folder, part, labels):
    (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    with pytest.raises(DataError, match="Are the two files of one data set"):
        load_mnist(folder)


def test_images_and_labels_changed_about_are_refused(folder):
    images, labels = (folder / f"train-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
    content = images.read_bytes()
    images.write_bytes(labels.read_bytes())
    labels.write_bytes(content)
    with pytest.raises(DataError, match=r"expected \(n, height, width\) images"):
        load_mnist(folder)


def test_damaged_file_of_mnist_is_refused(folder):
    path = folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="t10k-labels"):
        load_mnist(folder)


@pytest.mark.skipif(
    not SHARED_MNIST.is_dir(), reason=f"the real MNIST is not at {SHARED_MNIST} on this machine"
)
def test_real_mnist():
    mnist = load_mnist(SHARED_MNIST)
    assert mnist.X_train.shape == (60_000, 28, 28)
    assert mnist.X_test.shape == (10_000, 28, 28)
    assert np.bincount(mnist.y_test).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009
    ]  # fmt: skip
    assert np.bincount(mnist.y_train).min() == 5421
    digest = hashlib.sha256(idx(mnist.X_test)).hexdigest()
    assert digest == "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"


# Downloading it


class Mirror(SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        super().do_GET()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def mirror(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Mirror, directory=str(folder)))
    server.requests = []
    server.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch, mirror, folder):
    """What the mirror has is right, and the user's cache is empty."""
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(datasets, "_MNIST_MIRRORS", (mirror.url,))
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()
    }
    monkeypatch.setattr(datasets, "_MNIST_SHA256", digests)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "elman" / "mnist"


def test_download_is_what_the_mirror_has(cache, folder):
    np.testing.assert_array_equal(load_mnist().X_train, load_mnist(folder).X_train)
    assert {path.name for path in cache.iterdir()} == {path.name for path in folder.iterdir()}


def test_second_time_nothing_is_downloaded(cache, mirror):
    load_mnist()
    assert len(mirror.requests) == 4
    load_mnist()
    assert len(mirror.requests) == 4


def test_cached_file_that_is_damaged_is_downloaded_again(cache, mirror):
    expected = load_mnist().y_test
    (cache / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    np.testing.assert_array_equal(load_mnist().y_test, expected)
    assert len(mirror.requests) == 5


@pytest.mark.parametrize("failing", ["http://127.0.0.1:1/", "{}no/such/folder/"])
def test_second_mirror_steps_in(cache, mirror, monkeypatch, failing):
    monkeypatch.setattr(datasets, "_MNIST_MIRRORS", (failing.format(mirror.url), mirror.url))
    assert len(load_mnist().X_test) == 5


def test_wrong_checksum_is_refused(cache, mirror, monkeypatch):
    name = "train-images-idx3-ubyte.gz"
    monkeypatch.setitem(datasets._MNIST_SHA256, name, "0" * 64)
    with pytest.raises(
        DataError, match=rf"{name} could not be downloaded.*--data-dir.*{mirror.url}"
    ):
        load_mnist()
    assert not (cache / name).exists()


def test_every_mirror_that_failed_is_named(cache, monkeypatch):
    mirrors = ("http://127.0.0.1:1/first/", "http://127.0.0.1:1/second/")
    monkeypatch.setattr(datasets, "_MNIST_MIRRORS", mirrors)
    with pytest.raises(DataError, match=r"Get MNIST's four files.*/first/.*/second/"):
        load_mnist()


def test_published_checksums_are_of_the_four_files():
    assert datasets._MNIST_SHA256.keys() == {f"{name}.gz" for name in tiny_mnist()}
    assert all(len(digest) == 64 for digest in datasets._MNIST_SHA256.values())
    assert all(url.startswith("https://") for url in datasets._MNIST_MIRRORS)


# A file of one's own

rng = np.random.default_rng(0)
RAGGED = [rng.standard_normal((1 + i % 4, 2)) for i in range(20)]
LABELS = np.array([f"label {i}" for i in range(20)])


@pytest.mark.parametrize(
    ("arrays", "sequences"),
    [
        ({"X": np.concatenate(RAGGED), "lengths": [len(x) for x in RAGGED]}, RAGGED),
        *(({"X": X}, X) for X in (rng.standard_normal((20, 5, 2)), rng.standard_normal((20, 6)))),
    ],
    ids=["ragged", "3-D", "rows"],
)
def test_npz_is_split_once_and_for_all(tmp_path, arrays, sequences):
    np.savez(tmp_path / "data.npz", y=LABELS, **arrays)
    data, again = load_npz(tmp_path / "data.npz", 0.3), load_npz(str(tmp_path / "data.npz"))
    assert (len(data.X_train), len(data.X_test)) == (14, 6)
    assert len(again.X_test) == 4
    np.testing.assert_array_equal(load_npz(tmp_path / "data.npz").y_test, again.y_test)
    assert sorted([*data.y_train, *data.y_test]) == sorted(LABELS)
    X, y = [*data.X_train, *data.X_test], [*data.y_train, *data.y_test]
    for sequence, label in zip(X, y, strict=True):
        np.testing.assert_array_equal(sequence, sequences[int(label.split()[1])])


@pytest.mark.parametrize("rare", [16, 18])  # of these, the test has 18
def test_npz_names_a_class_that_the_test_alone_has(tmp_path, rare):
    y = np.where(np.arange(20) == rare, "fault", "ok")
    np.savez(tmp_path / "data.npz", X=np.ones((20, 3, 2)), y=y)
    expected = (
        "classes of the test alone, which are not learned: fault (1 sequence); add sequences",
    )
    assert load_npz(tmp_path / "data.npz").found == (expected if rare == 18 else ())


@pytest.mark.parametrize("y", [np.arange(19), np.array(3)])
def test_npz_of_mismatching_numbers_is_refused(tmp_path, y):
    np.savez(tmp_path / "data.npz", X=np.ones((20, 3, 2)), y=y)
    with pytest.raises(DataError, match=r"data\.npz has .*X.* y"):
        load_npz(tmp_path / "data.npz")


def test_npz_of_one_sequence_cannot_be_split(tmp_path):
    np.savez(tmp_path / "data.npz", X=np.ones((1, 2, 3)), y=[1])
    with pytest.raises(
        DataError, match=r"has one sequence: there is nothing to test on\. Add others"
    ):
        load_npz(tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (2, "test_size=2; expected a share above 0 and below 1"),
        (float("nan"), "test_size=nan; expected a share"),
        (0.95, "10 sequences, and test_size=0.95 keeps all of them aside for the test"),
    ],
)
def test_a_share_for_the_test_leaves_something_to_train_on(tmp_path, share, message):
    np.savez(tmp_path / "data.npz", X=np.ones((10, 2, 3)), y=[0, 1] * 5)
    with pytest.raises(DataError, match=message):
        load_npz(tmp_path / "data.npz", share)


def test_npz_without_labels_is_refused(tmp_path):
    np.savez(tmp_path / "data.npz", X=np.ones((20, 3, 2)))
    with pytest.raises(DataError, match="has no array 'y'"):
        load_npz(tmp_path / "data.npz")


def test_labels_as_a_column_are_labels_of_sequences(tmp_path):
    np.savez(tmp_path / "data.npz", X=np.ones((20, 3, 2)), y=np.arange(20)[:, None])
    assert load_npz(tmp_path / "data.npz").y_train.shape == (16,)


@pytest.mark.parametrize("step_size", [1, 2, 3])
def test_nan_in_rows_is_placed_as_in_the_file(tmp_path, step_size):
    X = rng.standard_normal((20, 6))
    X[7, 3] = np.nan
    np.savez(tmp_path / "data.npz", X=X, y=np.arange(20) % 2)
    place = f"sequence 7, step {3 // step_size}, feature {3 % step_size}"
    with pytest.raises(DataError, match=f"NaN at {place}"):
        load_npz(tmp_path / "data.npz", step_size=step_size)


def test_npz_that_is_not_there_speaks_for_itself(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_npz(tmp_path / "nowhere.npz")
