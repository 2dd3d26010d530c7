"""Formulas as MathML, written when the site is built: no script, no font, no network."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


# Brackets of matrices and braces of cases are drawn by the style sheet: whether a browser stretches
# those of a font depends on the fonts there are.
_FENCED = {
    "matrix": ("<mo>&#x0005B;</mo><mtable", "<mo>&#x0005D;</mo>"),
    "cases": ('<mo stretchy="true" fence="true" form="prefix">&#x0007B;</mo><mtable', ""),
}


def mathml(formula: str, display: str = "inline") -> str:
    """Convert LaTeX."""
    written = convert(formula, display=display)
    for name, (opening, closing) in _FENCED.items():
        pattern = re.escape(opening) + "(.*?</mtable>)" + re.escape(closing)
        written = re.sub(pattern, rf'<mtable class="{name}"\1', written)
    return written


def inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula in a line."""
    translator.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula that stands by itself; a wide one scrolls sideways, by the keyboard as well."""
    written = mathml(node.astext(), "block")
    translator.body.append(f'<div class="formula" tabindex="0">{written}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the renderer as ``html_math_renderer = "mathml"``."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
