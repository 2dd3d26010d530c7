"""One sequence through a network whose every step has matrices of its own, written from N2 and N3.

For complex-step differentiation of single terms: sharing nothing with ``elman``, one unit's sum at
a time. A network is a mapping of arrays (U1, W1, b1, …, V, c) and the cell of each layer.
"""

import numpy as np

from naive import EPS, Layer


def losses(network, cells, x, labels, own):
    """L_t of each step with a label, nan for -1; ``own[name, tau]`` is step tau's (from 0)."""
    K = len(network["V"])
    layers = [Layer(network, k, cell) for k, cell in enumerate(cells, start=1)]
    states = [(np.zeros(layer.H, complex),) * layer.cell.n_states for layer in layers]
    result = []
    for t, label in enumerate(labels):
        inputs = x[t].astype(complex)
        for k, layer in enumerate(layers, start=1):
            U, W, b = (
                own.get((f"{matrix}{k}", t), network.get(f"{matrix}{k}")) for matrix in "UWb"
            )
            a = layer.pre_activations(U, W, b, inputs, states[k - 1][0])
            states[k - 1] = layer.cell.step(*a, *states[k - 1])
            inputs = states[k - 1][0]
        z = network["V"] @ inputs + network.get("c", 0)
        exp_z = [np.exp(z[k]) for k in range(K)]
        result.append(np.nan if label < 0 else -np.log(exp_z[label] / sum(exp_z)))
    return np.array(result)


def terms(network, cells, x, labels, name):
    """dL_t/dW_τ entry by entry: (T, T, *shape of the parameter), [t, τ] from 0."""
    T, shape = len(x), network[name].shape
    result = np.zeros((T, T, *shape))
    for tau in range(T):
        for entry in np.ndindex(*shape):
            moved = network[name].astype(complex)
            moved[entry] += 1j * EPS
            result[:, tau, *entry] = losses(network, cells, x, labels, {(name, tau): moved}).imag
    return result / EPS
