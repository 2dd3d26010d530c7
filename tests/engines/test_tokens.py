"""Networks of tokens: what one-hot steps give, to the bit, and nothing of their width."""

import numpy as np
import pytest

from elman import DataError, Network, check_gradients
from elman.data import Batch, as_sequences
from elman.engines import ENGINES, get_engine
from elman.engines.compiled import columns
from elman.engines.compiled import engine as compiled
from elman.engines.compiled.buffers import Buffers
from elman.engines.compiled.summing import Alone
from tolerances import VERSUS_NAIVE, relative_error

D, K = 7, 3


def drawn(n, longest=9, seed=0):
    """Tokens, and one-hot steps that say the same."""
    rng = np.random.default_rng(seed)
    tokens = [rng.integers(0, D, length) for length in rng.integers(1, longest, n)]
    return [x[:, None] for x in tokens], [np.eye(D)[x] for x in tokens]


def labels(X, every_step, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, K, len(x)) for x in X] if every_step else rng.integers(0, K, len(X))


@pytest.fixture(params=[np.float64, np.float32], ids=["float64", "float32"])
def dtype(request):
    return request.param


SHAPES = {
    "tanh": {"hidden": [17], "cell": "tanh"},
    "gru": {"hidden": [5], "cell": "gru"},
    "gru, lstm": {"hidden": [9, 4], "cell": ["gru", "lstm"]},
    "tanh both ways": {"hidden": [9, 4], "bidirectional": True},
    "max": {"hidden": [17], "cell": "gru", "readout": "max"},
    "no bias, learned h0": {"hidden": [17], "bias": False, "learn_initial_state": True},
}


@pytest.fixture(params=SHAPES)
def shape(request):
    return SHAPES[request.param]


@pytest.fixture(params=["few", "several", "many"])
def data(request, monkeypatch):
    if request.param == "several":
        monkeypatch.setattr(compiled, "are_few", lambda *_: True)
    return drawn({"few": 2, "several": 7, "many": 20}[request.param])


def networks(shape, dtype, **settings):
    return (
        Network(D, **shape, n_outputs=K, dtype=dtype, tokens=tokens, seed=0, **settings)
        for tokens in (True, False)
    )


class Holding(Buffers):
    """Buffers that hold what is no token."""

    def take_room(self, n, dtype):
        room = super().take_room(n, dtype)
        room[:] = 1e12
        return room


def test_where_no_sequence_is_nothing_is_read_as_a_token(shape, dtype, monkeypatch):
    """It would be an address far outside."""
    monkeypatch.setattr(compiled, "are_few", lambda *_: True)
    X, _ = drawn(7)  # four, and three in place of four
    fresh, used = (next(networks(shape, dtype)) for _ in "ab")
    used.engine._buffers = Holding()
    y = labels(X, every_step=False)
    expected, found = (network.loss_and_gradients(X, y) for network in (fresh, used))
    np.testing.assert_array_equal(found[1].vector, expected[1].vector)
    for answer, of_fresh in zip(used.forward(X), fresh.forward(X), strict=True):
        np.testing.assert_array_equal(answer, of_fresh)


@pytest.mark.parametrize("engine", ENGINES)
def test_tokens_are_what_one_hot_steps_are(shape, dtype, data, engine):
    X, one_hot = data
    of_tokens, of_features = networks(shape, dtype, engine=engine)
    np.testing.assert_array_equal(of_tokens.parameters.vector, of_features.parameters.vector)
    for every_step in (False, True):
        if every_step and "readout" in shape:
            continue
        y = labels(X, every_step)
        loss, gradients = of_tokens.loss_and_gradients(X, y)
        expected_loss, expected = of_features.loss_and_gradients(one_hot, y)
        if engine == "compiled":  # the same additions in the same order, but those of zeros
            assert loss == expected_loss
            np.testing.assert_array_equal(gradients.vector, expected.vector)
        error = relative_error(gradients.vector, expected.vector)
        assert error < VERSUS_NAIVE[np.dtype(dtype)]
        assert abs(loss - expected_loss) < VERSUS_NAIVE[np.dtype(dtype)] * expected_loss
    answers = zip(of_tokens.forward(X), of_features.forward(one_hot), strict=True)
    for answer, expected in answers:
        if engine == "compiled":
            np.testing.assert_array_equal(answer, expected)
        assert relative_error(answer, expected) < VERSUS_NAIVE[np.dtype(dtype)]


@pytest.mark.parametrize("engine", ENGINES)
def test_gradients_are_those_of_complex_steps(shape, data, engine):
    X, _ = data
    network, _ = networks(shape, np.float64, engine=engine)
    for every_step in (False, True):
        if every_step and "readout" in shape:
            continue
        checks = check_gradients(network, X, labels(X, every_step))
        assert all(check.passed for check in checks), checks
        assert {check.name for check in checks} >= {"U1"}


def test_columns_of_tokens_that_do_not_occur_have_no_gradient():
    network, _ = networks(SHAPES["gru"], np.float64)
    _, gradients = network.loss_and_gradients([[[2]], [[5]]], [0, 1])
    touched = np.flatnonzero(gradients["U1"].any(axis=0))
    assert touched.tolist() == [2, 5]


def test_many_steps_of_one_sequence_add_up():
    """Beyond a block of steps, sums of one-hot steps run in another order, for one sequence alone."""
    tokens = np.random.default_rng(0).integers(0, D, 700)
    X, one_hot = [tokens[:, None]], [np.eye(D)[tokens]]
    of_tokens, of_features = networks(SHAPES["tanh"], np.float64)
    y = labels(X, every_step=True)
    _, gradients = of_tokens.loss_and_gradients(X, y)
    _, expected = of_features.loss_and_gradients(one_hot, y)
    assert relative_error(gradients.vector, expected.vector) < VERSUS_NAIVE[np.dtype(np.float64)]


@pytest.mark.parametrize("n", [1, 40])
def test_threads_and_kept_steps_change_no_bit(n):
    X, _ = drawn(n, longest=300)
    y = labels(X, every_step=True)
    found = []
    for settings in (
        {"n_jobs": 1},
        {"n_jobs": 2},
        {"checkpoint_steps": 16},
        {"checkpoint_steps": 1},
    ):
        network, _ = networks(SHAPES["gru, lstm"], np.float32, **settings)
        loss, gradients = network.loss_and_gradients(X, y)
        found.append((loss, gradients.vector.tobytes()))
    assert len(set(found)) == 1


def test_one_long_sequence_among_short_ones():
    """Panels are narrow then: a row has fewer lanes than a vector."""
    rng = np.random.default_rng(0)
    tokens = [rng.integers(0, D, n) for n in [3000, *[4] * 15]]
    X, one_hot = [x[:, None] for x in tokens], [np.eye(D)[x] for x in tokens]
    of_tokens, of_features = networks(SHAPES["tanh"], np.float32)
    y = labels(X, every_step=True)
    loss, gradients = of_tokens.loss_and_gradients(X, y)
    expected_loss, expected = of_features.loss_and_gradients(one_hot, y)
    assert loss == expected_loss
    np.testing.assert_array_equal(gradients.vector, expected.vector)


@pytest.mark.parametrize("engine", ENGINES)
def test_step_by_step_as_the_whole_sequence(engine, dtype):
    X, _ = drawn(3)
    for shape in ("gru, lstm", "max"):
        network, _ = networks(SHAPES[shape], dtype, engine=engine)
        state = network.initial_state()
        for x_t in X[0]:
            y_hat, state = network.step(x_t, state)
        expected = network.forward(X, every_step=False)[0]
        if engine == "compiled":
            np.testing.assert_array_equal(y_hat, expected)
        assert relative_error(y_hat, expected) < VERSUS_NAIVE[np.dtype(dtype)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("wrong", [-1, D, 0.5])
def test_what_is_no_column_is_refused(engine, wrong):
    network, _ = networks(SHAPES["tanh"], np.float64, engine=engine)
    with pytest.raises(DataError, match=f"X holds {wrong:g}; expected tokens, whole numbers 0 … 6"):
        network.forward([[[0.0], [wrong]]])
    with pytest.raises(DataError, match="x_t holds"):
        network.step([wrong], network.initial_state())


@pytest.mark.parametrize("wrong", [-1, D, np.nan])
def test_the_compiled_engine_looks_itself(wrong):
    network, _ = networks(SHAPES["tanh"], np.float64)
    sequences = as_sequences([np.zeros((4, 1))] * 5)
    sequences.values[-1] = wrong
    batch = Batch.all_of(sequences, every_step=True)
    y_hat = np.empty((20, K))
    with pytest.raises(DataError, match="expected tokens"):
        get_engine("compiled").probabilities(network.parameters, batch, y_hat)


def test_other_numbers_of_features_are_refused():
    network, _ = networks(SHAPES["tanh"], np.float64)
    with pytest.raises(DataError, match="this network takes 1"):
        network.forward(np.zeros((2, 3, 2)))


def test_a_file_says_it(tmp_path):
    network, other = networks(SHAPES["gru"], np.float32)
    network.save(tmp_path / "a.safetensors")
    loaded = Network.load(tmp_path / "a.safetensors")
    assert loaded.architecture == network.architecture != other.architecture
    X, _ = drawn(5)
    for a, b in zip(loaded.forward(X), network.forward(X), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n", [2, 40])
def test_columns_that_do_not_occur_are_left_out_and_no_bit_changes(n, monkeypatch):
    rng = np.random.default_rng(0)
    width = columns.MANY + 3
    X = [rng.integers(0, width, (length, 1)) // 7 * 7 for length in rng.integers(1, 9, n)]
    shape = {"hidden": [9, 4], "cell": ["gru", "tanh"]}
    network = Network(width, **shape, n_outputs=K, tokens=True, dtype=np.float64, seed=0)
    for every_step in (False, True):
        y = labels(X, every_step)
        batch, _ = network.batch(X, y)
        found = columns.occurring(network.parameters, batch, Alone())
        assert found is not None
        assert len(found.columns) == len(np.unique(np.concatenate(X)))
        loss, gradients = network.loss_and_gradients(X, y)
        with monkeypatch.context() as patched:
            patched.setattr(columns, "MANY", width + 1)
            expected_loss, expected = network.loss_and_gradients(X, y)
        assert loss == expected_loss
        np.testing.assert_array_equal(gradients.vector, expected.vector)
