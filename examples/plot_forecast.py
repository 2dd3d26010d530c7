"""
The next values of a series
===========================

Forecasting is regression at every step: what goes in is the value now, what should come out are the
next ones. Here a station is read every hour, and the next 24 hours are asked for.
"""

import matplotlib.pyplot as plt
import numpy as np

from elman import RNNStepRegressor

rng = np.random.default_rng(0)
DAY, AHEAD = 24, 24
hours = np.arange(200 * DAY)
weekend = (hours // DAY) % 7 >= 5
weather = np.zeros(len(hours))
for t in range(1, len(hours)):  # drifts, and comes back
    weather[t] = 0.97 * weather[t - 1] + 0.4 * rng.standard_normal()
load = 50 + (10 - 6 * weekend) * np.sin(2 * np.pi * (hours / DAY - 0.3)) - 5 * weekend + weather

# %%
# A step of ``X`` is what is known at that hour: the load, and the clock. A step of ``y`` has the
# next 24 loads, each as its distance from the load now. The series is cut in pieces of four weeks
# for training; the last 60 days are kept for the test.

clock = 2 * np.pi * hours / DAY
day = (hours // DAY) % 7
X = np.c_[
    load, np.sin(clock), np.cos(clock), np.sin(2 * np.pi * day / 7), np.cos(2 * np.pi * day / 7)
]
y = np.lib.stride_tricks.sliding_window_view(load, AHEAD)[1:] - load[:-AHEAD, None]
X, hours = X[:-AHEAD], hours[:-AHEAD]
test = 140 * DAY
size = 28 * DAY
pieces = [slice(start, start + size) for start in range(0, test - size + 1, 7 * DAY)]

model = RNNStepRegressor(32, batch_size=4, learning_rate_init=0.005, max_iter=100, random_state=0)
model.fit([X[piece] for piece in pieces], [y[piece] for piece in pieces])

# %%
# The whole series goes through the model once; its answers after day 140 are the test. "As a week
# ago" is the comparison: a forecast that anyone can make by hand.

forecast = model.predict([X])[0][test:] + X[test:, :1]
actual = y[test:] + X[test:, :1]
week_ago = np.lib.stride_tricks.sliding_window_view(load, AHEAD)[1 + test - 7 * DAY :][
    : len(actual)
]
error, by_hand = (np.abs(f - actual).mean(axis=0) for f in (forecast, week_ago))
print(f"Mean error over 24 hours: {error.mean():.2f}; as a week ago: {by_hand.mean():.2f}.")
print(f"One hour ahead {error[0]:.2f}, 24 hours ahead {error[-1]:.2f}.")

# %%
# Forecasts made at three moments, and what came.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(9, 3.8), layout="constrained", width_ratios=[2, 1]
)
left.plot(np.arange(6 * DAY) / DAY, load[test : test + 6 * DAY], color="black", label="what came")
for i, start in enumerate((1 * DAY, int(2.5 * DAY), 4 * DAY)):
    time = (start + 1 + np.arange(AHEAD)) / DAY
    left.plot(time, forecast[start], color="tab:orange", label="forecast" if i == 0 else None)
left.set(xlabel="days", ylabel="load")
left.legend()
right.plot(range(1, AHEAD + 1), error, color="tab:orange", label="network")
right.plot(range(1, AHEAD + 1), by_hand, color="gray", label="as a week ago")
right.set(xlabel="hours ahead", ylabel="mean error", ylim=(0, None))
right.legend()
plt.show()
