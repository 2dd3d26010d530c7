"""Data sets by name, ready to train on: sequences and labels, some kept aside for the test."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from elman._typing import Array
from elman.data import as_sequences, read_idx, read_npz
from elman.data.labels import has_step_labels
from elman.equations.cells import Tanh
from elman.errors import DataError
from elman.reading.info import listed

Steps = Literal["rows", "pixels", "flat"]

NOTES: dict[str, Any] = {
    "cell": "tanh",
    "readout": "last",
    "standardize": True,
    "differences": False,
    "frame": None,
    "recurrent_rate": 1.0,
    "n_members": 1,
}
"""The notes' own network, on steps as they are."""

# Chosen on the training part: by cross-validation, and on the last 10,000 pictures (pixels: the last
# 3,000, after training on the first 8,000).
_DIGITS_RECIPE = {
    **NOTES,
    "hidden_layer_sizes": (128, 128),
    "batch_size": 32,
    "max_iter": 40,
    "learning_rate_init": 0.001,
}
_MNIST_RECIPE = {
    **NOTES,
    "hidden_layer_sizes": (128, 128),
    "n_members": 2,
    "cell": "gru",
    "readout": "max",
    "batch_size": 64,
    "max_iter": 12,
    "learning_rate_init": 0.002,
    "dropout": 0.3,
    "clip_norm": 1.0,
}
# 784 steps of one number are too many for a W that rotates by any angle, and for the last state.
_MNIST_PIXELS_RECIPE = {
    **NOTES,
    "hidden_layer_sizes": (64, 64),
    "bidirectional": True,
    "cell": Tanh(first_recurrence="rotations"),
    "readout": "max",
    "batch_size": 32,
    "max_iter": 40,
    "learning_rate_init": 0.002,
    "recurrent_rate": 0.1,
}


class Dataset(NamedTuple):
    """Sequences to train on and sequences to test on, with their labels.

    ``recipe`` holds the parameters of an estimator that do well on them:
    ``RNNClassifier(**dataset.recipe)``. ``found`` says what is in a table, a sentence a line.
    """

    X_train: Any
    y_train: Any
    X_test: Any
    y_test: Any
    recipe: dict[str, Any]
    found: tuple[str, ...] = ()


_MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def load_digits(steps: Steps = "rows", binary: tuple[int, int] | None = None) -> Dataset:
    """Load scikit-learn's 1,797 handwritten digits of 8×8 pixels; 360 of them are for the test.

    Parameters
    ----------
    steps : {"rows", "pixels", "flat"}
        8 steps of 8 pixels, 64 steps of 1, or 1 step of 64.
    binary : pair of int, optional
        Keep these two digits only.

    Returns
    -------
    Dataset
        Always the same split, with the digits in equal shares.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    images = bunch.images.astype(np.float32)
    X_train, X_test, y_train, y_test = train_test_split(
        images, bunch.target, test_size=360, stratify=bunch.target, random_state=0
    )
    return _as_sequences((X_train, y_train, X_test, y_test), steps, binary, _DIGITS_RECIPE)


def load_mnist(
    data_dir: str | Path | None = None,
    steps: Steps = "rows",
    binary: tuple[int, int] | None = None,
) -> Dataset:
    """Load MNIST: 60,000 handwritten digits of 28×28 pixels to train on, 10,000 for the test.

    Parameters
    ----------
    data_dir : path, optional
        A folder with the four IDX files, compressed with gzip or not, under their usual names
        (``train-images-idx3-ubyte``, ``train-images.idx3-ubyte``, with ``.gz`` or without), in it or
        in ``MNIST/raw``. Left out, they are downloaded once from their public mirrors into the
        user's cache, and checked against their SHA-256.
    steps : {"rows", "pixels", "flat"}
        28 steps of 28 pixels, 784 steps of 1, or 1 step of 784.
    binary : pair of int, optional
        Keep these two digits only.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If the folder or a file is not there, cannot be downloaded, or is damaged.
    """
    arrays: list[Array] = []
    for part in ("train", "t10k"):
        images_path, labels_path = (
            _find(data_dir, f"{part}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1")
        )
        images, labels = read_idx(images_path), read_idx(labels_path)
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise DataError(
                f"{images_path} has shape {images.shape} and {labels_path} {labels.shape}; expected "
                "(n, height, width) images and (n,) labels. Are the two files of one data set?"
            )
        arrays += [images.astype(np.float32), labels.astype(np.int64)]
    recipe = _MNIST_PIXELS_RECIPE if steps == "pixels" else _MNIST_RECIPE
    return _as_sequences(tuple(arrays), steps, binary, recipe)


def load_npz(
    path: str | Path, test_size: float = 0.2, step_size: int = 1, numbers: bool = False
) -> Dataset:
    """Load X and y from an .npz file, and keep a share of the sequences aside for the test.

    Parameters
    ----------
    path : path
        See ``elman.data.read_npz``.
    test_size : float
        The share kept aside, the same sequences each time.
    step_size : int
        How many columns of a two-dimensional X make a step.
    numbers : bool
        Whether y is numbers to predict, rather than labels.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If the file is damaged, lacks X or y, or their lengths differ.
    OSError
        If there is no such file.
    """
    from sklearn.model_selection import train_test_split

    from elman.estimators.inputs import unfold

    X, y = read_labelled_npz(path)
    # Checked before the split, so that a message has the number of the sequence in the file.
    try:
        if not numbers:
            has_step_labels(y)
    except DataError as error:
        raise DataError(
            f"{path}: {error} In a file, labels of steps lie one behind another, with lengths beside "
            "them: numpy.savez(path, X=np.concatenate(X), y=np.concatenate(y), lengths=[...])."
        ) from None
    as_sequences(unfold(X, step_size) if isinstance(X, np.ndarray) and X.ndim == 2 else X)
    require_both_parts(path, len(X), test_size)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=test_size, random_state=0)
    are_classes = not numbers and isinstance(y, np.ndarray) and y.ndim == 1
    found = classes_of_test_alone(y_train, y_test) if are_classes else ()
    return Dataset(X_train, y_train, X_test, y_test, recipe={}, found=found)


def classes_of_test_alone(y_train: Array, y_test: Array) -> tuple[str, ...]:
    """Say which classes have all their sequences in the test, if any: nothing is learned of them."""
    classes, counts = np.unique(y_test, return_counts=True)
    alone = [
        f"{label} ({n:,} sequence{'s' * (n != 1)})"
        for label, n in zip(classes.tolist(), counts.tolist(), strict=True)
        if label not in y_train
    ]
    words = f"classes of the test alone, which are not learned: {listed(alone)}; add sequences"
    return (words,) if alone else ()


def require_both_parts(path: str | Path, n: int, test_size: float) -> None:
    """Refuse a share for the test that leaves nothing to train on, of n sequences.

    Raises
    ------
    DataError
        With what to do.
    """
    if not 0 < test_size < 1:
        raise DataError(f"test_size={test_size}; expected a share above 0 and below 1.")
    if n == 1:
        raise DataError(f"{path} has one sequence: there is nothing to test on. Add others.")
    if ceil(test_size * n) == n:
        raise DataError(
            f"{path} has {n:,} sequences, and test_size={test_size:g} keeps all of them aside for the "
            "test: none is left to train on. Take a smaller share."
        )


def read_labelled_npz(path: str | Path) -> tuple[Any, Any]:
    """Read an .npz file that has to have labels, as many as sequences."""
    X, y = read_npz(path)
    if y is None:
        raise DataError(f"{path} has no array 'y'. Write it with numpy.savez(path, X=..., y=...).")
    if len(X) != len(y):
        raise DataError(
            f"{path} has {len(X)} sequences in X and {len(y)} labels in y. If X has all sequences one "
            "behind another, also save lengths=[len(x) for x in sequences]."
        )
    if isinstance(y, np.ndarray) and y.shape == (len(X), 1):
        y = y[:, 0]  # a column of labels
    return X, y


def _find(data_dir: str | Path | None, name: str) -> Path:
    if data_dir is None:
        return _download(name)
    folder = Path(data_dir)
    if not folder.is_dir():
        raise DataError(
            f"there is no directory {folder}. Expected one with MNIST's four files, "
            f"{', '.join(_MNIST_SHA256)} (or without .gz)."
        )
    dashed = name.removesuffix(".gz")
    spellings = (dashed, dashed.replace("-idx", ".idx"))
    for place in (folder, folder / "raw", folder / "MNIST" / "raw"):
        for path in (place / (name + end) for name in spellings for end in (".gz", "")):
            if path.is_file():
                return path
    raise DataError(
        f"{folder} has no {dashed} ({', '.join(spellings)}, with .gz or without, in it, in raw or in "
        "MNIST/raw). Expected MNIST's four files."
    )


def _download(name: str) -> Path:
    import pooch

    failures = []
    for mirror in _MNIST_MIRRORS:
        try:
            path = pooch.retrieve(
                mirror + name,
                known_hash=_MNIST_SHA256[name],
                fname=name,
                path=pooch.os_cache("elman") / "mnist",
            )
        except (OSError, ValueError) as error:  # no connection; a wrong checksum
            failures.append(f"{mirror}: {error}")
        else:
            return Path(path)
    raise DataError(
        f"{name} could not be downloaded. Get MNIST's four files by other means and name their "
        "folder (--data-dir). What the mirrors said: " + "; ".join(failures)
    )


def _as_sequences(
    images: tuple[Array, ...],
    steps: Steps,
    binary: tuple[int, int] | None,
    recipe: dict[str, Any],
) -> Dataset:
    X_train, y_train, X_test, y_test = images
    if binary is not None:
        missing = sorted(set(binary) - set(np.unique(y_train).tolist()))
        if missing or binary[0] == binary[1]:
            raise DataError(f"binary takes two different digits that there are; got {binary}.")
        keep_train, keep_test = np.isin(y_train, binary), np.isin(y_test, binary)
        X_train, y_train = X_train[keep_train], y_train[keep_train]
        X_test, y_test = X_test[keep_test], y_test[keep_test]
    height, width = X_train.shape[1:]
    n_timesteps, n_features = {
        "rows": (height, width),
        "pixels": (height * width, 1),
        "flat": (1, height * width),
    }[steps]
    return Dataset(
        X_train.reshape(-1, n_timesteps, n_features),
        y_train,
        X_test.reshape(-1, n_timesteps, n_features),
        y_test,
        recipe | ({"cell": "dense"} if steps == "flat" else {}),  # one step: nothing recurs
    )
