"""Explanations of networks whose output reads all steps: terms, proofs, and errors that are planted."""

import json

import numpy as np
import pytest

import elman
from elman import Network, explain, gradient_flow
from elman.equations import network as equations_network
from elman.equations.readouts import READOUTS, Max, Mean
from elman.explanation import flow as flow_module
from elman.explanation import reading as reading_module
from elman.explanation.page import render
from elman.explanation.page.markup import number
from outline import Outline
from tolerances import BY_HAND, ROUNDING, relative_error

T, D, H, K = 7, 3, 4, 3
CELLS = [("tanh",), ("gru",), ("relu",), ("dense",), ("lstm", "gru"), ("dense", "leaky")]
OF_ALL = [name for name, readout in READOUTS.items() if readout.of_all_steps]


def make(readout, cells=("tanh",), seed=0, **options):
    rng = np.random.default_rng(seed)
    options |= {"dtype": np.float64, "readout": readout, "engine": "reference"}
    network = Network(D, [H] * len(cells), K, cell=cells, **options)
    network.parameters.vector[...] = 0.7 * rng.standard_normal(len(network.parameters.vector))
    return network, rng.standard_normal((T, D)), 1


def own_derivative(network, x, y, name, tau, R):
    """Give ⟨term(T, τ), R⟩: step τ alone has a moved parameter; a layer of tanh."""
    p = {key: values.astype(complex) for key, values in network.parameters.items()}
    h, states = np.zeros(H, complex), []
    for t in range(T):
        moved = p | {name: p[name] + 1e-30j * R} if t == tau - 1 else p
        h = np.tanh(moved["U1"] @ x[t] + moved["W1"] @ h + moved["b1"])
        states.append(h)
    states = np.array(states)
    if network.architecture.readout == "mean":
        r = states.mean(axis=0)
    else:
        r = states[states.real.argmax(axis=0), np.arange(H)]
    z = p["V"] @ r + p["c"]
    return (np.log(np.exp(z).sum()) - z[y]).imag / 1e-30


@pytest.mark.parametrize("readout", OF_ALL)
def test_terms_of_W_and_U_are_the_derivatives_by_a_step_of_its_own(readout):
    network, x, y = make(readout)
    ex = explain(network, x, y)
    for name, term in (("W1", ex.term), ("U1", ex.term_U)):
        R = np.random.default_rng(1).standard_normal(network.parameters[name].shape)
        for tau in range(1, T + 1):
            expected = own_derivative(network, x, y, name, tau, R)
            assert (term(T, tau) * R).sum() == pytest.approx(expected, rel=1e-11, abs=1e-14)


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("cells", CELLS, ids="-".join)
@pytest.mark.parametrize("initial", [False, True])
def test_all_is_proved_and_adds_up(cells, readout, initial):
    for seed in range(3):
        network, x, y = make(readout, cells, seed, learn_initial_state=initial)
        _, gradients = network.loss_and_gradients(x[None], np.array([y]))
        for layer in range(1, len(cells) + 1):
            ex = explain(network, x, y, layer=layer)
            assert ex.passed
            assert ex.n_proved == ex.n_terms == T
            assert ex.worst_error < 1e-12
            assert relative_error(ex.gradients.vector, gradients.vector) < BY_HAND
            total = sum(ex.term_U(T, tau) for tau in range(1, T + 1))
            assert relative_error(total, gradients[f"U{layer}"]) < BY_HAND
            live = [check for check in ex.checks_ if check.size > 1e-9]
            assert all(check.bound < abs(check.expected) for check in live)  # not vacuous
            assert relative_error(ex.delta_by_entry.sum(axis=0), ex.delta.sum(axis=0)) < BY_HAND
            assert relative_error(ex.dV_term(T), gradients["V"]) < BY_HAND
            if ex.norms[-1].any():  # some relus are off
                assert sum(row["share"] for row in ex.ladder(T)) == pytest.approx(1)


@pytest.mark.parametrize("readout", OF_ALL)
def test_what_is_read_and_where_errors_enter(readout):
    network, x, y = make(readout, ("gru",))
    ex = explain(network, x, y, check=False)
    h = ex.h_top
    for t in range(1, T + 1):
        r = h[:t].mean(axis=0) if readout == "mean" else h[:t].max(axis=0)
        assert relative_error(ex.r[t - 1], r) < ROUNDING
        weights = np.zeros((T, H))
        if readout == "mean":
            weights[:t] = 1 / t
        else:
            weights[h[:t].argmax(axis=0), range(H)] = 1
        assert relative_error(ex.reading(t), weights) < ROUNDING
    error = ex.V.T @ ex.output_error[-1]
    assert relative_error(ex.entering(T), ex.reading(T) * error) < ROUNDING
    assert relative_error(ex.entering(T).sum(axis=0), error) < ROUNDING
    entries = np.flatnonzero(ex.reading(T).any(axis=1))
    assert ex.entries.tolist() == entries.tolist()
    assert np.flatnonzero(ex.delta_by_entry.any(axis=(1, 2))).tolist() == entries.tolist()
    written = json.loads(ex.to_json())
    assert (written["readout"], written["r"]) == (readout, ex.r.tolist())
    assert written["reading"] == [ex.reading(T).tolist()]


@pytest.mark.parametrize("readout", OF_ALL)
def test_cuts_are_by_steps_from_where_errors_enter(readout):
    """Cut 0 steps back is what is left if W h_{t-1} is held constant everywhere."""
    network, x, y = make(readout)
    ex = explain(network, x, y, check=False)
    direct = ex.entering(T) * (1 - ex.h_activated**2)
    explicit = direct.T @ ex.h_previous
    whole = ex.gradients["W1"]
    error = np.linalg.norm(explicit - whole) / np.linalg.norm(whole)
    assert ex.truncation[0]["relative_error"] == pytest.approx(error, rel=1e-12)
    assert ex.held.relative_error == pytest.approx(error, rel=1e-12)
    assert ex.truncation[-1]["relative_error"] < 1e-14
    for k in (0, 2, T):
        cut = explain(network, x, y, truncate=k, learning_rate=1.0, check=False)
        step = network.parameters["W1"] - cut.update["after"]["W1"]
        left = np.linalg.norm(step - whole) / np.linalg.norm(whole)
        expected = ex.truncation[min(k, T - 1)]["relative_error"]
        assert left == pytest.approx(expected, rel=1e-9, abs=1e-14)


def test_reach_counts_from_where_errors_enter():
    network, x, y = make("mean")
    ex = explain(network, x, y, check=False)
    direct = np.linalg.norm(ex.entering(T), axis=1)
    slope = np.linalg.norm(ex.entering(T) * (1 - ex.h_activated**2), axis=1)
    assert ex.reach[0] == pytest.approx(np.median(slope / direct), rel=1e-12)
    back = (1 - ex.h_activated[:-1] ** 2) * (
        (ex.entering(T) * (1 - ex.h_activated**2))[1:] @ network.parameters["W1"]
    )
    assert ex.reach[1] == pytest.approx(np.median(np.linalg.norm(back, axis=1) / direct[1:]))


def test_steps_that_the_output_does_not_read_are_a_kind_of_nothing():
    network, x, y = make("max")
    network.parameters["U1"][...] = np.abs(network.parameters["U1"])
    x = np.abs(x)
    x[3] *= 30  # all units are largest there
    network.parameters["W1"][...] *= 0.1
    ex = explain(network, x, y)
    assert ex.entries.tolist() == [3]
    assert ex.kinds[-1, 4:].tolist() == ["unread"] * (T - 4)
    assert "unread" not in ex.kinds[-1, :4]
    assert ex.passed
    dense, x, y = make("mean", ("dense",))
    assert set(explain(dense, x, y).kinds[-1]) == {"live"}  # an error enters at each step


# Ties


def repeating(cells, seed):
    """A sequence that comes again and again: so do the states, to the last digit or almost."""
    network, x, y = make("max", cells, seed)
    for name in ("W1", "W2"):
        if name in network.parameters:
            network.parameters[name][...] *= 0.2
    return network, np.tile(x, (16, 1)), y


@pytest.mark.parametrize("cells", [("tanh",), ("gru",), ("lstm",), ("relu",), ("tanh", "gru")])
def test_equal_and_all_but_equal_steps_are_proved(cells):
    n_tied = 0
    for seed in range(4):
        ex = explain(*repeating(cells, seed))
        differences = np.abs(ex.h_top[:-1] - ex.r[-1])
        n_tied += int(((differences < 1e-15).sum(axis=0) > 1).sum())
        assert ex.passed
        live = [check for check in ex.checks_ if check.size > 1e-9]
        assert live
        assert all(check.bound < abs(check.expected) for check in live)
    assert n_tied > 0


def test_saturated_units_are_read_at_the_first_of_equal_steps():
    network, x, y = make("max")
    network.parameters["b1"][...] = 40.0  # tanh is 1 to the last digit at each step
    ex = explain(network, x, y)
    assert (ex.h_top == 1).all()
    assert ex.entries.tolist() == [0]
    assert ex.passed


# Planted errors


def failed(ex):
    return not ex.passed and ex.n_proved < ex.n_terms


@pytest.mark.parametrize("cells", [("tanh",), ("gru",), ("dense", "tanh")], ids="-".join)
def test_error_at_the_wrong_step_of_a_maximum_is_found(monkeypatch, cells):
    def back(self, d, h, before, t):
        return d, None  # all to the last step

    def to_the_smallest(self, d, h, before, t):
        if before is None:
            return d, None
        return np.where(h < before, d, 0), np.where(h < before, 0, d)

    for wrong in (back, to_the_smallest):
        monkeypatch.setattr(Max, "back", wrong)
        assert failed(explain(*make("max", cells)))


def test_of_equal_steps_the_last_is_found(monkeypatch):
    def last_of_equal(self, d, h, before, t):
        if before is None:
            return d, None
        return np.where(h >= before, d, 0), np.where(h >= before, 0, d)

    network, x, y = make("max", ("relu",))
    x[...] = np.abs(x[0])  # stands still
    network.parameters["W1"][...] = 0
    network.parameters["b1"][...] = 1.0
    assert explain(network, x, y).passed
    monkeypatch.setattr(Max, "back", last_of_equal)
    assert not explain(network, x, y).passed


@pytest.mark.parametrize("cells", [("tanh",), ("gru",), ("dense", "tanh")], ids="-".join)
def test_missing_division_by_T_is_found(monkeypatch, cells):
    monkeypatch.setattr(Mean, "error", lambda self, dr, t: dr)
    ex = explain(*make("mean", cells))
    assert failed(ex)
    assert ex.sum_error < 1e-13  # wrong alike in the terms and in their sum


@pytest.mark.parametrize("readout", OF_ALL)
@pytest.mark.parametrize("module", [reading_module, equations_network])
def test_error_at_the_last_step_alone_is_found(monkeypatch, module, readout):
    def wrong(readout, dr, h, carried):
        return list(dr)

    monkeypatch.setattr(module, "errors_of_states", wrong)
    assert not explain(*make(readout)).passed


def test_a_step_chosen_by_rounding_would_fail(monkeypatch):
    """What keeps the proof from choosing anew is needed."""
    monkeypatch.setattr(Max, "chooses", False)
    passed = []
    for seed in range(12):
        passed.append(explain(*repeating(("gru",), seed)).passed)
    assert not all(passed)


# Flow, estimators, the page


@pytest.mark.parametrize("shard", [2, 256])
@pytest.mark.parametrize("readout", OF_ALL)
@pytest.mark.parametrize("cells", [("tanh",), ("lstm", "gru"), ("dense", "tanh")], ids="-".join)
def test_flow_is_that_of_the_last_step_read(monkeypatch, cells, readout, shard):
    monkeypatch.setattr(flow_module, "_SHARD", shard)
    network, _, _ = make(readout, cells)
    rng = np.random.default_rng(5)
    lengths = (4, 1, 7, 7, 2, 5)
    X, y = [rng.standard_normal((n, D)) for n in lengths], rng.integers(K, size=6)
    for layer in range(1, len(cells) + 1):
        flow = gradient_flow(network, X, y, layer=layer)
        reach = np.full((6, 7), np.nan)
        for i, (x, y_i) in enumerate(zip(X, y, strict=True)):
            ex = explain(network, x, y_i, layer=layer, check=False)
            j = ex.entries[-1]
            sizes = np.linalg.norm(ex.delta_by_entry[j, : j + 1], axis=1)[::-1]
            reach[i, : j + 1] = sizes / np.linalg.norm(ex.entering(ex.T)[j])
        counts = (~np.isnan(reach)).sum(axis=0)
        assert flow.counts.tolist() == counts.tolist()
        there = counts > 0
        median = np.nanmedian(reach[:, there], axis=0)
        assert flow.norms[there] == pytest.approx(median, rel=1e-12)


@pytest.mark.parametrize("readout", OF_ALL)
def test_classifier_behind_a_front_end(tmp_path, readout):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 40, 1)).cumsum(axis=1)
    y = np.where(X[:, -1, 0] > X[:, 0, 0], "up", "down")
    front = {"frame": (6, 3), "differences": True, "standardize": "sequence"}
    model = elman.RNNClassifier(
        6, cell="gru", readout=readout, max_iter=2, random_state=0, **front
    ).fit(X, y)
    ex = explain(model, X[3], y[3])
    assert ex.passed
    assert relative_error(ex.y_activated[-1], model.predict_proba(X[3:4])[0]) < 1e-5
    assert gradient_flow(model, X, y).n_sequences == 20
    found = Outline(render(ex)).panels[2].one("table", class_="inputs").one("tbody").elements
    entering = np.abs(ex.x) * np.linalg.norm(ex.U, axis=0)
    root = np.sqrt((entering**2).mean(axis=0))
    order = np.argsort(-root)[:16]
    assert [row.elements[0].text for row in found] == [ex.features[i] for i in order]
    for i, row in zip(order, found, strict=True):
        dU = np.linalg.norm(ex.gradients["U1"][:, i])
        U, at = np.linalg.norm(ex.U[:, i]), entering[:, i].argmax()
        expected = [number(root[i]), number(entering[at, i]), str(at + 1), number(U), number(dU)]
        assert [cell.text for cell in row.elements[1:]] == expected


def rows_of(outline, class_):
    table = outline.panels[4].one("table", class_=class_)
    return [[cell.text for cell in row.elements] for row in table.one("tbody").elements]


@pytest.mark.parametrize("cells", [("tanh",), ("gru",), ("lstm", "gru"), ("dense",)], ids="-".join)
@pytest.mark.parametrize("readout", OF_ALL)
def test_page_says_what_was_read(readout, cells):
    ex = explain(*make(readout, cells))
    page = render(ex)
    assert "What the output reads" in page
    outline = Outline(page)
    rows = rows_of(outline, "read-units")
    order = np.argsort(-np.abs(ex.output_error[-1] @ ex.V), kind="stable")
    assert [row[0] for row in rows] == [str(i + 1) for i in order]
    for i, row in zip(order, rows, strict=True):
        step = str(ex.h_top[:, i].argmax() + 1)
        assert row[1] == (step if readout == "max" else f"1 … {T}, 0.1429 of each")
    steps = [row[0] for row in rows_of(outline, "read-steps")]
    assert steps == [str(j + 1) for j in ex.entries]
    assert "What the output reads" not in render(explain(*make("last", cells)))
