"""One epoch of MNIST rows (28 steps of 28, H = 128, batch 128): elman against PyTorch's nn.RNN.

Each contender runs in a process of its own, in turn, several rounds; the ratio is the median of the
rounds' ratios. Needs PyTorch beside elman: pip install torch==2.13.0

    python benchmarks/epoch.py [--data-dir DIR] [--rounds 5]
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

H, BATCH, LEARNING_RATE, CLIP = 128, 128, 1e-3, 1.0


def elman_epoch(data_dir: str | None) -> float:
    """Train one epoch by the reference engine; return the seconds."""
    import numpy as np

    from elman.data import as_sequences
    from elman.datasets import load_mnist
    from elman.engines import get_engine
    from elman.parameters import Architecture, initialize
    from elman.training import Examples, Trainer, constant, make_optimizer

    dataset = load_mnist(data_dir)
    rng = np.random.default_rng(0)
    sequences = as_sequences((dataset.X_train - 33.3) / 78.6)
    weights = np.ones(len(sequences), np.float32)
    trainer = Trainer(
        get_engine("reference"),
        initialize(Architecture(28, (H,), ("tanh",), 10), rng),
        Examples(sequences, dataset.y_train, weights, every_step=False),
        optimizer=make_optimizer("adam"),
        schedule=constant(LEARNING_RATE),
        batch_size=BATCH,
        rng=rng,
        max_norm=CLIP,
    )
    started = time.perf_counter()
    row = trainer.epoch(1, 1)
    seconds = time.perf_counter() - started
    assert row["accuracy"] > 0.7, row
    return seconds


def torch_epoch(data_dir: str | None) -> float:
    """Train the same network one epoch by PyTorch; return the seconds."""
    import torch

    from elman.datasets import load_mnist

    dataset = load_mnist(data_dir)
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    X = torch.from_numpy((dataset.X_train - 33.3) / 78.6)
    y = torch.from_numpy(dataset.y_train)
    rnn = torch.nn.RNN(28, H, batch_first=True)
    output = torch.nn.Linear(H, 10)
    for parameter in [rnn.weight_hh_l0]:
        torch.nn.init.orthogonal_(parameter)
    parameters = [*rnn.parameters(), *output.parameters()]
    optimizer = torch.optim.Adam(parameters, LEARNING_RATE)
    n_right = 0
    started = time.perf_counter()
    for batch in torch.randperm(len(X)).split(BATCH):
        optimizer.zero_grad()
        answers = output(rnn(X[batch])[0][:, -1])
        torch.nn.functional.cross_entropy(answers, y[batch]).backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        n_right += int((answers.argmax(1) == y[batch]).sum())
    seconds = time.perf_counter() - started
    assert n_right / len(X) > 0.7
    return seconds


CONTENDERS = {"elman": elman_epoch, "torch": torch_epoch}


def main() -> None:
    """Run the rounds, or one contender's part of one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        print(CONTENDERS[arguments.contender](arguments.data_dir))
        return
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for number in range(1, arguments.rounds + 1):
        for name in CONTENDERS:
            command = [sys.executable, __file__, "--contender", name]
            if arguments.data_dir:
                command += ["--data-dir", arguments.data_dir]
            printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            seconds[name].append(float(printed))
        line = "  ".join(f"{name} {times[-1]:.2f} s" for name, times in seconds.items())
        print(f"round {number}/{arguments.rounds}  {line}", flush=True)
    ratio = statistics.median(t / e for t, e in zip(seconds["torch"], seconds["elman"]))
    medians = "  ".join(
        f"{name} {statistics.median(times):.2f} s" for name, times in seconds.items()
    )
    print(f"medians: {medians}  ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
