"""Every table of the page, cell by cell, and its data, written anew from the arrays.

Of the page's own modules only ``markup`` is asked, how a number is written, and ``view``, what is
shown where not all of it fits.
"""

import base64
import json

import numpy as np

from elman.explanation.page.markup import fixed, number, scientific, small
from elman.explanation.page.view import evenly
from pages import (
    GATES,
    READING,
    ROWS,
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
    numbers,
    of_all_steps,
    openness,
    pieces_of,
    product,
    read,
    scaled,
    shares,
    slope_of,
    steps_of,
    strongest_of_the_term,
    term,
    weights_of,
    what_is_followed,
)

# Tables


def table_of_steps(shown):
    ex = shown.ex
    yield ["step t", what_is_followed(ex), "Lt", "‖ht‖", "‖δt‖"]
    for t in steps_of(ex):
        loss = number(ex.losses[t - 1]) if t in ex.answering else "no loss"
        y_hat = number(followed(ex, t))
        told = norm(sum(ex.delta[j - 1, t - 1] for j in ex.answering))
        yield [str(t), y_hat, loss, fixed(norm(ex.h_activated[t - 1])), number(told)]


def table_of_pieces(shown):
    pieces = list(pieces_of(shown.ex))
    yield ["unit", *(f"{name} {what}" for _, name, what, _ in pieces)]
    for i in range(min(shown.ex.H, 32)):
        yield [f"unit {i + 1}", *(fixed(values[shown.step - 1, i]) for *_, values in pieces)]


def table_of_gates(shown):
    ex = shown.ex
    shown_arrays = {f"gate {name}": values for name, values in ex.gates.items()}
    shown_arrays |= {f"state {name}": values for name, values in ex.states.items()}
    yield ["step t", *shown_arrays]
    for t in steps_of(ex):
        yield [str(t), *(fixed(np.mean(values[t - 1]), 3) for values in shown_arrays.values())]


def table_of_the_output_error(shown):
    ex, t = shown.ex, shown.step
    yield ["class k", "yk", "ŷk", "−yk/ŷk", "Σi (−yi/ŷi) dŷi/dzk", "ŷk − yk"]
    y_hat = ex.y_activated[t - 1]
    y = (np.arange(ex.K) == ex.labels[t - 1]).astype(float)
    by_y_hat = -y / y_hat.clip(min=1e-300)
    by_z = by_y_hat @ jacobian_n5(ex, t)
    for k in classes_of(ex):
        values = [y_hat[k], by_y_hat[k], by_z[k], ex.output_error[t - 1, k]]
        yield [ex.classes[k], f"{y[k]:.0f}", *numbers(values)]


def table_of_residuals(shown):
    ex, row = shown.ex, shown.step - 1
    yield ["output k", "yk", "ŷk", "ŷk − yk", "dL/dzk"]
    for k in range(ex.K):
        y, y_hat = ex.y[row, k], ex.y_activated[row, k]
        yield [ex.classes[k], *numbers([y, y_hat, y_hat - y, ex.output_error[row, k]])]


def table_of_the_jacobian(shown):
    ex, classes = shown.ex, classes_of(shown.ex)
    yield ["i \\ k", *(ex.classes[k] for k in classes)]
    for i in classes:
        yield [ex.classes[i], *numbers(jacobian_n5(ex, shown.step)[i, classes])]


def table_of_output_weights(shown):
    ex = shown.ex
    error = "‖dLt/dzt‖" if ex.loss_function.name in ("absolute_error", "quantile") else "‖ŷt − yt‖"
    yield ["step t", error, f"‖{'r' if of_all_steps(ex) else 'h'}t‖", "‖term‖", "‖sum so far‖"]
    for t in losses_of(ex):
        so_far = dV(ex, range(1, t + 1))
        arrays = [ex.output_error[t - 1], read(ex, t), dV(ex, [t]), so_far]
        yield [str(t), *numbers(map(norm, arrays))]


def table_of_units_read(shown):
    ex, weights = shown.ex, weights_of(shown.ex)
    yield ["unit i", "read at step", f"r{ex.T},i", f"dL{ex.T}/dri"]
    error = ex.output_error[-1] @ ex.V
    for i in np.argsort(-np.abs(error), kind="stable"):
        steps = 1 + np.flatnonzero(weights[:, i])
        at = str(steps[0]) if len(steps) == 1 else f"1 … {ex.T}, {number(1 / ex.T)} of each"
        yield [str(i + 1), at, fixed(read(ex, ex.T)[i]), number(error[i])]


def table_of_steps_read(shown):
    ex, weights = shown.ex, weights_of(shown.ex)
    yield ["step j", "units read", "‖dL/dhj‖, from the output"]
    for j in np.flatnonzero(weights.any(axis=1)):
        error = weights[j] * (ex.output_error[-1] @ ex.V)
        yield [str(j + 1), str((weights[j] > 0).sum()), number(norm(error))]


def table_of_two_parts(shown):
    """The explicit part has h_{t-1} held constant: each step's own error alone, at its own gates."""
    ex, t = shown.ex, shown.ex.T
    yield ["", "‖dL/dŷ · dŷ/dr‖", "‖explicit‖", "‖implicit‖", f"‖dLt/d{ex.of}‖"]
    whole = sum(term(ex, t, tau) for tau in range(1, t + 1))
    told = ex.output_error[-1] @ ex.V
    own = [ex.delta_by_entry[j, j].reshape(len(GATES.get(ex.cell, "h")), -1) for j in range(t)]
    if ex.layer == len(ex.architecture.hidden):  # the slope of the state h by each gate
        slopes = ex.partials[:, 0, : len(own[0])]
        direct = (weights_of(ex) * told)[:, None] * slopes
        np.testing.assert_allclose(own, direct, rtol=1e-12, atol=1e-15)
    reading = READING.get((ex.cell, "h"), GATES.get(ex.cell, "h"))
    of_W = [g in reading for g in GATES.get(ex.cell, "h")]
    explicit = sum(np.outer(d[of_W], h) for d, h in zip(own, ex.left, strict=True))
    yield [f"dL{t}/d{ex.of}", *numbers(map(norm, [told, explicit, whole - explicit, whole]))]


def table_of_first_losses(shown):
    ex = shown.ex
    if of_all_steps(ex):
        yield from table_of_two_parts(shown)
        return
    losses = [t for t in ex.answering if t <= 3] or [ex.T]
    lags = range(min(losses[-1], 3))
    names = [f"‖term(t, τ)‖, τ = t − {lag}".removesuffix(" − 0") for lag in lags]
    yield ["", "‖dL/dŷ · dŷ/dh‖", *names, f"‖dLt/d{ex.of}‖"]
    for t in losses:
        told = number(norm(ex.output_error[t - 1] @ ex.V))
        each = [number(norm(term(ex, t, t - lag))) if lag < t else "" for lag in lags]
        whole = number(norm(sum(term(ex, t, tau) for tau in range(1, t + 1))))
        yield [f"dL{t}/d{ex.of}", told, *each, whole]


def table_of_the_parts(shown):
    ex = shown.ex
    yield ["", "‖explicit‖", "‖implicit‖", "‖total‖"]
    if not is_plain(ex):  # they are proved where they are computed
        for t in range(1, min(ex.T, 5) + 1):
            yield [f"dh{t}/dW", *numbers(map(norm, (ex.explicit(t), ex.implicit(t), ex.total(t))))]
        return
    total = np.zeros((ex.H,) * 3)
    for t in range(1, min(ex.T, 5) + 1):
        explicit = ex.explicit(t)
        implicit = np.tensordot(ex.jacobian(t), total, axes=1)
        total = explicit + implicit
        yield [f"dh{t}/dW", *numbers(map(norm, (explicit, implicit, total)))]


def factors_of(ex, t, tau):
    H, K, G = ex.H, ex.K, delta_of(ex).shape[2]
    if ex.of == "U":
        return [f"dL{t}/dh_unactivated_{tau} {G}×1", f"x{tau}ᵀ 1×{ex.D}"]
    if ex.layer < len(ex.architecture.hidden):
        return [f"dL{t}/dh_unactivated_{tau} {G}×1", f"h{tau - 1}ᵀ 1×{H}"]
    h, S = ("(h, s)", 2 * H) if ex.cell == "lstm" else ("h", H)
    if of_all_steps(ex):
        factors = [f"dL{t}/dŷ{t} 1×{K}", f"dŷ{t}/dr{t} {K}×{H}", f"dr{t}/d{h}{tau} {H}×{S}"]
        return [*factors, f"∂{h}{tau}/∂W {S}×{G}×{H}"]
    factors = [f"dL{t}/dŷ{t} 1×{K}", f"dŷ{t}/d{h}{t} {K}×{S}"]
    factors += [f"∂{h}{j}/∂{h}{j - 1} {S}×{S}" for j in range(t, tau, -1)]
    factors += [f"∂{h}{tau}/∂W {S}×{G}×{H}"]
    if len(factors) > 6:
        factors = [*factors[:3], f"… {len(factors) - 5} more …", *factors[-2:]]
    return factors


def table_of_the_ladder(shown):
    ex, (t, _) = shown.ex, chosen_term(shown)
    yield ["τ", "factors, with their shapes", "‖term‖", "share", ""]
    parts = shares(ex, t)
    for tau in range(t, max(0, t - ROWS), -1):
        size, kind = number(norm(term(ex, t, tau))), ex.kinds[t - 1, tau - 1]
        yield [str(tau), " · ".join(factors_of(ex, t, tau)), size, fixed(parts[tau - 1]), kind]


def table_of_the_chosen_term(shown):
    rows, columns = strongest_of_the_term(shown)
    matrix = term(shown.ex, *chosen_term(shown))
    yield ["i \\ j", *(str(j + 1) for j in columns)]
    for i in rows:
        yield [entry_of(shown.ex, i), *numbers(matrix[i, columns])]


def table_of_the_norms(shown):
    ex, losses = shown.ex, losses_of(shown.ex)
    yield ["", *(f"t = {t}" for t in losses)]
    for tau in steps_of(ex):
        row = []
        for t in losses:
            kind = ex.kinds[t - 1, tau - 1] if tau <= t else ""
            size = number(norm(term(ex, t, tau))) if tau <= t else ""
            row.append(size if kind in ("", "live") else f"{size} ({kind})")
        yield [f"τ = {tau}", *row]


def table_of_the_terms_of_U(shown):
    ex = shown.ex
    losses, steps = evenly(losses_of(ex), 16), evenly(steps_of(ex), 16)
    yield ["of U", *(f"t = {t}" for t in losses)]
    for tau in steps:
        delta = delta_of(ex, "x")[:, tau - 1]
        terms = {t: np.outer(delta[t - 1], ex.inputs[tau - 1]) for t in losses if tau <= t}
        yield [f"τ = {tau}", *(number(norm(terms[t])) if t in terms else "" for t in losses)]


def table_of_reasons(shown):
    ex = shown.ex
    yield ["step t", f"mean {slope_of(ex)}", "largest σ of the step", "largest σ of the product"]
    for t in steps_of(ex):
        matrices = [ex.jacobian(t), product(ex, t)] if t > 1 else []
        sigmas = numbers(np.linalg.norm(m, ord=2) for m in matrices) or ["none", "none"]
        yield [str(t), fixed(openness(ex)[t - 1].mean()), *sigmas]


def table_of_exponents(shown):
    yield ["number", "growth per step (log)"]
    for i, exponent in enumerate(shown.ex.lyapunov, start=1):
        yield [str(i), fixed(exponent)]


def table_of_what_if(shown):
    back = shown.ex.T - 1
    left = f"left of an error {back} step{'s' * (back > 1)} back"
    yield [
        "",
        "largest σ of W",
        f"mean {slope_of(shown.ex)}",
        "saturated units",
        left,
        "the gradient is",
    ]
    for factor in (0.1, 1, 10):
        ex = scaled(shown.ex, factor)
        sigma = np.linalg.svd(factor * shown.ex.W)[1].max()
        with np.errstate(invalid="ignore"):
            told = ex.output_error[-1] @ ex.V
            told = told * weights_of(ex)[-1] if of_all_steps(ex) else told
            reach = norm(ex.delta_by_entry[-1, 0]) / np.float64(norm(told))
        off = f"{100 * np.mean(openness(ex) < 0.1):.0f}%"
        open_, kind = fixed(openness(ex).mean(), 3), ex.diagnosis.kind
        yield [f"W × {factor}", fixed(sigma, 2), open_, off, number(reach), kind]


def table_of_truncation(shown):
    yield ["k", "relative error", "angle (degrees)"]
    for cut in evenly(shown.ex.truncation, ROWS):
        yield [str(cut["k"]), number(cut["relative_error"]), fixed(cut["angle_degrees"])]


def below(name):
    return name[0] + name[1:].translate(str.maketrans("123", "₁₂₃"))


def table_of_gradients(shown):
    ex = shown.ex
    yield ["gradient", "shape", "norm", "largest entry", "norm of the step"]
    for name, gradient in ex.gradients.items():
        moved = ex.update["after"][name] - ex.parameters[name]
        values = [norm(gradient), np.abs(gradient).max(), norm(moved)]
        yield [f"d{below(name)}", "×".join(map(str, gradient.shape)), *numbers(values)]


def table_of_n8(shown):
    ex = shown.ex
    later = "what later steps send back"
    yield ["step t", "its own error", later, "‖δt‖, both", "‖δt ht−1ᵀ‖", "‖δt xtᵀ‖"]
    for t in steps_of(ex):
        own = ex.delta_by_entry[t - 1, t - 1]
        both = ex.delta[:, t - 1].sum(axis=0)
        of_gates = [delta_of(ex, what)[:, t - 1].sum(axis=0) for what in "hx"]
        left = (ex.h_previous[t - 1], ex.inputs[t - 1])
        met = [np.outer(*pair) for pair in zip(of_gates, left, strict=True)]
        yield [str(t), *numbers(map(norm, [own, both - own, both, *met]))]


def tables_of_entries(shown):
    """Give a table each gradient of the layer and of the output."""
    ex = shown.ex

    def of(name):
        gradient = ex.gradients[name]
        matrix = gradient.reshape(len(gradient), -1)
        most, n = np.abs(matrix), 16 if max(matrix.shape) <= 16 else 8
        rows, columns = (np.sort(np.argsort(-most.max(axis=a))[:n]) for a in (1, 0))

        def written(shown):
            yield [f"d{below(name)}", *(str(j + 1) for j in columns)]
            for i in rows:
                name_of_row = ex.classes[i] if name in ("V", "c") else str(i + 1)
                yield [name_of_row, *numbers(matrix[i, columns])]

        return written

    here = [f"{name}{ex.layer}" for name in ("U", "W", "b", "initial")]
    yield from (of(name) for name in [*here, "V", "c"] if name in ex.gradients)


def written_check(check):
    verdict = "proved" if check.error <= check.bound else "✗ failed"
    values = [scientific(check.expected), scientific(check.found)]
    return [*values, small(check.error), small(check.bound), verdict]


PROOF = ["by the equations", "by the complex step", "error", "allowed", ""]


def table_of_proofs(shown):
    yield ["t, τ", *PROOF]
    worst = sorted(shown.ex.checks_, key=lambda c: (c.error <= c.bound, -c.error / c.bound))
    for check in worst[:ROWS]:
        yield [f"{check.t}, {check.tau}", *written_check(check)]


def table_of_whole_gradients(shown):
    yield ["gradient", *PROOF]
    for check in shown.ex.totals_:
        yield [f"d{below(check.name)}", *written_check(check)]


def table_of_cells(shown):
    yield ["cell", "by backward", *PROOF[1:]]
    for check in shown.ex.backward_:
        yield [check.name, *written_check(check)]


def tables_of(shown):
    """Give the tables in the page's order."""
    yield from [table_of_steps, table_of_pieces]
    yield from [] if is_plain(shown.ex) else [table_of_gates]
    if shown.ex.labels is None:
        yield table_of_residuals
    else:
        yield from [table_of_the_output_error, table_of_the_jacobian]
    yield from [table_of_units_read, table_of_steps_read] if of_all_steps(shown.ex) else []
    yield from [table_of_output_weights, table_of_first_losses]
    yield from [table_of_the_parts, table_of_the_ladder, table_of_the_chosen_term]
    yield table_of_the_norms
    yield from [] if shown.ex.W is None else [table_of_the_terms_of_U]
    yield from [table_of_reasons, table_of_exponents]
    if shown.ex.W is not None and shown.ex.T > 1:
        yield table_of_what_if
    yield from [table_of_truncation, table_of_gradients, table_of_n8]
    yield from tables_of_entries(shown)
    if shown.ex.checks_ is not None:
        yield from [table_of_proofs, table_of_whole_gradients, table_of_cells]


def test_every_table(shown):
    written = list(tables_of(shown))
    assert len(shown.outline.tables) == len(written)
    for found, table in zip(shown.outline.tables, written, strict=True):
        assert found == list(table(shown)), table.__name__


# The data


def array(field):
    return np.frombuffer(base64.b64decode(field["base64"]), "<f8").reshape(field["shape"])


def test_data_are_the_arrays(shown):
    """To the last bit, and no field is left over."""
    ex, data = shown.ex, json.loads(shown.outline.root.one("script", id="data").text)
    steps, classes, n = sorted({*steps_of(ex), shown.step}), classes_of(ex), min(ex.H, 32)
    rows = np.array(steps) - 1
    cells = [(t, tau) for t in losses_of(ex) for tau in steps_of(ex) if tau <= t]
    derived = ("b", "h_unactivated", "derivative") if is_plain(ex) else ()
    for key, _, _, values in pieces_of(ex):
        if key not in derived:
            np.testing.assert_array_equal(array(data["forward"].pop(key)), values[rows, :n])
    np.testing.assert_array_equal(
        array(data.pop("delta")), [delta_of(ex)[t - 1, tau - 1] for t, tau in cells]
    )
    np.testing.assert_array_equal(array(data.pop("left")), ex.left[np.array(steps_of(ex)) - 1])
    norms = [norm(term(ex, *cell)) for cell in cells]
    np.testing.assert_allclose(array(data.pop("norms"))[0], norms, rtol=1e-14)
    full = {key: np.abs(values).max() or 1.0 for key, _, _, values in pieces_of(ex)}
    for key in full:
        if key in ("derivative", "h_activated", "openness") or key.startswith("gate-"):
            full[key] = max(1.0, full[key])
    checked = ex.checks_ is not None
    assert "numpy.frombuffer" in data.pop("about")
    assert data == {
        "title": ex.title,
        "command": None,
        **{name: getattr(ex, name) for name in ("layer", "cell", "T", "D", "H", "K", "of")},
        "classes": [ex.classes[k] for k in classes],
        "labels": None if ex.labels is None else ex.labels[rows].tolist(),
        "y": None
        if ex.labels is not None
        else [
            [None if value != value else value for value in line] for line in ex.y[rows].tolist()
        ],
        "loss": np.nansum(ex.losses),
        "losses": {str(t): ex.losses[t - 1] for t in ex.answering},
        "verdict": ex.verdict,
        "proved": [sum(c.error <= c.bound for c in ex.checks_), ex.n_terms] if checked else None,
        "worst_error": ex.worst_error,
        "sum_error": ex.sum_error,
        "steps": steps,
        "forward": {},
        "derived": is_plain(ex),
        "gates": [*READING.get((ex.cell, "h"), GATES.get(ex.cell, "h"))],
        "b": None if ex.b is None or not is_plain(ex) else ex.b[:n].tolist(),
        "full": full,
        "y_unactivated": ex.y_unactivated[rows][:, classes].tolist(),
        "y_activated": ex.y_activated[rows][:, classes].tolist(),
        "output_error": ex.output_error[rows][:, classes].tolist(),
        "targets": None
        if ex.labels is None
        else [classes.index(k) if k in classes else -1 for k in ex.labels[rows]],
        "written_rows": 16,
        "triangle_steps": steps_of(ex),
        "cells": [list(cell) for cell in cells],
        "kinds": [ex.kinds[t - 1, tau - 1] for t, tau in cells],
    }
