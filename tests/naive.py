"""The naive loop: the notes read literally, one sequence, one step, one loss at a time.

Written from the notes alone, in float64, and sharing nothing with ``elman``: forward by N2, loss by
N3, and the gradients by the ladder of N7, which carries each L_t back on its own, term by term.

A network is a mapping of arrays (U1, W1, b1, …, V, c) and the cell of each layer.
"""

from typing import NamedTuple

import numpy as np


class Result(NamedTuple):
    loss: float
    correct: float
    gradients: dict[str, np.ndarray]


def in_float64(network):
    """The arrays of a network, as they are or converted."""
    return {name: np.asarray(array, np.float64) for name, array in network.items()}


def forward(network, cells, x):
    """Take one sequence x (T, D) through N2: a[k][t], h[k][t] (h[k][0] is h_0), z[t], ŷ[t]."""
    network = in_float64(network)
    a, h, inputs = [], [], [x_t.astype(np.float64) for x_t in x]
    for k, cell in enumerate(cells, start=1):
        U = network[f"U{k}"]
        W = np.zeros((len(U), len(U))) if cell == "dense" else network[f"W{k}"]
        b = network.get(f"b{k}", np.zeros(len(U)))
        a_k, h_k = [], [np.zeros(len(U))]
        for x_t in inputs:
            a_k.append(U @ x_t + W @ h_k[-1] + b)
            h_k.append(np.maximum(a_k[-1], 0) if cell == "relu" else np.tanh(a_k[-1]))
        a.append(a_k)
        h.append(h_k)
        inputs = h_k[1:]
    V = network["V"]
    z = [V @ h_t + network.get("c", np.zeros(len(V))) for h_t in inputs]
    y_hat = [np.exp(z_t) / sum(np.exp(z_t)) for z_t in z]
    return a, h, z, y_hat


def probabilities(network, cells, x):
    """ŷ_t of one sequence, (T, K)."""
    return np.array(forward(network, cells, x)[3])


def loss_and_gradients(network, cells, X, y, weights):
    """Σ w L over labels y[i], one a sequence or T of them, with weights of the same shapes."""
    network, loss, correct = in_float64(network), 0.0, 0.0
    gradients = {name: np.zeros(np.shape(array)) for name, array in network.items()}
    for x, y_i, w_i in zip(X, y, weights, strict=True):
        a, h, z, y_hat = forward(network, cells, x)
        labelled = range(len(x)) if np.ndim(y_i) else [len(x) - 1]
        for t, label, weight in zip(labelled, np.atleast_1d(y_i), np.atleast_1d(w_i), strict=True):
            loss += weight * -np.log(y_hat[t][label])
            correct += weight * (np.argmax(z[t]) == label)
            _add_ladder(gradients, network, cells, x, a, h, y_hat[t], t, label, weight)
    return Result(loss, correct, gradients)


def _add_ladder(gradients, network, cells, x, a, h, y_hat, t, label, weight):
    """Add Σ_{τ≤t} term(t, τ) for every parameter: the gradients of L_t alone (N7)."""
    K = len(y_hat)
    dL_dy_hat = [-weight / y_hat[i] if i == label else 0.0 for i in range(K)]
    dy_hat_dz = [
        [y_hat[i] * (1 - y_hat[i]) if i == k else -y_hat[i] * y_hat[k] for k in range(K)]
        for i in range(K)
    ]
    dL_dz = np.array(dL_dy_hat) @ np.array(dy_hat_dz)
    gradients["V"] += np.outer(dL_dz, h[-1][t + 1])
    if "c" in gradients:
        gradients["c"] += dL_dz

    # δ[k] is dL_t/da of layer k at step τ; at τ = t only the answer speaks, from above.
    later = [np.zeros(len(h_k[0])) for h_k in h]
    for tau in range(t, -1, -1):
        from_above = network["V"].T @ dL_dz if tau == t else np.zeros(len(h[-1][0]))
        for k in range(len(cells), 0, -1):
            a_t, h_previous = a[k - 1][tau], h[k - 1][tau]
            dL_dh = from_above
            if cells[k - 1] != "dense":
                dL_dh = dL_dh + network[f"W{k}"].T @ later[k - 1]
            slope = a_t > 0 if cells[k - 1] == "relu" else 1 - np.tanh(a_t) ** 2
            delta = dL_dh * slope
            below = x[tau].astype(np.float64) if k == 1 else h[k - 2][tau + 1]
            gradients[f"U{k}"] += np.outer(delta, below)
            if f"W{k}" in gradients:
                gradients[f"W{k}"] += np.outer(delta, h_previous)
            if f"b{k}" in gradients:
                gradients[f"b{k}"] += delta
            later[k - 1] = delta
            from_above = network[f"U{k}"].T @ delta
