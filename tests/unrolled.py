"""One sequence through a network whose every step has matrices of its own, written from N2 and N3.

For complex-step differentiation of single terms: sharing nothing with ``elman``, one unit's sum at
a time. A network is a mapping of arrays (U1, W1, b1, …, V, c) and the cell of each layer.
"""

import numpy as np

EPS = 1e-30


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def step(cell, u, w, b, before):
    """States after a step, from U x_t, W h_{t-1} and b, gate under gate."""
    if cell == "relu":
        a = u + w + b
        return [np.where(a.real > 0, a, 0)]
    if cell == "leaky":
        return [0.5 * before[0] + 0.5 * np.tanh(u + w + b)]
    if cell == "gru":
        (u_r, u_z, u_n), (w_r, w_z, w_m) = np.split(u, 3), np.split(w, 3)
        b_r, b_z, b_n, b_m = np.split(b, 4)
        r, z = sigmoid(u_r + w_r + b_r), sigmoid(u_z + w_z + b_z)
        n = np.tanh(u_n + b_n + r * (w_m + b_m))
        return [(1 - z) * n + z * before[0]]
    if cell == "lstm":
        i, f, g, o = np.split(u + w + b, 4)
        s = sigmoid(f) * before[1] + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(s), s]
    return [np.tanh(u + w + b)]


N_STATES = {"lstm": 2}
GATES = {"gru": 4, "lstm": 4}  # of b


def losses(network, cells, x, labels, own):
    """L_t of each step with a label, nan for -1; ``own[name, tau]`` is step tau's (from 0)."""
    K = len(network["V"])
    heights = [network["U2"].shape[1]] if len(cells) > 1 else []
    heights += [network[f"U{k + 2}"].shape[1] for k in range(1, len(cells) - 1)]
    heights.append(network["V"].shape[1])
    states = [
        [np.zeros(H, complex) for _ in range(N_STATES.get(cell, 1))]
        for cell, H in zip(cells, heights, strict=True)
    ]
    result = []
    for t, label in enumerate(labels):
        inputs = x[t].astype(complex)
        for k, (cell, H) in enumerate(zip(cells, heights, strict=True), start=1):
            u = own.get((f"U{k}", t), network[f"U{k}"]) @ inputs
            w = 0
            if cell != "dense":
                w = own.get((f"W{k}", t), network[f"W{k}"]) @ states[k - 1][0]
            b = network.get(f"b{k}", np.zeros(GATES.get(cell, 1) * H))
            states[k - 1] = step(cell, u, w, b, states[k - 1])
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
