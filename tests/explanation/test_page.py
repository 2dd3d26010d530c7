"""The page as a file: whole, small, closed to the network, and right in its numbers."""

import base64
import dataclasses
import hashlib
import json
import re
import time

import numpy as np
import pytest

import elman
from elman.explanation import explaining
from elman.explanation.page import render
from elman.explanation.page.ladder import parts_of
from elman.explanation.page.markup import fixed, math, number
from elman.explanation.page.render import PANELS
from elman.explanation.page.view import View, evenly, fit, strongest
from outline import Outline
from plain import plain_model


def make(hidden=6, T=5, D=3, K=4, every_step=True, seed=0, layer=1, check=True, **options):
    rng = np.random.default_rng(seed)
    network = elman.Network(n_features=D, hidden=hidden, n_outputs=K, seed=seed, **options)
    y = rng.integers(K, size=T) if every_step else int(rng.integers(K))
    return elman.explain(network, rng.standard_normal((T, D)), y, layer=layer, check=check)


@pytest.fixture(scope="module")
def explanation():
    return make()


@pytest.fixture(scope="module")
def page(explanation):
    return render(explanation)


def test_with_W_scaled_no_step_is_taken(monkeypatch):
    """The page shows nothing of it, and it is another pass forward and one back."""
    explanation = make()

    def refused(*arguments):
        raise AssertionError("not on the page")

    monkeypatch.setattr(explaining, "_update", refused)
    monkeypatch.setattr(explaining.Passes, "held", refused)
    assert "W × 10" in render(explanation)


MODELS = {
    "a label a step": {},
    "one label": {"every_step": False},
    "no biases": {"bias": False},
    "relu": {"cell": "relu"},
    "dense": {"cell": "dense"},
    "one step": {"T": 1},
    "one unit, one feature": {"hidden": 1, "D": 1},
    "lower of two layers": {"hidden": (6, 5)},
    "upper of two layers": {"hidden": (6, 5), "layer": 2},
    "many steps": {"T": 120, "hidden": 3},
    "many units": {"hidden": 200, "T": 3},
    "many classes": {"K": 40},
    "not checked": {"check": False},
}


@pytest.mark.parametrize("options", MODELS.values(), ids=MODELS.keys())
def test_page_is_whole(options):
    outline = Outline(render(make(**options)))
    assert len(set(outline.ids)) == len(outline.ids)
    panels = [name for name in outline.ids if name.startswith("panel-")]
    assert panels == [f"panel-{i}" for i in range(12)]
    targets = {value[1:] for _, name, value in outline.attributes if name == "href"}
    labels = {value for _, name, value in outline.attributes if name == "aria-labelledby"}
    controls = {value for tag, name, value in outline.attributes if (tag, name) == ("label", "for")}
    assert targets | labels | controls <= set(outline.ids)


@pytest.mark.parametrize("options", MODELS.values(), ids=MODELS.keys())
def test_no_number_is_missing(options):
    page = render(make(**options))
    assert not re.search(r"\bnan\b|\binf\b", page.split('<script type="application/json"')[0])


def test_closed_to_the_network(page):
    outline = Outline(page)
    names = {name for _, name, _ in outline.attributes}
    assert not names & {"src", "srcset", "style", "action", "xlink:href"}
    assert not [name for name in names if name.startswith("on")]
    for _, name, value in outline.attributes:
        if name == "href":
            assert value.startswith("#")
    assert not re.search(r"https?:|@import|@font-face|fetch\(|XMLHttp", page)


def test_policy_allows_this_style_and_this_script_alone(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for tag in ("style", "script"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"


def test_same_bytes_from_the_same_input(page):
    assert render(make()) == page


def test_small_and_fast_at_28_steps_of_128_units():
    explanation = make(hidden=128, T=28, D=28, K=10)
    page = render(explanation)  # with what is computed once: singular values and the like

    def seconds():
        start = time.perf_counter()
        render(explanation)
        return time.perf_counter() - start

    assert len(page.encode()) < 1_000_000
    assert any(seconds() < 0.3 for _ in range(20))  # others may be busy
    assert len(View(explanation, 28, None).cells) == 406


@pytest.mark.parametrize("options", [{"T": 300, "hidden": 64}, {"T": 40, "hidden": 512}])
def test_size_is_bounded(options):
    page = render(make(check=False, K=10, **options))
    assert len(page.encode()) < 2_500_000
    assert re.search(r"\d+ of [\d,]+ (terms|steps|units) are shown", page)


# Numbers


def data_of(page):
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(block.group(1))


def array(field):
    return np.frombuffer(base64.b64decode(field["base64"]), "<f8").reshape(field["shape"])


def test_data_are_exact(explanation, page):
    data = data_of(page)
    delta, h = array(data["delta"]), array(data["left"])
    assert data["cells"] == [[t, tau] for t in range(1, 6) for tau in range(1, t + 1)]
    for i, (t, tau) in enumerate(data["cells"]):
        term = np.outer(delta[i], h[data["triangle_steps"].index(tau)])
        np.testing.assert_array_equal(term, explanation.term(t, tau))
        assert array(data["norms"])[0, i] == explanation.norms[t - 1, tau - 1]
    for name in ("U_frd", "W_frd", "h_activated"):
        np.testing.assert_array_equal(array(data["forward"][name]), getattr(explanation, name))
    assert data["loss"] == explanation.loss


def test_data_name_their_command(explanation):
    command = "elman explain model.safetensors digits --index 7"
    page = render(explanation, command=command)
    assert data_of(page)["command"] == command
    assert f"<code>{command}</code>" in page


def find_table(page, *head):
    (found,) = [t for t in Outline(page).tables if tuple(t[0][: len(head)]) == head]
    return found[1:]


def test_table_of_the_norms(explanation, page):
    rows = find_table(page, "", "t = 1")
    for tau, row in enumerate(rows, start=1):
        assert row[0] == f"τ = {tau}"
        for t, cell in enumerate(row[1:], start=1):
            norm = explanation.norms[t - 1, tau - 1]
            assert cell.split(" ")[0] == ("" if tau > t else number(norm))
            assert ("structural" in cell) == (tau == 1)


def test_table_of_the_chosen_term(explanation, page):
    rows = find_table(page, "i \\ j")
    term = explanation.term(5, 3)
    assert [row[1:] for row in rows] == [[number(value) for value in line] for line in term]


def test_table_of_the_jacobian(explanation, page):
    rows = find_table(page, "i \\ k")
    jacobian = explanation.softmax_jacobian(5)
    assert [row[1:] for row in rows] == [[number(value) for value in line] for line in jacobian]


def test_step_that_the_page_opens_with(explanation):
    rows = find_table(render(explanation, step=2), "unit")
    assert [row[1] for row in rows] == [fixed(value) for value in explanation.U_frd[1]]
    with pytest.raises(ValueError, match="step must be from 1 to 5; got 6"):
        render(explanation, step=6)


def test_parts_of_the_total_derivative(explanation):
    for t, parts in enumerate(parts_of(explanation, 5), start=1):
        for part, tensor in zip(
            parts, (explanation.explicit, explanation.implicit, explanation.total), strict=True
        ):
            assert part == pytest.approx(np.linalg.norm(tensor(t)), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0625, "1.063"),  # a tie: away from zero, as JavaScript does
        (-1.0625, "-1.063"),
        (1234.5, "1235"),
        (9999.5, "1.000e+4"),
        (0.001, "0.001000"),
        (0.00099994, "9.999e-4"),
        (1e-28, "1.000e-28"),
        (np.nan, "none"),
        (-np.inf, "-∞"),
    ],
)
def test_number(value, written):
    assert number(value) == written


# Words


def test_what_users_wrote_is_escaped():
    rng = np.random.default_rng(0)
    evil = '<script>alert("1")</script>&'
    X = rng.standard_normal((20, 3, 2))
    y = np.where(X[:, 0, 0] > 0, evil, "fine")
    model = plain_model(elman.RNNClassifier, 3, max_iter=1, random_state=0, engine="reference").fit(
        X, y
    )
    page = render(elman.explain(model, X[0], evil), command="elman </script>")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;" in page
    assert data_of(page)["command"] == "elman </script>"
    Outline(page)


def test_a_proof_that_fails_is_said_in_words(explanation):
    checks = list(explanation.checks_)
    checks[7] = checks[7]._replace(error=1.0)
    page = render(dataclasses.replace(explanation, checks_=checks))
    assert "Not proved." in page
    assert "14 of 15 terms proved" in page
    assert "1 term of 15 failed." in page
    assert page.count("proof failed</title>") == 1
    (worst,) = [row for row in find_table(page, "t, τ") if "failed" in row[-1]]
    assert worst[0] == f"{checks[7].t}, {checks[7].tau}"


def test_a_page_without_proofs_says_so():
    page = render(make(check=False))
    assert "Not checked." in page
    assert "Proved." not in page


def test_the_three_kinds_of_nothing_are_words():
    rng = np.random.default_rng(0)
    network = elman.Network(n_features=3, hidden=12, n_outputs=4, seed=0)
    network.parameters["W1"][...] *= 3
    network.parameters["U1"][...] *= 4
    explanation = elman.explain(network, 3 * rng.standard_normal((16, 3)), rng.integers(4, size=16))
    page = render(explanation)
    for kind in ("structural", "saturated", "live"):
        n = int((explanation.kinds == kind).sum())
        assert n
        assert f"{n} {kind}" in page
        assert len(re.findall(f"<title>t = .*?, {kind}, proved</title>", page)) == n
    assert 'class="vanished"' in page  # in the key at least


def test_every_panel_says_how_to_read_it(explanation):
    view = View(explanation, 5, None)
    for i, write in enumerate(PANELS.values()):
        panel = write(view)
        assert "How to read this" in panel
        assert i in (0, 11) or re.search(rf"Panel {i} · N\d", panel)
    assert sum(write(view).count('class="question"') for write in PANELS.values()) >= 14


def test_pictures_have_names_and_tables_captions(page):
    pictures = re.findall(r'<svg viewBox[^>]*role="(?:img|group)"[^>]*>(.{14})', page)
    assert len(pictures) > 10
    assert all(start.startswith("<title>") for start in pictures)
    assert page.count("<table") == page.count("<caption>") > 10
    assert "<caption><span></span>" not in page


def test_math():
    assert math("h_{t-1}") == (
        "<math><mrow><msub><mi>h</mi><mrow><mi>t</mi><mo>−</mo><mn>1</mn></mrow></msub></mrow></math>"
    )
    assert math("dL//dW").count("<mfrac>") == 1
    assert "<mtext" in math("W::3×3")
    inside = "<mo>(</mo><mi>a</mi><mrow><mo>[</mo><mi>b</mi><mo>]</mo></mrow><mo>)</mo>"
    assert math("f ( a [ b ] )") == f"<math><mrow><mi>f</mi><mrow>{inside}</mrow></mrow></math>"


# What is chosen


def test_evenly():
    assert evenly([3, 5, 9], 3) == [3, 5, 9]
    assert evenly(range(1, 101), 5) == [1, 26, 51, 75, 100]
    assert evenly([1, 2], 1) == [2]


def test_strongest():
    assert strongest(np.array([1.0, -3.0, 2.0, 3.0]), 2) == [1, 3]
    assert strongest(np.array([1.0, 1.0, 1.0]), 2) == [0, 1]


def test_fit_keeps_the_largest_of_a_block():
    shrunk = fit(np.array([[1.0, -5.0, 2.0], [0.0, 3.0, -4.0]]), rows=1, columns=2)
    assert shrunk.tolist() == [[-5.0, -4.0]]
