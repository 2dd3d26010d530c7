"""Several networks trained side by side are one estimator with one network."""

import json

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

import elman
from elman import (
    Checkpoint,
    ModelFileError,
    RNNClassifier,
    RNNRegressor,
    RNNStepRegressor,
    RNNTagger,
)
from elman.persistence import read_model, write_model
from plain import plain_model

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = [RNG.standard_normal((T, 2)) for T in RNG.integers(2, 7, 20)]
SUMS = np.array([x.sum() for x in X])
STEP_SUMS = [x.sum(axis=1) for x in X]
LABELS = np.where(SUMS > 0, "high", "low")
STEP_LABELS = [s > 0 for s in STEP_SUMS]
KINDS = {
    RNNClassifier: LABELS,
    RNNRegressor: SUMS,
    RNNTagger: STEP_LABELS,
    RNNStepRegressor: STEP_SUMS,
}


def model_of(kind=RNNClassifier, n_members=3, **params):
    settings = {"max_iter": 3, "batch_size": 8, "engine": "reference", "random_state": 0}
    return plain_model(kind, 3, n_members=n_members, **settings | params)


def test_auto_is_several_where_there_is_time_and_sequences_are_answered_once():
    for kind, y in KINDS.items():
        model = kind(2, max_iter=1, engine="reference", random_state=0).fit(X, y)
        expected = 1 if model._every_step else 4
        assert model.n_members_ == expected
        assert model.network_.architecture.hidden == (2 * expected,)


@pytest.mark.parametrize(("times", "expected"), [(1, 4), (1.01, 2), (2, 2), (2.01, 1), (1e9, 1)])
def test_auto_counts_parameters_epochs_and_the_steps_of_long_sequences(
    times, expected, monkeypatch
):
    model = model_of(n_members="auto")
    work = model_of(n_members=1).fit(X, LABELS).network_.architecture.n_parameters
    work *= 3 * len(X) * sorted(map(len, X))[-2]  # the one that one in sixteen exceeds
    monkeypatch.setattr("elman.training.budget.ENOUGH_WORK", 4 * work / times)
    assert model.fit(X, LABELS).n_members_ == expected


@pytest.mark.parametrize("kind", KINDS)
def test_asked_for_every_estimator_has_several(kind, tmp_path):
    model = model_of(kind, n_members=2).fit(X, KINDS[kind])
    assert model.n_members_ == 2
    assert model.network_.architecture.hidden == (6,)
    assert np.isfinite(model.score(X, KINDS[kind]))
    model.save(tmp_path / "model", optimizer=True)
    loaded = elman.load(tmp_path / "model")
    assert (loaded.n_members, loaded.n_members_) == (2, 2)
    assert str(loaded.predict(X)) == str(model.predict(X))
    assert loaded.history_ == model.history_


def test_the_first_network_begins_as_one_alone():
    begun = []
    for n_members in (1, 3):
        model = model_of(n_members=n_members, learning_rate_init=1e-30, recurrent_rate=0.0).fit(
            X, LABELS
        )
        begun.append(model.network_.parameters)
    one, three = begun
    np.testing.assert_array_equal(three["W1"][:3, :3], one["W1"])
    np.testing.assert_array_equal(three["U1"][:3], one["U1"])
    assert (three["U1"][3:6] != one["U1"]).any()


def test_a_stream_is_answered_as_the_sequence_is():
    model = model_of(engine="compiled", cell="gru").fit(X, LABELS)
    state = model.initial_state()
    for x_t in X[0]:
        answer, state = model.step(x_t, state)
    np.testing.assert_array_equal(answer, model.predict_proba(X[:1])[0])


@pytest.mark.parametrize("again", ["warm_start", "partial_fit", "from a file"])
def test_going_on_trains_the_one_network_that_they_are(again, tmp_path):
    model = model_of(solver="sgd").fit(X, LABELS)
    before = model.network_.parameters.copy()
    if again == "from a file":
        model.save(tmp_path / "model", optimizer=True)
        model = elman.load(tmp_path / "model")
    if again == "warm_start":
        model.set_params(warm_start=True).fit(X, LABELS)
    else:
        model.partial_fit(X, LABELS)
    after = model.network_.parameters
    assert after.architecture == before.architecture
    assert model.n_members_ == 3
    assert model.n_iter_ == (6 if again == "warm_start" else 4)
    assert (before["W1"][:3, 3:] == 0).all()
    assert (after["W1"][:3, 3:] != 0).any()  # units of different networks are connected by now
    model.set_params(hidden_layer_sizes=9)
    with pytest.raises(InvalidParameterError, match=r"hidden=\(3,\).*of which n_members=3 were"):
        model.partial_fit(X, LABELS)


def test_another_number_cannot_go_on():
    model = model_of(n_members=2, warm_start=True).fit(X, LABELS)
    model.set_params(n_members=3)
    with pytest.raises(InvalidParameterError, match=r"n_members=3 cannot change.*goes on with 2\."):
        model.fit(X, LABELS)
    assert model.set_params(n_members="auto").fit(X, LABELS).n_members_ == 2


def test_partial_fit_begins_with_one():
    model = model_of().partial_fit(X, LABELS)
    assert model.n_members_ == 1
    model.set_params(warm_start=True, n_members="auto").fit(X, LABELS)
    assert model.network_.architecture.hidden == (3,)


def test_early_stopping_scores_what_is_kept():
    """The score of the best epoch is that of the network in the end, not of its parts."""
    model = model_of(
        early_stopping=True, max_iter=9, validation_fraction=0.3, learning_rate_init=0.05
    )
    model = model.fit(X, LABELS, validation_data=(X[:10], LABELS[:10]))
    assert model.score(X[:10], LABELS[:10]) == model.best_validation_score_


def test_an_interrupted_fit_is_loaded_as_the_network_that_it_was(tmp_path):
    """The checkpoint of a training under way is the network of that moment."""

    def interrupt(progress):
        if progress.update == 4:
            raise KeyboardInterrupt

    path = tmp_path / "run.ckpt"
    with pytest.raises(KeyboardInterrupt):
        model_of().fit(X, LABELS, checkpoint=Checkpoint(path, every=0), callback=interrupt)
    loaded = elman.load(path)
    assert loaded.n_members_ == 3
    training = read_model(path).settings["training"]
    assert (training["n_members"], training["under_way"] is None) == (3, True)
    expected = model_of().fit(X, LABELS)
    resumed = model_of().fit(X, LABELS, resume=path)
    np.testing.assert_array_equal(
        resumed.network_.parameters.vector, expected.network_.parameters.vector
    )


def test_resuming_a_warm_start_trains_one_network(tmp_path):
    path = tmp_path / "run.ckpt"

    def begun():
        return model_of(warm_start=True).fit(X, LABELS)

    model = begun().fit(X, LABELS, checkpoint=Checkpoint(path, every=0))
    assert "n_members" not in read_model(path).settings["training"]
    resumed = model_of().fit(X, LABELS, resume=path)
    np.testing.assert_array_equal(
        resumed.network_.parameters.vector, model.network_.parameters.vector
    )


@pytest.mark.parametrize("n_members", [0, 2.0, "3", 5, None])
def test_a_file_whose_networks_do_not_fit_is_refused(n_members, tmp_path):
    path = tmp_path / "model"
    model_of().fit(X, LABELS).save(path)
    model = read_model(path)
    write_model(path, model.kind, model.settings | {"n_members": n_members}, model.arrays)
    with pytest.raises(ModelFileError, match="n_members is"):
        elman.load(path)


def test_a_file_from_before_has_one_network(tmp_path):
    path = tmp_path / "model"
    model_of(n_members=1).fit(X, LABELS).save(path)
    model = read_model(path)
    assert "n_members" not in model.settings
    settings = json.loads(json.dumps(model.settings))
    del settings["params"]["n_members"]
    write_model(path, model.kind, settings, model.arrays)
    loaded = elman.load(path)
    assert (loaded.n_members, loaded.n_members_) == (1, 1)


def test_more_than_there_is_memory_for_is_refused_before_it_is_taken(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "elman.estimators.building.require_memory",
        lambda n_bytes, what: asked.append((n_bytes, what)),
    )
    for n_members in (1, 10):
        model_of(n_members=n_members).fit(X, LABELS)
    (one, _), (ten, what) = asked
    assert ten > 10 * one
    assert what == f"training {10 * 26:,} parameters"


def test_clone_and_the_same_seed_give_the_same_bits():
    model = model_of(dropout=0.2)
    again = clone(model)
    vectors = [each.fit(X, LABELS).network_.parameters.vector for each in (model, again)]
    np.testing.assert_array_equal(*vectors)
