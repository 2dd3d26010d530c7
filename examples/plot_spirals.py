"""
Which way does it turn?
=======================

A point moves along a noisy spiral, inward or outward. Its positions do not say whether it turns
clockwise; only their order does. The recordings differ in length: a list of arrays holds them, and
nothing is padded.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import RandomForestClassifier

from elman import RNNClassifier

rng = np.random.default_rng(0)


def spiral(sign):
    """Return 20 to 60 noisy positions, anticlockwise if the sign is 1."""
    n = rng.integers(20, 61)
    angle = rng.uniform(0, 2 * np.pi) + sign * np.linspace(0, rng.uniform(1, 5), n)
    radius = np.linspace(0.4, 2, n)[:: rng.choice([-1, 1])]
    positions = np.c_[radius * np.cos(angle), radius * np.sin(angle)]
    return positions + 0.8 * rng.standard_normal((n, 2))


y = rng.choice(["clockwise", "anticlockwise"], 800)
X = [spiral(1 if label == "anticlockwise" else -1) for label in y]

# %%
# Nothing has to be tuned.

model = RNNClassifier(random_state=0).fit(X[:500], y[:500])
answers = model.predict(X[500:])
score = (answers == y[500:]).mean()

# %%
# For comparison, a random forest gets what many people compute first: the mean and the deviation
# of each recording. These do not depend on the order of the positions, so all it can do is guess.


def summaries(sequences):
    """Return the mean and the deviation of each feature."""
    return np.array([np.r_[x.mean(axis=0), x.std(axis=0)] for x in sequences])


forest = RandomForestClassifier(random_state=0).fit(summaries(X[:500]), y[:500])
print(f"The network has {score:.1%} of 300 test spirals right,")
print(f"the forest {forest.score(summaries(X[500:]), y[500:]):.1%}.")

# %%
# Above, test spirals that the network has right; below, some that it has wrong. The dot is the
# start. Do you see which way they turn?

right, wrong = (np.flatnonzero((answers == y[500:]) == correct)[:4] for correct in (True, False))
colours = {"clockwise": "tab:blue", "anticlockwise": "tab:orange"}
figure, axes = plt.subplots(2, 4, figsize=(9, 4.8), layout="constrained")
for i, ax in zip([*right, *wrong], axes.flat, strict=False):
    ax.plot(*X[500 + i].T, color=colours[y[500 + i]], linewidth=1)
    ax.plot(*X[500 + i][0], "o", color="black", markersize=5)
    ax.set_title(f"is {y[500 + i]},\nsays {answers[i]}", fontsize=9)
for ax in axes.flat:
    ax.set(aspect="equal", xlim=(-3, 3), ylim=(-3, 3))
    ax.axis("off")  # also where there are fewer than four
plt.show()
