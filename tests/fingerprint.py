"""Fingerprints of what elman computes, compared with the table that all kinds of processors share.

    python tests/fingerprint.py            says which differ from the table, and fails where one does
    python tests/fingerprint.py --write    writes the table: only where a change of bits is meant

A fingerprint is the SHA-256 of an array's bytes. Each network is trained on ragged sequences in
batches of which the last has few, or of several, so that it takes all ways through the engine. What
goes in is made by operations that are exact, so that a difference is elman's.
"""

import argparse
import hashlib
import json
import platform
from pathlib import Path

import numpy as np
from numba import njit

from elman import Network, RNNClassifier, RNNTagger
from elman.engines.compiled.machine import functions, tiles
from elman.training import cosine
from plain import PLAIN
from tiled import over_arrays

TABLE = Path(__file__).with_name("fingerprints.json")

D, K = 3, 4
BATCH_SIZE = 20
FEW = 3
N = 2 * BATCH_SIZE + FEW

# One unit, and more than a tile has rows; multiples of the lanes, and numbers that are not.
NETWORKS = {
    "17 tanh": {"hidden_layer_sizes": 17, "solver": "sgd", "learning_rate_init": 0.1},
    "64 tanh, no bias": {
        "hidden_layer_sizes": 64,
        "solver": "rmsprop",
        "learning_rate_init": 3e-4,
        "bias": False,
    },
    "5 relu": {"hidden_layer_sizes": 5, "cell": "relu", "class_weight": "balanced"},
    "1 dense": {"hidden_layer_sizes": 1, "cell": "dense", "solver": "momentum"},
    "17 tanh, 70 relu": {
        "hidden_layer_sizes": (17, 70),
        "cell": ("tanh", "relu"),
        "alpha": 1e-3,
    },
    "16 dense, 33 tanh, 9 relu, no bias": {
        "hidden_layer_sizes": (16, 33, 9),
        "cell": ("dense", "tanh", "relu"),
        "solver": "nesterov",
        "clip_norm": 0.1,
        "bias": False,
    },
    "70 gru, several side by side": {"hidden_layer_sizes": 70, "cell": "gru", "batch_size": 11},
}
LABELS = {"a label a sequence": RNNClassifier, "a label a step": RNNTagger}


def fractions(rng, shape):
    """Numbers between -4 and 4 that both dtypes hold exactly."""
    return rng.integers(-(2**22), 2**22, shape) / 2**20


def trained(settings, estimator, dtype):
    """Weights, losses and answers of a network, after everything that an estimator does."""
    rng = np.random.default_rng(0)
    X = [fractions(rng, (T, D)).astype(dtype) for T in rng.integers(1, 21, N)]
    y = [np.digitize(x.cumsum(axis=0)[:, 0], range(1 - K // 2, K // 2)) for x in X]
    if estimator is RNNClassifier:
        y = [y_i[-1] for y_i in y]
    settings = PLAIN | {"batch_size": BATCH_SIZE} | settings | {"max_iter": 2, "random_state": 0}
    model = estimator(**settings).fit(X, y)
    streamed, _ = model.step(X[0][0], model.initial_state())
    answers = [*model.predict_proba(X), *model.predict_proba(X[:FEW]), streamed]
    return {
        "trained weights": model.network_.parameters.vector,
        "losses": np.array([epoch["loss"] for epoch in model.history_]),
        "answers": np.concatenate(answers, axis=None),
    }


def of_tokens():
    """Weights and answers of a network of tokens, which is float32."""
    rng = np.random.default_rng(0)
    X = ["".join(rng.choice(list("abcdefg"), T)) for T in rng.integers(1, 21, N)]
    y = [ord(x[0]) % K for x in X]
    settings = PLAIN | {"batch_size": BATCH_SIZE, "max_iter": 2, "random_state": 0}
    model = RNNClassifier(17, **settings, min_frequency=50).fit(X, y)
    streamed, _ = model.step("a", model.initial_state())
    answers = [*model.predict_proba(X), *model.predict_proba(X[:FEW]), streamed]
    return {
        "trained weights": model.network_.parameters.vector,
        "answers": np.concatenate(answers, axis=None),
    }


def initial_weights(dtype):
    network = Network(5, [130, 33, 9], K, cell=("tanh", "relu", "dense"), dtype=dtype, seed=0)
    return {"initial weights": network.parameters.vector}


@njit
def multiply(A, B, C, n):
    tile = tiles.zeros(C, tiles.tile_rows(C), 1)
    step = tiles.lanes(C)
    tile = tiles.multiply_add(tile, A, 0, 0, 1, B, 0, step, n)
    tiles.store(tile, C, 0, step)


def of_tiles(dtype):
    """What the engine is made of."""
    rng = np.random.default_rng(0)
    lanes, n = tiles.VECTOR_BITS // (8 * dtype.itemsize), 100
    A, B = fractions(rng, n).astype(dtype), fractions(rng, n * lanes).astype(dtype)
    C = np.empty(tiles.TILE_ROWS[8 * dtype.itemsize] * lanes, dtype)
    multiply(A, B, C, n)
    x = np.ldexp(fractions(rng, 20_000), rng.integers(-20, 5, 20_000)).astype(dtype)
    of_functions = {
        name: over_arrays(getattr(functions, name))(argument)
        for name, argument in [("tanh", x), ("exp", x), ("log", abs(x[x != 0]))]
    }
    return of_functions | {"product": C[:lanes]}


def fingerprints():
    """Compute them all, by name."""
    rate, n_updates = cosine(0.003, 20_000, 0.05), 20_000
    arrays = {"learning rates": np.array([rate(update) for update in range(n_updates)])}
    arrays |= {f"17 tanh of tokens / {name}": array for name, array in of_tokens().items()}
    for dtype in map(np.dtype, [np.float32, np.float64]):
        parts = {(dtype,): of_tiles(dtype) | initial_weights(dtype)}
        for network, settings in NETWORKS.items():
            for label, estimator in LABELS.items():
                parts[network, dtype, label] = trained(settings, estimator, dtype)
        arrays |= {
            " / ".join(map(str, [*of_what, name])): array
            for of_what, found in parts.items()
            for name, array in found.items()
        }
    for name, array in arrays.items():
        assert np.isfinite(array).all(), name
    return {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}


def differing():
    """Names of fingerprints that are not the table's, and of what stands in one of them alone."""
    expected = json.loads(TABLE.read_text())
    return sorted({name for name, _ in expected.items() ^ fingerprints().items()})


def kind_of_processor():
    """What this was compiled for: the architecture, the tiles, and x86-64's registers."""
    assembly = "".join(multiply.inspect_asm().values())
    widest = next((name for name in ("zmm", "ymm", "xmm") if name in assembly), "other")
    return f"{platform.machine()}, tiles of {tiles.TILE_ROWS[32]} rows in {widest} registers"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the table")
    if parser.parse_args().write:
        TABLE.write_text(json.dumps(fingerprints(), indent=2) + "\n")
        return
    wrong = differing()
    print(kind_of_processor())
    for name in wrong:
        print("differs:", name)
    if wrong:
        raise SystemExit(f"{len(wrong)} fingerprints are not those of {TABLE.name}")
    print(f"all fingerprints are those of {TABLE.name}")


if __name__ == "__main__":
    main()
