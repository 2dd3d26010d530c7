"""``python -m attack``: the large attack, as a table, and as JSON from which the guide has its figures."""

import json
import os
import platform
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from attack import KINDS, LARGE, attack

WIDTH = 100


def main():
    """Attack in all ways, two at a time, and write what came of it."""
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        running = [processes.submit(attack, kind, LARGE) for kind in KINDS]
        results = []
        for task in running:
            results.append(task.result())
            print(in_words(results[-1]), flush=True)
    failures = [failure for result in results for failure in result.failures]
    print(f"{'all':<12} {sum(result.tries for result in results):>8,}   failures: {len(failures)}")
    for failure in failures:
        print(f"  {failure}")
    if failures:
        sys.exit(1)
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "kinds": [asdict(result) for result in results],
    }
    path = Path(__file__).parents[2] / "docs" / "attack.json"
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")


def in_words(result):
    """Write what was tried and promised, and what came of it, for a person to read."""
    counted = sorted(result.outcomes.items(), key=lambda pair: -pair[1])
    lines = [
        f"promised: {result.promise}",
        *(f"{n:>10,}  {outcome}" for outcome, n in counted),
    ]
    first = f"{result.kind:<12} {result.tries:>8,}   failures: {len(result.failures)}"
    return "\n".join(
        [f"{first}   ({result.seconds:.0f} s)", *(f"    {line}" for line in lines), ""]
    )


def processor():
    """What computed, and how much of it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores, {names[0] if names else platform.machine()}"


if __name__ == "__main__":
    main()
