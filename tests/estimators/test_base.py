"""What both estimators share: fitting, its course, and what it leaves behind."""

import copy
import json
import os
import pickle
import subprocess
import sys
import threading
import tracemalloc
import warnings
from contextlib import nullcontext
from inspect import signature

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

from elman import (
    DataError,
    DivergenceError,
    RNNClassifier,
    RNNRegressor,
    RNNStepRegressor,
    RNNTagger,
)
from elman.estimators import base
from plain import plain_model
from walks import bits, classifier, ragged, walks

X, Y = walks()


@pytest.fixture(params=["classifier", "classifier of rows", "classifier of a list", "tagger"])
def fitting(request):
    """An estimator that is not fitted, with what it takes."""
    params = {"hidden_layer_sizes": 5, "max_iter": 3, "random_state": 0}
    if request.param == "tagger":
        return plain_model(RNNTagger, **params), *ragged()
    if request.param == "classifier of rows":
        return plain_model(RNNClassifier, **params, step_size=2), X.reshape(60, 12), Y
    if request.param == "classifier of a list":
        return plain_model(RNNClassifier, **params), ragged()[0], [len(x) % 3 for x in ragged()[0]]
    return plain_model(RNNClassifier, **params), X, Y


# The same bits


def test_same_seed_is_the_same_bits(fitting):
    estimator, X, y = fitting
    first = bits(estimator.fit(X, y))
    assert bits(clone(estimator).fit(X, y)) == first
    assert bits(estimator.fit(X, y)) == first
    assert bits(clone(estimator).set_params(random_state=1).fit(X, y)) != first


def test_state_of_the_global_generator_makes_no_difference():
    first = bits(classifier().fit(X, Y))
    np.random.seed(3)  # noqa: NPY002
    assert bits(classifier().fit(X, Y)) == first


def test_random_state_instance_goes_on():
    state = np.random.RandomState(0)
    first, second = (bits(classifier(random_state=state).fit(X, Y)) for _ in range(2))
    assert first != second
    state = np.random.RandomState(0)
    assert bits(classifier(random_state=state).fit(X, Y)) == first


def test_other_processes_get_the_same_bits():
    program = """
import hashlib, numpy as np
from elman import RNNClassifier
rng = np.random.default_rng(0)
X = rng.standard_normal((60, 6, 2)).cumsum(axis=1)
y = np.digitize(X[:, -1, 0], [-1.5, 1.5])
estimator = RNNClassifier(5, max_iter=3, random_state=0).fit(X, y)
print(hashlib.sha256(estimator.network_.parameters.vector.tobytes()).hexdigest())
"""
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": n_threads, "PYTHONHASHSEED": n_threads},
        ).stdout
        for n_threads in "12"
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64


def test_workers_get_the_same_bits():
    fitted = joblib.Parallel(n_jobs=2)(
        joblib.delayed(classifier(random_state=seed).fit)(X, Y) for seed in (0, 1)
    )
    assert [bits(f) for f in fitted] == [
        bits(classifier(random_state=seed).fit(X, Y)) for seed in (0, 1)
    ]


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_come_in_another_order_if_shuffled(shuffle):
    kwargs = {"shuffle": shuffle, "batch_size": 60, "max_iter": 1}
    full_batch = bits(classifier(**kwargs).fit(X, Y))
    reordered = classifier(**kwargs).fit(X[::-1], Y[::-1]).network_.parameters.vector
    # One batch of all: the order shows in the roundings only.
    np.testing.assert_allclose(reordered, np.frombuffer(full_batch), rtol=1e-9, atol=1e-12)
    kwargs["batch_size"] = 7
    first, second = (
        classifier(**kwargs, random_state=0).fit(X, Y).network_.parameters.vector for _ in "ab"
    )
    assert first.tobytes() == second.tobytes()


# Types


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_stay(fitting, dtype):
    estimator, X, y = fitting
    X = [x.astype(dtype) for x in X] if isinstance(X, list) else X.astype(dtype)
    estimator.fit(X, y)
    proba = estimator.predict_proba(X)
    found = {
        estimator.network_.dtype,
        estimator.mean_.dtype,
        estimator.scale_.dtype,
        proba[0].dtype,
        estimator.predict_log_proba(X)[0].dtype,
    }
    assert found == {np.dtype(dtype)}


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, bool, np.float16])
def test_other_numbers_become_doubles(dtype):
    numbers = (np.abs(X) * 2).astype(dtype)
    fitted = classifier().fit(numbers, Y)
    assert fitted.network_.dtype == np.float64
    assert bits(fitted) == bits(classifier().fit(numbers.astype(np.float64), Y))


def test_doubles_too_large_for_a_float32_model_are_refused():
    fitted = classifier().fit(X.astype(np.float32), Y)
    huge = np.full((2, 3, 2), 1e300)
    with pytest.raises(DataError, match=r"sequence 0, step 0.*too large for dtype float32"):
        fitted.predict_proba(huge)


# Parameters

INVALID = {
    "hidden_layer_sizes": [0, -3, 2.5, "64", (3, 0), (2.5,), ()],
    "cell": ["gra", 3, ("tanh", "tanh"), ("gra",)],
    "solver": ["lbfgs", None],
    "alpha": [-0.1, "a"],
    "batch_size": [0, 2.5, "all"],
    "learning_rate": ["adaptive", 0.1],
    "learning_rate_init": [0, -1.0, "a"],
    "warmup": [-0.1, 1.0],
    "recurrent_rate": [-0.1, None],
    "max_iter": [0, 1.5, "all", None],
    "shuffle": ["yes"],
    "random_state": ["seed", -1],
    "tol": [-1e-4],
    "warm_start": ["no"],
    "momentum": [1.0, -0.1],
    "early_stopping": [3],
    "validation_fraction": [0, 1.0],
    "n_iter_no_change": [0, "auto"],
    "beta_1": [1.0],
    "beta_2": [-0.1],
    "epsilon": [0.0],
    "clip_norm": [0.0, "a"],
    "class_weight": ["even", 3],
    "bias": ["yes"],
    "learn_initial_state": ["no"],
    "bidirectional": [3],
    "n_members": [0, 1.5, "all", None],
    "readout": ["first", None],
    "dropout": [-0.1, 1.0],
    "recurrent_dropout": [-0.1, 1.0],
    "standardize": [None, "each"],
    "differences": ["yes", 2],
    "frame": ["long", 4, (0, 1)],
    "step_size": [0, 1.5],
    "tbptt_steps": [0, 1.5, "auto"],
    "tokens": ["text", 2, None],
    "min_frequency": [0, 1.5, None],
    "checkpoint_steps": [0, 1.5, "all"],
    "engine": ["quantum"],
    "n_jobs": [0, -2, 1.5, "all"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in INVALID.items() for value in values]
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_invalid_parameter_is_refused_by_name(name, value, method):
    estimator = classifier(**{name: value})
    with pytest.raises(InvalidParameterError, match=name):
        getattr(estimator, method)(X, Y)


def test_a_number_for_the_schedule_belongs_to_another_parameter():
    with pytest.raises(InvalidParameterError, match=r"itself is learning_rate_init=0\.01\.$"):
        classifier(learning_rate=0.01).fit(X, Y)


def test_every_parameter_has_its_invalid_values_tested():
    assert INVALID.keys() | {"verbose"} == classifier().get_params().keys()


@pytest.mark.parametrize(
    "params",
    [
        {"hidden_layer_sizes": np.int64(4)},
        {"hidden_layer_sizes": [3, 4]},
        {"hidden_layer_sizes": np.array([3, 4])},
        {"hidden_layer_sizes": (3, 4), "cell": ("tanh", "relu")},
        {"cell": "relu", "bias": False},
        {"solver": "sgd", "learning_rate": "constant", "tol": 9.0},
        {"solver": "momentum", "momentum": 0.5},
        {"solver": "nesterov"},
        {"solver": "rmsprop", "alpha": 0.1},
        {"batch_size": np.int32(7), "shuffle": False, "warmup": 0, "clip_norm": None},
    ],
    ids=str,
)
def test_valid_parameters_are_taken_and_left_alone(params):
    estimator = classifier(**params).fit(X, Y)
    assert np.isfinite(estimator.predict_proba(X)).all()
    for name, value in params.items():
        assert getattr(estimator, name) is value


@pytest.mark.parametrize(
    "params",
    [
        {"hidden_layer_sizes": 6},
        {"cell": "relu"},
        {"cell": "dense"},
        {"solver": "sgd"},
        {"alpha": 3.0},
        {"batch_size": 7},
        {"learning_rate": "constant"},
        {"learning_rate_init": 0.01},
        {"recurrent_rate": 0.1},
        {"n_members": 2},
        {"warmup": 0.5},
        {"max_iter": 4},
        {"beta_1": 0.5},
        {"beta_2": 0.5},
        {"epsilon": 0.5},
        {"clip_norm": 0.01, "solver": "sgd"},
        {"class_weight": {0: 5, 1: 1, 2: 1}},
        {"bias": False},
        {"standardize": False},
        {"early_stopping": True},
    ],
    ids=str,
)
def test_parameter_makes_a_difference(params):
    assert bits(classifier(**params).fit(X, Y)) != bits(classifier().fit(X, Y))


def test_momentum_makes_a_difference():
    for solver in ("momentum", "nesterov"):
        few, much = (classifier(solver=solver, momentum=m).fit(X, Y) for m in (0.1, 0.9))
        assert bits(few) != bits(much)


@pytest.mark.parametrize("step_size", [1, 3])
def test_parameters_set_after_fitting_leave_the_fitted_model_as_it_was(step_size):
    rows = X.reshape(60, 12)
    fitted = classifier(step_size=2).fit(rows, Y)
    before = fitted.predict_proba(rows)
    fitted.set_params(step_size=step_size, hidden_layer_sizes=9, standardize=False, cell="relu")
    assert fitted.predict_proba(rows).tobytes() == before.tobytes()


# The course of training


def test_history_is_a_plain_row_an_epoch(fitting):
    estimator, X, y = fitting
    estimator.fit(X, y)
    assert [row["epoch"] for row in estimator.history_] == [1, 2, 3]
    for row in estimator.history_:
        assert row.keys() >= {"loss", "accuracy", "learning_rate", "gradient_norm"}
        assert {type(value) for value in row.values()} <= {int, float}
    assert json.loads(json.dumps(estimator.history_)) == estimator.history_


def test_history_goes_under_the_names_of_sklearn():
    fitted = classifier(max_iter=5).fit(X, Y)
    losses = [row["loss"] for row in fitted.history_]
    assert fitted.n_iter_ == 5
    assert fitted.loss_curve_ == losses
    assert fitted.loss_ == losses[-1]
    assert fitted.best_loss_ == min(losses)
    assert fitted.validation_scores_ is None
    assert fitted.best_validation_score_ is None


def test_loss_falls(fitting):
    estimator, X, y = fitting
    estimator.set_params(max_iter=10, learning_rate_init=0.03).fit(X, y)
    assert estimator.loss_ < 0.95 * estimator.loss_curve_[0]


def test_fitting_anew_forgets():
    fitted = classifier().fit(X, Y).fit(X, Y)
    assert fitted.n_iter_ == 3


def test_warm_start_goes_on():
    estimator = classifier(warm_start=True).fit(X, Y)
    first = estimator.network_.parameters.vector.copy()
    network = estimator.network_
    estimator.fit(X, Y)
    assert estimator.n_iter_ == 6
    assert [row["epoch"] for row in estimator.history_] == [1, 2, 3, 4, 5, 6]
    assert estimator.network_ is network
    assert estimator.loss_curve_[3] < estimator.loss_curve_[0]
    assert not np.array_equal(estimator.network_.parameters.vector, first)


def test_warm_start_keeps_to_its_classes_and_features():
    estimator = classifier(warm_start=True).fit(X, Y)
    with pytest.raises(DataError, match=r"not among the classes \[0, 1, 2\]: \[3\]"):
        estimator.fit(X, Y + 1)
    with pytest.raises(DataError, match="X has 1 features, but RNNClassifier is expecting 2"):
        estimator.fit(X[:, :, :1], Y)
    estimator.fit(X[Y > 0], Y[Y > 0])
    assert estimator.classes_.tolist() == [0, 1, 2]


def test_training_stops_when_nothing_improves():
    settings = {"max_iter": 60, "learning_rate_init": 0.03, "tol": 0.1, "n_iter_no_change": 4}
    stopped = classifier(**settings).fit(X, Y)
    assert 5 <= stopped.n_iter_ < 60
    assert "stopped" in stopped.history_[-1]
    best = int(np.argmin(stopped.loss_curve_)) + 1
    assert f"those after epoch {best}, the best" in stopped.history_[-1]["stopped"]
    seen, again = [], classifier(**settings)
    again.fit(X, Y, callback=lambda p: seen.append(bits(again)) if p.row else None)
    assert bits(stopped) == bits(again) == seen[best - 1]


def test_early_stopping_watches_sequences_kept_aside():
    fitted = classifier(early_stopping=True, max_iter=6, validation_fraction=0.25).fit(X, Y)
    scores = fitted.validation_scores_
    assert len(scores) == 6
    assert fitted.best_validation_score_ == max(scores)
    # 15 sequences are kept aside, so that a score is a number of fifteenths.
    np.testing.assert_allclose(np.array(scores) * 15, np.round(np.array(scores) * 15), atol=1e-9)


def test_sequences_kept_aside_have_no_part_in_mean_and_deviation(fitting):
    estimator, X, y = fitting
    taken = []
    estimator.set_params(early_stopping=True, validation_fraction=0.5)
    original = estimator._parts

    def parts(examples):
        kept, held_out = original(examples)
        taken.append(examples.take(kept).sequences.values)
        return kept, held_out

    estimator._parts = parts
    estimator.fit(X, y)
    (steps,) = taken
    np.testing.assert_allclose(estimator.mean_, steps.mean(axis=0), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(estimator.scale_, steps.std(axis=0), rtol=1e-10)


def test_early_stopping_ends_with_the_best_weights(fitting):
    estimator, X, y = fitting
    seen = []

    def keep(progress):
        if progress.row is not None:
            seen.append((progress.row["validation_score"], bits(estimator)))

    # A rate far too high, so that the last epoch is not the best.
    estimator.set_params(
        early_stopping=True, max_iter=12, n_iter_no_change=12, learning_rate_init=0.3
    )
    estimator.fit(X, y, callback=keep)
    scores = [score for score, _ in seen]
    assert scores == estimator.validation_scores_
    best = scores.index(max(scores))
    assert best != len(scores) - 1
    assert bits(estimator) == seen[best][1]


def test_too_few_sequences_to_keep_some_aside_is_said():
    with pytest.raises(DataError, match=r"validation_fraction of 0.1 of 6 .* no class has two"):
        classifier(early_stopping=True).fit(X[:6], range(6))


CONSTANT = {"learning_rate": "constant", "n_iter_no_change": 5}


def test_constant_rate_that_still_improves_warns():
    with pytest.warns(ConvergenceWarning, match="RNNClassifier had not converged after 3 epochs"):
        classifier(**CONSTANT).fit(X, Y)


def test_constant_rate_that_nobody_waits_for_does_not_warn():
    classifier(learning_rate="constant").fit(X, Y)


def test_constant_rate_that_converged_does_not_warn():
    fitted = classifier(max_iter=60, learning_rate_init=0.03, tol=0.1, **CONSTANT).fit(X, Y)
    assert fitted.n_iter_ < 60


def test_rates_of_the_schedules():
    fitted = classifier(max_iter=10, warmup=0.3, batch_size=60, learning_rate_init=0.01).fit(X, Y)
    rates = [row["learning_rate"] for row in fitted.history_]
    assert (np.diff(rates[:3]) > 0).all()
    assert (np.diff(rates[3:]) < 0).all()
    assert 0 < rates[-1] < max(rates) <= 0.01
    fitted = classifier(learning_rate="constant", learning_rate_init=0.02).fit(X, Y)
    assert {row["learning_rate"] for row in fitted.history_} == {0.02}


def test_verbose_prints_a_line_an_epoch(fitting, capsys):
    estimator, X, y = fitting
    estimator.set_params(verbose=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    lines = [line for line in lines if not line.startswith("compiling")]
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all("loss" in line and "accuracy" in line and "sequences/s" in line for line in lines)


def test_verbose_counts_on_after_a_warm_start(capsys):
    estimator = classifier(warm_start=True).fit(X, Y)
    estimator.set_params(verbose=True).fit(X, Y)
    first = capsys.readouterr().out.splitlines()[0]
    number, of = map(int, first.split()[1].split("/"))
    assert number <= of


def test_verbose_shows_the_validation_score(capsys):
    classifier(verbose=1, early_stopping=True).fit(X, Y)
    assert capsys.readouterr().out.count("validation") == 3


def test_quiet_is_quiet(capsys):
    classifier().fit(X, Y)  # if something has to be compiled first, this says so
    capsys.readouterr()
    classifier().fit(X, Y)
    assert capsys.readouterr() == ("", "")


def test_callback_is_told_each_batch_and_each_epoch():
    told = []
    classifier(batch_size=25, max_iter=2).fit(X, Y, callback=told.append)
    assert [(p.epoch, p.n_done, p.row is not None) for p in told] == [
        (epoch, n_done, complete)
        for epoch in (1, 2)
        for n_done, complete in [(25, False), (50, False), (60, False), (60, True)]
    ]
    assert {p.n_sequences for p in told} == {60}
    assert {p.n_epochs for p in told} == {2}


# Training that breaks off


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_interrupt_leaves_the_best_weights_and_goes_on_to_the_caller(
    fitting, error, early_stopping
):
    estimator, X, y = fitting
    seen = []

    def interrupt(progress):
        if progress.row is not None:
            score = progress.row.get("validation_score", -progress.loss)
            seen.append((score, bits(estimator)))
        elif progress.epoch == 5:
            raise error("enough")

    estimator.set_params(
        max_iter=20, learning_rate_init=0.2, early_stopping=early_stopping, batch_size=10
    )
    with pytest.raises(error, match="enough"):
        estimator.fit(X, y, callback=interrupt)
    assert len(seen) == estimator.n_iter_ == 4
    assert bits(estimator) == max(seen, key=lambda scored: scored[0])[1]
    assert estimator.score(X, y) > 0
    pickle.loads(pickle.dumps(estimator))


def test_interrupt_in_the_first_epoch_leaves_a_usable_estimator():
    estimator = classifier()

    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, Y, callback=interrupt)
    assert np.isfinite(estimator.predict_proba(X)).all()
    assert estimator.n_iter_ == 0


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_buffers_go_when_fitting_ends_however_it_ends(monkeypatch, method, error):
    class Watched(base.Trainer):
        def epoch(self, *arguments):
            trainers.append(self)
            row = super().epoch(*arguments)
            kept.append(self.engine._buffers.nbytes)
            if error is not None:
                raise error
            return row

    trainers, kept = [], []
    monkeypatch.setattr(base, "Trainer", Watched)
    steps = np.random.default_rng(0).standard_normal((64, 100, 2))
    estimator = classifier(max_iter=1, hidden_layer_sizes=64)
    with pytest.raises(error) if error else nullcontext():
        getattr(estimator, method)(steps, np.arange(64) % 2)
    assert kept[0] > 5e5  # the states of one shard: how many there are depends on the threads
    assert trainers[0].engine._buffers.nbytes < 4e5


def diverging(**params):
    return classifier(
        cell="relu",
        learning_rate="constant",
        learning_rate_init=1e30,
        clip_norm=None,
        solver="sgd",
        **params,
    )


def test_divergence_is_an_error_that_names_the_remedy():
    with pytest.raises(DivergenceError, match=r"epoch \d.*learning_rate_init.*clip_norm"):
        diverging().fit(X, Y)


def test_divergence_leaves_a_usable_estimator():
    estimator = diverging(batch_size=20)
    with pytest.raises(DivergenceError):
        estimator.fit(X, Y)
    assert np.isfinite(estimator.network_.parameters.vector).all()
    assert np.isfinite(estimator.predict_proba(X)).all()
    estimator.set_params(learning_rate_init=1e-3, learning_rate="cosine").fit(X, Y)
    assert estimator.n_iter_ == 3


def test_divergence_leaves_the_weights_of_the_best_epoch():
    """A warm start with a rate that blows up: the weights from before come back."""
    estimator = classifier(cell="relu", clip_norm=None, solver="sgd", warm_start=True).fit(X, Y)
    before = bits(estimator)
    estimator.set_params(learning_rate_init=1e30, learning_rate="constant")
    with pytest.raises(DivergenceError):
        estimator.fit(X, Y)
    assert bits(estimator) == before
    assert np.isfinite(estimator.predict_proba(X)).all()


# Going on, part by part


def test_partial_fit_goes_on():
    estimator = classifier()
    for part in np.array_split(np.arange(60), 3):
        estimator.partial_fit(X[part], Y[part], classes=[0, 1, 2])
    assert estimator.n_iter_ == 3
    assert [row["epoch"] for row in estimator.history_] == [1, 2, 3]
    losses = [estimator.partial_fit(X, Y).loss_ for _ in range(10)]
    assert losses[-1] < losses[0]


def test_partial_fit_is_the_same_bits_each_time():
    first, second = (classifier().partial_fit(X, Y).partial_fit(X, Y) for _ in "ab")
    assert bits(first) == bits(second)


def test_partial_fit_is_an_epoch_of_fit():
    fitted = classifier(learning_rate="constant").fit(X, Y)
    estimator = classifier()
    for _ in range(3):
        estimator.partial_fit(X, Y)
    assert bits(estimator) == bits(fitted)


def test_partial_fit_goes_on_from_fit():
    estimator = classifier().fit(X, Y)
    before = bits(estimator)
    estimator.partial_fit(X[:9], Y[:9])
    assert estimator.n_iter_ == 4
    assert bits(estimator) != before


def test_fit_forgets_partial_fit():
    assert bits(classifier().partial_fit(X, Y).fit(X, Y)) == bits(classifier().fit(X, Y))


def test_class_weights_count_across_parts():
    """Each part has one class, whose weight must not cancel."""
    parts = [(X[k == Y], Y[k == Y]) for k in range(3)]

    def fitted(class_weight):
        estimator = classifier(class_weight=class_weight, solver="sgd", clip_norm=None)
        for part in parts:
            estimator.partial_fit(*part, classes=[0, 1, 2])
        return bits(estimator)

    assert fitted({0: 1, 1: 5}) == fitted({0: 1, 1: 5, 2: 1}) != fitted(None)


def test_numbers_of_numpy_are_as_pythons():
    params = {"learning_rate_init": 0.01, "beta_1": 0.8, "alpha": 0.1, "clip_norm": 0.5}
    of_numpy = {name: np.float64(value) for name, value in params.items()}
    X32 = X.astype(np.float32)
    assert bits(classifier(**params).fit(X32, Y)) == bits(classifier(**of_numpy).fit(X32, Y))


def test_partial_fit_knows_classes_it_has_not_seen():
    seen = Y < 2
    estimator = classifier().partial_fit(X[seen], Y[seen], classes=[2, 0, 1])
    assert estimator.classes_.tolist() == [0, 1, 2]
    assert estimator.predict_proba(X).shape == (60, 3)
    estimator.partial_fit(X, Y)


def test_partial_fit_without_classes_takes_those_it_sees():
    estimator = classifier().partial_fit(X, Y)
    assert estimator.classes_.tolist() == [0, 1, 2]


def test_partial_fit_refuses_a_label_it_was_not_told_of():
    with pytest.raises(DataError, match=r"not among the classes \[0, 1\]: \[2\]. Name all classes"):
        classifier().partial_fit(X, Y, classes=[0, 1])
    estimator = classifier().partial_fit(X, Y)
    before = bits(estimator)
    with pytest.raises(DataError, match=r": \[7\]"):
        estimator.partial_fit(X, np.where(Y == 1, 7, Y))
    assert bits(estimator) == before


def test_partial_fit_refuses_other_classes_than_at_first():
    estimator = classifier().partial_fit(X, Y)
    with pytest.raises(ValueError, match=r"classes=\[0, 1, 2, 3\] are not those of the first call"):
        estimator.partial_fit(X, Y, classes=[0, 1, 2, 3])
    estimator.partial_fit(X, Y, classes=[2, 1, 0])


def test_partial_fit_cannot_balance():
    with pytest.raises(ValueError, match="class_weight='balanced' needs all labels at once"):
        classifier(class_weight="balanced").partial_fit(X, Y)


def test_partial_fit_keeps_the_first_mean_and_deviation():
    estimator = classifier().partial_fit(X, Y)
    mean = estimator.mean_.copy()
    estimator.partial_fit(X + 100, Y)
    np.testing.assert_array_equal(estimator.mean_, mean)


def test_partial_fit_that_fails_leaves_the_estimator_as_it_was():
    estimator = classifier().fit(X, Y)
    before = estimator.predict_proba(X)
    for bad_X, bad_y in [(X[:, :, :1], Y), (X, Y[:-1]), (np.full_like(X, np.nan), Y)]:
        with pytest.raises(ValueError):  # noqa: PT011
            estimator.partial_fit(bad_X, bad_y)
    assert estimator.predict_proba(X).tobytes() == before.tobytes()


# Standardising


def test_steps_are_brought_to_mean_0_and_deviation_1():
    fitted = classifier().fit(X, Y)
    steps = X.reshape(-1, 2)
    np.testing.assert_allclose(fitted.mean_, steps.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fitted.scale_, steps.std(axis=0), rtol=1e-12)


def test_scale_and_place_of_the_data_make_no_difference():
    moved = X * [1e3, 1e-3] + [5.0, -7.0]
    first, second = classifier().fit(X, Y), classifier().fit(moved, Y)
    np.testing.assert_allclose(second.predict_proba(moved), first.predict_proba(X), rtol=1e-6)


def test_without_standardising_data_come_as_they_are():
    fitted = classifier(standardize=False).fit(X, Y)
    np.testing.assert_array_equal(fitted.mean_, [0, 0])
    np.testing.assert_array_equal(fitted.scale_, [1, 1])
    np.testing.assert_array_equal(
        fitted.predict_proba(X), fitted.network_.forward(X, every_step=False)
    )


def test_ragged_sequences_count_by_their_steps():
    X, y = ragged()
    fitted = RNNTagger(3, max_iter=1, random_state=0).fit(X, y)
    np.testing.assert_allclose(fitted.mean_, np.concatenate(X).mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("constant", [0.0, 0.1, -1e6, 3.3e-7])
def test_feature_that_does_not_vary_does_no_harm(dtype, constant):
    data = X.astype(dtype)
    data[:, :, 1] = constant
    fitted = classifier().fit(data, Y)
    assert fitted.scale_[1] == 1
    assert np.isfinite(fitted.predict_proba(data)).all()
    assert np.isfinite(fitted.loss_curve_).all()


def test_padding_with_a_constant_feature_makes_no_nan_in_one_step_sequences():
    fitted = classifier().fit(np.ones((6, 1, 1)), [0, 1] * 3)
    np.testing.assert_allclose(fitted.predict_proba(np.ones((2, 1, 1))).sum(axis=1), 1)


def test_scale_that_is_a_power_of_two_changes_no_bit():
    """Squares of the larger ones overflow."""
    expected = classifier().fit(X, Y).predict_proba(X)
    for power in (2.0**10, 2.0**300, 2.0**600, 2.0**1000):
        fitted = classifier().fit(X * power, Y)
        np.testing.assert_array_equal(fitted.predict_proba(X * power), expected)


def too_large(dtype, i, t):
    """Finite numbers, of which one is not any more once it is divided by a small deviation."""
    data = X.astype(dtype) * [1, dtype(1e-9)]
    spoilt = data.copy()
    spoilt[i, t, 1] = np.finfo(dtype).max
    return data.astype(dtype), spoilt.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "partial_fit", "fit"])
def test_what_overflows_on_standardising_is_refused_by_its_place(dtype, method):
    data, spoilt = too_large(dtype, 17, 4)
    fitted = classifier(warm_start=True).fit(data, Y)
    before, answers = vars(fitted).copy(), fitted.predict_proba(data)
    message = (
        rf"X contains (3.40282e\+38|1.79769e\+308) at sequence 17, step 4, feature 1, which is too "
        rf"large to be standardised in {np.dtype(dtype)}: .*standardize=False"
    )
    with pytest.raises(DataError, match=message):
        getattr(fitted, method)(spoilt, *([Y] if "fit" in method else []))
    assert vars(fitted) == before
    np.testing.assert_array_equal(fitted.predict_proba(data), answers)


@pytest.mark.parametrize("i", range(0, 60, 7))
def test_place_is_that_in_all_where_sequences_are_kept_aside(i):
    data, spoilt = too_large(np.float64, i, 2)
    fitted = classifier(warm_start=True, early_stopping=True, validation_fraction=0.5)
    with pytest.raises(DataError, match=f"at sequence {i}, step 2, feature 1, "):
        fitted.fit(data, Y).fit(spoilt, Y)


# Copies


def test_copies_answer_alike(fitting):
    estimator, X, y = fitting
    estimator.fit(X, y)
    for made in (copy.deepcopy(estimator), pickle.loads(pickle.dumps(estimator))):
        for actual, expected in zip(made.predict_proba(X), estimator.predict_proba(X), strict=True):
            assert actual.tobytes() == expected.tobytes()


def test_copy_goes_on_alone():
    estimator = classifier().partial_fit(X, Y)
    before = bits(estimator)
    made = copy.deepcopy(estimator)
    made.partial_fit(X, Y)
    assert bits(estimator) == before
    # The optimizer's state and the generator's went with the copy.
    assert bits(made) == bits(estimator.partial_fit(X, Y))


def test_pickle_goes_on_where_it_stopped():
    estimator = classifier().partial_fit(X, Y)
    made = pickle.loads(pickle.dumps(estimator))
    assert bits(made.partial_fit(X, Y)) == bits(estimator.partial_fit(X, Y))


def test_clone_is_not_fitted(fitting):
    estimator, X, y = fitting
    made = clone(estimator.fit(X, y))
    assert made.get_params() == estimator.get_params()
    with pytest.raises(NotFittedError):
        made.predict(X)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
def test_unfitted_estimator_says_so(fitting, method):
    estimator, X, _ = fitting
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(estimator, method)(X)


def test_unfitted_estimator_has_no_score_and_no_file(fitting, tmp_path):
    estimator, X, y = fitting
    with pytest.raises(NotFittedError):
        estimator.score(X, y)
    with pytest.raises(NotFittedError):
        estimator.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_unfitted_estimator_lacks_learned_attributes():
    assert not [name for name in vars(classifier()) if name.endswith("_")]
    assert not [name for name in dir(classifier()) if name.endswith("_") and hasattr_now(name)]


def hasattr_now(name):
    return not name.startswith("_") and hasattr(classifier(), name)


def test_input_is_left_as_it_was(fitting):
    estimator, X, y = fitting
    before = copy.deepcopy((X, y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(X, y)
        estimator.predict(X)
    for given, kept in zip((X, y), before, strict=True):
        for a, b in zip(given, kept, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n", [1, 3])
def test_too_few_sequences_with_weight_to_keep_some_aside(n):
    weights = (np.arange(60) < n).astype(float)
    with pytest.raises(
        DataError, match=f"cannot keep a validation_fraction of 0.1 of {n} sequences?"
    ):
        classifier(early_stopping=True).fit(X, np.arange(60), weights)


def test_predicting_while_another_thread_fits_anew_never_fails():
    estimator = classifier(max_iter=1).fit(X, Y)
    stop, errors = threading.Event(), []

    def predict():
        while not stop.is_set():
            try:
                estimator.predict(X[:4])
            except Exception as error:  # noqa: BLE001
                errors.append(error)
                return

    threads = [threading.Thread(target=predict) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(30):
        estimator.set_params(hidden_layer_sizes=3 + i % 3).fit(X, Y + i % 2)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []


# Memory


@pytest.mark.parametrize("kind", ["array", "list", "rows"])
def test_fit_makes_one_copy_of_the_data_at_most(kind):
    """Measured by what NumPy allocates: beside one copy there is a small constant."""
    n, T, D = 2000, 50, 20
    stack = np.random.default_rng(0).standard_normal((n, T, D)).astype(np.float32)
    data = {"array": stack, "list": list(stack), "rows": stack.reshape(n, -1)}[kind]
    estimator = classifier(max_iter=1, step_size=D, hidden_layer_sizes=2)
    y = np.arange(n) % 2
    estimator.fit(data, y)  # compiled by now
    tracemalloc.start()
    estimator.fit(data, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.1 * stack.nbytes + 8e6


def test_data_of_the_caller_are_left_as_they_are():
    for data in (X.copy(), list(X.copy()), X.reshape(60, 12).copy(), X.astype(int), X[::-1]):
        before = copy.deepcopy(data)
        estimator = classifier(step_size=2).fit(data, Y)
        estimator.predict(data)
        estimator.score(data, Y)
        np.testing.assert_array_equal(data, before)


@pytest.mark.parametrize("estimator", [RNNClassifier, RNNTagger, RNNRegressor, RNNStepRegressor])
def test_unknown_parameters_are_refused_in_the_name_of_the_class(estimator):
    with pytest.raises(TypeError, match=rf"^{estimator.__name__}\.__init__\(\) .*'hiden'"):
        estimator(hiden=3)
    mine = type("Mine", (estimator,), {})
    with pytest.raises(TypeError, match=r"^Mine\.__init__\(\) .*'hiden'"):
        mine(hiden=3)
    assert signature(mine) == signature(estimator)
    assert clone(mine(7)).hidden_layer_sizes == 7
