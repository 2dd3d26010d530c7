"""The gradient check passes what is right, and catches what is planted."""

import importlib
import inspect
import sys
from dataclasses import dataclass
from textwrap import dedent

import numpy as np
import pytest

import elman.equations.losses.cross_entropy as cross_entropy
import elman.equations.network as network_equations
from elman import Network, check_gradients, derivatives
from elman.check import GRID, GradientCheck, check_grid
from elman.engines import ENGINES, reference
from elman.engines.compiled import engine as compiled
from naive import complex_step
from tolerances import ROUNDING, relative_error


@pytest.fixture(scope="module", params=ENGINES)
def grid(request):
    return list(check_grid(request.param))


def test_grid_passes(grid):
    assert [cell for cell in grid if not all(check.passed for check in cell.checks)] == []


def test_grid_is_every_combination_with_every_parameter(grid):
    assert len(set(GRID)) == len(GRID) == len(grid) == (5 * 2 + 2) * 3 * 7 * 2 * 2 * 2
    for cell in grid:
        names = {check.name for check in cell.checks}
        n_recurrent = {"dense": 0, "mixed": 2}.get(cell.cell, 3)  # mixed: relu, lstm, dense
        of_layers = {f"U{k}" for k in range(1, cell.n_layers + 1)}
        of_layers |= {f"W{k}" for k in range(1, min(cell.n_layers, n_recurrent) + 1)}
        if cell.bias:
            of_layers |= {f"b{k}" for k in range(1, cell.n_layers + 1)}
        if cell.bidirectional:
            of_layers |= {f"{name}_reverse" for name in of_layers}
        assert names == of_layers | {"loss", "V"} | ({"c"} if cell.bias else set())
        assert all(check.largest > 1e-5 for check in cell.checks)  # nothing that is only zeros


def mutated(function, right, wrong):
    """A function with one piece of its code replaced."""
    source = dedent(inspect.getsource(function))
    code = source.rpartition('"""')[2]  # the formulas of the docstring are not for mutating
    assert code.count(right) == 1
    namespace, made = dict(vars(sys.modules[function.__module__])), {}
    exec(source.replace(code, code.replace(right, wrong)), namespace, made)
    return made[function.__name__]


@dataclass
class Mutation:
    """An error planted in one of the backward equations, as those see it who call it."""

    module: str
    function: str
    right: str
    wrong: str

    def plant(self, monkeypatch):
        module = importlib.import_module(f"elman.equations.{self.module}")
        mutant = mutated(getattr(module, self.function), self.right, self.wrong)
        for caller in (network_equations, reference, cross_entropy):
            if hasattr(caller, self.function):
                monkeypatch.setattr(caller, self.function, mutant)


MUTATIONS = {
    "transpose of W dropped": Mutation(
        "backward",
        "errors_through_time",
        'layer.W.T @ cell.rows_reading("h", delta[-1])',
        "np.concatenate([W.T for W in np.split(layer.W.T, len(layer.W) // len(dh[t]), axis=1)], axis=1)"
        ' @ cell.rows_reading("h", delta[-1])',
    ),
    "nothing from later steps": Mutation(
        "backward", "errors_through_time", "layer.W.T @", "0 * layer.W.T @"
    ),
    "later steps before the derivative": Mutation(
        "backward",
        "errors_through_time",
        'cell.rows_reading("h", delta[-1])',
        "np.concatenate([d[0]] * (len(layer.W) // len(d[0])))",
    ),
    "later steps to the wrong sequences": Mutation(
        "backward",
        "errors_through_time",
        "d_state[:, :n_both]",
        "d_state[:, d_state.shape[1] - n_both :]",
    ),
    "what goes straight forgotten": Mutation(
        "backward", "errors_through_time", "list(straight)", "[None] * len(straight)"
    ),
    "what goes straight replaced by what goes through W": Mutation(
        "backward",
        "errors_through_time",
        "through_W if d_before[0] is None else d_before[0] + through_W",
        "through_W",
    ),
    "last step forgotten": Mutation(
        "backward",
        "recurrent_gradients",
        "(delta, axis=1)",
        "([*delta[:-1], 0 * delta[-1]], axis=1)",
    ),
    "first step forgotten": Mutation(
        "backward", "recurrent_gradients", "(delta, axis=1)", "([0 * delta[0], *delta[1:]], axis=1)"
    ),
    "h_t for h_{t-1}": Mutation(
        "backward",
        "recurrent_gradients",
        "trace.before(t)[0]",
        "trace.steps[t].h_activated",
    ),
    "mean for a sum in db": Mutation(
        "backward", "recurrent_gradients", "deltas.sum(axis=1)", "deltas.mean(axis=1)"
    ),
    "db dropped": Mutation(
        "backward", "recurrent_gradients", "deltas.sum(axis=1)", "np.zeros(len(deltas))"
    ),
    "mean for a sum in dV": Mutation(
        "backward", "output_gradients", "error @ h.T", "error @ h.T / h.shape[1]"
    ),
    "dc dropped": Mutation(
        "backward", "output_gradients", "error.sum(axis=1)", "np.zeros(len(error))"
    ),
    "sign of dV": Mutation("backward", "output_gradients", "error @ h.T", "-error @ h.T"),
    "error squared": Mutation(
        "losses.cross_entropy", "output_error", "y_hat * y.sum(axis=0)", "y_hat * y_hat"
    ),
    "label left out of the error": Mutation(
        "losses.cross_entropy", "output_error", "y.sum(axis=0) - y", "y.sum(axis=0)"
    ),
    "answers to the wrong columns": Mutation(
        "network",
        "answers_to_states",
        "dh[step][:, first : h_t.shape[1]]",
        "dh[step][:, :n_answers]",
    ),
    "always the first answers": Mutation(
        "network", "answers_to_states", "start += n_answers", "start += 0"
    ),
    "layers below get nothing": Mutation("network", "gradients", "layer.U.T @", "0 * layer.U.T @"),
    "layers below before the derivative": Mutation(
        "network",
        "gradients",
        'layer.cell.rows_reading("x", delta_t) for delta_t in delta',
        "np.concatenate([dh_t] * (len(layer.U) // len(dh_t))) for dh_t in dh[k]",
    ),
    "a mean's error at its last step alone": Mutation(
        "readouts", "errors_of_states", "d[:, : later.shape[1]] += later", "pass"
    ),
    "a mean's error to each step whole": Mutation(
        "readouts", "errors_of_states", "readout.error(dr[t - 1], t)", "dr[t - 1]"
    ),
    "one entry by one part in a million": Mutation(
        "backward", "output_gradients", "V.T @ error", "V.T @ error * (1 + 1e-6 * (h > 0))"
    ),
    "NaN": Mutation("backward", "output_gradients", "error @ h.T", "np.nan * error @ h.T"),
}


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=list(MUTATIONS))
def test_planted_error_is_caught(mutation, monkeypatch):
    mutation.plant(monkeypatch)
    assert any(not check.passed for cell in check_grid("reference") for check in cell.checks)


WRONG_LOSSES = {
    "weights left out": (
        reference.ReferenceEngine, "_evaluate", "(own.weights * loss.value", "(loss.value"
    ),
    "logarithm left out": (
        reference.ReferenceEngine, "_evaluate", "value(z, y", "value(loss.activate(z), y"
    ),
    "by one part in a million": (
        reference.ReferenceEngine, "_evaluate", "loss.value(z, ", "loss.value(z * 1.000001, "
    ),
    "a shard forgotten": (reference, "_add", "a.loss + b.loss", "a.loss"),
    "a shard forgotten, compiled": (compiled.TreeSum, "add", "loss += neighbour[0]", "pass"),
}  # fmt: skip


def failed_checks(engine, n_sequences):
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((n_sequences, 3, 2)), rng.integers(3, size=n_sequences)
    network = Network(2, [3], 3, seed=0, engine=engine)
    checks = check_gradients(network, X, y, rng.uniform(0.5, 2, n_sequences))
    return [check.name for check in checks if not check.passed]


@pytest.mark.parametrize("error", WRONG_LOSSES.values(), ids=list(WRONG_LOSSES))
def test_wrong_loss_beside_right_gradients_is_caught(error, monkeypatch):
    owner, name, right, wrong = error
    monkeypatch.setattr(owner, name, mutated(getattr(owner, name), right, wrong))
    engine = "compiled" if owner is compiled.TreeSum else "reference"
    assert failed_checks(engine, n_sequences=200) == ["loss"]  # two shards or more


@pytest.mark.parametrize(("kernel", "n_sequences"), [(compiled.panels, 20), (compiled.rows, 2)])
def test_wrong_loss_of_a_kernel_is_caught(kernel, n_sequences, monkeypatch):
    assert failed_checks("compiled", n_sequences) == []
    train = kernel.train

    def a_little_off(*args):
        return [(loss * (1 + 1e-9), n_correct) for loss, n_correct in train(*args)]

    monkeypatch.setattr(kernel, "train", a_little_off)
    assert failed_checks("compiled", n_sequences) == ["loss"]


def test_error_is_told_by_its_parameter(monkeypatch):
    MUTATIONS["dc dropped"].plant(monkeypatch)
    cell = next(cell for cell in check_grid("reference") if cell.bias)
    assert [check.name for check in cell.checks if not check.passed] == ["c"]
    assert cell.worst.name == "c"
    assert cell.worst.error == 1  # relative to the largest entry, all of which is missing


def test_nan_fails_and_is_the_worst(monkeypatch):
    MUTATIONS["NaN"].plant(monkeypatch)
    cell = next(check_grid("reference"))
    failed = [check for check in cell.checks if not check.passed]
    assert [check.name for check in failed] == ["V"]
    assert np.isnan(cell.worst.error)
    assert cell.worst == failed[0]


def test_passed_is_an_error_within_tolerance():
    for error, passed in ((0.0, True), (1e-13, True), (1.1e-13, False), (np.nan, False)):
        assert GradientCheck("W1", 4, 1.0, error).passed is passed


def test_a_gradient_that_ought_to_be_zero_can_fail(monkeypatch):
    MUTATIONS["h_t for h_{t-1}"].plant(monkeypatch)
    one_step = np.random.default_rng(0).standard_normal((4, 1, 2))  # h_0 = 0, so dW = 0
    checks = check_gradients(Network(2, [3], 2, seed=0, engine="reference"), one_step, [0, 1, 1, 0])
    assert [check.name for check in checks if not check.passed] == ["W1"]


def test_a_gradient_that_is_zero_passes():
    one_step = np.random.default_rng(0).standard_normal((4, 1, 2))
    checks = check_gradients(Network(2, [3], 2, seed=0), one_step, [0, 1, 1, 0])
    assert {check.name: check.largest for check in checks}["W1"] == 0
    assert all(check.passed for check in checks)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_outputs", [1, 2, 10])
def test_any_network_can_be_checked(engine, dtype, n_outputs):
    rng = np.random.default_rng(5)
    network = Network(
        2, [5, 3], n_outputs, cell=["relu", "tanh"], dtype=dtype, seed=1, engine=engine
    )
    before = network.parameters.vector.copy()
    X = [rng.standard_normal((length, 2)) for length in (3, 7, 1, 4)]
    y = [rng.integers(n_outputs, size=len(x)) for x in X]
    weights = [rng.uniform(0.3, 3, len(x)) for x in X]
    checks = check_gradients(network, X, y, weights)
    assert [check for check in checks if not check.passed] == []
    assert {check.name: check.n_entries for check in checks} == {"loss": 1} | {
        name: array.size for name, array in network.parameters.items()
    }
    assert network.dtype == dtype
    np.testing.assert_array_equal(network.parameters.vector, before)


def test_grid_is_the_same_for_the_same_seed():
    first, again, other = (next(check_grid(seed=seed)).checks for seed in (4, 4, 5))
    assert first == again != other


@pytest.mark.parametrize("n_columns", [1, 40, 10**6])  # one at a time, some, all at once
@pytest.mark.parametrize("every_step", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_many_derivatives_at_a_time_are_those_of_one(
    monkeypatch, n_columns, every_step, bidirectional
):
    monkeypatch.setattr(derivatives, "COLUMNS", n_columns)
    rng = np.random.default_rng(3)
    network = Network(
        2, [3, 2], 2, cell=["lstm", "gru"], learn_initial_state=True, bidirectional=bidirectional
    ).astype(complex)
    parameters = network.parameters
    parameters.vector[...] = rng.standard_normal(len(parameters.vector))
    X = [rng.standard_normal((length, 2)) for length in (3, 5, 1, 5)]
    y = [rng.integers(2, size=len(x) if every_step else ()) for x in X]
    batch, targets = network.batch(X, y)
    (shard,) = batch.shards(4)
    found = derivatives.loss_derivatives(parameters, shard, targets)
    expected = complex_step(lambda: reference.loss(parameters, shard, targets), parameters.vector)
    assert relative_error(found, expected) <= ROUNDING


def test_complex_step_is_exact_and_restores_the_vector():
    vector = np.array([0.3, -1.7, 2.2], complex)
    before = vector.copy()
    derivative = complex_step(lambda: np.sin(vector[0]) * np.exp(vector[1]) / vector[2], vector)
    a, b, c = before.real
    expected = np.exp(b) / c * np.array([np.cos(a), np.sin(a), -np.sin(a) / c])
    assert relative_error(derivative, expected) <= ROUNDING
    assert derivative.dtype == np.float64
    np.testing.assert_array_equal(vector, before)
