"""The tests of what computes, at each width of vectors that this processor can do: `make test-widths`.

    python tests/widths.py              all widths but this processor's own, which `make test` takes
    python tests/widths.py SSE2 AVX     these

Compiled code, NumPy, OpenBLAS and glibc are each made to do as on an older processor. Numba keeps
what it compiled apart by the processor's name and features.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
from llvmlite import binding

import fingerprint
import kernels

# What the compiled engine computes, and how estimators learn and answer with it. The rest of their
# tests is of what is refused, kept in files, said or shown, which no width can change; what is
# trained, through all of an estimator, fingerprints compare to the bit.
TESTS = ["tests/engines", "-k", "not reference and not memory"]
TESTS += [
    f"--ignore=tests/engines/compiled/machine/test_{name}.py" for name in ("compiling", "helpers")
]
TESTS += [
    f"tests/estimators/test_{name}.py"
    for name in (
        "bidirectional", "classifier", "dropout", "front_end", "long", "own_cell", "readouts",
        "regressor", "step_regressor", "streaming", "tagger",
    )
]  # fmt: skip


@dataclass(frozen=True)
class Width:
    """A kind of x86-64 processor, and what makes wider ones do as it does."""

    needs: str  # the features that it has, in LLVM's names
    registers: str  # what vectors are kept in,
    tile_rows: int  # and how many rows a tile of float32 has
    cpu: str  # its name in LLVM,
    blas: str  # and in OpenBLAS
    features: str = ""  # LLVM's, beside those of the name
    numpy_lacks: tuple[str, ...] = ()  # NumPy's features that begin so
    glibc_lacks: str = ""

    @property
    def is_here(self):
        there = binding.get_host_cpu_features()
        return all(there.get(feature) for feature in self.needs.split())

    @property
    def environment(self):
        """What a process needs to compute at this width."""
        found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
        lacking = [feature for feature in found if feature.startswith(self.numpy_lacks)]
        return os.environ | {
            "NUMBA_CPU_NAME": self.cpu,
            "NUMBA_CPU_FEATURES": self.features,
            "NPY_DISABLE_CPU_FEATURES": " ".join(lacking),
            "OPENBLAS_CORETYPE": self.blas,
            "OPENBLAS_NUM_THREADS": "1",
        }

    @property
    def said_by_fingerprints(self):
        """What they say where all is well, and code is that of such a processor."""
        return [
            f"x86_64, tiles of {self.tile_rows} rows in {self.registers} registers",
            "all fingerprints are those of fingerprints.json",
        ]

    @property
    def glibc(self):
        """What lets glibc, too, do without; then fma() takes 30 times as long."""
        return {"GLIBC_TUNABLES": f"glibc.cpu.hwcaps={self.glibc_lacks}"}


V3 = "64bit avx2 bmi bmi2 f16c fma lzcnt movbe"
V4 = f"{V3} avx512f avx512bw avx512cd avx512dq avx512vl"
NEWER, ALL = ("AVX512", "X86_V4"), ("",)

# The first that is here is this processor's own. AVX-512 decides some things in elman itself, the
# rows of a tile first: the last width has as many, from a feature that is named and then taken away.
WIDTHS = {
    "AVX-512": Width(V4, "zmm", 16, "x86-64-v4", "SkylakeX", features="+avx512f"),
    "AVX2": Width(V3, "ymm", 4, "x86-64-v3", "Haswell", numpy_lacks=NEWER),
    "AVX": Width(
        "64bit avx", "ymm", 4, "sandybridge", "Sandybridge",
        numpy_lacks=ALL, glibc_lacks="-AVX2,-FMA,-FMA4",
    ),
    "SSE2": Width(
        "64bit", "xmm", 4, "x86-64", "Prescott",
        numpy_lacks=ALL, glibc_lacks="-AVX,-AVX2,-FMA,-FMA4",
    ),
    "AVX-512-tiles": Width(
        V3, "ymm", 16, "x86-64-v3", "Haswell", features="+avx512f,-avx512f", numpy_lacks=NEWER
    ),
}  # fmt: skip


def own():
    """The name of this processor's own width; None if it is no x86-64."""
    return next((name for name, width in WIDTHS.items() if width.is_here), None)


def run(width):
    """Run fingerprints and tests; say whether all is well."""
    python, environment = sys.executable, width.environment
    subprocess.run([python, kernels.__file__], env=environment, check=True)
    with subprocess.Popen(
        [python, fingerprint.__file__],
        env=environment | width.glibc,
        stdout=subprocess.PIPE,
        text=True,
    ) as fingerprints:  # on one core, beside the tests
        tests = subprocess.run(
            [python, "-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal", *TESTS],
            env=environment,
        )
        found, _ = fingerprints.communicate()
    print(found, end="", flush=True)
    return found.splitlines() == width.said_by_fingerprints and tests.returncode == 0


def main(names):
    if unknown := set(names) - WIDTHS.keys():
        return f"the widths are {', '.join(WIDTHS)}; got {', '.join(unknown)}"
    outcomes = {}
    for name in names or WIDTHS:
        started = time.monotonic()
        if not WIDTHS[name].is_here:
            outcomes[name] = "cannot be had on this processor"
        elif name == own() and not names:
            outcomes[name] = "this processor's own: `make test`"
        else:
            print(f"{name}:", flush=True)
            outcome = "passed" if run(WIDTHS[name]) else "FAILED"
            outcomes[name] = f"{outcome}, {time.monotonic() - started:.0f} s"
    for name, outcome in outcomes.items():
        print(f"{name:<16}{outcome}")
    return any(outcome.startswith("FAILED") for outcome in outcomes.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
