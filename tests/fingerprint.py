"""The bits of what elman computes, as a program, to be compared between kinds of processors.

It prints how many rows a tile has, and a digest of each thing. Ragged sequences, in batches of which
the last has few, take all ways through the engine.
"""

import hashlib

import numpy as np
from numba import njit

from elman import Network, RNNClassifier, RNNTagger
from elman.engines.compiled import functions, tiles
from elman.engines.compiled.tiles import TILE_ROWS
from tiled import over_arrays


@njit
def multiply(A, B, C, n):
    tile = tiles.zeros(C, TILE_ROWS, 1)
    step = tiles.lanes(C)
    tile = tiles.multiply_add(tile, A, 0, 0, 1, B, 0, step, n)
    tiles.store(tile, C, 0, step)


def trained():
    """Weights and answers in float32, after everything that an estimator does."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 21, 43)
    X = [rng.standard_normal((T, 3)).astype(np.float32) for T in lengths]
    y = [(x.cumsum(axis=0)[:, 0] > 0).astype(int) for x in X]
    settings = {"hidden_layer_sizes": (17, 70), "batch_size": 20, "max_iter": 2, "random_state": 0}
    classifier = RNNClassifier(cell=("tanh", "relu"), **settings).fit(X, [y_i[-1] for y_i in y])
    tagger = RNNTagger(alpha=1e-3, solver="rmsprop", **settings).fit(X, y)
    state = tagger.initial_state()
    streamed, _ = tagger.step(X[0][0], state)
    return {
        "classifier": classifier.network_.parameters.vector,
        "classifier's answers": classifier.predict_proba(X),
        "tagger": tagger.network_.parameters.vector,
        "tagger's answers": np.concatenate(tagger.predict_proba(X)),
        "tagger's answers to few": np.concatenate(tagger.predict_proba(X[:2])),
        "tagger's answer to a step": streamed,
    }


def of_tiles():
    """What the engine is made of, in float64."""
    rng = np.random.default_rng(0)
    A, B, C = rng.standard_normal(100), rng.standard_normal(800), np.empty(TILE_ROWS * 8)
    multiply(A, B, C, 100)
    x = np.ldexp(rng.standard_normal(20_000), rng.integers(-20, 8, 20_000))
    of_functions = {
        name: over_arrays(getattr(functions, name))(argument)
        for name, argument in [("tanh", x), ("exp", x), ("log", abs(x))]
    }
    return of_functions | {"product": C[:8]}


def initial_weights():
    network = Network(5, [64, 33], 3, cell=("tanh", "relu"), dtype=np.float64, seed=0)
    return {"initial weights": network.parameters.vector}


if __name__ == "__main__":
    print("rows of a tile:", TILE_ROWS)
    for name, array in (initial_weights() | of_tiles() | trained()).items():
        assert np.isfinite(array).all()
        print(f"{name}:", hashlib.sha256(array.tobytes()).hexdigest())
