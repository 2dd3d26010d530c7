"""Resumes: a process that trains dies (SIGKILL) at any moment, and another goes on, again and again.

Networks, solvers, dropout, what is watched and how often a checkpoint is written differ each time.
"""

import os
import signal
import time
from functools import partial

import numpy as np

from elman import Checkpoint, RNNClassifier, RNNRegressor, RNNStepRegressor, RNNTagger
from elman.persistence import read_model
from processes import FORKS, SECONDS

PROMISE = "the checkpoint is whole; in the end there are the bits of a training that nobody killed"
N = 11
KILLS = 3  # of one training
LONGEST = 0.15  # seconds from the first update to the kill
PAUSE = 0.002  # after each update, so that a training takes as long as the kills do
SOLVERS = ["sgd", "momentum", "nesterov", "rmsprop", "adam"]


def tries(rng, scale, folder):
    """Kill one training after another, up to three times each."""
    X = [rng.standard_normal((T, 2)) for T in rng.integers(2, 9, 60)]
    sums = [x.cumsum(axis=0)[:, 0] for x in X]
    labels = [(s > 0).astype(int) for s in sums]
    targets = {
        RNNClassifier: [of[-1] for of in labels],
        RNNTagger: labels,
        RNNRegressor: [of[-1] for of in sums],
        RNNStepRegressor: sums,
    }
    kinds = [*targets]
    for i in range(N * scale):
        kind = kinds[i % len(kinds)]
        params = {
            "hidden_layer_sizes": int(rng.integers(2, 9)),
            "max_iter": int(rng.integers(5, 20)),
            "batch_size": int(rng.integers(6, 20)),
            "solver": str(rng.choice(SOLVERS)),
            "learning_rate_init": float(rng.choice([0.003, 0.03, 3.0])),
            "dropout": float(rng.choice([0, 0.3])),
            "early_stopping": bool(rng.integers(2)),
            "n_iter_no_change": [None, 3][rng.integers(2)],
            "random_state": i,
            "engine": "reference",  # which has nothing to compile in each process
        }
        every = [None, 0, 0.01][rng.integers(3)]
        seconds = rng.uniform(0, LONGEST, KILLS).tolist()
        yield (
            f"{kind.__name__}(**{params}), every={every}, killed after {seconds}",
            partial(_kill, kind, params, X, targets[kind], every, seconds, folder / f"{i}.ckpt"),
        )


def _kill(kind, params, X, y, every, seconds, path):
    expected = _bits(kind(**params).fit(X, y))
    places = set()
    for limit in seconds:
        ours, theirs = FORKS.Pipe(duplex=False)
        process = FORKS.Process(target=_train, args=(kind, params, X, y, every, path, theirs))
        process.start()
        theirs.close()
        assert ours.poll(SECONDS), "training does not begin"
        ours.recv()
        time.sleep(limit)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        ours.close()
        if not path.exists():
            places.add("before the first")
            continue
        training = read_model(path).settings["training"]  # whole
        if training["run"]["ended"]:
            places.add("after the end")
            break
        places.add("within an epoch" if training["under_way"] else "between epochs")
    model = kind(**params).fit(X, y, **_file(path, every))
    assert _bits(model) == expected, "other bits"
    assert _bits(kind(**params).fit(X, y, resume=path)) == expected, "other bits at the end"
    return f"the same bits; checkpoints {', '.join(sorted(places))}"


def _file(path, every):
    resume = path if path.exists() else None
    return {"checkpoint": Checkpoint(path, every), "resume": resume}


def _train(kind, params, X, y, every, path, begun):
    def wait(progress):
        begun.send(True)
        time.sleep(PAUSE)

    kind(**params).fit(X, y, **_file(path, every), callback=wait)
    begun.send(True)
    time.sleep(SECONDS)


def _bits(model):
    kept = model._fitted.optimizer  # several networks leave none
    optimizer = [] if kept is None else vars(kept).values()
    return (
        model.network_.parameters.vector.tobytes(),
        model.history_,
        [value.tobytes() if isinstance(value, np.ndarray) else value for value in optimizer],
        model._fitted.rng.bit_generator.state,
    )
