"""Bidirectional networks: each direction's terms, proofs and flow."""

import numpy as np
import pytest

from elman import Network, explain, gradient_flow
from tolerances import BY_HAND, relative_error

T = 5
CASES = [
    (cells, every_step, readout)
    for cells in (("tanh",), ("gru",), ("lstm", "tanh"), ("dense",))
    for every_step, readout in ((True, "last"), (False, "last"), (False, "mean"), (False, "max"))
]


def make(cells, readout="last", seed=0, **changes):
    network = Network(
        2,
        (3, 4)[: len(cells)],
        3,
        cell=cells,
        readout=readout,
        bidirectional=True,
        dtype=np.float64,
        learn_initial_state=True,
        engine="reference",
        **changes,
    )
    rng = np.random.default_rng(seed)
    network.parameters.vector[...] = 0.8 * rng.standard_normal(len(network.parameters.vector))
    return network, rng.standard_normal((T, 2))


@pytest.mark.parametrize(("cells", "every_step", "readout"), CASES)
@pytest.mark.parametrize("reverse", [False, True])
def test_terms_of_a_direction_add_up_to_the_networks_own_gradient(
    cells, every_step, readout, reverse
):
    network, x = make(cells, readout)
    y = [0, 2, 1, 1, 0] if every_step else 2
    top = len(cells)
    ex = explain(network, x, y, layer=top, reverse=reverse)
    assert ex.passed
    assert ex.n_proved == ex.n_terms == (15 if every_step else 5)
    loss, gradients = network.loss_and_gradients([x], [y])
    assert ex.loss == pytest.approx(loss, rel=1e-13)
    key = f"{top}{'_reverse' if reverse else ''}"
    for name in ("U", "W", "b", "initial"):
        if (expected := gradients.get(f"{name}{key}")) is not None:
            found = ex.gradients[f"{name}1"]
            assert relative_error(found, expected) < BY_HAND
    own = np.split(gradients["V"], 2, axis=1)[reverse]
    assert relative_error(ex.gradients["V"], own) < BY_HAND
    sums = sum(ex.term_U(t, tau) for t in range(1, T + 1) for tau in range(1, t + 1))
    assert relative_error(sums, gradients[f"U{key}"]) < BY_HAND
    # the answers are the network's own, at the steps that have a loss
    y_hat = network.forward([x], every_step=every_step)[0]
    found = ex.y_activated[::-1] if every_step and reverse else ex.y_activated
    assert relative_error(found if every_step else found[-1], y_hat) < BY_HAND


def mirrored(network):
    """The same network with its directions swapped, for turned sequences."""
    other, _ = make(network.architecture.cells, network.architecture.readout)
    for name, values in network.parameters.items():
        swapped = name.removesuffix("_reverse")
        if swapped == name and name not in ("V", "c"):
            swapped += "_reverse"
        if name == "V" or (name.startswith("U") and not name.startswith("U1")):
            values = np.concatenate(np.split(values, 2, axis=1)[::-1], axis=1)
        other.parameters[swapped][...] = values
    return other


@pytest.mark.parametrize("readout", ["last", "mean"])
@pytest.mark.parametrize("layer", [1, 2])
def test_flow_of_a_reverse_layer_is_that_of_a_forward_one_on_turned_sequences(layer, readout):
    network, _ = make(("lstm", "tanh"), readout)
    rng = np.random.default_rng(1)
    X = [rng.standard_normal((n, 2)) for n in (7, 3, 5, 1, 7)]
    y = [0, 1, 2, 1, 0]
    found = gradient_flow(network, X, y, layer=layer, reverse=True)
    expected = gradient_flow(mirrored(network), [x[::-1] for x in X], y, layer=layer)
    assert found.reverse
    assert not expected.reverse
    for name in ("norms", "quantiles", "counts", "lyapunov", "singular", "saturated_share"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), nan_ok=True), name
    assert (found.kind, found.verdict) == (expected.kind, expected.verdict)
    assert found.norms[3] != pytest.approx(gradient_flow(network, X, y, layer=layer).norms[3])


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_flow_is_that_of_the_terms(reverse, every_step):
    network, x = make(("gru",))
    y = [0, 2, 1, 1, 0] if every_step else 2
    flow = gradient_flow(network, [x], [y], reverse=reverse)
    ex = explain(network, x, y, reverse=reverse, check=False)
    told = np.linalg.norm(ex.V.T @ ex.output_error[-1])  # the last loss in the layer's order
    assert flow.norms == pytest.approx(np.linalg.norm(ex.delta[-1], axis=1)[::-1] / told)


def test_what_cannot_be_explained_is_said():
    network, x = make(("tanh", "tanh"))
    with pytest.raises(ValueError, match=r"layer 1 of 2 in both directions .* layer=2"):
        explain(network, x, 1)
    network = Network(2, 3, 3, seed=0)
    for look in (
        lambda: explain(network, x, 1, reverse=True),
        lambda: gradient_flow(network, [x], reverse=True),
    ):
        with pytest.raises(ValueError, match="this one goes forward alone"):
            look()


@pytest.mark.parametrize("reverse", [False, True])
def test_page_says_which_direction_it_is(reverse, tmp_path):
    network, x = make(("tanh",))
    ex = explain(network, x, 1, reverse=reverse)
    ex.save_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert ("step 1 is the last" in page) == reverse
    assert f"{'reverse' if reverse else 'forward'} layer alone" in page
    assert f"{'reverse' if reverse else 'forward'} direction" in ex.title
    assert ("Time runs from left to right" in page) != reverse
    assert page.count("o<sub>t</sub>") == 1
    assert "<mi>o</mi>" in page
