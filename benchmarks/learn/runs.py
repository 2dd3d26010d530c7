"""Runs contenders in processes of their own, and keeps what came out.

A result is a file, ``results/<contender>/<problem>-<seed>.json`` (``cv/…`` for cross-validation),
with what it was made of: versions, data, options. It is used again as long as these are the same;
elman's version is a digest of its sources, so that a change of them has elman, and elman alone, redone.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.harness import Say
from benchmarks.learn.contenders import CONTENDERS, Contender
from benchmarks.learn.problems import Problem, write_part

ROOT = Path(__file__).parents[2]
REQUIREMENTS = (ROOT / "benchmarks/requirements.txt", ROOT / "benchmarks/learn/requirements.txt")
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Plan(NamedTuple):
    """How to measure.

    Attributes
    ----------
    folder : Path
        Where results are kept.
    n_threads : int
    cv : bool
        Cross-validation on the training parts instead of the test parts.
    again : bool
        Whether to redo what is kept.
    options : dict
        Of elman's estimators.
    """

    folder: Path
    n_threads: int
    cv: bool
    again: bool
    options: dict[str, Any]


def result(name: str, problem: Problem, seed: int, plan: Plan, run: bool, say: Say) -> Any:
    """Return a contender's result for a problem and a seed.

    What is kept if it is made of the same, else a new one; None if there is none and ``run`` is
    false, or if it failed, which is said.
    """
    contender = CONTENDERS[name]
    made_of = {
        "version": _version(contender),
        "recipe": contender.recipe,
        "data": problem.digest(),
        "options": plan.options if name == "elman" else {},
    }
    whose = name + "".join(f",{key}={value}" for key, value in made_of["options"].items())
    kept = plan.folder / ("cv" if plan.cv else "results") / whose / f"{problem.name}-{seed}.json"
    if kept.exists() and not (run and plan.again):
        found = json.loads(kept.read_text("utf-8"))
        if found["made_of"] == made_of or not run:
            return found | {"is_old": found["made_of"] != made_of}
    if not run:
        return None
    answer = _run(name, problem, seed, plan, say)
    if answer is None:
        return None
    answer |= {"made_of": made_of, "n_threads": plan.n_threads}
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(answer, indent=1) + "\n", "utf-8")
    return answer | {"is_old": False}


def _run(name: str, problem: Problem, seed: int, plan: Plan, say: Say) -> dict[str, Any] | None:
    python = _python(CONTENDERS[name], say)
    with TemporaryDirectory() as folder:
        parts = problem.folds(seed) if plan.cv else [problem.part]
        paths = [str(Path(folder) / f"{number}.npz") for number in range(len(parts))]
        for part, path in zip(parts, paths, strict=True):
            write_part(part, Path(path))
        request = {
            "contender": name,
            "kind": problem.kind,
            "parts": paths,
            "seed": seed,
            "n_threads": plan.n_threads,
            "options": plan.options,
        }
        command = [python, "-m", "benchmarks.learn.worker", json.dumps(request)]
        threads = dict.fromkeys(ONE_THREAD, str(plan.n_threads))
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | threads, capture_output=True, text=True
        )
    if done.returncode != 0:
        say(f"{name}, {problem.name}, seed {seed} failed: {done.stderr.strip()[-2000:]}")
        return None
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if warned := re.findall(r"^\S+: \w*Warning: .*", done.stderr, re.MULTILINE):
        answer["warnings"] = warned
    scores = " ".join(f"{value:.3f}" for value in answer["scores"])
    say(f"{name}, {problem.name}, seed {seed}: {scores}, {max(answer['seconds']):.1f} s")
    return answer


def _python(contender: Contender, say: Say) -> str:
    """Return the environment's Python; have make build it first, once."""
    if contender.environment is None:
        return sys.executable
    folder = ROOT / contender.environment
    stamp = f"{contender.environment}/.{contender.environment.removeprefix('.venv-')}"
    if not (ROOT / stamp).exists():
        say(f"making {contender.environment} …")
        subprocess.run(["make", "--quiet", stamp], cwd=ROOT, check=True)
    return str(folder / "bin" / "python")


def _version(contender: Contender) -> str:
    """The version that is, or will be, installed; of elman a digest of the sources as well."""
    if contender.environment is not None:
        pinned = "\n".join(path.read_text("utf-8") for path in REQUIREMENTS)
        found = re.search(rf"^{contender.package}==(\S+)", pinned, re.MULTILINE)
        assert found, f"{contender.package} is pinned in no requirements.txt"
        return found[1]
    if contender.package != "elman":
        return version(contender.package)
    spec = find_spec("elman")
    assert spec is not None
    assert spec.submodule_search_locations
    root = Path(spec.submodule_search_locations[0])
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{version('elman')}+{digest.hexdigest()[:12]}"
