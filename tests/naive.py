"""The naive loop: the notes read literally, one sequence, one step, one loss at a time.

Written from the notes and the literature alone, in float64, and sharing nothing with ``elman``:
forward by N2, loss by N3, and the gradients by the ladder of N7, which carries each L_t back on its
own, term by term. Of a cell only what it computes is written here; complex-step differentiation gives
its derivatives, one pre-activation and one state at a time.

A network is a mapping of arrays (U1, W1, b1, …, V, c) and the cell of each layer: its name, or a Cell.
Where there is initial1, it has layer 1's states before the first step, one behind another.
Where there is a U1_reverse, it goes in both directions.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

EPS = 1e-30


class Cell(NamedTuple):
    """What a cell's units do with their pre-activations, one a gate."""

    reads: tuple[str, ...]  # what is in each pre-activation: x_t, h_{t-1} or both
    n_states: int  # h, and behind it what stays in the cell
    step: Callable[..., tuple[Any, ...]]  # pre-activations and states before → states after


def _sigmoid(a):
    return 1 / (1 + np.exp(-a))


def leaky(alpha):
    """A discretised continuous-time network: h follows tanh a at the rate α."""
    return Cell(("xh",), 1, lambda a, h: ((1 - alpha) * h + alpha * np.tanh(a),))


def _gru(r, z, n, m, h):
    """Cho et al. 2014, reset after the product (Keras's reset_after, PyTorch, cuDNN)."""
    candidate = np.tanh(n + _sigmoid(r) * m)
    return ((1 - _sigmoid(z)) * candidate + _sigmoid(z) * h,)


def _lstm(i, f, g, o, _, s):
    """Gers et al. 2000: Hochreiter and Schmidhuber's, with a forget gate."""
    s = _sigmoid(f) * s + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(s), s


CELLS = {
    "tanh": Cell(("xh",), 1, lambda a, _: (np.tanh(a),)),
    "relu": Cell(("xh",), 1, lambda a, _: (np.where(a.real > 0, a, 0),)),
    "dense": Cell(("x",), 1, lambda a, _: (np.tanh(a),)),
    "leaky": leaky(0.5),
    "gru": Cell(("xh", "xh", "x", "h"), 1, _gru),
    "lstm": Cell(("xh",) * 4, 2, _lstm),
}


class Layer:
    """A layer's cell and its parameters, gate by gate: a gate has None for what it does not read."""

    def __init__(self, network, k, cell):  # of a reverse layer, k is "1_reverse"
        self.cell = CELLS[cell] if isinstance(cell, str) else cell
        reads = self.cell.reads
        self.H = len(network[f"U{k}"]) // sum("x" in read for read in reads)
        self.rows = {"U": [], "W": [], "b": []}
        for matrix, needed in (("U", "x"), ("W", "h"), ("b", "")):
            start = 0
            for read in reads:
                has_rows = needed in read and f"{matrix}{k}" in network
                self.rows[matrix].append(slice(start, start + self.H) if has_rows else None)
                start += self.H if has_rows else 0
            assert start == len(network.get(f"{matrix}{k}", ())), f"{matrix}{k}"

    def gates(self):
        """The rows of U, W and b of each gate."""
        return zip(*self.rows.values(), strict=True)

    def pre_activations(self, U, W, b, x_t, h):
        """U x_t + W h_{t-1} + b of each gate, without what there is not."""
        result = []
        for u, w, bias in self.gates():
            a = np.zeros(self.H)
            if u is not None:
                a = a + U[u] @ x_t
            if w is not None:
                a = a + W[w] @ h
            if bias is not None:
                a = a + b[bias]
            result.append(a)
        return result

    def derivatives(self, a, before):
        """∂(state after) / ∂(pre-activation), and / ∂(state before): a row each, a column a state."""
        numbers = [value.astype(complex) for value in (*a, *before)]
        rows = []
        for j in range(len(numbers)):
            moved = [value + 1j * EPS * (i == j) for i, value in enumerate(numbers)]
            rows.append([after.imag / EPS for after in self.cell.step(*moved)])
        return rows[: len(a)], rows[len(a) :]


class Result(NamedTuple):
    loss: float
    correct: float
    gradients: dict[str, np.ndarray]


def in_float64(network):
    """The arrays of a network, as they are or converted."""
    return {name: np.asarray(array, np.float64) for name, array in network.items()}


def forward(network, cells, x):
    """Take one sequence x (T, D) through N2.

    Returns a[k][t], one array a gate; states[k][t], h first, where states[k][0] are the states before
    the first step; z[t] and ŷ[t].
    """
    network = in_float64(network)
    a, states, inputs = [], [], [x_t.astype(np.float64) for x_t in x]
    for k, cell in enumerate(cells, start=1):
        layer = Layer(network, k, cell)
        U, W, b = (network.get(f"{matrix}{k}") for matrix in "UWb")
        n_states = layer.cell.n_states
        first = network.get(f"initial{k}", np.zeros(n_states * layer.H))
        a_k, states_k = [], [tuple(np.split(first, n_states))]
        for x_t in inputs:
            a_k.append(layer.pre_activations(U, W, b, x_t, states_k[-1][0]))
            states_k.append(layer.cell.step(*a_k[-1], *states_k[-1]))
        a.append(a_k)
        states.append(states_k)
        inputs = [h for h, *_ in states_k[1:]]
    V = network["V"]
    z = [V @ h_t + network.get("c", np.zeros(len(V))) for h_t in inputs]
    y_hat = [np.exp(z_t) / sum(np.exp(z_t)) for z_t in z]
    return a, states, z, y_hat


def probabilities(network, cells, x, every_step=True):
    """ŷ_t of one sequence, (T, K), or of its last step alone, (1, K)."""
    if "U1_reverse" in network:
        return np.array(_BothWays(network, cells, x).answers(every_step)[1])
    y_hat = np.array(forward(network, cells, x)[3])
    return y_hat if every_step else y_hat[-1:]


def loss_and_gradients(network, cells, X, y, weights):
    """Σ w L over labels y[i], one a sequence or T of them, with weights of the same shapes."""
    if "U1_reverse" in network:
        return _loss_and_gradients_both_ways(network, cells, X, y, weights)
    network, loss, correct = in_float64(network), 0.0, 0.0
    gradients = {name: np.zeros(np.shape(array)) for name, array in network.items()}
    for x, y_i, w_i in zip(X, y, weights, strict=True):
        a, states, z, y_hat = forward(network, cells, x)
        ladder = _Ladder(network, cells, x, a, states)
        labelled = range(len(x)) if np.ndim(y_i) else [len(x) - 1]
        for t, label, weight in zip(labelled, np.atleast_1d(y_i), np.atleast_1d(w_i), strict=True):
            loss += weight * -np.log(y_hat[t][label])
            correct += weight * (np.argmax(z[t]) == label)
            ladder.add(gradients, _dL_dz(y_hat[t], label, weight), t)
    return Result(loss, correct, gradients)


def _dL_dz(y_hat, label, weight):
    """dL/dŷ times dŷ/dz (N5), entry by entry."""
    K = len(y_hat)
    dL_dy_hat = [-weight / y_hat[i] if i == label else 0.0 for i in range(K)]
    dy_hat_dz = [
        [y_hat[i] * (1 - y_hat[i]) if i == k else -y_hat[i] * y_hat[k] for k in range(K)]
        for i in range(K)
    ]
    return np.array(dL_dy_hat) @ np.array(dy_hat_dz)


class _Ladder:
    """A sequence's terms: the gradients of each L_t alone, carried back one step after another."""

    def __init__(self, network, cells, x, a, states):
        self.network, self.states = network, states
        self.x = [x_t.astype(np.float64) for x_t in x]
        self.layers = [Layer(network, k, cell) for k, cell in enumerate(cells, start=1)]
        self.derivatives = [
            [layer.derivatives(*of_step) for of_step in zip(a_k, states_k[:-1], strict=True)]
            for layer, a_k, states_k in zip(self.layers, a, states, strict=True)
        ]

    def add(self, gradients, dL_dz, t):
        """Add Σ_{τ≤t} term(t, τ) for every parameter: the gradients of L_t (N7)."""
        V = self.network["V"]
        gradients["V"] += np.outer(dL_dz, self.states[-1][t + 1][0])
        if "c" in gradients:
            gradients["c"] += dL_dz

        # dL_t/d(state after step τ) by way of step τ + 1; at τ = t only the answer speaks, from above.
        later = [[np.zeros(layer.H)] * layer.cell.n_states for layer in self.layers]
        for tau in range(t, -1, -1):
            from_above = V.T @ dL_dz if tau == t else np.zeros(V.shape[1])
            for k in range(len(self.layers), 0, -1):
                dL_dh, *others = later[k - 1]
                d_after = [dL_dh + from_above, *others]
                below = self.x[tau] if k == 1 else self.states[k - 2][tau + 1][0]
                from_above, later[k - 1] = self._back(gradients, k, tau, d_after, below)
        for k, d_first in enumerate(later, start=1):
            if f"initial{k}" in gradients:
                gradients[f"initial{k}"] += np.concatenate(d_first)

    def _back(self, gradients, k, tau, d_after, below):
        """One step of one layer back: add its terms; return dL/d(below) and dL/d(states before)."""
        d_below, layer = np.zeros(len(below)), self.layers[k - 1]
        of_gates, of_states = self.derivatives[k - 1][tau]
        d_before = [self._chain(d_after, slopes) for slopes in of_states]
        h_previous = self.states[k - 1][tau][0]
        for slopes, (u, w, b) in zip(of_gates, layer.gates(), strict=True):
            delta = self._chain(d_after, slopes)
            if u is not None:
                gradients[f"U{k}"][u] += np.outer(delta, below)
                d_below = d_below + self.network[f"U{k}"][u].T @ delta
            if w is not None:
                gradients[f"W{k}"][w] += np.outer(delta, h_previous)
                d_before[0] = d_before[0] + self.network[f"W{k}"][w].T @ delta
            if b is not None:
                gradients[f"b{k}"][b] += delta
        return d_below, d_before

    @staticmethod
    def _chain(d_after, slopes):
        return sum(d * slope for d, slope in zip(d_after, slopes, strict=True))


# Both directions


def _loss_and_gradients_both_ways(network, cells, X, y, weights):
    network, loss, correct = in_float64(network), 0.0, 0.0
    gradients = {name: np.zeros(np.shape(array)) for name, array in network.items()}
    for x, y_i, w_i in zip(X, y, weights, strict=True):
        passes, every_step = _BothWays(network, cells, x), np.ndim(y_i) > 0
        z, y_hat = passes.answers(every_step)
        labels, factors = np.atleast_1d(y_i), np.atleast_1d(w_i)
        for t, (label, weight) in enumerate(zip(labels, factors, strict=True)):
            loss += weight * -np.log(y_hat[t][label])
            correct += weight * (np.argmax(z[t]) == label)
            passes.add(gradients, _dL_dz(y_hat[t], label, weight), t if every_step else None)
    return Result(loss, correct, gradients)


class _BothWays:
    """One sequence through levels of two layers: the reverse one takes the sequence turned round."""

    def __init__(self, network, cells, x):
        self.network = in_float64(network)
        self.passes = []  # of each level, two
        inputs = [x_t.astype(np.float64) for x_t in x]
        for k, cell in enumerate(cells, start=1):
            level = [_Pass(self.network, f"{k}", cell, inputs)]
            level.append(_Pass(self.network, f"{k}_reverse", cell, inputs[::-1]))
            self.passes.append(level)
            both = zip(level[0].h, level[1].h[::-1], strict=True)
            inputs = [np.concatenate(pair) for pair in both]
        self.of_steps = inputs
        self.of_sequence = np.concatenate([one.h[-1] for one in self.passes[-1]])

    def answers(self, every_step):
        """The z and the ŷ of every step, or of the whole sequence."""
        V = self.network["V"]
        c = self.network.get("c", np.zeros(len(V)))
        z = [V @ h + c for h in (self.of_steps if every_step else [self.of_sequence])]
        return z, [np.exp(z_t) / sum(np.exp(z_t)) for z_t in z]

    def add(self, gradients, dL_dz, t):
        """Add the gradients of one loss, at step t, or of the whole sequence (None)."""
        h = self.of_sequence if t is None else self.of_steps[t]
        gradients["V"] += np.outer(dL_dz, h)
        if "c" in gradients:
            gradients["c"] += dL_dz
        T = len(self.of_steps)
        onward, reverse = np.split(self.network["V"].T @ dL_dz, 2)
        above = [[np.zeros(len(onward)) for _ in range(T)] for _ in range(2)]
        above[0][T - 1 if t is None else t] = onward  # each in the order in which its layer goes
        above[1][T - 1 if t is None else T - 1 - t] = reverse
        for level in reversed(self.passes):
            below = level[0].back(gradients, above[0])
            below_reverse = level[1].back(gradients, above[1])[::-1]
            d_inputs = [a + b for a, b in zip(below, below_reverse, strict=True)]
            halves = [np.split(d, 2) for d in d_inputs] if level is not self.passes[0] else []
            above = [[d for d, _ in halves], [d for _, d in halves][::-1]]


class _Pass:
    """One layer, in the order in which it goes."""

    def __init__(self, network, key, cell, inputs):
        self.key, self.inputs, self.layer = key, inputs, Layer(network, key, cell)
        self.matrices = [network.get(f"{matrix}{key}") for matrix in "UWb"]
        n_states = self.layer.cell.n_states
        first = network.get(f"initial{key}", np.zeros(n_states * self.layer.H))
        self.states, self.derivatives = [tuple(np.split(first, n_states))], []
        for x_t in inputs:
            a = self.layer.pre_activations(*self.matrices, x_t, self.states[-1][0])
            self.derivatives.append(self.layer.derivatives(a, self.states[-1]))
            self.states.append(self.layer.cell.step(*a, *self.states[-1]))

    @property
    def h(self):
        return [h for h, *_ in self.states[1:]]

    def back(self, gradients, above):
        """Add the terms of all steps; return what goes to the inputs of each."""
        layer, (U, W, _), key = self.layer, self.matrices, self.key
        later, below = [np.zeros(layer.H)] * layer.cell.n_states, []
        for i in reversed(range(len(above))):
            d_after = [later[0] + above[i], *later[1:]]
            of_gates, of_states = self.derivatives[i]
            later, d_below = [_Ladder._chain(d_after, s) for s in of_states], 0.0
            for slopes, (u, w, b) in zip(of_gates, layer.gates(), strict=True):
                delta = _Ladder._chain(d_after, slopes)
                if u is not None:
                    gradients[f"U{key}"][u] += np.outer(delta, self.inputs[i])
                    d_below = d_below + U[u].T @ delta
                if w is not None:
                    gradients[f"W{key}"][w] += np.outer(delta, self.states[i][0])
                    later[0] = later[0] + W[w].T @ delta
                if b is not None:
                    gradients[f"b{key}"][b] += delta
            below.append(d_below)
        if f"initial{key}" in gradients:
            gradients[f"initial{key}"] += np.concatenate(later)
        return below[::-1]


def complex_step(function, vector):
    """Differentiate a function by each entry (n,) of a complex vector, which stays as it was."""
    derivative = np.empty(len(vector))
    for i, value in enumerate(vector):
        vector[i] = value + 1j * EPS
        derivative[i] = function().imag / EPS
        vector[i] = value
    return derivative
