"""Compiles the kernels, each once, on all cores: before test processes, side by side, compile them all.

    python tests/kernels.py

What is compiled is kept on disk, where tests and those that they start find it. A width of vectors,
checked mode and each change of a kernel's source have code of their own.
"""

from concurrent.futures import ProcessPoolExecutor
from itertools import product

import numpy as np

from elman import Dropout, Network
from elman.engines.compiled import engine, panels
from elman.engines.compiled.panels import training

DTYPES = [np.float32, np.float64]
DROPOUT = Dropout(0.5, 0.5, 0, 0)
KERNELS = [  # what takes longest first
    *product(["both ways"], DTYPES, ["last"], [DROPOUT, None]),
    *product(["full panels"], DTYPES, ["last", "mean"], [None]),
    *product(["narrow panels"], DTYPES, ["last", "mean"], [None]),
    *product(["first states"], DTYPES, ["last"], [None]),
    *product(["full panels", "narrow panels"], DTYPES, ["last"], [DROPOUT]),
    ("full panels", np.float64, "mean", DROPOUT),
    *product(["pairs"], DTYPES, ["last"], [None]),
    ("pairs of first states", np.float32, "mean", None),
    ("pairs of first states", np.float32, "last", DROPOUT),
    *product(["rows", "several rows"], DTYPES, ["last"], [None, DROPOUT]),
]


def compile_kernels(kind, dtype, readout, dropout):
    """Have a network of some kind train and answer."""
    training.are_narrow = lambda *_: kind == "narrow panels"
    panels.PAIRS = "pairs" in kind
    network = Network(
        3, 5, 4, dtype=dtype, readout=readout, bidirectional=kind == "both ways", seed=0,
        learn_initial_state="first states" in kind, n_jobs=1,
    )  # fmt: skip
    engine.are_few = lambda *_: "rows" in kind
    X = np.ones((1 if kind == "rows" else 32 if panels.PAIRS else 8, 2, 3))
    network.loss_and_gradients(X, np.zeros(len(X), int), dropout=dropout)
    if (readout, dropout) == ("last", None) and kind not in (
        "narrow panels",
        "first states",
        "pairs",
    ):
        network.forward(X)
    if "rows" in kind:
        n = 1 if kind == "rows" else 8
        network.step(X[:n, 0], network.initial_state(n))


def main():
    with ProcessPoolExecutor() as processes:
        list(processes.map(compile_kernels, *zip(*KERNELS, strict=True)))


if __name__ == "__main__":
    main()
