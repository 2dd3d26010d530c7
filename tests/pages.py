"""Pages of explanations in which no two sizes are alike, nor two numbers, and what has to be on them.

From an explanation's arrays the sums of the notes are written anew: of the page's modules only ``view``
is asked, what is shown where not all of it fits, and ``markup``, how a number is written.
"""

from dataclasses import dataclass, replace
from functools import cache, reduce

import numpy as np

import elman
from elman.explanation.page import render
from elman.explanation.page.markup import number
from elman.explanation.page.view import evenly, strongest
from outline import Outline

ROWS = 50  # of a table, and steps of a picture

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


def norm(array):
    return float(np.linalg.norm(array))


def numbers(values):
    return [number(float(value)) for value in values]


# What is not an array of the explanation, but the notes make of them


def term(ex, t, tau):
    return np.outer(ex.delta[t - 1, tau - 1], ex.left[tau - 1])


def jacobian_n5(ex, t):
    y_hat = ex.y_activated[t - 1]
    return np.diag(y_hat) - np.outer(y_hat, y_hat)


def dV(ex, steps):
    return sum(np.outer(ex.output_error[t - 1], ex.h_top[t - 1]) for t in steps)


def label_of(ex, t):
    """Give the class whose ŷ is followed; with one label it is the same at each step."""
    return ex.labels[t - 1 if ex.every_step else -1]


def shares(ex, t):
    parts = [term(ex, t, tau) for tau in range(1, t + 1)]
    whole = sum(parts)
    with np.errstate(invalid="ignore"):
        return [np.sum(part * whole) / np.sum(whole * whole) for part in parts]


def product(ex, t):
    """∂h_T/∂h_{T-1} … ∂h_t/∂h_{t-1}."""
    return reduce(np.matmul, [ex.jacobian(j) for j in range(ex.T, t - 1, -1)])


def scaled(ex, factor):
    """Explain the same sequence with W multiplied."""
    if factor == 1:
        return ex
    parameters = ex.parameters.copy()
    parameters[f"W{ex.layer}"][...] *= factor
    y = ex.labels if ex.every_step else ex.labels[-1]
    network = elman.Network.from_parameters(parameters)
    return elman.explain(network, ex.x, y, layer=ex.layer, check=False)


# What is shown


def steps_of(ex):
    return evenly(range(1, ex.T + 1), ROWS)


def losses_of(ex):
    return evenly(ex.answering, ROWS)


def classes_of(ex):
    weight = ex.y_activated.max(axis=0)
    weight[[k for k in ex.labels if k >= 0]] += 1
    return strongest(weight, 12)


def chosen_term(shown):
    t = shown.step if shown.step in shown.ex.answering else shown.ex.answering[-1]
    return t, max([tau for tau in steps_of(shown.ex) if tau <= t - 2], default=1)


def strongest_of_the_term(shown):
    ex, (t, tau) = shown.ex, chosen_term(shown)
    return strongest(ex.delta[t - 1, tau - 1], 16), strongest(ex.left[tau - 1], 16)


def place(node, name):
    """Read a coordinate of a mark."""
    return float(node[name])
