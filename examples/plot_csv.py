"""
From a CSV file to predictions
==============================

Readings of many machines lie in one CSV file: a row is a machine, a time, three measurements, and
whether that machine failed later. ``read_sequences`` turns the file into sequences, and tells you
how it read it.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import elman
from elman import RNNClassifier

rng = np.random.default_rng(0)
tables = []
for machine in range(240):
    n, fails = rng.integers(40, 90), rng.random() < 0.4
    speed = rng.normal(1500, 100) + 20 * rng.standard_normal(n).cumsum()
    table = pd.DataFrame({"machine": f"m{machine}", "minute": np.arange(n)})
    table["speed [1/min]"] = speed.round()
    table["temp [°C]"] = (20 + speed / 50 + rng.standard_normal(n)).round(1)
    table["current [A]"] = (speed / 300 + 0.25 * rng.standard_normal(n)).round(2)
    if fails:  # a bearing that sticks: now and then the current jumps, whatever the speed
        table.loc[rng.random(n) < 0.05, "current [A]"] += 0.8
    table["failed"] = "yes" if fails else "no"
    tables.append(table)
path = Path(tempfile.mkdtemp(), "readings.csv")
pd.concat(tables).to_csv(path, index=False)
print(*path.read_text(encoding="utf-8").splitlines()[:4], sep="\n")

# %%
# What you do not say is guessed from the file, and printed.

X, y, info = elman.read_sequences(path, label="failed")
print(info)

# %%
# ``X`` goes into an estimator as it is, and so do parts of it.

train, test = np.arange(160), np.arange(160, len(X))
model = RNNClassifier(32, random_state=0).fit(X[train], y[train])
print(f"{model.score(X[test], y[test]):.0%} of {len(test)} test machines are right;")
print(f"always the more frequent answer: {max(np.mean(y[test] == label) for label in set(y)):.0%}.")

# %%
# Which column does the model need? Permutation importance exchanges a column between machines,
# and measures how much of the score is lost.

display = elman.PermutationImportanceDisplay.from_estimator(model, X[test], y[test], random_state=0)
display.figure_.set_layout_engine("constrained")
plt.show()

# %%
# New files are read the way the training file was: ``like=model``. The model file remembers that,
# too.

new = pd.read_csv(path).query("machine in ['m200', 'm201', 'm202']").drop(columns="failed")
sequences, _, info = elman.read_sequences(new, like=model)
for name, answer, (_, yes) in zip(
    info.ids, model.predict(sequences), model.predict_proba(sequences), strict=True
):
    print(f"{name}: fails? {answer} (probability {yes:.2f})")
