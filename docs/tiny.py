"""The tiny network of the guide: numbers that can be followed by hand.

T = 3 steps, D = 3 inputs, H = 2 units, K = 3 classes, no biases, as in the notes' recurrent pages.
D, H and K are not all equal, so that a product of the wrong shapes does not pass by chance.
"""

import numpy as np

import elman
from elman import equations

T, D, H, K = 3, 3, 2, 3
SEED = 88

network = elman.Network(
    n_features=D, hidden=H, n_outputs=K, bias=False, dtype=np.float64, engine="reference"
)
rng = np.random.default_rng(SEED)
for parameter in network.parameters.values():
    parameter[...] = (0.6 * rng.standard_normal(parameter.shape)).round(1)
U, W, V = (network.parameters[name] for name in ("U1", "W1", "V"))

layer = equations.Layer(equations.CELLS["tanh"], U, W, None)
x = rng.standard_normal((T, D)).round(1)  # x[t - 1] is x_t
labels = np.array([1, 0, 2])
y = np.eye(K)[labels]  # y[t - 1] is the one-hot column y_t

# Everything at once, from the equations: columns are sequences, and there is one.
blocks = list(x[:, :, None])
trace = equations.recurrent_layer(blocks, layer.initial_states(1), layer)
h = np.array([np.zeros((H, 1)), *trace.h])[:, :, 0]  # h[0] is h_0
z, y_hat = (a.T for a in equations.output(h[1:].T, V, None))
error = equations.output_error(y.T, y_hat.T).T  # ŷ_t - y_t

explained = elman.explain(network, x, labels)
gradients = explained.gradients


def outer(column, row):
    """Write column · rowᵀ."""
    return np.outer(column, row)
