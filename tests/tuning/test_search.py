"""The search: by trials, by time, and what is left after Ctrl-C."""

import threading
import time

import numpy as np
import pytest

import elman
from elman import RNNClassifier
from elman.tuning.folds import Folds
from elman.tuning.pace import OutOfTimeError, Watch
from elman.tuning.search import Search
from elman.tuning.space import SPACES

TINY = {"hidden_layer_sizes": 4, "max_iter": 4, "cell": "tanh", "n_members": 1}


# By trials


def test_finds_what_is_better_and_fits_it(walks, small_space):
    X, y = walks
    hopeless = RNNClassifier(**TINY, learning_rate_init=1e-8)
    found = elman.suggest(X, y, hopeless, n_trials=4, random_state=0)
    assert found.settings == {"learning_rate_init": 0.05}
    assert found.estimator.learning_rate_init == 0.05
    assert found.estimator.random_state == 0
    assert len(found.estimator.history_) == 4
    assert [row["chosen"] for row in found.table] == [True, False, False, False]
    assert [row["share"] for row in found.table] == [1.0, 1.0, 0.25, 0.25]
    assert found.table[1]["settings"] == {}
    assert found.text.startswith("rank")
    assert found.why in found.text
    again = RNNClassifier(**TINY, learning_rate_init=0.05, random_state=0).fit(X, y)
    np.testing.assert_array_equal(found.estimator.predict_proba(X), again.predict_proba(X))


def test_same_seed_same_table_on_any_number_of_threads(walks, small_space):
    X, y = walks

    def run(n_jobs, seed=1):
        found = elman.suggest(
            X, y, RNNClassifier(**TINY), n_trials=3, n_jobs=n_jobs, random_state=seed
        )
        return [{k: v for k, v in row.items() if k != "seconds"} for row in found.table]

    assert run(1) == run(2)
    assert run(1) != run(1, seed=2)


def test_short_trainings_are_a_quarter_of_whole_ones(walks, small_space, monkeypatch):
    fit, epochs = RNNClassifier.fit, []

    def counting(self, *arguments, **keywords):
        fit(self, *arguments, **keywords)
        epochs.append(self.n_iter_)
        return self

    monkeypatch.setattr(RNNClassifier, "fit", counting)
    elman.suggest(*walks, RNNClassifier(4, cell="tanh", max_iter=8), n_trials=2, n_jobs=1)
    assert epochs == [2] * 6 + [8] * 7  # two candidates on three folds, twice, and the winner


# By time


def test_budget_holds_with_the_last_training(walks, small_space):
    X, y = walks
    endless = RNNClassifier(4, cell="tanh", max_iter=1_000_000)
    began = time.monotonic()
    found = elman.suggest(X, y, endless, budget=2, random_state=0)
    assert time.monotonic() - began < 5
    assert 1 <= found.estimator.n_iter_ < 1_000_000
    assert found.notes
    assert found.notes[0] in found.text


def test_budget_is_used(walks, small_space):
    X, y = walks
    found = elman.suggest(X, y, RNNClassifier(**TINY), budget="20s", n_trials=4, random_state=0)
    assert [row["share"] for row in found.table].count(1.0) == 4  # there is time for all in full
    assert len(found.table) == 4
    assert not found.notes


def test_what_there_is_no_time_for_is_not_begun(walks, monkeypatch):
    monkeypatch.setitem(SPACES, RNNClassifier, {"hidden_layer_sizes": [(2048,)]})
    own = RNNClassifier(4, cell="tanh", max_iter=100)
    found = elman.suggest(*walks, own, budget=3, random_state=0)
    assert len(found.table) == 1
    assert found.table[0]["scores"]
    assert "no time to compare" in found.why


# Ctrl-C


@pytest.fixture
def interrupted_after(monkeypatch):
    """Interrupt in the main thread, in the call of the callback that has so many complete."""

    def make(n):
        def callback(progress):
            assert threading.current_thread() is threading.main_thread()
            if progress.n_done >= n and not seen:
                seen.append(progress)
                raise KeyboardInterrupt

        seen = []
        return callback

    return make


def test_interrupt_keeps_what_was_found(walks, small_space, interrupted_after):
    found = elman.suggest(
        *walks,
        RNNClassifier(**TINY, learning_rate_init=1e-8),
        n_trials=4,
        random_state=0,
        callback=interrupted_after(3),
    )
    assert found.interrupted
    assert len(found.estimator.history_) == 4
    assert sum(bool(row["scores"]) for row in found.table) >= 3
    assert "interrupted; this is the best so far" in found.text


def test_interrupt_before_anything_is_known(walks, small_space, interrupted_after):
    with pytest.raises(KeyboardInterrupt):
        elman.suggest(*walks, RNNClassifier(**TINY), n_trials=4, callback=interrupted_after(0))


def test_interrupt_of_the_last_training(walks, small_space):
    def callback(progress):
        if progress.doing == "the winner on all data" and next(calls) > 8:
            raise KeyboardInterrupt

    calls = iter(range(1_000))
    found = elman.suggest(
        *walks, RNNClassifier(**TINY), n_trials=2, random_state=0, callback=callback
    )
    assert found.interrupted
    assert 1 <= len(found.estimator.history_) < 4
    assert "interrupted in epoch" in found.text


# The last training


def last_training(walks, seconds, callback=None, **params):
    """Fit the defaults, as after a search that left so many seconds."""
    X, y = walks
    own = RNNClassifier(**(TINY | {"random_state": 0} | params))
    folds = Folds(own, X, y, [], None, 1)
    search = Search(folds, [], lambda _: 1.0, None, seconds, callback)
    return search, *search.refit(search.trials[0])


def test_last_training_that_ends_before_its_first_epoch_has_no_best(walks):
    _, estimator, words = last_training(walks, -5, max_iter=9, batch_size=4)
    assert len(estimator.history_) == 0
    assert "ended by the budget in epoch 1 (the whole has 9)" in words
    assert "best" not in words


def ending_with(error, epoch):
    """Make a callback of fit that raises this after so many epochs."""

    def end(self, progress):
        if progress.row is not None and progress.row["epoch"] == epoch:
            raise error

    return end


def test_last_training_that_ends_after_some_epochs(walks, monkeypatch):
    monkeypatch.setattr(Watch, "__call__", ending_with(OutOfTimeError, 2))
    _, estimator, words = last_training(walks, None)
    assert len(estimator.history_) == 2
    assert "ended by the budget in epoch 3 (the whole has 4)" in words
    assert "its weights are those of its best epoch. Take a larger budget." in words


@pytest.mark.parametrize("error", [OutOfTimeError, KeyboardInterrupt])
def test_last_training_that_is_complete_was_not_cut_short(walks, monkeypatch, error):
    monkeypatch.setattr(Watch, "__call__", ending_with(error, 4))
    search, estimator, words = last_training(walks, None)
    assert len(estimator.history_) == 4
    assert words == ""
    assert search.interrupted == (error is KeyboardInterrupt)


def test_shortened_training_leaves_max_iter(walks):
    search, *_ = last_training(walks, None)
    search._deadline = time.monotonic() + 100
    search.trials[0].paces = [100.0]  # a second an update would be too slow for four epochs
    estimator, words = search.refit(search.trials[0])
    assert len(estimator.history_) < 4
    assert "There was time for" in words
    assert estimator.max_iter == 4
