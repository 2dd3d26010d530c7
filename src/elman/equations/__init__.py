"""The lecture notes as code: plain NumPy, in the notes' order and letters.

Nothing here is optimised. The fast engine is compared with it. It runs in any floating or complex
dtype, so that complex-step differentiation can prove it.

    N1  the layered network and its chain rule   ``network.forward``, ``network.gradients``
    N2  forward propagation                      ``forward.recurrent_step``, ``forward.output``
    N3  loss                                     ``losses.cross_entropy.cross_entropy``
    N4  learning                                 ``learning.descend``
    N5  softmax and cross-entropy together       ``softmax_jacobian``, ``output_error`` beside it
    N6  output weights                           ``backward.output_gradients``
    N7  back-propagation through time            ``backward.errors_through_time``
    N8  the gradients as implemented             ``backward.recurrent_gradients``

``readouts`` says what V multiplies: the state of the last step, or something of all steps.

Letters, everywhere: T steps, n sequences that have a step, m answers, D features, H units, K outputs,
G gates of a cell (G_x of them read x, G_h read h).
Vectors are columns and *columns are sequences*: x_t is (D, n), h_t is (H, n), ŷ_t is (K, n).

Sequences may differ in length. They are sorted, the longest first, so that those that have a step t
are the first n_t columns, and n_1 ≥ n_2 ≥ … ≥ n_T. Values of steps are a list of T blocks with n_t
columns each; for sequences of one length an array (T, D, n) is such a list.
"""

from elman.equations.backward import (
    errors_through_time,
    output_gradients,
    recurrent_gradients,
)
from elman.equations.cells import CELLS, Cell
from elman.equations.forward import (
    Layer,
    LayerTrace,
    StepTrace,
    output,
    recurrent_layer,
    recurrent_step,
    softmax,
)
from elman.equations.learning import descend
from elman.equations.losses import LOSSES
from elman.equations.losses.cross_entropy import cross_entropy, output_error, softmax_jacobian
from elman.equations.network import LayerGradients, Trace

__all__ = [
    "CELLS",
    "LOSSES",
    "Cell",
    "Layer",
    "LayerGradients",
    "LayerTrace",
    "StepTrace",
    "Trace",
    "cross_entropy",
    "descend",
    "errors_through_time",
    "output",
    "output_error",
    "output_gradients",
    "recurrent_gradients",
    "recurrent_layer",
    "recurrent_step",
    "softmax",
    "softmax_jacobian",
]
