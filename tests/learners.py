"""Small networks, with sequences and trainers for them."""

import numpy as np

from elman.data import Examples, Targets, as_sequences
from elman.engines import get_engine
from elman.merging import Members
from elman.parameters import Architecture, initialize
from elman.training import Trainer, constant, make_optimizer

LENGTHS = (4, 2, 5, 1, 3, 3, 6)
K = 3


def examples_of(lengths, every_step, weights=None, dtype=np.float64, seed=0):
    """Sequences of these lengths, with random labels; weights are one a sequence."""
    rng = np.random.default_rng(seed)
    sequences = as_sequences([rng.standard_normal((T, 2)).astype(dtype) for T in lengths])
    n_labels = sum(lengths) if every_step else len(lengths)
    weights = np.ones(len(lengths)) if weights is None else np.array(weights, dtype=float)
    weights = np.repeat(weights, lengths) if every_step else weights
    labels = rng.integers(K, size=n_labels)
    return Examples(sequences, Targets(labels, weights.astype(dtype), every_step))


def network_of(hidden=(4, 3), dtype=np.float64, seed=0):
    architecture = Architecture(2, hidden, ("tanh",) * len(hidden), K)
    parameters = initialize(architecture, np.random.default_rng(seed), dtype)
    for name in ("b1", "c"):  # zeros would hide a penalty on them
        parameters[name][...] = np.linspace(-0.5, 0.7, parameters[name].size)
    return parameters


def trainer_of(parameters, examples, *, solver="sgd", rate=0.1, seed=0, **settings):
    settings = {"batch_size": 100, "shuffle": False} | settings
    return Trainer(
        get_engine("reference"),
        Members.of([parameters]),
        examples,
        optimizer=make_optimizer(solver),
        schedule=constant(rate),
        rng=np.random.default_rng(seed),
        **settings,
    )
