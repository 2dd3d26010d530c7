"""
A cell of your own
==================

A cell is what a unit does at each step. You write its equations, one step forward and one step
backward, in plain operators; elman compiles them, proves the backward step, and trains, streams and
saves networks of your cell like its own.

This one is the light GRU (Ravanelli et al. 2018), which elman does not have: a GRU without the
reset gate, and with relu in place of tanh. A gate z decides how much of the old state stays.
"""

from typing import ClassVar

import matplotlib.pyplot as plt
import numpy as np

from elman import Cell, Network, RNNTagger, check_gradients
from elman.equations.functions import positive, sigmoid, sigmoid_slope, where


class LightGRU(Cell):
    """h = z h_{t-1} + (1 - z) c, with z = sigmoid(a_z) and c = relu(a_c)."""

    gates = ("z", "c")  # each has a pre-activation a = U x + W h_{t-1} + b
    first_bias: ClassVar = {"z": 1.0}  # z begins near 1: the state stays

    def forward(self, a, before):
        z, c = sigmoid(a[0]), where(positive(a[1]), a[1], 0.0)
        return (c + z * (before[0] - c),), (z, c)

    def backward(self, d, kept, after, before):
        (dh,), (z, c) = d, kept
        dz = dh * (before[0] - c) * sigmoid_slope(z)
        dc = where(positive(c), dh * (1.0 - z), 0.0)
        return (dz, dc), (dh * z,)


# %%
# Is the backward step right? The complex step differentiates the forward step, exactly to
# rounding, and compares every entry of every gradient.

rng = np.random.default_rng(0)
network = Network(n_features=3, hidden=(5, 4), n_outputs=2, cell=LightGRU(), seed=0)
checks = check_gradients(network, rng.standard_normal((6, 7, 3)), [0, 1, 1, 0, 1, 0])
print(f"Largest error of a gradient: {max(check.error for check in checks):.1e}")

# %%
# A task that needs memory: pulses of +1 and -1 come seldom, in noise, and each step's label is
# the sign of the last pulse.

X = rng.choice([-1.0, 0.0, 1.0], (300, 80, 1), p=[0.02, 0.96, 0.02])
X[:, 0] = rng.choice([-1, 1], (300, 1))  # one at the start
last = np.maximum.accumulate(np.where(X != 0, np.arange(80)[:, None], 0), axis=1)
y = np.take_along_axis(X, last, axis=1)[..., 0]
lag = np.arange(80) - last[..., 0]  # steps since the last pulse
X += 0.2 * rng.standard_normal(X.shape)

settings = {"differences": False, "learning_rate_init": 0.01, "max_iter": 80, "batch_size": 16}
right = {}
for name, cell in {"tanh": "tanh", "gru": "gru", "light GRU": LightGRU()}.items():
    model = RNNTagger(16, cell=cell, random_state=0, **settings).fit(X[:200], y[:200])
    right[name] = model.predict(X[200:]) == y[200:]
    print(f"{name:9}  {right[name].mean():.1%} of the test labels")

# %%
# Who remembers? The share of right answers, by the number of steps since the last pulse.

figure, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
bins = np.arange(0, 61, 5)
for name, hits in right.items():
    shares = [hits[(lag[200:] >= a) & (lag[200:] < a + 5)].mean() for a in bins]
    ax.plot(bins + 2, shares, "o-", label=name)
ax.axhline(0.5, color="gray", linewidth=0.8, linestyle="--")
ax.set(xlabel="steps since the last pulse", ylabel="share of right answers")
ax.legend()
plt.show()
