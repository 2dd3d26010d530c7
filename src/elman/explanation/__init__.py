"""One sequence's gradient, term by term, with numbers and proofs; and how it flows in a data set.

subject      a model and labelled sequences, as the equations take them
terms        term(t, τ) of N7, each loss and each step on its own; ladder, truncation
spectra      singular values of ∂h_t/∂h_{t-1}, and Lyapunov exponents
proof        each term against complex-step differentiation
diagnosis    vanishing, exploding, saturated or healthy, and what to change
explanation  all of it for one sequence, and what follows from it: ``Explanation``
explaining   how that is made: ``explain``
flow         the diagnosis over a whole data set: ``gradient_flow``
"""

from elman.explanation.explaining import explain
from elman.explanation.explanation import Explanation
from elman.explanation.flow import GradientFlow, gradient_flow

__all__ = ["Explanation", "GradientFlow", "explain", "gradient_flow"]
