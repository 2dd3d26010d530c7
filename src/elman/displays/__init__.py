"""Pictures, as scikit-learn's Displays: they hold arrays, and draw them on matplotlib.

confusion_over_time  the predictions for each label, step by step
permutation_importance  which features and steps an estimator needs
learning_curve    loss and accuracy by epoch
of_explanation    what the displays of one sequence's explanation share
forward           the states h_t, and ŷ
gates             gates and states of a cell, step by step
softmax_jacobian  the two cases of N5
term_ladder       the sizes of the terms of N7
gradient_flow     how much of an error is left k steps back
jacobian_spectrum singular values of ∂h_t/∂h_{t-1}, and Lyapunov exponents
drawing           axes, colours and names
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
