"""Long sequences: an update every so many steps, and states that are computed twice."""

import numpy as np
import pytest
from sklearn.utils._param_validation import InvalidParameterError

import elman
from elman import RNNClassifier, RNNStepRegressor, RNNTagger
from plain import plain_model

rng = np.random.default_rng(0)
X = [rng.standard_normal((n, 2)) for n in (90, 40, 75, 8, 61)]
Y = [np.tanh(x[:, 0].cumsum()) for x in X]
LABELS = [(y > 0).astype(int) for y in Y]


def fitted(kind=RNNStepRegressor, y=Y, **params):
    settings = {"max_iter": 3, "random_state": 0, "batch_size": 3}
    return plain_model(kind, 6, **settings | params).fit(X, y)


def bits(model):
    return model.network_.parameters.vector.tobytes()


def test_windows_of_all_steps_are_none():
    whole = bits(fitted())
    assert bits(fitted(tbptt_steps=90)) == whole
    assert bits(fitted(tbptt_steps=89)) != whole


@pytest.mark.parametrize(("kind", "y"), [(RNNStepRegressor, Y), (RNNTagger, LABELS)])
def test_threads_and_checkpoints_change_no_bit(kind, y):
    found = {
        bits(fitted(kind, y, tbptt_steps=20, checkpoint_steps=steps, n_jobs=n_jobs, dropout=0.2))
        for steps in ("auto", None, 7)
        for n_jobs in (1, 2)
    }
    assert len(found) == 1


def test_engines_agree_on_windows():
    compiled, reference = (
        fitted(tbptt_steps=20, engine=engine).network_.parameters.vector
        for engine in ("compiled", "reference")
    )
    np.testing.assert_allclose(compiled, reference, rtol=1e-9)


def test_one_long_stream_is_learned_in_an_epoch():
    x = rng.standard_normal((20_000, 1))
    y = np.convolve(x[:, 0], 0.8 ** np.arange(40))[: len(x)]
    how = {"tbptt_steps": 50, "max_iter": 1, "learning_rate_init": 0.01, "random_state": 1}
    model = plain_model(RNNStepRegressor, 8, **how).fit([x], [y])
    assert model.score([x], [y]) > 0.8
    whole = plain_model(RNNStepRegressor, 8, **how | {"tbptt_steps": None}).fit([x], [y])
    assert whole.score([x], [y]) < 0.3


@pytest.mark.filterwarnings("ignore:.*next to nothing")  # windows of a step have no past
def test_updates_of_the_budget_are_windows():
    seen = []
    model = plain_model(RNNStepRegressor, 2, tbptt_steps=1, batch_size=5, shuffle=False)
    model.fit(X, Y, callback=lambda progress: seen.append(progress))
    assert model.n_iter_ == 17  # of 90 updates: 1,500 in all
    assert seen[-1].update == seen[-1].n_updates == 1530
    assert all(0 <= progress.n_done <= 5 for progress in seen)


def test_a_rate_that_falls_ends_near_zero():
    rates = [row["learning_rate"] for row in fitted(tbptt_steps=10, shuffle=False).history_]
    assert rates[-1] < 1e-4 * 0.003 * 90


def test_partial_fit_goes_by_windows_too():
    model = plain_model(RNNStepRegressor, 6, tbptt_steps=20, random_state=0)
    others = plain_model(RNNStepRegressor, 6, random_state=0)
    assert bits(model.partial_fit(X, Y)) != bits(others.partial_fit(X, Y))


def test_learned_first_states_are_learned():
    model = fitted(tbptt_steps=20, learn_initial_state=True)
    assert np.abs(model.network_.parameters["initial1"]).max() > 0


@pytest.mark.parametrize(
    ("kind", "y", "params", "message"),
    [
        (RNNClassifier, [0, 1, 0, 1, 0], {"tbptt_steps": 5}, "answers a sequence once"),
        (RNNTagger, LABELS, {"tbptt_steps": 5, "bidirectional": True}, "exclude each other"),
        (RNNTagger, LABELS, {"checkpoint_steps": 5, "bidirectional": True}, "exclude each other"),
    ],
)
def test_what_cannot_be_is_refused(kind, y, params, message):
    with pytest.raises(InvalidParameterError, match=message):
        fitted(kind, y, **params)


def test_files_say_how_it_was_trained_and_not_where(tmp_path):
    model = fitted(tbptt_steps=20, checkpoint_steps=5)
    model.save(tmp_path / "model")
    loaded = elman.load(tmp_path / "model")
    assert (loaded.tbptt_steps, loaded.checkpoint_steps) == (20, "auto")
