"""``gradient_flow``: against ``explain``, a sequence at a time, and its verdicts."""

import numpy as np
import pytest

from elman import DataError, Network, RNNClassifier, RNNTagger, explain, gradient_flow
from elman.explanation import flow as flow_module
from plain import plain_model

LENGTHS = (4, 1, 7, 7, 2, 5)


def make(cells=("tanh", "relu"), seed=0, K=3):
    rng = np.random.default_rng(seed)
    network = Network(2, (4, 3)[: len(cells)], K, cell=cells, dtype=np.float64)
    network.parameters.vector[...] = 0.8 * rng.standard_normal(len(network.parameters.vector))
    X = [rng.standard_normal((length, 2)) for length in LENGTHS]
    return network, X, rng


@pytest.mark.parametrize("shard", [2, 256])
@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize(
    "cells",
    [("tanh",), ("tanh", "relu"), ("dense", "tanh"), ("lstm",), ("gru", "lstm"), ("leaky",)],
    ids="-".join,
)
def test_flow_is_that_of_each_sequence(monkeypatch, cells, every_step, shard):
    monkeypatch.setattr(flow_module, "_SHARD", shard)
    network, X, rng = make(cells)
    y = [rng.integers(3, size=n) for n in LENGTHS] if every_step else rng.integers(3, size=6)
    for layer, cell in enumerate(cells, start=1):
        flow = gradient_flow(network, X, y, layer=layer)
        reach = np.full((6, 7), np.nan)
        saturated = np.zeros((7, 2))
        for i, (x, y_i) in enumerate(zip(X, y, strict=True)):
            ex = explain(network, x, y_i, layer=layer, check=False)
            told = np.linalg.norm(ex.V.T @ ex.output_error[-1])
            reach[i, : ex.T] = np.linalg.norm(ex.delta[-1], axis=1)[::-1] / told
            for t in range(ex.T):
                saturated[t] += (ex.openness[t] < 0.1).sum(), ex.H
        assert flow.counts.tolist() == [6, 5, 4, 4, 3, 2, 2]
        low, median, high = np.nanquantile(reach, [0.1, 0.5, 0.9], axis=0)
        assert flow.norms == pytest.approx(median, rel=1e-12)
        assert flow.quantiles == pytest.approx(np.array([low, high]), rel=1e-12)
        assert flow.saturated == pytest.approx(saturated[:, 0] / saturated[:, 1])
        assert flow.saturated_share == pytest.approx(saturated[:, 0].sum() / saturated[:, 1].sum())
        if cell == "dense":
            assert len(flow.singular) == 0
            assert np.isnan(flow.lyapunov).all()
        else:
            assert len(flow.singular) == 5  # one a sequence that has a Jacobian
            largest = [explain(network, x, 0, layer=layer, check=False).singular for x in X]
            for value in flow.singular:
                assert np.nanmin(np.abs(np.concatenate(largest) - value)) < 1e-12
            exponents = [
                explain(network, x, 0, layer=layer, check=False).lyapunov for x in X if len(x) > 1
            ]
            assert flow.lyapunov == pytest.approx(np.mean(exponents, axis=0))


def test_single_precision_reaches_as_far_as_double():
    """The way back is in float64: errors grow or shrink beyond what float32 has."""
    rng = np.random.default_rng(0)
    for factor, n_steps in ((4, 300), (0.01, 60)):
        single = Network(1, 32, 3, seed=0)
        single.parameters["W1"][...] *= factor
        X = 0.1 * rng.standard_normal((5, n_steps, 1))
        norms = gradient_flow(single, X).norms
        assert np.isfinite(norms).all()
        assert (norms > 0).all()
        assert norms[-1] > 1e39 or norms[-1] < 1e-50


def test_layers_without_recurrence_have_one_lag():
    network, X, _ = make(("dense", "dense"))
    flow = gradient_flow(network, X)
    assert len(flow.norms) == 1
    assert flow.kind == "healthy"


@pytest.mark.parametrize(
    ("kind", "W", "U", "b", "words"),
    [
        ("vanishing", 0.1, 0.5, 0, "W is small"),
        ("exploding", 3.0, 1e-9, 0, "Clip it"),
        ("saturated", 1.0, 0.5, 9, "Standardise the inputs"),
        ("healthy", 1.0, 1e-3, 0, "is healthy: 19 steps back"),
    ],
)
def test_verdicts(kind, W, U, b, words):
    network, _, rng = make(("tanh",))
    for name, value in (("W1", W * np.eye(4)), ("U1", U), ("b1", b)):
        network.parameters[name][...] = value
    flow = gradient_flow(network, rng.standard_normal((30, 20, 2)))
    assert flow.kind == kind
    assert words in flow.verdict
    assert len(flow.verdict) < 200  # two lines


def test_without_labels_there_is_an_error_however_sure_the_model_is():
    network, X, _ = make()
    network.parameters["V"][...] *= 1e4
    assert np.isfinite(gradient_flow(network, X).norms).all()
    sure = network.trace(X).y_activated
    told = gradient_flow(network, X, [y_hat[-1].argmax() for y_hat in sure])
    assert np.isnan(told.norms).all()
    assert "no error" in told.verdict


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("frame", [None, (2, 1)])
def test_a_frame_is_advised_only_where_steps_can_be_put_together(every_step, frame):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((10, 20, 2))
    y = rng.integers(3, size=(10, 20)) if every_step else np.arange(10) % 3
    kind = RNNTagger if every_step else RNNClassifier
    model = plain_model(kind, 4, cell="gru", max_iter=1, frame=frame).fit(X, y)
    model.network_.parameters["W1"][...] = 0
    model.network_.parameters["b1"].reshape(4, -1)[1] = -6  # z: nothing is kept
    for verdict in (gradient_flow(model, X, y).verdict, explain(model, X[0], y[0]).verdict):
        assert "Try fewer and larger steps" in verdict
        assert ("frame=" in verdict) is (not every_step and frame is None)
    network = gradient_flow(model.network_, model.network_input(X), y[:1].repeat(10, axis=0))
    assert "frame=" not in network.verdict


def test_estimators():
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 2)) for n in rng.integers(1, 9, 40)]
    steps = [np.where(x[:, 0] > 0, "up", "down") for x in X]
    ends = [labels[-1] for labels in steps]
    tagger = plain_model(RNNTagger, 5, max_iter=2, random_state=0).fit(X, steps)
    classifier = plain_model(RNNClassifier, 5, max_iter=2, random_state=0).fit(X, ends)
    for model, y in ((tagger, steps), (classifier, ends)):
        flow = gradient_flow(model, X, y)
        assert flow.n_sequences == 40
        assert len(flow.norms) == max(map(len, X))
        alone = gradient_flow(model, X[:1], y[:1])
        ex = explain(model, X[0], y[0], check=False)
        told = np.linalg.norm(ex.V.T @ ex.output_error[-1])
        reach = np.linalg.norm(ex.delta[-1], axis=1)[::-1] / told
        assert alone.norms == pytest.approx(reach)
    singular = [gradient_flow(tagger, X, steps).singular for _ in range(2)]
    assert (singular[0] == singular[1]).all()  # what is drawn is drawn from a seed


def test_refused():
    network, X, _ = make(("relu",))
    with pytest.raises(DataError, match="expected 3"):
        gradient_flow(network, X[0])
    with pytest.raises(ValueError, match="layer must be"):
        gradient_flow(network, X, layer=3)
    with pytest.raises(TypeError, match="expected a fitted"):
        gradient_flow(None, X)
    network.parameters["W1"][...] = 1e200
    with pytest.raises(DataError, match="overflow"):
        gradient_flow(network, [abs(x) for x in X])
