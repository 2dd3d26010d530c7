"""The panels in order, in one file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from elman.explanation.numbers import Numbers
from elman.explanation.page import colours
from elman.explanation.page.forward import one_step
from elman.explanation.page.ladder import ladder
from elman.explanation.page.markup import element, text
from elman.explanation.page.opening import verdict
from elman.explanation.page.outcome import data, proofs, totals
from elman.explanation.page.output import output_error, output_weights
from elman.explanation.page.reasons import reasons, truncated
from elman.explanation.page.triangle import gradient_triangle
from elman.explanation.page.unrolled import unrolled
from elman.explanation.page.view import View

PANELS = {
    "Verdict": verdict,
    "Unrolled network": unrolled,
    "Forward": one_step,
    "Output error": output_error,
    "Output weights": output_weights,
    "Ladder": ladder,
    "Gradient triangle": gradient_triangle,
    "Why": reasons,
    "Truncation": truncated,
    "Update": totals,
    "Proofs": proofs,
    "Data": data,
}


def render(explanation: Numbers, *, step: int | None = None, command: str | None = None) -> str:
    """Write an explanation as one HTML file: no network, no library, the same bytes each time.

    Parameters
    ----------
    explanation : Numbers
    step : int, optional
        The step that the page opens with; the last that has a loss if left out.
    command : str, optional
        What makes the page again, for panel 11.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If there is no such step.
    """
    if step is None:
        step = explanation.answering[-1]
    if not 1 <= step <= explanation.T:
        raise ValueError(f"step must be from 1 to {explanation.T}; got {step}")
    view = View(explanation, step, command)
    sizes = "".join(
        f"#{name} rect{{width:{width - 1:.1f}px;height:{height - 1:.1f}px}}"
        for name, (width, height) in view.sizes.items()
    )
    style, script = _file("style.css") + colours.style() + sizes, _file("script.js")
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}"
    policy += "; base-uri 'none'; form-action 'none'"
    contents = "".join(
        f'<li><a href="#panel-{i}"><span>{i}</span> {name}</a></li>'
        for i, name in enumerate(PANELS)
    )
    head = "".join(
        [
            '<meta charset="utf-8">',
            '<meta name="generator" content="elman">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{text(explanation.title)} · elman explain</title>",
            f"<style>{style}</style>",
        ]
    )
    body = "".join(
        [
            '<a class="skip" href="#panel-0">To the verdict</a>',
            f'<nav aria-label="Panels"><ol>{contents}</ol></nav>',
            element("main", *(f"\n{write(view)}" for write in PANELS.values())),
            f"\n<script>{script}</script>",
        ]
    )
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>{body}</body>\n</html>\n'


def _file(name: str) -> str:
    return resources.files("elman.explanation.page").joinpath(name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
