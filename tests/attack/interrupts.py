"""Interrupts: Ctrl-C (SIGINT), SIGTERM or SIGHUP, at any moment of training, once or several times.

The command line is interrupted from its first line on, with a model at the place of its output and
without; and so is ``fit`` in a program.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

import elman
from elman.cli import app
from processes import ENDLESS, FORKS, SECONDS, Run

PROMISE = (
    "exit code 1 and one line; nothing was learnt yet, or a model is where the line says; "
    "a model that was there stays"
)
N = 3
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
SAVED = r"interrupted; the weights after epoch (\d+), the best so far, are saved to (\S+)\n"
NOTHING = [
    "interrupted\n",
    "interrupted; no epoch was complete; nothing is saved\n",
]


def tries(rng, scale, folder):
    """Interrupt the command line as a process that is started, as one that trains, and ``fit``."""
    # in this process, which may take its time to compile
    older = ["train", "digits", "--hidden", "8", "--epochs", "1", "--output", folder / "older"]
    assert CliRunner().invoke(app, [str(argument) for argument in older]).exit_code == 0
    signals = [each for each in SIGNALS if signal.getsignal(each) != signal.SIG_IGN]  # as of nohup
    starts = [Run, Started, *[Run] * 4]
    seconds_to_learn = {start: _seconds_until_it_learns(start, folder) for start in [Run, Started]}
    for i in range(N * scale):
        start = starts[i % len(starts)]
        seconds = float(rng.uniform(0, 1.5)) * seconds_to_learn[start]
        numbers = [signals[k] for k in rng.integers(len(signals), size=rng.integers(1, 4))]
        place = folder / str(i)
        place.mkdir()
        if is_old := bool(rng.integers(2)):
            (place / "digits.safetensors").write_bytes((folder / "older").read_bytes())
        names = ", ".join(number.name for number in numbers)
        yield (
            f"{names} after {seconds:.3f} s, {['no', 'a'][is_old]} model there",
            partial(_interrupt, start, place, seconds, numbers),
        )
    yield from _fits(rng, 12 * N * scale)


def _seconds_until_it_learns(start, folder):
    with start(ENDLESS, folder) as run:
        _wait_for_first_line(run.process.pid)
        begun = time.monotonic()
        run.wait_for("epoch 1/")
        return time.monotonic() - begun


class Started(Run):
    """The same, as a process that imports everything itself."""

    def __init__(self, arguments, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "elman", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._output, self._errors = self.process.stdout, self.process.stderr
        self.text = {self._output: b"", self._errors: b""}
        self.process.join = self.process.wait

    def end(self):
        """Wait until it has ended, and return its exit code."""
        output, errors = self.process.communicate(timeout=SECONDS)
        self.text = {self._output: output, self._errors: errors}
        return self.process.returncode


def _interrupt(start, folder, seconds, numbers):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with start(ENDLESS, folder) as run:
        _wait_for_first_line(run.process.pid)
        time.sleep(seconds)
        for number in numbers:
            run.signal(number)
        assert run.end() == 1, f"exit code {run.process}"
    errors = re.sub("elman: compiling .*\n", "", run.errors)
    for name, content in before.items():
        assert (folder / name).read_bytes() == content, "the model that was there is another"
    beside = {path.name for path in folder.iterdir()} - {*before}
    if errors in NOTHING:
        assert not [name for name in beside if not name.endswith(".tmp")], beside
        return "nothing was learnt yet"
    saved = re.fullmatch(SAVED, errors)
    assert saved, errors
    assert beside == {saved[2]}, beside
    model = elman.load(folder / saved[2])
    assert 1 <= int(saved[1]) <= model.n_iter_
    return "the best model is saved, beside the old" if before else "the best model is saved"


def _wait_for_first_line(process):
    """Wait until elman answers to signals: before that, it is Python that starts, or the system."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        time.sleep(0.5)
        return
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        caught = int(re.search(r"SigCgt:\s*(\w+)", status.read_text())[1], 16)
        if caught >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.0005)
    raise AssertionError("it does not heed signals")


# In a program


def _fits(rng, n):
    """Interrupt ``fit`` in one process, again and again."""
    moments = rng.uniform(0, 1.1, n).tolist()
    ours, theirs = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_fit_and_be_interrupted, args=(moments, theirs))
    process.start()
    theirs.close()

    def outcome():
        assert ours.poll(SECONDS), "it hangs"
        said = ours.recv()
        assert not isinstance(said, Exception), said
        return said

    try:
        for moment in moments:
            yield f"Ctrl-C after {moment:.3f} of fit", outcome
    finally:
        process.kill()
        process.join()
        ours.close()


def _fit_and_be_interrupted(moments, said):
    """Say each time what came of it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((256, 20, 4))
    y = rng.integers(3, size=256)
    make = partial(elman.RNNClassifier, 16, max_iter=3, random_state=0, n_jobs=2)
    expected = make().fit(X, y).predict_proba(X)
    start = time.perf_counter()
    make().fit(X, y)
    seconds = time.perf_counter() - start
    for moment in moments:
        model = make()
        try:
            outcome = _interrupted_fit(model, X, y, moment * seconds)
            if hasattr(model, "classes_"):
                assert np.isfinite(model.predict_proba(X)).all(), "it answers with NaN"
            assert (model.fit(X, y).predict_proba(X) == expected).all(), "then it learns other bits"
        except Exception as error:  # noqa: BLE001 (it goes to who asked)
            outcome = AssertionError(repr(error))
        said.send(outcome)


def _interrupted_fit(model, X, y, seconds):
    outcome = "fit is broken off, and usable"
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        model.fit(X, y)
        outcome = "fit had ended"
        for _ in range(100 * SECONDS):
            time.sleep(0.01)  # a signal just before a long sleep would not end it
        raise AssertionError("no interrupt came")
    except KeyboardInterrupt:
        timer.join()
        return outcome
