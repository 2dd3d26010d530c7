"""Errors planted in the compiled engine's kernels, each for a test to notice: `make test-mutants`.

    python tests/mutants.py                         all
    python tests/mutants.py panels machine/tiles    those in this folder and this module

An error is planted in a copy of the package, and the tests that ought to notice run there. They have
to fail by an assertion: code that does not compile, or tests that are not found, prove nothing. On a
copy without an error the same tests have to pass.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "src" / "elman"
KERNELS = Path("engines", "compiled")
EQUATIONS = "../../equations/"  # from there
AT_ONCE = 2


@dataclass(frozen=True)
class Tests:
    """A file of tests, and what the names of those have that are run (pytest's ``-k``)."""

    file: str
    keywords: str


def packing(keywords):
    return Tests("engines/compiled/test_packing.py", f"{keywords} and float64")


def functions(keywords):
    return Tests("engines/compiled/machine/test_functions.py", keywords)


def promises(keywords):
    return Tests("engines/compiled/test_engine.py", f"{keywords} and float64")


def versus_naive(keywords):
    return Tests("engines/test_engines.py", f"{keywords} and compiled and float64")


TILES = Tests("engines/compiled/machine/test_tiles.py", "float64")
ANSWERS_OF_MANY = versus_naive("test_probabilities and three and ragged")
ANSWERS_OF_FEW = versus_naive("test_probabilities and few")
GRADIENTS_OF_MANY = versus_naive("test_loss_and_gradients and three and ragged")
GRADIENTS_OF_FEW = versus_naive("test_loss_and_gradients and layers and few")
ANSWERS_OF_SEVERAL = versus_naive("test_probabilities and several")
GRADIENTS_OF_SEVERAL = versus_naive("test_loss_and_gradients and several")
GATES_OF_MANY = versus_naive("test_loss_and_gradients and wide and lstm")
BUFFERS_OF_MANY = promises("test_gradients and 20")
STREAMS = versus_naive("test_streaming")
ANSWERS_BOTH_WAYS = versus_naive("test_probabilities and ways and ragged")
GRADIENTS_BOTH_WAYS = versus_naive("test_loss_and_gradients and ways and ragged")
WINDOWS = Tests("engines/test_long.py", "test_windows_end_where and compiled and gru")
SEGMENTS = Tests("engines/test_long.py", "test_a_windows_gradient and gru")
NOT_CONNECTED = Tests("test_merging.py", "not_connected and float64")
PAIRS = Tests("engines/compiled/panels/test_training.py", "test_shards_side and float64")
FIRST_STATES_BOTH_WAYS = versus_naive("test_loss_and_gradients and ways and first")


@dataclass(frozen=True)
class Mutant:
    """An error in a kernel: a piece of its code, which stands there once, and what takes its place."""

    kernel: str
    right: str
    wrong: str
    tests: Tests  # that ought to notice

    @property
    def kernels(self):
        """Its module's name, and that of the folder that it is in."""
        return self.kernel, self.kernel.partition("/")[0]

    def plant(self, package):
        """Plant the error in a copy of the package."""
        path = package / KERNELS / f"{self.kernel}.py"
        source = path.read_text(encoding="utf-8")
        if source.count(self.right) != 1:
            raise ValueError(f"{path.name} has {source.count(self.right)} times: {self.right}")
        path.write_text(source.replace(self.right, self.wrong), encoding="utf-8")


MUTANTS = {
    # panels
    "W begins a row too early": Mutant(
        "panels/steps",
        "(gate.n_forward - H + span.first_h) * L", "(gate.n_forward - H - 1 + span.first_h) * L",
        ANSWERS_OF_MANY,
    ),
    "the last units, which fill no tile, left out": Mutant(
        "panels/steps",
        "min(L, H - p), tile_rows(work, apart)", "min(L, H - p) // L * L, tile_rows(work, apart)",
        ANSWERS_OF_MANY,
    ),
    "a sequence ends a step too early": Mutant(
        "panels/predicting", "alive_after - 1] <= t + 1", "alive_after - 1] <= t + 2", ANSWERS_OF_MANY
    ),
    "classes and sequences exchanged": Mutant(
        "panels/answers", "= work[y + k * L + j]", "= work[y + j * L + k]", ANSWERS_OF_MANY
    ),
    "alive a step too long": Mutant(
        "panels/beginnings", "lengths[n - 1] <= t:", "lengths[n - 1] < t:", GRADIENTS_OF_MANY
    ),
    "h_t for h_{t-1}": Mutant(
        "panels/gradients", "t_0 = 1, max(begin, 1)", "t_0 = 0, max(begin, 1)",
        GRADIENTS_OF_MANY,
    ),
    "h_{t-1} read as wide as h_t": Mutant(
        "panels/gradients",
        "width = width_at(t - ago", "width = width_at(t", promises("narrow_panels_make")
    ),
    "dW with something before the first step": Mutant(
        "panels/gradients", "max(begin, 1)", "begin", GRADIENTS_OF_MANY
    ),
    "db added twice": Mutant(
        "panels/gradients",
        "store(total_p, grad", "store(f.add(total_p, total_p), grad", GRADIENTS_OF_MANY
    ),
    "errors to sequences that have ended": Mutant(
        "panels/steps", "if alive < L:", "if alive < 0:", BUFFERS_OF_MANY
    ),
    "gradients do not begin as zeros": Mutant(
        "panels/training", "gradients[s][:] = 0.0", "gradients[s][:0] = 0.0", BUFFERS_OF_MANY
    ),
    "only the first gate": Mutant(
        "panels/steps",
        "initial, L)\n    for g in range(layer.n_gates):",
        "initial, L)\n    for g in range(1):",
        GATES_OF_MANY,
    ),
    "nothing straight from later steps": Mutant(
        "panels/steps", " + layer.n_gates * apart\n        later_apart", "\n        later_apart",
        GATES_OF_MANY,
    ),
    "a window's states to other sequences": Mutant(
        "panels/training", "after[row + j, column + i]", "after[row + first, column + i]", WINDOWS
    ),
    "a window begins with other sequences' states": Mutant(
        "panels/beginnings", "row = first + j if", "row = j if", WINDOWS
    ),
    "a segment does not begin with the states before it": Mutant(
        "panels/training",
        "copy_states(net, work[d:], begin - 1 - base, slots, before, cell_scratch, True)\n"
        "        forward",
        "pass\n        forward",
        SEGMENTS,
    ),
    "both shards in one place": Mutant(
        "panels/places", "return s * apart", "return 0 * apart", PAIRS
    ),
    "the second shard's inputs are the first one's": Mutant(
        "panels/training", "load_inputs(data, first + s * L", "load_inputs(data, first", PAIRS
    ),
    "both shards with one mask": Mutant(
        "panels/steps",
        "load(work, mask + i * L, L, R, V, apart)", "load(work, mask + i * L, L, R, V, 0)",
        Tests("engines/compiled/panels/test_training.py", "test_with_dropout"),
    ),
    # bidirectional
    "a reverse layer that goes forward": Mutant(
        "bidirectional", "t = T - 1 - i if layer.reverse else i", "t = i", ANSWERS_BOTH_WAYS
    ),
    "sequences that begin with what is there": Mutant(
        "bidirectional", "alive[t], alive[t - 1], initial", "alive[t], alive[t], initial",
        ANSWERS_BOTH_WAYS,
    ),
    "a reverse sequence begins with what is there": Mutant(
        "bidirectional", "if initial >= 0 else 0.0", "if initial >= 0 else 0.5", ANSWERS_BOTH_WAYS
    ),
    "the level below hears of one direction": Mutant(
        "bidirectional", "error, is_first, below", "error, True, below",
        GRADIENTS_BOTH_WAYS,
    ),
    "reverse dW with h_t": Mutant(
        "panels/gradients", "= -1, begin, min(end, T - 1), T - 1", "= 0, begin, end, T - 1",
        GRADIENTS_BOTH_WAYS,
    ),
    "errors from the wrong side": Mutant(
        "panels/places",
        "        return t - 1\n    return t + 1", "        return t + 1\n    return t + 1",
        GRADIENTS_BOTH_WAYS,
    ),
    "first states of all sequences at each step": Mutant(
        "bidirectional", "first, last = alive[t + 1], alive[t]", "first, last = 0, alive[t]",
        FIRST_STATES_BOTH_WAYS,
    ),
    "dW without first states": Mutant(
        "panels/gradients", "initial >= 0 and begin <= t_0 < end", "False", FIRST_STATES_BOTH_WAYS
    ),
    # rows
    "U begins a row too early": Mutant(
        "rows/forward", "b + (1 + span.first_x) * L", "b + span.first_x * L", ANSWERS_OF_FEW
    ),
    "states of the first sequence for all": Mutant(
        "rows/forward", "h + s * step + span.first_h", "h + span.first_h", ANSWERS_OF_SEVERAL
    ),
    "the last classes, which fill no vector, not divided": Mutant(
        "rows/answers",
        "range(0, K, L):\n        store(f.divide",
        "range(0, K // L * L, L):\n        store(f.divide",
        ANSWERS_OF_FEW,
    ),
    "the smallest z for the largest": Mutant(
        "rows/answers", "max(largest, work[z + k])", "min(largest, work[z + k])",
        versus_naive("test_confident and three"),
    ),
    "a stream without W": Mutant(
        "rows/streaming", "after, record, n_here, False,", "after, record, n_here, True,", STREAMS
    ),
    "a stream that is not centred": Mutant(
        "rows/streaming", "x_t[i * D + d] - scaling[d]", "x_t[i * D + d]", STREAMS
    ),
    "δ_t for δ_{t+1}": Mutant(
        "rows/gradients", "step, errors + at * error_step", "step, errors", GRADIENTS_OF_FEW
    ),
    "db without the first step": Mutant(
        "rows/gradients", "in range(T):\n            total", "in range(1, T):\n            total",
        GRADIENTS_OF_FEW,
    ),
    "the error not weighted": Mutant(
        "rows/answers", "work[z + label] -= weight", "work[z + label] -= 1", GRADIENTS_OF_FEW
    ),
    "a sequence that ends goes on": Mutant(
        "rows/training", "errors + after * n_errors if goes_on else -1", "errors + after * n_errors",
        GRADIENTS_OF_SEVERAL,
    ),
    "h of a sequence beside for h_{t-1}": Mutant(
        "rows/gradients", "min(end, lengths[n_earlier - 1] + 1)", "end", GRADIENTS_OF_SEVERAL
    ),
    "a second sequence's dV in place of the first one's": Mutant(
        "rows/training", "                is_last = False\n", "", GRADIENTS_OF_SEVERAL
    ),
    # packing
    "every panel has the first one's b": Mutant(
        "packing", "parameters[gate.b + p + i] if", "parameters[gate.b + i] if",
        packing("test_packed and panels"),
    ),
    "W copied a row too early": Mutant(
        "packing", "(gate.n_forward - H + span.first_h) * L",
        "(gate.n_forward - H - 1 + span.first_h) * L", packing("test_packed and panels"),
    ),
    "the last column of a panel that is not full left out": Mutant(
        "packing", "range(n_columns - p)", "range(n_columns - p - 1)",
        packing("test_packed and panels"),
    ),
    "squares not transposed": Mutant(
        "packing", "to + j * to_step + i, to_step)", "to + i * to_step + j, to_step)",
        packing("test_packed and rows"),
    ),
    "the last row of a matrix left out": Mutant(
        "packing", "min(i + L, n_rows)", "min(i + L, n_rows - 1)", packing("test_packed and rows")
    ),
    "dW read where padding is": Mutant(
        "packing", "layer.U_rows * L", "D * L", packing("test_unpacked and panels")
    ),
    "the last inputs that are not zeros left out": Mutant(
        "packing", "last = max(last, column)", "last = max(last, column - L)",
        packing("test_inputs_that"),
    ),
    "h of a member read where another's stands": Mutant(
        "panels/steps", "of_W + span.first_h * row", "of_W", NOT_CONNECTED
    ),
    "h of a member read where another's stands, in rows": Mutant(
        "rows/forward", "step + span.first_h, step", "step, step", NOT_CONNECTED
    ),
    # tiles
    "the first product left out": Mutant(
        "machine/tiles", "k.add_incoming(INDEX(0)", "k.add_incoming(INDEX(1)", TILES
    ),
    "products rounded before they are added": Mutant(
        "machine/tiles", "fma(factor, operand, Vector(builder, total))",
        "(factor * operand + Vector(builder, total))", TILES,
    ),
    "vectors that are to stand apart written side by side": Mutant(
        "machine/tiles", "beside = args[4] if _is_given(apart) else INDEX(tile.lanes)",
        "beside = INDEX(tile.lanes)", TILES,
    ),
    "rows and vectors of a tile exchanged": Mutant(
        "machine/tiles", "row * tile.vectors + vector", "vector * tile.rows + row", TILES
    ),
    "blocks of a square not exchanged": Mutant("machine/tiles", "n + j - block", "n + j", TILES),
    "a lane too many kept": Mutant(
        "machine/tiles", 'icmp_signed("<", lane', 'icmp_signed("<=", lane', TILES
    ),
    "the first number in every row": Mutant(
        "machine/tiles", "builder.gep(start, [INDEX(row)])", "builder.gep(start, [INDEX(0)])", TILES
    ),
    # functions
    "a coefficient of exp": Mutant(
        "machine/functions", "2.480158734759457e-05", "2.480258734759457e-05",
        functions("exp and ulps and float64"),
    ),
    "ln 2 without its low part": Mutant(
        "machine/functions", "fma(n, -low, fma(n, -high, x))", "fma(n, -high, x)",
        functions("exp and ulps and float64"),
    ),
    "2ⁿ at once, where that is out of range": Mutant(
        "machine/functions", "power_of_two(half) * power_of_two(n - half)", "power_of_two(n)",
        functions("exp and ulps and float64"),
    ),
    "tanh without what its quotient rounds off": Mutant(
        "machine/functions", "fma(-size, m, m - size * 2.0)", "m - size * (m + 2.0)",
        functions("tanh and binade and float32"),
    ),
    "log of NaN": Mutant(
        "machine/functions", " + (x - x)  # NaN", "  # NaN", functions("nan and float64")
    ),
    # the equations, as vectors
    "denormal errors": Mutant(
        "machine/pointwise", "f.without_tiny(x) for x in", "x for x in", promises("test_tiny and 5")
    ),
    "relu' of 0": Mutant(
        EQUATIONS + "cells/relu", "positive(h)", "positive(h + 1e-300)", GRADIENTS_OF_FEW
    ),
    "tanh' = 1 - h³": Mutant(
        EQUATIONS + "functions", "fma(-h, h, 1.0)", "fma(-h, h * h, 1.0)", GRADIENTS_OF_FEW
    ),
    "rows of a cell exchanged": Mutant(
        "machine/pointwise", "[row * self.L + j for", "[(1 - row % 2) * self.L + j for", ANSWERS_OF_FEW
    ),
}  # fmt: skip


def pytest_exception_interact(call):
    """See to it, as a plugin of pytest, that nothing but an assertion ends it as if one had failed."""
    if not call.excinfo.errisinstance((AssertionError, pytest.fail.Exception)):
        reason = f"{call.excinfo.typename}: {call.excinfo.value}"
        pytest.exit(reason, returncode=pytest.ExitCode.INTERNAL_ERROR)


def copied(folder):
    """The package, copied to a folder."""
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(PACKAGE, Path(folder, PACKAGE.name), ignore=ignored)


def run(tests, folder):
    """Run tests on the copy in a folder; return pytest's exit code and what it printed."""
    options = ["-qx", "-rf", "--tb=short", "-p", "no:cacheprovider", "-p", Path(__file__).stem]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-k", tests.keywords, str(HERE / tests.file)],
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join([folder, str(HERE)]),
            "NUMBA_CACHE_DIR": str(Path(folder, "numba")),
            "OMP_NUM_THREADS": "1",
        },
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def passes_without(tests, folder):
    """Whether tests pass on the copy without an error."""
    code, output = run(tests, folder)
    if code != pytest.ExitCode.OK:
        print(f"without an error: {tests} end with {code}:\n{output[-3000:]}", flush=True)
    return code == pytest.ExitCode.OK


def is_noticed(name):
    """Whether the tests notice an error; prints which test does, or what happens instead."""
    mutant, started = MUTANTS[name], time.monotonic()
    with TemporaryDirectory() as folder:
        mutant.plant(copied(folder))
        code, output = run(mutant.tests, folder)
    if code == pytest.ExitCode.TESTS_FAILED:
        test = re.search(r"^FAILED \S*::(.*?)(?: - .*)?$", output, re.MULTILINE)
        outcome = f"noticed by {test[1]}"
    elif code == pytest.ExitCode.OK:
        outcome = "NOT NOTICED"
    else:
        outcome = f"NOT TRIED, pytest ended with {code}:\n{output[-3000:]}"
    print(f"{mutant.kernel}: {name}: {outcome}; {time.monotonic() - started:.0f} s", flush=True)
    return code == pytest.ExitCode.TESTS_FAILED


def main(kernels):
    known = {kernel: None for mutant in MUTANTS.values() for kernel in mutant.kernels}
    if unknown := set(kernels) - known.keys():
        return f"the kernels are {', '.join(known)}; got {', '.join(unknown)}"
    names = [name for name, mutant in MUTANTS.items() if {*mutant.kernels} & {*(kernels or known)}]
    tests = {MUTANTS[name].tests for name in names}
    started = time.monotonic()
    with TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        copied(folder)
        passed = list(pool.map(passes_without, tests, repeat(folder)))
        noticed = list(pool.map(is_noticed, names))
    print(f"{sum(noticed)} of {len(names)} noticed, in {time.monotonic() - started:.0f} s")
    return not all(passed + noticed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
