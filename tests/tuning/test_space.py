"""Candidates: what competes, and what training one takes."""

import numpy as np
import pytest

from elman import RNNClassifier, RNNStepRegressor, RNNTagger
from elman.estimators.inputs import planned_front_end
from elman.tuning.space import SPACES, candidates, work


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
