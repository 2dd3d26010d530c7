"""A C compiler takes the file without a word, and its steps answer what elman answers."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from elman import ElmanError
from elman.equations.cells import Leaky
from elman.exporting.c import identifier
from leaving import Loses, Peeping, Softened, estimators, network, off, sequences
from tolerances import EXPORTED

CC = shutil.which("gcc")
pytestmark = pytest.mark.skipif(CC is None, reason="there is no gcc")
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]


class Compiled:
    """A model's C file, compiled and called."""

    def __init__(self, model, directory, n_outputs, answer=None):
        source = directory / "model.c"
        model.export(source)
        library = directory / f"{len(list(directory.iterdir()))}.so"  # a library loads once
        subprocess.run([CC, *STRICT, "-shared", "-fPIC", source, "-o", library, "-lm"], check=True)
        self.library = ctypes.CDLL(library)
        self.state = ctypes.create_string_buffer(1 << 16)
        network = getattr(model, "network_", model)
        self.dtype, self.answer = network.dtype, np.dtype(answer or network.dtype)
        self.n_outputs = n_outputs

    def __call__(self, x):
        """Go through a sequence; the answers at each step."""
        self.library.model_begin(self.state)
        y = np.full((len(x), self.n_outputs), np.nan, self.answer)
        for x_t, y_t in zip(np.ascontiguousarray(x, self.dtype), y, strict=True):
            self.library.model_step(self.state, *map(_pointer, (x_t, y_t)))
        return y


def _pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "cell",
    ["tanh", "relu", "gru", "lstm", "dense", Leaky(0.3), ("gru", "dense"), Peeping()],
    ids=str,
)
def test_each_step_is_answered_alike(cell, dtype, tmp_path):
    made = network(cell, dtype, learn_initial_state=True)
    compiled = Compiled(made, tmp_path, 3)
    X, _ = sequences(dtype)
    answers = [compiled(x) for x in X]
    assert off(answers, made.forward(X), True) <= EXPORTED[np.dtype(dtype)]


@pytest.mark.parametrize("readout", ["mean", "max"])
@pytest.mark.parametrize("loss", ["cross_entropy", "poisson", Softened()], ids=str)
def test_readouts_answer_from_the_steps_so_far(readout, loss, tmp_path):
    made = network("gru", np.float32, readout=readout, bias=False, loss=loss)
    compiled = Compiled(made, tmp_path, 3)
    x = sequences()[0][1]
    expected = [made.forward([x[: t + 1]], every_step=False)[0] for t in range(len(x))]
    assert off(compiled(x), np.array(expected), False) <= EXPORTED[np.dtype(np.float32)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_estimators_with_all_around_the_network(dtype, tmp_path):
    X, _ = sequences(dtype, mean=3)
    for name, (estimator, method) in estimators(dtype).items():
        of_numbers = name in ("regressor", "quantiles")
        K = estimator.network_.architecture.n_outputs
        compiled = Compiled(estimator, tmp_path, K, np.float64 if of_numbers else None)
        answers, expected = [compiled(x) for x in X], getattr(estimator, method)(X)
        if not estimator._every_step:
            answers = np.array([y[-1] for y in answers])
        assert off(answers, expected, estimator._every_step) <= EXPORTED[np.dtype(dtype)], name


def test_the_declarations_alone_may_be_included(tmp_path):
    network("lstm", np.float32).export(tmp_path / "model.c")
    main = tmp_path / "main.c"
    main.write_text(
        '#define MODEL_DECLARATIONS\n#include "model.c"\n#include "model.c"\n'
        "int main(void)\n{\n    model_state state;\n    float x[3] = {0}, y[3];\n"
        "    model_begin(&state);\n    model_step(&state, x, y);\n"
        "    return !(y[0] + y[1] + y[2] > 0.99f);\n}\n"
    )
    program = tmp_path / "program"
    command = [CC, *STRICT, main, tmp_path / "model.c", "-o", program, "-lm"]
    subprocess.run(command, check=True)
    subprocess.run([program], check=True)


def test_nothing_is_allocated_and_only_math_is_included(tmp_path):
    made = network("lstm", np.float64)
    made.export(tmp_path / "model.c")
    text = (tmp_path / "model.c").read_text("ascii")
    assert [line for line in text.splitlines() if "#include" in line] == ["#include <math.h>"]
    assert "alloc" not in text


def test_literals_are_exact(tmp_path):
    for dtype in (np.float32, np.float64):
        made = network("tanh", dtype)
        made.export(tmp_path / "model.c")
        text = (tmp_path / "model.c").read_text()
        _, _, rest = text.partition("U1[15] = {")
        numbers = [x.strip().rstrip("f") for x in rest.partition("}")[0].split(",")]
        read = np.array(numbers).astype(np.float64).astype(dtype)
        np.testing.assert_array_equal(read, made.parameters["U1"].ravel())


def test_a_network_in_both_directions_is_refused(tmp_path):
    made = network("tanh", np.float32, bidirectional=True)
    with pytest.raises(ElmanError, match=r"bidirectional network cannot be exported as C.*\.onnx"):
        made.export(tmp_path / "m.c")


def test_a_cell_that_cannot_be_written_down_is_refused(tmp_path):
    with pytest.raises(ElmanError, match="the cell Loses: its forward does more than"):
        network(Loses(), np.float32, engine="reference").export(tmp_path / "m.c")


@pytest.mark.parametrize(
    ("stem", "expected"),
    [("motor", "motor"), ("my model-2", "my_model_2"), ("2nd", "model_2nd"), ("ß", "model")],
)
def test_names_are_those_that_c_takes(stem, expected):
    assert identifier(stem) == expected
