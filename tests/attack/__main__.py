"""``python -m attack``: the large attack, as a table, and as JSON for the guide."""

import json
import os
import platform
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from attack import KINDS, LARGE, attack

REPORT = Path(__file__).parents[2] / "docs" / "attack.json"


def main():
    """Attack in all ways or in those that are named, two at a time, and write what comes of it."""
    kinds = sys.argv[1:] or [*KINDS]
    longest_first = sorted(kinds, key=lambda kind: kind != "interrupts")
    results = []
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        running = [processes.submit(attack, kind, LARGE) for kind in longest_first]
        for done in as_completed(running):
            results.append(done.result())
            write(results)
            print(in_words(results[-1]), flush=True)
    failures = [failure for result in results for failure in result.failures]
    print(f"in all {sum(result.tries for result in results):,} tries, {len(failures)} failures")
    for failure in failures:
        print(f"  {failure}")
    sys.exit(1 if failures else 0)


def write(results):
    """Put results into the guide's file, in place of those that were there."""
    before = json.loads(REPORT.read_text("utf-8"))["kinds"] if REPORT.exists() else []
    found = {row["kind"]: row for row in [*before, *map(asdict, results)]}
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "kinds": [found[kind] for kind in KINDS.values() if kind in found],
    }
    REPORT.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")


def in_words(result):
    """Write what was tried and promised, and what came of it, for a person to read."""
    counted = sorted(result.outcomes.items(), key=lambda pair: -pair[1])
    return "\n".join(
        [
            f"{result.kind}: {result.tries:,} tries, {len(result.failures)} failures, "
            f"{result.seconds:.0f} s",
            f"  promised: {result.promise}",
            *(f"  {n:>7,}  {outcome}" for outcome, n in counted),
        ]
    )


def processor():
    """What computed, and how much of it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores, {names[0] if names else platform.machine()}"


if __name__ == "__main__":
    main()
