"""Large data: read, standardised and framed batch by batch, to the bits of what is done in one go."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

import elman
from elman import RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
from elman.data import Examples, blocks
from elman.data import rows as stored
from elman.errors import DataError
from plain import PLAIN

N, T, D = 40, 24, 2
X = np.random.default_rng(0).standard_normal((N, T, D)).cumsum(axis=1)
y = (X[:, -1, 0] > 0) * 1
RAGGED = [x[: 1 + 5 * i % T] for i, x in enumerate(X)]
WEIGHTS = np.random.default_rng(1).random(N)


def small(monkeypatch, n_bytes=0):
    """Let what is larger than that be large, in blocks of 3 sequences of which 12 are shuffled."""
    monkeypatch.setattr(stored, "LARGE", n_bytes)
    monkeypatch.setattr(blocks, "BLOCK", 3 * T * D * 8)
    monkeypatch.setattr(blocks, "WINDOW", 12 * T * D * 8)


def bits(model, given):
    answers = model.predict(given)
    flat = answers if answers.dtype != object else np.concatenate(answers)
    return (
        model.network_.parameters.vector.tobytes(),
        model.mean_.tobytes(),
        model.scale_.tobytes(),
        flat.tobytes(),
        [row["loss"] for row in model.history_],
        [row.get("validation_score") for row in model.history_],
    )


MODELS = {
    "defaults": (RNNClassifier, {"frame": (4, 2)}, y),
    "standardised alone": (RNNClassifier, PLAIN, y),
    "as they are": (RNNClassifier, PLAIN | {"standardize": False}, y),
    "dropout": (RNNClassifier, PLAIN | {"dropout": 0.3, "hidden_layer_sizes": (4, 3)}, y),
    "kept aside": (RNNRegressor, {"early_stopping": True, "validation_fraction": 0.3}, X[:, 0, 1]),
    "steps": (RNNTagger, {"differences": True, "frame": (3, 1)}, (X[..., 0] > 0) * 1),
    "numbers of steps": (RNNStepRegressor, {"recurrent_dropout": 0.2}, X[..., 1]),
}


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("kind", MODELS)
def test_batch_by_batch_is_as_in_one_go(kind, engine, monkeypatch):
    make, options, answers = MODELS[kind]
    options = {"hidden_layer_sizes": 4} | options
    model = make(max_iter=2, batch_size=7, random_state=0, engine=engine, **options)
    expected = bits(model.fit(X, answers, WEIGHTS), X)
    score = model.score(X, answers, WEIGHTS)
    small(monkeypatch)
    found = bits(model.fit(X, answers, WEIGHTS), X)
    if engine == "reference":  # BLAS rounds by how many go side by side
        assert found[:3] == expected[:3]
    else:
        assert found == expected
        assert model.score(X, answers, WEIGHTS) == score


def test_ragged_lists_too(monkeypatch):
    model = RNNClassifier(4, max_iter=2, batch_size=7, random_state=0)
    expected = bits(model.fit(RAGGED, y), RAGGED)
    whole = [np.asarray(x) for x in model.network_input(RAGGED)]
    small(monkeypatch)
    assert bits(model.fit(RAGGED, y), RAGGED) == expected
    for made, x in zip(model.network_input(RAGGED), whole, strict=True):
        np.testing.assert_array_equal(made, x)


def test_states_go_with_their_sequences(monkeypatch):
    model = RNNTagger(4, max_iter=1, random_state=0).fit(X, X[..., 0] > 0)
    states = [np.random.default_rng(0).standard_normal((N, 4))]
    expected = model.predict_proba(X, initial_state=states)
    small(monkeypatch)
    np.testing.assert_array_equal(model.predict_proba(X, initial_state=states), expected)


@pytest.fixture
def mapped(tmp_path):
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode="r")


@pytest.mark.parametrize("in_order", [True, False])
def test_file_is_as_memory(mapped, in_order, monkeypatch):
    """In the same order to the bit; shuffled, in an order of the seed that goes by blocks."""
    model = partial(RNNClassifier, 4, max_iter=2, batch_size=7, shuffle=not in_order)
    orders = []
    order = Examples.order

    def recorded(self, rng):
        orders.append(order(self, rng))
        return orders[-1]

    with monkeypatch.context() as m:
        small(m)
        m.setattr(Examples, "order", recorded)
        found = bits(model(random_state=0).fit(mapped, y), mapped)
        drawn = [*orders]
        assert bits(model(random_state=0).fit(mapped, y), X) == found
    for first, again in zip(drawn, orders[len(drawn) :], strict=True):
        np.testing.assert_array_equal(first, again)
    assert len(drawn) == 2 * (not in_order)
    monkeypatch.setattr(Examples, "order", lambda self, rng: drawn.pop(0))
    assert bits(model(random_state=0).fit(X, y), X) == found


def test_training_does_not_go_on_from_memory_in_a_file(mapped, tmp_path, monkeypatch):
    small(monkeypatch)

    def model():
        return RNNClassifier(4, max_iter=1, batch_size=7, random_state=0)

    kept = {place: tmp_path / place for place in ("memory", "file")}
    model().fit(X, y, checkpoint=kept["memory"])
    model().fit(mapped, y, checkpoint=kept["file"])
    for place, given in (("memory", mapped), ("file", X)):  # sequences come in another order
        with pytest.raises(DataError, match=r"on other data: how X is stored .* is not the same"):
            model().fit(given, y, resume=kept[place])
    model().fit(mapped, y, resume=kept["file"])
    model().fit([*X], y, resume=kept["memory"])


def test_some_of_a_file_are_split_and_read(mapped, monkeypatch):
    small(monkeypatch)
    sequences = elman.data.as_sequences(mapped)
    parts = train_test_split(sequences, y, random_state=check_random_state(0))
    model = RNNClassifier(4, max_iter=1, random_state=0).fit(parts[0], parts[2])
    assert parts[0].unread.source is sequences.unread.source
    assert model.predict(parts[1]).shape == parts[3].shape


def test_file_that_is_cut_short_ends_training_in_words(tmp_path, mapped, monkeypatch):
    small(monkeypatch)
    model = RNNClassifier(4, max_iter=50, random_state=0)

    def cut(progress):
        if progress.epoch == 2:
            with (tmp_path / "X.npy").open("r+b") as file:
                file.truncate(1000)

    with pytest.raises(DataError, match=r"X.npy changed while it was read"):
        model.fit(mapped, y, callback=cut)
    assert len(model.history_) >= 1
    assert len(model.predict(X)) == N  # fitted, as after Ctrl-C


PEAK = """
import sys
import numpy as np
from elman import RNNClassifier

def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name)) / 1000

kind, path = sys.argv[1:]
shape = (20_000, 50, 25)  # 100 MB
y = np.arange(shape[0]) % 2
model = RNNClassifier(2, max_iter=1, batch_size=1000, frame=(8, 8), random_state=0, n_jobs=1)
model.fit(np.random.default_rng(0).random((600, 50, 25), np.float32), y[:600])  # all is compiled
base = status("VmRSS")
if kind == "file":
    X = np.memmap(path, "f4", "r", shape=shape)
else:
    X = np.random.default_rng(0).random(shape, np.float32)
print(status("VmRSS") - base)
model.fit(X, y)
print(status("VmHWM") - base)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's figures")
@pytest.mark.parametrize(("kind", "most"), [("memory", 150), ("file", 200)])
def test_memory_is_that_of_the_data(kind, most, tmp_path):
    np.memmap(tmp_path / "X", "f4", "w+", shape=(20_000, 50, 25))
    program = [sys.executable, "-W", "ignore", "-c", PEAK, kind, str(tmp_path / "X")]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    _, peak = map(float, done.stdout.split())
    assert peak < most
