"""The page: one self-contained HTML file with every panel of an explanation.

markup    elements, tables, numbers, MathML
colours   the two colour scales, as classes of a style sheet
svg       a heat map, a chart of lines, a colour key
view      what of an explanation is shown, where all of it would be too much
opening   panel 0, the verdict
forward   panels 1 to 4, forward propagation and the output
backward  panels 5 to 8, back-propagation through time
outcome   panels 9 to 11, the update, the proofs, the data
render    the panels in order, in one file
"""

from elman.explanation.page.render import render

__all__ = ["render"]
