"""Compiling once, saying so once, and doing without a place to keep what was compiled."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numba
import numpy as np
import pytest

from elman.engines.compiled import compiling, layout, panels, rows

LINE = "elman: compiling for this processor, once; some seconds …\n"


PROGRAM = """
import numpy as np
from elman import Network
print(Network(1, 1, 2, seed=0).forward(np.ones((1, 1, 1))).tobytes().hex())
"""


@pytest.fixture
def process(tmp_path):
    """A process that predicts, with a place of its own for what is compiled."""

    def run(boundscheck):
        environment = {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONIOENCODING": "utf-8"}
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM],
            env=os.environ | environment | {"NUMBA_BOUNDSCHECK": boundscheck},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=True,
        )

    return run


def test_first_process_says_that_it_compiles_and_the_second_is_quiet(process, tmp_path):
    first, second = process("0"), process("0")
    assert (first.stderr, second.stderr) == (LINE, "")
    assert first.stdout == second.stdout
    kept = {path.name.split("-")[0] for path in tmp_path.rglob("*.nbi")}
    assert kept == {"packing.pack_rows", "rows.predict"}


def test_checked_mode_neither_keeps_code_nor_finds_what_is_kept(process, tmp_path):
    checked = process("1")
    assert list(tmp_path.iterdir()) == []
    first, after = process("0"), process("1")
    assert (checked.stderr, first.stderr, after.stderr) == (LINE, LINE, LINE)
    assert checked.stdout == first.stdout == after.stdout


def begin_to_compile(announcement, module):
    function = SimpleNamespace(__module__=module)
    event = SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=function)})
    announcement.on_start(event)
    announcement.on_end(event)


def test_line_is_said_once_and_only_of_this_package(capsys):
    announcement = compiling.Announcement()
    begin_to_compile(announcement, "somebody.elses")
    assert capsys.readouterr() == ("", "")
    begin_to_compile(announcement, "elman.engines.compiled.panels")
    assert capsys.readouterr() == ("", LINE)
    begin_to_compile(announcement, "elman.engines.compiled.rows")
    assert capsys.readouterr() == ("", "")


def test_without_a_place_to_keep_it_a_function_is_compiled_all_the_same(monkeypatch):
    def njit(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'double': no locator available")
        return numba.njit(**options)

    monkeypatch.setattr(compiling, "njit", njit)
    double = compiling.entry(lambda x: 2 * x)
    assert double(21) == 42
    assert double.nopython_signatures


@pytest.mark.parametrize(
    "function",
    [
        panels.pack, panels.unpack, panels.predict, panels.train,
        rows.pack, rows.unpack, rows.predict, rows.step, rows.train,
    ],
    ids=lambda function: f"{function.__module__.split('.')[-1]}.{function.__name__}",
)  # fmt: skip
def test_entry_takes_the_digest_of_the_sources_in_a_type(function):
    """What is kept on disk is found by these types, and must not be found by other sources."""
    from elman import Network

    network = Network(2, 3, 2, seed=0)
    for n in (2, 9):
        X = np.ones((n, 2, 2))
        network.loss_and_gradients(X, [0] * n)
        network.forward(X)
    network.step(X[:, 0], network.initial_state(9))
    assert function.signatures
    for signature in function.signatures:
        assert layout.SOURCES in str(signature)


def test_other_peoples_functions_compile_as_before():
    namespace = {}
    exec("def plus_one(x): return x + 1", namespace)
    assert numba.njit(namespace["plus_one"])(1) == 2
