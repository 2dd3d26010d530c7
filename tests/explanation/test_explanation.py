"""``explain``: its numbers against the notes' sums, written out, and what it refuses."""

import json
import tracemalloc
from itertools import pairwise
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import elman
import naive
import unrolled
from elman import DataError, Network, RNNClassifier, RNNTagger, _memory, explain
from elman.data import as_sequences
from elman.explanation import explaining, proof
from elman.explanation.passes import Passes
from plain import plain_model
from tolerances import BY_HAND, ROUNDING, relative_error

CELLS_OF = [("tanh",), ("relu",), ("dense",), ("relu", "tanh"), ("tanh", "dense", "tanh")]
CELLS_OF += [("leaky",), ("gru",), ("lstm",), ("lstm", "gru"), ("gru", "relu", "lstm")]
SIZES = (3, 4, 2)


def make(cells, every_step, T=4, bias=True, seed=0, scale=0.8):
    rng = np.random.default_rng(seed)
    network = Network(2, SIZES[: len(cells)], 3, cell=cells, bias=bias, dtype=np.float64)
    network.parameters.vector[...] = scale * rng.standard_normal(len(network.parameters.vector))
    x = rng.standard_normal((T, 2))
    y = rng.integers(3, size=T) if every_step else int(rng.integers(3))
    return network, x, y


def labels_of(x, y):
    return np.asarray(y) if np.ndim(y) else np.r_[[-1] * (len(x) - 1), y].astype(int)


@pytest.fixture(params=[False, True], ids=["label a sequence", "label a step"])
def every_step(request):
    return request.param


# The terms


@pytest.mark.parametrize("T", [1, 2, 5])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cells", CELLS_OF, ids="-".join)
def test_each_term_is_the_derivative_by_the_matrix_of_one_step(cells, bias, T, every_step):
    network, x, y = make(cells, every_step, T, bias)
    labels = labels_of(x, y)
    for layer, cell in enumerate(cells, start=1):
        ex = explain(network, x, y, layer=layer, check=False)
        names = {"U": ex.term_U} | ({"W": ex.term} if cell != "dense" else {})
        for letter, term in names.items():
            found = [[term(t, tau) for tau in range(1, T + 1)] for t in range(1, T + 1)]
            name = f"{letter}{layer}"
            expected = unrolled.terms(network.parameters, cells, x, labels, name)
            answering = labels >= 0
            assert (
                relative_error(found, np.where(answering[:, None, None, None], expected, 0))
                < BY_HAND
            )
            total = expected[answering].sum(axis=(0, 1))
            assert relative_error(ex.gradients[name], total) < BY_HAND


@pytest.mark.parametrize("cells", CELLS_OF, ids="-".join)
def test_gradients_and_loss_are_those_of_the_naive_loop(cells, every_step):
    network, x, y = make(cells, every_step)
    ex = explain(network, x, y, check=False)
    weights = [np.ones(np.shape(y))]
    expected = naive.loss_and_gradients(network.parameters, cells, [x], [y], weights)
    assert ex.loss == pytest.approx(expected.loss, rel=ROUNDING)
    for name, gradient in expected.gradients.items():
        assert relative_error(ex.gradients[name], gradient) < BY_HAND


@given(st.integers(0, 10**6), st.integers(1, 30), st.booleans(), st.sampled_from(CELLS_OF))
def test_terms_add_up_and_all_are_proved(seed, T, every_step, cells):
    network, x, y = make(cells, every_step, T, seed=seed)
    layer = 1 + seed % len(cells)
    ex = explain(network, x, y, layer=layer)
    assert ex.passed
    assert ex.n_proved == ex.n_terms == (T * (T + 1) // 2 if every_step else T)
    assert ex.worst_error < 1e-12
    for letter, term in (("W", ex.term), ("U", ex.term_U)):
        gradient = ex.gradients.get(f"{letter}{layer}")
        if gradient is not None:
            terms = [term(t, tau) for t in range(1, T + 1) for tau in range(1, t + 1)]
            scale = sum(np.linalg.norm(term) for term in terms)
            assert np.linalg.norm(sum(terms) - gradient) <= 1e-14 * scale


def test_sum_is_the_gradient_to_fourteen_digits():
    network = Network(28, 128, 10, dtype=np.float64, seed=0)
    x = np.random.default_rng(0).standard_normal((28, 28))
    ex = explain(network, x, np.arange(28) % 10, check=False)
    terms = sum(ex.term(t, tau) for t in range(1, 29) for tau in range(1, t + 1))
    dW = ex.gradients["W1"]
    assert np.linalg.norm(terms - dW) < 1e-14 * np.linalg.norm(dW)
    assert ex.sum_error < 1e-14


@pytest.mark.parametrize(("check", "seconds"), [(True, 3.0), (False, 0.5)])
def test_takes_no_longer_than_it_may(check, seconds):
    """Measured at 0.08 s and 0.005 s on a quiet core; the best of three, for others may be busy."""
    network = Network(28, 128, 10, dtype=np.float64, seed=0)
    x = np.random.default_rng(0).standard_normal((28, 28))
    taken = []
    for _ in range(3):
        start = perf_counter()
        explain(network, x, np.arange(28) % 10, check=check)
        taken.append(perf_counter() - start)
    assert min(taken) < seconds


def test_norms_are_those_of_the_terms(every_step):
    network, x, y = make(("relu", "tanh"), every_step)
    ex = explain(network, x, y, layer=2)
    for t in range(1, 5):
        for tau in range(1, 5):
            norm = ex.norms[t - 1, tau - 1]
            if tau > t or t not in ex.answering:
                assert np.isnan(norm)
                assert not ex.term(t, tau).any()
            else:
                assert norm == pytest.approx(np.linalg.norm(ex.term(t, tau)), rel=ROUNDING)


# Forward and the output


def test_intermediates_are_those_of_n2(every_step):
    network, x, y = make(("tanh", "relu"), every_step)
    n2 = network.trace(x[None])
    for layer in (1, 2):
        ex = explain(network, x, y, layer=layer)
        for name in ("U_frd", "W_frd", "h_unactivated", "h_activated"):
            assert relative_error(getattr(ex, name), getattr(n2, name)[layer - 1][0]) < ROUNDING
        assert ex.inputs.shape == (ex.T, ex.D) == (4, 2 if layer == 1 else 3)
        h = ex.h_activated
        slope = 1 - h**2 if ex.cell == "tanh" else (h > 0).astype(float)
        for values in (ex.derivative, ex.partials[:, 0, 0], ex.openness):
            assert relative_error(values, slope) < ROUNDING
        assert not ex.partials[:, 0, 1].any()
        assert ex.gates == {}
        assert ex.states["h"] is ex.h_activated
    _, _, z, y_hat = naive.forward(network.parameters, ("tanh", "relu"), x)
    assert relative_error(ex.y_unactivated, z) < ROUNDING
    assert relative_error(ex.y_activated, y_hat) < ROUNDING


def test_output_error_and_its_jacobian(every_step):
    ex = explain(*make(("tanh",), every_step))
    assert ex.residual_n5 < ROUNDING
    running = np.zeros((3, 3))
    for t in range(1, 5):
        label, y_hat = ex.labels[t - 1], ex.y_activated[t - 1]
        y = np.zeros(3) if label < 0 else np.eye(3)[label]
        error = (y_hat - y) * (label >= 0)
        assert relative_error(ex.output_error[t - 1], error) < ROUNDING
        product = (-y / y_hat) @ ex.softmax_jacobian(t)
        assert relative_error(product, error) < ROUNDING or label < 0
        running += np.outer(error, ex.h_top[t - 1])
        assert relative_error(ex.dV_term(t), np.outer(error, ex.h_top[t - 1])) < ROUNDING
        assert relative_error(ex.dV_running(t), running) < BY_HAND
    assert relative_error(running, ex.gradients["V"]) < BY_HAND


# The ladder of N7


def test_ladder_of_tensors():
    network, x, y = make(("tanh",), True, T=5)
    ex = explain(network, x, y)
    dh_dW = np.zeros((3, 3, 3))  # dh_0/dW
    for t in range(1, 6):
        slope = 1 - ex.h_activated[t - 1] ** 2
        h_previous = ex.h_activated[t - 2] if t > 1 else np.zeros(3)
        explicit = np.einsum("i,ij,k->ijk", slope, np.eye(3), h_previous)
        implicit = np.einsum("ia,ajk->ijk", np.diag(slope) @ ex.W, dh_dW)
        dh_dW = explicit + implicit
        assert relative_error(ex.explicit(t), explicit) < ROUNDING
        assert relative_error(ex.implicit(t), implicit) < BY_HAND
        assert relative_error(ex.total(t), dh_dW) < BY_HAND
        dL_dW = np.einsum("k,ki,iab->ab", ex.output_error[t - 1], ex.V, dh_dW)
        terms = sum(ex.term(t, tau) for tau in range(1, t + 1))
        assert relative_error(terms, dL_dW) < BY_HAND
        rows = ex.ladder(t)
        assert [row["tau"] for row in rows] == list(range(t, 0, -1))
        if t > 1:
            assert sum(row["share"] for row in rows) == pytest.approx(1, rel=BY_HAND)
            for row in rows:
                product = (ex.term(t, row["tau"]) * dL_dW).sum() / (dL_dW**2).sum()
                assert row["share"] == pytest.approx(product, rel=1e-10, abs=1e-12)
    assert [factor["name"] for factor in ex.ladder(3)[2]["factors"]] == [
        "dL_3/dŷ_3", "dŷ_3/dh_3", "∂h_3/∂h_2", "∂h_2/∂h_1", "∂h_1/∂W",
    ]  # fmt: skip


def test_intermediates_of_gates():
    network, x, y = make(("lstm", "gru"), True)
    n2 = network.trace(x[None])
    for layer in (1, 2):
        ex = explain(network, x, y, layer=layer)
        for name in ("U_frd", "W_frd", "h_unactivated", "h_activated"):
            assert relative_error(getattr(ex, name), getattr(n2, name)[layer - 1][0]) < ROUNDING
        for name in ("gates", "states"):
            found, expected = getattr(ex, name), getattr(n2, name)[layer - 1]
            assert list(found) == list(expected)
            for key, values in found.items():
                assert relative_error(values, expected[key][0]) < ROUNDING
        assert not ex.plain
    ex = explain(network, x, y)
    i, f, g, o = (ex.gates[gate] for gate in "ifgo")
    s_before = np.concatenate([np.zeros((1, 3)), ex.states["s"][:-1]])
    a_i, a_f, a_g, a_o = np.split(ex.h_unactivated, 4, axis=1)
    for gate, a in ((i, a_i), (f, a_f), (o, a_o)):
        assert relative_error(gate, 1 / (1 + np.exp(-a))) < ROUNDING
    assert relative_error(g, np.tanh(a_g)) < ROUNDING
    assert relative_error(ex.states["s"], f * s_before + i * g) < ROUNDING
    assert relative_error(ex.h_activated, o * np.tanh(ex.states["s"])) < ROUNDING
    slope = o * (1 - np.tanh(ex.states["s"]) ** 2)
    expected = {(0, 1): slope * s_before * f * (1 - f), (0, 5): slope * f, (1, 5): f}
    expected |= {(1, 3): 0 * f, (0, 4): 0 * f, (1, 2): i * (1 - g**2)}
    for (state, entering), values in expected.items():
        assert relative_error(ex.partials[:, state, entering], values) < 10 * ROUNDING


@pytest.mark.parametrize("cells", [("gru",), ("lstm",), ("leaky",), ("tanh", "lstm")], ids="-".join)
def test_ladder_of_gates(cells):
    """dh_t/dW by complex step through all steps, and its parts, whose sum it is."""
    network, x, y = make(cells, True, T=4)
    ex = explain(network, x, y, layer=len(cells))
    name, h = f"W{len(cells)}", []
    for entry in np.ndindex(*network.parameters[name].shape):
        moved = network.astype(np.complex128)
        moved.parameters[name][entry] += 1e-30j
        h.append(moved.trace(x[None]).h_activated[-1][0].imag / 1e-30)  # (T, H)
    shape = (*network.parameters[name].shape, 4, ex.H)
    dh_dW = np.array(h).reshape(shape).transpose(2, 3, 0, 1)  # (T, H, G_h H, H)
    for t in range(1, 5):
        assert relative_error(ex.total(t), dh_dW[t - 1]) < BY_HAND
        assert relative_error(ex.explicit(t) + ex.implicit(t), dh_dW[t - 1]) < BY_HAND
        dL_dW = np.einsum("k,ki,iab->ab", ex.output_error[t - 1], ex.V, dh_dW[t - 1])
        assert relative_error(sum(ex.term(t, tau) for tau in range(1, t + 1)), dL_dW) < BY_HAND
        for row in ex.ladder(t):
            shapes = [factor["shape"] for factor in row["factors"]]
            for (*_, inner), (first, *_) in pairwise(shapes):
                assert inner == first
            assert (shapes[0][0], *shapes[-1][1:]) == (1, *network.parameters[name].shape)


@pytest.mark.parametrize("cell", ["gru", "lstm", "leaky", "tanh"])
def test_jacobian_is_that_of_all_states(cell):
    network, x, y = make((cell,), True)
    ex = explain(network, x, y)
    layer = naive.Layer(network.parameters, 1, cell)
    U, W, b = (network.parameters[name] for name in ("U1", "W1", "b1"))
    for t in range(2, 5):
        before = np.concatenate([of[t - 2] for of in ex.states.values()])
        expected = np.zeros((len(before), len(before)))
        for j in range(len(before)):
            moved = before.astype(complex)
            moved[j] += 1e-30j
            states = np.split(moved, len(ex.states))
            a = layer.pre_activations(U, W, b, x[t - 1].astype(complex), states[0])
            expected[:, j] = np.concatenate(layer.cell.step(*a, *states)).imag / 1e-30
        assert relative_error(ex.jacobian(t), expected) < BY_HAND


@pytest.mark.parametrize("cells", CELLS_OF, ids="-".join)
def test_truncated_update_is_made_of_the_terms_that_are_left(cells, every_step):
    network, x, y = make(cells, every_step, T=5)
    labels = labels_of(x, y)
    for k in (0, 2, 7):
        ex = explain(network, x, y, truncate=k, learning_rate=0.5, check=False)
        for name, parameter in network.parameters.items():
            if name[0] not in "UW":
                continue
            terms = unrolled.terms(network.parameters, cells, x, labels, name)
            lag = np.subtract.outer(np.arange(5), np.arange(5))
            left = (labels >= 0)[:, None] & (lag >= 0) & (lag <= k)
            kept = terms[left].sum(axis=0)
            step = parameter - 0.5 * kept
            assert relative_error(ex.update["after"][name], step) < BY_HAND


def test_truncation_says_what_a_cut_costs():
    network, x, y = make(("tanh",), True, T=5)
    ex = explain(network, x, y)
    dW = ex.gradients["W1"]
    assert [row["k"] for row in ex.truncation] == [0, 1, 2, 3, 4]
    for row in ex.truncation:
        cut = sum(
            ex.term(t, tau) for t in range(1, 6) for tau in range(max(1, t - row["k"]), t + 1)
        )
        error = np.linalg.norm(cut - dW) / np.linalg.norm(dW)
        cosine = (cut * dW).sum() / np.linalg.norm(cut) / np.linalg.norm(dW)
        assert row["relative_error"] == pytest.approx(error, abs=1e-13)
        assert np.cos(np.radians(row["angle_degrees"])) == pytest.approx(cosine, abs=1e-13)
    assert ex.truncation[-1]["angle_degrees"] < 1e-12


# The three kinds of nothing, and the verdict


def test_kinds_of_nothing_are_told_apart():
    network, x, y = make(("tanh",), True, T=12)
    W, U = network.parameters["W1"], network.parameters["U1"]
    W[...], U[...] = 0.05 * np.eye(3), 0.5
    vanished = explain(network, x, y)
    assert set(vanished.kinds[11]) == {"structural", "vanished", "live"}
    assert vanished.kinds[0].tolist() == ["structural"] + [""] * 11
    assert "vanishes" in vanished.verdict
    assert "W is small" in vanished.verdict
    W[...], U[...], network.parameters["b1"][...] = np.eye(3), 0.5, 9.0
    saturated = explain(network, x, y)
    assert set(saturated.kinds[11]) == {"structural", "saturated"}
    assert "saturated" in saturated.verdict
    W[...], U[...], network.parameters["b1"][...] = 3 * np.eye(3), 1e-9, 0
    exploding = explain(network, x, y)
    assert exploding.kinds[11].tolist() == ["structural"] + ["live"] * 11
    assert "explodes" in exploding.verdict
    W[...] = np.eye(3)
    assert "healthy" in explain(network, x, y).verdict
    relu, x, y = make(("relu",), True)
    relu.parameters["b1"][...] = -99  # no unit is ever on
    assert explain(relu, x, y).kinds[3].tolist() == ["structural"] + ["saturated"] * 3


def test_layer_without_recurrence_has_no_terms_of_W(every_step):
    network, x, y = make(("dense", "tanh"), every_step)
    ex = explain(network, x, y)
    assert ex.W is None
    assert not ex.term(4, 2).any()
    assert not ex.total(4).any()
    assert not ex.jacobian(2).any()
    # Those of U are there: errors come back through the layer above.
    assert all(check.passed and check.size > 0 for check in ex.checks_)
    assert set(ex.kinds[3]) == {"live"}
    assert ex.norms[3, 1] == pytest.approx(np.linalg.norm(ex.term_U(4, 2)))
    assert ex.truncation[0]["relative_error"] > 0.01
    assert sum(row["share"] for row in ex.ladder(4)) == pytest.approx(1)
    # Without one above, nothing comes back at all.
    network, x, y = make(("dense",), every_step)
    assert explain(network, x, y).kinds[3].tolist() == ["structural"] * 3 + ["live"]


# The update (N4)


def test_update_clips_and_descends():
    network, x, y = make(("tanh",), True)
    ex = explain(network, x, y, learning_rate=0.1, max_norm=0.5)
    norm = np.sqrt(sum((gradient**2).sum() for gradient in ex.gradients.values()))
    assert ex.update["norm"] == pytest.approx(norm, rel=ROUNDING)
    assert ex.update["clipped"]
    assert ex.update["scale"] == pytest.approx(0.5 / norm, rel=ROUNDING)
    expected = ex.W - 0.1 * 0.5 / norm * ex.gradients["W1"]
    assert relative_error(ex.update["W_after"], expected) < ROUNDING
    network.parameters.vector[...] = ex.update["after"].vector
    assert ex.update["loss_after"] == pytest.approx(explain(network, x, y).loss, rel=ROUNDING)
    assert ex.update["loss_after"] < ex.loss


# Estimators


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = [5 + 3 * rng.standard_normal((n, 2)) for n in rng.integers(1, 9, 40)]
    return X, [np.where(x[:, 0] > 5, "up", "down") for x in X]


def test_classifier_is_explained_as_it_predicts(data):
    X, y = data
    y = [labels[-1] for labels in y]
    model = plain_model(RNNClassifier, 5, max_iter=3, random_state=0, clip_norm=2.0).fit(X, y)
    for x, label in zip(X[:9], y[:9], strict=True):
        ex = explain(model, x, label)
        assert ex.passed
        assert ex.classes == ["down", "up"]
        assert relative_error(ex.y_activated[-1], model.predict_proba([x])[0]) < 1e-5
        assert ex.answering == [len(x)]
        assert (ex.update["learning_rate"], ex.update["max_norm"]) == (
            model.learning_rate_init,
            2.0,
        )
    assert np.abs(ex.x).max() < 4  # standardised


def test_tagger_is_explained_as_it_predicts(data):
    X, y = data
    model = plain_model(RNNTagger, 5, max_iter=3, random_state=0).fit(X, y)
    for x, labels in zip(X[:9], y[:9], strict=True):
        ex = explain(model, x, labels)
        assert ex.passed
        assert relative_error(ex.y_activated, model.predict_proba([x])[0]) < 1e-5
        assert [ex.classes[code] for code in ex.labels] == labels.tolist()


def test_row_of_an_estimator_fitted_on_rows():
    X = np.random.default_rng(0).standard_normal((30, 6))
    model = plain_model(RNNClassifier, 4, step_size=2, max_iter=2, random_state=0).fit(
        X, X[:, 0] > 0
    )
    row, folded = explain(model, X[0], True), explain(model, X[0].reshape(3, 2), True)
    assert (row.x == folded.x).all()
    assert row.T == 3


def test_float32_network_is_explained_in_float64():
    network = Network(2, 3, 3, seed=0)
    ex = explain(network, np.ones((4, 2)), 1)
    assert ex.gradients.vector.dtype == ex.W.dtype == np.float64
    assert ex.passed
    ex.W[...] = 0
    assert network.parameters["W1"].any()  # a copy


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": np.ones((1, 4, 2))}, r"x has 3 dimension\(s\), shape \(1, 4, 2\); expected one"),
        ({"x": np.ones((4, 3))}, r"X has 3 feature\(s\) a step; this network takes 2"),
        ({"x": np.full((4, 2), np.nan)}, "sequence 0 of X has no steps, only NaN"),
        ({"x": np.ones((0, 2))}, "has no steps"),
        ({"y": 3}, "expected integers 0 … 2"),
        ({"y": [0, 1]}, r"y\[0\] has 2 entries, but sequence 0 has 4"),
        ({"y": "up"}, "expected integers"),
        ({"y": [[0], [1, 2]]}, "y is a list of lists; expected a label, or one for each step"),
        ({"x": [np.ones((4, 2)), np.ones((3, 2))]}, "x has 2 sequences; expected one"),
        ({"x": as_sequences([np.ones((4, 2))])}, "x has 1 sequence; expected one"),
        ({"x": [[1.0, 2.0], [1.0]]}, r"X\[0\] is not a rectangular array"),
        ({"layer": 2}, r"layer must be a whole number from 1 \(the lowest\) to 1; got 2"),
        ({"layer": 0}, "layer must be"),
        ({"truncate": -1}, "truncate must be a whole number of steps, 0 or more; got -1"),
        ({"truncate": True}, "truncate must be a whole number of steps, 0 or more; got True"),
        ({"learning_rate": "a"}, "learning_rate must be a number above 0; got 'a'"),
        ({"learning_rate": 0}, "learning_rate must be a number above 0; got 0"),
        ({"max_norm": -1.0}, "max_norm must be a number above 0; got -1.0"),
    ],
)
def test_refused(arguments, message):
    network, x, y = make(("tanh",), True)
    with pytest.raises(ValueError, match=message):
        explain(network, **({"x": x, "y": y} | arguments))


def test_refused_models(data):
    X, y = data
    with pytest.raises(TypeError, match="model is of type str; expected a fitted RNNClassifier"):
        explain("digits.safetensors", X[0], 1)
    with pytest.raises(ValueError, match="not fitted"):
        explain(RNNClassifier(), X[0], 1)
    tagger = plain_model(RNNTagger, 3, max_iter=2, random_state=0).fit(X, y)
    with pytest.raises(DataError, match=r"labels that the model does not know: \['left'\]"):
        explain(tagger, X[0], ["left"] * len(X[0]))
    with pytest.raises(DataError, match="use RNNClassifier, not RNNTagger"):
        explain(tagger, X[0], "up")
    with pytest.raises(DataError, match="missing labels"):
        explain(tagger, X[0], [None] * len(X[0]))
    classifier = plain_model(RNNClassifier, 3, max_iter=2, random_state=0).fit(
        X, [labels[-1] for labels in y]
    )
    with pytest.raises(DataError, match=r"y has shape \(2,\); an RNNClassifier .* np.argmax\(y\)"):
        explain(classifier, X[0], [0, 1])
    network, x, y = make(("relu",), True)
    network.parameters["W1"][...] = 1e200
    with pytest.raises(DataError, match="overflow at step"):
        explain(network, abs(x), y)
    with pytest.raises(ValueError, match="complex"):
        explain(network.astype(complex), x, y)


def test_messages_about_data_sets_say_what_stands_for_them():
    network, x, y = make(("tanh",), True)
    x[2, 1] = np.nan
    with pytest.raises(DataError, match="sequence 0, step 2") as raised:
        explain(network, x, y)
    assert raised.value.__notes__ == ["Here X is [x], a data set of one sequence, and y is [y]."]


def test_steps_count_from_one():
    ex = explain(*make(("tanh",), False))
    for call in (lambda: ex.term(0, 1), lambda: ex.term(1, 5), lambda: ex.jacobian(1.5)):
        with pytest.raises(ValueError, match="steps count from 1 to 4"):
            call()
    with pytest.raises(ValueError, match="step 2 has no label"):
        ex.ladder(2)


# Written down


@pytest.mark.parametrize("check", [True, False])
def test_json_has_every_number(tmp_path, check, every_step):
    ex = explain(*make(("tanh", "relu"), every_step), check=check)
    text = ex.to_json(tmp_path / "ex.json")
    assert (tmp_path / "ex.json").read_text(encoding="utf-8").strip() == text
    read = json.loads(text)
    assert read["parameters"]["W1"] == ex.W.tolist()
    assert read["delta"][-1] == ex.delta[-1].tolist()
    assert len(read["norms"]) == len(read["kinds"]) == len(ex.answering)  # a row each loss
    assert read["norms"][-1] == ex.norms[-1].tolist()
    assert (read["norms"][0][1] is None) == every_step
    assert read["update"]["norm"] == ex.update["norm"]
    assert (read["checks"] is None) == (not check)
    assert not {"delta", "parameters", "gradients"} & json.loads(ex.to_json(vectors=False)).keys()
    assert f"{ex.n_terms}</td>" in ex._repr_html_()


def test_files_of_elman_are_replaced_and_no_others(tmp_path):
    ex = explain(*make(("tanh",), every_step=False))
    page, numbers = tmp_path / "page", tmp_path / "numbers"
    for path, other, write, kind in (
        (page, numbers, ex.save_html, "page"),
        (numbers, page, ex.to_json, "JSON file"),
    ):
        path.touch()
        write(path)
        before = path.read_bytes()
        write(path)
        assert path.read_bytes() == before
        other.write_text("<!doctype html>\n{}")
        with pytest.raises(FileExistsError, match=f"exists, and is not a {kind} that elman wrote"):
            write(other)
        assert other.read_text() == "<!doctype html>\n{}"
        other.unlink()


def test_public_name():
    assert elman.explain is explain


def test_sequence_too_long_for_the_memory_is_refused_before_it_is_taken(monkeypatch):
    monkeypatch.setattr(_memory, "available_memory", lambda: 10**9)
    monkeypatch.setattr(explaining.Passes, "of", None)  # nothing is computed
    network = elman.Network(2, 64, 2, seed=0)
    message = r"explaining 20,000 steps of 64 units needs 1,02\d.\d\d GB of memory; 1.00 GB"
    with pytest.raises(MemoryError, match=message):
        elman.explain(network, np.zeros((20_000, 2)), np.ones(20_000, int))


def test_what_is_read_of_all_steps_takes_as_much_memory_as_it_reads(monkeypatch):
    """A mean reads T steps, so that T by T errors are carried back; maxima read one for each unit."""
    monkeypatch.setattr(_memory, "available_memory", lambda: 10**9)
    monkeypatch.setattr(explaining.Passes, "of", None)  # nothing is computed
    x = np.zeros((5000, 2))
    with pytest.raises(MemoryError, match=r"explaining 5,000 steps of 8 units needs 8\.03 GB"):
        elman.explain(elman.Network(2, 8, 2, readout="mean", seed=0), x, 1)
    with pytest.raises(TypeError, match="not callable"):  # it is not refused
        elman.explain(elman.Network(2, 8, 2, readout="max", seed=0), x, 1)


def peak_of_explaining(network, x):
    tracemalloc.start()
    ex = elman.explain(network, x, 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ex.n_proved == ex.n_terms == len(x)
    assert ex.passed
    return ex, peak


def test_maxima_need_no_square_of_the_steps():
    network = elman.Network(2, 4, 3, readout="max", dtype=np.float64, seed=0)
    x = np.random.default_rng(0).standard_normal((400, 2))
    ex, peak = peak_of_explaining(network, x)
    assert ex.by_entry.shape == (len(ex.entries), 400, 4)
    assert len(ex.entries) <= 4
    assert peak < 0.75 * 400 * 400 * 4 * 8
    assert (ex.delta_by_entry[ex.entries] == ex.by_entry).all()


def test_passes_of_the_proof_are_not_kept():
    """64 side by side, of 300 steps, each with some complex arrays of 16 units."""
    network = elman.Network(2, 16, 3, dtype=np.float64, seed=0)
    _, peak = peak_of_explaining(network, np.random.default_rng(0).standard_normal((300, 2)))
    assert peak < 64 * 300 * 16 * 16


def test_one_label_needs_no_square_of_the_steps(monkeypatch, tmp_path):
    """What is T by T is a row for the one loss; a choice of terms is proved, as the page says."""
    network = elman.Network(2, 6, 3, cell="gru", dtype=np.float64, seed=0)
    x = np.random.default_rng(0).standard_normal((150, 2))
    every = elman.explain(network, x, 1)
    monkeypatch.setattr(proof, "LONG", 100)
    monkeypatch.setattr(proof, "SIDE", 8)
    tracemalloc.start()
    ex = elman.explain(network, x, 1)
    ex.save_html(tmp_path / "page.html")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ex.delta_of_losses.shape == (1, 150, 24)
    assert "delta" not in vars(ex)
    assert "norms" not in vars(ex)
    assert "kinds" not in vars(ex)
    assert peak < 100 * 150 * 24 * 8
    steps = [150 - back for back in (0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 128, 149)]
    assert [check.tau for check in ex.checks_] == steps[::-1]
    assert ex.passed
    assert ex.n_proved == ex.n_checked == 14
    assert ex.n_terms == 150
    found = {check.tau: check.found for check in every.checks_}
    for check in ex.checks_:
        assert check.found == pytest.approx(found[check.tau], rel=1e-10, abs=1e-30)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "14 of the 14 terms that were checked proved" in page
    assert "There are 150 terms" in page
    assert "14 of 14 terms proved" in repr(ex)
    assert ex.delta.shape == (150, 150, 24)
    assert not ex.delta[:-1].any()
    np.testing.assert_array_equal(ex.delta[-1], ex.delta_of_losses[0])


def test_a_wrong_term_of_a_long_sequence_shows(monkeypatch):
    monkeypatch.setattr(proof, "LONG", 20)
    monkeypatch.setattr(proof, "SIDE", 4)
    whole = Passes.carried_back

    def wrong(self, layer):
        carried = whole(self, layer)
        carried.delta[0, 0] *= 1 + 1e-9
        return carried

    monkeypatch.setattr(Passes, "carried_back", wrong)
    network = elman.Network(2, 3, 3, cell="gru", dtype=np.float64, learn_initial_state=True, seed=0)
    network.parameters["initial1"][...] = 0.5
    ex = elman.explain(network, np.random.default_rng(0).standard_normal((40, 2)), 1)
    assert not ex.passed
    assert [check.tau for check in ex.checks_ if not check.passed] == [1]
