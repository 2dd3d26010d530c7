"""One sequence's gradient, term by term, with numbers and proofs; and how it flows in a data set.

subject      a model and labelled sequences, as the equations take them
terms        term(t, τ) of N7, each loss and each step on its own; ladder, truncation
reading      what the output reads of the steps, and where its errors enter
spectra      singular values of ∂h_t/∂h_{t-1}, and Lyapunov exponents
proof        each term against complex-step differentiation
diagnosis    vanishing, exploding, saturated or healthy, and what to change
arrays       forward and backward of one sequence, and what is read off directly
numbers      what follows from these arrays: terms, ladder, singular values, verdict
explaining   how they are computed
page         all of it as one HTML file
writing      all of it as numbers and strings that JSON has
explanation  ``explain`` and what it returns, ``Explanation``
flow         the diagnosis over a whole data set: ``gradient_flow``
"""

from elman.explanation.explanation import Explanation, explain
from elman.explanation.flow import GradientFlow, gradient_flow

__all__ = ["Explanation", "GradientFlow", "explain", "gradient_flow"]
