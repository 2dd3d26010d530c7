"""Helpers: parts of others, and nothing by themselves."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import njit, types

from elman.engines.compiled.machine.compiling import Entry
from elman.engines.compiled.machine.helpers import Helper, helper
from elman.engines.compiled.machine.pipeline import Part


@pytest.fixture
def halves():
    """A helper that another one calls."""

    @helper
    def half(x):
        return x / 2

    @helper
    def quarter(x):
        return half(half(x))

    return half, quarter


def test_entry_is_made_of_helpers(halves):
    _, quarter = halves
    assert njit(lambda x: quarter(x) + 1)(6.0) == 2.5


def test_helper_has_neither_machine_code_nor_wrappers(halves):
    _, quarter = halves
    quarter.compile((types.float64,))
    (result,) = quarter.overloads.values()
    assert isinstance(result.library, Part)
    names = [function.name for function in result.library.get_defined_functions()]
    assert result.fndesc.llvm_func_name in names
    assert result.fndesc.llvm_cpython_wrapper_name not in names
    assert result.fndesc.llvm_cfunc_wrapper_name not in names
    engine = result.target_context.codegen()._engine
    assert not engine.is_symbol_defined(result.fndesc.llvm_func_name)


def test_helper_called_by_python_is_compiled_alone(halves):
    half, quarter = halves
    assert quarter(6.0) == 1.5
    assert (half(np.arange(3.0)) == [0, 0.5, 1]).all()


def test_what_is_written_out_makes_no_function_of_its_own(halves):
    half, _ = halves
    assert njit(lambda n: half(n) + half(3) + half(4))(1) == 4
    assert list(half.overloads) == [(types.int64,)]


def test_no_two_functions_have_one_name():
    """Programs on disk call each other by name: with one of two, another process may call the other."""
    functions = {
        id(value): (value.py_func.__module__, value.py_func.__qualname__)
        for name, module in sys.modules.items()
        if name.startswith("elman.engines.compiled.")
        for value in vars(module).values()
        if isinstance(value, Helper | Entry)
    }
    assert len(functions) > 50
    assert len(set(functions.values())) == len(functions)


def test_error_of_a_helper_reaches_python():
    @helper
    def refuse(x):
        if x > 0:
            raise ValueError("no")
        return x

    entry = njit(lambda x: refuse(x) + 1)
    assert entry(-1) == 0
    with pytest.raises(ValueError, match="no"):
        entry(1)


def test_what_is_not_asked_for_is_not_compiled(tmp_path):
    code = """
import numpy as np
from elman import Network
from elman.engines.compiled import masks
from elman.engines.compiled.panels import beginnings, gradients, readouts, steps, training
Network(2, 3, 2).loss_and_gradients(np.ones((4, 5, 2)), [0, 1, 0, 1])
compiled = [masks.draw, masks.number, readouts.carry, readouts.take_step, readouts.error_of_read]
compiled += [beginnings.load_initial, beginnings.clear_tokens, steps.mask_states, steps.masked]
compiled += [gradients.add_columns, gradients.add_initial_gradients, training.copy_states]
print([function.__name__ for function in compiled if function.signatures])
"""
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_OPT": "0"},  # it is soon there
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "[]\n"
