"""Estimators in several threads and processes, interrupted and not: the same bits, and no deadlock."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from elman import RNNClassifier, RNNTagger
from elman.engines.compiled import engine, threads
from plain import plain_model

TIMEOUT = 60  # seconds: what takes longer hangs

rng = np.random.default_rng(0)
X = [rng.standard_normal((T, 3)) for T in rng.integers(1, 16, 90)]
STEPS = [(x.cumsum(axis=0)[:, 0] > 0).astype(int) for x in X]
LAST = [y[-1] for y in STEPS]
SETTINGS = {"hidden_layer_sizes": (17, 9), "max_iter": 2, "random_state": 0, "batch_size": 43}


def of_type(dtype):
    return [x.astype(dtype) for x in X]


def bits(estimator):
    return estimator.network_.parameters.vector.tobytes()


@pytest.fixture
def always_in_threads(monkeypatch):
    monkeypatch.setattr(engine, "SMALL", 0)
    monkeypatch.setattr(threads, "_idle", [])
    monkeypatch.setattr(threads, "_cores", lambda: 8)


@pytest.fixture(params=["classifier", "tagger"])
def fitting(request):
    """An estimator in two threads, with what it takes."""
    if request.param == "tagger":
        return plain_model(RNNTagger, **SETTINGS, n_jobs=2), X, STEPS
    return plain_model(RNNClassifier, **SETTINGS, n_jobs=2, early_stopping=True), X, LAST


# Threads


@pytest.mark.usefixtures("always_in_threads")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_number_of_threads_makes_no_difference(fitting, dtype):
    estimator, _, y = fitting
    data = of_type(dtype)
    found = []
    for n_jobs in (1, 2, 3, 4, None, -1):
        fitted = clone(estimator).set_params(n_jobs=n_jobs).fit(data, y)
        answers = b"".join(np.asarray(y_hat).tobytes() for y_hat in fitted.predict_proba(data))
        found.append((bits(fitted), answers, fitted.loss_curve_))
    assert found == [found[0]] * 6
    assert threads._idle


@pytest.mark.usefixtures("always_in_threads")
def test_estimators_fitted_at_the_same_time_are_those_fitted_alone():
    estimators = [
        plain_model(RNNClassifier, **SETTINGS | {"random_state": seed, "n_jobs": 1 + seed % 3})
        for seed in range(6)
    ]
    expected = [bits(clone(estimator).fit(X, LAST)) for estimator in estimators]
    all_there = threading.Barrier(len(estimators), timeout=TIMEOUT)

    def fit(estimator):
        all_there.wait()
        estimator.fit(X, LAST)

    running = [threading.Thread(target=fit, args=[estimator]) for estimator in estimators]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(TIMEOUT)
    assert [bits(estimator) for estimator in estimators] == expected


@pytest.mark.usefixtures("always_in_threads")
def test_one_estimator_answers_several_threads(fitting):
    estimator, X, y = fitting
    estimator.fit(X, y)
    expected = [estimator.predict_proba(X[: 5 * n]) for n in range(1, 9)]
    found = joblib.Parallel(n_jobs=4, prefer="threads")(
        joblib.delayed(estimator.predict_proba)(X[: 5 * n]) for n in [*range(1, 9)] * 10
    )
    for answers, expected_answers in zip(found, expected * 10, strict=True):
        for actual, wanted in zip(answers, expected_answers, strict=True):
            np.testing.assert_array_equal(actual, wanted)


@pytest.fixture
def interruptible():
    """Ctrl-C raises KeyboardInterrupt, whatever the tests are run by."""
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("only the main thread is interrupted")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("always_in_threads", "interruptible")
def test_ctrl_c_in_the_middle_of_a_step_leaves_all_usable(fitting, monkeypatch):
    estimator, X, y = fitting
    expected = bits(clone(estimator).fit(X, y))
    module = engine.panels
    train, calls = module.train, []

    def interrupted(*arguments):
        calls.append(threading.current_thread())
        if len(calls) == 9:
            os.kill(os.getpid(), signal.SIGINT)  # the main thread's, whichever thread this is
        return train(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            estimator.fit(X, y)
    n_calls = len(calls)
    assert np.isfinite(
        np.concatenate([np.ravel(y_hat) for y_hat in estimator.predict_proba(X)])
    ).all()
    assert estimator.n_iter_ < 2
    assert bits(estimator.fit(X, y)) == expected
    assert len(calls) == n_calls  # nothing went on in the background


# Processes


def fit_and_answer(estimator, X, y):
    fitted = clone(estimator).fit(X, y)
    return bits(fitted), [np.asarray(y_hat).tobytes() for y_hat in fitted.predict_proba(X)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.usefixtures("always_in_threads")
def test_forked_children_fit_and_answer(fitting):
    estimator, X, y = fitting
    expected = fit_and_answer(estimator, X, y)
    estimator.fit(X, y)
    answers = [np.asarray(y_hat).tobytes() for y_hat in estimator.predict_proba(X)]
    context = multiprocessing.get_context("fork")

    def work(sender):
        of_inherited = [np.asarray(y_hat).tobytes() for y_hat in estimator.predict_proba(X)]
        sender.send((of_inherited, fit_and_answer(estimator, X, y)))

    # A pipe for each child: two that write more than PIPE_BUF to one pipe mix their messages.
    pipes = [context.Pipe(duplex=False) for _ in range(2)]
    children = [context.Process(target=work, args=[sender]) for _, sender in pipes]
    try:
        for child in children:
            child.start()
        for receiver, _ in pipes:
            assert receiver.poll(TIMEOUT), "a child hangs"
            assert receiver.recv() == (answers, expected)
        for child in children:
            child.join(TIMEOUT)
        assert [child.exitcode for child in children] == [0, 0]
    finally:
        for child in children:
            child.kill()
    assert fit_and_answer(estimator, X, y) == expected  # and the parent goes on


@pytest.mark.usefixtures("always_in_threads")
def test_workers_fit_and_answer_after_the_parent_did(fitting):
    estimator, X, y = fitting
    expected = fit_and_answer(estimator, X, y)
    found = joblib.Parallel(n_jobs=2, timeout=TIMEOUT)(
        joblib.delayed(fit_and_answer)(estimator, X, y) for _ in range(3)
    )
    assert found == [expected] * 3


def threads_of_a_fit(X, y):
    return RNNClassifier(3, max_iter=1).fit(X, y).network_.engine.n_threads


def test_workers_share_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(threads_of_a_fit)(X, LAST) for _ in "ab")
    assert found == [max(1, joblib.cpu_count() // 2)] * 2


@pytest.mark.usefixtures("always_in_threads")
def test_search_in_workers_finds_what_one_alone_finds():
    grid = {"hidden_layer_sizes": [3, (5, 17)], "cell": ["tanh", "relu"]}
    searches = [
        GridSearchCV(plain_model(RNNClassifier, **SETTINGS), grid, cv=2, n_jobs=n_jobs).fit(X, LAST)
        for n_jobs in (None, 2)
    ]
    scores = [search.cv_results_["mean_test_score"].tolist() for search in searches]
    assert scores[0] == scores[1]
    assert bits(searches[0].best_estimator_) == bits(searches[1].best_estimator_)


def test_interpreter_ends_after_use():
    program = """
import numpy as np
from elman import RNNClassifier
from elman.engines.compiled import engine, threads
engine.SMALL = 0
X = np.random.default_rng(0).standard_normal((64, 5, 2))
RNNClassifier(5, max_iter=2, n_jobs=4).fit(X, [0, 1] * 32).predict(X)
assert threads._idle
"""
    command = [sys.executable, "-W", "error", "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
