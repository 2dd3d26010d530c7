"""What ranks of an MPI job gain, and what an exchange takes: `docs/ranks.json`, for the guide.

    python -m benchmarks.ranks docs/ranks.json    measures with 1 and 2 ranks, in turn
    mpiexec -n 2 python -m benchmarks.ranks       one such measurement, in one job

Of a machine that others use, too, the shortest of many times says most; the median is given beside.
"""

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from elman.data import Examples, Targets, as_sequences
from elman.engines import get_engine
from elman.engines.compiled.buffers import Buffers
from elman.engines.compiled.summing import TreeSum
from elman.mpi import ranks
from elman.parameters import Architecture, initialize
from elman.training.windows import windows

SIZES = (1, 4, 16, 64, 256, 1024, 4096)  # kB of gradients
SHAPES = ((28, 28, 32, 64), (28, 28, 128, 128), (28, 28, 512, 128))  # T, D, B, H
ROUNDS = 2
SECONDS = 3.0  # of each measurement


def repeated(job):
    """Go on for some seconds, in all ranks as often as in the first."""
    ends = time.perf_counter() + SECONDS
    while True:
        for _ in range(20):
            yield
        go_on = time.perf_counter() < ends
        if job is not None:
            message = np.array([go_on], np.uint8)
            go_on = job.messages.exchange([message] * job.size, [1] * job.size)[0][0]
        if not go_on:
            return


def of_times(times):
    """The shortest and the median, in microseconds."""
    return [round(1e6 * float(t), 1) for t in (np.min(times), np.median(times))]


def exchanges(job):
    """What it takes to join gradients of so many kB."""
    result, buffers, dtype = {}, Buffers(), np.dtype(np.float32)
    blocks = [range(i, i + 1) for i in range(job.size)]
    for size in SIZES:
        n, times = size * 256, []
        parameters = np.zeros(n, dtype)
        for _ in repeated(job):
            tree, gradients = TreeSum(job.size, buffers), buffers.take(n, dtype)
            gradients[:] = 1
            tree.add(job.rank, 1.0, 1.0, gradients)
            started = time.perf_counter()
            total = job.join(tree, blocks, parameters, n)
            times.append(time.perf_counter() - started)
            buffers.give(total.gradients)
        result[size] = of_times(times)
    return result


def gradients(job, T, D, B, H, clock=time.perf_counter):
    """What a batch's loss and gradients take, in one thread a rank."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((B, T, D)).astype(np.float32)
    architecture = Architecture.of(D, (H,), "tanh", 10, True)
    parameters = initialize(architecture, rng, np.dtype(np.float32))
    targets = Targets(rng.integers(10, size=B), np.ones(B, np.float32), False)
    engine, times = get_engine("compiled", 1, reducer=job), []
    divide = partial(engine.division, parameters)
    (own,) = windows(Examples(as_sequences(X), targets), np.arange(B), None, None, divide)
    for _ in repeated(None if isinstance(job, Part) else job):
        started = clock()
        engine.loss_and_gradients(parameters, own.batch, own.targets)
        times.append(clock() - started)
    return of_times(times)


class Part:
    """A rank that computes its block, and sends nothing. See ``Reducer``."""

    rank = 0

    def __init__(self, size):
        self.size = size

    def join(self, tree, blocks, parameters, n):
        """What is there."""
        return next(iter(tree.waiting.values()))


def of_processor(T, D, B, H):
    """The processor's time for the first rank's block, of 1, 2, 4 … ranks: others do not count."""
    return {
        P: gradients(Part(P), T, D, B, H, time.thread_time) for P in (1, 2, 4, 8) if B // P > 15
    }


def measured():
    """All of it, in this process and those of its job."""
    job = ranks()
    if job is None:
        return {
            "strong": [gradients(None, *shape) for shape in SHAPES],
            "processor": [of_processor(*shape) for shape in SHAPES],
        }
    with job:
        weak = [gradients(job, T, D, job.size * B, H) for T, D, B, H in SHAPES]
        return {
            "exchange": exchanges(job),
            "strong": [gradients(job, *shape) for shape in SHAPES],
            "weak": weak,
        }


def main(path):
    """Measure in turn, and write the best of each."""
    found = {1: [], 2: []}
    for _ in range(ROUNDS):
        for n, results in found.items():
            command = [sys.executable, "-m", "benchmarks.ranks"]
            if n > 1:
                command = [Path(sys.executable).with_name("mpiexec"), "-n", str(n), *command]
            output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            results.append(json.loads(output))
    best = {
        n: {key: _best([result[key] for result in results]) for key in results[0]}
        for n, results in found.items()
    }
    content = {"shapes": SHAPES, "load": os.getloadavg()[1], "rounds": ROUNDS, "ranks": best}
    Path(path).write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def _best(results):
    """The shortest of several measurements, number by number."""
    if isinstance(results[0], dict):
        return {key: _best([result[key] for result in results]) for key in results[0]}
    if isinstance(results[0][0], dict):
        return [_best(each) for each in zip(*results, strict=True)]
    return np.min(results, axis=0).tolist()


if __name__ == "__main__":
    if sys.argv[1:]:
        main(sys.argv[1])
    else:
        result = measured()
        if ranks() is None or ranks().rank == 0:
            print(json.dumps(result))
