"""Every kind of file that elman reads: small ones, whole, and what they say.

Attacks damage copies of them.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from unittest.mock import patch

import numba
import numpy as np
from typer.testing import CliRunner

import elman
from attack import require_one_line, require_sentence
from elman import Network, RNNClassifier, RNNTagger
from elman.cli import app
from elman.data import read_idx, read_npz
from elman.datasets import load_mnist
from elman.engines.compiled.machine import compiling
from plain import plain_model

N, T, D = 12, 5, 2
rng = np.random.default_rng(0)
X = rng.standard_normal((N, T, D)).astype(np.float32)
WORDS = np.array(["left", "on", "right"] * (N // 3))
RAGGED = [rng.standard_normal((t, D)).astype(np.float32) for t in (3, 1, 4, 2, 6, 5)]
STEPS = [np.arange(len(x)) % 3 for x in RAGGED]
PICTURES = rng.integers(0, 256, (6, 3, 4)).astype(np.uint8)


def models():
    """A model of every kind."""
    settings = {"max_iter": 2, "random_state": 0}
    return {
        "network": Network(D, [3, 4], 3, cell=("tanh", "relu"), seed=1),
        "classifier": plain_model(RNNClassifier, 3, **settings).fit(X, WORDS),
        "tagger": plain_model(RNNTagger, (3, 4), **settings).fit(RAGGED, STEPS),
        "classifier of rows": plain_model(RNNClassifier, 3, step_size=D, **settings).fit(
            X.reshape(N, -1), [True, False] * (N // 2)
        ),
    }


class Refused(Exception):  # noqa: N818 (as StopIteration is none)
    """The file was not read, and that was said in one sentence."""


@dataclass
class Victim:
    """A file, what it holds, how it is read, and in which of the rounds it has a turn."""

    name: str
    path: Path
    read: Callable[[], object]
    every: int = 1

    def __post_init__(self):
        self.content = self.path.read_bytes()
        self.meaning = self.read()

    def with_content(self, damaged):
        """Read the file with another content: refuse it or mean the same."""
        self.path.write_bytes(damaged)
        try:
            # Memory is not on trial here, and to ask for it takes longer than to read the file.
            with patch("elman._memory.available_memory", lambda: 10**9):
                meaning = self.read()
        except Refused:
            return "refused"
        assert meaning == self.meaning, "read, and something else than what was written"
        return "read right"


def in_turn(victims):
    """Victims for ever; those that take long less often."""
    for i in count():
        yield from (victim for victim in victims if i % victim.every == 0)


def _plainly(value):
    """Arrays as what can be compared."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, list | tuple):
        return [_plainly(entry) for entry in value]
    return value


def reading(read, path):
    """Read a file, and turn the one clear error into Refused."""

    def do():
        try:
            return read(path)
        except (elman.ElmanError, OSError, MemoryError) as error:
            require_sentence(error, path)
            raise Refused from None

    return do


def _model(path):
    """What a model is, is what it is when it is saved again."""
    again = path.with_name("again")
    elman.load(path).save(again)
    return again.read_bytes()


def _command(*arguments):
    def do():
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exit_code == 0:
            assert not result.stderr
            return result.stdout
        require_one_line(result)
        raise Refused

    return do


def idx_bytes(array):
    """An array of bytes in the format of MNIST."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def twice(x):
    """Compiled, and kept."""
    return 2 * x


def kept_code(path):
    """What is read of a file of compiled code: all of it, or nothing."""
    code = compiling.read(path)
    if code is None:
        raise Refused
    return code


def make(folder):
    """Write the files."""
    victims = []

    def add(name, path, read, every=1):
        victims.append(Victim(name, path, read, every))

    for name, model in models().items():
        path = folder / f"{name}.safetensors"
        model.save(path)
        add(name, path, reading(_model, path))
    model = folder / "classifier.safetensors"

    arrays = {
        "with labels": {"X": X, "y": WORDS},
        "ragged": {
            "X": np.concatenate(RAGGED),
            "y": np.concatenate(STEPS),
            "lengths": [len(x) for x in RAGGED],
        },
    }
    for kind, named in arrays.items():
        for how, save in {"stored": np.savez, "compressed": np.savez_compressed}.items():
            path = folder / f"{kind} {how}.npz"
            save(path, **named)
            add(path.name, path, reading(lambda path: _plainly(read_npz(path)), path))
    data = folder / "with labels stored.npz"

    path = folder / "pictures.gz"
    path.write_bytes(gzip.compress(idx_bytes(PICTURES)))
    add("IDX in gzip", path, reading(lambda path: _plainly(read_idx(path)), path))

    mnist = folder / "mnist"
    mnist.mkdir()
    for part in ("train", "t10k"):
        for kind, array in (
            ("images-idx3", PICTURES),
            ("labels-idx1", np.arange(6, dtype=np.uint8)),
        ):
            packed = gzip.compress(idx_bytes(array))
            (mnist / f"{part}-{kind}-ubyte.gz").write_bytes(packed)
    add(
        "MNIST's folder",
        mnist / "t10k-images-idx3-ubyte.gz",
        reading(lambda folder: _plainly(load_mnist(folder)[:4]), mnist),
    )

    with patch.object(numba.config, "CACHE_DIR", str(folder / "cache")):
        function = compiling.entry(twice)
    function(21)
    (path,) = (folder / "cache").rglob("*.nbc")
    add("compiled code", path, lambda: kept_code(path))

    def call():
        with patch.object(numba.config, "CACHE_DIR", str(folder / "cache")):
            return compiling.entry(twice)(21), compiling.read(path) is not None

    add("compiled function", path, call, every=20)
    add("elman predict, its model", model, _command("predict", model, data), every=20)
    add("elman predict, its data", data, _command("predict", model, data), every=20)
    add("elman evaluate", data, _command("evaluate", model, data), every=20)
    return victims
