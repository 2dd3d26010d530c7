"""Pages of explanations in which no two sizes are alike, nor two numbers, and what has to be on them.

From an explanation's arrays the sums of the notes are written anew: of the page's modules only ``view``
is asked, what is shown where not all of it fits, and ``markup``, how a number is written.
"""

from dataclasses import dataclass, replace
from functools import cache, reduce

import numpy as np

import elman
from elman.equations.losses import Quantile
from elman.explanation.page import render
from elman.explanation.page.markup import number
from elman.explanation.page.view import evenly, strongest
from outline import Outline
from plain import plain_model

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
    "lstm": {"cell": "lstm"},
    "gru, one label": {"cell": "gru", "every_step": False},
    "lstm below gru": {"cell": ("lstm", "gru"), "hidden": (5, 6), "truncate": 2},
    "leaky": {"cell": "leaky", "step": 3},
    "gru, more than is shown": {
        "cell": "gru",
        "T": 60,
        "hidden": 40,
        "scale": 0.2,
        "check": False,
        "every_step": False,
    },
    "numbers": {"loss": "squared_error", "K": 2, "cell": "gru"},
    "one count": {"loss": "poisson", "K": 1, "every_step": False},
    "quantiles": {"loss": Quantile((0.1, 0.5, 0.9)), "K": 6, "every_step": False, "step": 3},
    "numbers that disagree": {"loss": "absolute_error", "K": 1, "noise": True},
    "gates that disagree": {"cell": "lstm", "noise": True},
    "mean": {"readout": "mean", "every_step": False},
    "maxima of gru": {"cell": "gru", "readout": "max", "every_step": False},
    "maxima over lstm": {
        "cell": ("lstm", "gru"),
        "hidden": (5, 6),
        "readout": "max",
        "every_step": False,
    },
}

GATES = {"lstm": "ifgo", "gru": "rznm"}
READING = {("gru", "x"): "rzn", ("gru", "h"): "rzm"}  # the others' gates read both


@dataclass(frozen=True)
class Shown:
    """An explanation, the step its page opens with, and the page."""

    ex: elman.explanation.Explanation
    step: int
    page: str
    outline: Outline


def make(
    *, T=7, D=3, hidden=6, K=4, every_step=True, cell="tanh", bias=True, scale=0.6,
    certain=False, noise=False, estimator=False, loss="cross_entropy", readout="last",
    **options,
):  # fmt: skip
    rng = np.random.default_rng(8)
    x = rng.standard_normal((T, D))
    if estimator:
        X = rng.standard_normal((12, T, D))
        y = np.array(["<up>", "down", "“left”"] * 4)
        model = plain_model(
            elman.RNNClassifier, 6, max_iter=2, random_state=5, engine="reference"
        ).fit(X, y)
        return elman.explain(model, X[0], "<up>", **options)
    network = elman.Network(
        n_features=D,
        hidden=hidden,
        n_outputs=K,
        cell=cell,
        bias=bias,
        dtype=np.float64,
        loss=loss,
        readout=readout,
    )
    vector = network.parameters.vector
    vector[...] = scale * rng.standard_normal(len(vector))
    y = rng.integers(K, size=T) if every_step else int(rng.integers(K))
    if loss != "cross_entropy":
        y = rng.exponential(size=(T, network.architecture.n_numbers))
        y = (y if every_step else y[-1]).squeeze()
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
    names += ["y_activated", "losses", "output_error", "delta_of_losses"]
    gradients, after = ex.gradients.copy(), ex.update["after"].copy()
    for parameters in (gradients, after):
        parameters.vector[...] = noisy(parameters.vector)
    several = {
        key: {k: noisy(v) for k, v in getattr(ex, key).items()} for key in ("gates", "states")
    }
    partials = ex.partials * np.exp(0.1 * rng.random(ex.partials.shape))  # zeros stay
    update = {name: noisy(ex.update[name]) for name in ("norm", "learning_rate", "loss_after")}
    update |= {"after": after, "max_norm": 0.7, "clipped": True, "scale": 0.123456}
    return replace(
        ex,
        **{name: noisy(getattr(ex, name)) for name in names},
        **several,
        partials=partials,
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


def is_plain(ex):
    return ex.cell in ("tanh", "relu", "dense")


def slope_of(ex):
    """How the page calls the slope of f, or what it shows in its place."""
    return {"tanh": "1 − h²", "dense": "1 − h²", "relu": "f′"}.get(ex.cell, "openness")


def openness(ex):
    return np.abs(ex.partials).max(axis=(1, 2))


def delta_of(ex, what=None):
    """Give δ of the gates that read x or h; of those that the terms are made of, if left out."""
    what = what or {"U": "x", "W": "h"}[ex.of]
    gates = GATES.get(ex.cell, "h")
    parts = np.split(ex.delta, len(gates), axis=2)
    reading = READING.get((ex.cell, what), gates)
    return np.concatenate([parts[gates.index(gate)] for gate in reading], axis=2)


def entry_of(ex, i):
    """How an entry of δ is called."""
    reading = READING.get((ex.cell, "h"), GATES.get(ex.cell, "h"))
    return str(i + 1) if len(reading) == 1 else f"{reading[i // ex.H]} {i % ex.H + 1}"


def term(ex, t, tau):
    return np.outer(delta_of(ex)[t - 1, tau - 1], ex.left[tau - 1])


def jacobian_n5(ex, t):
    y_hat = ex.y_activated[t - 1]
    return np.diag(y_hat) - np.outer(y_hat, y_hat)


def dV(ex, steps):
    return sum(np.outer(ex.output_error[t - 1], read(ex, t)) for t in steps)


def of_all_steps(ex):
    return ex.architecture.readout != "last"


def weights_of(ex):
    """Give ∂r_T/∂h_j by hand, (T, H of the top layer), of what reads all steps."""
    if ex.architecture.readout == "mean":
        return np.full(ex.h_top.shape, 1 / ex.T)
    return np.arange(ex.T)[:, None] == ex.h_top.argmax(axis=0)


def share_by_lag(ex):
    """Give what goes k steps back from where it enters, its share of all: one number for each k."""
    gates = GATES.get(ex.cell, "h")
    reading = READING.get((ex.cell, "h"), gates)
    delta = ex.delta_by_entry.reshape(ex.T, ex.T, len(gates), ex.H)
    delta = delta[:, :, [g in reading for g in gates]].reshape(ex.T, ex.T, -1)
    parts = [
        sum(np.outer(delta[j, j - k], ex.left[j - k]) for j in range(k, ex.T)) for k in range(ex.T)
    ]
    whole = sum(parts)
    return [(part * whole).sum() / (whole * whole).sum() for part in parts]


def read(ex, t):
    """Give what V multiplies at step t."""
    h = ex.h_top[:t]
    of = {"last": h[-1], "mean": h.mean(axis=0), "max": h.max(axis=0)}
    return of[ex.architecture.readout]


def followed(ex, t):
    """Give ŷ of the label; of numbers how far they are from their targets. One target stays."""
    if ex.labels is None:
        return norm(ex.y_activated[t - 1] - ex.y[t - 1 if ex.every_step else -1])
    return ex.y_activated[t - 1, label_of(ex, t)]


def what_is_followed(ex):
    return "‖ŷ − y‖" if ex.labels is None else "ŷ of the label"


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
    y = ex.targets
    network = elman.Network.from_parameters(parameters)
    return elman.explain(network, ex.x, y, layer=ex.layer, check=False)


# What is shown


def pieces_of(ex):
    """Give the rows of panel 2: their key, the notes' name, what it is, and its array."""
    if not is_plain(ex):
        yield from pieces_of_gates(ex)
        return
    plus_b = "" if ex.b is None else " + b"
    yield "U_frd", "U_frd", "U xₜ", ex.U_frd
    yield "W_frd", "W_frd", "W hₜ₋₁", ex.W_frd
    if ex.b is not None:
        yield "b", "b", "the bias", np.tile(ex.b, (ex.T, 1))
    yield "h_unactivated", "h_unactivated", f"U_frd + W_frd{plus_b}", ex.h_unactivated
    f = "relu" if ex.cell == "relu" else "tanh"
    yield "h_activated", "h_activated", f"{f}(h_unactivated)", ex.h_activated
    yield "derivative", slope_of(ex), "its slope", ex.derivative


def pieces_of_gates(ex):
    gates = GATES.get(ex.cell, "h")
    for gate, a in zip(gates, np.split(ex.h_unactivated, len(gates), axis=1), strict=True):
        reads = "x" * (gate in READING.get((ex.cell, "x"), gates))
        reads += "h" * (gate in READING.get((ex.cell, "h"), gates))
        entering = {"x": "U xₜ + b", "h": "W hₜ₋₁ + b", "xh": "U xₜ + W hₜ₋₁ + b"}[reads]
        yield f"unactivated-{gate}", f"a of {gate}", entering, a
        if gate in ex.gates and gate != "m":  # m is what enters it
            yield f"gate-{gate}", gate, "the gate’s value", ex.gates[gate]
    yield "state-h", "hₜ", "the state that goes up", ex.states["h"]
    if "s" in ex.states:
        yield "state-s", "sₜ", "the state that stays", ex.states["s"]
    yield "openness", "openness", "what comes back", openness(ex)


def steps_of(ex):
    return evenly(range(1, ex.T + 1), ROWS)


def losses_of(ex):
    return evenly(ex.answering, ROWS)


def classes_of(ex):
    if ex.labels is None:
        return list(range(ex.K))
    weight = ex.y_activated.max(axis=0)
    weight[[k for k in ex.labels if k >= 0]] += 1
    return strongest(weight, 12)


def chosen_term(shown):
    t = shown.step if shown.step in shown.ex.answering else shown.ex.answering[-1]
    if of_all_steps(shown.ex):
        return t, max(steps_of(shown.ex), key=lambda tau: norm(term(shown.ex, t, tau)))
    return t, max([tau for tau in steps_of(shown.ex) if tau <= t - 2], default=1)


def strongest_of_the_term(shown):
    ex, (t, tau) = shown.ex, chosen_term(shown)
    return strongest(delta_of(ex)[t - 1, tau - 1], 16), strongest(ex.left[tau - 1], 16)


def place(node, name):
    """Read a coordinate of a mark."""
    return float(node[name])
