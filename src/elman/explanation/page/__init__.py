"""The page: one self-contained HTML file with every panel of an explanation.

markup    elements, tables, numbers, MathML
colours   the two colour scales, as classes of a style sheet
svg       a grid of cells, a chart of lines, a colour key
view      what of an explanation is shown, where all of it would be too much
opening   panel 0, the verdict
unrolled  panel 1, the unrolled network
forward   panel 2, forward at one step
inputs    of many inputs, those that enter most strongly
reads     the beginning of panel 4, what the output reads
output    panels 3 and 4, the output error and the output weights
ladder    panel 5, explicit and implicit
triangle  panel 6, the gradient triangle
reasons   panels 7 and 8, singular values and truncation
what_if   the end of panel 7, W scaled
outcome   panels 9 to 11, the update, the proofs, the data
data      the numbers as JSON
render    the panels in order, in one file
"""

from elman.explanation.page.render import render

__all__ = ["render"]
