"""
A label at every step
=====================

A thermostat switches the heating on when a room gets colder than 18 degrees, and off when it gets
warmer than 22. Between the two, a temperature alone does not say whether the heating is on: it
depends on which threshold was crossed last. A tagger answers every step from all that came before
it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from elman import RNNTagger

rng = np.random.default_rng(0)


def room(n):
    """Return noisy temperatures of n steps, and at each whether the heating is on."""
    temperature, heating, readings, labels = rng.uniform(18, 22), bool(rng.integers(2)), [], []
    for _ in range(n):
        heating = temperature < 18 or (heating and temperature < 22)
        temperature += (0.4 if heating else -0.4) + 0.5 * rng.standard_normal()
        readings.append(temperature + 0.5 * rng.standard_normal())
        labels.append("on" if heating else "off")
    return np.array(readings)[:, None], np.array(labels)


X, y = zip(*[room(rng.integers(60, 120)) for _ in range(250)], strict=True)
tagger = RNNTagger(32, random_state=0).fit(X[:200], y[:200])
alone = HistGradientBoostingClassifier(random_state=0)
alone.fit(np.concatenate(X[:200]), np.concatenate(y[:200]))

# %%
# Gradient boosting, which sees each reading alone, is the comparison.

score = tagger.score(X[200:], y[200:])
others = alone.score(np.concatenate(X[200:]), np.concatenate(y[200:]))
print(f"{score:.1%} of all test steps are right; from each reading alone, {others:.1%}.")

# %%
# One room of the test. Bands show when the heating was on, and when each of the two says so.

x, truth = X[200], y[200]
rows = {"it is on": truth, "tagger": tagger.predict([x])[0], "reading alone": alone.predict(x)}
figure, (above, below) = plt.subplots(
    2, 1, figsize=(9, 4.4), sharex=True, layout="constrained", height_ratios=[2, 1]
)
above.plot(x, color="black", linewidth=1)
for threshold in (18, 22):
    above.axhline(threshold, color="gray", linewidth=0.8, linestyle="--")
above.set_ylabel("temperature")
below.imshow([labels == "on" for labels in rows.values()], cmap="Oranges", vmax=1.5, aspect="auto")
below.set(yticks=range(3), yticklabels=rows, xlabel="step")
plt.show()
