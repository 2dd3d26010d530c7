"""Odd values: X, y, weights and parameters of all kinds, also of some that nobody would pass.

What is refused has to be refused on purpose: by an error of elman's own, or of scikit-learn's
validation. A TypeError out of the middle of NumPy is a broken promise; so is an answer of NaN.
"""

import datetime
import decimal
import fractions
import linecache
import tempfile
import traceback
from functools import partial, reduce

import numpy as np
import pandas as pd

import elman
from attack import files
from elman import ElmanError, Network, RNNClassifier, RNNTagger
from plain import plain_model

PROMISE = "it works, or one error of elman's or scikit-learn's own says why not; no NaN, no crash"
N = 400


def _array_of(items):
    array = np.empty(len(items), object)
    array[:] = items
    return array


def _with(array, place, value):
    array = np.array(array)
    array[place] = value
    return array


def _mapped(array):
    stream = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the array)
    mapped = np.memmap(stream, array.dtype, "w+", shape=array.shape)
    mapped[...] = array
    return mapped


def _read_only(array):
    array = np.array(array)
    array.flags.writeable = False
    return array


ALONE = {
    "None": None,
    "NaN": np.nan,
    "0": 0,
    "-1": -1,
    "1.5": 1.5,
    "10 ** 30": 10**30,
    "-(10 ** 400)": -(10**400),
    "True": True,
    "infinity": np.inf,
    "1j": 1j,
    "text": "text",
    "no text": "",
    "bytes": b"bytes",
    "[]": [],
    "()": (),
    "{}": {},
    "{0: 1}": {0: 1},
    "a set": {1, 2},
    "[None]": [None],
    "[[]]": [[]],
    "[[[]]]": [[[]]],
    "['a', 1]": ["a", 1],
    "[0, -1]": [0, -1],
    "object()": object(),
    "a function": len,
    "a class": int,
    "a generator": (i for i in range(3)),
    "range(12)": range(12),
    "Ellipsis": ...,
    "a slice": slice(3),
    "a date": datetime.date(2001, 1, 1),
    "Decimal": decimal.Decimal("0.5"),
    "Fraction": fractions.Fraction(1, 3),
    "np.float16": np.float16(0.5),
    "np.longdouble": np.longdouble(0.5),
    "np.int8": np.int8(3),
    "np.str_": np.str_("tanh"),
    "np.datetime64": np.datetime64("2001-01-01"),
    "np.void": np.void(b"abc"),
    "array without axes": np.array(3.0),
    "array of nothing": np.zeros(0),
    "np.ma.masked": np.ma.masked,
    "pd.NA": pd.NA,
    "pd.NaT": pd.NaT,
    "an empty data frame": pd.DataFrame(),
    "an empty series": pd.Series([], dtype=float),
    "a list in itself": (lambda made: made.append(made) or made)([]),
    "nested 100 deep": reduce(lambda inner, _: [inner], range(100), 1),
}

# What becomes of an array, whatever its axes.
TURNED = {
    "as it is": lambda a: a,
    "a list": lambda a: a.tolist(),
    "nested tuples": lambda a: tuple(a.tolist()),
    "one NaN": lambda a: _with(a.astype(float), 0, np.nan),
    "all NaN": lambda a: np.full(a.shape, np.nan),
    "one infinity": lambda a: _with(a.astype(float), -1, np.inf),
    "1e300": lambda a: _with(a.astype(float), -1, 1e300),
    "1e38 in float32": lambda a: _with(a.astype(np.float32), -1, 3e38),
    "denormal": lambda a: np.full(a.shape, 5e-324),
    "constant": lambda a: np.ones(a.shape),
    "objects": lambda a: a.astype(object),
    "objects, one None": lambda a: _with(a.astype(object), 0, None),
    "objects, one text": lambda a: _with(a.astype(object), 0, "text"),
    "objects, one 10 ** 400": lambda a: _with(a.astype(object), 0, 10**400),
    "objects, one object": lambda a: _with(a.astype(object), 0, object()),
    "text": lambda a: a.astype(str),
    "bytes": lambda a: a.astype("S"),
    "complex": lambda a: a.astype(complex),
    "float16": lambda a: a.astype(np.float16),
    "longdouble": lambda a: a.astype(np.longdouble),
    "int8": lambda a: a.astype(np.int8),
    "uint64": lambda a: np.abs(a).astype(np.uint64),
    "bool": lambda a: a > 0,
    "dates": lambda a: a.astype("i8").astype("M8[D]"),
    "time spans": lambda a: a.astype("i8").astype("m8[s]"),
    "void": lambda a: np.ascontiguousarray(a).view("V4"),
    "fields": lambda a: a.astype([("a", float), ("b", int)]),
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "non-contiguous": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: a[::-1],
    "in Fortran's order": lambda a: np.asfortranarray(a),
    "read-only": _read_only,
    "mapped": _mapped,
    "masked": lambda a: np.ma.masked_array(a, np.arange(a.size).reshape(a.shape) == 1),
    "masked, nothing hidden": lambda a: np.ma.masked_array(a, np.zeros(a.shape, bool)),
    "a matrix": lambda a: np.asmatrix(a.reshape(len(a), -1)),
    "none of them": lambda a: a[:0],
    "one of them": lambda a: a[:1],
    "one too few": lambda a: a[:-1],
    "an axis more": lambda a: a[..., None],
    "an axis in front": lambda a: a[None],
    "flat": lambda a: a.ravel(),
    "last axis of length 0": lambda a: a[..., :0],
    "spread without memory": lambda a: np.broadcast_to(a[:1], a.shape),
    "object array of arrays": lambda a: _array_of([*a]),
    "list of arrays": lambda a: [*a],
    "list, one None": lambda a: [*a[:-1], None],
    "list, one text": lambda a: [*a[:-1], "text"],
    "list, one empty": lambda a: [*a[:-1], a[0, :0] if a.ndim > 1 else []],
    "list, one of another dtype": lambda a: [*a[:-1], a[-1].astype(np.longdouble)],
    "list, one shorter": lambda a: [*a[:-1], a[-1][:-1] if a.ndim > 1 else []],
    "list, one with an axis more": lambda a: [*a[:-1], a[-1][..., None]],
    "a series": lambda a: pd.Series([*a]),
    "a data frame": lambda a: pd.DataFrame(a.reshape(len(a), -1)),
    "a frame with names": lambda a: pd.DataFrame(a.reshape(len(a), -1)).add_prefix("x"),
    "a frame of categories": lambda a: pd.DataFrame(a.reshape(len(a), -1)).astype("category"),
    "nullable": lambda a: pd.DataFrame(a.reshape(len(a), -1)).astype("Float64"),
    "an iterator": lambda a: iter(a),
}
LABELS = {
    "text": files.WORDS,
    "numbers": np.arange(files.N) % 3,
    "steps": np.arange(files.N * files.T).reshape(files.N, files.T) % 3,
}
PARAMETERS = [
    *("hidden_layer_sizes", "cell", "bias", "standardize", "step_size", "engine", "n_jobs"),
    *(
        "solver",
        "learning_rate_init",
        "learning_rate",
        "recurrent_rate",
        "warmup",
        "batch_size",
        "clip_norm",
        "alpha",
    ),
    *("momentum", "beta_1", "beta_2", "epsilon", "class_weight", "shuffle", "random_state"),
    *("max_iter", "early_stopping", "validation_fraction", "n_iter_no_change", "tol", "warm_start"),
]
NETWORK = ["n_features", "hidden", "n_outputs", "cell", "bias", "dtype", "seed", "engine", "n_jobs"]


def tries(rng, scale, folder):
    """Pass something odd to something public."""
    classifier = plain_model(RNNClassifier, 3, max_iter=2, random_state=0)  # it streams
    classifier.fit(files.X, files.WORDS)
    tagger = RNNTagger(3, max_iter=2, random_state=0).fit(files.X, LABELS["steps"])
    network = Network(files.D, 3, 3, seed=0)
    models = [classifier, tagger, network]
    kinds = [_parameter, _network, _x, _x, _x, _y, _y, _weights, _step]
    for _ in range(N * scale):
        what, do = kinds[rng.integers(len(kinds))](rng, models)
        yield what, partial(_works_or_is_refused, do)


def _works_or_is_refused(do):
    try:
        answer = do()
    except (ElmanError, ValueError, TypeError, MemoryError) as error:
        _require_purpose(error)
        return "refused"
    for numbers in answer if isinstance(answer, list | tuple) else [answer]:
        if isinstance(numbers, np.ndarray | float) and np.asarray(numbers).dtype.kind == "f":
            assert np.isfinite(numbers).all(), "the answer is not finite"
    return "works"


def _require_purpose(error):
    """An error that was raised on purpose, in this package or in scikit-learn."""
    assert str(error), repr(error)
    if isinstance(error, ElmanError):
        return
    last = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(last.filename, last.lineno).strip()
    is_ours = "/elman/" in last.filename and line.startswith("raise ")
    if not (is_ours or "/sklearn/" in last.filename):
        raise error


def _any(rng, choices):
    """Choose one, with its name."""
    name = [*choices][rng.integers(len(choices))]
    return name, choices[name]


def _odd(rng, array):
    """Something odd in place of an array."""
    if rng.random() < 0.25:
        return _any(rng, ALONE)
    while True:
        name, turn = _any(rng, TURNED)
        try:
            return name, turn(array)
        except (TypeError, ValueError):  # of text, some can't be made
            continue


def _parameter(rng, models):
    name, (what, value) = PARAMETERS[rng.integers(len(PARAMETERS))], _any(rng, ALONE)

    def do():
        model = RNNClassifier(
            **{"hidden_layer_sizes": 3, "max_iter": 2, "random_state": 0, name: value}
        )
        X = files.X.reshape(files.N, -1) if name == "step_size" else files.X
        return model.fit(X, files.WORDS).predict_proba(X)

    return f"RNNClassifier({name}={what})", do


def _network(rng, models):
    name, (what, value) = NETWORK[rng.integers(len(NETWORK))], _any(rng, ALONE)

    def do():
        made = Network(
            **{"n_features": files.D, "hidden": 3, "n_outputs": 3, "seed": 0, name: value}
        )
        X = files.X if name != "n_features" else np.ones((2, 3, made.architecture.n_features))
        return made.forward(X)

    return f"Network({name}={what})", do


def _x(rng, models):
    array = files.X if rng.random() < 0.7 else files.X.reshape(files.N, -1)
    what, X = _odd(rng, array)
    classifier, tagger, network = models
    y, steps = files.WORDS, LABELS["steps"]
    name, do = _any(
        rng,
        {
            "RNNClassifier.fit": lambda: _fit(RNNClassifier, X, y),
            "RNNTagger.fit": lambda: _fit(RNNTagger, X, steps),
            "RNNClassifier.partial_fit": lambda: _loss(
                RNNClassifier(3, random_state=0).partial_fit(X, y, classes=np.unique(y))
            ),
            "RNNClassifier.predict": lambda: classifier.predict(X),
            "RNNClassifier.predict_proba": lambda: classifier.predict_proba(X),
            "RNNClassifier.score": lambda: classifier.score(X, y),
            "RNNTagger.predict": lambda: tagger.predict(X),
            "RNNTagger.predict_proba": lambda: tagger.predict_proba(X),
            "RNNTagger.score": lambda: tagger.score(X, steps),
            "Network.forward": lambda: network.forward(X),
            "Network.loss_and_gradients": lambda: network.loss_and_gradients(X, LABELS["numbers"])[
                0
            ],
            "explain": lambda: elman.explain(classifier, X, y).n_terms,
            "gradient_flow": lambda: elman.gradient_flow(network, X, LABELS["numbers"]).verdict,
        },
    )
    return f"{name}, X {array.shape}: {what}", do


def _y(rng, models):
    of, labels = _any(rng, LABELS)
    what, y = _odd(rng, labels)
    classifier, tagger, network = models
    X = files.X
    name, do = _any(
        rng,
        {
            "RNNClassifier.fit": lambda: _fit(RNNClassifier, X, y),
            "RNNTagger.fit": lambda: _fit(RNNTagger, X, y),
            "RNNClassifier.partial_fit, classes": lambda: _loss(
                RNNClassifier(3, random_state=0).partial_fit(X, files.WORDS, classes=y)
            ),
            "RNNClassifier.score": lambda: classifier.score(X, y),
            "RNNTagger.score": lambda: tagger.score(X, y),
            "Network.loss_and_gradients": lambda: network.loss_and_gradients(X, y)[0],
            "explain": lambda: elman.explain(tagger, X[0], y).n_terms,
            "gradient_flow": lambda: elman.gradient_flow(network, X, y).verdict,
        },
    )
    return f"{name}, y of {of}: {what}", do


def _weights(rng, models):
    what, weights = _odd(rng, np.ones((files.N, files.T) if rng.random() < 0.4 else files.N))
    classifier, tagger, _ = models
    X, y, steps = files.X, files.WORDS, LABELS["steps"]
    name, do = _any(
        rng,
        {
            "RNNClassifier.fit": lambda: _fit(RNNClassifier, X, y, weights),
            "RNNTagger.fit": lambda: _fit(RNNTagger, X, steps, weights),
            "RNNClassifier.score": lambda: classifier.score(X, y, weights),
            "RNNTagger.score": lambda: tagger.score(X, steps, weights),
        },
    )
    return f"{name}, weights: {what}", do


def _step(rng, models):
    what, x = _odd(rng, files.X[0, 0])
    _, tagger, _ = models
    if rng.random() < 0.5:
        return f"RNNTagger.step, x: {what}", lambda: tagger.step(x, tagger.initial_state())[0]
    return f"RNNTagger.step, state: {what}", lambda: tagger.step(files.X[0, 0], x)[0]


def _fit(kind, *data):
    return _loss(kind(3, max_iter=1, random_state=0).fit(*data))


def _loss(model):
    return model.loss_curve_[-1]
