"""What is passed to fit and score: refused as a whole or taken, and weighed alike everywhere."""

import numpy as np
import pytest

from elman import DataError, RNNClassifier, RNNTagger
from elman.estimators import base, classification, preparing
from plain import plain_model
from walks import bits, classifier, ragged, walks

X, Y = walks()


@pytest.mark.parametrize(
    ("params", "data"),
    [
        ({}, (X[:, :, :1], Y[:5])),
        ({}, (X[:, :, :1], [0.5] * 60)),
        ({"early_stopping": True}, (X[:6], range(6))),
        ({"hidden_layer_sizes": (3, 0)}, (X.reshape(60, -1), Y)),
        ({"class_weight": {0: -1, 1: 1, 2: 1}}, (X, Y)),
    ],
)
def test_refused_input_leaves_the_fitted_model_as_it_was(tmp_path, params, data):
    estimator = classifier().fit(X, Y)
    before = estimator.predict_proba(X)
    with pytest.raises(ValueError):  # noqa: PT011
        estimator.set_params(**params).fit(*data)
    assert estimator.predict_proba(X).tobytes() == before.tobytes()
    estimator.save(tmp_path / "model")
    assert RNNClassifier.load(tmp_path / "model").predict_proba(X).tobytes() == before.tobytes()


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("module", "when"),
    [(preparing, "target_weights"), (classification, "check_weights"), (base, "Trainer")],
)
def test_interrupt_while_input_is_checked_leaves_the_model_as_it_was(
    monkeypatch, method, module, when
):
    class_weight = {0: 1, 1: 2, 2: 3}
    estimator = classifier(class_weight=class_weight).fit(X, Y)
    before, answers = vars(estimator).copy(), estimator.predict_proba(X)
    original = getattr(module, when)

    def interrupted(*arguments, **options):
        original(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, when, interrupted)
    with pytest.raises(KeyboardInterrupt):
        getattr(estimator, method)(X * 3, Y)
    monkeypatch.undo()
    assert vars(estimator) == before
    assert estimator.predict_proba(X).tobytes() == answers.tobytes()


# Weights mean the same everywhere

RAGGED, TAGS = ragged()


def padded(pad_label):
    """The ragged sequences as arrays, with weight 0 where they are padded."""
    longest = max(map(len, RAGGED))
    data = np.random.default_rng(5).standard_normal((len(RAGGED), longest, 2))
    labels = np.full((len(RAGGED), longest), pad_label, object)
    weights = np.zeros(labels.shape)
    for i, (x, y) in enumerate(zip(RAGGED, TAGS, strict=True)):
        data[i, : len(x)], labels[i, : len(x)], weights[i, : len(x)] = x, y, 1
    return data, labels, weights


@pytest.mark.parametrize("pad_label", ["<PAD>", -100, None])
@pytest.mark.parametrize(
    "params", [{}, {"class_weight": "balanced"}, {"early_stopping": True}], ids=str
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_steps_of_weight_zero_are_as_good_as_cut_off(pad_label, params, method):
    if method == "partial_fit" and params:
        params = {"class_weight": {"up": 2.0}}
    cut, weighted = (
        plain_model(RNNTagger, 5, max_iter=3, random_state=0, batch_size=7, **params) for _ in "ab"
    )
    getattr(cut, method)(RAGGED, TAGS)
    data, labels, weights = padded(pad_label)
    getattr(weighted, method)(data, labels, sample_weight=weights)
    assert weighted.classes_.tolist() == ["down", "up"]
    assert bits(weighted) == bits(cut)
    assert weighted.history_ == cut.history_
    assert weighted.score(data, labels, weights) == cut.score(RAGGED, TAGS)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_sequences_of_weight_zero_are_as_good_as_left_out(method, class_weight):
    if method == "partial_fit" and class_weight:
        class_weight = {0: 3.0}
    keep = np.arange(60) % 3 > 0
    y = np.where(keep, Y, 77)  # no class, since nobody has it
    left_out, weighted = (classifier(class_weight=class_weight, batch_size=7) for _ in "ab")
    getattr(left_out, method)(X[keep], Y[keep])
    getattr(weighted, method)(X, y, sample_weight=keep)
    assert weighted.classes_.tolist() == [0, 1, 2]
    assert bits(weighted) == bits(left_out)
    assert weighted.history_ == left_out.history_
    assert weighted.score(X, y, keep) == left_out.score(X[keep], Y[keep])


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 3.0}])
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_weight_of_five_is_five_copies(class_weight, alpha):
    """In the loss, the accuracy and "balanced" alike; one batch, so that updates are the same."""
    times = np.where(np.arange(60) % 2, 5, 1)
    settings = {"class_weight": class_weight, "alpha": alpha, "batch_size": 400, "shuffle": False}
    weighted, copied = (classifier(**settings) for _ in "ab")
    weighted.fit(X, Y, times)
    copied.fit(X.repeat(times, axis=0), Y.repeat(times))
    for row, expected in zip(weighted.history_, copied.history_, strict=True):
        assert row == pytest.approx(expected, rel=1e-9)
    assert weighted.score(X, Y, times) == pytest.approx(
        copied.score(X.repeat(times, axis=0), Y.repeat(times)), rel=1e-12
    )


def test_steps_without_a_label_do_not_scale_the_loss():
    """Half of the steps have weight 0: what is left counts as it does alone."""
    weights = [np.where(np.arange(len(x)) % 2, 0.0, 1.0) for x in RAGGED]
    tagger = RNNTagger(5, max_iter=1, random_state=0, batch_size=100, learning_rate_init=1e-12)
    tagger.fit(RAGGED, TAGS, weights)
    losses = [
        -np.log(p[np.arange(len(y)), np.searchsorted(tagger.classes_, y)]) @ w
        for p, y, w in zip(tagger.predict_proba(RAGGED), TAGS, weights, strict=True)
    ]
    assert tagger.loss_ == pytest.approx(np.mean(losses), rel=1e-6)


@pytest.mark.parametrize("class_weight", [None, {0: 7.0, 1: 1.0, 2: 0.3}])
def test_training_and_validation_accuracy_are_one_quantity(class_weight):
    """With a learning rate of almost nothing both are measured on the same weights."""
    weights = np.random.default_rng(0).uniform(0.1, 3, 60)
    seen = []
    estimator = classifier(
        class_weight=class_weight, learning_rate_init=1e-15, max_iter=1, early_stopping=True
    )
    estimator._parts = lambda examples: (np.arange(60), np.arange(60))
    estimator.fit(X, Y, weights, callback=lambda progress: seen.append(progress.accuracy))
    (row,) = estimator.history_
    assert row["accuracy"] == pytest.approx(row["validation_score"], rel=1e-6)
    assert seen[-1] == row["accuracy"]


def test_score_without_any_weight_is_refused_in_words():
    with pytest.raises(DataError, match="all sample weights are zero"):
        classifier().fit(X, Y).score(X, Y, np.zeros(60))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-300, 3e38, 1e39, 1e308])
def test_weights_of_any_size_are_relative(dtype, scale):
    """None of them is a fault of X or of the learning rate."""
    weights = np.random.default_rng(0).uniform(0.5, 1.5, 60)
    data = X.astype(dtype)
    plain, large = classifier(alpha=0.0).fit(data, Y, weights), classifier(alpha=0.0)
    large.fit(data, Y, weights * scale)
    np.testing.assert_allclose(large.predict_proba(data), plain.predict_proba(data), rtol=1e-4)


def test_weights_too_large_to_count_as_they_are_are_refused_by_name():
    with pytest.raises(
        DataError, match=r"the weights .* have 1e\+39 .* too large for dtype float32"
    ):
        classifier().partial_fit(X.astype(np.float32), Y, sample_weight=np.full(60, 1e39))
