"""The displays of importance, and of confusion over time."""

import numpy as np
import pytest

from elman import ConfusionOverTimeDisplay, DataError, PermutationImportanceDisplay, RNNTagger
from elman.inspection import PermutationImportance

pytest.importorskip("matplotlib")
from matplotlib import pyplot

from plain import plain_model


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


FEATURES = PermutationImportance(
    np.array([[0.1, 0.2], [0.5, 0.7], [0.0, -0.1]]), 0.9, "features", ("$a$", "b", "c")
)
STEPS = PermutationImportance(
    np.array([[0.1, 0.2], [0.5, 0.7]]),
    0.9,
    "steps",
    ("1–3", "4–5"),
    np.array([1, 4]),
    np.array([3, 5]),
)


def test_features_are_bars_the_most_important_on_top():
    ax = PermutationImportanceDisplay(FEATURES).plot().ax_
    ax.figure.canvas.draw()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["c", r"\$a\$", "b"]
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [-0.05, 0.15, 0.6])
    assert ax.get_xlabel() == "loss of score, which is 0.900"


@pytest.mark.parametrize("align", ["start", "end"])
def test_steps_are_a_line_at_the_middle_of_each_window(align):
    found = PermutationImportance(**{**vars(STEPS), "align": align})
    ax = PermutationImportanceDisplay(found).plot().ax_
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[2, 0.15], [4.5, 0.6]])
    assert ax.xaxis_inverted() == (align == "end")
    assert ("back" in ax.get_xlabel()) == (align == "end")


def test_importance_is_drawn_where_it_is_asked_for():
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 2)) for n in (3, 5, 4)]
    y = [x[:, 0] > 0 for x in X]
    tagger = plain_model(RNNTagger, 3, max_iter=1, engine="reference", random_state=0).fit(X, y)
    _, ax = pyplot.subplots()
    display = PermutationImportanceDisplay.from_estimator(tagger, X, y, n_repeats=2, ax=ax)
    assert display.ax_ is ax
    assert display.importance.importances.shape == (2, 2)


TRUE = [["a", "b", "a"], ["b", "b"], ["a", "a", "b", "PAD"]]
ANSWERS = [["a", "a", "a"], ["b", "b"], ["a", "b", "b"]]


def test_confusion_is_counted_step_by_step():
    found = ConfusionOverTimeDisplay.from_predictions(TRUE, ANSWERS)
    assert found.classes.tolist() == ["a", "b"]
    expected = [[[2, 0], [0, 1]], [[0, 1], [1, 1]], [[1, 0], [0, 1]]]
    np.testing.assert_array_equal(found.counts, expected)
    from_end = ConfusionOverTimeDisplay.from_predictions(TRUE, ANSWERS, align="end")
    np.testing.assert_array_equal(from_end.counts[0], [[1, 0], [0, 2]])
    wide = ConfusionOverTimeDisplay.from_predictions(TRUE, ANSWERS, width=2)
    np.testing.assert_array_equal(wide.counts, [np.sum(expected[:2], axis=0), expected[2]])


def test_bands_are_shares_with_what_is_right_at_the_bottom():
    display = ConfusionOverTimeDisplay.from_predictions(TRUE, ANSWERS).plot()
    a, b = display.axes_
    assert a.get_ylabel() == "a\n4"
    right, wrong = (band.get_paths()[0] for band in a.collections)
    assert right.contains_point((1, 0.5))
    assert not right.contains_point((2, 0.5))
    assert wrong.contains_point((2, 0.5))
    assert b.collections[0].get_paths()[0].contains_point((2, 0.25))
    assert not b.collections[0].get_paths()[0].contains_point((2, 0.75))
    names = [text.get_text() for text in a.get_legend().get_texts()]
    assert names == ["a", "b"]


def test_labels_may_be_chosen():
    display = ConfusionOverTimeDisplay.from_predictions(TRUE, ANSWERS)
    assert len(display.plot(labels=["b"]).axes_) == 1
    with pytest.raises(ValueError, match=r"labels has \['z'\]; the classes are \['a', 'b'\]"):
        display.plot(labels=["z"])
    with pytest.raises(ValueError, match="expected 2, one for each part drawn"):
        display.plot(ax=[pyplot.figure().subplots()])


def test_of_many_classes_the_most_frequent_are_drawn():
    y = [np.repeat(np.arange(12), np.arange(1, 13))]
    display = ConfusionOverTimeDisplay.from_predictions(y, y).plot()
    assert [int(ax.get_ylabel().split()[0]) for ax in display.axes_] == list(range(4, 12))


def test_from_estimator_tags():
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 2)) for n in (3, 5, 4)]
    y = [np.where(x[:, 0] > 0, "up", "down") for x in X]
    tagger = plain_model(RNNTagger, 3, max_iter=1, engine="reference", random_state=0).fit(X, y)
    display = ConfusionOverTimeDisplay.from_estimator(tagger, X, y, align="end")
    assert display.counts.sum() == 12
    assert display.axes_[0].xaxis_inverted()


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(DataError, match="labels of 3 sequences, answers of 2"):
        ConfusionOverTimeDisplay.from_predictions(TRUE, ANSWERS[:2])
    with pytest.raises(DataError, match="sequence 1 has 1 labels and 2 answers"):
        ConfusionOverTimeDisplay.from_predictions([["a"], ["a"]], [["a"], ["a", "b"]])
    with pytest.raises(ValueError, match="width must be 1 or more"):
        ConfusionOverTimeDisplay.from_predictions(TRUE, ANSWERS, width=0)
