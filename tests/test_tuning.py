"""The search: what competes, who wins, what a budget does, and what is left after Ctrl-C."""

import math
import threading
import time
import warnings

import numpy as np
import pytest
from sklearn.model_selection import KFold

import elman
from elman import RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
from elman.estimators.inputs import planned_front_end
from elman.metrics import StepScorer
from elman.tuning import Trial, as_text, seconds_in
from elman.tuning.pace import OutOfTimeError, Watch, epochs_and_updates
from elman.tuning.quiet import quiet_threads
from elman.tuning.search import Search
from elman.tuning.space import SPACES, candidates, work
from elman.tuning.suggesting import estimator_for
from elman.tuning.trials import decide, rows

TINY = {"hidden_layer_sizes": 4, "max_iter": 4, "cell": "tanh", "n_members": 1}


@pytest.fixture(scope="module")
def walks():
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 1)).cumsum(axis=0) for n in rng.integers(6, 12, 36)]
    return X, np.array(["up" if x[-1, 0] > 0 else "down" for x in X])


@pytest.fixture
def small_space(monkeypatch):
    """Two parameters that compile nothing new."""
    monkeypatch.setitem(SPACES, RNNClassifier, {"learning_rate_init": [1e-9, 0.001, 0.05]})


# What competes


def test_candidates_differ_from_the_defaults_and_from_each_other():
    lengths = np.array([100, 150, 200])
    found = [
        s for s, _ in zip(candidates(RNNClassifier(), lengths, 1, 0), range(200), strict=False)
    ]
    assert len(found) == 200
    assert all(found.count(settings) == 1 for settings in found)
    own = RNNClassifier().get_params()
    assert all(settings for settings in found)
    assert all(own[name] != value for s in found for name, value in s.items())
    assert 1 <= np.median([len(settings) for settings in found]) <= 4
    assert found == [
        s for s, _ in zip(candidates(RNNClassifier(), lengths, 1, 0), range(200), strict=False)
    ]


def test_frames_follow_the_lengths():
    own = RNNClassifier(frame=None)
    lengths = np.array([1024])
    frames = {settings.get("frame") for settings in candidates(own, lengths, 1, 1)}
    assert frames == {None, (64, 16), (32, 8), (8, 1)}


def test_own_frame_is_that_of_fit():
    """With 40 features the frame of "auto" is shorter, so that (8, 1) is another one."""
    lengths, X = np.array([100] * 4), np.random.default_rng(0).standard_normal((4, 100, 40))
    own = RNNClassifier(4, cell="tanh", max_iter=1)
    fitted = RNNClassifier(4, cell="tanh", max_iter=1).fit(X, list("abab"))._fitted.front_end
    planned = planned_front_end(own, lengths, 40)
    assert planned.frame == fitted.frame == (4, 1, False)
    assert planned.n_inputs == fitted.n_inputs
    assert (8, 1) in {settings.get("frame") for settings in candidates(own, lengths, 40, 1)}
    assert (8, 1) not in {settings.get("frame") for settings in candidates(own, lengths, 1, 1)}


@pytest.mark.parametrize("kind", [RNNTagger, RNNStepRegressor])
def test_network_that_answers_each_step_never_sees_those_after_it(kind):
    found = list(candidates(kind(), np.array([50]), 1, 0))
    assert not {"bidirectional", "readout", "standardize"} & {n for s in found for n in s}
    assert {s["frame"] for s in found if s.get("frame")} <= {(8, 1)}


@pytest.mark.parametrize("kind", SPACES)
def test_every_value_of_the_space_is_one_that_the_estimator_takes(kind):
    for settings in candidates(kind(), np.array([300]), 1, 0):
        kind(**settings)._validate_params()


def test_cells_that_are_named_by_layer_keep_the_number_of_layers():
    own = RNNClassifier((4, 4), cell=["tanh", "gru"])
    found = list(candidates(own, np.array([50]), 1, 0))
    assert not any("hidden_layer_sizes" in settings for settings in found)
    assert {"lstm", "relu"} <= {settings.get("cell") for settings in found}  # one for both


def test_estimator_follows_from_y():
    X = [np.zeros((n, 1)) for n in (3, 4)]
    kinds = [
        (["a", "b"], RNNClassifier),
        (np.array([1.0, 2.0]), RNNClassifier),
        (np.array([1.5, 2.0]), RNNRegressor),
        ([np.array([0, 1, 1]), np.array([0, 1, 1, 1])], RNNTagger),
        ([np.array([0.5, 1, 1]), np.array([0, 1, 1.0, 1])], RNNStepRegressor),
    ]
    for y, kind in kinds:
        assert type(estimator_for(X, y)) is kind


@pytest.mark.parametrize(
    ("settings", "times"),
    [
        ({}, 1),
        ({"bidirectional": True}, 2),
        ({"cell": "lstm"}, 4),
        # x̃, z, Δ and the level of a sample; else 1 + (640 - 8) // 4 steps of 8 · 3 + 1 numbers
        ({"frame": None}, 640 / 159 * (8 + 4) / (8 + 25)),
        ({"standardize": True, "differences": False}, (8 + 8) / (8 + 25)),
        ({"hidden_layer_sizes": (16, 4)}, (16 * (16 + 25) + 4 * 20) / (8 * (8 + 25))),
    ],
)
def test_what_a_candidate_takes_is_estimated(settings, times):
    own = RNNClassifier(8, cell="tanh", frame=(8, 4))
    lengths = np.array([640])
    assert work(own, settings, lengths, 1) == pytest.approx(
        times * work(own, {}, lengths, 1), rel=0.01
    )


# Who wins


def trial(number, *scores, share=1.0, **settings):
    return Trial(number, settings, {share: np.array(scores)} if scores else {})


def test_the_defaults_stay_within_the_standard_error():
    default = trial(0, 0.80, 0.70, 0.60)
    noisy = trial(1, 0.90, 0.60, 0.75, cell="lstm")  # +0.05 in the mean, a standard error of 0.076
    decision = decide([default, noisy])
    assert decision.trial is default
    assert "The defaults stay" in decision.words
    error = np.std([0.10, -0.10, 0.15], ddof=1) / math.sqrt(3)
    assert f"standard error of the difference is {error:.4f}" in decision.words


def test_folds_that_are_hard_for_both_do_not_count():
    default = trial(0, 0.9, 0.5, 0.1)
    better = trial(1, 0.95, 0.56, 0.15, cell="lstm")
    assert decide([default, better]).trial is better


def test_a_larger_share_of_the_training_outweighs_a_score():
    default, short = trial(0, 0.5, 0.5), trial(1, 1.0, 1.0, share=0.25, cell="lstm")
    default.scores[0.25] = np.array([0.4, 0.4])
    full = trial(2, 0.7, 0.8, cell="relu")
    assert decide([default, short, full]).trial is full
    assert decide([default, short]).trial is short  # there is nothing else to compare with
    assert "after 25% of the training" in decide([default, short]).words
    table = rows([default, short, full], full)
    assert [row["settings"] for row in table] == [{"cell": "relu"}, {}, {"cell": "lstm"}]


def test_of_equals_the_one_that_changes_least_wins():
    default = trial(0, 0.5, 0.5)
    much, little = trial(1, 1.0, 1.0, cell="lstm", dropout=0.3), trial(2, 1.0, 1.0, cell="relu")
    assert decide([default, much, little]).trial is little


def test_nothing_to_compare_with():
    assert "no time to compare" in decide([trial(0, 0.5, 0.5), trial(1)]).words
    assert decide([trial(0)]).share == 0


def test_text_is_readable_at_80_columns():
    settings = {"cell": "lstm", "hidden_layer_sizes": (128,), "readout": "mean", "dropout": 0.3}
    trials = [trial(i, 0.5, 0.6, **(settings | {"frame": (i, 1)})) for i in range(1, 20)]
    text = as_text(rows([trial(0, 0.1, 0.2), *trials, trial(20)], trials[3]), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "the defaults" in text
    assert sum("*" in line for line in text.splitlines()) == 1
    assert "more" in text


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


def test_one_network_is_compared_and_several_are_fitted(walks, small_space):
    X, y = walks
    one, several = (
        elman.suggest(
            X, y, RNNClassifier(**TINY | {"n_members": n_members}), n_trials=2, random_state=1
        )
        for n_members in (1, "auto")
    )
    assert [row["scores"] for row in one.table] == [row["scores"] for row in several.table]
    assert (one.estimator.n_members_, several.estimator.n_members_) == (1, 4)
    assert several.estimator.n_members == "auto"


def test_scores_are_those_of_cross_validation(walks, small_space):
    from sklearn.model_selection import cross_val_score

    X, y = walks
    cv = KFold(2, shuffle=True, random_state=5)
    estimator = RNNClassifier(**TINY, random_state=3)
    found = elman.suggest(X, y, estimator, n_trials=2, cv=cv, scoring="f1_macro")
    (own,) = (row["scores"] for row in found.table if not row["settings"])
    assert own == cross_val_score(estimator, X, y, cv=cv, scoring="f1_macro").tolist()


def test_short_trainings_are_a_quarter_of_whole_ones(walks, small_space, monkeypatch):
    fit, epochs = RNNClassifier.fit, []

    def counting(self, *arguments, **keywords):
        fit(self, *arguments, **keywords)
        epochs.append(self.n_iter_)
        return self

    monkeypatch.setattr(RNNClassifier, "fit", counting)
    elman.suggest(*walks, RNNClassifier(4, cell="tanh", max_iter=8), n_trials=2, n_jobs=1)
    assert epochs == [2] * 6 + [8] * 7  # two candidates on three folds, twice, and the winner


def test_given_estimator_is_left_alone(walks, small_space):
    estimator = RNNClassifier(**TINY)
    elman.suggest(*walks, estimator, n_trials=2)
    assert not hasattr(estimator, "history_")
    assert estimator.random_state is None


def test_tagger_and_its_scorer(monkeypatch):
    monkeypatch.setitem(SPACES, RNNTagger, {"learning_rate_init": [0.05]})
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 1)) for n in rng.integers(4, 8, 20)]
    y = [np.where(x[:, 0] > 0, "up", "down") for x in X]
    found = elman.suggest(
        X, y, RNNTagger(**TINY), n_trials=2, cv=2, scoring=StepScorer("f1_macro"), random_state=0
    )
    assert isinstance(found.estimator, RNNTagger)
    assert len(found.table) == 2


def test_class_that_a_fold_lacks_counts_as_wrong(walks, small_space):
    X, y = walks
    y = y.astype(object)
    y[0] = "alone"
    found = elman.suggest(X, y, RNNClassifier(**TINY), n_trials=2, random_state=0)
    assert "alone" in found.estimator.classes_
    assert all(len(row["scores"]) == 3 for row in found.table)


def test_candidate_that_diverges_is_out(walks, small_space, monkeypatch):
    fit = RNNClassifier.fit

    def diverging(self, *arguments, **keywords):
        if self.learning_rate_init == 0.05:
            raise elman.DivergenceError("training diverged")
        return fit(self, *arguments, **keywords)

    monkeypatch.setattr(RNNClassifier, "fit", diverging)
    found = elman.suggest(*walks, RNNClassifier(**TINY), n_trials=4, random_state=0)
    (out,) = (row for row in found.table if row["problem"])
    assert out["settings"] == {"learning_rate_init": 0.05}
    assert out["rank"] == 4
    assert "(diverged)" in found.text


def test_candidate_that_cannot_be_built_is_out(walks, monkeypatch):
    monkeypatch.setitem(SPACES, RNNClassifier, {"cell": [("tanh", "tanh")]})
    found = elman.suggest(*walks, RNNClassifier(**TINY), n_trials=2, random_state=0)
    assert found.settings == {}
    assert [row["problem"] for row in found.table] == ["", "cannot be built"]


def test_defaults_that_cannot_be_built_are_refused(walks, small_space):
    own = RNNClassifier((4, 4), cell=["tanh"], max_iter=4)
    with pytest.raises(ValueError, match="hidden_layer_sizes and cell"):
        elman.suggest(*walks, own, n_trials=2)


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


def test_candidate_that_cannot_be_ended_is_not_waited_for(walks, small_space, monkeypatch):
    """Compiling cannot be; what is kept for the last training is not touched."""
    fit, waiting = RNNClassifier.fit, threading.Event()

    def compiling(self, *arguments, **keywords):
        if self.learning_rate_init != 0.003:
            waiting.wait(20)
        return fit(self, *arguments, **keywords)

    monkeypatch.setattr(RNNClassifier, "fit", compiling)
    own = RNNClassifier(**TINY, learning_rate_init=0.003)
    began = time.monotonic()
    found = elman.suggest(*walks, own, budget=3, random_state=0)
    assert time.monotonic() - began < 6
    waiting.set()
    assert found.settings == {}
    assert found.estimator.n_iter_ == 4
    assert [row["problem"] for row in found.table].count("out of time") >= 1


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


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2m", 120), (" 1.5 h", 5400), (".5m", 30), (7, 7)]
)
def test_times(text, seconds):
    assert seconds_in(text) == seconds


@pytest.mark.parametrize("text", ["60", "s", "-3s", "0s", "2d", "nan", "", math.inf, -1])
def test_what_is_no_time(text):
    with pytest.raises(ValueError, match="expected a time: 60s, 2m or 1h"):
        seconds_in(text)


@pytest.mark.parametrize(
    ("n", "params", "expected"),
    [
        (33, {}, (500, 1500)),  # three batches of 16 an epoch
        (33, {"max_iter": 7}, (7, 21)),
        (100, {"batch_size": 50}, (750, 1500)),
    ],
)
def test_updates_of_a_whole_training(n, params, expected):
    assert epochs_and_updates(RNNClassifier(**params), n) == expected


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
    search = Search(own, X, y, [], lambda _: 1.0, [], None, 1, None, seconds, callback)
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


# What is refused


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"n_trials": 1}, "at least 2"),
        ({"budget": "soon"}, "expected a time"),
        ({"cv": 1}, "two folds at least"),
        ({"cv": 99}, "take fewer folds"),
        ({"cv": [(np.arange(20), np.arange(20, 36))]}, "two at least"),
        ({"estimator": KFold()}, "estimator is a KFold; expected one of RNNClassifier"),
        ({"scoring": "f2"}, "f2"),
    ],
)
def test_what_is_refused(walks, keywords, message):
    arguments = {"estimator": RNNClassifier(**TINY)} | keywords
    with pytest.raises((ValueError, TypeError), match=message):
        elman.suggest(*walks, **arguments)


def test_input_is_refused_as_by_fit(walks):
    X, y = walks
    with pytest.raises(ValueError, match="35 labels"):
        elman.suggest(X, y[:-1], RNNClassifier(**TINY), n_trials=2)
