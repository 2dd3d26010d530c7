"""Passes side by side: each column is what its pass is alone."""

import numpy as np
import pytest

from elman import Network, explain
from elman.equations.forward import StepTrace
from elman.explanation.passes import Passes
from elman.explanation.proof import directions
from elman.explanation.side_by_side import (
    Own,
    Sizes,
    Taken,
    magnitudes,
    moved_throughout,
    pass_forward,
)
from elman.explanation.slopes import STEP
from elman.explanation.wanted import Wanted
from unrolled import losses

T, D, H, K = 7, 3, 4, 3
CELLS = [("tanh",), ("gru",), ("lstm", "tanh"), ("dense", "leaky")]


def make(cells, every_step=True, seed=0):
    rng = np.random.default_rng(seed)
    network = Network(D, [H] * len(cells), K, cell=cells, dtype=np.float64)
    network.parameters.vector[...] = 0.7 * rng.standard_normal(len(network.parameters.vector))
    x, y = rng.standard_normal((T, D)), rng.integers(K, size=T)
    values = y if every_step else y[-1:]
    wanted = Wanted.of(network.architecture.loss_function, values, K, T, every_step)
    return Passes.of(network.parameters, x, wanted), y


def sizes_of(passes):
    _, dh, _ = passes.carried_back(1)
    return Sizes.of(passes, 1, dh, passes.answering)


@pytest.mark.parametrize("factor", [1.0, 1 + 0.5j])
def test_a_parameter_is_its_own_in_each_pass(factor):
    rng = np.random.default_rng(0)
    U, b, R, R_b = (rng.standard_normal(shape) for shape in ((4, 3), 4, (4, 3), 4))
    x, a, scales = (factor * rng.standard_normal(shape) for shape in ((3, 5), (4, 5), 5))
    for own, own_b, s in (
        (Own(U), Own(b), 0 * scales),
        (Own(U, R, scales), Own(b, R_b, scales), scales),
    ):
        product, total = own @ x, a + own_b[:, None]
        assert product.dtype == total.dtype == x.dtype
        for j in range(5):
            np.testing.assert_allclose(product[:, j], (U + s[j] * R) @ x[:, j], rtol=1e-13)
            np.testing.assert_allclose(total[:, j], a[:, j] + b + s[j] * R_b, rtol=1e-13)


@pytest.mark.parametrize("cells", CELLS, ids="-".join)
@pytest.mark.parametrize("taus", [[0], [2, 3, 4], [0, 1, 2, 3, 4, 5, 6], [1, 4, 6]], ids=str)
def test_a_column_is_a_pass_with_a_step_of_its_own(cells, taus):
    passes, y = make(cells)
    parameters, R = passes.parameters, directions(passes, 1, seed=1)
    scales = np.full(len(taus), 1j * STEP)
    moved = pass_forward(passes, 1, R, scales, np.array(taus), sizes_of(passes))
    for j, tau in enumerate(taus):
        moving = R if tau == 0 else passes.name_of_terms(1)  # h_0 = 0
        own = {(f"{of}1", tau): parameters[f"{of}1"] + 1e-30j * R[of] for of in moving}
        expected = losses(parameters, cells, passes.x, y, own).imag / 1e-30
        np.testing.assert_allclose(moved.losses[:, j].imag / STEP, expected, rtol=1e-11, atol=1e-14)
        alone = pass_forward(passes, 1, R, scales[:1], np.array([tau]), sizes_of(passes))
        np.testing.assert_allclose(moved.inside[:, j], alone.inside[:, 0], rtol=1e-13)
        assert (alone.inside[tau:] > 0).all()
        assert not alone.inside[:tau].any()


def test_what_moves_inside_is_that_of_each_state():
    """Of a tanh cell m_j is |s'_j|."""
    passes, _ = make(("tanh",))
    sizes = sizes_of(passes)
    R = directions(passes, 1, seed=1)
    W, U, b = (passes.parameters[name] for name in ("W1", "U1", "b1"))
    for tau in range(T):
        moved = pass_forward(passes, 1, R, np.array([1j * STEP]), np.array([tau]), sizes)
        h, expected = passes.trace.layers[0].before(tau)[0][:, 0].astype(complex), np.zeros(T)
        for j in range(tau, T):
            W_j = W + 1j * STEP * R["W"] if j == tau else W
            U_j = U + 1j * STEP * R["U"] if j == tau == 0 else U
            h = np.tanh(U_j @ passes.x[j] + W_j @ h + b)
            expected += sizes.errors[0][:, :, j] @ np.abs(h.imag) / STEP
        np.testing.assert_allclose(moved.inside[:, 0], expected, rtol=1e-11)


def test_what_moves_is_summed_over_all_that_enters_without_signs():
    """Of a cell with 3 gates, 2 states and 4 units, in 5 passes: unit by unit, pass by pass."""
    rng = np.random.default_rng(0)
    a, *before = (1j * rng.standard_normal((rows, 5)) for rows in (12, 4, 4))
    slopes = np.abs(rng.standard_normal((2, 5, 4, 5)))
    step = StepTrace(a, a, a, tuple(before), ())
    found = magnitudes(slopes, Taken(tuple(before), step)).reshape(2, 4, 5)
    entering = [*np.split(a, 3), *before]
    for s, unit, j in np.ndindex(2, 4, 5):
        expected = sum(slopes[s, i, unit, j] * abs(entering[i][unit, j].imag) for i in range(5))
        assert found[s, unit, j] == pytest.approx(expected, rel=1e-14)


def test_losses_before_the_passes_are_not_looked_at():
    passes, _ = make(("gru",))
    sizes, R = sizes_of(passes), directions(passes, 1, seed=1)
    sizes.errors[0][:3] = np.nan
    moved = pass_forward(passes, 1, R, np.full(3, 1j * STEP), np.array([3, 4, 5]), sizes)
    assert not moved.inside[:3].any()
    assert (moved.inside[5] > 0).all()


def test_each_parameter_moves_in_a_pass_of_its_own():
    passes, y = make(("lstm", "tanh"))
    rng, parameters = np.random.default_rng(1), passes.parameters
    names = ["U1", "W1", "b1", "U2", "W2", "b2"]
    R = {name: rng.standard_normal(parameters[name].shape) for name in names}
    moved = moved_throughout(passes, R, names)
    for j, name in enumerate(names):
        own = {(name, tau): parameters[name] + 1e-30j * R[name] for tau in range(T)}
        expected = losses(parameters, ("lstm", "tanh"), passes.x, y, own).imag / 1e-30
        np.testing.assert_allclose(moved.losses[:, j].imag / STEP, expected, rtol=1e-11, atol=1e-14)
    assert moved.inside.shape == (1, 6)  # of all losses together


def test_sizes_are_taken_once_for_all_passes(monkeypatch):
    """Of the terms, however many go side by side, and of the whole gradients."""
    of, calls = Sizes.of.__func__, []
    monkeypatch.setattr(Sizes, "of", classmethod(lambda *all_: calls.append(1) or of(*all_)))
    monkeypatch.setattr("elman.explanation.proof.SIDE", 2)
    network = Network(D, H, K, dtype=np.float64, seed=0)
    assert explain(network, np.random.default_rng(0).standard_normal((T, D)), 1).passed
    assert len(calls) == 2
