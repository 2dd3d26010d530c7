"""Displays, as in scikit-learn: each holds arrays, and draws them with matplotlib.

confusion_over_time     the predictions for each label, step by step
permutation_importance  which features and steps an estimator needs
learning_curve          loss and accuracy of each epoch
of_explanation          the base class of displays that draw an explanation
forward                 the states h_t and the predictions ŷ_t
gates                   gates and states of a cell, step by step
softmax_jacobian        the derivative of the softmax (N5)
term_ladder             the sizes of the terms of dL/dW (N7)
gradient_flow           how much of an error is left k steps back
jacobian_spectrum       singular values of ∂h_t/∂h_{t-1}, and Lyapunov exponents
drawing                 axes, scales and colours
"""

from elman.displays.confusion_over_time import ConfusionOverTimeDisplay
from elman.displays.forward import ForwardDisplay
from elman.displays.gates import GatesDisplay
from elman.displays.gradient_flow import GradientFlowDisplay
from elman.displays.jacobian_spectrum import JacobianSpectrumDisplay
from elman.displays.learning_curve import LearningCurveDisplay
from elman.displays.permutation_importance import PermutationImportanceDisplay
from elman.displays.softmax_jacobian import SoftmaxJacobianDisplay
from elman.displays.term_ladder import TermLadderDisplay

__all__ = [
    "ConfusionOverTimeDisplay",
    "ForwardDisplay",
    "GatesDisplay",
    "GradientFlowDisplay",
    "JacobianSpectrumDisplay",
    "LearningCurveDisplay",
    "PermutationImportanceDisplay",
    "SoftmaxJacobianDisplay",
    "TermLadderDisplay",
]
