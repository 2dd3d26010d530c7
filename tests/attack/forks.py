"""Forks: a process that has trained in threads is forked, and its children train and answer."""

import multiprocessing
from functools import partial
from unittest.mock import patch

import numpy as np

from elman import RNNClassifier, RNNTagger
from elman.engines.compiled import engine
from processes import SECONDS

PROMISE = "each child ends, with the same bits as its parent; and the parent goes on"
N = 11


def tries(rng, scale, folder):
    """Train in threads, fork, train in the child; networks and data differ each time."""
    for _ in range(N * scale):
        lengths = rng.integers(1, 12, 40)
        X = [rng.standard_normal((n, 3)) for n in lengths]
        y = [(x.cumsum(axis=0)[:, 0] > 0).astype(int) for x in X]
        is_tagger = bool(rng.integers(2))
        hidden = tuple(rng.integers(1, 20, rng.integers(1, 3)).tolist())
        model = (RNNTagger if is_tagger else RNNClassifier)(
            hidden, max_iter=2, random_state=0, n_jobs=int(rng.integers(2, 5)), batch_size=33
        )
        yield (
            f"{model}, {int(lengths.sum())} steps",
            partial(_fork, model, X, y if is_tagger else [labels[-1] for labels in y]),
        )


def _fork(model, X, y):
    context = multiprocessing.get_context("fork")
    with patch.object(engine, "SMALL", 0):  # in threads, however small it is
        expected = _bits(model, X, y)
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=lambda: sender.send(_bits(model, X, y)))
        child.start()
        try:
            assert receiver.poll(SECONDS), "a child hangs"
            assert receiver.recv() == expected, "a child learns other bits"
            child.join(SECONDS)
            assert child.exitcode == 0, child.exitcode
        finally:
            child.kill()
            child.join()
            receiver.close()
            sender.close()
        assert _bits(model, X, y) == expected, "the parent learns other bits afterwards"
    return "the same bits"


def _bits(model, X, y):
    answers = model.fit(X, y).predict_proba(X)
    return np.concatenate([*answers], axis=None).tobytes()
