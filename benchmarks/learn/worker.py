"""One contender in a process of its own: fits, predicts, prints what came out as a line of JSON.

Runs in the contender's environment, where little but NumPy need be installed.

    python -m benchmarks.learn.worker '{"contender": "forest", "kind": "labels", "parts": […], …}'
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import numpy as np

from benchmarks.learn.contenders import CONTENDERS
from benchmarks.learn.problems import Part, read_part


def main() -> None:
    """Do what the only argument asks for."""
    request = json.loads(sys.argv[1])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: request["n_threads"]])
    contender = CONTENDERS[request["contender"]]
    fit, warm_up = contender.load(request["kind"], request["options"])
    parts = [read_part(path) for path in request["parts"]]

    started = time.perf_counter()
    if warm_up is not None:
        warm_up(parts[0].X_train, parts[0].y_train, request["seed"], request["n_threads"])
    answer: dict[str, Any] = {"warm_up_seconds": time.perf_counter() - started}
    answer |= {"scores": [], "seconds": [], "cpu_seconds": []}
    for part in parts:
        started, cpu = time.perf_counter(), time.process_time()
        predict = fit(part.X_train, part.y_train, request["seed"], request["n_threads"])
        answer["seconds"].append(time.perf_counter() - started)
        answer["cpu_seconds"].append(time.process_time() - cpu)
        answer["scores"].append(score(request["kind"], part, predict(part.X_test)))
    print(json.dumps(answer))


def score(kind: str, part: Part, answers: Any) -> float:
    """Accuracy of labels and tags, R² of values, over all steps that were answered."""
    expected = part.y_test
    if kind in ("tags", "values"):
        expected, answers = np.concatenate(expected), np.concatenate(answers)
    if kind in ("labels", "tags"):
        return float((answers == expected).mean())
    rest = ((answers - expected) ** 2).sum()
    return float(1 - rest / ((expected - expected.mean()) ** 2).sum())


if __name__ == "__main__":
    main()
