"""Warnings of the threads of a search, and of others."""

import threading
import warnings

import pytest

import elman
from elman import RNNClassifier
from elman.tuning.quiet import quiet_threads
from elman.tuning.space import SPACES

TINY = {"hidden_layer_sizes": 4, "max_iter": 4, "cell": "tanh", "n_members": 1}


@pytest.mark.filterwarnings("error::UserWarning")
def test_thread_that_ends_after_the_search_does_not_silence_the_process(
    walks, small_space, monkeypatch
):
    fit, waiting = RNNClassifier.fit, threading.Event()

    def compiling(self, *arguments, **keywords):
        if self.learning_rate_init != 0.003:
            with warnings.catch_warnings():  # as Numba's compiler does
                waiting.wait(20)
        return fit(self, *arguments, **keywords)

    monkeypatch.setattr(RNNClassifier, "fit", compiling)
    own = RNNClassifier(**TINY, learning_rate_init=0.003)
    elman.suggest(*walks, own, budget=2, random_state=0)
    waiting.set()
    threads = [t for t in threading.enumerate() if t.name.startswith("elman-tune")]
    for thread in threads:
        thread.join(20)
    with pytest.raises(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)
    assert threads


@pytest.mark.filterwarnings("error::UserWarning")
def test_main_thread_is_heard_during_a_search(walks, small_space):
    def callback(progress):
        if progress.doing != "the winner on all data":
            warnings.warn("heard", stacklevel=1)

    with pytest.raises(UserWarning, match="heard"):
        elman.suggest(*walks, RNNClassifier(**TINY), n_trials=2, callback=callback)


def test_threads_of_a_search_are_not_heard(walks, monkeypatch):
    monkeypatch.setitem(SPACES, RNNClassifier, {"learning_rate_init": [0.002]})
    fit, threads = RNNClassifier.fit, set()

    def warning(self, *arguments, **keywords):
        if threading.current_thread() is not threading.main_thread():
            threads.add(threading.current_thread())
            warnings.warn("heard", stacklevel=1)
        return fit(self, *arguments, **keywords)

    monkeypatch.setattr(RNNClassifier, "fit", warning)
    elman.suggest(*walks, RNNClassifier(**TINY), n_trials=2)
    assert threads


@pytest.mark.filterwarnings("error::UserWarning")
def test_filter_of_threads_is_nothing_to_scikit_learn(walks):
    """It copies filters by their patterns, in a search of its own beside ours."""
    from sklearn.model_selection import cross_val_score

    X, y = walks
    with quiet_threads():
        assert len(cross_val_score(RNNClassifier(**TINY), X, y, cv=2)) == 2
        with pytest.raises(UserWarning, match="heard"):
            warnings.warn("heard", stacklevel=1)
