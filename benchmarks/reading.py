"""Reading tables: what ``read_sequences`` takes beside what polars and pandas take for the table alone.

    python -m benchmarks.reading               # CSV and Parquet of 1 GB each
    python -m benchmarks.reading parquet --gigabytes 0.2 --rounds 5

A row is a step: the machine, the time, eight readings, and whether the machine failed. Readings have
three decimals, as sensors give them; those of ``parquet-exact`` have all digits and cannot be
compressed. Each reading is done in a process of its own, in turn, after one of a file of a few rows;
what counts is the median. The last columns are ratios to polars.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

N_READINGS, STEPS = 8, 1000  # columns; steps of a machine
BYTES_OF_ROW = {"csv": 87.5, "parquet": 26.0, "parquet-exact": 66.0}  # as written below


def main() -> None:
    """Write each file, read it in processes of their own in turn, and print the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("files", nargs="*", help=f"of {', '.join(BYTES_OF_ROW)}")
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="for the files; a temporary one if left out")
    parser.add_argument(
        "--here", nargs=2, help=argparse.SUPPRESS
    )  # in the process that is measured
    options = parser.parse_args()
    if options.here:
        measure(options.here[0], Path(options.here[1]))
        return
    for kind in options.files or BYTES_OF_ROW:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            path = Path(folder, "readings." + kind.partition("-")[0])
            n_rows = write(path, kind, options.gigabytes)
            write(path.with_name("few" + path.suffix), kind, 0.001)
            print(f"{kind}: {path.stat().st_size / 1e9:.2f} GB, {n_rows:,} rows", flush=True)
            names = ["polars", "elman", *["pandas"] * (kind == "csv")]
            taken: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
            for name in names * options.rounds:
                command = [sys.executable, "-m", "benchmarks.reading", "--here", name, str(path)]
                line = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                taken[name].append(tuple(map(float, line.split())))
            medians = {
                name: [median(each) for each in zip(*taken[name], strict=True)] for name in names
            }
            for name, (clock, cpu, memory) in medians.items():
                ratios = clock / medians["polars"][0], cpu / medians["polars"][1]
                print(
                    f"  {name:8} clock {clock:6.2f} s   CPU {cpu:6.2f} s   peak {memory:6,.0f} MB   "
                    f"{ratios[0]:5.2f} x {ratios[1]:5.2f} x",
                    flush=True,
                )


def write(path: Path, kind: str, gigabytes: float) -> int:
    """Write a file of machines' readings; returns how many rows it has."""
    import polars as pl

    rng = np.random.default_rng(0)
    n_machines = max(2, round(gigabytes * 1e9 / BYTES_OF_ROW[kind] / STEPS))
    n = n_machines * STEPS
    machine, step = np.divmod(np.arange(n), STEPS)
    start = np.datetime64("2026-01-01T00:00:00", "us")
    table = pl.DataFrame(
        {
            "machine": pl.Series(machine).cast(pl.String),
            "time": start + step * np.timedelta64(1_000_000, "us"),
            **{f"reading {i}": _readings(rng, n, kind) for i in range(N_READINGS)},
            "failed": np.where(machine % 10 == 0, "yes", "no"),
        }
    )
    table = table.with_columns(machine="m" + pl.col("machine"))
    if kind == "csv":
        table.write_csv(path, datetime_format="%Y-%m-%d %H:%M:%S")
    else:
        table.write_parquet(path)
    return n


def _readings(rng: Any, n: int, kind: str) -> Any:
    values = 20 + rng.standard_normal(n)
    return values if kind == "parquet-exact" else values.round(3)


def measure(name: str, path: Path) -> None:
    """Read once, and print seconds by the clock, of the processor, and the peak of memory in MB."""
    library = __import__(name)
    if name == "elman":
        read = partial(library.read_sequences, label="failed")
    else:
        read = library.read_parquet if path.suffix == ".parquet" else library.read_csv
    read(path.with_name("few" + path.suffix))  # what is imported and begun at the first call
    clock, cpu = time.perf_counter(), time.process_time()
    kept = read(path)
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    assert len(kept)
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    print(clock, cpu, peak * 1024 / 1e6)


if __name__ == "__main__":
    main()
