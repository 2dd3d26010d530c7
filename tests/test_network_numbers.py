"""A network of numbers: the loss by its definition, gradients by complex steps, y checked, files."""

import numpy as np
import pytest

import elman
import naive
from elman import DataError, Network, check_gradients
from elman.engines import ENGINES, get_engine
from elman.equations.losses import Quantile
from tolerances import VERSUS_NAIVE, relative_error

CELLS = ("tanh", "relu")
D, K = 2, 4
rng = np.random.default_rng(0)
X = [rng.standard_normal((n, D)) for n in (3, 6, 1, 6)]

# loss → (what it is given as, numbers a target, ŷ of z, L of z and y)
LOSSES = {
    "squared_error": ("squared_error", K, lambda z: z, lambda z, y: (z - y) ** 2 / 2),
    "absolute_error": ("absolute_error", K, lambda z: z, lambda z, y: abs(z - y)),
    "poisson": ("poisson", K, np.exp, lambda z, y: np.exp(z) - y * z),
    "quantile": (
        Quantile((0.2, 0.7)),
        K // 2,
        lambda z: z,
        lambda z, y: np.where(
            y.repeat(2) > z,
            np.tile([0.2, 0.7], 2) * (y.repeat(2) - z),
            np.tile([0.8, 0.3], 2) * (z - y.repeat(2)),
        ),
    ),
}


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


@pytest.fixture(params=LOSSES.values(), ids=list(LOSSES))
def case(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["every step", "last step"])
def every_step(request):
    return request.param


def network_of(loss, **settings):
    return Network(
        D, (4, 3), K, cell=CELLS, loss=loss, **{"dtype": np.float64, "seed": 1} | settings
    )


def targets(n_numbers, every_step):
    shapes = [(len(x), n_numbers) if every_step else (n_numbers,) for x in X]
    y = [rng.poisson(2, shape).astype(float) for shape in shapes]
    return y, [rng.uniform(0.5, 2, shape[:-1]) for shape in shapes]


def test_loss_is_a_weighted_sum_over_steps_and_a_mean_over_sequences(case, engine, every_step):
    loss, n_numbers, _, value = case
    network = network_of(loss, engine=engine)
    y, weights = targets(n_numbers, every_step)
    expected = 0.0
    for x, y_i, w_i in zip(X, y, weights, strict=True):
        _, _, z, _ = naive.forward(network.parameters, CELLS, x)
        answered = z if every_step else z[-1:]
        for z_t, y_t, w_t in zip(answered, np.atleast_2d(y_i), np.atleast_1d(w_i), strict=True):
            expected += w_t * value(z_t, y_t).sum() / len(X)
    actual, _ = network.loss_and_gradients(X, y, weights)
    assert actual == pytest.approx(expected, rel=VERSUS_NAIVE[network.dtype])


def test_gradients_are_those_of_complex_steps(case, engine, every_step):
    loss, n_numbers, _, _ = case
    y, weights = targets(n_numbers, every_step)
    checks = check_gradients(network_of(loss, engine=engine), X, y, weights)
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize("n", [1, 3, 19, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_engines_compute_the_same(case, every_step, n, dtype):
    """Few and many sequences, which go through different kernels, more than a tile of outputs."""
    loss, each, _, _ = case
    rng, n_numbers = np.random.default_rng(n), 5 * each
    given = Quantile((0.2, 0.7)) if isinstance(loss, Quantile) else loss
    data = [rng.standard_normal((T, D)) for T in rng.integers(1, 9, n)]
    shapes = [(len(x), n_numbers) if every_step else (n_numbers,) for x in data]
    y = [rng.poisson(2, shape) for shape in shapes]
    weights = [rng.uniform(0, 2, shape[:-1]).round(1) + (i == 0) for i, shape in enumerate(shapes)]
    found = {}
    for name in ENGINES:
        network = Network(D, (4, 3), 5 * K, loss=given, dtype=dtype, seed=1, engine=name)
        network.parameters["c"][...] = np.linspace(-1, 1, 5 * K)
        found[name] = *network.loss_and_gradients(data, y, weights), network.forward(data)
    tolerance = VERSUS_NAIVE[np.dtype(dtype)]
    assert found["compiled"][0] == pytest.approx(found["reference"][0], rel=tolerance)
    for name, expected in found["reference"][1].items():
        assert relative_error(found["compiled"][1][name], expected) <= tolerance
    for actual, expected in zip(found["compiled"][2], found["reference"][2], strict=True):
        assert relative_error(actual, expected) <= tolerance


def test_sequences_that_have_ended_do_no_harm(case):
    """A lane whose sequence has ended computes on, and here it overflows."""
    loss, n_numbers, _, _ = case
    network = Network(D, 3, K, cell="relu", loss=loss, dtype=np.float64, seed=0)
    network.parameters["U1"][...] = 1
    network.parameters["W1"][...] = 10 * np.eye(3)
    data = [np.zeros((400, D)), *[np.ones((1, D))] * 19]
    y = [np.ones((len(x), n_numbers)) for x in data]
    loss, gradients = network.loss_and_gradients(data, y)
    network.engine = get_engine("reference")
    expected, of_reference = network.loss_and_gradients(data, y)
    assert loss == pytest.approx(expected, rel=1e-12)
    assert relative_error(gradients.vector, of_reference.vector) <= VERSUS_NAIVE[network.dtype]


def test_forward_and_steps_give_y_hat(case, engine):
    loss, _, activate, _ = case
    network = network_of(loss, engine=engine)
    state = network.initial_state()
    _, _, z, _ = naive.forward(network.parameters, CELLS, X[1])
    (y_hat,) = network.forward(X[1:2])
    assert relative_error(y_hat, activate(np.array(z))) <= VERSUS_NAIVE[network.dtype]
    for x_t, expected in zip(X[1], y_hat, strict=True):
        answer, state = network.step(x_t, state)
        np.testing.assert_allclose(answer, expected, rtol=1e-12)


def test_float32_stays_float32(case, engine):
    loss, n_numbers, _, _ = case
    network = network_of(loss, engine=engine, dtype=np.float32)
    y, weights = targets(n_numbers, True)
    _, gradients = network.loss_and_gradients(X, y, weights)
    assert gradients.vector.dtype == np.float32
    assert network.forward(X)[0].dtype == np.float32


@pytest.mark.parametrize("loss", ["squared_error", Quantile((0.1, 0.9))])
def test_one_number_needs_no_axis(loss):
    n_outputs = 2 if loss != "squared_error" else 1
    network = Network(D, 3, n_outputs, loss=loss, dtype=np.float64, seed=0)
    of_sequences, of_steps = [1.0, 2, 3, 4], [x[:, 0] for x in X]
    loss, _ = network.loss_and_gradients(X, of_sequences)
    assert loss == network.loss_and_gradients(X, np.array(of_sequences)[:, None])[0]
    loss, _ = network.loss_and_gradients(X, of_steps)
    assert loss == network.loss_and_gradients(X, [y[:, None] for y in of_steps])[0]


def test_files_hold_the_loss(tmp_path):
    network = network_of(Quantile((0.2, 0.7)))
    network.save(tmp_path / "network")
    loaded = elman.load(tmp_path / "network")
    assert loaded.architecture == network.architecture
    np.testing.assert_array_equal(loaded.forward(X)[0], network.forward(X)[0])


def test_numbers_are_counted():
    with pytest.raises(DataError, match=r"y has 3 number\(s\) for each answer; .* predicts 4"):
        network_of("squared_error").loss_and_gradients(X, np.ones((4, 3)))
    with pytest.raises(ValueError, match="n_outputs must be a multiple of 3"):
        network_of(Quantile((0.1, 0.5, 0.9)))
    with pytest.raises(DataError, match="y has numbers below zero"):
        network_of("poisson").loss_and_gradients(X, -np.ones((4, K)))


def test_numbers_are_explained(case):
    loss, n_numbers, _, _ = case
    assert elman.explain(network_of(loss), X[0], np.ones((3, n_numbers))).passed


@pytest.mark.parametrize("n", [2, 4])
def test_what_is_the_same_for_all_outputs_may_be_one_number(n):
    class Scaled(elman.Loss):
        def constants(self, n_outputs):
            return (np.array([[2.0]]),)

        def value(self, z, y, scale):
            return (z - y) * (z - y) * scale

        def error(self, y_hat, y, scale):
            return (y_hat - y) * 2.0 * scale

    y = rng.standard_normal((n, K))
    losses = [
        Network(D, 3, K, loss=Scaled(), dtype=float, seed=0, engine=engine).loss_and_gradients(
            X[:n], y
        )[0]
        for engine in ENGINES
    ]
    assert relative_error(*losses) <= VERSUS_NAIVE[np.dtype(float)]
