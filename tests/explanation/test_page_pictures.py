"""The page's pictures, read back: colours, places, lengths and titles against the arrays."""

import re

import numpy as np
import pytest

from elman.explanation.page.colours import diverging, sequential
from elman.explanation.page.markup import fixed, number
from elman.explanation.page.view import evenly, fit
from pages import (
    chosen_term,
    classes_of,
    delta_of,
    dV,
    entry_of,
    followed,
    is_plain,
    jacobian_n5,
    losses_of,
    norm,
    of_all_steps,
    pieces_of,
    place,
    scaled,
    share_by_lag,
    shares,
    slope_of,
    steps_of,
    strongest_of_the_term,
    term,
    weights_of,
    what_is_followed,
)

PIXEL = 0.11  # places are written with one digit


# Cells


def read_grid(grid, shape):
    """Read the matrix of colours: a path a colour, and in it runs down a column."""
    found = np.full(shape, "", dtype="<U12")
    for path in grid.elements:
        for column, row, length in re.findall(r"M(\d+) (\d+)v(\d+)", path["d"]):
            cells = found[int(row) : int(row) + int(length), int(column)]
            assert cells.shape == (int(length),)
            assert (cells == "").all()
            cells[...] = path["class"]
    return found.tolist()


def colours(matrix, full=None, scale=diverging):
    """Give the matrix of colours that should be there; the largest entry has a full one."""
    full = full or np.nanmax(np.abs(matrix), initial=0) or 1
    return [[scale(v / full) if v == v else "" for v in line] for line in np.array(matrix).tolist()]


def read_cells(cells):
    """Give the classes and the titles."""
    return [cell["class"] for cell in cells], [cell.elements[0].text for cell in cells]


def in_rows(cells, n_columns):
    """Whether cells that have x and y stand row by row."""
    x = np.reshape([place(cell, "x") for cell in cells], (-1, n_columns))
    y = np.reshape([place(cell, "y") for cell in cells], (-1, n_columns))
    steps = (np.diff(x, axis=1), np.diff(y, axis=0), x[0] - x, y[:, :1] - y)
    return (steps[0] > 0).all() and (steps[1] > 0).all() and not (steps[2].any() or steps[3].any())


def test_every_picture_is_one_that_is_read(shown, pictures):
    ex = shown.ex
    expected = {"The unrolled network", "Forward at one step"}
    expected |= (
        {f"Answers and targets, {name}" for name in ex.classes[:3]}
        if ex.labels is None
        else {"The softmax Jacobian"}
    )
    expected |= {"Terms of dL/dV", f"Shares of the terms of loss {chosen_term(shown)[0]}"}
    expected |= {"The gradient triangle", "The outer product of the chosen term"}
    expected |= {f"Mean of {slope_of(ex)} by step"}
    expected |= set() if is_plain(ex) else {"Gates and states by step"}
    expected |= {"Largest singular values", "Lyapunov exponents", "The gradients"}
    expected |= {"Relative error by truncation", "Angle by truncation"}
    if ex.W is not None and ex.T > 1:
        expected |= {"What is left of an error"}
        expected |= {"Three gradient triangles"} if len(ex.answering) > 1 else set()
    if ex.checks_ is not None:
        expected |= {"Error of each term by its size"}
        if any(row["relative_error"] > 0 for row in ex.central):
            expected |= {"Central differences, for contrast"}
    if of_all_steps(ex):
        expected |= {"What the output reads", "The error that enters, by step"}
    assert pictures.keys() == expected


# Panel 1


def test_states_and_inputs(shown, pictures):
    ex, rows = shown.ex, np.array(steps_of(shown.ex)) - 1
    states, inputs = pictures["The unrolled network"].all("g", class_="grid")
    h = fit(ex.h_activated[rows].T, 32, len(rows))
    x = fit(ex.inputs[rows].T, 32, len(rows))
    # A state of tanh is between -1 and 1, and so are the colours.
    assert read_grid(states, h.shape) == colours(h, full=None if ex.cell == "relu" else 1)
    assert read_grid(inputs, x.shape) == colours(x)


def test_bars_of_the_answers(shown, pictures):
    ex, picture = shown.ex, pictures["The unrolled network"]
    bars = picture.all("rect", class_="bar")
    y_hat = [followed(ex, t) for t in steps_of(ex)]
    full = max(y_hat) if ex.labels is None else 1
    assert [bar.elements[0].text for bar in bars] == [
        f"step {t}: {what_is_followed(ex)} {number(p)}"
        for t, p in zip(steps_of(ex), y_hat, strict=True)
    ]
    heights = [place(bar, "height") for bar in bars]
    assert heights == pytest.approx([max(40 * p / full, 0.8) for p in y_hat], abs=PIXEL)
    bottoms = [place(bar, "y") + place(bar, "height") for bar in bars]
    standing = [b for b, p in zip(bottoms, y_hat, strict=True) if p > 0.02 * full]
    assert standing == pytest.approx([56] * len(standing), abs=2 * PIXEL)
    hollow = [t for t, bar in zip(steps_of(ex), bars, strict=True) if bar.has("class", "hollow")]
    assert hollow == [t for t in steps_of(ex) if t not in ex.answering]


def test_losses_in_the_picture(shown, pictures):
    ex = shown.ex
    found = [t.text for t in pictures["The unrolled network"].all("text", y="76", class_="tick")]
    if ex.T <= 28:  # else there is no room
        assert found == [fixed(ex.losses[t - 1], 2) for t in ex.answering]


def test_arrows_back(shown, pictures):
    ex, picture = shown.ex, pictures["The unrolled network"]
    told = {t: norm(ex.delta[:, t - 1].sum(axis=0)) for t in steps_of(ex)}
    arrows = picture.all("path", class_="back")
    assert [arrow.elements[0].text for arrow in arrows] == [
        f"step {t}: ‖δ‖ {number(size)}" for t, size in told.items() if size
    ]
    assert len(picture.all("path", class_="nothing")) == sum(not size for size in told.values())
    tops = [float(re.match(r"M[\d.]+ ([\d.]+)H", arrow["d"]).group(1)) for arrow in arrows]
    logs = np.log10([size for size in told.values() if size])
    if len(logs) > 1:
        low = max(logs.min(), logs.max() - 8)
        thick = 0.8 + 10 * (logs.clip(min=low) - low) / (logs.max() - low)
        assert tops == pytest.approx(106 - thick / 2, abs=PIXEL)


# Panels 2 and 3


def test_strips_of_a_step(shown, pictures):
    ex, t, n = shown.ex, shown.step, min(shown.ex.H, 32)
    picture = pictures["Forward at one step"].one("g", id="pieces")
    strips = [g for g in picture.all("g") if g.get("data-piece")]
    arrays = [(name, values) for _, name, _, values in pieces_of(ex)]
    assert [word.text for word in picture.all("text", class_="code")] == [
        name for name, _ in arrays
    ]
    for strip, (name, values) in zip(strips, arrays, strict=True):
        full = np.abs(values).max()
        raw = ("U_frd", "W_frd", "b", "h_unactivated", "hₜ", "sₜ")
        if name not in raw and not name.startswith("a of"):
            full = max(full, 1)
        classes, titles = read_cells(strip.elements)
        assert [classes] == colours(values[t - 1 : t, :n], full)
        assert titles == [
            f"{name}, unit {i + 1}: {fixed(v)}" for i, v in enumerate(values[t - 1, :n])
        ]
        assert (np.diff([place(cell, "x") for cell in strip.elements]) > 0).all()


def test_gates_by_step(shown, pictures):
    ex, rows = shown.ex, np.array(steps_of(shown.ex)) - 1
    if is_plain(ex):
        return
    picture = pictures["Gates and states by step"]
    arrays = [*ex.gates.items(), *ex.states.items()]
    assert [word.text for word in picture.all("text", class_="code")] == [
        name for name, _ in arrays
    ]
    for grid, (_, values) in zip(picture.all("g", class_="grid"), arrays, strict=True):
        strip = fit(values[rows].T, 16, len(rows))
        assert read_grid(grid, strip.shape) == colours(strip, max(1, np.abs(values).max()))


def test_answers_of_a_step(shown, pictures):
    ex, row = shown.ex, shown.step - 1
    groups = pictures["Forward at one step"].one("g", id="answers").all("g", class_="class")
    for k, group in zip(classes_of(ex), groups, strict=True):
        z, y_hat = ex.y_unactivated[row, k], ex.y_activated[row, k]
        name, *values = [word.text for word in group.all("text")]
        if ex.labels is None:
            assert values == [fixed(z, 2), number(y_hat), number(ex.y[row, k])]
            continue
        assert name == ex.classes[k]
        assert values == [fixed(z, 2), number(y_hat)]
        track, bar = group.all("rect")
        assert place(bar, "height") == pytest.approx(40 * y_hat, abs=PIXEL)
        end = place(track, "y") + place(track, "height")
        assert place(bar, "y") + place(bar, "height") == pytest.approx(end, abs=2 * PIXEL)
        assert group.has("class", "target") == (k == ex.labels[row])


def test_softmax_jacobian(shown, pictures):
    ex, classes = shown.ex, classes_of(shown.ex)
    if ex.labels is None:
        return
    matrix = jacobian_n5(ex, shown.step)[np.ix_(classes, classes)]
    cells = pictures["The softmax Jacobian"].one("g", id="jacobian").all("rect")
    roots = np.sign(matrix) * np.sqrt(np.abs(matrix))
    found, titles = read_cells(cells)
    assert found == [
        name + " same" * (i == k)
        for i, line in enumerate(colours(roots, np.sqrt(np.abs(matrix).max())))
        for k, name in enumerate(line)
    ]
    assert titles == [
        f"i = {ex.classes[i]}, k = {ex.classes[k]}: {number(jacobian_n5(ex, shown.step)[i, k])}"
        for i in classes
        for k in classes
    ]
    assert in_rows(cells, len(classes))


# Panel 4


def test_terms_of_dV(shown, pictures):
    ex, classes, n = shown.ex, classes_of(shown.ex), min(shown.ex.h_top.shape[1], 32)
    steps = evenly(ex.answering, 4)
    matrices, names = [[dV(ex, [t]) for t in steps]], [f"term, t = {t}" for t in steps]
    if len(ex.answering) > 1:
        matrices.append([dV(ex, range(1, t + 1)) for t in steps])
        names += [f"sum so far, up to t = {t}" for t in steps]
    picture = pictures["Terms of dL/dV"]
    grids = picture.all("g", class_="grid")
    expected = []
    for line in matrices:
        full = max(np.abs(matrix).max() for matrix in line)
        expected += [colours(matrix[classes, :n], full) for matrix in line]
    assert [read_grid(grid, (len(classes), n)) for grid in grids] == expected
    assert [word.text for word in picture.all("text") if "t = " in word.text] == names


# Panel 5


def test_shares(shown, pictures):
    ex, (t, _) = shown.ex, chosen_term(shown)
    picture = pictures[f"Shares of the terms of loss {t}"]
    bars = picture.all("rect", class_="share")
    expected = [
        (f"τ = {tau}", shares(ex, t)[tau - 1], ex.kinds[t - 1, tau - 1]) for tau in range(t, 0, -1)
    ]
    if of_all_steps(ex):
        expected = [(f"k = {k}", s, "over all entries") for k, s in enumerate(share_by_lag(ex))]
    if t > 9:
        rest = sum(share for _, share, _ in expected[8:])
        expected[8:] = [(f"τ ≤ {t - 8}", rest, "the rest")]
    written = picture.all("text", class_="value")
    assert [word.text for word in written] == [fixed(share) for _, share, _ in expected]
    zero = float(re.match(r"M([\d.]+) ", picture.one("path", class_="axisline")["d"]).group(1))
    values = [share for _, share, _ in expected if share == share]
    unit = 300 / (max([1e-9, *values]) - min([0, *values]))
    for i, (bar, (tau, share, kind)) in enumerate(zip(bars, expected, strict=True)):
        part = "implicit" if i else "explicit"
        assert bar.elements[0].text == f"{tau}, {part}, {kind}: share {fixed(share)}"
        assert bar.has("class", part)
        if share == share and abs(share) * unit > 1:
            start, width = place(bar, "x"), place(bar, "width")
            ends = (zero, zero + unit * share)
            assert (start, start + width) == pytest.approx(sorted(ends), abs=3 * PIXEL)


# Panel 4: what is read


def test_what_is_read(shown, pictures):
    ex = shown.ex
    if not of_all_steps(ex):
        return
    picture, weights = pictures["What the output reads"], weights_of(ex)
    states, errors = picture.all("g", class_="grid")
    entering = weights * (ex.output_error[-1] @ ex.V)
    assert read_grid(states, ex.h_top.T.shape) == colours(ex.h_top.T)
    assert read_grid(errors, entering.T.shape) == colours(entering.T)
    marks = [mark.elements[0].text for mark in picture.all("rect", class_="read")]
    if ex.architecture.readout == "mean":
        assert not marks
        return
    assert marks == [
        f"unit {i + 1} is read at step {j + 1}: {fixed(ex.h_top[j, i])}"
        for i, j in enumerate(weights.argmax(axis=0))
    ]


# Panel 6


def decades(ex):
    """Give the powers of ten that the triangle's colours span, eight at the most."""
    norms = [norm(term(ex, t, tau)) for t in ex.answering for tau in range(1, t + 1)]
    logs = np.log10([size for size in norms if size])
    if not len(logs):
        return -1, 0
    low, high = int(np.floor(logs.min())), int(np.ceil(logs.max()))
    return max(low, high - 8), high


def share_of(size, low, high):
    return (np.log10(size) - low) / (high - low) if size else 0.0


def test_triangle(shown, pictures):
    ex, picture = shown.ex, pictures["The gradient triangle"]
    low, high = decades(ex)
    proved = {(c.t, c.tau): c.error <= c.bound for c in ex.checks_ or []}
    said = {True: ", proved", False: ", proof failed", None: ""}
    lines, places = picture.all("g", role="row"), {}
    heights = [float(re.search(r" ([\d.]+)\)", line["transform"]).group(1)) for line in lines]
    assert heights == sorted(heights)
    for t, line in zip(losses_of(ex), lines, strict=True):
        taus = [tau for tau in steps_of(ex) if tau <= t]
        for tau, cell in zip(taus, line.elements, strict=True):
            size, kind = norm(term(ex, t, tau)), str(ex.kinds[t - 1, tau - 1])
            passed = proved.get((t, tau))
            title = f"t = {t}, τ = {tau}: {number(size)}, {kind}{said[passed]}"
            assert cell.elements[0].text == title
            colour = sequential(share_of(size, low, high)) if kind == "live" else kind
            assert cell["class"] == colour + " failed" * (passed is False)
            assert (cell.get("aria-selected") == "true") == ((t, tau) == chosen_term(shown))
            assert places.setdefault(tau, place(cell, "x")) == place(cell, "x")
    assert list(places.values()) == sorted(set(places.values()))
    ends = [word.text for word in picture.elements[-2:]]
    assert ends == [f"10{low}", f"10{high}"]


def test_outer_product(shown, pictures):
    ex, (t, tau) = shown.ex, chosen_term(shown)
    picture = pictures["The outer product of the chosen term"]
    rows, columns = strongest_of_the_term(shown)
    delta, met = delta_of(ex)[t - 1, tau - 1, rows], ex.left[tau - 1, columns]
    letter = "h" if ex.of == "W" else "x"
    several = ex.cell in ("lstm", "gru")
    names = [
        word.text for group in picture.all("g", class_="outer-names") for word in group.elements
    ]
    assert names == ([entry_of(ex, i) for i in rows] if several else [])
    for name, values, titles in [
        ("delta", delta[:, None], [f"δ, unit {entry_of(ex, i)}" for i in rows]),
        ("h", met[None], [f"{letter}, entry {j + 1}" for j in columns]),
        (
            "products",
            term(ex, t, tau)[np.ix_(rows, columns)],
            [f"row {entry_of(ex, i)}, column {j + 1}" for i in rows for j in columns],
        ),
    ]:
        lines = picture.one("g", class_=f"outer-{name}").elements
        assert [read_cells(line.elements)[0] for line in lines] == colours(values)
        found = [title for line in lines for title in read_cells(line.elements)[1]]
        written = [number(value) for value in values.ravel()]
        assert found == [f"{title}: {value}" for title, value in zip(titles, written, strict=True)]


# Panels 7 and 9


def test_triangles_with_W_scaled(shown, pictures):
    if "Three gradient triangles" not in pictures:
        return
    ex, picture = shown.ex, pictures["Three gradient triangles"]
    low, high = decades(ex)
    assert [w.text for w in picture.all("text")] == ["W × 0.1", "W × 1", "W × 10"]
    for factor, grid in zip((0.1, 1, 10), picture.all("g", class_="grid"), strict=True):
        other = scaled(ex, factor)
        expected = [
            [
                sequential(share_of(norm(term(other, t, tau)), low, high)) if tau <= t else ""
                for tau in steps_of(ex)
            ]
            for t in losses_of(ex)
        ]
        assert read_grid(grid, np.shape(expected)) == expected


def test_gradients(shown, pictures):
    ex, picture = shown.ex, pictures["The gradients"]
    names = [f"U{ex.layer}", f"W{ex.layer}", f"b{ex.layer}", "V", "c"]
    there = [name for name in names if name in ex.gradients]
    assert [w.text for w in picture.all("text", class_="row")] == [
        f"d{name}".translate(str.maketrans("12", "₁₂")) for name in there
    ]
    assert [w.text for w in picture.all("text", class_="tick")] == [
        "×".join(map(str, ex.gradients[name].shape)) for name in there
    ]
    for name, grid in zip(there, picture.all("g", class_="grid"), strict=True):
        gradient = ex.gradients[name]
        matrix = fit(gradient.reshape(len(gradient), -1), 32, 32)
        assert read_grid(grid, matrix.shape) == colours(matrix)
