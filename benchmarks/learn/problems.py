"""The problems: sequences for training and testing, from files, or drawn by ``tasks``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SETS = ("GunPoint", "BasicMotions", "Trace", "OSULeaf", "ACSF1", "PLAID")
N_FOLDS = 3


class Part(NamedTuple):
    """What is fitted, and what it is tested with; an X is a list of arrays (n_timesteps, n_features).

    A y is an array (n_samples,), or for an answer a step a list of arrays (n_timesteps,).
    """

    X_train: list[np.ndarray]
    y_train: Any
    X_test: list[np.ndarray]
    y_test: Any


class Problem(NamedTuple):
    """A name, what is answered ("labels", "tags", "value" or "values"), and the sequences."""

    name: str
    kind: str
    part: Part
    what: str = ""

    @property
    def every_step(self) -> bool:
        """Whether each step is answered."""
        return self.kind in ("tags", "values")

    def digest(self) -> str:
        """Name the data by what they are."""
        digest = hashlib.sha256()
        for item in self.part:
            for array in item if isinstance(item, list) else [item]:
                digest.update(repr((array.shape, array.dtype.str)).encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    def folds(self, seed: int) -> list[Part]:
        """Divide the training part by cross-validation, of labels by their classes."""
        from sklearn.model_selection import KFold, StratifiedKFold

        X, y = self.part.X_train, self.part.y_train
        kind = StratifiedKFold if self.kind == "labels" else KFold
        folds = kind(N_FOLDS, shuffle=True, random_state=seed)

        def of(items: Any, chosen: np.ndarray) -> Any:
            return [items[i] for i in chosen] if isinstance(items, list) else items[chosen]

        labels = y if self.kind == "labels" else None
        return [
            Part(of(X, train), of(y, train), of(X, test), of(y, test))
            for train, test in folds.split(np.zeros(len(X)), labels)
        ]


def read_set(folder: Path, name: str) -> Problem:
    """Read one of the sets: all steps one behind another, and how many each sequence has."""
    return Problem(name, "labels", read_part(folder / f"{name}.npz"))


def write_part(part: Part, path: Path) -> None:
    """Write sequences as the sets are written."""
    arrays = {}
    for name, X, y in (("train", part.X_train, part.y_train), ("test", part.X_test, part.y_test)):
        arrays[f"X_{name}"] = np.concatenate(X)
        arrays[f"lengths_{name}"] = np.array([len(x) for x in X])
        arrays[f"y_{name}"] = np.concatenate(y) if isinstance(y, list) else y
    np.savez(path, **arrays)


def read_part(path: Path | str) -> Part:
    """Read what ``write_part`` wrote; a y as long as all steps has an answer for each."""
    with np.load(path) as arrays:

        def split(name: str, lengths: np.ndarray) -> list[np.ndarray]:
            return np.split(arrays[name], np.cumsum(lengths)[:-1])

        read: list[Any] = []
        for part in ("train", "test"):
            lengths = arrays[f"lengths_{part}"]
            y = arrays[f"y_{part}"]
            read.append(split(f"X_{part}", lengths))
            read.append(y if len(y) == len(lengths) else split(f"y_{part}", lengths))
    return Part(*read)


def pictures(name: str, data_dir: Path | None, n_train: int) -> Problem:
    """Read digits (8 steps of 8) or MNIST (28 steps of 28), of which the first so many are fitted."""
    from elman import datasets

    if name == "digits":
        found, what = datasets.load_digits(), "scikit-learn's digits, 8 steps of 8"
    else:
        found = datasets.load_mnist(data_dir)
        what = f"MNIST, 28 steps of 28, the first {n_train} of the training part"
        found = found._replace(X_train=found.X_train[:n_train], y_train=found.y_train[:n_train])
    part = Part(list(found.X_train), found.y_train, list(found.X_test), found.y_test)
    return Problem(name, "labels", part, what)


def pad(X: list[np.ndarray], T: int) -> np.ndarray:
    """Make sequences equally long, (n, T, D): zeros behind the short ones, the long ones cut."""
    padded = np.zeros((len(X), T, X[0].shape[1]))
    for row, x in zip(padded, X, strict=True):
        row[: len(x)] = x[:T]
    return padded
