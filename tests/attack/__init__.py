"""An attack on what elman promises. Seeded: what it finds is found again.

A module is one kind of attack. Its docstring says what is done; ``PROMISE`` says what has to come of
it; ``tries(rng, scale, folder)`` gives pairs: what is done this time, and a function that does it. The
function returns in a few words what came of it. Where it raises, the promise is broken.

``tests/test_attack.py`` makes a small attack. ``make attack`` makes one ten times as large, and
writes its figures to ``docs/attack.json``, from where the guide takes them.
"""

import time
import warnings
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from elman import ElmanError

KINDS = {
    "flips": "bit flips",
    "truncations": "truncations",
    "forgeries": "forgeries",
    "kills": "kills",
    "resumes": "resumes",
    "interrupts": "interrupts",
    "limits": "limits",
    "values": "odd values",
    "forks": "forks",
}
LARGE = 10  # times as many tries as the tests make
SEED = 0


@dataclass
class Result:
    """What came of one kind of attack."""

    kind: str
    promise: str
    tries: int
    outcomes: dict[str, int]
    failures: list[str]
    seconds: float


def attack(kind, scale=1, seed=SEED):
    """Attack in one way, and count what comes of it."""
    module = import_module(f"attack.{kind}")
    outcomes, failures = Counter(), []
    start = time.monotonic()
    with TemporaryDirectory(prefix="attack-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)  # numbers that went wrong,
        warnings.filterwarnings(
            "ignore", category=RuntimeWarning, module="sklearn"
        )  # but for these
        for what, do in module.tries(np.random.default_rng(seed), scale, Path(folder)):
            try:
                outcomes[do()] += 1
            except Exception as error:  # noqa: BLE001 (whatever it is, it was not promised)
                failures.append(f"{what}: {_in_words(error)}")
    n_tries = sum(outcomes.values()) + len(failures)
    seconds = round(time.monotonic() - start, 1)
    return Result(KINDS[kind], module.PROMISE, n_tries, dict(outcomes), failures, seconds)


def _in_words(error):
    place = error.__traceback__
    while place.tb_next is not None:
        place = place.tb_next
    code = place.tb_frame.f_code
    return (
        f"{type(error).__name__}: {error!s:.300} ({Path(code.co_filename).name}:{place.tb_lineno})"
    )


def require_sentence(error, *parts):
    """An error is for a person: one line, not too long, that names what it is about."""
    text = str(error)
    assert len(text) < 2000, text
    assert isinstance(error, ElmanError | OSError | MemoryError), repr(error)
    assert text, repr(error)
    assert "\n" not in text, text
    for part in parts:
        assert str(part) in text, f"{part} is not in {text!r}"


def require_one_line(result):
    """A command that failed has said so in one line, and nothing else."""
    assert result.exit_code == 1, f"exit code {result.exit_code}: {result.exception!r}"
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.stderr.startswith("error: "), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
