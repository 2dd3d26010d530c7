"""Models that leave elman, and ragged sequences, for the tests of every exporter."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from elman import Cell, Loss, Network, RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
from elman.equations.functions import exp, sigmoid, sigmoid_slope, tanh, tanh_slope
from plain import plain_model

LENGTHS = np.array([4, 7, 1, 2, 7])
D = 3


@dataclass(frozen=True, eq=False)
class Peeping(Cell):
    """Two states, a gate that reads x alone, and a field: s = f s + gain (1 - f) tanh a; h = tanh s."""

    gain: float = 1.5

    gates = ("f", "a")
    states = ("h", "s")
    reads: ClassVar = {"f": "x"}

    def forward(self, a, before):
        f, c = sigmoid(a[0]), tanh(a[1])
        s = f * before[1] + (1.0 - f) * c * self.gain
        return (tanh(s), s), (f, c)

    def backward(self, d, kept, after, before):
        (dh, ds), (f, c), (h, _) = d, kept, after
        ds = ds + dh * tanh_slope(h)
        df = ds * (before[1] - c * self.gain) * sigmoid_slope(f)
        return (df, ds * (1.0 - f) * self.gain * tanh_slope(c)), (None, ds * f)


class Loses(Cell):
    """A cell that computes in NumPy's own functions: it trains, and cannot be written down."""

    def forward(self, a, before):
        return (np.arctan(a[0]),), ()

    def backward(self, d, kept, after, before):
        return (d[0] / (1 + np.tan(after[0]) ** 2),), (None,)


class Softened(Loss):
    """A loss of one's own, with a ŷ of its own."""

    def activate(self, z):
        return exp(0.5 * z) / (1.0 + exp(0.5 * z))

    def value(self, z, y):
        return (z - y) * (z - y)

    def error(self, y_hat, y):
        return y_hat - y


def network(cell, dtype, seed=1, **options):
    """A network whose parameters are all away from zero, biases and initial states too."""
    made = Network(D, [5, 4], 3, cell=cell, dtype=dtype, seed=seed, **options)
    vector = made.parameters.vector
    vector[...] += 0.3 * np.random.default_rng(seed).standard_normal(len(vector))
    return made


def sequences(dtype=np.float32, mean=0.0):
    """Ragged sequences, and the same as an array with nonsense past their ends."""
    rng = np.random.default_rng(0)
    X = [(mean + rng.standard_normal((n, D))).astype(dtype) for n in LENGTHS]
    padded = np.full((len(X), LENGTHS.max(), D), 7, dtype)
    for row, x in zip(padded, X, strict=True):
        row[: len(x)] = x
    return X, padded


def estimators(dtype=np.float32):
    """A fitted estimator of each kind, and the name of what answers; their features have mean 3."""
    rng = np.random.default_rng(0)
    X = [rng.normal(3, 2, (n, D)).astype(dtype) for n in rng.integers(2, 8, 40)]
    sums = np.array([x.sum() for x in X])
    options = {"engine": "reference", "max_iter": 3, "random_state": 0}
    labels = np.where(sums > sums.mean(), "high", "low")
    steps = [np.where(x[:, 0] > 3, "up", "do*/wn") for x in X]
    return {
        "classifier": (plain_model(RNNClassifier, 6, **options).fit(X, labels), "predict_proba"),
        "mean": (
            plain_model(RNNClassifier, 6, readout="mean", cell="gru", **options).fit(X, labels),
            "predict_proba",
        ),
        "tagger": (
            plain_model(RNNTagger, 6, cell="lstm", **options).fit(X, steps),
            "predict_proba",
        ),
        "regressor": (plain_model(RNNRegressor, 6, **options).fit(X, 1e6 + sums), "predict"),
        "quantiles": (
            plain_model(RNNRegressor, 6, loss="quantile", quantile=[0.1, 0.9], **options).fit(
                X, sums
            ),
            "predict",
        ),
        "counts": (
            plain_model(RNNStepRegressor, 6, loss="poisson", **options).fit(
                X, [abs(x[:, :2]) for x in X]
            ),
            "predict",
        ),
    }


def off(answers, expected, every_step):
    """The largest difference, of numbers larger than 1 relative to the largest; padding left out."""
    if every_step:
        n_outputs = np.shape(answers[0])[-1]
        pairs = [
            (y[: len(e)], np.reshape(e, (len(e), n_outputs)))
            for y, e in zip(answers, expected, strict=True)
        ]
    else:
        pairs = [(answers, np.reshape(expected, np.shape(answers)))]
    return max(np.abs(y - e).max() / max(1.0, np.abs(e).max()) for y, e in pairs)
