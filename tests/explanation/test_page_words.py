"""Facts, sentences with numbers and formulas of the page, against the arrays and the notes."""

import re

import numpy as np
import pytest

from elman.explanation.page.markup import fixed, number, small
from outline import line_of
from pages import (
    ROWS,
    chosen_term,
    classes_of,
    delta_of,
    jacobian_n5,
    label_of,
    losses_of,
    norm,
    openness,
    page_of,
    slope_of,
    steps_of,
    term,
)


def some(n, noun):
    return f"{n} {noun}" + "s" * (n != 1)


# Panel 0


def test_facts(shown):
    ex, shapes = shown.ex, shown.ex.architecture
    if ex.labels is None:
        return
    last = ex.answering[-1] - 1
    best = int(np.argmax(ex.y_activated[last]))
    right = "right" if best == ex.labels[last] else "wrong"
    layers = " + ".join(f"{H} {cell}" for H, cell in zip(shapes.hidden, shapes.cells, strict=True))
    names = [ex.classes[k] for k in ex.labels if k >= 0]
    more = f" … ({ex.T} in all)" if len(names) > 12 else ""
    labels = (
        " ".join(names[:12]) + more if ex.every_step else f"“{names[0]}”, for the whole sequence"
    )
    what = {"mean": "the mean of all states", "max": "the largest value of each unit"}
    what = what.get(shapes.readout)
    readout = {"Readout r, what V multiplies": what} if what else {}
    n_parameters = sum(values.size for values in ex.parameters.values())
    found = {
        fact.elements[0].text: fact.elements[1].text
        for fact in shown.outline.panels[0].one("dl").elements
    }
    assert found == {
        "Sequence T × D": f"{some(ex.T, 'step')} of {some(ex.x.shape[1], 'feature')}",
        "Network H, cells": f"{layers} units",
        **readout,
        "Seed the model's random_state": "none given" if ex.seed is None else str(ex.seed),
        "Classes K": f"{ex.K}",
        "Labels y": labels,
        "Answer largest ŷ at the last loss": f"“{ex.classes[best]}” with "
        f"ŷ = {number(ex.y_activated[last, best])}: {right}",
        "Parameters entries of U, W, V, …": f"{n_parameters:,}",
        f"Terms of dL/d{ex.of}": f"{sum(ex.answering):,}",
        "Loss L, the sum of all Lt": number(np.nansum(ex.losses), 7),
    }


def test_facts_of_numbers():
    ex, outline = page_of("numbers").ex, page_of("numbers").outline
    facts = {
        fact.elements[0].text: fact.elements[1].text
        for fact in outline.panels[0].one("dl").elements
    }
    ys, y_hats = (", ".join(number(v) for v in of[-1]) for of in (ex.y, ex.y_activated))
    assert facts["Outputs K"] == "2: y1, y2"
    assert facts["Targets y, by squared error"] == "a target for each of 7 steps"
    assert facts["Answer at the last loss"] == f"ŷ = {y_hats} for y = {ys}"
    assert not {"Classes K", "Labels y"} & facts.keys()
    quantiles = page_of("quantiles").outline.panels[0].one("dl").text
    assert "6: y1 at 10 %, y1 at 50 %, y1 at 90 %, y2 at 10 %, …" in quantiles
    for name in ("numbers", "one count", "quantiles"):
        said = page_of(name).outline.panels
        text = " ".join(panel.text for i, panel in enumerate(said) if i not in (3, 11))
        for word in ("softmax", "class ", "classes", "label", "probabilit"):
            assert word not in text, (name, word)


def proved_and_failed(ex):
    proved = sum(check.error <= check.bound for check in ex.checks_)
    return proved, len(ex.checks_) - proved


def test_status(shown):
    ex, panel = shown.ex, shown.outline.panels[0]
    status = panel.one("p", class_="status").text
    assert panel.one("p", class_="lead").text == ex.verdict
    assert panel.one("p", class_="subtitle").text == ex.title
    if ex.checks_ is None:
        assert status == "Not checked. The proofs were left out."
        return
    proved, failed = proved_and_failed(ex)
    said = (
        f"{proved} of {some(proved + failed, 'term')} proved, worst error {small(ex.worst_error)}."
    )
    said += f" They add up to the gradient with a relative error of {small(ex.sum_error)}."
    if failed:
        said = f"✗ Not proved. {some(failed, 'term')} failed. {said} See the proofs."
    else:
        said = f"✓ Proved. {said}"
    assert status == said


# Panels 1 to 10


def test_sum_of_losses(shown):
    ex = shown.ex
    (found,) = [line for line in lines_of(shown, 1) if line.startswith("L=")]
    values = [number(loss) for loss in ex.losses if loss == loss]
    letters = [f"L_{t}" if t < 10 else f"L_{{{t}}}" for t in ex.answering]
    if len(values) > 4:
        values[3:-1], letters[3:-1] = "…", "…"
    parts = ["L", "+".join(letters), "+".join(values), number(np.nansum(ex.losses))]
    if len(values) == 1:
        del parts[2]
    assert found == "=".join(parts)


def test_descriptions_of_ends(shown):
    """What is said of the first and the last step to who does not see the picture."""
    ex, pictures = shown.ex, shown.outline.pictures
    told = [norm(ex.delta[:, t].sum(axis=0)) for t in (0, -1)]
    said = pictures["The unrolled network"].elements[1].text
    assert said == (
        f"{some(len(steps_of(ex)), 'step')} from left to right. The error's norm is "
        f"{number(told[1])} at step {ex.T} and {number(told[0])} at step 1."
    )
    means = [fixed(openness(ex)[t].mean()) for t in (0, -1)]
    said = pictures[f"Mean of {slope_of(ex)} by step"].elements[1].text
    assert said == f"It goes from {means[0]} to {means[1]}."


def test_residual(shown):
    ex = shown.ex
    if ex.labels is None:
        return
    worst = 0.0
    for t in ex.answering:
        k = label_of(ex, t)
        product = -jacobian_n5(ex, t)[k] / ex.y_activated[t - 1, k]
        worst = max(worst, np.abs(product - ex.output_error[t - 1]).max())
    caption = shown.outline.panels[3].all("caption")[0].text
    found = re.search(r"the largest difference over all steps is ([\d.e+-]+)\.", caption).group(1)
    assert found == small(ex.residual_n5)
    assert float(found) == pytest.approx(worst, rel=0.06, abs=1e-15)


def test_what_is_lost_if_h_is_held(shown):
    ex, said = shown.ex, shown.outline.panels[5].one("p", class_="when-held").text
    error, angle = ex.held
    if ex.W is None:
        assert "This layer has no W" in said
    elif np.isnan(error):
        assert "dL/dW is zero here" in said
    else:
        percent = fixed(100 * error, 1)
        assert f"wrong by {percent} % of its norm, and points {fixed(angle, 1)}° away" in said


def test_chosen_term(shown):
    ex, (t, tau) = shown.ex, chosen_term(shown)
    met = f"h{tau - 1}" if ex.of == "W" else f"x{tau}"
    sizes = [
        number(norm(a)) for a in (delta_of(ex)[t - 1, tau - 1], ex.left[tau - 1], term(ex, t, tau))
    ]
    assert shown.outline.panels[6].one("p", id="chosen").text == (
        f"term({t}, {tau}): loss {t} by way of step {tau}. ‖δ‖ = {sizes[0]}, ‖{met}‖ = {sizes[1]}, "
        f"‖term‖ = {sizes[2]}: {ex.kinds[t - 1, tau - 1]}."
    )


def test_kinds_are_counted(shown):
    ex = shown.ex
    kinds = [ex.kinds[t - 1, tau - 1] for t in losses_of(ex) for tau in steps_of(ex) if tau <= t]
    names = ["live", "structural", "saturated", "vanished", "unread"]
    said = ", ".join(f"{kinds.count(name)} {name}" for name in names if name in kinds)
    n = f"{len(kinds):,} term" + "s" * (len(kinds) != 1)
    more = f" {len(kinds):,} of {ex.n_terms:,} terms are shown." if len(kinds) < ex.n_terms else ""
    caption = shown.outline.panels[6].all("figcaption")[0].text
    assert caption == f"‖term(t, τ)‖ of {n}: {said}.{more}"


def test_truncation_that_is_enough(shown):
    lead = shown.outline.panels[8].one("p", class_="lead").text
    enough = [cut["k"] for cut in shown.ex.truncation if cut["relative_error"] <= 0.01]
    if enough:
        leave = f"{some(enough[0], 'step')} back leave" + "s" * (enough[0] == 1)
        assert lead.endswith(f" Here {leave} an error of at most 1 %.")
    else:
        assert "Here" not in lead


def test_update(shown):
    ex, update, panel = shown.ex, shown.ex.update, shown.outline.panels[9]
    size, limit = number(update["norm"]), update["max_norm"]
    said = f"The norm of all gradients together is {size}"
    if limit is None:
        said += ". There is no limit to it."
    elif update["clipped"]:
        said += (
            f", above the limit of {limit:g}. So each is multiplied by {number(update['scale'])}."
        )
    else:
        said += f", within the limit of {limit:g}. Nothing is clipped."
    if ex.truncate is not None:
        said += f" The update uses sums cut {some(ex.truncate, 'step')} back."
    assert panel.one("p", class_="lead").text.endswith(f" {said}")
    before, after = number(np.nansum(ex.losses), 7), number(update["loss_after"], 7)
    assert (
        f"With α = {update['learning_rate']:g}, this step alone takes the loss from {before} to "
        f"{after}."
    ) in [p.text for p in panel.all("p")]


def test_proofs(shown):
    ex, panel = shown.ex, shown.outline.panels[10]
    said = " ".join(p.text for p in panel.all("p"))
    assert f"(N8): the relative error is {small(ex.sum_error)}." in said
    if ex.checks_ is None:
        assert panel.all("math") == []
        return
    proved, failed = proved_and_failed(ex)
    if failed:
        assert f"{some(failed, 'term')} of {proved + failed} failed. They are at the top" in said
    else:
        assert (
            "The only term is" if proved == 1 else f"All {proved} terms are"
        ) + " proved." in said
    assert f"The worst error is {small(ex.worst_error)} of its term's size" in said
    captions = [caption.text for caption in panel.all("figcaption")]
    dots = sum(check.error > 0 and check.size > 0 for check in ex.checks_)
    same = sum(check.error == 0 for check in ex.checks_)
    more = f" For {same} more the two numbers agree to the last bit." if same else ""
    if nowhere := len(ex.checks_) - dots - same:
        more += f" {some(nowhere, 'term')} of no size, or no number, cannot be drawn."
    assert captions[0] == f"Errors of {some(dots, 'term')}.{more}"
    unseen = min(row["unseen"] for row in ex.central)
    assert all((f"{some(unseen, 'term')} drown" in c) == (unseen > 0) for c in captions[1:])


def test_shapes_in_words(shown):
    H, D = shown.ex.H, shown.ex.D
    questions = [p.text for p in shown.outline.root.all("p")]
    assert any(f"xt is {D} × 1 and ht {H} × 1, so U has to be {H} × {D}" in q for q in questions)
    rows = H if shown.ex.W is None else len(shown.ex.W)
    assert any(f"h has {H} entries and W {rows} × {H}." in q for q in questions)


def test_what_is_said_of_gates():
    shown = page_of("lstm")
    said = [" ".join(p.text for p in panel.all("p")) for panel in shown.outline.panels]
    assert "W has 4 × 6 rows, 6 for each gate that reads ht−1: i, f, g, o." in said[5]
    assert "(h,s) stands for h and s" in said[5]
    assert "δ holds the errors of the gates i, f, g, o, one under another" in said[6]
    captions = " ".join(part.text for part in shown.outline.root.all("figcaption"))
    assert "The other states are in panel 2" in captions
    assert "of dU i, f, g, o; of dW i, f, g, o; of db i, f, g, o." in captions
    gru = page_of("gru, one label")
    captions = " ".join(part.text for part in gru.outline.root.all("figcaption"))
    assert "of dU r, z, n; of dW r, z, m; of db r, z, n, m." in captions
    assert (
        "The gate z is not the output's zt." in gru.outline.panels[2].one("p", class_="lead").text
    )
    assert "The other states" not in captions
    for name in ("lstm", "gru, one label", "lstm below gru", "leaky"):
        text = page_of(name).outline.root.text
        for words in ("1 − h", "f′", "diag(", "tanh2"):
            assert words not in text, (name, words)


def test_what_is_left_out():
    shown = page_of("more than is shown")
    left_out = {
        tag: re.findall(
            r"[\d,]+ of [\d,]+ [a-z]+", " ".join(part.text for part in shown.outline.root.all(tag))
        )
        for tag in ("figcaption", "caption")
    }
    assert left_out == {
        "figcaption": [
            "50 of 60 steps", "32 of 40 units", "12 of 14 classes", "32 of 40 units",
            "4 of 60 losses", "1,275 of 1,830 terms", "16 of 40 rows", "16 of 40 columns",
        ],
        "caption": [
            "50 of 60 steps", "32 of 40 units", "12 of 14 classes", "12 of 14 classes",
            "50 of 60 losses", "5 of 60 steps", "50 of 60 terms", "16 of 40 rows",
            "16 of 40 columns", "1,275 of 1,830 terms", "136 of 1,830 terms", "50 of 60 steps",
            "50 of 60 cuts", "50 of 60 steps", "8 of 40 rows", "8 of 35 columns", "8 of 40 rows",
            "8 of 40 columns", "8 of 40 rows", "8 of 14 rows", "8 of 40 columns",
        ],
    }  # fmt: skip
    assert len(classes_of(shown.ex)) == 12
    assert len(steps_of(shown.ex)) == ROWS


# Formulas: the notes' lines N2 to N8


def lines_of(shown, panel):
    return [line_of(formula) for formula in shown.outline.panels[panel].all("math")]


N7_FACTORS = "dL_t/dŷ_t·dŷ_t/dh_t·(∏_{j=τ+1}^t∂h_j/∂h_{j−1})·∂h_τ/∂W"
N8_SLOPE = "[1−tanh^2(h_{unactivated})]"

NOTES = {
    0: ["dL/dW=∑_t∑_{τ≤t}term(t,τ)", "term(t,τ)=δ_{t,τ}h_{τ−1}^T"],
    1: ["L_t=−∑_ky_{t,k}logŷ_{t,k}"],
    2: [
        "h_t[6×1]=tanh(U[6×3]x_t[3×1]+W[6×6]h_{t−1}[6×1]+b[6×1])",
        "z_t[4×1]=V[4×6]h_t[6×1]+c[4×1]",
        "ŷ_t=softmax(z_t)",
    ],
    3: [
        "dŷ_i/dz_k=ŷ_i(1−ŷ_i)if i=k",
        "dŷ_i/dz_k=−ŷ_iŷ_kif i≠k",
        "dL/dz_k=∑_i(−y_i/ŷ_i)dŷ_i/dz_k=−y_k+y_kŷ_k+∑_{i≠k}y_iŷ_k=−y_k+ŷ_k∑_iy_i=ŷ_k−y_k",
    ],
    4: ["dL_t/dV=(ŷ_t−y_t)h_t^T", "dL/dV=∑_t(ŷ_t−y_t)h_t^T"],
    5: [
        "dh_t/dW[6×6×6]=∂h_t/∂W[6×6×6]+∂h_t/∂h_{t−1}[6×6]·dh_{t−1}/dW[6×6×6]",
        "dh_1/dW=h_0(1−tanh^2(Ux_1+Wh_0))",
        "dL_1/dW=dL_1/dŷ_1·dŷ_1/dh_1·∂h_1/∂W",
        "dL_2/dW=dL_2/dŷ_2·dŷ_2/dh_2·[∂h_2/∂W+∂h_2/∂h_1·∂h_1/∂W]",
        "dL_3/dW=dL_3/dŷ_3·dŷ_3/dh_3·[∂h_3/∂W+∂h_3/∂h_2·(∂h_2/∂W+∂h_2/∂h_1·∂h_1/∂W)]",
    ],
    6: ["dL_t/dW=∑_{τ≤t}term(t,τ)=∑_{τ≤t}δ_{t,τ}h_{τ−1}^T", f"term(t,τ)={N7_FACTORS}"],
    7: ["∂h_t/∂h_{t−1}=diag(1−h_t^2)W"],
    8: ["∑_t∑_{t−k≤τ≤t}term(t,τ)"],
    9: [
        "V←V−αdL/dV",
        "U←U−αdL/dU",
        "W←W−αdL/dW",
        "dL/dV=∑_t(ŷ_t−y_t)h_{activated}^T",
        f"dL/dU:V^T(ŷ_t−y_t)⊙{N8_SLOPE}·1·x_t^T",
        f"dL/dW:V^T(ŷ_t−y_t)⊙{N8_SLOPE}·1·h_{{t−1}}^T",
    ],
    10: ["⟨term(t,τ),R⟩=ImL_t(W_τ+iεR)/ε"],
    11: [],
}


@pytest.mark.parametrize("panel", NOTES)
def test_formulas_are_the_notes(panel):
    found = [line for line in lines_of(page_of("a label a step"), panel) if line[:2] != "L="]
    assert found == NOTES[panel]


CHANGED = {
    "no biases": {
        2: [
            "h_t[6×1]=tanh(U[6×3]x_t[3×1]+W[6×6]h_{t−1}[6×1])",
            "z_t[4×1]=V[4×6]h_t[6×1]",
            "ŷ_t=softmax(z_t)",
        ]
    },
    "relu": {
        2: ["h_t[6×1]=relu(U[6×3]x_t[3×1]+W[6×6]h_{t−1}[6×1]+b[6×1])", *NOTES[2][1:]],
        5: [NOTES[5][0], "dh_1/dW=h_0(f′(Ux_1+Wh_0))", *NOTES[5][2:]],
        7: ["∂h_t/∂h_{t−1}=diag(f′)W"],
        9: [line.replace(N8_SLOPE, "[f′(h_{unactivated})]") for line in NOTES[9]],
    },
    "lower of two layers": {
        2: [NOTES[2][0], "z_t[4×1]=V[4×5]h_t[5×1 of layer 2]+c[4×1]", NOTES[2][2]],
        6: NOTES[6][:1],
        9: [line.replace(":V^T(ŷ_t−y_t)", ":dL_t/dh_t") for line in NOTES[9]],
    },
    "upper of two layers": {
        2: [NOTES[2][0].replace("[6×3]x_t[3×1]", "[6×5]x_t[5×1]"), *NOTES[2][1:]]
    },
    "lstm": {
        2: [
            *(f"a_{g}=U_{g}[6×3]x_t[3×1]+W_{g}[6×6]h_{{t−1}}[6×1]+b_{g}[6×1]" for g in "ifgo"),
            "i=σ(a_i),f=σ(a_f),g=tanh(a_g),o=σ(a_o)",
            "s_t=f⊙s_{t−1}+i⊙g",
            "h_t=o⊙tanh(s_t)",
            *NOTES[2][1:],
        ],
        5: [
            "dh_t/dW[6×24×6]=∂h_t/∂W[6×24×6]+∂h_t/∂(h,s)_{t−1}[6×12]·d(h,s)_{t−1}/dW[12×24×6]",
            *(line.replace("∂h", "∂(h,s)").replace("/dh", "/d(h,s)") for line in NOTES[5][2:]),
        ],
        6: [
            NOTES[6][0],
            f"term(t,τ)={N7_FACTORS}".replace("∂h", "∂(h,s)").replace("/dh", "/d(h,s)"),
        ],
        7: [
            "∂(h,s)_t/∂(h,s)_{t−1}=[∂(h,s)_t/∂(h,s)_{t−1}]_{straight}"
            + "".join(f"+∂(h,s)_t/∂a_{g}W_{g}" for g in "ifgo")
        ],
        9: [*NOTES[9][:4], "dL/dU:δ_t·1·x_t^T", "dL/dW:δ_t·1·h_{t−1}^T"],
    },
    "gru, one label": {
        2: [
            *(f"a_{g}=U_{g}[6×3]x_t[3×1]+W_{g}[6×6]h_{{t−1}}[6×1]+b_{g}[6×1]" for g in "rz"),
            "a_n=U_n[6×3]x_t[3×1]+b_n[6×1]",
            "a_m=W_m[6×6]h_{t−1}[6×1]+b_m[6×1]",
            "r=σ(a_r),z=σ(a_z),n=tanh(a_n+r⊙a_m)",
            "h_t=(1−z)⊙n+z⊙h_{t−1}",
            *NOTES[2][1:],
        ],
        5: [
            "dh_t/dW[6×18×6]=∂h_t/∂W[6×18×6]+∂h_t/∂h_{t−1}[6×6]·dh_{t−1}/dW[6×18×6]",
            *NOTES[5][2:],
        ],
        7: [
            "∂h_t/∂h_{t−1}=[∂h_t/∂h_{t−1}]_{straight}"
            + "".join(f"+∂h_t/∂a_{g}W_{g}" for g in "rzm")
        ],
        9: [*NOTES[9][:4], "dL/dU:δ_t·1·x_t^T", "dL/dW:δ_t·1·h_{t−1}^T"],
    },
    "one count": {
        1: ["L_t=∑_k(ŷ_{t,k}−y_{t,k}logŷ_{t,k})"],
        2: [NOTES[2][0], "z_t[1×1]=V[1×6]h_t[6×1]+c[1×1]", "ŷ_t=exp(z_t)"],
        3: ["L_t=∑_k(ŷ_{t,k}−y_{t,k}logŷ_{t,k})", "dL_t/dz_t=ŷ_t−y_t"],
    },
    "quantiles": {
        1: ["L_t=∑_kmax(τ_k(y_{t,k}−ŷ_{t,k}),(τ_k−1)(y_{t,k}−ŷ_{t,k}))"],
        2: [NOTES[2][0], "z_t[6×1]=V[6×6]h_t[6×1]+c[6×1]", "ŷ_t=z_t"],
        3: ["L_t=∑_kmax(τ_k(y_{t,k}−ŷ_{t,k}),(τ_k−1)(y_{t,k}−ŷ_{t,k}))"],
        4: ["dL_t/dV=dL_t/dz_th_t^T", "dL/dV=∑_tdL_t/dz_th_t^T"],
        9: [line.replace("(ŷ_t−y_t)", "dL_t/dz_t") for line in NOTES[9]],
    },
    "dense, one label": {
        0: ["dL/dU=∑_t∑_{τ≤t}term(t,τ)", "term(t,τ)=δ_{t,τ}x_τ^T"],
        2: ["h_t[6×1]=tanh(U[6×3]x_t[3×1]+b[6×1])", *NOTES[2][1:]],
        6: ["dL_t/dU=∑_{τ≤t}term(t,τ)=∑_{τ≤t}δ_{t,τ}x_τ^T"],
        9: [line for line in NOTES[9] if line[0] != "W" and line[:5] != "dL/dW"],
        10: ["⟨term(t,τ),R⟩=ImL_t(U_τ+iεR)/ε"],
    },
}


@pytest.mark.parametrize("name", CHANGED)
def test_formulas_of_other_models(name):
    shown = page_of(name)
    for panel, notes in (NOTES | CHANGED[name]).items():
        assert [line for line in lines_of(shown, panel) if line[:2] != "L="] == notes
