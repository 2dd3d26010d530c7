"""The page in a real browser: what it shows when a step or a term is chosen is what Python has."""

import numpy as np
import pytest

import elman
from browser import PATH, Browser
from elman.explanation.page import render
from elman.explanation.page.markup import fixed, number
from pages import delta_of, entry_of, page_of, pieces_of

pytestmark = [
    pytest.mark.skipif(PATH is None, reason="no browser is installed"),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture(scope="module", params=["tanh", "gru"])
def explanation(request):
    rng = np.random.default_rng(3)
    network = elman.Network(n_features=4, hidden=24, n_outputs=3, seed=1, cell=request.param)
    b = network.parameters["b1"]
    b[...] = 0.3 * rng.standard_normal(len(b))
    return elman.explain(network, rng.standard_normal((7, 4)), rng.integers(3, size=7))


@pytest.fixture(scope="module")
def page(explanation, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "explanation.html"
    path.write_text(render(explanation), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def table(browser, selector):
    return browser.evaluate(
        f"Array.from(document.querySelector('{selector}').rows, row => "
        "Array.from(row.cells, cell => cell.textContent))"
    )


def test_opens_without_network_and_without_complaints(browser, page):
    browser.open(page)
    browser.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert browser.complaints() == []
    assert browser.requests() == [page.as_uri()]


@pytest.mark.parametrize("width", [320, 390, 1366, 1920])
def test_nothing_sticks_out_sideways(browser, page, width):
    browser.open(page, width=width)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def shown_term(browser, explanation, t, tau):
    """Compare all that the page shows of a term with the term."""
    term = explanation.term(t, tau)
    head, *lines = table(browser, "table.outer")
    columns = [int(name) - 1 for name in head[1:]]
    assert len(lines) == len(columns) == 16
    number_of = {entry_of(explanation, i): i for i in range(len(term))}
    rows = [number_of[line[0]] for line in lines]
    for i, (_, *cells) in zip(rows, lines, strict=True):
        assert cells == [number(float(term[i, j])) for j in columns]
    titles = browser.evaluate(
        "Array.from(document.querySelectorAll('.outer-products title'), t => t.textContent)"
    )
    assert titles == [
        f"row {entry_of(explanation, i)}, column {j + 1}: {number(float(term[i, j]))}"
        for i in rows
        for j in columns
    ]
    names = "Array.from(document.querySelectorAll('.outer-names text'), t => t.textContent)"
    several = explanation.cell == "gru"
    assert browser.evaluate(names) == [line[0] for line in lines if several]
    delta = np.abs(delta_of(explanation)[t - 1, tau - 1])
    assert delta[rows].min() >= np.delete(delta, rows).max()  # the strongest
    said = browser.evaluate("document.getElementById('chosen').textContent")
    assert said.startswith(f"term({t}, {tau})")
    assert f"‖term‖ = {number(float(explanation.norms[t - 1, tau - 1]))}" in said
    assert said.endswith(f"{explanation.kinds[t - 1, tau - 1]}.")


def cell(t, tau):
    return f"document.querySelector('[data-cell=\"{t} {tau}\"]')"


def test_page_opens_with_a_term(browser, page, explanation):
    browser.open(page)
    shown_term(browser, explanation, 7, 5)
    assert browser.evaluate(f"{cell(7, 5)}.getAttribute('aria-selected')") == "true"


def test_every_term_can_be_chosen(browser, page, explanation):
    browser.open(page)
    for t in range(1, 8):
        for tau in range(1, t + 1):
            browser.evaluate(
                f"{cell(t, tau)}.dispatchEvent(new MouseEvent('click', {{bubbles: true}}))"
            )
            shown_term(browser, explanation, t, tau)
    assert browser.complaints() == []


def test_terms_by_the_keyboard(browser, page, explanation):
    browser.open(page)
    browser.evaluate(f"{cell(7, 5)}.focus()")
    for key, (t, tau) in [
        ("ArrowUp", (6, 5)),
        ("ArrowLeft", (6, 4)),
        ("ArrowDown", (7, 4)),
        ("ArrowRight", (7, 5)),
        ("End", (7, 7)),
        ("ArrowRight", (7, 7)),  # there is none further
        ("ArrowUp", (7, 7)),  # nor above
        ("Home", (7, 1)),
    ]:
        browser.press(key)
        shown_term(browser, explanation, t, tau)
        focused = browser.evaluate("document.activeElement.dataset.cell")
        assert focused == f"{t} {tau}"
    tabbable = "document.querySelectorAll('#triangle [tabindex=\"0\"]').length"
    assert browser.evaluate(tabbable) == 1


@pytest.mark.parametrize("t", [1, 4, 7])
def test_every_step_can_be_chosen(browser, page, explanation, t):
    browser.open(page)
    browser.evaluate(
        f"(() => {{ const s = document.getElementById('step-2'); s.value = '{t}'; "
        "s.dispatchEvent(new Event('change')); })()"
    )
    assert browser.evaluate("document.getElementById('step-3').value") == str(t)
    shown_error(browser, explanation, t)
    ex, row = explanation, t - 1
    arrays = [values for *_, values in pieces_of(ex)]
    _, *lines = table(browser, "table.pieces")
    assert len(lines) == 24
    for i, line in enumerate(lines):
        assert line[1:] == [fixed(float(array[row, i])) for array in arrays]
    texts = "Array.from(document.querySelectorAll('#answers .value'), v => v.textContent)"
    shown = browser.evaluate(texts)
    assert shown[::2] == [fixed(z, 2) for z in ex.y_unactivated[row].tolist()]
    assert shown[1::2] == [number(p) for p in ex.y_activated[row].tolist()]
    targets = "Array.from(document.querySelectorAll('#answers .class'), g => g.classList.length)"
    assert browser.evaluate(targets).index(2) == ex.labels[row]


def test_every_step_of_numbers_can_be_chosen(browser, tmp_path):
    shown = page_of("numbers")
    ex, path = shown.ex, tmp_path / "numbers.html"
    path.write_text(shown.page, encoding="utf-8")
    browser.open(path)
    for t in (2, 7):
        browser.evaluate(
            f"(() => {{ const s = document.getElementById('step-3'); s.value = '{t}'; "
            "s.dispatchEvent(new Event('change')); })()"
        )
        _, *lines = table(browser, "table.output-error")
        y, y_hat, error = (of[t - 1].tolist() for of in (ex.y, ex.y_activated, ex.output_error))
        assert [line[1:] for line in lines] == [
            [number(value) for value in (y[k], y_hat[k], y_hat[k] - y[k], error[k])]
            for k in range(2)
        ]
        texts = "Array.from(document.querySelectorAll('#answers .value'), v => v.textContent)"
        z = ex.y_unactivated[t - 1].tolist()
        assert browser.evaluate(texts) == [
            written
            for k in range(2)
            for written in (fixed(z[k], 2), number(y_hat[k]), number(y[k]))
        ]
        assert browser.complaints() == []


def shown_error(browser, explanation, t):
    """Compare all that panel 3 shows of a step with N5."""
    jacobian, error = explanation.softmax_jacobian(t), explanation.output_error[t - 1]
    label = int(explanation.labels[t - 1])
    assert [line[1:] for line in table(browser, "table.jacobian")[1:]] == [
        [number(float(value)) for value in line] for line in jacobian
    ]
    titles = "Array.from(document.querySelectorAll('#jacobian title'), t => t.textContent)"
    assert [title.split(": ")[-1] for title in browser.evaluate(titles)] == [
        number(float(value)) for value in jacobian.ravel()
    ]
    for k, line in enumerate(table(browser, "table.output-error")[1:]):
        y_hat = explanation.y_activated[t - 1, k]
        assert line[1:3] == [str(int(k == label)), number(float(y_hat))]
        assert line[3] == (number(-1 / float(y_hat)) if k == label else "0")
        assert line[4] == line[5] == number(float(error[k]))


def test_a_step_without_a_label_has_no_error(browser, tmp_path):
    rng = np.random.default_rng(5)
    network = elman.Network(n_features=4, hidden=3, n_outputs=3, seed=1)
    explanation = elman.explain(network, rng.standard_normal((4, 4)), 2)
    path = tmp_path / "one.html"
    for opened in (1, 4):
        path.write_text(render(explanation, step=opened), encoding="utf-8")
        browser.open(path)
        shown_error(browser, explanation, opened)
        other = 5 - opened
        browser.evaluate(
            f"(() => {{ const s = document.getElementById('step-3'); s.value = '{other}'; "
            "s.dispatchEvent(new Event('change')); })()"
        )
        shown_error(browser, explanation, other)


def test_readable_without_scripts(browser, page, explanation):
    browser.open(page, scripts=False)
    visible = "document.querySelectorAll('.panel').length"
    assert browser.evaluate(visible) == 12
    shown_term(browser, explanation, 7, 5)
    held = "getComputedStyle(document.querySelector('.when-held')).display"
    assert browser.evaluate(held) == "none"
    browser.evaluate("document.getElementById('hold').click()")  # the switch is the style sheet's
    assert browser.evaluate(held) == "block"


def test_dark_is_dark(browser, page):
    ground = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    browser.open(page)
    assert min(browser.evaluate(ground)) > 240
    browser.open(page, dark=True)
    assert max(browser.evaluate(ground)) < 40


NUMBERS = [0.0, -0.0, 0.03125, -0.03125, 1.0625, -1.0625, 9999.5, 9999.4, 0.00099995, 0.00099994]
NUMBERS += [
    1e-300,
    99999.99999,
    -1e5,
    123456.0,
    1e22,
    5e-324,
    *np.random.default_rng(0).standard_normal(50),
]


def test_script_and_python_write_numbers_alike(browser, page):
    """By way of the page's own functions, which are private to it: they are evaluated anew."""
    from importlib import resources

    script = resources.files("elman.explanation.page").joinpath("script.js").read_text()
    start, end = script.index("const scientific"), script.index("const norm")
    browser.open(page)
    values = ", ".join(repr(float(value)) for value in NUMBERS)
    shown = browser.evaluate(
        f"(() => {{ {script[start:end]} return [{values}].map(v => [fixed(v), number(v)]) }})()"
    )
    assert shown == [[fixed(float(v)), number(float(v))] for v in NUMBERS]
