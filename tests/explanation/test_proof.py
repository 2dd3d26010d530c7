"""The proof: what is right passes, whatever is planted does not."""

import numpy as np
import pytest

from elman import Network, explain
from elman.equations import network as equations_network
from elman.equations.cells import LSTM, Cell
from elman.equations.functions import sigmoid, sigmoid_slope, tanh, tanh_slope
from elman.equations.losses import Loss, Quantile
from elman.errors import DataError
from elman.explanation import proof, terms
from elman.explanation.passes import Passes
from elman.explanation.proof import check_backward, check_terms
from elman.explanation.wanted import Wanted
from elman.parameters import Architecture, Parameters, initialize
from unrolled import losses

T, D, H, K = 6, 3, 4, 3


def make(cells=("tanh",), seed=0):
    rng = np.random.default_rng(seed)
    network = Network(D, [H] * len(cells), K, cell=cells, dtype=np.float64)
    network.parameters.vector[...] = 0.7 * rng.standard_normal(len(network.parameters.vector))
    return network, rng.standard_normal((T, D)), rng.integers(K, size=T)


def test_every_check_is_the_derivative_along_R():
    network, x, y = make(("tanh", "tanh"))
    ex = explain(network, x, y)
    rng = np.random.default_rng(0)
    R_W, R_U = rng.standard_normal((H, H)), rng.standard_normal((H, D))
    for check in ex.checks_:
        name, R, term = "W1", R_W, ex.term(check.t, check.tau)
        if check.tau == 1:  # h_0 = 0
            name, R, term = "U1", R_U, ex.term_U(check.t, check.tau)
        own = {(name, check.tau - 1): network.parameters[name] + 1e-30j * R}
        derivative = (
            losses(network.parameters, ("tanh", "tanh"), x, y, own)[check.t - 1].imag / 1e-30
        )
        assert check.found == pytest.approx(derivative, rel=1e-11, abs=1e-14)
        assert check.expected == pytest.approx((term * R).sum(), rel=1e-11)
        assert check.error == abs(check.expected - check.found) <= check.bound
        norm = np.linalg.norm(term)
        assert check.bound >= 1e-10 * norm * np.linalg.norm(R)
        assert (
            check.bound
            <= 1.001e-10 * norm * np.linalg.norm(R) + 1e-14 * (check.summed + check.inside) + 1e-287
        )
        assert check.summed >= abs(check.expected) * (1 - 1e-14)
    assert [(check.t, check.tau) for check in ex.checks_] == [
        (t, tau) for t in range(1, T + 1) for tau in range(1, t + 1)
    ]


def test_vanished_terms_are_proved_too():
    """A term of 1e-60, which no difference of losses can see."""
    network, _, _ = make()
    network.parameters["W1"][...] *= 1e-3
    x = np.random.default_rng(0).standard_normal((30, D))
    ex = explain(network, x, 1)
    assert 0 < ex.norms[-1, 1] < 1e-60
    check = ex.checks_[1]
    assert check.passed
    assert check.found == pytest.approx(check.expected, rel=1e-12)
    assert all(row["unseen"] >= 15 for row in ex.central)


def test_terms_below_all_numbers_pass():
    network, _, _ = make()
    network.parameters["W1"][...] *= 1e-12
    ex = explain(network, np.random.default_rng(0).standard_normal((60, D)), 1)
    assert ex.norms[-1, 1] == 0
    assert ex.passed


@pytest.mark.parametrize("certainty", [1, 10, 30, 100, 1000])
def test_certain_answers_are_proved(certainty):
    """ŷ - y is then the difference of two numbers near 1, or 0."""
    network, x, y = make()
    network.parameters["V"][...] *= certainty
    z = explain(network, x, y, check=False).y_unactivated
    ex = explain(network, x, z.argmax(axis=1))
    assert ex.passed
    assert ex.worst_error < 1e-12
    if certainty <= 100:  # else most terms are below all numbers
        assert_none_is_vacuous(ex)


def assert_none_is_vacuous(ex):
    """A term that was zero, or of the other sign, would fail."""
    for check in ex.checks_:
        assert check.bound < abs(check.expected)


@pytest.mark.parametrize("scale", [20, 50, 100])
def test_saturated_units_are_proved(scale):
    """1 - h² has no digits there; 1 / cosh² has all of them."""
    for seed in range(5):
        network, x, y = make(seed=seed)
        network.parameters["U1"][...] *= scale
        ex = explain(network, x, y)
        assert ex.saturated > 0.5
        assert ex.passed
        assert ex.worst_error < 1e-12
        assert ex.sum_error < 1e-13


@pytest.mark.parametrize("seed", range(8))
def test_gradients_that_have_no_square_are_proved(seed):
    """Of answers so certain that they leave less than 1e-162 of an error."""
    network, x, _ = make(("tanh", "relu"), seed)
    network.parameters["V"][...] *= 1000
    certain = explain(network, x, 0, check=False).y_unactivated[-1].argmax()
    ex = explain(network, x, int(certain))
    assert ex.passed
    assert np.isfinite(ex.residual_n5)
    assert ex.loss >= 0


def test_losses_of_certain_answers_have_digits():
    network, x, _ = make()
    network.parameters["V"][...] = 0
    network.parameters["c"][...] = [0, 0, 45]
    assert explain(network, x, 2).loss == pytest.approx(2 * np.exp(-45), rel=1e-14)
    assert explain(network, x, 0).loss == pytest.approx(45, rel=1e-14)


# Planted errors


def corrupt_one(t, tau, factor):
    right = terms.carry_back

    def wrong(*arguments, **named):
        carried = right(*arguments, **named)
        carried[0][tau - 1, :, t - 1] *= factor
        return carried

    return wrong


def test_a_gradient_beyond_all_numbers_is_one_error(monkeypatch):
    monkeypatch.setattr(terms, "carry_back", corrupt_one(2, 2, np.inf))
    with pytest.raises(DataError, match="the gradient overflows on its way back"):
        explain(*make())


@pytest.mark.parametrize("factor", [0, -1, 1 + 1e-6])
@pytest.mark.parametrize(("t", "tau"), [(2, 2), (6, 2), (6, 6), (1, 1), (3, 1)])
def test_corrupted_term_is_shown_as_failed(monkeypatch, t, tau, factor):
    monkeypatch.setattr(terms, "carry_back", corrupt_one(t, tau, factor))
    ex = explain(*make())
    assert [(check.t, check.tau) for check in ex.checks_ if not check.passed] == [(t, tau)]
    assert ex.n_proved == ex.n_terms - 1
    assert not ex.passed


def test_missing_transpose_is_found(monkeypatch):
    """W for Wᵀ in both the terms and the gradients: they add up, and are wrong."""
    right = terms.errors_through_time

    def wrong(dh, trace, layer):
        return right(dh, trace, layer._replace(W=None if layer.W is None else layer.W.T))

    monkeypatch.setattr(terms, "errors_through_time", wrong)
    monkeypatch.setattr(equations_network, "errors_through_time", wrong)
    ex = explain(*make())
    assert ex.sum_error < 1e-14
    failed = {(check.t, check.tau) for check in ex.checks_ if not check.passed}
    assert failed == {(t, tau) for t in range(1, T + 1) for tau in range(1, t)}
    assert {check.name for check in ex.totals_ if not check.passed} == {"U1", "W1", "b1"}
    assert not ex.passed


def test_layer_above_left_out_is_found(monkeypatch):
    right = terms.carry_back

    def wrong(dh, answering, layers, traces, reach=None):
        return [
            *right(dh, answering, layers[:1], traces[:1], reach),
            *right(dh, answering, layers[1:], traces[1:]),
        ]

    monkeypatch.setattr(terms, "carry_back", wrong)
    ex = explain(*make(("tanh", "tanh")))
    assert ex.n_proved == 0
    assert not ex.passed


@pytest.mark.parametrize("name", ["U1", "W1", "b1", "V", "c"])
def test_corrupted_gradient_is_shown_as_failed(monkeypatch, name):
    right = Parameters.of_gradients

    def wrong(*arguments):
        gradients = right(*arguments)
        gradients[name].flat[1] += 1e-6
        return gradients

    monkeypatch.setattr(Parameters, "of_gradients", wrong)
    ex = explain(*make())
    assert [check.name for check in ex.totals_ if not check.passed] == [name]
    assert not ex.passed


# Side by side, and for contrast


@pytest.mark.parametrize("cell", ["tanh", "relu", "dense"])
def test_many_passes_side_by_side_are_as_few(monkeypatch, cell):
    network, x, y = make((cell, "tanh"))
    together = explain(network, x, y).checks_
    monkeypatch.setattr(proof, "SIDE", 2)
    for one, other in zip(together, explain(network, x, y).checks_, strict=True):
        assert one.found == pytest.approx(other.found, rel=1e-12, abs=1e-15)


def test_central_differences_lose_half_the_digits():
    ex = explain(*make())
    errors = {row["step"]: row["relative_error"] for row in ex.central}
    assert len(errors) == 8
    assert 1e-13 < min(errors.values()) < 1e-7
    assert errors[max(errors)] > 1e-4
    assert errors[min(errors)] > min(errors.values())


@pytest.mark.parametrize("n", [1, 3, T, 2 * T])
def test_central_differences_look_at_the_last_steps(monkeypatch, n):
    monkeypatch.setattr(proof, "CONTRASTED", n)
    passed, seen = proof.pass_forward, set()

    def looking(passes, layer, R, scales, taus, sizes=None):
        if sizes is None:
            seen.update(taus.tolist())
        return passed(passes, layer, R, scales, taus, sizes)

    monkeypatch.setattr(proof, "pass_forward", looking)
    explain(*make())
    assert seen == set(range(max(T - n, 0), T))


def test_nothing_is_checked_unless_asked():
    ex = explain(*make(), check=False)
    assert ex.checks_ is ex.totals_ is ex.central is ex.n_proved is ex.worst_error is None
    assert ex.passed  # the terms add up


def test_check_terms_sees_what_it_is_given():
    network, x, y = make()
    wanted = Wanted.of(network.architecture.loss_function, y, K, T, every_step=True)
    passes = Passes.of(network.parameters, x, wanted)
    delta, dh, _ = passes.carried_back(1)
    assert all(check.passed for check in check_terms(passes, 1, delta, dh))
    assert sum(check.passed for check in check_terms(passes, 1, 2 * delta, dh)) == 0


# Cells with gates, and cells that are wrong


def saturated(cell, change, seed):
    """The bias of a gate moved, or U multiplied."""
    network, x, y = make((cell,), seed)
    if isinstance(change, tuple):
        gate, value = change
        network.parameters.gate("b1", gate)[...] += value
    else:
        network.parameters["U1"][...] *= change
    return explain(network, x, y)


@pytest.mark.parametrize(
    ("cell", "change"),
    [
        *[(cell, scale) for cell in ("gru", "lstm", "leaky") for scale in (20, 100)],
        *[("gru", ("z", bias)) for bias in (-30, 10, 20, 36)],
        *[("lstm", (gate, bias)) for gate in "ifgo" for bias in (-30, 15)],
    ],
    ids=str,
)
def test_saturated_gates_are_proved(cell, change):
    for seed in range(4):
        ex = saturated(cell, change, seed)
        assert ex.passed
        assert ex.sum_error < 1e-13


@pytest.mark.parametrize("bias", [10, 15, 20])
def test_bound_grows_no_more_than_digits_are_lost(bias):
    """1 - z is e to the power of -bias: what has 16 eps beside it, has 16 eps / (1 - z) then."""
    ex = saturated("gru", ("z", bias), 0)
    lost = 16 * np.finfo(np.float64).eps * np.exp(bias)
    for check in ex.checks_:
        assert check.bound <= (1e-10 * np.sqrt(ex.W.size) + 20 * lost) * check.size + 1e-287
        assert check.bound < abs(check.expected)


@pytest.mark.parametrize("cell", ["tanh", "relu", "dense", "leaky", "lstm"])
def test_bound_of_what_does_not_cancel_is_a_relative_one(cell):
    ex = explain(*make((cell,)))
    for check in ex.checks_:
        norm = check.size * np.sqrt(ex.parameters[f"{ex.of}1"].size)
        assert check.bound <= 1.1e-10 * norm + 1e-287


# Losses of numbers, and first states


class Cubed(Loss):
    """A loss of one's own."""

    def value(self, z, y):
        return (z - y) ** 4 / 4

    def error(self, y_hat, y):
        return (y_hat - y) ** 3


LOSSES = ["squared_error", "absolute_error", "poisson", Quantile((0.2, 0.8)), Cubed()]


def make_numbers(loss, cell, every_step, seed=0):
    rng = np.random.default_rng(seed)
    network = Network(D, H, 4, cell=cell, dtype=np.float64, loss=loss, engine="reference")
    network.parameters.vector[...] = 0.7 * rng.standard_normal(len(network.parameters.vector))
    y = rng.exponential(size=(T, network.architecture.n_numbers))
    return network, rng.standard_normal((T, D)), y if every_step else y[-1]


@pytest.mark.parametrize("every_step", [True, False])
@pytest.mark.parametrize("cell", ["tanh", "lstm"])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: getattr(loss, "name", loss))
def test_losses_of_numbers_are_proved(loss, cell, every_step):
    network, x, y = make_numbers(loss, cell, every_step)
    ex = explain(network, x, y)
    assert ex.passed
    assert ex.n_proved == ex.n_terms == (T * (T + 1) // 2 if every_step else T)
    assert ex.worst_error < 1e-12
    assert ex.labels is None
    expected, gradients = network.loss_and_gradients(x[None], y[None])
    assert ex.loss == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(ex.gradients.vector, gradients.vector, rtol=1e-9, atol=1e-13)
    error = network.architecture.loss_function.error
    z, answering = ex.y_activated.T, ex.answering_rows
    constants = network.architecture.loss_function.constants(4)
    np.testing.assert_allclose(
        ex.output_error[answering].T,
        error(z[:, answering], ex.y[answering].T, *constants),
        rtol=1e-13,
    )
    with pytest.raises(ValueError, match="no softmax: this model predicts numbers"):
        ex.softmax_jacobian(1)


@pytest.mark.parametrize("near", [1e-6, 1e-10, 1e-13])
def test_answers_near_their_targets_are_proved(near):
    """ŷ - y has few digits then, and the bound says so; it is not vacuous before none are left."""
    network, x, _ = make_numbers("squared_error", "tanh", True)
    y_hat = explain(network, x, np.zeros((T, 4)), check=False).y_activated
    ex = explain(network, x, y_hat * (1 + near))
    assert ex.passed
    if near > 1e-13:
        assert_none_is_vacuous(ex)


def test_wrong_error_of_a_loss_is_found():
    class Off(Cubed):
        def error(self, y_hat, y):
            return (y_hat - y) ** 3 * (1 + 1e-6)

    ex = explain(*make_numbers(Off(), "tanh", True))
    assert ex.n_proved == 0
    assert not ex.passed


@pytest.mark.parametrize("cells", [("tanh",), ("lstm", "gru"), ("dense", "leaky")])
def test_learned_first_states_are_proved(cells):
    architecture = Architecture(D, (H,) * len(cells), cells, K, learn_initial_state=True)
    rng = np.random.default_rng(1)
    parameters = initialize(architecture, rng, np.float64)
    parameters.vector[...] = 0.7 * rng.standard_normal(len(parameters.vector))
    network = Network.from_parameters(parameters)
    x, y = rng.standard_normal((T, D)), rng.integers(K, size=T)
    for layer in range(1, len(cells) + 1):
        ex = explain(network, x, y, layer=layer)
        assert ex.passed
        assert f"initial{layer}" in {check.name for check in ex.totals_}
        assert not (ex.kinds[:, 0] == "structural").any()
        assert (ex.h_previous[0] == parameters[f"initial{layer}"][:H]).all() or ex.W is None
    whole = explain(network, x, y, truncate=T, learning_rate=1.0, check=False)
    cut = explain(network, x, y, truncate=2, learning_rate=1.0, check=False)
    step = parameters.vector - whole.update["after"].vector
    np.testing.assert_allclose(step, whole.gradients.vector, rtol=1e-9, atol=1e-13)
    # Two steps back from the first two losses, and no more, are the states before the first.
    early = explain(network, x[:2], y[:2], check=False)
    for k in range(1, len(cells) + 1):
        step = parameters[f"initial{k}"] - cut.update["after"][f"initial{k}"]
        np.testing.assert_allclose(step, early.gradients[f"initial{k}"], rtol=1e-9, atol=1e-13)


class Held(Cell):
    """A cell of one's own: a state that a gate of x alone lets in, seen through tanh."""

    gates, states, reads = ("k", "h"), ("h", "m"), {"k": "x"}

    def forward(self, a, before):
        k, v = sigmoid(a[0]), tanh(a[1])
        m = before[1] + k * (v - before[1])
        return (tanh(m), m), (k, v)

    def backward(self, d, kept, after, before):
        k, v = kept
        dm = d[1] + d[0] * tanh_slope(after[0])
        da_k = dm * (v - before[1]) * sigmoid_slope(k)
        return (da_k, dm * k * tanh_slope(v)), (None, dm * (1.0 - k))


class Average(Cell):
    """No W, and still a past: h goes straight on."""

    reads = {"h": "x"}  # noqa: RUF012

    def forward(self, a, before):
        return (0.9 * before[0] + tanh(a[0]),), (tanh(a[0]),)

    def backward(self, d, kept, after, before):
        return (d[0] * tanh_slope(kept[0]),), (0.9 * d[0],)


@pytest.mark.parametrize("cells", [(Held(),), (Held(), "tanh"), ("gru", Held())], ids=str)
def test_cell_of_ones_own_is_proved(cells):
    for layer in range(1, len(cells) + 1):
        ex = explain(*make(cells), layer=layer)
        assert ex.passed
        assert ex.n_proved == T * (T + 1) / 2
        assert ex.worst_error < 1e-12
        if isinstance(cells[layer - 1], Held):
            assert (ex.cell, list(ex.gates), list(ex.states)) == ("Held", ["k", "h"], ["h", "m"])
            assert ex.W.shape == (H, H)


def test_what_goes_straight_on_needs_no_W():
    ex = explain(*make((Average(),)))
    assert ex.passed
    assert ex.recurrent
    assert ex.of == "U"
    assert set(ex.kinds[-1]) <= {"live", "saturated", "vanished"}
    assert ex.reach[5] == pytest.approx(np.median(ex.reach[5]))
    assert np.allclose(ex.jacobian(3), 0.9 * np.eye(H), rtol=1e-15)


class Wrong(LSTM):
    """The forget gate's error, of a state that is one too far on."""

    def backward(self, d, kept, after, before):
        (da_i, da_f, da_g, da_o), d_before = super().backward(d, kept, after, before)
        return (da_i, da_f * (1 + self.off), da_g, da_o), d_before

    def __init__(self, off):
        self.off = off


@pytest.mark.parametrize("step", range(T))
def test_backward_is_compared_at_each_step_of_the_sequence(step):
    network, x, y = make(("lstm",))
    wanted = Wanted.of(network.architecture.loss_function, y, K, T, every_step=True)
    passes = Passes.of(network.parameters, x, wanted)
    (found,), (trace,), cell = passes.slopes, passes.trace.layers, LSTM()
    assert check_backward("layer 1", cell, trace, found).passed
    found.states[1, 0, step, 2] += 1e-12
    assert not check_backward("layer 1", cell, trace, found).passed


@pytest.mark.parametrize("off", [-1, 1e-3, 1e-9, 0])
def test_wrong_backward_is_found(off):
    network, x, y = make(("lstm",))
    wrong = Network(D, H, K, cell=Wrong(off), dtype=np.float64)
    wrong.parameters.vector[...] = network.parameters.vector
    ex = explain(wrong, x, y)
    assert [check.name for check in ex.backward_] == ["layer 1 (Wrong)"]
    assert ex.backward_[0].passed == ex.passed == (off == 0)
    assert ex.n_proved == ex.n_terms  # the terms are those of forward
