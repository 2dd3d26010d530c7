"""The command line in a process of its own, soon there: a server that has imported it forks it."""

import io
import multiprocessing
import os
import re
import select
import sys
import time

FORKS = multiprocessing.get_context("forkserver") if os.name == "posix" else None
if FORKS is not None:
    FORKS.set_forkserver_preload(
        ["rich.progress", "elman.cli.training", "elman.estimators", "elman.engines.compiled"]
    )

SECONDS = 60  # after which it has failed
ENDLESS = ["train", "digits", "--epochs", "100000", "--patience", "100000", "--hidden", "8"]


def _run(arguments, folder, streams, encoding, environment):
    os.chdir(folder)
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    os.setsid()  # a terminal that is opened now is this process's own
    for number, stream in enumerate(streams, start=1):
        if isinstance(stream, str):
            os.dup2(os.open(stream, os.O_RDWR), number)
        else:
            os.dup2(stream.fileno(), number)
            stream.close()
    for number, name in enumerate(["stdout", "stderr"], start=1):  # as Python makes them
        file = io.BufferedWriter(io.FileIO(number, "wb", closefd=False))
        setattr(sys, name, io.TextIOWrapper(file, encoding, "strict"))
    sys.argv = ["elman", *arguments]
    from elman.__main__ import main

    main()


class Run:
    """``elman`` with these arguments, in a folder; standard output is a pipe, or what has a path."""

    def __init__(self, arguments, folder, stdout=None, encoding="utf-8", environment=None):
        self._output, ours = FORKS.Pipe(duplex=False)
        self._errors, errors = FORKS.Pipe(duplex=False)
        streams = (ours if stdout is None else stdout, errors if stdout is None else stdout)
        self.text = {self._output: b"", self._errors: b""}
        self.process = FORKS.Process(
            target=_run,
            args=([*map(str, arguments)], folder, streams, encoding, environment or {}),
        )
        self.process.start()
        ours.close()
        errors.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()
        self.close_pipes()

    @property
    def output(self):
        return self.text[self._output].decode()

    @property
    def errors(self):
        """Standard error, without what the first process says that compiles."""
        return re.sub("elman: compiling .*\n", "", self.text[self._errors].decode())

    def wait_for(self, text):
        """Read until standard output has a text."""
        end = time.monotonic() + SECONDS
        while text not in self.output and self._read(end):
            pass
        assert text in self.output, self.errors

    def signal(self, number):
        os.kill(self.process.pid, number)

    def close_pipes(self):
        """Read no more."""
        self._output.close()
        self._errors.close()

    def end(self):
        """Wait until it has ended, and return its exit code."""
        end = time.monotonic() + SECONDS
        while self._read(end):
            pass
        self.process.join(max(0, end - time.monotonic()))
        assert self.process.exitcode is not None, "it has not ended"
        return self.process.exitcode

    def _read(self, end):
        pipes = [pipe for pipe in self.text if not pipe.closed]
        if not pipes:
            return False
        ready, _, _ = select.select(pipes, [], [], max(0, end - time.monotonic()))
        for pipe in ready:
            chunk = os.read(pipe.fileno(), 65536)
            self.text[pipe] += chunk
            if not chunk:
                pipe.close()
        return bool(ready)
