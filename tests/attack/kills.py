"""Kills: a process dies (SIGKILL) while it saves models over older ones, one after another."""

import os
import signal
import time
from functools import partial

from elman import Network, load
from processes import FORKS

PROMISE = (
    "the file is the old model or the new one, whole; what lies beside it goes with the next save"
)
N = 15
LONGEST = 0.05  # seconds from the first save to the kill


def tries(rng, scale, folder):
    """Kill who saves two models in turn, after a while."""
    models = [Network(16, [256, 256], 3, seed=seed) for seed in (1, 2)]
    path = folder / "model.safetensors"
    whole = []
    for model in models:
        model.save(path)
        whole.append(path.read_bytes())
    for _ in range(N * scale):
        seconds = float(rng.uniform(0, LONGEST))
        yield f"after {1000 * seconds:.1f} ms", partial(_kill, seconds, models, path, whole)


def _kill(seconds, models, path, whole):
    ours, theirs = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_save_for_ever, args=(models, path, theirs))
    process.start()
    theirs.close()
    ours.recv()  # it has begun
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    ours.close()
    assert path.read_bytes() in whole, "neither the old model nor the new one"
    was_writing = len([*path.parent.iterdir()]) > 1
    assert load(path).architecture == models[0].architecture
    models[0].save(path)
    assert [*path.parent.iterdir()] == [path], "what the dead process wrote is still there"
    return "whole; killed while it wrote" if was_writing else "whole; killed in between"


def _save_for_ever(models, path, begun):
    begun.send(True)
    while True:
        for model in models:
            model.save(path)
