"""Formulas as MathML, written when the site is built: no script, no font, no network."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

# The style sheet draws the brackets of matrices: not every font has some that stretch.
_MATRIX = re.compile("<mo>&#x0005B;</mo><mtable(.*?</mtable>)<mo>&#x0005D;</mo>")

# The hat of ŷ: the caret stretches, in some fonts to more than the letter's width.
_CARET, _HAT = "<mo>&#x0005E;</mo></mover>", '<mo stretchy="false">&#x002C6;</mo></mover>'


def mathml(formula: str, display: str = "inline") -> str:
    """Convert LaTeX."""
    written = convert(formula, display=display).replace(_CARET, _HAT)
    return _MATRIX.sub(r'<mtable class="matrix"\1', written)


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
