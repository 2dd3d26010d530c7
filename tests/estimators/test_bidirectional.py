"""Estimators whose networks go in both directions."""

import numpy as np
import pytest
from sklearn.base import clone
from typer.testing import CliRunner

import elman
from elman import Network, RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
from elman.cli import app
from plain import plain_model

rng = np.random.default_rng(0)
X = [rng.standard_normal((T, 2)) for T in rng.integers(2, 12, 60)]
AHEAD = [np.append(x[1:, 0], 0.0) for x in X]  # at each step the next one's number
FIRST = np.array([x[0, 0] for x in X])

CASES = {
    RNNClassifier: FIRST > 0,
    RNNTagger: [a > 0 for a in AHEAD],
    RNNRegressor: FIRST,
    RNNStepRegressor: AHEAD,
}
SETTINGS = {"hidden_layer_sizes": 8, "max_iter": 40, "random_state": 0, "learning_rate_init": 0.02}


@pytest.fixture(params=CASES, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def fitted(kind, **changes):
    return plain_model(kind, **SETTINGS | {"bidirectional": True} | changes).fit(X, CASES[kind])


def answers(model):
    method = model.predict_proba if hasattr(model, "predict_proba") else model.predict
    return np.concatenate([np.atleast_1d(answer) for answer in method(X)])


def test_what_comes_later_can_be_learnt(kind):
    model = fitted(kind)
    assert model.score(X, CASES[kind]) > 0.9
    assert list(model.network_.parameters)[3:6] == ["U1_reverse", "W1_reverse", "b1_reverse"]
    if model._every_step:
        assert fitted(kind, bidirectional=False).score(X, CASES[kind]) < 0.8


def test_engines_agree(kind):
    found = [fitted(kind, engine=engine, max_iter=2) for engine in ("compiled", "reference")]
    np.testing.assert_allclose(*(answers(model) for model in found), rtol=1e-9, atol=1e-9)


def test_a_file_gives_the_same_bits(kind, tmp_path):
    model = fitted(kind, max_iter=2, hidden_layer_sizes=(3, 4), cell=("lstm", "gru"))
    model.save(tmp_path / "model")
    loaded = elman.load(tmp_path / "model")
    assert loaded.get_params() == model.get_params()
    np.testing.assert_array_equal(answers(loaded), answers(model))


def test_a_network_comes_back(tmp_path):
    network = Network(2, [3, 4], 2, bidirectional=True, learn_initial_state=True, seed=0)
    network.save(tmp_path / "model")
    loaded = Network.load(tmp_path / "model")
    assert loaded.architecture == network.architecture
    np.testing.assert_array_equal(loaded.parameters.vector, network.parameters.vector)


def test_files_of_one_direction_are_as_they_were():
    assert "bidirectional" not in Network(2, 3, 2).architecture.settings


def test_it_is_a_parameter_like_others(kind):
    model = clone(plain_model(kind, bidirectional=True))
    assert model.get_params()["bidirectional"] is True
    with pytest.raises(ValueError, match="'bidirectional' parameter"):
        plain_model(kind, bidirectional="yes").fit(X, CASES[kind])


def test_training_cannot_go_on_in_another_direction(kind):
    model = fitted(kind, max_iter=1, warm_start=True).set_params(bidirectional=False)
    with pytest.raises(
        ValueError, match="bidirectional, learn_initial_state, readout, bias and loss cannot change"
    ):
        model.fit(X, CASES[kind])


def test_training_goes_on(kind):
    model = fitted(kind, max_iter=1, warm_start=True, hidden_layer_sizes=3)
    before = model.network_.parameters.vector.copy()
    assert (model.fit(X, CASES[kind]).network_.parameters.vector != before).all()


def test_step_by_step_is_refused_with_a_reason(kind):
    model = fitted(kind, max_iter=1)
    with pytest.raises(ValueError, match="reverse layers begin at the end of the sequence"):
        model.initial_state()


def test_each_direction_is_explained(kind):
    model = fitted(kind, max_iter=1)
    for reverse in (False, True):
        ex = elman.explain(model, X[0], CASES[kind][0], reverse=reverse)
        assert ex.passed
        assert ex.n_proved == ex.n_terms
        answer = ex.y_activated[::-1] if model._every_step and reverse else ex.y_activated
        if hasattr(model, "predict_proba"):
            expected = np.atleast_2d(model.predict_proba(X[:1])[0])
            assert answer[-len(expected) :] == pytest.approx(expected, rel=1e-4)
        assert elman.gradient_flow(model, X, CASES[kind], reverse=reverse).n_sequences == len(X)


def test_first_values_are_drawn_as_a_forward_layers():
    network = Network(3, [200, 50], 2, bidirectional=True, cell=["tanh", "lstm"], seed=0)
    parameters = network.parameters
    for name in ("W1", "W1_reverse"):
        np.testing.assert_allclose(parameters[name] @ parameters[name].T, np.eye(200), atol=1e-5)
    assert (parameters.gate("b2_reverse", "f") == 1).all()
    assert parameters["U2_reverse"].shape == (200, 400)
    bound = np.sqrt(6 / 450)
    assert 0.99 * bound < np.abs(parameters["U2_reverse"]).max() <= bound
    assert parameters["V"].shape == (2, 100)


def test_intermediates_have_an_entry_a_direction():
    network = Network(2, [3, 4], 2, bidirectional=True, seed=0, engine="reference")
    x = np.random.default_rng(1).standard_normal((1, 5, 2)).astype(np.float32)
    trace = network.trace(x)
    assert [h.shape for h in trace.h_activated] == [(1, 5, 3)] * 2 + [(1, 5, 4)] * 2
    h, U, b = trace.h_activated[1][0], *(network.parameters[f"{m}1_reverse"] for m in "Ub")
    np.testing.assert_allclose(h[4], np.tanh(U @ x[0, 4] + b), rtol=1e-5)  # it begins there


@pytest.mark.parametrize("arguments", [[], ["--cell", "lstm", "--hidden", "4", "--hidden", "4"]])
def test_the_command_line_trains_one(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    train = ["train", "digits", "--epochs", "1", "--bidirectional", *arguments]
    result = CliRunner().invoke(app, train)
    assert result.exit_code == 0, result.output
    assert "bidirectional" in result.output
    assert elman.load("digits.safetensors").network_.architecture.bidirectional
    assert CliRunner().invoke(app, ["evaluate", "digits.safetensors", "digits"]).exit_code == 0


def test_the_command_line_diagnoses_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train = ["train", "digits", "--epochs", "1", "--hidden", "4", "--bidirectional", "--diagnose"]
    result = CliRunner().invoke(app, train)
    assert result.exit_code == 0, result.output
    assert "gradient " in result.output
