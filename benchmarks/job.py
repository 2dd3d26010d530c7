"""The whole job as a person sees it: ``elman train mnist`` against a plain PyTorch script.

From the start of the process to its end: imports, reading the files, training, the test, the output.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.table import Table

from benchmarks.harness import Say, Settings, ratio
from benchmarks.report import Bar, columns

ACCURACY = 0.975
LABELS = {"elman": "elman train mnist", "torch": "PyTorch script"}
RECIPE = {"hidden": 128, "batch-size": 32, "epochs": 6, "learning-rate": 0.002}
# What the script has without being told, and the data set's own recipe has otherwise.
PLAIN = [
    "--members=1",
    "--cell=tanh",
    "--readout=last",
    "--dropout=0",
    "--clip=0.5",
    "--alpha=0.02",
]
SCRIPT = Path(__file__).with_name("mnist_torch.py")


def measure(settings: Settings, say: Say, data_dir: Path | None) -> dict[str, Any] | None:
    """Run both in turn; None, with a word, where there are no data."""
    options = [word for name, value in RECIPE.items() for word in (f"--{name}", str(value))]
    with TemporaryDirectory() as folder:
        output = ["--output", str(Path(folder) / "model.safetensors")]
        where = [] if data_dir is None else ["--data-dir", str(data_dir)]
        commands = {"elman": ["-m", "elman", "train", "mnist", *options, *PLAIN, *where, *output]}
        try:
            _run(commands["elman"])  # compiles, and downloads what is not there
        except NoDataError as error:
            say(f"the whole job is left out: {error}")
            return None
        if data_dir is None:
            import pooch

            data_dir = Path(pooch.os_cache("elman")) / "mnist"
        if find_spec("torch") is None:
            say("PyTorch is not installed here, and left out")
        else:
            threads = ["--threads", str(settings.n_threads)]
            commands["torch"] = [str(SCRIPT), str(data_dir), *options, *threads]
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        accuracy: dict[str, float] = {}
        for number in range(settings.n_rounds):
            for name in list(commands)[:: -1 if number % 2 else 1]:
                taken, accuracy[name] = _run(commands[name])
                seconds[name].append(taken)
            say(f"round {number + 1}/{settings.n_rounds}")
    return {
        "recipe": RECIPE,
        "accuracy": accuracy,
        "seconds": seconds,
        "ratios": {"torch": ratio(seconds, "torch")} if "torch" in seconds else {},
    }


class NoDataError(Exception):
    """MNIST is not there, and cannot be had; any other error is loud."""


def _run(arguments: list[str]) -> tuple[float, float]:
    """Run Python; return the seconds and the test accuracy, which has to be high enough."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if missing := re.search(r"^error: (.*MNIST's four files.*)", done.stderr, re.MULTILINE):
        raise NoDataError(missing[1])
    assert done.returncode == 0, f"{arguments} failed:\n{done.stderr}"
    found = re.search(r"test accuracy ([\d.]+)%", done.stdout)
    assert found, f"{arguments} printed no test accuracy:\n{done.stdout}"
    accuracy = float(found[1]) / 100
    assert accuracy >= ACCURACY, f"{arguments} came to {accuracy:.2%}; required {ACCURACY:.1%}"
    return seconds, accuracy


def table(section: dict[str, Any]) -> Table:
    """Draw a line a contender."""
    recipe = ", ".join(f"{name} {value}" for name, value in section["recipe"].items())
    title = f"The whole job, MNIST by rows to {ACCURACY:.1%} ({recipe})"
    drawn = columns("", "seconds", "test accuracy", title=title)
    for name, label in LABELS.items():
        if name in section["seconds"]:
            seconds = statistics.median(section["seconds"][name])
            drawn.add_row(label, f"{seconds:.1f}", f"{section['accuracy'][name]:.2%}")
    return drawn


def bars(section: dict[str, Any]) -> list[Bar]:
    """Judge the job."""
    return [Bar("the whole job, PyTorch", value, 4.0) for value in section["ratios"].values()]
