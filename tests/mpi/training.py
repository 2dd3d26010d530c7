"""What ranks of an MPI job train, in the tests: printed as digests of what they come to."""

import hashlib
import json
import os
import signal
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
from sklearn.base import clone

import elman
from elman import Checkpoint, RNNClassifier, RNNRegressor, RNNTagger
from elman.data import Sequences, checking, rows, totals
from elman.data.blocks import Files
from elman.estimators import base, checkpoint
from elman.mpi import ranks
from elman.persistence import write_model

PLAIN = {"cell": "tanh", "readout": "last", "standardize": True, "frame": None, "max_iter": 2}
FEW_BYTES = np.float32
VERSION = elman.__version__


def data(n=150, seed=0):
    rng = np.random.default_rng(seed)
    X = [rng.standard_normal((length, 2)).astype(FEW_BYTES) for length in rng.integers(1, 9, n)]
    return X, np.array([int(x.sum() > 0) for x in X])


def settings_of(name):
    """An estimator and its data."""
    X, y = data()
    if name == "ragged, dropout, held out":
        model = RNNClassifier(
            5,
            **PLAIN | {"max_iter": 3},
            n_members=3,
            batch_size=100,
            dropout=0.2,
            early_stopping=True,
        )
    elif name == "regressor, clipped":
        model, y = (
            RNNRegressor(5, **PLAIN, batch_size=150, clip_norm=0.1),
            [float(x.sum()) for x in X],
        )
    elif name == "few sequences":
        model, X, y = RNNClassifier(5, **PLAIN, n_members=1, batch_size=3), X[:10], y[:10]
    elif name == "tokens":
        model, y = RNNClassifier(5, **PLAIN, n_members=2, batch_size=60), y[:90]
        words = np.random.default_rng(1).integers(2000, size=(len(y), 3))
        X = [[f"word {k}" for k in text] for text in words]
    elif name == "frames":
        model = RNNClassifier(
            5, **PLAIN | {"standardize": "sequence", "frame": (3, 2)}, batch_size=40
        )
    elif name in ("weighted", "padded"):
        model = RNNClassifier(5, **PLAIN | {"standardize": "sequence"}, n_members=1)
    elif name == "once more":
        model = RNNClassifier(5, **PLAIN | {"standardize": False}, n_members=1)
    else:
        plain = {key: value for key, value in PLAIN.items() if key != "readout"}
        model, y = RNNTagger(5, **plain, batch_size=70), [(x[:, 0] > 0).astype(int) for x in X]
        if name == "windows":
            model.set_params(cell="lstm", tbptt_steps=3, recurrent_dropout=0.2, n_members=2)
    return model.set_params(random_state=0), X, y


NAMES = (
    *("ragged, dropout, held out", "regressor, clipped", "few sequences", "tagger", "tokens"),
    "windows",
)
IN_FILES = ("few sequences", "frames", "windows", "weighted", "padded", "once more")


def trained(name):
    """A digest of all parameters, and the history."""
    model, X, y = settings_of(name)
    model.fit(X, y)
    return digest(model)


@contextmanager
def files_of(X):
    """Sequences as views of two files, which are large enough to stay there, in many blocks."""
    half, found = len(X) // 2, []
    with (
        TemporaryDirectory() as folder,
        patch.object(rows, "LARGE", 0),
        patch.object(totals, "BLOCK", 20),
        patch.object(Sequences.blocks, "__defaults__", (20,)),
    ):
        for number, some in enumerate((X[:half], X[half:])):
            path = Path(folder, f"{number}.npy")
            np.save(path, np.concatenate(some))
            mapped = np.load(path, mmap_mode="r")
            found += np.split(mapped, np.cumsum([len(x) for x in some])[:-1])
        yield found


def fitted_on_files(name, **options):
    model, X, y = settings_of(name)
    if name == "weighted":  # two of them do not count
        options["sample_weight"] = np.arange(len(X)) % 75
    with files_of(X) as mapped:
        if name == "padded":
            stack = np.full((len(X), 8, 2), np.nan, FEW_BYTES)
            for x, padded in zip(X, stack, strict=True):
                padded[: len(x)] = x
            path = Path(mapped[0].base.filename).with_name("padded.npy")
            np.save(path, stack)
            mapped = np.load(path, mmap_mode="r")
        if name == "once more":
            model.partial_fit(mapped, y)
            return model.partial_fit(mapped, y)
        return model.fit(mapped, y, **options)


def trained_on_files(name):
    return digest(fitted_on_files(name))


def rows_read_before():
    """The rows that this process reads of files before training, but for digests."""
    found, n_read, read = {}, 0, Files.read

    def counting(self, starts, lengths, out):
        nonlocal n_read
        n_read += len(out)
        read(self, starts, lengths, out)

    for name in IN_FILES:
        n_read, stop = 0, None if name == "once more" else FaultError
        with (
            patch.object(Files, "read", counting),
            patch.object(base, "digests_of", lambda examples, validation: {}),
            patch.object(base, "train", side_effect=stop),
            suppress(FaultError),
        ):
            fitted_on_files(name)
        found[name] = n_read
    return found


def not_finite():
    """What is said of two numbers: rank 1 reads the first of them, and rank 0 the other, before it."""
    model, X, y = settings_of("frames")
    steps = np.concatenate(X)
    steps[100, 1] = np.nan
    steps[185, 0] = np.inf
    X = np.split(steps, np.cumsum([len(x) for x in X])[:-1])
    with files_of(X) as mapped:
        try:
            model.fit(mapped, y)
        except elman.ElmanError as error:
            return f"{type(error).__name__}: {error}"


def interrupted():
    """What Ctrl-C in the last rank, while a file is read, ends in, and after how many blocks."""
    model, X, y = settings_of("frames")
    n_blocks = 0

    def found(block):
        nonlocal n_blocks
        n_blocks += 1
        if n_blocks == 10 and ranks().rank == ranks().size - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return totals.totals_of(block)

    with files_of(X) as mapped, patch.object(checking, "totals_of", found):
        try:
            model.fit(mapped, y)
        except KeyboardInterrupt as error:
            return type(error).__name__, n_blocks


def rows_read():
    """The rows of each batch after the first that this process reads of files."""
    model, X, y = settings_of("frames")
    model.set_params(max_iter=1, shuffle=False)
    n_read, after = [0], []

    def counting(self, starts, lengths, out):
        n_read[0] += len(out)
        read(self, starts, lengths, out)

    read = Files.read
    with files_of(X) as mapped, patch.object(Files, "read", counting):
        model.fit(mapped, y, callback=lambda progress: progress.row or after.append(n_read[0]))
    return np.diff(after).tolist()


def digest(model):
    return hashlib.sha256(model.network_.parameters.vector.tobytes()).hexdigest(), model.history_


def unseeded():
    """With ``random_state=None``: as NumPy's global generator was in rank 0."""
    np.random.seed(ranks().rank if ranks() else 0)  # noqa: NPY002
    model, X, y = settings_of("few sequences")
    return digest(model.set_params(random_state=None).fit(X, y))


def parts():
    """``partial_fit``, twice."""
    model, X, y = settings_of("few sequences")
    for _ in range(2):
        model.partial_fit(X, y, classes=[0, 1])
    return digest(model)


def all_of_them():
    found = {name: trained(name) for name in NAMES}
    found |= {f"{name}, in files": trained_on_files(name) for name in IN_FILES}
    return found | {"unseeded": unseeded(), "parts": parts()}


def checkpoints(path):
    """One that rank 0 writes slowly, and all go on from at once."""

    def slowly(*what):
        time.sleep(0.2)
        write_model(*what)

    checkpoint.write_model = slowly
    model, X, y = settings_of("few sequences")
    found = [digest(model.fit(X, y, checkpoint=path))]
    return [*found, *(digest(clone(model).fit(X, y, resume=path)) for _ in range(2))]


GONE_ON_WITH = ("ragged, dropout, held out", "windows")


def stopped(folder):
    """Trainings that end in the midst of a batch or an epoch, with what they are gone on from."""

    def stop(progress):
        if progress.update == 4:
            raise FaultError

    for name in GONE_ON_WITH:
        model, X, y = settings_of(name)
        try:
            model.fit(X, y, checkpoint=Checkpoint(Path(folder, name), every=0), callback=stop)
        except FaultError:
            continue
        raise AssertionError("there was nothing left to do")


def gone_on(folder):
    found = {}
    for name in GONE_ON_WITH:
        model, X, y = settings_of(name)
        found[name] = digest(model.fit(X, y, resume=Path(folder, name)))
    return found


# Faults: what each rank says of them. After each the ranks are in step again.


class FaultError(Exception):
    pass


def with_fault(name, rank):
    model, X, y = settings_of("few sequences")
    is_last = rank == ranks().size - 1
    if is_last and name == "other data":
        X = [x + 1 for x in X]
    if name == "one number":
        model, X, y = settings_of("tagger")
        model.set_params(standardize=False)
        X[77][0, 1] += is_last
    if is_last and name == "fewer sequences":
        X, y = X[1:], y[1:]
    if is_last and name == "another label":
        y = 1 - y
    if is_last and name == "another setting":
        model.set_params(learning_rate_init=0.5)
    watched = None
    if name == "other validation data":
        watched = X, 1 - y if is_last else y
        model.set_params(max_iter=30)
    if is_last and name == "not finite":
        X[3][0, 0] = np.nan
    if is_last and name == "another version":
        elman.__version__ = "0.0.9"

    def callback(progress):
        if progress.update != 3 or progress.row is not None:
            return
        if name == "all raise":
            raise FaultError("enough")
        if not is_last:
            return
        if name == "one raises":
            raise FaultError("enough")
        if name == "Ctrl-C":
            os.kill(os.getpid(), signal.SIGINT)
        if name == "other weights":
            model.network_.parameters.vector[0] += 1

    try:
        if name == "a model to go on from":
            model.fit(X, y)
            with files_of(X) as mapped:
                (model if is_last else clone(model)).partial_fit(mapped, y, classes=[0, 1])
        elif name == "not finite in its file":
            if is_last:  # in what it reads itself
                X[9][0, 0] = np.nan
            with files_of(X) as mapped:
                model.fit(mapped, y)
        else:
            model.fit(X, y, callback=callback, validation_data=watched)
    except (elman.ElmanError, FaultError, KeyboardInterrupt) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        elman.__version__ = VERSION
    return "done"


FAULTS = (
    "other data",
    "one number",
    "fewer sequences",
    "another label",
    "another setting",
    "not finite",
    "another version",
    "all raise",
    "one raises",
    "Ctrl-C",
    "other weights",
    "other validation data",
    "a model to go on from",
    "not finite in its file",
    "none",
)


def main(what):
    own = ranks()
    rank = 0 if own is None else own.rank
    if what == "bits":
        found = all_of_them()
    elif what == "faults":
        found = {name: with_fault(name, rank) for name in FAULTS}
    elif what == "checkpoints":
        found = checkpoints(os.environ["CHECKPOINT"])
    elif what == "stopped":
        found = stopped(os.environ["FOLDER"])
    elif what == "gone on":
        found = gone_on(os.environ["FOLDER"])
    elif what == "rows read":
        found = rows_read()
    elif what == "rows read before":
        found = rows_read_before()
    elif what == "interrupted":
        found = interrupted()
    elif what == "not finite":
        found = not_finite()
    elif what == "more fits":
        if rank:
            parts()
        found = parts()
    elif what == "an error before":
        if rank == 1:
            raise FaultError("no data")
        found = parts()
    elif what == "an end before":
        if rank == 1:
            sys.exit()
        found = parts()
    elif what == "killed":
        model, X, y = settings_of("few sequences")
        model.fit(X, y, callback=lambda _: rank != 1 or os.kill(os.getpid(), signal.SIGKILL))
    elif what == "alone":
        found = {"begun": own is not None, "parts": parts()}
    print(json.dumps({"rank": rank, "found": found}) + "\n", end="", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
