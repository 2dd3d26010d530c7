"""
How long will it last?
======================

Machines wear out, some sooner, some later. Each is watched up to a moment before its end; how many
steps are left? A regressor of quantiles answers with a range, which says how sure it is.
"""

import matplotlib.pyplot as plt
import numpy as np

from elman import RNNRegressor

rng = np.random.default_rng(0)


def machine():
    """Return readings of two sensors up to some moment, and the number of steps that are left."""
    life = rng.integers(60, 160)
    age = np.arange(life) / life
    vibration = 1 + 2 * age ** rng.uniform(2, 4) + 0.15 * rng.standard_normal(life)
    heat = 40 + 10 * age + 1.5 * rng.standard_normal(life)
    now = rng.integers(30, life)
    return np.c_[vibration, heat][:now], life - now


X, left = zip(*[machine() for _ in range(2000)], strict=True)
left = np.array(left)

# %%
# The level of each sensor matters here, so all sequences are standardised alike
# (``standardize=True``); and what matters most is the latest reading, so the answer is read from
# the last state. Early stopping ends the training when a tenth of the machines, kept aside, is
# predicted no better; else the ranges become too narrow.

model = RNNRegressor(
    32,
    loss="quantile",
    quantile=[0.1, 0.5, 0.9],
    standardize=True,
    readout="last",
    early_stopping=True,
    random_state=0,
).fit(X[:1800], left[:1800])
low, median, high = model.predict(X[1800:]).T

# %%
# Without a look at the sensors, the best one can say of a machine is the usual remaining life.

test = left[1800:]
error = np.abs(median - test).mean()
usual = np.abs(np.median(left[:1800]) - test).mean()
within = ((low <= test) & (test <= high)).mean()
print(f"The median is off by {error:.1f} steps on average; the same guess for all, by {usual:.1f}.")
print(f"{within:.0%} of the 200 test machines end within the range; 80 % were asked for.")

# %%
# Near its end a machine gives itself away; far from it, nobody can know, and the range is wide.

order = np.argsort(median)
figure, ax = plt.subplots(figsize=(9, 4.2), layout="constrained")
ax.fill_between(range(200), low[order], high[order], alpha=0.3, label="10 % to 90 %")
ax.plot(median[order], label="median")
ax.plot(test[order], ".", color="black", markersize=4, label="what was left")
ax.set(xlabel="200 test machines, by the predicted median", ylabel="steps left")
ax.legend()
plt.show()
