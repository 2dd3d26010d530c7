"""Limits: full disks, too little memory, no file handles, folders that vanish or are read-only.

And standard output that takes nothing: ``/dev/full``, or closed.
"""

import os
import re
import resource
import shutil
import sys
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
from typer.testing import CliRunner

import elman
from attack import files, require_one_line, require_sentence
from disks import full_disk
from elman.cli import app
from elman.data import read_npz
from elman.training import Trainer
from plain import plain_model
from processes import FORKS, SECONDS

PROMISE = "one clear error; no file is lost or half written, and what was learnt is saved somewhere"
N = 4
TRAIN = ["train", "data.npz", "--hidden", "3", "--epochs", "4", "--output"]


def tries(rng, scale, folder):
    """Set a limit, and work."""
    folder.chmod(0o755)  # for other users, too
    files.models()["classifier"].save(folder / "model.safetensors")
    np.savez(folder / "data.npz", X=files.X, y=files.WORDS)
    np.savez(folder / "large.npz", X=np.repeat(files.X, 5000, axis=0), y=files.WORDS.repeat(5000))
    elman.Network(8, [700, 700], 3).save(folder / "large.safetensors")
    with patch.dict(os.environ, XDG_CACHE_HOME=str(folder / "cache")):
        for i in range(N * scale):
            yield from _round(rng, i, folder)


def _round(rng, i, folder):
    n_bytes = int(rng.integers(3000))
    yield f"a disk of {n_bytes} bytes, save", partial(_full_disk, folder, n_bytes)
    n_bytes = int(rng.integers(1 << 17))
    yield f"a disk of {n_bytes} bytes, elman train", partial(_train_on_disk, folder, n_bytes)
    number = int(rng.integers(1, 6))
    yield f"a folder that vanishes in epoch {number}", partial(_vanished, folder / str(i), number)
    n_bytes, work = int(rng.integers(1 << 26)), WORK[rng.integers(len(WORK))]
    yield (
        f"{n_bytes >> 20} MB of memory, {work.__name__}",
        partial(_in_child, _with_memory, n_bytes, work, folder),
    )
    n_handles, work = int(rng.integers(4)), WORK[rng.integers(len(WORK))]
    yield (
        f"{n_handles} file handles, {work.__name__}",
        partial(_in_child, _with_handles, n_handles, work, folder),
    )
    if i % 4 == 0:
        yield "a read-only folder", partial(_in_child, _read_only, folder)
    arguments, stream = COMMANDS[i % len(COMMANDS)], ["full", "closed"][rng.integers(2)]
    yield f"{' '.join(arguments)}, stdout {stream}", partial(_stdout, folder, arguments, stream)


# In this process


def _full_disk(folder, n_bytes):
    place = folder / "full"
    place.mkdir(exist_ok=True)
    path = place / "model"
    path.write_bytes(b"the old model")
    model = elman.load(folder / "model.safetensors")
    try:
        with full_disk(n_bytes):
            model.save(path)
    except OSError as error:
        require_sentence(error, path)
        assert path.read_bytes() == b"the old model"
        outcome = "refused, and the old file stays"
    else:
        elman.load(path)
        outcome = "done"
    assert [*place.iterdir()] == [path], "something is left beside it"
    return outcome


def _elman(folder, *arguments):
    before = Path.cwd()
    os.chdir(folder)
    try:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])
    finally:
        os.chdir(before)


def _train_on_disk(folder, n_bytes):
    place = folder / "full, for training"
    place.mkdir(exist_ok=True)
    path = place / "trained"
    path.unlink(missing_ok=True)
    with full_disk(n_bytes):
        result = _elman(folder, *TRAIN, path)
    assert not list(place.glob(".*")), "something is left beside it"
    if result.exit_code == 0:
        elman.load(path)
        return "done"
    require_one_line(result)
    assert not path.exists()
    return "refused before the work"


def _vanished(place, number):
    """While epoch ``number`` runs, the folder for the model is removed; the last has number 4."""
    epoch = Trainer.epoch

    def removing(self, n, *arguments):
        if n == number:
            shutil.rmtree(place)
        return epoch(self, n, *arguments)

    place.mkdir()
    with patch.object(Trainer, "epoch", removing):
        result = _elman(place.parent, *TRAIN, place / "model")
    if number > 4:
        assert result.exit_code == 0, result.stderr
        elman.load(place / "model")
        return "done"
    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first.startswith(f"error: {place / 'model'} could not be written: there is no directory")
    saved = re.fullmatch("the model was saved to (.*) instead", second)[1]
    assert elman.load(saved).n_iter_ == 4
    return "the model was saved elsewhere"


# In a process of its own


def _in_child(work, *arguments):
    ours, theirs = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_work_and_send, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    try:
        assert ours.poll(SECONDS), "it hangs"
        outcome = ours.recv()
    except EOFError:
        process.join(SECONDS)
        raise AssertionError(f"it crashed, exit code {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
        ours.close()
    assert not isinstance(outcome, Exception), outcome
    return outcome


def _work_and_send(sender, work, arguments):
    os.environ["XDG_CACHE_HOME"] = str(arguments[-1] / "cache")
    try:
        outcome = work(*arguments)
    except Exception as error:  # noqa: BLE001 (it goes to who asked)
        outcome = AssertionError(repr(error))
    sender.send(outcome)


def load(folder):
    """Read a model of 4 MB."""
    elman.load(folder / "large.safetensors")


def save(folder):
    """Write one."""
    path = folder / f"saved {os.getpid()}"
    elman.load(folder / "model.safetensors").save(path)
    path.unlink()


def read(folder):
    """Read data of 2.4 MB."""
    read_npz(folder / "large.npz")


def fit(folder):
    """Train."""
    X, y = read_npz(folder / "large.npz")
    plain_model(elman.RNNClassifier, 64, max_iter=1, random_state=0, n_jobs=2).fit(
        X[:5000], y[:5000]
    )


def predict(folder):
    """Predict on the command line."""
    _require_done(_elman(folder, "predict", "model.safetensors", "large.npz"))


def evaluate(folder):
    """Evaluate on the command line."""
    _require_done(_elman(folder, "evaluate", "model.safetensors", "data.npz", "--json"))


def train(folder):
    """Train on the command line."""
    path = folder / f"trained {os.getpid()}"
    _require_done(_elman(folder, *TRAIN, path))
    path.unlink()


WORK = [load, save, read, fit, predict, evaluate, train]


def _require_done(result):
    if result.exit_code == 0:
        return
    if result.exit_code == 2:
        assert "Invalid value" in result.stderr
        raise elman.DataError("refused before the work")
    require_one_line(result)
    raise elman.DataError(result.stderr.strip())


def _outcome_of(work, folder):
    try:
        work(folder)
    except (MemoryError, OSError, elman.ElmanError) as error:
        require_sentence(error)
        return "refused"
    return "done"


def _with_memory(n_bytes, work, folder):
    work(folder)  # all is imported and compiled
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + n_bytes, hard))
    outcome = _outcome_of(work, folder)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    work(folder)  # with memory it goes on
    return outcome


def _with_handles(n_handles, work, folder):
    work(folder)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    opened = []
    try:
        while True:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    for handle in opened[len(opened) - n_handles :]:
        os.close(handle)
    outcome = _outcome_of(work, folder)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    work(folder)
    return outcome


def _read_only(folder):
    place = folder / f"read-only {os.getpid()}"
    place.mkdir()
    model = elman.load(folder / "model.safetensors")
    model.save(place / "model")
    place.chmod(0o555)
    if os.geteuid() == 0:  # whom no mode keeps out
        os.seteuid(65534)
    for path in (place / "model", place / "new"):
        try:
            model.save(path)
        except OSError as error:
            require_sentence(error, path)
        else:
            raise AssertionError(f"{path} was written")
        result = _elman(folder, *TRAIN, path)
        assert result.exit_code == 2, result.stderr
        assert "Invalid value for --output" in result.stderr, result.stderr
    assert [path.name for path in place.iterdir()] == ["model"]
    return "refused before the work"


# Standard output

COMMANDS = [
    ["predict", "model.safetensors", "data.npz"],
    ["evaluate", "model.safetensors", "data.npz"],
    [*TRAIN, "trained"],
    ["evaluate", "model.safetensors", "data.npz", "--json"],
    ["--version"],
    ["predict", "model.safetensors", "data.npz", "--json"],
    ["--help"],
    [*TRAIN, "trained", "--quiet"],
]
DONE_WITHOUT = ["train", "--version", "--help"]  # the words are not what they are for


def _stdout(folder, arguments, stream):
    errors = folder / "errors"
    errors.write_text("")
    (folder / "trained").unlink(missing_ok=True)
    process = FORKS.Process(target=_main, args=(folder, arguments, stream))
    process.start()
    process.join(SECONDS)
    code = process.exitcode
    process.kill()
    said = errors.read_text()
    assert "Traceback" not in said, said
    if arguments[0] == "train":
        assert elman.load(folder / "trained").n_iter_ == 4
    if code == 0:
        assert arguments[0] in DONE_WITHOUT, "the answer reached nobody, and nobody is told"
        assert "--quiet" not in arguments
        return "done, as far as it can be"
    assert code == 1, f"exit code {code}"
    assert said.splitlines()[-1].startswith("error: "), said
    return "refused"


def _main(folder, arguments, stream):
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    os.chdir(folder)
    os.dup2(os.open("errors", os.O_WRONLY), 2)
    if stream == "closed":
        os.close(1)
        sys.stdout = None  # as Python begins then
    else:
        os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    sys.argv = ["elman", *arguments]
    from elman.__main__ import main

    main()
