"""How long estimators train, what they keep aside, and what they say when it comes to nothing."""

import logging
import re
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import InvalidParameterError

from elman import (
    DataError,
    DivergenceError,
    RNNClassifier,
    RNNRegressor,
    RNNStepRegressor,
    RNNTagger,
)
from elman.estimators.advice import _measured
from elman.estimators.holding_out import split
from elman.training import budget
from learners import LENGTHS, examples_of, network_of
from plain import plain_model

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 6, 2)).cumsum(axis=1)
Y = np.digitize(X[:, -1, 0], [-1.5, 1.5])
SMALL = {"hidden_layer_sizes": 4, "random_state": 0, "engine": "reference"}


def bits(estimator):
    return estimator.network_.parameters.vector.tobytes()


# The budget


@pytest.fixture
def few_updates(monkeypatch):
    """Twenty make a budget, so that tests are fast."""
    monkeypatch.setattr(budget, "N_UPDATES", 20)


def test_budget_of_default_is_updates(few_updates, capsys):
    told = []
    model = RNNClassifier(**SMALL, verbose=True).fit(X[:33], Y[:33], callback=told.append)
    assert model.get_params()["max_iter"] == "auto"
    assert model.n_iter_ == len(model.history_) == 10  # of 3 updates: 20 would be 7
    assert [(p.update, p.n_updates) for p in told if p.row] == [
        (3 * (epoch + 1), 30) for epoch in range(10)
    ]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines][:2] == ["epoch 1/10", "epoch 2/10"]
    rates = [row["learning_rate"] for row in model.history_]
    assert 0 < rates[-1] < 0.05 * max(rates)  # the cosine falls to its end
    alike = RNNClassifier(**SMALL, max_iter=10, batch_size=16).fit(X[:33], Y[:33])
    assert bits(alike) == bits(model)


def test_small_sets_get_more_epochs(few_updates):
    assert RNNClassifier(**SMALL).fit(X[:16], Y[:16]).n_iter_ == 20
    assert RNNClassifier(**SMALL, early_stopping=True).fit(X[:17], Y[:17]).n_iter_ == 20


@pytest.mark.parametrize("n", [2, 15])
def test_sets_below_a_batch_train(few_updates, n):
    for kind, y in [
        (RNNClassifier, np.arange(n) % 2),
        (RNNTagger, np.arange(6 * n).reshape(n, 6) % 2),
        (RNNRegressor, np.arange(n) * 1.0),
        (RNNStepRegressor, np.arange(6.0 * n).reshape(n, 6)),
    ]:
        assert kind(**SMALL).fit(X[:n], y).n_iter_ == 20


def test_warm_start_has_a_budget_of_its_own(few_updates):
    model = RNNClassifier(**SMALL, warm_start=True).fit(X[:16], Y[:16]).fit(X[:16], Y[:16])
    assert model.n_iter_ == 40
    assert model.history_[19]["learning_rate"] == model.history_[39]["learning_rate"]


# Keeping sequences aside


def test_of_each_class_one_is_kept_aside(caplog):
    """Fifty sequences of ten classes: a tenth would be five."""
    y = np.repeat(np.arange(10), 5)
    kept, held_out = split(50, 0.1, 0, y)
    assert sorted(y[held_out]) == list(range(10))
    assert sorted([*kept, *held_out]) == list(range(50))
    assert caplog.messages == [
        "early_stopping keeps 10 of 50 sequences aside, more than validation_fraction=0.1: one of "
        "each class at least"
    ]
    model = RNNClassifier(**SMALL, early_stopping=True, max_iter=2).fit(X[:50], y)
    assert len(model.validation_scores_) == 2


@pytest.mark.parametrize(
    ("sizes", "fraction", "expected"),
    [
        ((40, 2, 2), 0.1, [4, 1, 1]),
        ((40, 1, 2), 0.1, [4, 0, 1]),
        ((2, 2, 2), 0.9, [1, 1, 1]),
        ((30, 10, 20), 0.2, [6, 2, 4]),
        ((1, 1, 5), 0.1, [0, 0, 1]),
    ],
)
def test_classes_are_kept_aside_alike(sizes, fraction, expected):
    y = np.repeat(np.arange(len(sizes)), sizes)
    for seed in range(5):
        kept, held_out = split(len(y), fraction, seed, y)
        assert np.bincount(y[held_out], minlength=3).tolist() == expected
        assert sorted([*kept, *held_out]) == list(range(len(y)))
    drawn = {tuple(split(len(y), fraction, seed, y)[1]) for seed in range(20)}
    assert len(drawn) > 1


def test_without_classes_the_share_is_kept_aside(caplog):
    assert len(split(60, 0.1, 0, None)[1]) == 6
    assert caplog.messages == []
    assert len(split(5, 0.1, 0, None, fewest=2)[1]) == 2
    assert "a score takes 2" in caplog.text
    assert len(split(2, 0.9, 0, None)[0]) == 1
    with pytest.raises(DataError, match=r"0\.1 of 1 sequence aside.*validation_data"):
        split(1, 0.1, 0, None)


def test_few_numbers_are_scored(few_updates):
    assert len(RNNRegressor(**SMALL, early_stopping=True).fit(X[:7], Y[:7]).validation_scores_) > 9


# Divergence


def exploding(**params):
    settings = {"cell": "relu", "solver": "sgd", "clip_norm": None, "batch_size": 20} | params
    return plain_model(RNNClassifier, **SMALL, **settings, max_iter=8, learning_rate="constant")


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_divergence_is_recovered_from_with_the_same_bits(engine, capsys, caplog):
    caplog.set_level(logging.INFO, "elman")
    models = [
        exploding(learning_rate_init=30.0, verbose=n_jobs == 1)
        .set_params(engine=engine, n_jobs=n_jobs)
        .fit(X, Y)
        for n_jobs in (1, 2)
    ]
    assert bits(models[0]) == bits(models[1])
    recovered = [row["recovered"] for row in models[0].history_ if "recovered" in row]
    assert recovered
    assert recovered[0] in capsys.readouterr().out
    told = [record.message for record in caplog.records if record.name == "elman"]
    assert recovered[0].startswith(told[0])
    assert models[0].n_iter_ == 8
    assert models[0].history_[-1]["learning_rate"] < 30.0
    assert np.isfinite(models[0].predict_proba(X)).all()


def test_divergence_for_good_is_an_error_with_what_was_tried():
    with pytest.raises(DivergenceError, match=r"gone on 5 times .* at last with 1/32"):
        exploding(learning_rate_init=1e30).fit(X, Y)


def test_partial_fit_recovers_within_its_call():
    model = exploding(learning_rate_init=30.0)
    for _ in range(3):
        model.partial_fit(X, Y)
    assert any("recovered" in row for row in model.history_)
    assert np.isfinite(model.predict_proba(X)).all()


# Nothing learned


NOISE = np.random.default_rng(3).standard_normal((48, 5, 1))
COIN = np.random.default_rng(4).integers(2, size=48)


def warning_of(model, X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    return [str(w.message) for w in caught if w.category is ConvergenceWarning]


def test_training_that_learned_nothing_says_so():
    idle = {"learning_rate_init": 1e-6, "max_iter": 40, "batch_size": 16}
    (message,) = warning_of(RNNClassifier(**SMALL, **idle), NOISE, COIN)
    found = re.search(r"is ([\d.]+), and guessing the classes .* has ([\d.]+)\.", message)
    assert message.startswith("RNNClassifier has learned next to nothing: its loss on the training")
    share = COIN.mean()
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert float(found[2]) == pytest.approx(entropy, rel=1e-3)
    assert float(found[1]) > 0.99 * entropy
    assert "The learning rate was 1e-06 at most, and so weights hardly moved." in message
    assert "Try a higher one, learning_rate_init=0.003." in message
    idle["solver"] = "sgd"  # whose rates are of no one size
    (message,) = warning_of(RNNClassifier(**SMALL, **idle), NOISE, COIN)
    assert 'There were 120 updates. Try more: max_iter="auto" makes 1,500.' in message
    (message,) = warning_of(RNNRegressor(**SMALL, **idle), NOISE, COIN)
    assert "one number for all has 0.5" in message


def test_training_that_ends_worse_than_guessing_says_so_and_the_advice_helps():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 20, 1))
    y = (X[:, 0, 0] > 0).astype(int)
    settings = {"solver": "sgd", "clip_norm": None, "max_iter": 10, "random_state": 0}
    rate, warned = 100.0, []
    while found := warning_of(
        RNNClassifier(16, n_members=1, learning_rate_init=rate, **settings), X, y
    ):
        warned += found
        rate = float(
            re.search(r"Try a lower learning rate, learning_rate_init=(\S+)\.$", found[0])[1]
        )
    assert "That is worse than guessing: each update goes too far." in warned[0]


def test_training_that_learned_or_was_cut_short_or_had_nothing_to_learn_does_not():
    settings = {"learning_rate_init": 0.03, "max_iter": 40}
    assert warning_of(RNNClassifier(**SMALL, **settings), X, Y) == []
    assert warning_of(RNNClassifier(**SMALL, learning_rate_init=1e-6, max_iter=5), X, Y) == []
    assert warning_of(RNNRegressor(**SMALL, **settings), X, np.full(60, 3.3)) == []


def test_vanishing_gradient_is_measured_and_the_advice_helps():
    """The class is the sign of the first step; then come 200 steps of noise, and a leaky cell."""
    rng = np.random.default_rng(5)
    y = rng.integers(2, size=400)
    X = 0.3 * rng.standard_normal((400, 200, 1))
    X[:, 0, 0] = 4 * y - 2
    settings = {"hidden_layer_sizes": 4, "random_state": 0, "cell": "leaky", "max_iter": 10}
    (message,) = warning_of(plain_model(RNNClassifier, **settings), X, y)
    assert "The gradient vanishes: at a sequence's first step 2.1e-09 of an error" in message
    assert 'Try readout="max" or fewer and larger steps, frame=(10, 10).' in message
    settings["max_iter"] = 60
    larger = X.reshape(400, 20, 10)
    for advised, steps in (({"readout": "max"}, X), ({"frame": (10, 10)}, X), ({}, larger)):
        model = plain_model(RNNClassifier, **settings | advised)
        assert warning_of(model, steps, y) == []
        assert model.score(steps, y) > 0.95


def test_saturated_states_are_measured_and_the_advice_helps():
    rng, y, steps = np.random.default_rng(0), np.arange(60) % 2, np.arange(30)[:, None]
    phases = rng.standard_normal((60, 1, 1))
    waves = np.sin(steps * np.where(y, 0.5, 0.9)[:, None, None] + phases)
    waves += 0.3 * rng.standard_normal((60, 30, 1))
    settings = {"hidden_layer_sizes": 16, "random_state": 0, "max_iter": 60, "batch_size": 10}
    (message,) = warning_of(
        plain_model(RNNClassifier, **settings, learning_rate_init=3.0), waves, y
    )
    assert "100% of the states are at the largest or smallest value" in message
    assert "Try a lower learning rate, learning_rate_init=0.003." in message
    model = plain_model(RNNClassifier, **settings, learning_rate_init=0.003)
    assert warning_of(model, waves, y) == []
    assert model.score(waves, y) > 0.9


def test_reach_is_the_error_before_the_first_step():
    """In numbers: h_0 of a network with little W has little of an error."""
    examples = examples_of([6] * 4, False)
    parameters = network_of((4,))
    reaches = []
    for factor in (1.0, 0.1, 10.0):
        scaled = parameters.copy()
        scaled["W1"][...] *= factor
        scaled["U1"][...] *= 1e-3  # f' is 1, nearly
        scaled["b1"][...] = 0
        reaches.append(_measured(scaled, examples)[0])
    assert reaches[0] == pytest.approx(1, rel=0.01)  # W is orthogonal
    assert reaches[1] == pytest.approx(1e-6, rel=0.01)
    reach, saturated = _measured(network_of((4, 3)), examples_of(LENGTHS, True))
    assert reach > 0
    assert saturated < 0.5


# The rest


def test_recurrent_rate_of_one_is_the_same_bits_and_zero_keeps_W():
    plain, one, fixed = (
        plain_model(RNNClassifier, **SMALL, max_iter=3, **params).fit(X, Y)
        for params in ({}, {"recurrent_rate": 1}, {"recurrent_rate": 0})
    )
    assert bits(plain) == bits(one) != bits(fixed)
    W = fixed.network_.parameters["W1"]
    np.testing.assert_allclose(W @ W.T, np.eye(4), atol=1e-6)  # as it was drawn


def test_another_solver_is_refused_by_partial_fit():
    model = RNNClassifier(**SMALL, max_iter=2, solver="momentum").partial_fit(X, Y)
    before = bits(model)
    with pytest.raises(InvalidParameterError, match=r"solver='nesterov' .* Momentum .*back"):
        model.set_params(solver="nesterov").partial_fit(X, Y)
    assert bits(model) == before
    model.set_params(warm_start=True).fit(X, Y).partial_fit(X, Y)
    assert model.n_iter_ == 4


def test_nothing_is_said_of_a_loss_that_is_not_known():
    """No epoch of the second fit has a better score than the first fit came to."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((64, 12, 2)).cumsum(axis=1)
    model = plain_model(
        RNNClassifier, 8, max_iter=40, early_stopping=True, warm_start=True, random_state=0
    )
    y = X[:, -1, 0] > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)
        model.set_params(learning_rate_init=1e-9).fit(X, y)


def test_learning_by_heart_is_not_called_learning_nothing():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 10, 2)), np.arange(40) % 2
    model = RNNClassifier(8, max_iter=200, random_state=0)
    with pytest.warns(ConvergenceWarning, match="training data by heart .* no epoch scored better"):
        model.fit(X, y, validation_data=(X, 1 - y))
