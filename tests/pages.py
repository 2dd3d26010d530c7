"""Pages of explanations in which no two sizes are alike and no two numbers, for what is on them."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

import elman
from elman.explanation.page import render
from outline import Outline

CASES = {
    "a label a step": {},
    "an earlier step": {"step": 2},
    "one label": {"every_step": False},
    "a step without a label": {"every_step": False, "step": 3},
    "lower of two layers": {"hidden": (6, 5), "max_norm": 0.5},
    "upper of two layers": {"hidden": (5, 6), "layer": 2, "truncate": 2},
    "dense below tanh": {"hidden": (6, 5), "cell": ("dense", "tanh"), "max_norm": 1e3},
    "dense, one label": {"cell": "dense", "every_step": False},
    "relu": {"cell": "relu", "truncate": 1},
    "no biases": {"bias": False},
    "not checked": {"check": False},
    "one step": {"T": 1},
    "no error": {"certain": True},
    "more than is shown": {"T": 60, "hidden": 40, "K": 14, "D": 35, "scale": 0.2, "check": False},
    "of an estimator": {"estimator": True},
    "arrays that disagree": {"noise": True},
}


@dataclass(frozen=True)
class Shown:
    """An explanation, the step its page opens with, and the page."""

    ex: elman.explanation.Explanation
    step: int
    page: str
    outline: Outline


def make(
    *, T=7, D=3, hidden=6, K=4, every_step=True, cell="tanh", bias=True, scale=0.6,
    certain=False, noise=False, estimator=False, **options,
):  # fmt: skip
    rng = np.random.default_rng(8)
    x = rng.standard_normal((T, D))
    if estimator:
        X = rng.standard_normal((12, T, D))
        y = np.array(["<up>", "down", "“left”"] * 4)
        model = elman.RNNClassifier(6, max_iter=2, random_state=5, engine="reference").fit(X, y)
        return elman.explain(model, X[0], "<up>", **options)
    network = elman.Network(
        n_features=D, hidden=hidden, n_outputs=K, cell=cell, bias=bias, dtype=np.float64
    )
    vector = network.parameters.vector
    vector[...] = scale * rng.standard_normal(len(vector))
    y = rng.integers(K, size=T) if every_step else int(rng.integers(K))
    if certain:
        network.parameters["c"][...] = [0, 0, 1e4, 0]
        y = np.full(T, 2)
    ex = elman.explain(network, x, y, learning_rate=0.03, **options)
    return disagreeing(ex, rng) if noise else ex


def disagreeing(ex, rng):
    """Put noise on each array, so that what is equal by the equations is not: columns show it."""

    def noisy(values):
        return values * np.exp(0.5 * rng.standard_normal(np.shape(values)))

    def noisy_check(check):
        floats = {k: float(noisy(v)) for k, v in check._asdict().items() if isinstance(v, float)}
        error = floats["error"] or 1e-17 * float(rng.random())
        floats |= {
            "error": error,
            "bound": error * float(rng.choice([0.5, 2])),
        }  # half of them fail
        return check._replace(**floats)

    names = ["inputs", "U_frd", "W_frd", "h_unactivated", "h_activated", "h_top", "y_unactivated"]
    names += ["y_activated", "losses", "output_error", "delta"]
    gradients, after = ex.gradients.copy(), ex.update["after"].copy()
    for parameters in (gradients, after):
        parameters.vector[...] = noisy(parameters.vector)
    update = {name: noisy(ex.update[name]) for name in ("norm", "learning_rate", "loss_after")}
    update |= {"after": after, "max_norm": 0.7, "clipped": True, "scale": 0.123456}
    return replace(
        ex,
        **{name: noisy(getattr(ex, name)) for name in names},
        gradients=gradients,
        held=type(ex.held)(*map(float, noisy(np.array(ex.held)))),
        checks_=[noisy_check(check) for check in ex.checks_],
        totals_=[noisy_check(check) for check in ex.totals_],
        update=ex.update | update,
        seed=77,
    )


@cache
def page_of(name):
    options = dict(CASES[name])
    step = options.pop("step", None)
    ex = make(**options)
    page = render(ex, step=step)
    return Shown(ex, step or ex.answering[-1], page, Outline(page))
