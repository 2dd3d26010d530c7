"""The displays: what is on the axes is what the arrays say, and wrong input is refused."""

import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import elman
from elman import (
    ForwardDisplay,
    GatesDisplay,
    GradientFlowDisplay,
    JacobianSpectrumDisplay,
    LearningCurveDisplay,
    Network,
    RNNClassifier,
    RNNTagger,
    SoftmaxJacobianDisplay,
    TermLadderDisplay,
    explain,
    gradient_flow,
)

pytest.importorskip("matplotlib")
from matplotlib import pyplot
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure

from plain import plain_model

OF_EXPLANATION = [
    ForwardDisplay,
    GradientFlowDisplay,
    JacobianSpectrumDisplay,
    SoftmaxJacobianDisplay,
    TermLadderDisplay,
]
ONE = {SoftmaxJacobianDisplay, TermLadderDisplay}
NAMES = np.array(["down", "$up$", "50% $x_"])  # no formulas


@pytest.fixture(autouse=True)
def close_figures():
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


def test_figures_are_those_of_pyplot(of_steps):
    """So that a notebook shows them, as it shows scikit-learn's, and savefig finds them."""
    display = TermLadderDisplay.from_explanation(of_steps)
    assert pyplot.gcf() is display.figure_


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 2)) for n in [7, *rng.integers(2, 8, 30)]]
    return X, [NAMES[np.digitize(x.cumsum(axis=0)[:, 0], [-0.5, 0.5])] for x in X]


@pytest.fixture(scope="module")
def tagger(data):
    return plain_model(RNNTagger, (5, 4), max_iter=2, random_state=0).fit(*data)


@pytest.fixture(scope="module")
def classifier(data):
    X, y = data
    return plain_model(RNNClassifier, 5, max_iter=2, random_state=0).fit(
        X, [labels[-1] for labels in y]
    )


@pytest.fixture(scope="module")
def of_steps(tagger, data):
    return explain(tagger, data[0][0], data[1][0], check=False)


@pytest.fixture(scope="module")
def of_end(classifier, data):
    return explain(classifier, data[0][0], data[1][0][-1], check=False)


def draw(display):
    """Draw as a picture file is drawn; warnings are errors."""
    display.figure_.canvas.draw()
    return display


def axes_for(cls):
    ax = Figure(layout="constrained").subplots(1, 1 if cls in ONE else 2)
    return ax if cls in ONE else tuple(ax)


def axes_of(display):
    return display.ax_ if type(display) in ONE else display.axes_


# All alike


@pytest.mark.parametrize("cls", OF_EXPLANATION)
def test_draws_on_a_new_figure_or_on_what_is_given(cls, of_steps, of_end):
    for ex in (of_steps, of_end):
        new = draw(cls.from_explanation(ex))
        assert isinstance(new.figure_, Figure)
        ax = axes_for(cls)
        given = draw(cls.from_explanation(ex, ax=ax))
        assert axes_of(given) == ax
        assert given.figure_ is (ax if cls in ONE else ax[0]).figure


@pytest.mark.parametrize("cls", [c for c in OF_EXPLANATION if c is not GradientFlowDisplay])
def test_from_estimator_explains(cls, tagger, data):
    ax = axes_for(cls)
    display = cls.from_estimator(tagger, data[0][0], data[1][0], layer=2, ax=ax)
    assert axes_of(display) == ax
    assert display.explanation.layer == 2
    assert display.explanation.checks_ is None


@pytest.mark.parametrize("cls", OF_EXPLANATION)
def test_what_is_no_explanation_is_refused(cls, classifier):
    with pytest.raises(
        TypeError, match=r"explanation is of type RNNClassifier; expected an Explanation"
    ):
        cls.from_explanation(classifier)


@pytest.mark.parametrize("cls", OF_EXPLANATION)
def test_what_are_no_axes_is_refused(cls, of_end):
    with pytest.raises(TypeError, match="matplotlib Axes"):
        cls.from_explanation(of_end, ax="here")


@pytest.mark.parametrize("cls", [*OF_EXPLANATION, LearningCurveDisplay])
def test_without_matplotlib_one_says_what_to_install(cls, of_end, classifier, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    learning_curve = cls is LearningCurveDisplay
    display = cls(classifier.history_) if learning_curve else cls.from_explanation
    with pytest.raises(elman.ElmanError, match=r"pip install 'elman\[plot\]'"):
        display.plot() if learning_curve else display(of_end)


# Each


def test_learning_curve(classifier):
    ax = axes_for(LearningCurveDisplay)
    loss, accuracy = draw(LearningCurveDisplay.from_estimator(classifier, ax=ax)).axes_
    assert (loss, accuracy) == ax
    rows = classifier.history_
    assert loss.lines[0].get_xydata().tolist() == [[r["epoch"], r["loss"]] for r in rows]
    assert accuracy.lines[0].get_ydata().tolist() == [r["accuracy"] for r in rows]
    ticks = [*loss.get_xticks(), *accuracy.get_xticks()]
    assert ticks == [int(tick) for tick in ticks]  # there is no epoch 1.5


def test_learning_curve_of_nothing_learnt():
    with pytest.raises(NotFittedError, match="RNNClassifier instance is not fitted"):
        LearningCurveDisplay.from_estimator(RNNClassifier())


def test_forward_of_labelled_steps(of_steps):
    states, answers = ForwardDisplay.from_explanation(of_steps).axes_
    np.testing.assert_array_equal(states.images[0].get_array(), of_steps.h_activated.T)
    y_hat = of_steps.y_activated[np.arange(of_steps.T), of_steps.labels]
    for line in answers.lines:
        np.testing.assert_array_equal(line.get_xydata(), np.c_[1 : of_steps.T + 1, y_hat])


def test_forward_of_a_labelled_end(of_end):
    _, answers = draw(ForwardDisplay.from_explanation(of_end)).axes_
    all_steps, with_loss = answers.lines
    y_hat = of_end.y_activated[:, of_end.labels[-1]]
    np.testing.assert_array_equal(all_steps.get_ydata(), y_hat)
    assert with_loss.get_xydata().tolist() == [[of_end.T, y_hat[-1]]]
    name = of_end.classes[of_end.labels[-1]]
    assert name.replace("$", r"\$") in answers.get_ylabel()


def test_colours_are_symmetric_only_where_states_have_signs(of_end):
    network = Network(2, 4, 2, cell="relu", seed=0)
    x = np.random.default_rng(0).standard_normal((5, 2))
    relu = ForwardDisplay.from_estimator(network, x, 1).axes_[0].images[0]
    tanh = ForwardDisplay.from_explanation(of_end).axes_[0].images[0]
    assert relu.get_clim()[0] == 0
    assert tanh.get_clim()[0] == -tanh.get_clim()[1]


def test_softmax_jacobian(of_steps, tagger, data):
    display = draw(SoftmaxJacobianDisplay.from_explanation(of_steps))
    assert display.step == of_steps.T
    jacobian = of_steps.softmax_jacobian(of_steps.T)
    np.testing.assert_array_equal(display.ax_.images[0].get_array(), jacobian)
    assert [(r.get_x(), r.get_y()) for r in display.ax_.patches] == [
        (i - 0.5, i - 0.5) for i in range(3)
    ]
    written = [float(t.get_text().replace("−", "-")) for t in display.ax_.texts]
    np.testing.assert_allclose(written, jacobian.ravel(), atol=0.005)
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == of_steps.classes

    second = SoftmaxJacobianDisplay.from_estimator(tagger, data[0][0], data[1][0], step=2)
    np.testing.assert_array_equal(second.jacobian, of_steps.softmax_jacobian(2))
    with pytest.raises(ValueError, match="steps count from 1 to 7; got 8"):
        SoftmaxJacobianDisplay.from_explanation(of_steps, step=8)


def test_softmax_jacobian_of_many_classes_has_no_numbers():
    network = Network(2, 4, 40, seed=0)
    assert not draw(SoftmaxJacobianDisplay.from_estimator(network, np.ones((3, 2)), 1)).ax_.texts


def test_term_ladder_is_a_triangle_of_logarithms(of_steps):
    display = draw(TermLadderDisplay.from_explanation(of_steps))
    drawn = display.ax_.images[0].get_array()
    norms = of_steps.norms
    shown = np.tri(7, dtype=bool) & (norms > 0)
    np.testing.assert_array_equal(~np.ma.getmaskarray(drawn), shown)
    np.testing.assert_allclose(drawn[shown], np.log10(norms[shown]), rtol=1e-12)
    assert legend(display) == ["structural: $h_0=0$"]


def test_term_ladder_of_one_label_is_bars(of_end):
    ax = draw(TermLadderDisplay.from_explanation(of_end)).ax_
    first, *bars = ax.patches
    assert first.get_hatch()  # structural, over the whole height
    assert [bar.get_height() for bar in bars] == of_end.norms[-1, 1:].tolist()
    assert [bar.get_x() + bar.get_width() / 2 for bar in bars] == [2, 3, 4, 5, 6, 7]
    assert ax.get_yscale() == "log"


def legend(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def kinds_of_nothing(every_step):
    """Explain a network whose f' is almost 0 at one step, and whose W shrinks what passes."""
    network = Network(1, 3, 2, dtype=np.float64, seed=0)
    network.parameters["U1"][...] = 1
    network.parameters["W1"][...] *= 0.05
    x = np.full((12, 1), 0.5)
    x[4] = 9
    return explain(network, x, np.arange(12) % 2 if every_step else 1, check=False)


def test_term_ladder_tells_three_kinds_of_nothing_apart():
    ex = kinds_of_nothing(every_step=True)
    assert {"structural", "saturated", "vanished", "live"} < set(ex.kinds.ravel())
    display = draw(TermLadderDisplay.from_explanation(ex))
    hatched = {c.get_hatch(): c for c in display.ax_.collections if isinstance(c, PatchCollection)}
    assert len(hatched) == 3
    kinds = ["structural", "saturated", "vanished"]
    assert [entry.split(":")[0] for entry in legend(display)] == kinds
    for kind, collection in zip(kinds, hatched.values(), strict=True):
        covered = np.zeros((12, 12), dtype=bool)
        for path in collection.get_paths():
            (x0, y0), (x1, y1) = path.get_extents().get_points() - 0.5
            covered[round(y0) : round(y1), round(x0) : round(x1)] = True
        np.testing.assert_array_equal(covered, ex.kinds == kind)

    ex = kinds_of_nothing(every_step=False)
    display = draw(TermLadderDisplay.from_explanation(ex))
    assert len({bar.get_hatch() for bar in display.ax_.patches}) == len(set(ex.kinds[-1]))


@pytest.mark.parametrize("y", [1, [0, 1, 1, 0]], ids=["one label", "each step"])
def test_term_ladder_without_a_way_back(y):
    network = Network(2, 4, 2, cell="dense", seed=0)
    x = np.random.default_rng(0).standard_normal((4, 2))
    display = draw(TermLadderDisplay.from_estimator(network, x, y))
    assert legend(display) == ["structural: no way back"]


def test_gradient_flow_of_a_sequence(of_steps):
    left, right = draw(GradientFlowDisplay.from_explanation(of_steps)).axes_
    np.testing.assert_array_equal(left.lines[0].get_ydata(), of_steps.reach)
    np.testing.assert_array_equal(left.lines[0].get_xdata(), range(7))
    shares = [bar.get_height() for bar in right.patches]
    np.testing.assert_array_equal(shares, (of_steps.derivative < 0.1).mean(axis=1))
    assert np.mean(shares) == pytest.approx(of_steps.saturated)


def test_gradient_flow_of_a_data_set(tagger, data):
    flow = gradient_flow(tagger, *data, layer=2)
    ax = axes_for(GradientFlowDisplay)
    for display in (
        GradientFlowDisplay.from_flow(flow, ax=ax),
        GradientFlowDisplay.from_estimator(tagger, *data, layer=2),
    ):
        left, right = draw(display).axes_
        np.testing.assert_array_equal(left.lines[0].get_ydata(), flow.norms)
        band = left.collections[0].get_paths()[0].vertices
        assert band[:, 1].min() == flow.quantiles.min()
        assert band[:, 1].max() == flow.quantiles.max()
        np.testing.assert_array_equal([bar.get_height() for bar in right.patches], flow.saturated)
        assert flow.kind in left.get_title()
    with pytest.raises(TypeError, match="flow is of type RNNTagger; expected a GradientFlow"):
        GradientFlowDisplay.from_flow(tagger)


def test_gradient_flow_where_nothing_gets_back():
    network = Network(2, 4, 2, seed=0)
    network.parameters["W1"][...] = 0
    X = np.random.default_rng(0).standard_normal((5, 6, 2))
    display = draw(GradientFlowDisplay.from_estimator(network, X))
    assert display.norms[1] == 0
    network.parameters["V"][...] = 0  # no error at all
    draw(GradientFlowDisplay.from_estimator(network, X))


def test_jacobian_spectrum(of_steps):
    left, right = draw(JacobianSpectrumDisplay.from_explanation(of_steps)).axes_
    np.testing.assert_array_equal(left.lines[0].get_ydata(), of_steps.singular[1:])
    np.testing.assert_array_equal(left.lines[1].get_ydata(), of_steps.product_singular[1:])
    np.testing.assert_array_equal(left.lines[0].get_xdata(), range(2, 8))
    assert [bar.get_height() for bar in right.patches] == of_steps.lyapunov.tolist()


def test_jacobian_spectrum_of_lost_directions():
    network = Network(2, 4, 2, cell="relu", seed=0)
    network.parameters["W1"][...] = 0
    draw(JacobianSpectrumDisplay.from_estimator(network, np.ones((5, 2)), 1))


@pytest.mark.parametrize(
    ("cell", "T", "message"),
    [("dense", 3, "dense: it has no W"), ("tanh", 1, "of one step has no")],
)
def test_jacobian_spectrum_needs_a_w_and_two_steps(cell, T, message):
    network = Network(2, 4, 2, cell=cell, seed=0)
    with pytest.raises(ValueError, match=message):
        JacobianSpectrumDisplay.from_estimator(network, np.ones((T, 2)), 1)


@pytest.mark.parametrize("cls", [ForwardDisplay, SoftmaxJacobianDisplay, TermLadderDisplay])
def test_one_step(cls):
    network = Network(2, 1, 2, seed=0)
    draw(cls.from_estimator(network, np.ones((1, 2)), 1))


# Gates, and numbers


@pytest.fixture(scope="module")
def of_gates():
    rng = np.random.default_rng(0)
    network = Network(2, 5, 3, cell="lstm", dtype=np.float64, seed=0)
    return explain(network, rng.standard_normal((7, 2)), rng.integers(3, size=7), check=False)


def test_gates_and_states(of_gates):
    display = draw(GatesDisplay.from_explanation(of_gates))
    assert list(display.values) == ["gate i", "gate f", "gate g", "gate o", "state h", "state s"]
    for axes, (name, values) in zip(display.axes_, display.values.items(), strict=True):
        assert axes.get_ylabel() == name
        np.testing.assert_array_equal(axes.images[0].get_array(), values.T)
    np.testing.assert_array_equal(display.values["gate f"], of_gates.gates["f"])
    given = Figure().subplots(6)
    assert GatesDisplay.from_explanation(of_gates, ax=given).axes_ == list(given)


@pytest.mark.parametrize(
    ("ax", "error", "message"),
    [
        (3, TypeError, "ax is of type int; expected 6"),
        ([3] * 6, TypeError, "expected 6"),
        ([], ValueError, "0 Axes"),
    ],
)
def test_axes_of_gates_are_checked(of_gates, ax, error, message):
    with pytest.raises(error, match=message):
        GatesDisplay.from_explanation(of_gates, ax=ax)


@pytest.mark.parametrize("cls", [*OF_EXPLANATION, GatesDisplay])
def test_displays_of_gates(cls, of_gates):
    draw(cls.from_explanation(of_gates))


@pytest.mark.parametrize("every_step", [True, False])
def test_displays_of_numbers(every_step):
    rng = np.random.default_rng(0)
    network = Network(2, 5, 2, loss="squared_error", dtype=np.float64, seed=0)
    x, y = rng.standard_normal((7, 2)), rng.standard_normal((7, 2))
    ex = explain(network, x, y if every_step else y[-1], check=False)
    for cls in (GradientFlowDisplay, JacobianSpectrumDisplay, TermLadderDisplay, GatesDisplay):
        draw(cls.from_explanation(ex))
    answers = draw(ForwardDisplay.from_explanation(ex)).axes_[1]
    for k in range(2):
        line, crosses = answers.lines[2 * k : 2 * k + 2]
        np.testing.assert_array_equal(line.get_ydata(), ex.y_activated[:, k])
        np.testing.assert_array_equal(crosses.get_ydata(), ex.y[:, k])
    for use in (lambda: SoftmaxJacobianDisplay(ex), lambda: ForwardDisplay(ex).probabilities):
        with pytest.raises(ValueError, match="this model predicts numbers, not classes"):
            use()
