"""What ``make learn`` measures by: data, features, what is kept, and what its tables say."""

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks.learn import baselines, report, runs, tasks
from benchmarks.learn.__main__ import _setting
from benchmarks.learn.contenders import CONTENDERS, WINDOW
from benchmarks.learn.problems import Part, Problem, read_part, write_part
from benchmarks.learn.worker import score


@pytest.fixture
def problem():
    rng = np.random.default_rng(3)
    X = [rng.standard_normal((n, 2)).astype(np.float32) for n in (5, 9, 4, 7, 6, 8)]
    y = np.array(["a", "b", "a", "b", "a", "b"])
    return Problem("small", "labels", Part(X, y, X[:2], y[:2]))


@pytest.fixture
def plan(tmp_path):
    return runs.Plan(tmp_path, n_threads=1, cv=False, again=False, options={})


@pytest.fixture
def started(monkeypatch):
    """The contenders that were run, with their seeds."""
    names = []

    def run(name, problem, seed, plan, say):
        names.append((name, seed))
        return {"scores": [0.5], "seconds": [1.0], "cpu_seconds": [1.0]}

    monkeypatch.setattr(runs, "_run", run)
    return names


def test_short_sequences_are_padded_and_long_ones_cut():
    X = [np.full((2, 1), 7.0), np.arange(1.0, 6).reshape(5, 1)]

    assert baselines.pad(X, 3)[:, :, 0].tolist() == [[7, 7, 0], [1, 2, 3]]


def test_a_summary_holds_nine_numbers_a_feature():
    x = np.array([[1.0, 10.0], [4.0, 10.0], [2.0, 13.0]])

    rows = baselines.summary([x]).reshape(9, 2)

    expected = [7 / 3, np.std([1, 4, 2]), 1, 1.5, 2, 3, 4, 2.5, 0.5]
    np.testing.assert_allclose(rows[:, 0], expected, rtol=1e-15)
    assert rows[7].tolist() == [2.5, 1.5]
    assert np.isfinite(baselines.summary([x[:1]])).all()


def test_a_window_ends_at_its_step_and_sees_no_further():
    x = np.arange(1.0, 13).reshape(12, 1)

    rows = baselines.windows([x, x[:3]])

    assert rows.shape == (15, WINDOW)
    assert rows[0].tolist() == [0] * (WINDOW - 1) + [1]
    assert rows[11].tolist() == list(range(3, 13))
    assert rows[14, -4:].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("every_step", [False, True])
def test_a_part_is_read_as_it_was_written(problem, tmp_path, every_step):
    part = problem.part
    if every_step:
        part = part._replace(
            y_train=[x[:, 0] for x in part.X_train], y_test=[x[:, 0] for x in part.X_test]
        )
    write_part(part, tmp_path / "part.npz")

    for read, written in zip(read_part(tmp_path / "part.npz"), part, strict=True):
        for a, b in zip(read, written, strict=True):
            np.testing.assert_array_equal(a, b)


def test_folds_take_the_training_part_alone_and_each_sequence_once(problem):
    folds = problem._replace(part=problem.part._replace(X_test=[], y_test=None)).folds(seed=0)

    assert sorted(len(x) for part in folds for x in part.X_test) == [4, 5, 6, 7, 8, 9]
    for part in folds:
        assert sorted(part.y_test) == ["a", "b"]
        assert not {len(x) for x in part.X_train} & {len(x) for x in part.X_test}


def test_scores_count_steps_and_values():
    steps = [np.array([0, 1, 1]), np.array([2])]
    answers = [np.array([0, 1, 0]), np.array([2])]
    y = np.array([1.0, 2.0, 3.0])

    assert score("tags", Part([], None, [], steps), answers) == 0.75
    assert score("value", Part([], None, [], y), y) == 1
    assert score("value", Part([], None, [], y), np.full(3, 2.0)) == 0


def test_what_is_kept_is_used_until_it_is_made_of_something_else(
    problem, plan, started, monkeypatch
):
    def ask(problem=problem, run=True, plan=plan):
        return runs.result("elman", problem, 0, plan, run, print)

    assert ask(run=False) is None
    assert not ask()["is_old"]
    assert not ask()["is_old"]
    assert started == [("elman", 0)]
    monkeypatch.setattr(runs, "_version", lambda contender: "another")
    assert ask(run=False)["is_old"]
    assert not ask()["is_old"]
    assert len(started) == 2
    ask(plan=plan._replace(again=True))
    ask(plan=plan._replace(options={"cell": "relu"}))
    ask(plan=plan._replace(cv=True))
    part = problem.part
    ask(problem._replace(part=part._replace(y_test=part.y_test[::-1])))
    assert len(started) == 6


def test_each_contender_has_a_version():
    versions = {name: runs._version(contender) for name, contender in CONTENDERS.items()}

    assert versions["lstm-last"] == "2.13.0"
    assert "+" in versions["elman"]


@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_task_is_drawn_the_same_each_time(name):
    first, second = tasks.task(name), tasks.task(name)

    assert first.digest() == second.digest()
    assert first.what
    answers = first.part.y_train
    if first.every_step:
        assert [len(y) for y in answers] == [len(x) for x in first.part.X_train]
        assert len(np.unique(np.concatenate(answers))) > 2
    else:
        assert np.ptp(answers) > 1


def test_a_setting_is_a_value_or_a_word():
    assert _setting("hidden_layer_sizes=(32, 32)") == ("hidden_layer_sizes", (32, 32))
    assert _setting("cell=relu") == ("cell", "relu")
    with pytest.raises(Exception, match="'relu' is not KEY=VALUE"):
        _setting("relu")


def _results(**accuracies):
    """The results of two seeds on all sets; a contender's are the same everywhere."""
    made = {
        name.replace("_", "-"): [
            {
                "scores": [value],
                "seconds": [31.0],
                "cpu_seconds": [31.0],
                "n_threads": 2,
                "is_old": False,
            }
            for value in values
        ]
        for name, values in accuracies.items()
    }
    return {
        "machine": {"elman": "1"},
        "seeds": [0, 1],
        "cv": False,
        "options": {},
        "problems": {name: {"kind": "labels", "what": ""} for name in report.SETS},
        "runs": dict.fromkeys(report.SETS, made),
    }


def test_the_bars_are_the_best_lstm_and_what_is_asked_for():
    results = _results(
        elman=[0.85, 0.90], lstm_last=[0.8, 0.8], lstm_both=[0.88, 0.89], rocket=[0.9, 0.9]
    )

    reached = {bar.what: bar.reached for bar in report.bars(results)}

    assert reached["mean accuracy of the six sets"]
    assert reached["the same, within 0.03 of ROCKET (an aim)"]
    assert not reached["PLAID, the best LSTM"]
    assert reached["spread (GunPoint)"]  # 0.05, not 0.05000000000000004
    assert not reached["longest fit (GunPoint)"]
    assert report.bars(results | {"cv": True}) == []


def test_the_markdown_names_the_variant_and_what_is_missing():
    results = _results(elman=[0.85, 0.90], lstm_last=[0.8], lstm_both=[0.88, 0.89])

    text = report.markdown(results, report.bars(results))

    assert "| elman | 0.875 (0.050) |" in text
    assert "| LSTM, best | 0.885 (0.010) |" in text
    assert "GunPoint both ways" in text
    assert r"0.800 (–)\*" in text
    assert "LSTM, last, fewer seeds than asked for: GunPoint 1, " in text
    json.dumps(results)


def test_reversed_and_padded_sequences_are_read_as_packed_ones():
    torch = pytest.importorskip("torch")
    from benchmarks.learn.lstm import Network
    from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence, pad_sequence

    torch.manual_seed(0)
    lengths = torch.tensor([9, 2, 5])
    x = [torch.randn(n, 3) for n in lengths]
    padded = pad_sequence(x, batch_first=True)
    packed = pack_sequence(x, enforce_sorted=False)
    for variant in ("last", "mean", "both"):
        network = Network(variant, D=3, K=4)
        steps, (h, _) = network.forwards(packed)
        expected = h[0]
        if variant == "mean":
            steps, _ = pad_packed_sequence(steps, batch_first=True)
            expected = steps.sum(dim=1) / lengths[:, None]
        if variant == "both":
            turned = pack_sequence([one.flip(0) for one in x], enforce_sorted=False)
            expected = torch.cat([expected, network.backwards(turned)[1][0][0]], dim=1)
        actual = network(padded, lengths)
        torch.testing.assert_close(actual, network.output(expected), rtol=1e-5, atol=1e-6)


def test_a_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    from benchmarks.learn.picture import draw

    results = _results(elman=[0.85, 0.90], lstm_last=[0.8], forest_flat=[0.88, 0.89])
    results["machine"]["cpu"] = "a processor"

    drawn = draw(results, tmp_path / "learn.png")

    assert drawn == Path(tmp_path / "learn.png")
    assert drawn.stat().st_size > 10_000
