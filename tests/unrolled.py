"""One sequence through a network whose every step has matrices of its own, written from N2 and N3.

For complex-step differentiation of single terms: sharing nothing with ``elman``, one unit's sum at
a time. A network is a mapping of arrays (U1, W1, b1, …, V, c) and the cell of each layer.
"""

import numpy as np

EPS = 1e-30


def losses(network, cells, x, labels, own):
    """L_t of each step with a label, nan for -1; ``own[name, tau]`` is step tau's (from 0)."""
    K = len(network["V"])
    h = [np.zeros(len(network[f"U{k}"]), complex) for k in range(1, len(cells) + 1)]
    result = []
    for t, label in enumerate(labels):
        inputs = x[t].astype(complex)
        for k, cell in enumerate(cells, start=1):
            U = own.get((f"U{k}", t), network[f"U{k}"])
            a = U @ inputs + network.get(f"b{k}", 0)
            if cell != "dense":
                a = a + own.get((f"W{k}", t), network[f"W{k}"]) @ h[k - 1]
            inputs = h[k - 1] = np.where(a.real > 0, a, 0) if cell == "relu" else np.tanh(a)
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
