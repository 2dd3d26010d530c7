"""Training that is broken off anywhere and gone on with has the bits of one that was not."""

import json
import logging
import os
import shutil

import numpy as np
import pytest
from sklearn.utils._param_validation import InvalidParameterError

import elman
from disks import full_disk
from elman import (
    Checkpoint,
    DataError,
    ModelFileError,
    RNNClassifier,
    RNNRegressor,
    RNNStepRegressor,
    RNNTagger,
)
from elman.data import digest
from elman.persistence import read_model, write_model
from elman.training import OPTIMIZERS
from plain import plain_model

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = [RNG.standard_normal((T, 2)) for T in RNG.integers(2, 7, 20)]
SUMS = np.array([x.sum() for x in X])
STEP_SUMS = [x.sum(axis=1) for x in X]
LABELS = np.where(SUMS > 1, "high", "low")
STEP_LABELS = [np.digitize(s, [-1, 1]) for s in STEP_SUMS]
SMALL = {"hidden_layer_sizes": 3, "max_iter": 3, "batch_size": 8, "engine": "reference"}


def model_of(kind, **params):
    return plain_model(kind, **SMALL | {"random_state": 0} | params)


TRAININGS = {
    "windows, between which states are carried": (
        lambda: model_of(RNNTagger, max_iter=2, tbptt_steps=2, dropout=0.2),
        (X, STEP_LABELS),
        {},
    ),
    "dropout, sequences kept aside by chance, class weights": (
        lambda: model_of(
            RNNClassifier,
            random_state=np.random.RandomState(3),  # gives other numbers each time it is asked
            dropout=0.3,
            early_stopping=True,
            validation_fraction=0.2,
            class_weight="balanced",
        ),
        (X, LABELS),
        {},
    ),
    "patience that ends it": (
        lambda: model_of(
            RNNTagger, solver="sgd", max_iter=9, n_iter_no_change=2, tol=0.05, alpha=0.1
        ),
        (X, STEP_LABELS, np.linspace(0, 2, len(X))),
        {},
    ),
    "sequences to watch, float32": (
        lambda: model_of(
            RNNRegressor, solver="momentum", recurrent_dropout=0.2, n_iter_no_change=1, max_iter=5
        ),
        ([x.astype(np.float32) for x in X], SUMS),
        {"validation_data": (X[:9], SUMS[:9])},
    ),
    "a constant rate, in order": (
        lambda: model_of(
            RNNStepRegressor,
            solver="rmsprop",
            learning_rate="constant",
            shuffle=False,
            cell="gru",
            learn_initial_state=True,
        ),
        (X, STEP_SUMS),
        {},
    ),
    "divergence, again and again": (
        lambda: model_of(
            RNNClassifier,
            cell="relu",
            solver="sgd",
            clip_norm=None,
            learning_rate="constant",
            learning_rate_init=100.0,
            dropout=0.1,
            max_iter=4,
        ),
        (X, LABELS),
        {},
    ),
    "networks side by side, which diverge, and sequences kept aside": (
        lambda: model_of(
            RNNTagger,
            n_members=2,
            cell="relu",
            solver="momentum",
            clip_norm=None,
            learning_rate_init=30.0,
            recurrent_dropout=0.1,
            early_stopping=True,
            tbptt_steps=3,
        ),
        (X, STEP_LABELS),
        {},
    ),
    "an estimator's defaults": (
        lambda: RNNClassifier(3, max_iter=2, batch_size=8, random_state=0),
        (X, LABELS),
        {},
    ),
}


def saved(model, folder):
    """All that there is of it: weights, history, optimizer and generator."""
    model.save(folder / "saved", optimizer=True)
    content = read_model(folder / "saved")
    del content.settings["params"]["random_state"]
    return json.dumps(content.settings), {k: v.tobytes() for k, v in content.arrays.items()}


def snapshots(model, data, keywords, folder, every=0):
    """Train, and return what a training that is killed leaves behind, at each of its moments."""
    path, copies = folder / "run.ckpt", []

    def copy(progress):
        if path.exists():
            copies.append(shutil.copy(path, folder / f"{len(copies)}.ckpt"))

    model.fit(*data, **keywords, callback=copy, checkpoint=Checkpoint(path, every))
    return [*copies, path]


@pytest.mark.parametrize("name", TRAININGS)
def test_going_on_from_any_moment_gives_the_same_bits(name, tmp_path):
    make, data, keywords = TRAININGS[name]
    expected = saved(make().fit(*data, **keywords), tmp_path)
    model = make()
    moments = snapshots(model, data, keywords, tmp_path)
    assert saved(model, tmp_path) == expected
    assert len(moments) >= 3 * model.n_iter_
    for moment in moments:
        resumed = make().fit(*data, **keywords, resume=moment)
        assert saved(resumed, tmp_path) == expected, moment


def test_those_trainings_are_what_they_say():
    fitted = {}
    for name in ("patience that ends it", "divergence, again and again"):
        make, data, keywords = TRAININGS[name]
        fitted[name] = make().fit(*data, **keywords)
    assert "stopped" in fitted["patience that ends it"].history_[-1]
    rows = fitted["divergence, again and again"].history_
    assert [("recovered" in row) for row in rows].count(True) == 2


def test_warm_start_is_gone_on_with(tmp_path):
    """The front end is that of older sequences, and older epochs may stay the best."""

    def begun():
        model = model_of(RNNClassifier, warm_start=True, n_iter_no_change=3)
        return model.fit([3 * x + 1 for x in X], LABELS)

    expected = saved(begun().fit(X, LABELS), tmp_path)
    for moment in snapshots(begun(), (X, LABELS), {}, tmp_path)[::3]:
        resumed = model_of(RNNClassifier, n_iter_no_change=3).fit(X, LABELS, resume=moment)
        resumed.warm_start = True
        assert saved(resumed, tmp_path) == expected


def test_interruptions_may_follow_each_other(tmp_path):
    path = tmp_path / "run.ckpt"
    expected = saved(model_of(RNNClassifier).fit(X, LABELS), tmp_path)

    def interrupt_after(n):
        def interrupt(progress):
            nonlocal n
            n -= 1
            if n == 0:
                raise KeyboardInterrupt

        return interrupt

    for n in (2, 3, 1, 4, 2):
        with pytest.raises(KeyboardInterrupt):
            model_of(RNNClassifier).fit(
                X,
                LABELS,
                checkpoint=Checkpoint(path, every=0),
                resume=path if path.exists() else None,
                callback=interrupt_after(n),
            )
    assert saved(model_of(RNNClassifier).fit(X, LABELS, resume=path), tmp_path) == expected


def test_states_between_windows_are_those_of_a_batch(tmp_path):
    path, rows = tmp_path / "run.ckpt", []

    def look(progress):
        if path.exists():
            states = read_model(path).arrays.get("training.states")
            rows.append(0 if states is None else len(states))

    model = model_of(RNNTagger, n_members=2, tbptt_steps=2, max_iter=1)
    model.fit(X, STEP_LABELS, checkpoint=Checkpoint(path, every=0), callback=look)
    assert set(rows) == {0, 2 * 8, 2 * 4}  # batches of 8, 8 and 4 sequences, two networks


def test_checkpoint_is_a_model_too(tmp_path):
    path = tmp_path / "run.ckpt"
    model = model_of(RNNClassifier).fit(X, LABELS, checkpoint=path)
    loaded = elman.load(path)
    assert loaded.history_ == model.history_
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_training_that_has_ended_is_there_at_once(tmp_path):
    path, told = tmp_path / "run.ckpt", []
    model = model_of(RNNClassifier, early_stopping=True, n_iter_no_change=1)
    model.fit(X, LABELS, checkpoint=path)
    before = path.read_bytes()
    again = model_of(RNNClassifier, early_stopping=True, n_iter_no_change=1)
    again.fit(X, LABELS, resume=path, callback=told.append)
    assert saved(again, tmp_path) == saved(model, tmp_path)
    assert told == []
    assert path.read_bytes() == before


def test_an_interrupted_estimator_has_the_best_weights(tmp_path):
    """Also those of an epoch before it went on."""
    path = tmp_path / "run.ckpt"
    model = model_of(RNNClassifier, learning_rate_init=3.0, solver="sgd", learning_rate="constant")

    def interrupt(progress):
        if progress.epoch == 3:
            raise KeyboardInterrupt

    fits = [{"checkpoint": Checkpoint(path, 0)}, {"resume": path}]
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS, callback=interrupt, **fits[0])
    best = model.network_.parameters.vector.copy()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS, callback=interrupt, **fits[1])
    np.testing.assert_array_equal(model.network_.parameters.vector, best)
    assert model.n_iter_ == 2


# When it is written


def times_written(every, path):
    """The updates, and the epochs, after which there is a new file."""
    seen, updates, epochs = [b""], [], []

    def look(progress):
        now = path.read_bytes() if path.exists() else b""
        if now != seen[-1]:
            seen.append(now)
            training = read_model(path).settings["training"]
            updates.append(training["trainer"]["n_updates"])
            epochs.append(training["under_way"] is None)

    model_of(RNNClassifier).fit(X, LABELS, checkpoint=Checkpoint(path, every), callback=look)
    return updates, epochs


def test_it_is_written_after_epochs_or_after_so_much_time(tmp_path, monkeypatch):
    monkeypatch.setattr("elman.estimators.checkpoint._SHARE", 1)
    assert times_written(None, tmp_path / "a") == ([3, 6], [True, True])
    updates, epochs = times_written(0, tmp_path / "b")
    assert updates == sorted([*range(1, 10), 3, 6])
    assert sum(epochs) == 2
    assert times_written(1e6, tmp_path / "c") == ([], [])
    assert read_model(tmp_path / "c").settings["training"]["run"]["ended"]


def test_writing_takes_a_small_share_of_the_time(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("elman.estimators.checkpoint.time.monotonic", lambda: clock[0])

    def slow(*arguments):
        clock[0] += 1
        written.append(clock[0])

    monkeypatch.setattr("elman.estimators.checkpoint.write_model", slow)
    written = []

    def epoch_of_two_seconds(progress):
        clock[0] += 2 * (progress.row is not None)

    model = model_of(RNNClassifier, max_iter=40)
    model.fit(X, LABELS, checkpoint=tmp_path / "run.ckpt", callback=epoch_of_two_seconds)
    assert np.diff(written[:-1]).tolist() == [21.0] * 3  # 20 of training, as 19 are not enough


@pytest.mark.parametrize("every", [-1, float("nan"), float("inf")])
def test_time_has_to_be_one(every):
    with pytest.raises(ValueError, match="expected seconds, 0 or more"):
        Checkpoint("run.ckpt", every)


# What is refused


@pytest.fixture
def path(tmp_path):
    model_of(RNNClassifier).fit(X, LABELS, checkpoint=tmp_path / "run.ckpt")
    return tmp_path / "run.ckpt"


def test_a_checkpoint_that_is_there_is_not_replaced(path, tmp_path):
    before = path.read_bytes()
    model = model_of(RNNClassifier)
    with pytest.raises(FileExistsError, match=r"resume='.*run\.ckpt'.*elman resume .*run\.ckpt"):
        model.fit(X, LABELS, checkpoint=path)
    (tmp_path / "other").write_bytes(before)
    with pytest.raises(FileExistsError):
        model.fit(X, LABELS, checkpoint=path, resume=tmp_path / "other")
    assert path.read_bytes() == before
    assert not hasattr(model, "history_")
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        model.fit(X, LABELS, checkpoint=tmp_path / "nowhere" / "run.ckpt")


OTHERS = {
    "X": ([*X[:-1], X[-1] + 1e-12], LABELS, None, None),
    "X, y": (X[::-1], LABELS[::-1], None, None),
    "y": (X, np.where(np.arange(len(X)) == 0, LABELS[::-1], LABELS), None, None),
    "sample_weight": (X, LABELS, np.arange(len(X)) + 1.0, None),
    "validation_data": (X, LABELS, None, (X, LABELS)),
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_data_are_refused(path, what):
    model = model_of(RNNClassifier)
    X, y, sample_weight, validation = OTHERS[what]
    with pytest.raises(
        DataError, match=rf"run\.ckpt belongs to .* other data: {what} (is|are) not"
    ):
        model.fit(X, y, sample_weight, validation_data=validation, resume=path)
    assert not hasattr(model, "history_")


@pytest.mark.parametrize(
    ("kind", "params", "error", "message"),
    [
        (
            RNNClassifier,
            {"hidden_layer_sizes": (4,), "tol": 1e-3},
            InvalidParameterError,
            r"with hidden_layer_sizes=3 \(here \[4\]\), tol=0\.0001 \(here 0\.001\)\. Set them back",
        ),
        (RNNClassifier, {"random_state": 1}, InvalidParameterError, r"random_state=0 \(here 1\)"),
        (RNNClassifier, {"class_weight": {"high": 2}}, InvalidParameterError, "class_weight=None"),
        (RNNTagger, {}, ModelFileError, "holds a RNNClassifier, not a RNNTagger"),
    ],
)
def test_other_parameters_are_refused(path, kind, params, error, message):
    with pytest.raises(error, match=message):
        model_of(kind, **params).fit(X, LABELS, resume=path)


def test_what_changes_no_bit_may_differ(path):
    model_of(RNNClassifier, verbose=True, n_jobs=2, warm_start=True).fit(X, LABELS, resume=path)


def test_a_model_is_no_checkpoint(path, tmp_path):
    elman.load(path).save(tmp_path / "model", optimizer=True)
    with pytest.raises(ModelFileError, match=r"is a model, not a checkpoint.*partial_fit"):
        model_of(RNNClassifier).fit(X, LABELS, resume=tmp_path / "model")


def test_checkpoint_of_another_version(path):
    model = read_model(path)
    model.settings["training"]["version"] = 1
    write_model(path, *model)
    with pytest.raises(ModelFileError, match=r"checkpoint of version 1; this elman .* version 2"):
        model_of(RNNClassifier).fit(X, LABELS, resume=path)


@pytest.mark.parametrize("name", ["best", "safe", "high"])
def test_parts_that_make_no_training(path, name):
    model = read_model(path)
    array = model.arrays.pop(f"training.{name}")
    if name != "high":
        model.arrays[f"training.{name}"] = array[1:]
    write_model(path, *model)
    with pytest.raises(ModelFileError, match="its parts do not make a model"):
        model_of(RNNClassifier).fit(X, LABELS, resume=path)


def test_digest_of_much_data_reads_a_part(monkeypatch):
    rows = np.arange(40_000.0).reshape(-1, 2)
    whole = digest._digest(rows)
    monkeypatch.setattr(digest, "WHOLE", rows.nbytes // 2)
    seen = set()
    for changed in (slice(1), slice(12, 17), slice(-1, None)):
        other = rows.copy()
        other[changed] += 1e-3
        seen.add(digest._digest(other))
    assert digest._digest(rows) != whole
    assert len(seen | {digest._digest(rows)}) == 4


# A full disk


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_full_disk_does_not_end_training(tmp_path, caplog):
    path = tmp_path / "run.ckpt"
    expected = saved(model_of(RNNClassifier, max_iter=6).fit(X, LABELS), tmp_path)
    model, contents = model_of(RNNClassifier, max_iter=6), []

    def fill(progress):
        if progress.row is None and progress.epoch == 3 and not contents:
            contents.append(path.read_bytes())
            disk.__enter__()
        if progress.row is None and progress.epoch == 5 and disk.gen.gi_frame is not None:
            contents.append(path.read_bytes())
            disk.__exit__(None, None, None)

    disk = full_disk(100)
    model.fit(X, LABELS, checkpoint=Checkpoint(path, every=0), callback=fill)
    first, second = caplog.messages
    assert "could not be written: " in first
    assert first.endswith("training goes on, and what was written last stays")
    assert second == f"the checkpoint is written again: {path}"
    assert contents[0] == contents[1]
    assert saved(model, tmp_path) == expected
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert [*tmp_path.glob(".elman*")] == []


# partial_fit after load


@pytest.mark.parametrize("solver", OPTIMIZERS)
@pytest.mark.parametrize("kind", [RNNClassifier, RNNStepRegressor])
def test_partial_fit_goes_on_after_load(kind, solver, tmp_path):
    y = LABELS if kind is RNNClassifier else STEP_SUMS
    model = model_of(kind, solver=solver, dropout=0.2, learning_rate_init=0.01)
    model.partial_fit(X, y).partial_fit(X, y)
    model.save(tmp_path / "model", optimizer=True)
    model.save(tmp_path / "weights")
    for _ in range(2):
        model.partial_fit(X, y)
    expected = saved(model, tmp_path)
    loaded, without = (elman.load(tmp_path / name) for name in ("model", "weights"))
    for _ in range(2):
        loaded.partial_fit(X, y)
        without.partial_fit(X, y)
    assert saved(loaded, tmp_path) == expected
    assert saved(without, tmp_path) != expected


def test_models_without_optimizer_are_as_they_were(tmp_path):
    model = model_of(RNNClassifier).fit(X, LABELS)
    model.save(tmp_path / "model")
    content = read_model(tmp_path / "model")
    assert not {"generator", "optimizer"} & {*content.settings}
    assert not [name for name in content.arrays if "." in name]


@pytest.mark.parametrize(
    ("settings", "arrays"),
    [
        ({"kind": "Newton"}, {}),
        ({"decay_1": "0.9"}, {}),
        ({}, {"optimizer.mean": np.zeros(2)}),
        ({}, {"optimizer.other": np.zeros(2)}),
        ({"generator": {"bit_generator": "PCG64"}}, {}),
    ],
)
def test_optimizer_that_makes_no_sense(settings, arrays, tmp_path):
    model_of(RNNClassifier).fit(X, LABELS).save(tmp_path / "model", optimizer=True)
    content = read_model(tmp_path / "model")
    content.settings["generator"] |= settings.pop("generator", {})
    if settings == {} and arrays == {}:
        del content.settings["generator"]["state"]
    content.settings["optimizer"] |= settings
    write_model(tmp_path / "model", content.kind, content.settings, content.arrays | arrays)
    with pytest.raises(ModelFileError, match="its parts do not make a model"):
        elman.load(tmp_path / "model")
