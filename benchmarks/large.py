"""Large data: what ``fit`` takes of memory and of time, for data in memory and in a file.

    python -m benchmarks.large                 # 1 GB, in memory and in a file of random numbers
    python -m benchmarks.large --gigabytes 8   # a sparse file: zeros, which take no room on the disk
    python -m benchmarks.large many padded classes features
    python -m benchmarks.large many padded --hidden 16 --batch 1024 --members 1

Each is measured in a process of its own. Memory is what the process has resident at its highest (VmHWM
of Linux) beyond what it had after a small ``fit``: libraries and compiled code. The data in memory
count, and so would pages of a mapped file. Times are of all cores, summed (CPU), and by the clock.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from elman import RNNClassifier

T, D = 200, 100  # of the data that are measured in gigabytes
PLAIN = {"standardize": True, "differences": False, "frame": None}


def main() -> None:
    """Measure in processes of their own, one after another."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--batch", type=int, help="sequences to an update; auto if left out")
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="for the file; a temporary one if left out")
    parser.add_argument("--here", help=argparse.SUPPRESS)  # in the process that is measured
    options = parser.parse_args()
    if options.here:
        more = {"batch_size": options.batch or "auto", "n_members": options.members}
        measure(options.parts[0], options.gigabytes, options.hidden, Path(options.here), more)
        return
    is_small = options.gigabytes <= 2
    parts = options.parts or (["file", "memory", "file"] if is_small else ["file"])
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder, "X")
        if "file" in parts:
            X = np.memmap(path, "f4", "w+", shape=shape_of(options.gigabytes))
            if is_small:
                fill(X)
        for part in parts:
            given = [part, "--gigabytes", str(options.gigabytes), "--hidden", str(options.hidden)]
            given += ["--members", str(options.members)]
            given += ["--batch", str(options.batch)] if options.batch else []
            command = [sys.executable, "-m", "benchmarks.large", *given, "--here", str(path)]
            subprocess.run(command, check=True)


def measure(part: str, gigabytes: float, hidden: int, path: Path, more: Mapping[str, Any]) -> None:
    """Fit and predict, and print what it took."""
    warnings.simplefilter("ignore")  # nothing is to be learnt of random numbers
    rng = np.random.default_rng(0)
    options: dict[str, Any] = {"max_iter": 1, "random_state": 0, **PLAIN, **more}
    small = rng.standard_normal((600, 3, 4), np.float32)
    RNNClassifier(hidden, **options).fit(small, np.arange(600) % 10).predict(small)
    before = memory("VmRSS")
    X, y = PARTS[part](gigabytes, path)
    held = memory("VmRSS") - before
    model = RNNClassifier(hidden, **options)
    print(f"{part:8} the data as held {held:7,.0f} MB", flush=True)
    for name, work in (("fit", lambda: model.fit(X, y)), ("predict", lambda: model.predict(X))):
        cpu, clock = time.process_time(), time.perf_counter()
        work()
        cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
        peak = memory("VmHWM") - before
        print(
            f"  {name:8} peak {peak:7,.0f} MB   CPU {cpu:7.2f} s   clock {clock:7.2f} s", flush=True
        )


def memory(name: str) -> float:
    """Of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024 / 1e6


def shape_of(gigabytes: float) -> tuple[int, int, int]:
    """(n_sequences, T, D) of float32."""
    return round(gigabytes * 1e9 / (4 * T * D)), T, D


def fill(X: Any) -> Any:
    """Fill an array with random numbers, some sequences after another."""
    rng = np.random.default_rng(0)
    for start in range(0, len(X), 100):
        part = X[start : start + 100]
        part[...] = rng.standard_normal(part.shape, np.float32)
    return X


def _labels(n: int, n_classes: int = 10) -> Any:
    return np.arange(n) % n_classes


def _in_memory(gigabytes: float, path: Path) -> tuple[Any, Any]:
    X = fill(np.empty(shape_of(gigabytes), np.float32))
    return X, _labels(len(X))


def _in_file(gigabytes: float, path: Path) -> tuple[Any, Any]:
    X = np.memmap(path, "f4", "r", shape=shape_of(gigabytes))
    return X, _labels(len(X))


def _many(*_: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((1 + i % 3, 2), np.float32) for i in range(1_000_000)]
    return X, _labels(len(X), 2)


def _many_in_one(*_: Any) -> tuple[Any, Any]:
    """The same as one array, whose sequences end where NaN begins."""
    X, y = _many()
    padded = np.full((len(X), 3, 2), np.nan, np.float32)
    for i, x in enumerate(X):
        padded[i, : len(x)] = x
    return padded, y


def _classes(*_: Any) -> tuple[Any, Any]:
    return fill(np.empty((50_000, 5, 8), np.float32)), _labels(50_000, 10_000)


def _features(*_: Any) -> tuple[Any, Any]:
    return fill(np.empty((200, 4, 100_000), np.float32)), _labels(200)


PARTS = {
    "memory": _in_memory,
    "file": _in_file,
    "many": _many,
    "padded": _many_in_one,
    "classes": _classes,
    "features": _features,
}


if __name__ == "__main__":
    main()
