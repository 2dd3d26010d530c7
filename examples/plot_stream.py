"""
Answers while the data come in
==============================

A machine sends a reading a second, and one wants to know now, not at the end, whether it is about
to fail. ``elman predict --follow`` reads rows from standard input and answers each at once. It
keeps the state of each machine, so a row costs one step, however long the machine has been running.
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import elman
from elman import RNNTagger

rng = np.random.default_rng(0)


def machine(name, fails):
    """Return the readings of a machine; if it fails, vibration creeps up from some moment on."""
    n = 120
    begin = rng.integers(40, 80) if fails else n
    creep = np.maximum(0, np.arange(n) - begin) / 25
    table = pd.DataFrame({"machine": name, "second": np.arange(n)})
    table["vibration"] = (1 + creep + 0.4 * rng.standard_normal(n)).round(3)
    table["heat"] = (30 + 2 * creep + rng.standard_normal(n)).round(2)
    table["state"] = np.where(np.arange(n) >= begin, "failing", "fine")
    return table


train = pd.concat([machine(f"m{i}", fails=i % 2 == 0) for i in range(200)])

# %%
# The model has an answer for each step (a tagger), and uses nothing that is known only at the end
# of a sequence; a tagger's defaults see to that.

folder = Path(tempfile.mkdtemp())
X, y, _ = elman.read_sequences(train, label="state", task="tag")
RNNTagger(32, random_state=0).fit(X, y).save(folder / "machines.safetensors")

# %%
# Three new machines run at the same time, so their rows come mixed. They are piped into the command, as
# a program would in a terminal:
#
# .. code-block:: console
#
#     $ tail -f readings.csv | elman predict machines.safetensors --follow --probabilities

new = pd.concat([machine(name, fails) for name, fails in {"A": 1, "B": 0, "C": 1}.items()])
mixed = new.sort_values(["second", "machine"])
command = [sys.executable, "-m", "elman", "predict", folder / "machines.safetensors"]
answered = subprocess.run(
    [*command, "--follow", "--probabilities"],
    input=mixed.drop(columns="state").to_csv(index=False),
    capture_output=True,
    text=True,
    check=True,
)
print(*answered.stdout.splitlines()[:4], "...", sep="\n")

# %%
# How soon is a failing machine noticed? The alarm goes off when the probability passes 90 %.

answers = pd.read_csv(io.StringIO(answered.stdout))
answers["alarm"] = answers.filter(like="failing").iloc[:, 0]
answers["state"] = mixed["state"].to_numpy()
for name, rows in answers.groupby("machine"):
    alarm, fails = rows["alarm"].to_numpy() > 0.9, rows["state"].to_numpy() == "failing"
    if not fails.any():
        print(f"{name}: is fine; {alarm.sum()} alarms")
    else:
        begin = fails.argmax()
        print(f"{name}: noticed {alarm[begin:].argmax()} s after it begins; ", end="")
        print(f"{alarm[:begin].sum()} alarms before")

# %%

figure, axes = plt.subplots(3, 1, figsize=(8, 5), sharex=True, sharey=True, layout="constrained")
for ax, (name, rows) in zip(axes, answers.groupby("machine"), strict=True):
    vibration = new.loc[new["machine"] == name, "vibration"].to_numpy()
    ax.plot(vibration / vibration.max(), color="gray", linewidth=0.8, label="vibration (scaled)")
    ax.plot(rows["alarm"].to_numpy(), color="tab:red", label="probability: failing")
    failing = np.flatnonzero(rows["state"] == "failing")
    if len(failing):
        ax.axvspan(failing[0], 120, color="tab:red", alpha=0.1, linewidth=0)
    ax.set(ylabel=f"machine {name}", ylim=(0, 1.05), xlim=(0, 120))
axes[0].legend(loc="upper left")
axes[-1].set_xlabel("second")
plt.show()
