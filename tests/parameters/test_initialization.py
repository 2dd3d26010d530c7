"""What parameters start from."""

import logging
import os
import subprocess
import sys

import numpy as np
import pytest

from elman.equations.cells import Tanh
from elman.parameters import Architecture, initialization, initialize
from tolerances import ROUNDING

STACK = Architecture(3, (5, 4, 6), ("tanh", "dense", "relu"), 2)


def drawn(architecture=STACK, dtype=np.float64, seed=0):
    return initialize(architecture, np.random.default_rng(seed), dtype)


def test_gated_cells_begin_gate_by_gate():
    parameters = drawn(Architecture(3, (6,), ("lstm",), 2, learn_initial_state=True))
    for gate in "ifgo":
        W = parameters.gate("W1", gate)
        np.testing.assert_allclose(W @ W.T, np.eye(6), rtol=0, atol=1e-5)
        U, bound = parameters.gate("U1", gate), np.sqrt(6 / (6 + 3))
        assert abs(U).max() <= bound
        np.testing.assert_array_equal(parameters.gate("b1", gate), gate == "f")
    assert not parameters["initial1"].any()


@pytest.mark.parametrize("H", [1, 2, 7, 40, 63, 64, 65, 129, 300])
def test_w_of_tanh_is_orthogonal(H):
    W = drawn(Architecture(3, (H,), ("tanh",), 2))["W1"]
    np.testing.assert_allclose(W.T @ W, np.eye(H), atol=ROUNDING)
    np.testing.assert_allclose(W @ W.T, np.eye(H), atol=ROUNDING)


def test_w_of_tanh_has_no_preferred_direction():
    """Over many draws the mean of an orthogonal matrix is 0, and of its squared entries 1/H."""
    rng = np.random.default_rng(0)
    architecture = Architecture(1, (3,), ("tanh",), 1)
    draws = np.array([initialize(architecture, rng, np.float64)["W1"] for _ in range(2000)])
    np.testing.assert_allclose(draws.mean(axis=0), 0, atol=5 / np.sqrt(3 * 2000))
    np.testing.assert_allclose((draws**2).mean(axis=0), 1 / 3, atol=0.04)


@pytest.mark.parametrize("H", [1, 2, 7, 64])
def test_first_w_may_be_slow_rotations_of_pairs(H):
    """Of all pairs the first rows are (cos, -sin) of an angle that is small; W is orthogonal."""
    architecture = Architecture(1, (H,), (Tanh(first_recurrence="rotations"),), 2)
    W = initialize(architecture, np.random.default_rng(0), np.float64)["W1"]
    np.testing.assert_allclose(W @ W.T, np.eye(H), atol=ROUNDING)
    angles = [np.arctan2(W[i + 1, i], W[i, i]) for i in range(0, H - 1, 2)]
    assert all(0 < angle < 2 * np.arctan(0.2) for angle in angles)
    expected = np.zeros((H, H))
    for i, angle in zip(range(0, H - 1, 2), angles, strict=True):
        expected[i : i + 2, i : i + 2] = [
            [np.cos(angle), -np.sin(angle)],
            [np.sin(angle), np.cos(angle)],
        ]
    if H % 2:
        expected[-1, -1] = 1
    np.testing.assert_allclose(W, expected, atol=ROUNDING)


def test_small_angles_are_drawn_more_often_than_large():
    architecture = Architecture(1, (2000,), (Tanh(first_recurrence="rotations"),), 2)
    W = initialize(architecture, np.random.default_rng(0), np.float64)["W1"]
    t = np.tan(np.arctan2(W[1::2, ::2].diagonal(), W[::2, ::2].diagonal()) / 2)
    assert abs(np.mean(t < 0.05) - 0.5) < 0.05  # (u²) below a quarter of the largest: u < 1/2


def test_first_w_that_there_is_not_is_refused():
    with pytest.raises(
        ValueError, match="first_recurrence must be one of orthogonal, identity, rotations"
    ):
        Tanh(first_recurrence="orthogonl")


def test_traces_of_w_are_those_of_a_uniform_orthogonal_matrix():
    """tr W^j is all but normal, its mean 1 for even j, else 0, its variance j (Diaconis 1994)."""
    rng = np.random.default_rng(0)
    n_draws = 1000
    architecture = Architecture(1, (70,), ("tanh",), 1)  # more than are reflected together
    draws = [initialize(architecture, rng, np.float64)["W1"] for _ in range(n_draws)]
    traces = np.array([(W.trace(), np.vdot(W.T, W)) for W in draws])
    deviations = (traces.mean(axis=0) - [0, 1]) / np.sqrt([1 / n_draws, 2 / n_draws])
    assert (abs(deviations) < 4).all()
    np.testing.assert_allclose(traces.var(axis=0), [1, 2], rtol=4 * np.sqrt(2 / n_draws))


DRAW = """
import hashlib, time
import numpy as np
from elman.parameters import Architecture, initialize

for H in (5, 64, 65, 300):
    W = initialize(Architecture(1, (H,), ("tanh",), 1), np.random.default_rng(0), np.float64)["W1"]
    print(hashlib.sha256(W.tobytes()).hexdigest())
"""
ELSEWHERE = [
    {"OPENBLAS_NUM_THREADS": "1"},
    {"OPENBLAS_NUM_THREADS": "3"},
    {"OPENBLAS_CORETYPE": "Prescott"},  # of Intel and AMD's processors, those that all now can be
    {"OPENBLAS_CORETYPE": "Nehalem"},
    {"NPY_DISABLE_CPU_FEATURES": "all"},
]


def in_a_process(program, environment):
    if "NPY_DISABLE_CPU_FEATURES" in environment:
        from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

        found = [name for name in __cpu_dispatch__ if __cpu_features__[name]]
        environment = {"NPY_DISABLE_CPU_FEATURES": " ".join(found)}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=os.environ | environment,
    ).stdout.split()


def test_w_has_the_same_bits_in_whatever_order_blas_sums():
    here, *elsewhere = (in_a_process(DRAW, environment) for environment in [{}, *ELSEWHERE])
    assert len(set(here)) == 4
    assert elsewhere == [here] * len(ELSEWHERE)


TIME = """
import time
import numpy as np
from elman.parameters import Architecture, initialize

A = np.random.default_rng(0).standard_normal((512, 512))
def seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start
draw = lambda: initialize(Architecture(1, (512,), ("tanh",), 1), np.random.default_rng(0))
factorise = lambda: np.linalg.qr(A)
pairs = [(seconds(draw), seconds(factorise)) for _ in range(5)]
print(*map(min, zip(*pairs)))
"""


def test_drawing_w_takes_no_more_than_3_times_as_long_as_lapacks_qr():
    drawing, factorising = map(float, in_a_process(TIME, {"OPENBLAS_NUM_THREADS": "1"}))
    assert drawing < 3 * factorising


def test_a_large_w_is_announced(monkeypatch, caplog):
    monkeypatch.setattr(initialization, "LARGE", 8)
    caplog.set_level(logging.INFO, "elman")
    drawn(Architecture(3, (7, 9), ("tanh", "relu"), 2))
    assert not caplog.messages
    drawn(Architecture(3, (8, 7), ("tanh", "tanh"), 2))
    (message,) = caplog.messages
    assert "8 × 8" in message


def test_w_of_relu_is_the_identity():
    np.testing.assert_array_equal(drawn()["W3"], np.eye(6))


def test_u_and_v_fill_glorots_range():
    parameters = drawn(Architecture(60, (50,), ("tanh",), 40))
    for name in ("U1", "V"):
        bound = np.sqrt(6 / sum(parameters[name].shape))
        assert 0.98 * bound < np.abs(parameters[name]).max() <= bound
        np.testing.assert_allclose(parameters[name].var(), bound**2 / 3, rtol=0.1)


def test_biases_start_at_zero():
    parameters = drawn()
    for name in ("b1", "b2", "b3", "c"):
        np.testing.assert_array_equal(parameters[name], 0)


def test_same_seed_gives_the_same_bits():
    np.testing.assert_array_equal(drawn(seed=3).vector, drawn(seed=3).vector)
    assert (drawn(seed=3)["U1"] != drawn(seed=4)["U1"]).all()


def test_a_seed_means_the_same_network_in_every_dtype():
    in_double = drawn(dtype=np.float64).vector
    np.testing.assert_array_equal(drawn(dtype=np.float32).vector, in_double.astype(np.float32))
