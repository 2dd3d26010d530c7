"""The networks that training begins with: which are refused, and which are gone on with."""

import copy

import joblib
import pytest

from elman import RNNClassifier, _memory
from walks import bits, classifier, walks

X, Y = walks()


@pytest.mark.parametrize("params", [{"hidden_layer_sizes": 9}, {"cell": "relu"}, {"bias": False}])
def test_another_network_is_refused_once_training_has_begun(params):
    for going_on in (RNNClassifier.partial_fit, RNNClassifier.fit):
        estimator = classifier(warm_start=True).fit(X, Y).set_params(**params)
        with pytest.raises(ValueError, match="cannot change once training has begun"):
            going_on(estimator, X, Y)


# Models whose arrays may not be written to


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_read_only_models_are_trained_on_a_copy(tmp_path, method):
    made = classifier(hidden_layer_sizes=40, warm_start=True).partial_fit(X, Y)
    joblib.dump(made, tmp_path / "model")
    mapped = joblib.load(tmp_path / "model", mmap_mode="r")
    assert not mapped.network_.parameters.vector.flags.writeable
    before = bits(mapped)
    getattr(mapped, method)(X, Y)
    getattr(made, method)(X, Y)
    assert bits(mapped) == bits(made)
    assert bits(joblib.load(tmp_path / "model", mmap_mode="r")) == before


def _train_on(estimator, method):
    return bits(getattr(estimator, method)(X, Y))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_large_models_in_workers_go_on_training(method):
    """joblib maps arrays of more than 1 MB read-only."""
    made = classifier(hidden_layer_sizes=400, warm_start=True, max_iter=1).partial_fit(X, Y)
    assert made.network_.parameters.vector.nbytes > 2**20
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(_train_on)(made, method) for _ in "ab")
    assert set(found) == {_train_on(copy.deepcopy(made), method)}


def test_network_too_large_for_the_memory_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(_memory, "available_memory", lambda: 10**9)
    message = (
        r"training 900,\d{3},\d{3} parameters needs 64.8\d GB of memory; 1.00 GB are available"
    )
    with pytest.raises(MemoryError, match=message):
        classifier(hidden_layer_sizes=30_000).fit(X, Y)
