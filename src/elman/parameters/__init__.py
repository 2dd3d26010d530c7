"""What a network is made of: its architecture, and its parameters under the notes' letters.

Layer k has U_k (H, D), W_k (H, H) and b_k (H,); the output has V (K, H) and c (K,). If a cell
has gates, U_k, W_k and b_k have H rows for each gate. Layers count from 1, lowest first, as on the
notes' first page. In a bidirectional network, the parameters of reverse layers are U1_reverse,
W1_reverse and b1_reverse, and the layer above, or the output, reads both h, one below the other,
(2 H,).
"""

from elman.parameters.architecture import Architecture, LayerSpec, ParameterSpec
from elman.parameters.initialization import initialize
from elman.parameters.parameters import Parameters

__all__ = ["Architecture", "LayerSpec", "ParameterSpec", "Parameters", "initialize"]
